/** A named group of upstream hosts with one policy (Istio: one service port and subset). */

import type { EndpointConfig } from './endpoint.ts';
import type { Origin } from './origin.ts';
import type { ClientTlsConfig } from './tls.ts';

export type LoadBalancerPolicy = 'LEAST_REQUEST' | 'ROUND_ROBIN' | 'RANDOM' | 'RING_HASH' | 'MAGLEV' | 'PASSTHROUGH';

/** How one host of a cluster is chosen (DestinationRule `loadBalancer`, and `outlierDetection.minHealthPercent`). */
export interface LoadBalancerConfig {
  readonly policy: LoadBalancerPolicy;
  readonly origin: Origin | 'default';
  /** RING_HASH: entries at least; Istio's default is 1024. */
  readonly minimumRingSize?: number;
  /** MAGLEV: entries, a prime; Istio's default is 65,537. */
  readonly tableSize?: number;
  /** Slow start of hosts that are new or healthy again; ROUND_ROBIN and LEAST_REQUEST only. */
  readonly warmup?: WarmupConfig;
  /**
   * Percent of a priority's hosts that must be healthy for health to count; below it all are used (panic). Absent: 50,
   * Envoy's default. Istio writes minHealthPercent (default 0 = never panic) wherever outlierDetection is set.
   */
  readonly panicThresholdPercent?: number;
  /** Localities get shares by their `localityWeight` (Istio: localityLbSetting.distribute). */
  readonly localityWeighted?: boolean;
}

/** weight × max(minimumPercent, (age / durationMs)^(1 / aggression)). */
export interface WarmupConfig {
  readonly durationMs: number;
  /** 0..100. */
  readonly minimumPercent: number;
  /** Above 0. */
  readonly aggression: number;
}

/** DestinationRule `connectionPool`; an absent limit is no limit (Istio programs 2^32 − 1). */
export interface ConnectionPoolConfig {
  /** Connections of the whole cluster; a host without one may always open one. */
  readonly maxConnections?: number;
  /** Requests that wait for a connection (http1MaxPendingRequests). */
  readonly maxPendingRequests?: number;
  /** Requests under way (http2MaxRequests, for HTTP/1.1 too). */
  readonly maxRequests?: number;
  /** Retries waiting or under way (maxRetries); not looked at where there is a retry budget. */
  readonly maxRetries?: number;
  readonly retryBudget?: RetryBudgetConfig;
  /** 1: one request per connection. Absent: any number. */
  readonly maxRequestsPerConnection?: number;
  /** A connection older than this takes no more requests, milliseconds. */
  readonly maxConnectionDurationMs?: number;
  /** Present: keep-alive probes are on; absent members are the system's. */
  readonly tcpKeepalive?: { readonly probes?: number; readonly timeMs?: number; readonly intervalMs?: number };
  /** Byte tunnels without traffic either way end after this, milliseconds; 0: never. Absent: one hour. */
  readonly tcpIdleTimeoutMs?: number;
  /** Streams per HTTP/2 connection. */
  readonly maxConcurrentStreams?: number;
  /** Of the block, where anything in it was written. */
  readonly origin?: Origin;
}

/** Concurrent retries as a share of requests. */
export interface RetryBudgetConfig {
  /** 0..100; default 20. */
  readonly percent: number;
  /** Retries that are always allowed; default 3. */
  readonly minRetryConcurrency: number;
  /** A share of the requests of the last so many milliseconds; 0: of those active and pending. */
  readonly intervalMs: number;
  readonly origin?: Origin;
}

/** DestinationRule `outlierDetection` with Istio's defaults filled in; a count of 0 switches its rule off. */
export interface OutlierDetectionConfig {
  readonly consecutive5xx: number;
  readonly consecutiveGateway: number;
  /** Used only with `splitLocalOrigin`. */
  readonly consecutiveLocalOrigin: number;
  readonly splitLocalOrigin: boolean;
  /** Sweep that returns hosts to service, milliseconds. */
  readonly intervalMs: number;
  /** Milliseconds, × times ejected. */
  readonly baseEjectionTimeMs: number;
  /** Milliseconds: 300,000 or the base, whichever is longer. */
  readonly maxEjectionTimeMs: number;
  /** 0..100; the share after an ejection must not exceed it. */
  readonly maxEjectionPercent: number;
  /** Status codes that count as errors instead of 5xx (outlierDetectionHttpErrorCodes). */
  readonly errorCodes?: readonly number[];
  readonly origin: Origin | 'default';
}

export interface ClusterConfig {
  /** `outbound|9080|v1|reviews.default.svc.cluster.local`, `inbound|9080||`, `PassthroughCluster`, … */
  readonly name: string;
  /**
   * STATIC: endpoints are IPs. DNS: endpoint addresses are names, all their addresses are hosts.
   * DNS_ROUND_ROBIN: only the first address at connect time. ORIGINAL_DST: the address the downstream asked for.
   * DYNAMIC_DNS: the name in the request's Host or the connection's SNI, looked up when it comes; there are no endpoints,
   * and the port is `portOverride`, else `port`.
   */
  readonly discovery: 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN' | 'ORIGINAL_DST' | 'DYNAMIC_DNS';
  readonly endpoints: readonly EndpointConfig[];
  readonly loadBalancer: LoadBalancerConfig;
  /** Absent: nothing is limited. */
  readonly connectionPool?: ConnectionPoolConfig;
  /** Absent: no host is ever ejected. */
  readonly outlierDetection?: OutlierDetectionConfig;
  /** TCP connect limit, milliseconds; Istio's default is 10,000 (MeshConfig.connectTimeout). */
  readonly connectTimeoutMs: number;
  readonly connectTimeoutOrigin: Origin | 'default';
  /** Idle upstream connections close after this, milliseconds; Istio's default is one hour. */
  readonly idleTimeoutMs: number;
  /** Declared application protocol of the port. */
  readonly protocol: 'HTTP' | 'HTTP2' | 'GRPC' | 'TCP' | 'TLS' | 'AUTO';
  readonly tls: ClientTlsConfig;
  /** A PROXY protocol header is sent first on each upstream connection (DestinationRule `proxyProtocol`). */
  readonly proxyProtocol?: 'V1' | 'V2';
  /** Connections come from 127.0.0.6 or ::6, so that interception lets them pass to the application (inbound clusters of an intercepted workload). */
  readonly fromLoopbackSix?: boolean;
  /**
   * Headless services and local ports: a redirected connection goes on to where it was going and nowhere else, as with
   * ORIGINAL_DST; endpoints, and `addressOverride`, are for what was not redirected.
   */
  readonly followsOriginalDestination?: true;
  /** For ORIGINAL_DST and DYNAMIC_DNS with a ServiceEntry targetPort: connect to this port instead of the one asked for. */
  readonly portOverride?: number;
  /** For ORIGINAL_DST: connect to this address, whichever one was asked for; only the port is the downstream's (InboundPassthroughCluster). See followsOriginalDestination. */
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
