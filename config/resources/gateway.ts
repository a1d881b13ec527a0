/** Gateway: ports, hosts and certificates that a gateway workload serves. */

import type { KindParser } from './kind.ts';
import { istioVersions, specKind } from './kind.ts';
import type { Metadata } from './metadata.ts';
import type { Report, Schema } from './schema.ts';
import { list, map, object, present, text } from './schema.ts';
import type { Port } from './server-port.ts';
import { bindProblem, gatewayPort, isHttp, isTls, portNumberProblem } from './server-port.ts';
import type { ServerTlsSettings } from './server-tls.ts';
import { serverTls } from './server-tls.ts';
import { checkedText, dnsLabelProblem, hostProblem } from './values.ts';

export type { Port } from './server-port.ts';
export type { ServerTlsSettings } from './server-tls.ts';

export interface GatewaySpec {
  /** Labels of the workloads, in any namespace; absent or empty = every workload. */
  readonly selector?: Readonly<Record<string, string>>;
  /** At least one. */
  readonly servers: readonly Server[];
}

export interface Server {
  readonly port: Port;
  /** IP address or unix socket. */
  readonly bind?: string;
  /** `[namespace/]dns`, as written. */
  readonly hosts: readonly string[];
  readonly tls?: ServerTlsSettings;
  readonly name?: string;
  readonly defaultEndpoint?: string;
}

const server: Schema<Server> = object<Server>(
  {
    port: gatewayPort,
    bind: checkedText((bind) => bindProblem(bind, { unix: true })),
    hosts: list(checkedText(serverHostProblem), { min: 1 }),
    tls: serverTls,
    name: text,
    defaultEndpoint: text,
  },
  { required: ['port', 'hosts'], check: checkServer },
);

export const gateway: KindParser<GatewaySpec> = specKind(
  { kind: 'Gateway', apiVersions: istioVersions('networking', 'v1', 'v1beta1', 'v1alpha3') },
  object<GatewaySpec>({ selector: map(text), servers: list(server, { min: 1, check: checkNames }) }, { required: ['servers'] }),
  checkName,
);

/** `[namespace/]dns`: namespace `*`, `.` or a name; a fully qualified or wildcard host. */
function serverHostProblem(entry: string): string | undefined {
  const slash = entry.indexOf('/');
  const namespace = slash === -1 ? '*' : entry.slice(0, slash);
  const host = entry.slice(slash + 1);
  if (namespace === '~') return `${JSON.stringify(entry)}: the namespace "~" is not allowed in a Gateway`;
  if (namespace !== '*' && namespace !== '.') {
    const problem = dnsLabelProblem(namespace);
    if (problem !== undefined) return `${JSON.stringify(entry)}: the namespace ${problem}; "*" and "." are allowed too`;
  }
  const problem = hostProblem(host);
  if (problem !== undefined) return problem;
  if (host === '*' || host.includes('.') || host.includes(':')) return undefined;
  return `${JSON.stringify(host)} is a short name; a Gateway needs the full host name`;
}

function checkServer(value: Server, report: Report): void {
  const { port, tls } = value;
  const numberProblem = portNumberProblem(port, value.bind);
  if (numberProblem !== undefined) report.error(['port', 'number'], numberProblem);
  if (value.defaultEndpoint !== undefined) report.notEnforced(['defaultEndpoint'], 'has no effect, in Istio neither');
  checkTlsFits(port.protocol ?? '', tls, report);
}

/** TLS settings belong to TLS ports; a plain HTTP port may only redirect. */
function checkTlsFits(protocol: string, tls: ServerTlsSettings | undefined, report: Report): void {
  if (isTls(protocol)) {
    if (tls === undefined) report.error([], `protocol ${protocol} needs tls`);
    if (tls?.httpsRedirect === true) report.warning(['tls', 'httpsRedirect'], 'has no effect: this server is not plain HTTP');
    return;
  }
  if (tls === undefined || protocol === '') return;
  if (!isHttp(protocol)) return report.error(['tls'], `protocol ${protocol} has no TLS; use TLS or HTTPS, or remove tls`);
  const other = present(tls, Object.keys(tls) as (keyof ServerTlsSettings)[]).find((field) => field !== 'httpsRedirect');
  if (other !== undefined) report.error(['tls', other], `protocol ${protocol} is plain text: only httpsRedirect is allowed; use HTTPS for TLS`);
}

function checkNames(servers: readonly Server[], report: Report): void {
  const ports = new Set<string>();
  const names = new Set<string>();
  for (const [index, { port, name = '' }] of servers.entries()) {
    const portName = port.name ?? '';
    if (portName !== '' && ports.has(portName)) report.error([index, 'port', 'name'], `the port name ${JSON.stringify(portName)} is used twice`);
    if (name !== '' && names.has(name)) report.error([index, 'name'], `the server name ${JSON.stringify(name)} is used twice`);
    ports.add(portName);
    names.add(name);
  }
}

/** VirtualServices name gateways as `namespace/name`, where dots once meant something else. */
function checkName(_: GatewaySpec, metadata: Metadata, report: Report): void {
  if (metadata.name.includes('.')) report.error(['metadata', 'name'], `${JSON.stringify(metadata.name)}: the name of a Gateway must not have a dot`);
}
