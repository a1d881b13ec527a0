/** Kubernetes Service, as far as routing reads it (istio-api.md section 7). */

import { isIP } from 'node:net';
import type { KindParser } from './kind.ts';
import { specKind } from './kind.ts';
import type { Report, Schema } from './schema.ts';
import { boolean, integer, intOrString, list, object, oneName, openObject, portNumber, text } from './schema.ts';
import { checkedText, dnsLabelProblem, hostProblem, labels } from './values.ts';

export interface ServiceSpec {
  /** Default ClusterIP. */
  readonly type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** IP, `None` (headless) or empty; absent in a manifest that was never applied. */
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly externalIPs?: readonly string[];
  readonly externalName?: string;
  /** Labels of the pods behind it; absent: endpoints are kept by someone else. */
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports?: readonly ServicePortSpec[];
  readonly publishNotReadyAddresses?: boolean;
  /** Default Cluster. */
  readonly internalTrafficPolicy?: 'Cluster' | 'Local';
  readonly trafficDistribution?: string;
}

export interface ServicePortSpec {
  /** Absent or empty only on a service with one port. */
  readonly name?: string;
  /** Default TCP. */
  readonly protocol?: TransportProtocol;
  readonly appProtocol?: string;
  /** 1..65535. */
  readonly port: number;
  /** Number or container port name; default `port`. */
  readonly targetPort?: number | string;
  readonly nodePort?: number;
}

export type TransportProtocol = 'TCP' | 'UDP' | 'SCTP';

export const transportProtocol: Schema<TransportProtocol> = oneName(['TCP', 'UDP', 'SCTP']);

const address = checkedText((value) => (value === '' || value === 'None' || isIP(value) !== 0 ? undefined : `${JSON.stringify(value)} is not an IP address`));

const port: Schema<ServicePortSpec> = object<ServicePortSpec>(
  { name: text, protocol: transportProtocol, appProtocol: text, port: portNumber, targetPort: intOrString, nodePort: integer(0, 65_535) },
  { required: ['port'], check: checkPort },
);

const spec: Schema<ServiceSpec> = openObject<ServiceSpec>(
  {
    type: oneName(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']),
    clusterIP: address,
    clusterIPs: list(address),
    externalIPs: list(address),
    externalName: text,
    selector: labels,
    ports: list(port, { check: checkPorts }),
    publishNotReadyAddresses: boolean,
    internalTrafficPolicy: oneName(['Cluster', 'Local']),
    trafficDistribution: text,
  },
  { check: checkService },
);

export const service: KindParser<ServiceSpec> = specKind({ kind: 'Service', apiVersions: ['v1'] }, spec, (_, metadata, report) => {
  const problem = dnsLabelProblem(metadata.name);
  if (problem !== undefined) report.error(['metadata', 'name'], problem);
});

/** A container port's name: what `targetPort` may say instead of a number (IANA service name, RFC 6335). */
export function portNameProblem(name: string): string | undefined {
  const valid = name.length <= 15 && /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) && /[a-z]/.test(name);
  return valid ? undefined : `${JSON.stringify(name)} is not a port name (lower-case letters, digits and "-", at most 15, at least one letter)`;
}

function checkPort(message: ServicePortSpec, report: Report): void {
  const { name = '', targetPort } = message;
  const wrongName = name === '' ? undefined : dnsLabelProblem(name);
  if (wrongName !== undefined) report.error(['name'], wrongName);
  // 0 is how Kubernetes prints an unset targetPort.
  const wrongTarget = typeof targetPort === 'string' ? portNameProblem(targetPort) : targetPortProblem(targetPort);
  if (wrongTarget !== undefined) report.error(['targetPort'], wrongTarget);
}

function targetPortProblem(target: number | undefined): string | undefined {
  if (target === undefined || (Number.isInteger(target) && target >= 0 && target <= 65_535)) return undefined;
  return `must be a port from 1 to 65535 or a port name, got ${target}`;
}

function checkPorts(ports: readonly ServicePortSpec[], report: Report): void {
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [index, { name = '', port: number, protocol = 'TCP' }] of ports.entries()) {
    if (name === '' && ports.length > 1) report.error([index], 'needs a name: the service has several ports');
    if (name !== '' && names.has(name)) report.error([index, 'name'], `the port name ${JSON.stringify(name)} is used twice`);
    const key = `${number}/${protocol}`;
    if (numbers.has(key)) report.error([index, 'port'], `port ${key} is declared twice`);
    names.add(name);
    numbers.add(key);
  }
}

function checkService(message: ServiceSpec, report: Report): void {
  if (message.type === 'ExternalName') {
    const name = (message.externalName ?? '').replace(/\.$/, '');
    const problem = name === '' ? 'is required for type ExternalName' : hostProblem(name, { wildcard: false, ip: false });
    if (problem !== undefined) report.error(['externalName'], problem);
    return;
  }
  if ((message.ports ?? []).length === 0 && message.clusterIP !== 'None') report.error(['ports'], 'must not be empty (only headless and ExternalName services may do without)');
}
