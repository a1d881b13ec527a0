/** A clock that stands still until the test moves it. */

import type { Clock, Timer } from '../../proxy/base/clock.ts';

export class TestClock implements Clock {
  #nowMs = 0;
  readonly #epochMs: number;
  readonly #timers = new Set<{ readonly dueMs: number; readonly fire: () => void }>();

  constructor(epochMs: number = Date.UTC(2026, 0, 1)) {
    this.#epochMs = epochMs;
  }

  /** Timers not yet fired or cancelled. */
  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#nowMs;
  }

  wallTime(): number {
    return this.#epochMs + Math.floor(this.#nowMs);
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), fire };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Moves time on and fires what falls due on the way, in order, each at its own moment. */
  advance(byMs: number): void {
    const end = this.#nowMs + byMs;
    for (let next = this.#earliest(end); next !== undefined; next = this.#earliest(end)) {
      this.#timers.delete(next);
      this.#nowMs = next.dueMs;
      next.fire();
    }
    this.#nowMs = end;
  }

  #earliest(byMs: number): { readonly dueMs: number; readonly fire: () => void } | undefined {
    let earliest: { readonly dueMs: number; readonly fire: () => void } | undefined;
    for (const timer of this.#timers) if (timer.dueMs <= byMs && (earliest === undefined || timer.dueMs < earliest.dueMs)) earliest = timer;
    return earliest;
  }
}
