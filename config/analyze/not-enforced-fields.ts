/**
 * THE list of valid fields that this version does not act on, and what happens instead. Enforcing a field is finished
 * when its line here is deleted. Security kinds that restrict traffic are not here: see unenforced-security.ts.
 */

import { KEEP_ALIVE_PROBES_CAN_BE_SET } from '../../proxy/base/keep-alive.ts';
import type { Snapshot } from '../load/snapshot.ts';

export interface UnenforcedField {
  /** Below `spec` (MeshConfig: its own root), in the form of field-walk.ts. */
  readonly path: string;
  /** Ends the sentence "is not enforced by this version: …". */
  readonly consequence: string;
  /** False for values that ask for what happens anyway. */
  readonly counts?: (value: unknown) => boolean;
}

type Collection = { [Name in keyof Snapshot]: Snapshot[Name] extends readonly { readonly source: unknown }[] ? Name : never }[keyof Snapshot];

const isOn = (value: unknown): boolean => value === true;
/** For integers, 0 means unset. */
const isNotZero = (value: unknown): boolean => value !== 0;
const isOtherThan = (...usual: readonly unknown[]) => (value: unknown): boolean => !usual.includes(value);
const isNotEmpty = (value: unknown): boolean => Object.keys(value as object).length > 0;
const isUnixSocket = (value: unknown): boolean => typeof value === 'string' && value.startsWith('unix:');

interface Switched {
  readonly enabled?: boolean;
}

const isUdp = (protocol: unknown): boolean => String(protocol).toUpperCase() === 'UDP';

const notBalanced = 'endpoints are picked by LEAST_REQUEST, or by loadBalancer.simple where it is set';

const notProbed = 'this Node.js lets only the time be set, 10 probes follow it, a second apart';

/** Which of the members can be set depends on the Node.js that runs this. */
const keepAliveFields: readonly UnenforcedField[] = [
  { path: 'tcpKeepalive.probes', consequence: notProbed, counts: (value) => isNotZero(value) && !KEEP_ALIVE_PROBES_CAN_BE_SET },
  { path: 'tcpKeepalive.interval', consequence: notProbed, counts: () => !KEEP_ALIVE_PROBES_CAN_BE_SET },
];

/** Relative to `connectionPool`. */
const connectionPoolFields: readonly UnenforcedField[] = [
  { path: 'http.h2UpgradePolicy', consequence: 'upstream connections are HTTP/1.1', counts: isOtherThan('DEFAULT', 'DO_NOT_UPGRADE') },
  { path: 'http.useClientProtocol', consequence: 'upstream connections are HTTP/1.1', counts: isOn },
  { path: 'http.maxConcurrentStreams', consequence: 'upstream connections are HTTP/1.1', counts: isNotZero },
  { path: 'http.http2KeepAlive', consequence: 'upstream connections are HTTP/1.1' },
  ...below('tcp', keepAliveFields),
];

const loadBalancerFields: readonly UnenforcedField[] = [
  { path: 'zoneAwareLbSetting', consequence: 'endpoints of all zones are used alike', counts: (value) => (value as Switched).enabled === true },
  { path: 'backendUtilization', consequence: notBalanced },
];

/** Relative to a traffic policy or a portLevelSettings entry. */
const policyFields: readonly UnenforcedField[] = [
  ...below('connectionPool', connectionPoolFields),
  ...below('loadBalancer', loadBalancerFields),
  { path: 'tunnel.protocol', consequence: 'tunnels are asked for by CONNECT', counts: (protocol) => protocol === 'POST' },
];

const virtualServiceFields: readonly UnenforcedField[] = [
  { path: 'http[].match[].statPrefix', consequence: 'no counters of its own are kept' },
  { path: 'http[].match[].headers', consequence: 'JWT claims are not verified, so this match never holds', counts: namesClaim },
  { path: 'http[].match[].withoutHeaders', consequence: 'JWT claims are not verified, so every request lacks them', counts: namesClaim },
];

const gatewayFields: readonly UnenforcedField[] = [
  { path: 'servers[].port.protocol', consequence: 'datagrams are not served, this server is not bound', counts: isUdp },
  { path: 'servers[].port.protocol', consequence: 'clients must speak HTTP/1.1 to it', counts: (protocol) => ['HTTP2', 'GRPC'].includes(String(protocol).toUpperCase()) },
  { path: 'servers[].defaultEndpoint', consequence: 'requests are routed by VirtualServices only, as in Istio' },
];

const sidecarFields: readonly UnenforcedField[] = [
  ...below('ingress[].connectionPool', connectionPoolFields),
  ...below('inboundConnectionPool', connectionPoolFields),
  { path: 'egress[].bind', consequence: 'unix sockets are not served', counts: isUnixSocket },
];

/** Relative to a WorkloadEntry or an entry of `endpoints`. */
const endpointFields: readonly UnenforcedField[] = [
  { path: 'network', consequence: 'the endpoint is reached directly, not through a gateway of its network', counts: isOtherThan('') },
];

const serviceEntryFields: readonly UnenforcedField[] = [
  ...below('endpoints[]', endpointFields),
];

const standardMetrics = (value: unknown): boolean => (value as { readonly name?: string }).name !== 'prometheus';

const telemetryFields: readonly UnenforcedField[] = [
  { path: 'metrics[].providers[]', consequence: 'metrics are exposed for Prometheus only', counts: standardMetrics },
  { path: 'metrics[].overrides', consequence: 'the standard metrics keep all their labels', counts: isNotEmpty },
  { path: 'metrics[].reportingInterval', consequence: 'metrics are current at every scrape' },
  { path: 'tracing', consequence: 'no spans are made', counts: isNotEmpty },
  { path: 'accessLogging', consequence: 'the access log follows the mesh configuration (accessLogFile, accessLogEncoding, accessLogFormat) and --access-log', counts: isNotEmpty },
];

const proxyConfigFields: readonly UnenforcedField[] = [
  { path: 'concurrency', consequence: 'use --concurrency or the variable CONCURRENCY' },
  { path: 'environmentVariables', consequence: 'set variables where the proxy is started', counts: isNotEmpty },
  { path: 'image', consequence: 'the image is chosen where the proxy is started' },
];

export const unenforcedFields: readonly { readonly collection: Collection; readonly fields: readonly UnenforcedField[] }[] = [
  { collection: 'virtualServices', fields: virtualServiceFields },
  {
    collection: 'destinationRules',
    fields: ['trafficPolicy', 'trafficPolicy.portLevelSettings[]', 'subsets[].trafficPolicy', 'subsets[].trafficPolicy.portLevelSettings[]'].flatMap((place) => below(place, policyFields)),
  },
  { collection: 'gateways', fields: gatewayFields },
  { collection: 'sidecars', fields: sidecarFields },
  { collection: 'serviceEntries', fields: serviceEntryFields },
  { collection: 'workloadEntries', fields: endpointFields },
  { collection: 'telemetries', fields: telemetryFields },
  { collection: 'proxyConfigs', fields: proxyConfigFields },
];

/** MeshConfig fields that its type has. Those it lacks are refused or warned about where it is parsed. */
export const unenforcedMeshFields: readonly UnenforcedField[] = [
  { path: 'rootNamespace', consequence: 'use --root-namespace', counts: isOtherThan('', 'istio-system') },
  { path: 'trustDomain', consequence: 'use --trust-domain', counts: isOtherThan('', 'cluster.local') },
  ...below('defaultTrafficPolicy.connectionPool', connectionPoolFields),
  ...keepAliveFields,
  { path: 'outboundTrafficPolicy.mode', consequence: 'unknown destinations are passed through to the address that the application dialled, as with ALLOW_ANY', counts: (value) => value === 'ALLOW_ANY_DYNAMIC_DNS' },
  { path: 'h2UpgradePolicy', consequence: 'upstream connections are HTTP/1.1', counts: isOtherThan('DO_NOT_UPGRADE') },
  { path: 'enableTracing', consequence: 'no spans are made', counts: isOn },
  { path: 'dnsRefreshRate', consequence: 'names are looked up again at an interval of the proxy\'s own' },
  { path: 'proxyListenPort', consequence: 'use --outbound-port', counts: isOtherThan(15_001) },
  { path: 'proxyInboundListenPort', consequence: 'use --inbound-port', counts: isOtherThan(15_006) },
  { path: 'defaultConfig.drainDuration', consequence: 'use --drain-time', counts: isOtherThan(45_000) },
  { path: 'defaultConfig.terminationDrainDuration', consequence: 'use --drain-time', counts: isOtherThan(5_000) },
  { path: 'defaultConfig.statusPort', consequence: 'use --health-port', counts: isOtherThan(15_020) },
  { path: 'defaultConfig.proxyAdminPort', consequence: 'use --admin-port', counts: isOtherThan(15_000) },
  { path: 'defaultConfig.concurrency', consequence: 'use --concurrency or the variable CONCURRENCY' },
  { path: 'defaultConfig.tracing', consequence: 'no spans are made' },
  { path: 'extensionProviders[]', consequence: 'the provider is not used', counts: (value) => (value as { readonly kind?: string }).kind !== 'prometheus' },
  { path: 'defaultProviders.tracing', consequence: 'no spans are made', counts: isNotEmpty },
  { path: 'defaultProviders.accessLogging', consequence: 'the access log follows accessLogFile, accessLogEncoding, accessLogFormat and --access-log', counts: isNotEmpty },
  { path: 'tlsDefaults.minProtocolVersion', consequence: 'TLS 1.2 is the oldest version, as in Istio, which reads ecdhCurves and cipherSuites alone', counts: isOtherThan('TLS_AUTO', 'TLSV1_2') },
  { path: 'defaultProviders.metrics[]', consequence: 'metrics are exposed for Prometheus only', counts: isOtherThan('prometheus') },
];

function below(prefix: string, fields: readonly UnenforcedField[]): readonly UnenforcedField[] {
  return fields.map((field) => ({ ...field, path: `${prefix}.${field.path}` }));
}

function namesClaim(conditions: unknown): boolean {
  return Object.keys(conditions as object).some((name) => name.startsWith('@request.auth.claims'));
}
