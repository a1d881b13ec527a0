/** The application protocol of a port, from its name, `appProtocol` or written protocol (istio-api.md section 7). */

import type { ClusterConfig } from '../runtime/cluster.ts';

export type Protocol = ClusterConfig['protocol'];

const BY_NAME: Readonly<Record<string, Protocol | 'UDP'>> = {
  http: 'HTTP',
  http2: 'HTTP2',
  grpc: 'GRPC',
  'grpc-web': 'GRPC',
  https: 'TLS',
  tls: 'TLS',
  tcp: 'TCP',
  mongo: 'TCP',
  mysql: 'TCP',
  redis: 'TCP',
  udp: 'UDP',
};

/** Values that Kubernetes itself defines for `appProtocol` (KEP-3726). */
const KUBERNETES_APP_PROTOCOLS: Readonly<Record<string, Protocol>> = {
  'kubernetes.io/h2c': 'HTTP2',
  'kubernetes.io/ws': 'HTTP',
  'kubernetes.io/wss': 'TLS',
};

/** SMTP, DNS, MySQL, MongoDB: protocols in which the server may speak first, so that sniffing would wait for ever. */
const WELL_KNOWN_TCP_PORTS: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

/** Protocol of a Kubernetes Service port; undefined for a port that carries no TCP. */
export function servicePortProtocol(port: { readonly name?: string; readonly protocol?: string; readonly appProtocol?: string; readonly port: number }): Protocol | undefined {
  if (port.protocol === 'UDP' || port.protocol === 'SCTP') return undefined;
  const name = port.appProtocol ?? port.name ?? '';
  if (Object.hasOwn(KUBERNETES_APP_PROTOCOLS, name)) return KUBERNETES_APP_PROTOCOLS[name];
  const protocol = protocolOfName(name);
  if (protocol === 'UDP') return undefined;
  if (protocol !== undefined) return protocol;
  return WELL_KNOWN_TCP_PORTS.has(port.port) ? 'TCP' : 'AUTO';
}

/** Protocol of a ServiceEntry, Gateway or Sidecar port; AUTO where it is absent or unknown, undefined for UDP. */
export function writtenProtocol(protocol: string | undefined): Protocol | undefined {
  const name = (protocol ?? '').toLowerCase();
  const known = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : 'AUTO';
  return known === 'UDP' ? undefined : known;
}

/** Ports whose requests are routed by virtual hosts: declared HTTP and those to be sniffed. */
export function isHttp(protocol: Protocol): boolean {
  return isDeclaredHttp(protocol) || protocol === 'AUTO';
}

export function isDeclaredHttp(protocol: Protocol): boolean {
  return protocol === 'HTTP' || protocol === 'HTTP2' || protocol === 'GRPC';
}

/** The name up to the first `-`; only `grpc-web` is told by its beginning, because it has a `-` itself. */
function protocolOfName(name: string): Protocol | 'UDP' | undefined {
  const lower = name.toLowerCase();
  if (lower.startsWith('grpc-web')) return BY_NAME['grpc-web'];
  const dash = lower.indexOf('-');
  const prefix = dash === -1 ? lower : lower.slice(0, dash);
  return Object.hasOwn(BY_NAME, prefix) ? BY_NAME[prefix] : undefined;
}
