/** Envoy's `cluster.<name>.circuit_breakers.default.*`; Istio uses one priority and lets Envoy track what remains. */

import type { BreakerView } from '../upstream/breaker-view.ts';
import type { ClusterView } from './view.ts';
import type { ViewStat } from './view-stat.ts';

/** Istio programs the highest number there is where a limit is not set. */
export const NO_LIMIT = 4_294_967_295;

export const BREAKER_STATS: readonly ViewStat<ClusterView>[] = [
  open('cx_open', ({ connectionsOpen }) => connectionsOpen),
  // Nothing limits the number of pools.
  open('cx_pool_open', () => false),
  open('rq_open', ({ requestsOpen }) => requestsOpen),
  open('rq_pending_open', ({ pendingOpen }) => pendingOpen),
  open('rq_retry_open', ({ retriesOpen }) => retriesOpen),
  remaining('remaining_cx', ({ connections }) => connections, ({ config }) => config.connectionPool?.maxConnections),
  remaining('remaining_pending', ({ pending }) => pending, ({ config }) => config.connectionPool?.maxPendingRequests),
  remaining('remaining_retries', ({ retries }) => retries, ({ breakerView }) => breakerView?.retryLimit),
  remaining('remaining_rq', ({ requests }) => requests, ({ config }) => config.connectionPool?.maxRequests),
];

function open(name: string, read: (breaker: BreakerView) => boolean): ViewStat<ClusterView> {
  return gauge(name, ({ breakerView }) => (breakerView !== undefined && read(breakerView) ? 1 : 0));
}

function remaining(name: string, used: (breaker: BreakerView) => number, limit: (cluster: ClusterView) => number | undefined): ViewStat<ClusterView> {
  return gauge(name, (cluster) => {
    const { breakerView } = cluster;
    // A host without a connection may open one whatever the limit, so more may be in use than there is.
    return Math.max(0, Math.min(NO_LIMIT, limit(cluster) ?? NO_LIMIT) - (breakerView === undefined ? 0 : used(breakerView)));
  });
}

function gauge(name: string, read: (cluster: ClusterView) => number): ViewStat<ClusterView> {
  return { name: `circuit_breakers.default.${name}`, family: `circuit_breakers_default_${name}`, responseClass: undefined, kind: 'gauge', read };
}
