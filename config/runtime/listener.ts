/** A bound address and how its requests find a route table. */

import type { FilterChainConfig } from './filter-chain.ts';
import type { HttpListenerConfig, RoutingConfig } from './http-routing.ts';
import type { Origin } from './origin.ts';

export type { HttpListenerConfig, RoutingConfig } from './http-routing.ts';

export type Direction = 'outbound' | 'inbound' | 'gateway';

export interface ListenerConfig {
  /** `virtualOutbound`, `virtualInbound`, or `ADDRESS_PORT` for a Gateway server or Sidecar listener. */
  readonly name: string;
  readonly direction: Direction;
  /** Port 0 picks a free one; `unix:///path` and `unix://@name` have none. `bothFamilies`: `0.0.0.0` and, by the same socket, `::`. */
  readonly bind: { readonly address: string; readonly port: number; readonly bothFamilies?: true };
  /** The Gateway's or Sidecar's own port number, when this listener comes from one; key of the ready file's `ports`. */
  readonly declaredPort?: number;
  /** Plain HTTP/1.1, where no chain below takes the connection: without interception, and on plain HTTP servers. */
  readonly routing: RoutingConfig;
  readonly http: HttpListenerConfig;
  /**
   * Chains to choose from, by where the connection was going and by its first bytes. Absent: every connection is plain
   * HTTP, routed by `routing`. On a capture listener they are for redirected connections only; what came to the
   * listener's own address goes by `routing`, unless interception is known to be on (then it is refused).
   */
  readonly chains?: readonly FilterChainConfig[];
  /** Takes what no chain matches; absent: closed, counted as no_filter_chain_match. */
  readonly defaultChain?: FilterChainConfig;
  /**
   * Capture listener: for what came to its own address, where interception does not refuse that. Absent: plain HTTP by `routing`.
   * A workload with a certificate speaks mutual TLS there as well, so that a mesh works without interception.
   */
  readonly direct?: { readonly chains: readonly FilterChainConfig[]; readonly defaultChain: FilterChainConfig };
  /** Capture listener: ask the kernel where a redirected connection was going, and hand it to the virtual listener of that address first. */
  readonly usesOriginalDestination?: boolean;
  /** Connections begin with a PROXY protocol header, version 1 or 2. */
  readonly proxyProtocol?: boolean;
  /** How long the first bytes are waited for before a connection counts as plain bytes, milliseconds; 0 or absent: without limit (Istio's default). */
  readonly detectionTimeoutMs?: number;
  readonly origin?: Origin;
}

/**
 * A listener that is not bound: the outbound capture listener hands it the connections on their way to its address
 * (Envoy: `use_original_dst`, `bind_to_port: false`). `10.0.0.5_5432`, `0.0.0.0_9080`, `[::]_9080`.
 */
export interface VirtualListenerConfig {
  /** `ADDRESS_PORT`; `0.0.0.0` and `::` stand for every address. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Lower case: names that stand for the address where a CONNECT brings one. */
  readonly hosts?: readonly string[];
  /** True: the port's protocol is not declared, so the first bytes are looked at; false: only where a chain's match needs them. */
  readonly detectsProtocol: boolean;
  readonly chains: readonly FilterChainConfig[];
  readonly defaultChain?: FilterChainConfig;
  readonly detectionTimeoutMs?: number;
  readonly origin?: Origin;
}
