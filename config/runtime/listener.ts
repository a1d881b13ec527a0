/** A bound address and how its requests find a route table. */

import type { Origin } from './origin.ts';

export type Direction = 'outbound' | 'inbound' | 'gateway';

export interface ListenerConfig {
  /** `virtualOutbound`, `virtualInbound`, or `ADDRESS_PORT` for a Gateway server or Sidecar listener. */
  readonly name: string;
  readonly direction: Direction;
  /** Port 0 picks a free one. */
  readonly bind: { readonly address: string; readonly port: number };
  /** The Gateway's or Sidecar's own port number, when this listener comes from one; key of the ready file's `ports`. */
  readonly declaredPort?: number;
  readonly routing: RoutingConfig;
  readonly http: HttpListenerConfig;
  readonly origin?: Origin;
}

export type RoutingConfig =
  /** Every request uses one route table. `port` is what `redirect.derivePort` and an absent Host port mean. */
  | { readonly kind: 'table'; readonly table: string; readonly port: number }
  /**
   * Capture listener without interception: the destination port is the one in the URL or Host, else the port of the
   * virtual host marked `portless` that the Host matches (the service's only HTTP port), else 80. `tables` maps that
   * port to a route table name; a port with no table uses `unknown`.
   */
  | {
      readonly kind: 'by-port';
      readonly tables: Readonly<Record<string, string>>;
      readonly unknown: string;
    };

/** What Envoy's HTTP connection manager gets from Istio for this listener. */
export interface HttpListenerConfig {
  /** Gateway: append the peer to x-forwarded-for, overwrite x-forwarded-proto and x-request-id, strip edge headers. */
  readonly useRemoteAddress: boolean;
  readonly numTrustedProxies: number;
  /** Gateway: this proxy's own address, which stands for a loopback peer in x-forwarded-for. */
  readonly localAddress?: string;
  /** MeshConfig.pathNormalization. */
  readonly pathNormalization: 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES';
}
