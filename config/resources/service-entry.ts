/** ServiceEntry: a host the registry would not know otherwise. */

import { isIP } from 'node:net';
import type { KindParser } from './kind.ts';
import { istioVersions, specKind } from './kind.ts';
import type { Report, Schema } from './schema.ts';
import { checked, list, object, oneName, portNumber, text } from './schema.ts';
import { isHttp, isTls, sniffableProtocol } from './server-port.ts';
import { exportTo, hostName, nameLabel, selectorLabels, subnet } from './values.ts';
import type { WorkloadEntrySpec } from './workload-entry.ts';
import { isUnixAddress, workloadEntrySpec } from './workload-entry.ts';

export interface ServiceEntrySpec {
  /** At least one; exact or `*.x`. */
  readonly hosts: readonly string[];
  /** IP addresses or CIDR blocks. */
  readonly addresses?: readonly string[];
  readonly ports?: readonly ServicePort[];
  /** Default MESH_EXTERNAL. */
  readonly location?: 'MESH_EXTERNAL' | 'MESH_INTERNAL';
  /** Default NONE. */
  readonly resolution?: Resolution;
  readonly endpoints?: readonly WorkloadEntrySpec[];
  readonly workloadSelector?: EntrySelector;
  readonly exportTo?: readonly string[];
  readonly subjectAltNames?: readonly string[];
}

export type Resolution = 'NONE' | 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN' | 'DYNAMIC_DNS';

export interface ServicePort {
  readonly number: number;
  readonly name: string;
  /** As written; absent or empty = sniffed. Compare in upper case. */
  readonly protocol?: string;
  /** Default: `number`. */
  readonly targetPort?: number;
}

export interface EntrySelector {
  readonly labels?: Readonly<Record<string, string>>;
}

const servicePort: Schema<ServicePort> = object<ServicePort>(
  { number: portNumber, name: nameLabel, protocol: sniffableProtocol, targetPort: portNumber },
  { required: ['number', 'name'] },
);

const host = hostName((value) => (value === '*' ? 'a ServiceEntry for every host ("*") is not allowed; name a domain such as "*.example.com"' : undefined));

const fields: Schema<ServiceEntrySpec> = object<ServiceEntrySpec>(
  {
    hosts: list(host, { min: 1, max: 256 }),
    addresses: list(subnet, { max: 256 }),
    ports: list(servicePort, { max: 256, check: checkPorts }),
    location: oneName(['MESH_EXTERNAL', 'MESH_INTERNAL']),
    resolution: oneName(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS']),
    endpoints: list(workloadEntrySpec, { max: 4096 }),
    workloadSelector: object<EntrySelector>({ labels: selectorLabels }),
    exportTo: exportTo({ none: true }),
    subjectAltNames: list(text),
  },
  { required: ['hosts'] },
);

export const serviceEntry: KindParser<ServiceEntrySpec> = specKind(
  { kind: 'ServiceEntry', apiVersions: istioVersions('networking', 'v1', 'v1beta1', 'v1alpha3') },
  checked(fields, checkServiceEntry),
);

function checkPorts(ports: readonly ServicePort[], report: Report): void {
  const names = new Set<string>();
  const numbers = new Set<number>();
  for (const [index, { name, number }] of ports.entries()) {
    if (names.has(name)) report.error([index, 'name'], `the port name ${JSON.stringify(name)} is used twice`);
    if (numbers.has(number)) report.error([index, 'number'], `the port ${number} is listed twice`);
    names.add(name);
    numbers.add(number);
  }
}

function checkServiceEntry(entry: ServiceEntrySpec, report: Report): void {
  if (entry.workloadSelector !== undefined) checkSelector(entry, report);
  checkAddresses(entry, report);
  checkEndpointPorts(entry, report);
  checkResolution[entry.resolution ?? 'NONE'](entry, report);
}

function checkSelector(entry: ServiceEntrySpec, report: Report): void {
  if ((entry.endpoints ?? []).length > 0) report.error(['workloadSelector'], 'cannot be combined with endpoints');
  if (Object.keys(entry.workloadSelector?.labels ?? {}).length === 0) report.warning(['workloadSelector'], 'has no labels and selects every workload of the namespace');
}

function checkAddresses(entry: ServiceEntrySpec, report: Report): void {
  const { addresses = [], hosts, ports = [], resolution = 'NONE' } = entry;
  const block = addresses.findIndex((address) => address.includes('/'));
  if (block !== -1 && resolution !== 'NONE' && resolution !== 'STATIC') {
    report.error(['addresses', block], `a CIDR block is only allowed with resolution NONE or STATIC, not ${resolution}`);
  }
  if (hosts.length < 2 || addresses.length > 0) return;
  const opaque = ports.findIndex(({ protocol = '' }) => !isHttp(protocol) && !isTls(protocol));
  if (opaque !== -1) report.error(['ports', opaque], 'several hosts without addresses cannot be told apart on a port that is neither HTTP nor TLS; split the ServiceEntry or give addresses');
}

function checkEndpointPorts(entry: ServiceEntrySpec, report: Report): void {
  const names = new Set((entry.ports ?? []).map(({ name }) => name));
  for (const [index, endpoint] of (entry.endpoints ?? []).entries()) {
    for (const name of Object.keys(endpoint.ports ?? {})) {
      if (!names.has(name)) report.error(['endpoints', index, 'ports', name], `the port ${JSON.stringify(name)} is not one of this ServiceEntry's ports`);
    }
  }
}

const checkResolution: Readonly<Record<Resolution, (entry: ServiceEntrySpec, report: Report) => void>> = {
  NONE(entry, report) {
    if ((entry.endpoints ?? []).length > 0) report.error(['endpoints'], 'are not allowed with resolution NONE, which forwards to the address the client dialled; use STATIC or DNS');
  },
  STATIC(entry, report) {
    const endpoints = entry.endpoints ?? [];
    for (const [index, { address = '' }] of endpoints.entries()) {
      if (address === '' || isUnixAddress(address) || isIP(address) !== 0) continue;
      report.error(['endpoints', index, 'address'], `${JSON.stringify(address)} is not an IP address; resolution STATIC does not resolve names, use DNS`);
    }
    const sockets = endpoints.some(({ address = '' }) => isUnixAddress(address));
    if (sockets && entry.ports?.length !== 1) report.error(['ports'], 'exactly one service port is needed for unix sockets');
  },
  DNS: checkNamed,
  DNS_ROUND_ROBIN(entry, report) {
    checkNamed(entry, report);
    if ((entry.endpoints ?? []).length > 1) report.error(['endpoints', 1], 'only one endpoint is allowed with resolution DNS_ROUND_ROBIN');
  },
  DYNAMIC_DNS(entry, report) {
    for (const field of ['addresses', 'endpoints'] as const) {
      if ((entry[field] ?? []).length > 0) report.error([field], 'are not allowed with resolution DYNAMIC_DNS');
    }
    for (const [index, name] of entry.hosts.entries()) {
      if (!name.startsWith('*.')) report.error(['hosts', index], 'resolution DYNAMIC_DNS is for wildcard hosts; use DNS');
    }
    for (const [index, { protocol = '' }] of (entry.ports ?? []).entries()) {
      if (['HTTP', 'HTTP2', 'GRPC', 'TLS'].includes(protocol.toUpperCase())) continue;
      report.error(['ports', index, 'protocol'], 'must be HTTP, HTTP2, GRPC or TLS with resolution DYNAMIC_DNS');
    }
  },
};

/** Without endpoints the hosts themselves are resolved; a socket has no name. */
function checkNamed(entry: ServiceEntrySpec, report: Report): void {
  const endpoints = entry.endpoints ?? [];
  const wildcard = entry.hosts.findIndex((name) => name.includes('*'));
  if (endpoints.length === 0 && entry.workloadSelector === undefined && wildcard !== -1) {
    report.error(['hosts', wildcard], `a wildcard cannot be resolved; give endpoints, or use resolution DYNAMIC_DNS`);
  }
  for (const [index, { address = '' }] of endpoints.entries()) {
    if (isUnixAddress(address)) report.error(['endpoints', index, 'address'], `a unix socket needs resolution STATIC, not ${entry.resolution ?? 'NONE'}`);
  }
}
