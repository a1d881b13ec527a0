/** Filter chains: who takes a connection, and the two things that can become of it. */

import type { FilterChainConfig, FilterChainMatch, NetworkConfig, TcpRouteConfig } from '../runtime/filter-chain.ts';
import type { HttpListenerConfig } from '../runtime/listener.ts';
import type { MeshSettings } from './mesh.ts';

export const MATCH_EVERYTHING: FilterChainMatch = {};

/** A sidecar trusts the forwarding headers it gets: the application beside it, or another sidecar, wrote them. */
export function sidecarHttp({ pathNormalization }: MeshSettings): HttpListenerConfig {
  return { useRemoteAddress: false, numTrustedProxies: 0, pathNormalization };
}

/** Requests go by one route table. `port` is what a Host without one means. */
export function httpNetwork(table: string, port: number, http: HttpListenerConfig): NetworkConfig {
  return { kind: 'http', routing: { kind: 'table', table, port }, http };
}

export function tcpNetwork(route: TcpRouteConfig): NetworkConfig {
  return { kind: 'tcp', route };
}

/** To one of Istio's fixed clusters, or the one of a local port. */
export function clusterRoute(cluster: string, more: Partial<TcpRouteConfig> & { readonly host?: string; readonly port?: number } = {}): TcpRouteConfig {
  const { host = '', port = 0, ...rest } = more;
  return { name: cluster, destinations: [{ cluster, weight: 1, host, port, subset: '' }], ...rest };
}

/** A connection on its way to the proxy's own capture port: Istio's `virtualOutbound-blackhole` and `virtualInbound-blackhole`. */
export function loopChain(name: string, destinationPort: number, cluster: string): FilterChainConfig {
  const network: NetworkConfig = { kind: 'close', reason: `port ${destinationPort} is this proxy's own`, flag: 'UH', cluster };
  return { name, match: { destinationPort }, network };
}
