/** What becomes of a connection: which chain takes it, whether TLS is terminated, and who speaks with it then. */

import type { HttpListenerConfig, RoutingConfig } from './http-routing.ts';
import type { Origin } from './origin.ts';
import type { ServerTlsConfig } from './tls.ts';

/** Every present condition must hold. Chains are matched as Envoy does, most specific first (proxy-semantics.md A.18), not in order. */
export interface FilterChainMatch {
  /** Port the connection was on its way to. */
  readonly destinationPort?: number;
  /** CIDR ranges (`10.0.0.0/8`, `2001:db8::1/128`) of the address the connection was on its way to. */
  readonly destinationRanges?: readonly string[];
  /** Lower case; exact or `*.suffix`. */
  readonly serverNames?: readonly string[];
  readonly transport?: 'tls' | 'plain';
  /** One the ClientHello offers (`istio`, `h2` …); for plain bytes what was detected: `http/1.1` or `h2c`. */
  readonly applicationProtocols?: readonly string[];
}

export interface FilterChainConfig {
  /** Unique in its listener: `virtualInbound-catchall-http`, `0.0.0.0_8443/shop` … */
  readonly name: string;
  readonly match: FilterChainMatch;
  /** Present: TLS ends here. */
  readonly tls?: ServerTlsConfig;
  readonly network: NetworkConfig;
  readonly origin?: Origin;
}

/** Who speaks with the downstream. */
export type NetworkConfig =
  | { readonly kind: 'http'; readonly routing: RoutingConfig; readonly http: HttpListenerConfig }
  | { readonly kind: 'tcp'; readonly route: TcpRouteConfig }
  /** Closed at once, with this reason in the log: a loop, a policy, BlackHoleCluster. */
  | { readonly kind: 'close'; readonly reason: string; readonly flag?: 'NR' | 'UH'; readonly cluster?: string };

/** One upstream connection for each downstream one (VirtualService `tcp` and `tls` routes, plain services, pass-through). */
export interface TcpRouteConfig {
  /** For the log: the route's `namespace/name` or the service's host. */
  readonly name: string;
  /** At least one; chosen by weight for each connection. */
  readonly destinations: readonly { readonly cluster: string; readonly weight: number; readonly host: string; readonly port: number; readonly subset: string }[];
  /** AUTO_PASSTHROUGH: the cluster is the one the SNI names; `destinations` is empty. */
  readonly clusterFromSni?: { readonly hosts: readonly string[] };
  /** Client's address decides the host where the cluster's balancer hashes. */
  readonly hashBySourceIp?: boolean;
  /** Milliseconds without bytes either way; 0: never. Absent: one hour. */
  readonly idleTimeoutMs?: number;
  /** Connects tried before giving up; absent: 1 (Envoy's max_connect_attempts). */
  readonly maxConnectAttempts?: number;
  /** DestinationRule `tunnel`: the upstream is asked for this target first. */
  readonly tunnel?: { readonly protocol: 'CONNECT' | 'POST'; readonly authority: string };
  readonly virtualService?: string;
  readonly origin?: Origin;
}
