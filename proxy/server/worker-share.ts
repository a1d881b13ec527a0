/**
 * A worker's share of a proxy's limits. Worker processes have no shared counters, so what DestinationRules limit for the
 * whole proxy is divided: each of N workers gets floor(limit / N), at least 1. Together they never exceed a limit of N
 * or more; a smaller one holds as N, because a worker that may open nothing would refuse what it is handed.
 *
 * Divided are counts: connections, waiting requests, requests, retries, and the retries that a budget always allows. Not
 * divided is what holds for each connection (requests, age, idleness), and the budget's percentage, which is one of
 * the worker's own requests. That a host without a connection may always open one holds in each worker.
 */

import type { ClusterConfig, ConnectionPoolConfig } from '../../config/runtime/cluster.ts';
import type { RuntimeDelta } from '../../config/runtime/delta.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';

const COUNTS = ['maxConnections', 'maxPendingRequests', 'maxRequests', 'maxRetries'] as const;

export function shareOfConfig(config: RuntimeConfig, workers: number): RuntimeConfig {
  if (workers < 2) return config;
  const limited = Object.values(config.clusters).filter(({ connectionPool }) => connectionPool !== undefined);
  if (limited.length === 0) return config;
  return { ...config, clusters: { ...config.clusters, ...Object.fromEntries(limited.map((cluster) => [cluster.name, shareOfCluster(cluster, workers)])) } };
}

export function shareOfDelta(delta: RuntimeDelta, workers: number): RuntimeDelta {
  if (workers < 2) return delta;
  return { ...delta, clusters: { ...delta.clusters, changed: delta.clusters.changed.map((cluster) => shareOfCluster(cluster, workers)) } };
}

function shareOfCluster(cluster: ClusterConfig, workers: number): ClusterConfig {
  const pool = cluster.connectionPool;
  return pool === undefined ? cluster : { ...cluster, connectionPool: shareOfPool(pool, workers) };
}

function shareOfPool(pool: ConnectionPoolConfig, workers: number): ConnectionPoolConfig {
  const shares = COUNTS.flatMap((count) => (pool[count] === undefined ? [] : [[count, share(pool[count], workers)] as const]));
  const budget = pool.retryBudget;
  return {
    ...pool,
    ...Object.fromEntries(shares),
    ...(budget === undefined ? {} : { retryBudget: { ...budget, minRetryConcurrency: share(budget.minRetryConcurrency, workers) } }),
  };
}

/** 0 stays: nothing is allowed to anybody. */
function share(limit: number, workers: number): number {
  return limit === 0 ? 0 : Math.max(1, Math.floor(limit / workers));
}
