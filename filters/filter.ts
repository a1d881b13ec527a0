/** The filter interface: a filter decides on heads; it never sees a socket or a pool. */

import type { Timer } from '../proxy/base/clock.ts';
import type { LocalReply } from '../proxy/stream/local-reply.ts';
import type { Stream } from '../proxy/stream/stream.ts';

export type MaybePromise<T> = T | Promise<T>;

export interface Filter {
  readonly name: string;
  /** Downstream to upstream, in registry order. A returned reply ends the request here. */
  onRequest?(stream: Stream): MaybePromise<LocalReply | void>;
  /**
   * Upstream to downstream, reverse order; `stream.response` is set. Local replies pass here too. A returned reply takes
   * the response's place. Synchronous: the body is already arriving.
   */
  onResponse?(stream: Stream): LocalReply | void;
  /** Exactly once, after the last byte, reset or disconnect. Must not throw. */
  onComplete?(stream: Stream): void;
}

/** Clock, chance and whatever else a filter may need; passed in so that tests can move them. */
export interface FilterDeps {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Calls `fire` once after `delayMs`. What a filter starts it cancels in `onComplete`. */
  readonly setTimer: (delayMs: number, fire: () => void) => Timer;
}

/** Does all parsing up front; returns undefined for "nothing to do", so an unused filter costs nothing. */
export type FilterFactory<Policy> = (policy: Policy, deps: FilterDeps) => Filter | undefined;
