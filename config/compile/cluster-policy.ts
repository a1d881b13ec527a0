/** The effective policy of a cluster as the data path has it, each value with its origin (istio-api.md 3.4, 3.6–3.8). */

import type { ConnectionPoolSettings, LoadBalancerSettings } from '../resources/traffic-policy/types.ts';
import type { ClusterConfig, LoadBalancerConfig, LoadBalancerPolicy, WarmupConfig } from '../runtime/cluster.ts';
import { connectionPoolConfig } from './connection-pool.ts';
import type { Located } from './located.ts';
import { below, originAt } from './located.ts';
import type { MeshSettings } from './mesh.ts';
import { outlierDetectionConfig } from './outlier-detection.ts';
import { remembered } from './remembered.ts';
import type { EffectivePolicy } from './traffic-policy.ts';
import { isSet } from './unset.ts';

export type ClusterPolicy = Pick<ClusterConfig, 'loadBalancer' | 'connectionPool' | 'outlierDetection' | 'connectTimeoutMs' | 'connectTimeoutOrigin' | 'idleTimeoutMs'>;

/** Clusters with the same written blocks share the objects made of them: in a large mesh most have what one rule or the mesh says. */
export interface ClusterPolicies {
  of(policy: EffectivePolicy): ClusterPolicy;
}

const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;
/** Envoy's, which Istio leaves as they are. */
const DEFAULT_WARMUP = { minimumPercent: 10, aggression: 1 };
const DEFAULT_BALANCER: LoadBalancerConfig = { policy: 'LEAST_REQUEST', origin: 'default' };

export function clusterPolicies(mesh: MeshSettings): ClusterPolicies {
  const loadBalancer = remembered(loadBalancerConfig);
  const connectionPool = remembered((pool: EffectivePolicy['connectionPool'], budget: EffectivePolicy['retryBudget']) => connectionPoolConfig(pool, budget, mesh));
  const outlierDetection = remembered(outlierDetectionConfig);
  const timeouts = remembered((pool: EffectivePolicy['connectionPool']) => timeoutSettings(pool, mesh));
  return {
    of: (policy) => {
      const pool = connectionPool(policy.connectionPool, policy.retryBudget);
      const outliers = outlierDetection(policy.outlierDetection, undefined);
      return {
        loadBalancer: loadBalancer(policy.loadBalancer, policy.outlierDetection),
        ...(pool !== undefined && { connectionPool: pool }),
        ...(outliers !== undefined && { outlierDetection: outliers }),
        ...timeouts(policy.connectionPool, undefined),
      };
    },
  };
}

function loadBalancerConfig(written: EffectivePolicy['loadBalancer'], outliers: EffectivePolicy['outlierDetection']): LoadBalancerConfig {
  const balancer = written === undefined ? DEFAULT_BALANCER : writtenBalancer(written);
  // Where hosts may be ejected Istio always says when there are too few of them left; 0 is never.
  return outliers === undefined ? balancer : { ...balancer, panicThresholdPercent: outliers.value.minHealthPercent ?? 0 };
}

function writtenBalancer(written: Located<LoadBalancerSettings>): LoadBalancerConfig {
  const { simple, consistentHash, warmup, warmupDurationSecs } = written.value;
  if (consistentHash !== undefined) return { ...hashBalancer(consistentHash), origin: originAt(below(written, 'consistentHash')) };
  const policy = balancerPolicy(simple);
  const slowStart = policy === 'LEAST_REQUEST' || policy === 'ROUND_ROBIN' ? warmupConfig(warmup, warmupDurationSecs) : undefined;
  return { policy, origin: simple === undefined ? 'default' : originAt(below(written, 'simple')), ...(slowStart !== undefined && { warmup: slowStart }) };
}

/** Sizes of 0 are unset. */
function hashBalancer({ maglev, ringHash, minimumRingSize }: NonNullable<LoadBalancerSettings['consistentHash']>): Pick<LoadBalancerConfig, 'policy' | 'minimumRingSize' | 'tableSize'> {
  if (maglev !== undefined) return { policy: 'MAGLEV', ...(isSet(maglev.tableSize) && { tableSize: maglev.tableSize }) };
  const size = ringHash?.minimumRingSize ?? minimumRingSize;
  return { policy: 'RING_HASH', ...(isSet(size) && { minimumRingSize: size }) };
}

function balancerPolicy(simple: LoadBalancerSettings['simple']): LoadBalancerPolicy {
  return simple === 'ROUND_ROBIN' || simple === 'RANDOM' || simple === 'PASSTHROUGH' ? simple : 'LEAST_REQUEST';
}

/** The deprecated duration counts only without `warmup`. */
function warmupConfig(warmup: LoadBalancerSettings['warmup'], durationSecs: number | undefined): WarmupConfig | undefined {
  if (warmup === undefined) return isSet(durationSecs) ? { durationMs: durationSecs, ...DEFAULT_WARMUP } : undefined;
  const { duration, minimumPercent = DEFAULT_WARMUP.minimumPercent, aggression = DEFAULT_WARMUP.aggression } = warmup;
  return { durationMs: duration, minimumPercent, aggression };
}

/** An idle timeout of 0 disables. The TCP value counts for HTTP connections where HTTP has none of its own. */
function timeoutSettings(pool: Located<ConnectionPoolSettings> | undefined, mesh: MeshSettings): Pick<ClusterConfig, 'connectTimeoutMs' | 'connectTimeoutOrigin' | 'idleTimeoutMs'> {
  const { tcp = {}, http = {} } = pool?.value ?? {};
  const idleTimeoutMs = http.idleTimeout ?? tcp.idleTimeout ?? DEFAULT_IDLE_TIMEOUT_MS;
  if (pool !== undefined && tcp.connectTimeout !== undefined) {
    return { connectTimeoutMs: tcp.connectTimeout, connectTimeoutOrigin: originAt(below(pool, 'tcp', 'connectTimeout')), idleTimeoutMs };
  }
  const place = mesh.placeOf('connectTimeout');
  return { connectTimeoutMs: mesh.connectTimeoutMs, connectTimeoutOrigin: place === undefined ? 'default' : originAt(place), idleTimeoutMs };
}
