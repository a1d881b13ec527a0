/** The Date header's value, made once a second. */

import type { Clock } from './clock.ts';

let second = -1;
let text = '';

/** IMF-fixdate of the current second (RFC 9110 5.6.7). */
export function httpDate(clock: Clock): string {
  const now = Math.floor(clock.wallTime() / 1000);
  if (now !== second) {
    second = now;
    text = new Date(now * 1000).toUTCString();
  }
  return text;
}
