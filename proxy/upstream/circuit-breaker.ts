/** The limits of one cluster (DestinationRule `connectionPool`): permits counted, never more than configured, given back once each. */

import type { ConnectionPoolConfig, RetryBudgetConfig } from '../../config/runtime/cluster.ts';
import type { Clock } from '../base/clock.ts';
import { RequestWindow } from './request-window.ts';

/** Has requests waiting for a connection that it may not open. */
export interface ConnectionSeeker {
  /** There is room for one connection: take it with `admitConnection`, or leave it to the next in line. */
  onRoom(): void;
}

/**
 * Envoy's circuit breaker. A permit is taken with `admit…` (false: overflow, nothing was taken) and given back with
 * `release…` exactly once. Counters outlive a reload; only the limits change.
 */
export class CircuitBreaker {
  /** Permits in use. */
  connections = 0;
  pending = 0;
  requests = 0;
  retries = 0;
  #maxConnections = Infinity;
  #maxPending = Infinity;
  #maxRequests = Infinity;
  #maxRetries = Infinity;
  #budget: RetryBudgetConfig | undefined;
  /** Where the budget has an interval. */
  #window: RequestWindow | undefined;
  readonly #clock: Pick<Clock, 'now'>;
  /** In order of arrival. */
  readonly #seekers: Set<ConnectionSeeker> = new Set();

  constructor(limits: ConnectionPoolConfig | undefined, clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    this.setLimits(limits);
  }

  /** Permits in use above a lowered limit stay until they are given back; new ones are refused until there is room. */
  setLimits(limits: ConnectionPoolConfig | undefined): void {
    this.#maxConnections = limits?.maxConnections ?? Infinity;
    this.#maxPending = limits?.maxPendingRequests ?? Infinity;
    this.#maxRequests = limits?.maxRequests ?? Infinity;
    this.#maxRetries = limits?.maxRetries ?? Infinity;
    this.#setBudget(limits?.retryBudget);
    this.#offer();
  }

  /** `first`: the host has no connection yet; such a host may always open one (Envoy), so the count may pass the limit. */
  admitConnection(first: boolean): boolean {
    if (this.connections >= this.#maxConnections && !first) return false;
    this.connections++;
    return true;
  }

  /** More connections than the limit: it was lowered, or hosts without one opened theirs. */
  get crowded(): boolean {
    return this.connections > this.#maxConnections;
  }

  releaseConnection(): void {
    this.connections--;
    if (this.#seekers.size > 0) this.#offer();
  }

  /**
   * Puts `seeker` in line for the next permit. In Envoy a permit that one host gives back is not told to the others, and
   * their requests wait for the few connections they have.
   */
  seekConnection(seeker: ConnectionSeeker): void {
    this.#seekers.add(seeker);
  }

  /** Somebody waits for a permit. */
  get sought(): boolean {
    return this.#seekers.size > 0;
  }

  admitPending(): boolean {
    if (this.pending >= this.#maxPending) return false;
    this.pending++;
    return true;
  }

  releasePending(): void {
    this.pending--;
  }

  admitRequest(): boolean {
    if (this.requests >= this.#maxRequests) return false;
    this.requests++;
    if (this.#window !== undefined) this.#window.add(this.#clock.now());
    return true;
  }

  releaseRequest(): void {
    this.requests--;
  }

  admitRetry(): boolean {
    if (this.retries >= this.retryLimit) return false;
    this.retries++;
    return true;
  }

  releaseRetry(): void {
    this.retries--;
  }

  /**
   * Retries allowed now: the fixed limit, or the budget's share of active and pending requests. With an interval it is a share
   * of the requests that were sent to a host in that time, first tries and retries, whatever has become of them (Envoy).
   */
  get retryLimit(): number {
    const budget = this.#budget;
    if (budget === undefined) return this.#maxRetries;
    const requests = this.#window === undefined ? this.requests + this.pending : this.#window.count(this.#clock.now());
    return Math.max(budget.minRetryConcurrency, Math.floor((budget.percent / 100) * requests));
  }

  /** What was counted stays as long as the interval does. */
  #setBudget(budget: RetryBudgetConfig | undefined): void {
    this.#budget = budget;
    const intervalMs = budget?.intervalMs ?? 0;
    if (intervalMs === 0) this.#window = undefined;
    else if (this.#window?.intervalMs !== intervalMs) this.#window = new RequestWindow(intervalMs);
  }

  /** One permit each in turn; who wants another lines up again, at the end. */
  #offer(): void {
    for (const seeker of this.#seekers) {
      if (this.connections >= this.#maxConnections) return;
      this.#seekers.delete(seeker);
      seeker.onRoom();
    }
  }
}
