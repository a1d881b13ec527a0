/** Ports declared HTTP/2 or gRPC, which this version speaks HTTP/1.1 to: one warning for each resource. */

import type { Protocol } from '../compile/protocol.ts';
import { servicePortProtocol, writtenProtocol } from '../compile/protocol.ts';
import type { Resource } from '../load/snapshot.ts';
import type { Path } from '../resources/finding.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

export function analyzeHttp2Ports({ snapshot }: Subject): readonly Problem[] {
  return [
    ...snapshot.services.flatMap((service) => warning(service, (service.spec.ports ?? []).map(servicePortProtocol))),
    ...snapshot.serviceEntries.flatMap((entry) => warning(entry, (entry.spec.ports ?? []).map(({ protocol }) => writtenProtocol(protocol)))),
  ];
}

function warning(resource: Resource<unknown>, protocols: readonly (Protocol | undefined)[]): readonly Problem[] {
  const index = protocols.findIndex((protocol) => protocol === 'HTTP2' || protocol === 'GRPC');
  if (index === -1) return [];
  const path: Path = ['spec', 'ports', index];
  const shown = protocols[index] === 'GRPC' ? 'gRPC' : 'HTTP/2';
  return [problemAt(resource, 'warning', path, `${shown} is not spoken by this version: requests for this port are sent as HTTP/1.1`)];
}
