/** MeshConfig messages with Istio's own field names, as far as a data plane reads them (istio-api.md section 12); durations in milliseconds. */

import type { Destination } from '../messages.ts';
import type { ConnectionPoolSettings, LocalityLbSetting, OutlierDetection, TcpKeepalive } from '../traffic-policy/types.ts';
import type { HttpRetry } from '../virtual-service/types.ts';

export interface MeshConfigSpec {
  /** Default `istio-system`. */
  readonly rootNamespace?: string;
  /** Default `cluster.local`. */
  readonly trustDomain?: string;
  readonly trustDomainAliases?: readonly string[];
  /** Default true. */
  readonly enableAutoMtls?: boolean;
  /** Mode default ALLOW_ANY, an empty object included: istiod lays the file over its defaults, unlike in a Sidecar. */
  readonly outboundTrafficPolicy?: MeshOutboundTrafficPolicy;
  /** Mode default PASSTHROUGH. */
  readonly inboundTrafficPolicy?: { readonly mode?: 'PASSTHROUGH' | 'LOCALHOST' };
  /** Milliseconds; default 10,000. */
  readonly connectTimeout?: number;
  /** Milliseconds; default 0 = wait for ever. */
  readonly protocolDetectionTimeout?: number;
  readonly tcpKeepalive?: TcpKeepalive;
  readonly defaultHttpRetryPolicy?: HttpRetry;
  readonly defaultInboundHttpRetryPolicy?: HttpRetry;
  /** Fills blocks that no DestinationRule sets. */
  readonly defaultTrafficPolicy?: { readonly connectionPool?: ConnectionPoolSettings; readonly outlierDetection?: OutlierDetection };
  readonly localityLbSetting?: LocalityLbSetting;
  /** Default DO_NOT_UPGRADE. */
  readonly h2UpgradePolicy?: 'DO_NOT_UPGRADE' | 'UPGRADE';
  /** Default BASE; DEFAULT means BASE. */
  readonly pathNormalization?: { readonly normalization?: PathNormalization };
  /** Empty or absent: no access log. */
  readonly accessLogFile?: string;
  /** Default TEXT. */
  readonly accessLogEncoding?: 'TEXT' | 'JSON';
  /** Empty or absent: Istio's own format. With JSON encoding a JSON object in text. */
  readonly accessLogFormat?: string;
  /** Default true. */
  readonly enableTracing?: boolean;
  /** Milliseconds; default 60,000. */
  readonly dnsRefreshRate?: number;
  readonly defaultServiceExportTo?: readonly string[];
  readonly defaultVirtualServiceExportTo?: readonly string[];
  readonly defaultDestinationRuleExportTo?: readonly string[];
  /** Default 15001. */
  readonly proxyListenPort?: number;
  /** Default 15006. */
  readonly proxyInboundListenPort?: number;
  readonly defaultConfig?: MeshProxyConfig;
  readonly extensionProviders?: readonly ExtensionProvider[];
  readonly defaultProviders?: DefaultProviders;
  readonly meshMTLS?: MeshTls;
  readonly tlsDefaults?: MeshTls;
}

export type PathNormalization = 'DEFAULT' | 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES';

export interface MeshOutboundTrafficPolicy {
  readonly mode?: 'REGISTRY_ONLY' | 'ALLOW_ANY' | 'ALLOW_ANY_DYNAMIC_DNS';
  readonly egressProxy?: Destination;
}

/** The members of `defaultConfig` a data plane without an agent reads. */
export interface MeshProxyConfig {
  /** Milliseconds; default 45,000. */
  readonly drainDuration?: number;
  /** Milliseconds; default 5,000. */
  readonly terminationDrainDuration?: number;
  /** Default 15020. */
  readonly statusPort?: number;
  /** Default 15000. */
  readonly proxyAdminPort?: number;
  readonly concurrency?: number;
  /** `proxyProtocol`: connections to gateways begin with a PROXY header. */
  readonly gatewayTopology?: { readonly numTrustedProxies?: number; readonly proxyProtocol?: Readonly<Record<string, never>> };
  readonly tracing?: { readonly sampling?: number };
  /** Variables of the agent; names that start with `ISTIO_META_` are settings. */
  readonly proxyMetadata?: Readonly<Record<string, string>>;
}

/** One provider; the settings behind `kind` are kept as written for the part that implements it. */
export interface ExtensionProvider {
  readonly name: string;
  /** The oneof member that is set: `envoyExtAuthzHttp`, `envoyFileAccessLog`, `zipkin`, `prometheus` …; absent where none is. */
  readonly kind?: string;
  readonly settings?: unknown;
}

export interface DefaultProviders {
  readonly tracing?: readonly string[];
  readonly metrics?: readonly string[];
  readonly accessLogging?: readonly string[];
}

export interface MeshTls {
  readonly minProtocolVersion?: 'TLS_AUTO' | 'TLSV1_2' | 'TLSV1_3';
  readonly ecdhCurves?: readonly string[];
  readonly cipherSuites?: readonly string[];
}
