/** What the chosen cluster does with a request: the values it runs with, defaults filled in, in the words of the DestinationRule. */

import type { EffectiveLocality } from '../../../config/compile/locality-setting.ts';
import type { EffectivePolicy } from '../../../config/compile/traffic-policy.ts';
import type { ClusterConfig, ConnectionPoolConfig } from '../../../config/runtime/cluster.ts';
import type { ConsistentHash, LoadBalancerSettings } from '../../../config/resources/traffic-policy/types.ts';
import type { ExplainedPolicy, PolicyName } from './explanation.ts';
import { byDefault, NOTHING, otherThan, told, withNote, withOrigins } from './explained-policy.ts';
import { inWords } from './words.ts';

export type ClusterPolicy = Extract<PolicyName, 'loadBalancer' | 'connectionPool' | 'outlierDetection' | 'tls'>;

const NOT_YET = 'not enforced yet';

/** `policy` and `locality` are what the cluster was compiled from; undefined for Istio's fixed clusters, and where all localities are used alike. */
export function clusterPolicies(cluster: ClusterConfig | undefined, policy: EffectivePolicy | undefined, locality: EffectiveLocality | undefined): Record<ClusterPolicy, ExplainedPolicy> {
  if (cluster === undefined) return { loadBalancer: NOTHING, connectionPool: NOTHING, outlierDetection: NOTHING, tls: NOTHING };
  return {
    loadBalancer: loadBalancer(cluster, policy, locality),
    connectionPool: connectionPool(cluster, policy),
    outlierDetection: outlierDetection(cluster, policy),
    tls: withNote(told(policy?.tls, policy?.tls?.value ?? { mode: cluster.tls.mode }), tlsNote(cluster, policy)),
  };
}

/** Istio's. */
const DEFAULT_RING_SIZE = 1024;
const DEFAULT_TABLE_SIZE = 65_537;

function loadBalancer({ loadBalancer: config, endpoints }: ClusterConfig, policy: EffectivePolicy | undefined, locality: EffectiveLocality | undefined): ExplainedPolicy {
  // Where the downstream's own destination is used nothing is balanced, whatever was written.
  if (config.policy === 'PASSTHROUGH' && config.origin === 'default') return byDefault({ simple: 'PASSTHROUGH' });
  const block = policy?.loadBalancer;
  const { zoneAwareLbSetting, backendUtilization } = block?.value ?? {};
  const localityOrigin = locality?.origin() ?? 'default';
  // The mesh has failover on by default; that is worth telling where it makes a difference.
  const byLocality = localityOrigin !== 'default' || endpoints.some(({ priority = 0 }) => priority > 0);
  const switchedOff = block?.value.localityLbSetting?.enabled === false;
  const value = {
    ...method(config, block?.value.consistentHash),
    ...(config.warmup !== undefined && { warmup: { duration: config.warmup.durationMs, minimumPercent: config.warmup.minimumPercent, aggression: config.warmup.aggression } }),
    ...(switchedOff && { localityLbSetting: { enabled: false } }),
    ...(locality !== undefined && byLocality && { localityLbSetting: { enabled: true, ...locality.setting } }),
    zoneAwareLbSetting,
    backendUtilization,
  };
  const explained = withNote(told(block, value), unenforced({ zoneAwareLbSetting, backendUtilization }));
  return locality !== undefined && byLocality ? withOrigins(explained, { localityLbSetting: otherThan(explained, localityOrigin) }) : explained;
}

function method(config: ClusterConfig['loadBalancer'], written: ConsistentHash | undefined): Pick<LoadBalancerSettings, 'consistentHash'> | { readonly simple: string } {
  if (config.policy !== 'RING_HASH' && config.policy !== 'MAGLEV') return { simple: config.policy };
  const { ringHash: _ring, maglev: _maglev, minimumRingSize: _size, ...key } = written ?? {};
  const algorithm = config.policy === 'MAGLEV' ? { maglev: { tableSize: config.tableSize ?? DEFAULT_TABLE_SIZE } } : { ringHash: { minimumRingSize: config.minimumRingSize ?? DEFAULT_RING_SIZE } };
  return { consistentHash: { ...key, ...algorithm } };
}

/** Limits that are unset are left out: nothing is limited. */
function connectionPool(cluster: ClusterConfig, policy: EffectivePolicy | undefined): ExplainedPolicy {
  const block = policy?.connectionPool;
  const { connectionPool: limits = {}, connectTimeoutOrigin } = cluster;
  const { h2UpgradePolicy, useClientProtocol, http2KeepAlive, idleTimeout } = block?.value.http ?? {};
  const budget = limits.retryBudget;
  const value = {
    tcp: tcp(cluster, limits),
    ...optional('http', { ...http(limits), idleTimeout, h2UpgradePolicy, useClientProtocol, http2KeepAlive }),
    ...(budget !== undefined && { retryBudget: { percent: budget.percent, minRetryConcurrency: budget.minRetryConcurrency, budgetInterval: budget.intervalMs } }),
  };
  const unread = unenforced({ 'http.h2UpgradePolicy': h2UpgradePolicy === 'UPGRADE' || undefined, 'http.useClientProtocol': useClientProtocol || undefined, 'http.http2KeepAlive': http2KeepAlive, 'http.maxConcurrentStreams': limits.maxConcurrentStreams });
  const explained = block === undefined ? { value: inWords(value), origin: limits.origin ?? connectTimeoutOrigin } : told(block, value);
  return withNote(withOrigins(explained, { 'tcp.connectTimeout': otherThan(explained, connectTimeoutOrigin), retryBudget: budget?.origin }), unread);
}

function tcp({ connectTimeoutMs }: ClusterConfig, limits: ConnectionPoolConfig): object {
  const { tcpKeepalive: probes } = limits;
  return {
    maxConnections: limits.maxConnections,
    connectTimeout: connectTimeoutMs,
    ...(probes !== undefined && { tcpKeepalive: { probes: probes.probes, time: probes.timeMs, interval: probes.intervalMs } }),
    maxConnectionDuration: limits.maxConnectionDurationMs,
    idleTimeout: limits.tcpIdleTimeoutMs,
  };
}

function http(limits: ConnectionPoolConfig): object {
  return {
    http1MaxPendingRequests: limits.maxPendingRequests,
    http2MaxRequests: limits.maxRequests,
    maxRequestsPerConnection: limits.maxRequestsPerConnection,
    maxRetries: limits.maxRetries,
    maxConcurrentStreams: limits.maxConcurrentStreams,
  };
}

function outlierDetection({ outlierDetection: config, loadBalancer: { panicThresholdPercent } }: ClusterConfig, policy: EffectivePolicy | undefined): ExplainedPolicy {
  if (config === undefined) return NOTHING;
  const value = {
    consecutive5xxErrors: config.consecutive5xx,
    ...(config.consecutiveGateway > 0 && { consecutiveGatewayErrors: config.consecutiveGateway }),
    ...(config.splitLocalOrigin && { splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: config.consecutiveLocalOrigin }),
    interval: config.intervalMs,
    baseEjectionTime: config.baseEjectionTimeMs,
    maxEjectionPercent: config.maxEjectionPercent,
    minHealthPercent: panicThresholdPercent ?? 0,
    outlierDetectionHttpErrorCodes: config.errorCodes,
  };
  const block = policy?.outlierDetection;
  return block === undefined ? { value: inWords(value), origin: config.origin } : told(block, value);
}

function optional(name: string, members: object): object {
  return Object.values(members).every((member) => member === undefined) ? {} : { [name]: members };
}

function unenforced(fields: Readonly<Record<string, unknown>>): string | undefined {
  const names = Object.keys(fields).filter((name) => fields[name] !== undefined);
  return names.length === 0 ? undefined : `${names.join(', ')}: ${NOT_YET}`;
}

/** A sidecar uses secrets only by rules for chosen workloads. */
function tlsNote({ tls: { mode } }: ClusterConfig, policy: EffectivePolicy | undefined): string | undefined {
  const written = policy?.tls?.value.mode ?? 'DISABLE';
  return mode === 'DISABLE' && written !== 'DISABLE' ? 'dropped, as in Istio: sent in plain text' : undefined;
}
