/** The policy of one cluster: DestinationRule, port, subset and mesh in Istio's order of inheritance (istio-api.md 3.3). */

import type { ClientTlsSettings, ConnectionPoolSettings, LoadBalancerSettings, OutlierDetection, TrafficPolicy } from '../resources/traffic-policy/types.ts';
import type { ClusterConfig, LoadBalancerPolicy } from '../runtime/cluster.ts';
import type { Origin } from '../runtime/origin.ts';
import type { EffectiveRule } from './destination-rules.ts';
import type { Located } from './located.ts';
import { below, originAt } from './located.ts';
import type { MeshSettings } from './mesh.ts';

/** Each block whole, with the place it was written; undefined where nobody sets it. */
export interface EffectivePolicy {
  readonly loadBalancer: Located<LoadBalancerSettings> | undefined;
  readonly connectionPool: Located<ConnectionPoolSettings> | undefined;
  readonly outlierDetection: Located<OutlierDetection> | undefined;
  readonly tls: Located<ClientTlsSettings> | undefined;
}

const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;
const NOTHING_SET: EffectivePolicy = { loadBalancer: undefined, connectionPool: undefined, outlierDetection: undefined, tls: undefined };

/** `port` is the SERVICE port; `subset` empty for the whole service. */
export function effectivePolicy(rule: EffectiveRule | undefined, port: number, subset: string, mesh: MeshSettings): EffectivePolicy {
  const whole = rule?.trafficPolicy === undefined ? NOTHING_SET : atPort(rule.trafficPolicy, port).policy;
  const chosen = subset === '' ? undefined : rule?.subsets.find(({ value }) => value.name === subset);
  const policy = chosen?.value.trafficPolicy === undefined ? whole : overlay(whole, atPort({ ...below(chosen, 'trafficPolicy'), value: chosen.value.trafficPolicy }, port));
  return withMeshDefaults(policy, mesh);
}

/** The parts of the policy that this version enforces, as a cluster has them. */
export function clusterPolicy(policy: EffectivePolicy, service: { readonly external: boolean }, mesh: MeshSettings): Pick<ClusterConfig, 'loadBalancer' | 'connectTimeoutMs' | 'connectTimeoutOrigin' | 'idleTimeoutMs' | 'tls'> {
  return { loadBalancer: loadBalancer(policy), ...connectTimeout(policy, mesh), idleTimeoutMs: idleTimeoutMs(policy), tls: tls(policy, service, mesh) };
}

interface PortPolicy {
  readonly policy: EffectivePolicy;
  readonly ofPort: boolean;
}

/** An entry for the port REPLACES the four blocks: what it leaves out goes back to the default, it is not inherited. */
function atPort(written: Located<TrafficPolicy>, port: number): PortPolicy {
  const entries = written.value.portLevelSettings ?? [];
  const index = entries.findIndex((entry) => entry.port.number === port);
  const entry = entries[index];
  if (entry === undefined) return { policy: blocksOf(written), ofPort: false };
  return { policy: blocksOf({ ...below(written, 'portLevelSettings', index), value: entry }), ofPort: true };
}

function blocksOf(written: Located<Pick<TrafficPolicy, keyof EffectivePolicy>>): EffectivePolicy {
  return {
    loadBalancer: block(written, 'loadBalancer'),
    connectionPool: block(written, 'connectionPool'),
    outlierDetection: block(written, 'outlierDetection'),
    tls: block(written, 'tls'),
  };
}

function block<K extends keyof EffectivePolicy>(written: Located<Pick<TrafficPolicy, keyof EffectivePolicy>>, name: K): Located<NonNullable<TrafficPolicy[K]>> | undefined {
  const value = written.value[name];
  return value === undefined ? undefined : { ...below(written, name), value };
}

/** A subset's block replaces the whole block above it; when it came from the subset's own port entry, even by being absent. */
function overlay(above: EffectivePolicy, { policy, ofPort }: PortPolicy): EffectivePolicy {
  if (ofPort) return policy;
  return {
    loadBalancer: policy.loadBalancer ?? above.loadBalancer,
    connectionPool: policy.connectionPool ?? above.connectionPool,
    outlierDetection: policy.outlierDetection ?? above.outlierDetection,
    tls: policy.tls ?? above.tls,
  };
}

/** MeshConfig.defaultTrafficPolicy fills what is still unset, for services without a rule too. */
function withMeshDefaults(policy: EffectivePolicy, mesh: MeshSettings): EffectivePolicy {
  const { defaultConnectionPool, defaultOutlierDetection } = mesh;
  const poolPlace = policy.connectionPool === undefined ? mesh.placeOf('defaultTrafficPolicy', 'connectionPool') : undefined;
  const outlierPlace = policy.outlierDetection === undefined ? mesh.placeOf('defaultTrafficPolicy', 'outlierDetection') : undefined;
  return {
    ...policy,
    ...(poolPlace !== undefined && defaultConnectionPool !== undefined && { connectionPool: { ...poolPlace, value: defaultConnectionPool } }),
    ...(outlierPlace !== undefined && defaultOutlierDetection !== undefined && { outlierDetection: { ...outlierPlace, value: defaultOutlierDetection } }),
  };
}

function loadBalancer({ loadBalancer: written }: EffectivePolicy): ClusterConfig['loadBalancer'] {
  const simple = written?.value.simple;
  if (written === undefined || simple === undefined) return { policy: 'LEAST_REQUEST', origin: 'default' };
  return { policy: balancerPolicy(simple), origin: originAt(below(written, 'simple')) };
}

function balancerPolicy(simple: NonNullable<LoadBalancerSettings['simple']>): LoadBalancerPolicy {
  return simple === 'ROUND_ROBIN' || simple === 'RANDOM' || simple === 'PASSTHROUGH' ? simple : 'LEAST_REQUEST';
}

function connectTimeout({ connectionPool }: EffectivePolicy, mesh: MeshSettings): { readonly connectTimeoutMs: number; readonly connectTimeoutOrigin: Origin | 'default' } {
  const written = connectionPool?.value.tcp?.connectTimeout;
  if (connectionPool !== undefined && written !== undefined) return { connectTimeoutMs: written, connectTimeoutOrigin: originAt(below(connectionPool, 'tcp', 'connectTimeout')) };
  const place = mesh.placeOf('connectTimeout');
  return { connectTimeoutMs: mesh.connectTimeoutMs, connectTimeoutOrigin: place === undefined ? 'default' : originAt(place) };
}

/** 0 disables. The TCP value counts for HTTP connections where HTTP has none of its own. */
function idleTimeoutMs({ connectionPool }: EffectivePolicy): number {
  return connectionPool?.value.http?.idleTimeout ?? connectionPool?.value.tcp?.idleTimeout ?? DEFAULT_IDLE_TIMEOUT_MS;
}

function tls({ tls: written }: EffectivePolicy, { external }: { readonly external: boolean }, mesh: MeshSettings): ClusterConfig['tls'] {
  if (written !== undefined) return { mode: written.value.mode ?? 'DISABLE', origin: originAt(written.value.mode === undefined ? written : below(written, 'mode')) };
  if (external || !mesh.autoMtls) return { mode: 'DISABLE', origin: 'default' };
  return { mode: 'AUTO', origin: 'default' };
}
