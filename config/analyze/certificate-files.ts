/** Certificate and key files that resources name. Whether they exist is the machine's affair: the caller looks. */

import type { Resource, Snapshot } from '../load/snapshot.ts';
import type { ClientTlsSettings } from '../resources/destination-rule.ts';
import type { Path } from '../resources/finding.ts';
import type { ServerTlsSettings } from '../resources/gateway.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import { trafficPoliciesOf } from './traffic-policies.ts';

export interface CertificateFile {
  readonly resource: Resource<unknown>;
  readonly path: Path;
  /** As written. */
  readonly file: string;
}

/** `caCertificates: system` means the operating system's authorities. */
const SYSTEM = 'system';

export function certificateFiles(snapshot: Snapshot): readonly CertificateFile[] {
  return [
    ...snapshot.gateways.flatMap((gateway) => gateway.spec.servers.flatMap(({ tls }, index) => serverFiles(gateway, tls, ['spec', 'servers', index, 'tls']))),
    ...snapshot.sidecars.flatMap((sidecar) => (sidecar.spec.ingress ?? []).flatMap(({ tls }, index) => serverFiles(sidecar, tls, ['spec', 'ingress', index, 'tls']))),
    ...snapshot.destinationRules.flatMap((rule) => trafficPoliciesOf(rule.spec).flatMap(({ policy, path }) => clientFiles(rule, policy.tls, [...path, 'tls']))),
  ];
}

/** `run` waits for the file; what needs it fails meanwhile. */
export function missingFile({ resource, path, file }: CertificateFile): Problem {
  return problemAt(resource, 'warning', path, `there is no file ${JSON.stringify(file)} on this machine: TLS that needs it fails until it is there`);
}

function serverFiles(resource: Resource<unknown>, tls: ServerTlsSettings | undefined, base: Path): readonly CertificateFile[] {
  if (tls === undefined) return [];
  const own = namedFiles(resource, tls, base, ['serverCertificate', 'privateKey', 'caCertificates', 'caCrl']);
  const pairs = (tls.tlsCertificates ?? []).flatMap((pair, index) => namedFiles(resource, pair, [...base, 'tlsCertificates', index], ['serverCertificate', 'privateKey', 'caCertificates']));
  return [...own, ...pairs];
}

function clientFiles(resource: Resource<unknown>, tls: ClientTlsSettings | undefined, base: Path): readonly CertificateFile[] {
  return tls === undefined ? [] : namedFiles(resource, tls, base, ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl']);
}

function namedFiles<T extends object>(resource: Resource<unknown>, tls: T, base: Path, fields: readonly (keyof T & string)[]): readonly CertificateFile[] {
  return fields.flatMap((field) => {
    const file = tls[field];
    return typeof file === 'string' && file !== '' && file !== SYSTEM ? [{ resource, path: [...base, field], file }] : [];
  });
}
