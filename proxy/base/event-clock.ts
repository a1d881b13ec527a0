/**
 * A clock that is read once per event: everything a read callback does happens at the same moment, so the data path
 * asks the system once and not six times a request. Whoever is called by the event loop calls `tick` first.
 */

import { systemClock, type Clock } from './clock.ts';

export interface EventClock extends Clock {
  /** Takes the time from the system; `now` and `wallTime` return it until the next tick. */
  tick(): void;
}

/** The wall clock is compared with the monotonic one this often, so that a changed system time is noticed. */
const RESYNC_MS = 1000;

export function createEventClock(source: Clock = systemClock): EventClock {
  let now = source.now();
  let offset = source.wallTime() - now;
  let syncedAt = now;
  const tick = (): void => {
    now = source.now();
    if (now - syncedAt < RESYNC_MS) return;
    syncedAt = now;
    offset = source.wallTime() - now;
  };
  return {
    now: () => now,
    wallTime: () => Math.floor(now + offset),
    tick,
    setTimer: (delayMs, fire) =>
      source.setTimer(delayMs, () => {
        tick();
        fire();
      }),
  };
}
