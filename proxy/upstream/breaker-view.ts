/** A circuit breaker as statistics show it: plain data, so that a worker can tell it. */

import type { ConnectionPoolConfig } from '../../config/runtime/cluster.ts';
import type { CircuitBreaker } from './circuit-breaker.ts';

export interface BreakerView {
  /** Permits in use. */
  readonly connections: number;
  readonly pending: number;
  readonly requests: number;
  readonly retries: number;
  /** Retries allowed at this moment; Infinity without a limit. */
  readonly retryLimit: number;
  /** Open: the next one would be refused. */
  readonly connectionsOpen: boolean;
  readonly pendingOpen: boolean;
  readonly requestsOpen: boolean;
  readonly retriesOpen: boolean;
}

export function viewBreaker(breaker: CircuitBreaker, pool: ConnectionPoolConfig = {}): BreakerView {
  const { connections, pending, requests, retries, retryLimit } = breaker;
  return {
    connections,
    pending,
    requests,
    retries,
    retryLimit,
    connectionsOpen: connections >= (pool.maxConnections ?? Infinity),
    pendingOpen: pending >= (pool.maxPendingRequests ?? Infinity),
    requestsOpen: requests >= (pool.maxRequests ?? Infinity),
    retriesOpen: retries >= retryLimit,
  };
}

/** Of several processes: permits add up, and where one of them refuses, that is open. */
export function mergeBreakers(parts: readonly BreakerView[]): BreakerView | undefined {
  if (parts.length === 0) return undefined;
  return parts.reduce((sum, part) => ({
    connections: sum.connections + part.connections,
    pending: sum.pending + part.pending,
    requests: sum.requests + part.requests,
    retries: sum.retries + part.retries,
    retryLimit: sum.retryLimit + part.retryLimit,
    connectionsOpen: sum.connectionsOpen || part.connectionsOpen,
    pendingOpen: sum.pendingOpen || part.pendingOpen,
    requestsOpen: sum.requestsOpen || part.requestsOpen,
    retriesOpen: sum.retriesOpen || part.retriesOpen,
  }));
}
