/** The policy of one cluster: DestinationRule, port, subset and mesh in Istio's order of inheritance (istio-api.md 3.3). */

import type { ClientTlsSettings, ConnectionPoolSettings, LoadBalancerSettings, OutlierDetection, RetryBudget, TrafficPolicy } from '../resources/traffic-policy/types.ts';
import type { EffectiveRule } from './destination-rules.ts';
import type { Located } from './located.ts';
import { below } from './located.ts';
import type { MeshSettings } from './mesh.ts';

/** Each block whole, with the place it was written; undefined where nobody sets it. */
export interface EffectivePolicy {
  readonly loadBalancer: Located<LoadBalancerSettings> | undefined;
  readonly connectionPool: Located<ConnectionPoolSettings> | undefined;
  readonly outlierDetection: Located<OutlierDetection> | undefined;
  readonly tls: Located<ClientTlsSettings> | undefined;
  readonly retryBudget: Located<RetryBudget> | undefined;
  readonly proxyProtocol: Located<NonNullable<TrafficPolicy['proxyProtocol']>> | undefined;
}

export const NOTHING_SET: EffectivePolicy = { loadBalancer: undefined, connectionPool: undefined, outlierDetection: undefined, tls: undefined, retryBudget: undefined, proxyProtocol: undefined };

/** `port` is the SERVICE port; `subset` empty for the whole service. */
export function effectivePolicy(rule: EffectiveRule | undefined, port: number, subset: string, mesh: MeshSettings): EffectivePolicy {
  const whole = rule?.trafficPolicy === undefined ? NOTHING_SET : atPort(rule.trafficPolicy, port).policy;
  const chosen = subset === '' ? undefined : rule?.subsets.find(({ value }) => value.name === subset);
  const policy = chosen?.value.trafficPolicy === undefined ? whole : overlay(whole, atPort({ ...below(chosen, 'trafficPolicy'), value: chosen.value.trafficPolicy }, port));
  return withMeshDefaults(policy, mesh);
}

interface PortPolicy {
  readonly policy: EffectivePolicy;
  readonly ofPort: boolean;
}

/** An entry for the port REPLACES all blocks: what it leaves out, or cannot hold (retryBudget, proxyProtocol), goes back to the default, it is not inherited. */
function atPort(written: Located<TrafficPolicy>, port: number): PortPolicy {
  const entries = written.value.portLevelSettings ?? [];
  const index = entries.findIndex((entry) => entry.port.number === port);
  const entry = entries[index];
  if (entry === undefined) return { policy: blocksOf(written), ofPort: false };
  return { policy: blocksOf({ ...below(written, 'portLevelSettings', index), value: entry }), ofPort: true };
}

type PolicyBlocks = Pick<TrafficPolicy, keyof EffectivePolicy>;

function blocksOf(written: Located<PolicyBlocks>): EffectivePolicy {
  return {
    loadBalancer: block(written, 'loadBalancer'),
    connectionPool: block(written, 'connectionPool'),
    outlierDetection: block(written, 'outlierDetection'),
    tls: block(written, 'tls'),
    retryBudget: block(written, 'retryBudget'),
    proxyProtocol: block(written, 'proxyProtocol'),
  };
}

function block<K extends keyof EffectivePolicy>(written: Located<PolicyBlocks>, name: K): Located<NonNullable<TrafficPolicy[K]>> | undefined {
  const value = written.value[name];
  return value === undefined ? undefined : { ...below(written, name), value };
}

/** A subset's block replaces the whole block above it; when it came from the subset's own port entry, even by being absent, but for what such an entry cannot hold. */
function overlay(above: EffectivePolicy, { policy, ofPort }: PortPolicy): EffectivePolicy {
  if (ofPort) return { ...policy, retryBudget: above.retryBudget, proxyProtocol: above.proxyProtocol };
  return {
    loadBalancer: policy.loadBalancer ?? above.loadBalancer,
    connectionPool: policy.connectionPool ?? above.connectionPool,
    outlierDetection: policy.outlierDetection ?? above.outlierDetection,
    tls: policy.tls ?? above.tls,
    retryBudget: policy.retryBudget ?? above.retryBudget,
    proxyProtocol: policy.proxyProtocol ?? above.proxyProtocol,
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
