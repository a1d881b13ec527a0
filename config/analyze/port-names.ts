/** IST0118: a Service port whose name tells no protocol, so that its bytes are sniffed. */

import { servicePortProtocol } from '../compile/protocol.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

/** Their services are Kubernetes' and Istio's own. */
const SYSTEM_NAMESPACES = new Set(['istio-system', 'kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage']);

export function analyzePortNames({ snapshot }: Subject): readonly Problem[] {
  return snapshot.services.flatMap((service) => {
    if (SYSTEM_NAMESPACES.has(service.metadata.namespace) || service.spec.type === 'ExternalName') return [];
    return (service.spec.ports ?? []).flatMap((port, index) => {
      if (servicePortProtocol(port) !== 'AUTO') return [];
      const shown = port.name === undefined || port.name === '' ? 'has no name' : `is named ${JSON.stringify(port.name)}`;
      const message = `port ${port.port} ${shown}, which tells no protocol: its bytes are inspected; name it like "http" or "http-web", or set appProtocol`;
      return [problemAt(service, 'info', ['spec', 'ports', index], message, 'IST0118')];
    });
  });
}
