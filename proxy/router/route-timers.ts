/**
 * The clocks of one request that has a limit: its own, from when the whole request has been received, and each attempt's,
 * from when it has a connection besides (Envoy).
 */

import type { Clock, Timer } from '../base/clock.ts';
import { effectivePerTryMs, expectedTimeoutMs } from './timeouts.ts';

export interface TimerEvents {
  onTimeout(): void;
  onPerTryTimeout(): void;
}

export class RouteTimers {
  /** Milliseconds; undefined: none. */
  readonly timeoutMs: number | undefined;
  readonly #perTryMs: number | undefined;
  readonly #clock: Clock;
  readonly #events: TimerEvents;
  #startedMs: number | undefined;
  #timeout: Timer | undefined;
  #perTry: Timer | undefined;

  constructor(timeoutMs: number | undefined, perTryTimeoutMs: number | undefined, clock: Clock, events: TimerEvents) {
    this.timeoutMs = timeoutMs;
    this.#perTryMs = effectivePerTryMs(perTryTimeoutMs, timeoutMs);
    this.#clock = clock;
    this.#events = events;
  }

  /** What the next attempt is told of its limit, milliseconds. */
  get expectedMs(): number | undefined {
    const elapsedMs = this.#startedMs === undefined ? 0 : this.#clock.now() - this.#startedMs;
    return expectedTimeoutMs(this.#perTryMs, this.timeoutMs === undefined ? undefined : this.timeoutMs - elapsedMs);
  }

  start(): void {
    this.#startedMs = this.#clock.now();
    if (this.timeoutMs !== undefined) this.#timeout = this.#clock.setTimer(this.timeoutMs, () => this.#events.onTimeout());
  }

  /** An attempt has a connection and the request is complete. */
  startPerTry(): void {
    this.#perTry?.cancel();
    if (this.#perTryMs !== undefined) this.#perTry = this.#clock.setTimer(this.#perTryMs, () => this.#events.onPerTryTimeout());
  }

  stopPerTry(): void {
    this.#perTry?.cancel();
    this.#perTry = undefined;
  }

  stop(): void {
    this.#timeout?.cancel();
    this.stopPerTry();
  }
}
