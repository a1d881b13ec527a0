/** MeshConfig with Istio's defaults filled in (istio-api.md section 12): what the other compile steps ask of the mesh. */

import type { Resource } from '../load/types.ts';
import type { MeshConfigSpec, MeshTls, PathNormalization } from '../resources/mesh-config.ts';
import type { Destination } from '../resources/messages.ts';
import type { ConnectionPoolSettings, LocalityLbSetting, OutlierDetection, TcpKeepalive } from '../resources/traffic-policy/types.ts';
import type { HttpRetry } from '../resources/virtual-service/types.ts';
import type { HttpListenerConfig } from '../runtime/listener.ts';
import type { Path } from '../resources/finding.ts';
import type { Place } from './located.ts';

export interface MeshSettings {
  readonly outboundPolicy: OutboundPolicy;
  readonly inboundPolicy: 'PASSTHROUGH' | 'LOCALHOST';
  readonly autoMtls: boolean;
  /** Besides the workload's own: identities of these are the mesh's too. */
  readonly trustDomainAliases: readonly string[];
  /** TLS between sidecars. */
  readonly meshTls: MeshTls;
  /** TLS with everybody else. */
  readonly tlsDefaults: MeshTls;
  /** How long the first bytes are waited for, milliseconds; 0: without limit. */
  readonly detectionTimeoutMs: number;
  /** Milliseconds. */
  readonly connectTimeoutMs: number;
  readonly defaultConnectionPool: ConnectionPoolSettings | undefined;
  readonly defaultOutlierDetection: OutlierDetection | undefined;
  readonly tcpKeepalive: TcpKeepalive | undefined;
  /** Of outbound and gateway routes without `retries`. */
  readonly defaultRetry: HttpRetry | undefined;
  readonly defaultInboundRetry: HttpRetry | undefined;
  /** For services whose DestinationRule has none. */
  readonly localityLbSetting: LocalityLbSetting;
  readonly serviceExportTo: readonly string[];
  readonly virtualServiceExportTo: readonly string[];
  readonly destinationRuleExportTo: readonly string[];
  readonly pathNormalization: HttpListenerConfig['pathNormalization'];
  readonly numTrustedProxies: number;
  /** Connections to a gateway begin with a PROXY protocol header. */
  readonly gatewayProxyProtocol: boolean;
  /** Where a value of the mesh configuration stands; undefined where the snapshot has none or does not say it. */
  placeOf(...path: Path): Place | undefined;
}

/** What becomes of requests for hosts that nobody declared. */
export interface OutboundPolicy {
  readonly mode: 'ALLOW_ANY' | 'REGISTRY_ONLY';
  readonly egressProxy?: Destination;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
/** Failover wherever endpoints may be ejected. */
const LOCALITY_ON: LocalityLbSetting = {};
const EVERYWHERE: readonly string[] = ['*'];

export function meshSettings(meshConfig: Resource<MeshConfigSpec> | undefined): MeshSettings {
  const spec: MeshConfigSpec = meshConfig?.spec ?? {};
  return {
    outboundPolicy: outboundPolicy(spec),
    inboundPolicy: spec.inboundTrafficPolicy?.mode ?? 'PASSTHROUGH',
    autoMtls: spec.enableAutoMtls ?? true,
    trustDomainAliases: spec.trustDomainAliases ?? [],
    meshTls: spec.meshMTLS ?? {},
    tlsDefaults: spec.tlsDefaults ?? {},
    detectionTimeoutMs: spec.protocolDetectionTimeout ?? 0,
    connectTimeoutMs: spec.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT_MS,
    defaultConnectionPool: spec.defaultTrafficPolicy?.connectionPool,
    defaultOutlierDetection: spec.defaultTrafficPolicy?.outlierDetection,
    tcpKeepalive: spec.tcpKeepalive,
    defaultRetry: spec.defaultHttpRetryPolicy,
    defaultInboundRetry: spec.defaultInboundHttpRetryPolicy,
    localityLbSetting: spec.localityLbSetting ?? LOCALITY_ON,
    serviceExportTo: spec.defaultServiceExportTo ?? EVERYWHERE,
    virtualServiceExportTo: spec.defaultVirtualServiceExportTo ?? EVERYWHERE,
    destinationRuleExportTo: spec.defaultDestinationRuleExportTo ?? EVERYWHERE,
    pathNormalization: pathNormalization(spec.pathNormalization?.normalization),
    numTrustedProxies: spec.defaultConfig?.gatewayTopology?.numTrustedProxies ?? 0,
    gatewayProxyProtocol: spec.defaultConfig?.gatewayTopology?.proxyProtocol !== undefined,
    placeOf: (...path) => (meshConfig === undefined || !isSet(spec, path) ? undefined : { source: meshConfig.source, path }),
  };
}

/** ALLOW_ANY_DYNAMIC_DNS passes through as ALLOW_ANY does; the analysis says so. */
function outboundPolicy({ outboundTrafficPolicy }: MeshConfigSpec): OutboundPolicy {
  const mode = outboundTrafficPolicy?.mode === 'REGISTRY_ONLY' ? 'REGISTRY_ONLY' : 'ALLOW_ANY';
  const egressProxy = outboundTrafficPolicy?.egressProxy;
  return egressProxy === undefined ? { mode } : { mode, egressProxy };
}

function pathNormalization(written: PathNormalization | undefined): MeshSettings['pathNormalization'] {
  return written === undefined || written === 'DEFAULT' ? 'BASE' : written;
}

function isSet(spec: unknown, path: Path): boolean {
  let value = spec;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return false;
    value = (value as Readonly<Record<string | number, unknown>>)[step];
  }
  return value !== undefined;
}
