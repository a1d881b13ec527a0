/** A named group of upstream hosts with one policy (Istio: one service port and subset). */

import type { EndpointConfig } from './endpoint.ts';
import type { Origin } from './origin.ts';

export type LoadBalancerPolicy = 'LEAST_REQUEST' | 'ROUND_ROBIN' | 'RANDOM' | 'PASSTHROUGH';

export interface ClusterConfig {
  /** `outbound|9080|v1|reviews.default.svc.cluster.local`, `inbound|9080||`, `PassthroughCluster`, … */
  readonly name: string;
  /**
   * STATIC: endpoints are IPs. DNS: endpoint addresses are names, all their addresses are hosts.
   * DNS_ROUND_ROBIN: only the first address at connect time. ORIGINAL_DST: the address the downstream asked for.
   */
  readonly discovery: 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN' | 'ORIGINAL_DST';
  readonly endpoints: readonly EndpointConfig[];
  readonly loadBalancer: { readonly policy: LoadBalancerPolicy; readonly origin: Origin | 'default' };
  /** TCP connect limit, milliseconds; Istio's default is 10,000 (MeshConfig.connectTimeout). */
  readonly connectTimeoutMs: number;
  readonly connectTimeoutOrigin: Origin | 'default';
  /** Idle upstream connections close after this, milliseconds; Istio's default is one hour. */
  readonly idleTimeoutMs: number;
  /** Declared application protocol of the port. */
  readonly protocol: 'HTTP' | 'HTTP2' | 'GRPC' | 'TCP' | 'TLS' | 'AUTO';
  /**
   * TLS the DestinationRule asks for. This issue speaks plain text only: `refuse` clusters answer 503 rather than
   * send in clear what the rule wants encrypted.
   */
  readonly tls: { readonly mode: 'DISABLE' | 'SIMPLE' | 'MUTUAL' | 'ISTIO_MUTUAL' | 'AUTO'; readonly origin: Origin | 'default' };
  /** For ORIGINAL_DST with a ServiceEntry targetPort: connect to this port instead of the one asked for. */
  readonly portOverride?: number;
  /** For ORIGINAL_DST: connect to this address, whichever one was asked for; only the port is the downstream's (InboundPassthroughCluster). */
  readonly addressOverride?: string;
  /** Values of the destination_service* labels. */
  readonly service: { readonly host: string; readonly name: string; readonly namespace: string };
  /** Service port and subset this cluster stands for; 0 and '' where there is none. */
  readonly port: number;
  readonly subset: string;
  /** Service or ServiceEntry, absent for Istio's fixed clusters. */
  readonly origin?: Origin;
  /** The DestinationRule whose policy applies, if any. */
  readonly policyOrigin?: Origin;
}
