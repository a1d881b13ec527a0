/** MeshConfig: mesh-wide defaults that change data-plane behaviour (istio-api.md section 12), from the ConfigMap istio-system/istio. */

import { extensionProviders } from './mesh-config/extension-provider.ts';
import type {
  DefaultProviders, MeshConfigSpec, MeshOutboundTrafficPolicy, MeshProxyConfig, MeshTls, PathNormalization,
} from './mesh-config/types.ts';
import { unreadMeshFields, unreadProxyFields } from './mesh-config/unread.ts';
import type { Check, Report, Schema } from './schema.ts';
import { boolean, checked, decimal, integer, list, map, object, oneName, portNumber, present, text, uint32 } from './schema.ts';
import { warnOfCiphers } from './server-tls.ts';
import { connectionPool, tcpKeepalive } from './traffic-policy/connection-pool.ts';
import { localityLbSetting } from './traffic-policy/locality.ts';
import { outlierDetection } from './traffic-policy/outlier-detection.ts';
import { withUnread } from './unread-fields.ts';
import { all, checkedText, destination, dnsLabel, duration, exportTo, hostProblem } from './values.ts';
import { httpRetry } from './virtual-service/retry.ts';
import type { HttpRetry } from './virtual-service/types.ts';

export type * from './mesh-config/types.ts';

const HOUR_MS = 3_600_000;

const connectTimeout: Schema<number> = checked<number>(duration({ minMs: 1 }), (value, report) => {
  if (value > HOUR_MS) report.error([], 'must be at most 1h');
});

/** 0 or at least a millisecond. */
const detectionTimeout: Schema<number> = checked<number>(duration(), (value, report) => {
  if (value > 0 && value < 1) report.error([], 'must be 0s (no limit) or at least 1ms');
});

const trustDomain = checkedText((value) => (value === '' ? undefined : hostProblem(value, { wildcard: false, ip: false })));

const outboundTrafficPolicy: Schema<MeshOutboundTrafficPolicy> = object<MeshOutboundTrafficPolicy>(
  { mode: oneName(['REGISTRY_ONLY', 'ALLOW_ANY', 'ALLOW_ANY_DYNAMIC_DNS']), egressProxy: destination },
  {
    check: ({ mode, egressProxy }, report) => {
      if (egressProxy !== undefined && mode !== undefined && mode !== 'ALLOW_ANY') report.error(['egressProxy'], `is only for mode ALLOW_ANY, this one is ${mode}`);
    },
  },
);

const inboundTrafficPolicy = object<NonNullable<MeshConfigSpec['inboundTrafficPolicy']>>({ mode: oneName(['PASSTHROUGH', 'LOCALHOST']) });
const defaultTrafficPolicy = object<NonNullable<MeshConfigSpec['defaultTrafficPolicy']>>({ connectionPool, outlierDetection });

/** Istio reads three of its fields for requests to the local application. */
const inboundRetry: Schema<HttpRetry> = checked<HttpRetry>(httpRetry, (retry, report) => {
  for (const field of present(retry, ['perTryTimeout', 'retryRemoteLocalities', 'retryIgnorePreviousHosts'])) {
    report.warning([field], 'has no effect: for inbound requests only attempts, retryOn and backoff count');
  }
});

const normalization: Schema<PathNormalization> = oneName(['DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES']);
const pathNormalization = object<NonNullable<MeshConfigSpec['pathNormalization']>>({ normalization });

const meshTls: Schema<MeshTls> = object<MeshTls>({
  minProtocolVersion: oneName(['TLS_AUTO', 'TLSV1_2', 'TLSV1_3']),
  ecdhCurves: list(text),
  cipherSuites: list(text, { check: warnOfCiphers }),
});

const defaultProviders: Schema<DefaultProviders> = object<DefaultProviders>({ tracing: list(text), metrics: list(text), accessLogging: list(text) });

type GatewayTopology = NonNullable<MeshProxyConfig['gatewayTopology']>;
type Tracing = NonNullable<MeshProxyConfig['tracing']>;

const SANITIZE_SET = new Set<unknown>(['UNDEFINED', 'SANITIZE_SET']);

const gatewayTopology = object<GatewayTopology>(withUnread<GatewayTopology>({ numTrustedProxies: uint32, proxyProtocol: object<Record<string, never>>({}) }, ['forwardClientCertDetails']), {
  check: (topology, report) => {
    const details = (topology as { readonly forwardClientCertDetails?: unknown }).forwardClientCertDetails;
    if (details === undefined || SANITIZE_SET.has(details)) return;
    report.notEnforced(['forwardClientCertDetails'], 'is not enforced by this version: a gateway replaces x-forwarded-client-cert (SANITIZE_SET)');
  },
});

const tracing = object<Tracing>(
  withUnread<Tracing>({ sampling: decimal(0, 100) }, ['zipkin', 'lightstep', 'datadog', 'stackdriver', 'openCensusAgent', 'customTags', 'maxPathTagLength', 'tlsSettings', 'enableIstioTags']),
);

const defaultConfig: Schema<MeshProxyConfig> = object<MeshProxyConfig>(
  withUnread<MeshProxyConfig>(
    {
      drainDuration: duration({ minMs: 1, wholeSeconds: true }),
      terminationDrainDuration: duration(),
      statusPort: portNumber,
      proxyAdminPort: portNumber,
      concurrency: integer(0, 0x7f_ff_ff_ff),
      gatewayTopology,
      tracing,
      proxyMetadata: map(text),
    },
    Object.keys(unreadProxyFields),
  ),
  { check: unreadFields(unreadProxyFields) },
);

/** Paths of its findings start at the mesh document's root. */
export const meshConfig: Schema<MeshConfigSpec> = object<MeshConfigSpec>(
  withUnread<MeshConfigSpec>(
    {
      rootNamespace: dnsLabel,
      trustDomain,
      trustDomainAliases: list(trustDomain),
      enableAutoMtls: boolean,
      outboundTrafficPolicy,
      inboundTrafficPolicy,
      connectTimeout,
      protocolDetectionTimeout: detectionTimeout,
      tcpKeepalive,
      defaultHttpRetryPolicy: httpRetry,
      defaultInboundHttpRetryPolicy: inboundRetry,
      defaultTrafficPolicy,
      localityLbSetting,
      h2UpgradePolicy: oneName(['DO_NOT_UPGRADE', 'UPGRADE']),
      pathNormalization,
      accessLogFile: text,
      accessLogEncoding: oneName(['TEXT', 'JSON']),
      accessLogFormat: text,
      enableTracing: boolean,
      dnsRefreshRate: duration({ minMs: 1 }),
      defaultServiceExportTo: exportTo({ none: true }),
      defaultVirtualServiceExportTo: exportTo({ none: true }),
      defaultDestinationRuleExportTo: exportTo({ none: true }),
      proxyListenPort: portNumber,
      proxyInboundListenPort: portNumber,
      defaultConfig,
      extensionProviders,
      defaultProviders,
      meshMTLS: meshTls,
      tlsDefaults: meshTls,
    },
    Object.keys(unreadMeshFields),
  ),
  { check: all(unreadFields(unreadMeshFields), checkAccessLogFormat) },
);

/** One warning for each field that is there and not read. */
function unreadFields<T extends object>(reasons: Readonly<Record<string, string>>): Check<T> {
  return (message, report) => {
    for (const field of Object.keys(message)) {
      if (Object.hasOwn(reasons, field)) report.notEnforced([field], reasons[field]!);
    }
  };
}

/** With JSON encoding the format is a JSON object in text; Envoy could not start with anything else. */
function checkAccessLogFormat({ accessLogEncoding, accessLogFormat = '' }: MeshConfigSpec, report: Report): void {
  if (accessLogEncoding !== 'JSON' || accessLogFormat === '') return;
  try {
    const parsed: unknown = JSON.parse(accessLogFormat);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return;
  } catch {
    // Said below.
  }
  report.error(['accessLogFormat'], 'must be a JSON object, because accessLogEncoding is JSON');
}
