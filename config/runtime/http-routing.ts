/** How HTTP requests of a connection find a route table, and what the connection manager does to their heads. */

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
