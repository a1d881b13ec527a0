/** Client-side traffic policy messages (istio-api.md 3.3–3.9), shared by DestinationRule, Sidecar and MeshConfig; durations in milliseconds. */

import type { PortSelector } from '../messages.ts';

export interface PortTrafficPolicy {
  readonly port: PortSelector;
  readonly loadBalancer?: LoadBalancerSettings;
  readonly connectionPool?: ConnectionPoolSettings;
  readonly outlierDetection?: OutlierDetection;
  readonly tls?: ClientTlsSettings;
}

export interface TrafficPolicy {
  readonly loadBalancer?: LoadBalancerSettings;
  readonly connectionPool?: ConnectionPoolSettings;
  readonly outlierDetection?: OutlierDetection;
  readonly tls?: ClientTlsSettings;
  readonly portLevelSettings?: readonly PortTrafficPolicy[];
  readonly tunnel?: TunnelSettings;
  readonly proxyProtocol?: { readonly version?: 'V1' | 'V2' };
  readonly retryBudget?: RetryBudget;
}

export interface RetryBudget {
  /** 0..100, default 20. */
  readonly percent?: number;
  /** Default 3. */
  readonly minRetryConcurrency?: number;
  /** Milliseconds. */
  readonly budgetInterval?: number;
}

export interface TunnelSettings {
  /** Default CONNECT. */
  readonly protocol?: 'CONNECT' | 'POST';
  readonly targetHost: string;
  readonly targetPort: number;
}

/** One of `simple`, `consistentHash`, `backendUtilization`. */
export interface LoadBalancerSettings {
  /** UNSPECIFIED and the deprecated LEAST_CONN mean LEAST_REQUEST. */
  readonly simple?: 'UNSPECIFIED' | 'LEAST_CONN' | 'RANDOM' | 'PASSTHROUGH' | 'ROUND_ROBIN' | 'LEAST_REQUEST';
  readonly consistentHash?: ConsistentHash;
  readonly backendUtilization?: BackendUtilization;
  readonly localityLbSetting?: LocalityLbSetting;
  readonly zoneAwareLbSetting?: ZoneAwareLbSetting;
  readonly warmup?: Warmup;
  /** Deprecated; milliseconds. */
  readonly warmupDurationSecs?: number;
}

/** One hash key; one algorithm (`ringHash`, `maglev` or the deprecated `minimumRingSize`). */
export interface ConsistentHash {
  readonly httpHeaderName?: string;
  readonly httpCookie?: HttpCookie;
  readonly useSourceIp?: boolean;
  readonly httpQueryParameterName?: string;
  readonly ringHash?: { readonly minimumRingSize?: number };
  readonly maglev?: { readonly tableSize?: number };
  readonly minimumRingSize?: number;
}

export interface HttpCookie {
  readonly name: string;
  readonly path?: string;
  /** Milliseconds; 0 = session cookie; absent = the proxy generates no cookie. */
  readonly ttl?: number;
  readonly attributes?: readonly { readonly name: string; readonly value?: string }[];
}

export interface BackendUtilization {
  readonly errorUtilizationPenaltyPercent?: number;
  readonly metricNamesForComputingUtilization?: readonly string[];
  /** Milliseconds. */
  readonly weightExpirationPeriod?: number;
  /** Milliseconds. */
  readonly weightStabilizationPeriod?: number;
  /** Milliseconds. */
  readonly weightUpdatePeriod?: number;
}

export interface Warmup {
  /** Milliseconds. */
  readonly duration: number;
  /** 0..100, default 10. */
  readonly minimumPercent?: number;
  /** > 0, default 1. */
  readonly aggression?: number;
}

export interface LocalityLbSetting {
  readonly enabled?: boolean;
  readonly distribute?: readonly { readonly from?: string; readonly to?: Readonly<Record<string, number>> }[];
  readonly failover?: readonly LocalityFailover[];
  readonly failoverPriority?: readonly string[];
}

export interface LocalityFailover {
  readonly from?: string;
  readonly to?: string;
}

export interface ZoneAwareLbSetting {
  readonly enabled?: boolean;
  readonly failover?: readonly LocalityFailover[];
  readonly failoverPriority?: readonly string[];
  /** Default 6. */
  readonly minClusterSize?: number;
}

export interface ConnectionPoolSettings {
  readonly tcp?: TcpSettings;
  readonly http?: HttpSettings;
}

export interface TcpSettings {
  readonly maxConnections?: number;
  /** Milliseconds. */
  readonly connectTimeout?: number;
  readonly tcpKeepalive?: TcpKeepalive;
  /** Milliseconds. */
  readonly maxConnectionDuration?: number;
  /** Milliseconds; 0 disables. */
  readonly idleTimeout?: number;
}

export interface TcpKeepalive {
  readonly probes?: number;
  /** Milliseconds. */
  readonly time?: number;
  /** Milliseconds. */
  readonly interval?: number;
}

/** Integers: 0 means unset. */
export interface HttpSettings {
  readonly http1MaxPendingRequests?: number;
  readonly http2MaxRequests?: number;
  readonly maxRequestsPerConnection?: number;
  readonly maxRetries?: number;
  /** Milliseconds. */
  readonly idleTimeout?: number;
  readonly h2UpgradePolicy?: 'DEFAULT' | 'DO_NOT_UPGRADE' | 'UPGRADE';
  readonly useClientProtocol?: boolean;
  readonly maxConcurrentStreams?: number;
  readonly http2KeepAlive?: {
    /** Milliseconds. */
    readonly interval: number;
    /** Milliseconds. */
    readonly timeout: number;
  };
}

export interface OutlierDetection {
  /** Deprecated and ignored. */
  readonly consecutiveErrors?: number;
  /** Default 5; 0 disables. */
  readonly consecutive5xxErrors?: number;
  readonly consecutiveGatewayErrors?: number;
  readonly splitExternalLocalOriginErrors?: boolean;
  readonly consecutiveLocalOriginFailures?: number;
  /** Milliseconds. */
  readonly interval?: number;
  /** Milliseconds. */
  readonly baseEjectionTime?: number;
  readonly maxEjectionPercent?: number;
  readonly minHealthPercent?: number;
  readonly outlierDetectionHttpErrorCodes?: readonly number[];
}

export interface ClientTlsSettings {
  /** Default DISABLE. */
  readonly mode?: 'DISABLE' | 'SIMPLE' | 'MUTUAL' | 'ISTIO_MUTUAL';
  readonly clientCertificate?: string;
  readonly privateKey?: string;
  readonly caCertificates?: string;
  readonly caCrl?: string;
  readonly credentialName?: string;
  readonly subjectAltNames?: readonly string[];
  readonly sni?: string;
  readonly insecureSkipVerify?: boolean;
}
