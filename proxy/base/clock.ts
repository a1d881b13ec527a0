/** Time as a parameter: the one place that reads the system's clocks and starts its timers. */

export interface Timer {
  /** Safe to call at any time, also after the timer fired. */
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds, fractions included; only differences mean something. */
  now(): number;
  /** Wall clock, whole milliseconds since the epoch. */
  wallTime(): number;
  /** Calls `fire` once after `delayMs`, or after 24.8 days where that is sooner; the timer alone does not keep the process alive. */
  setTimer(delayMs: number, fire: () => void): Timer;
}

/** Node fires a timer that is set for longer at once. */
const LONGEST_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimer(delayMs, fire) {
    const timeout = setTimeout(fire, Math.min(delayMs, LONGEST_MS));
    timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};
