/** Version 4 UUIDs for x-request-id: unique and unpredictable enough to trace by, drawn in batches. */

import { randomBytes } from 'node:crypto';

/** Ids that share one draw of the middle part; each has 64 random bits of its own besides. */
const BATCH = 1024;
/** Hexadecimal digits of its own per id. */
const DIGITS = 16;

let digits = '';
let used = BATCH * DIGITS;
let middle = '';

/** `xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx` (RFC 9562 5.4). */
export function createRequestId(): string {
  if (used === BATCH * DIGITS) refill();
  const i = used;
  used += DIGITS;
  return digits.slice(i, i + 8) + middle + digits.slice(i + 8, i + DIGITS);
}

function refill(): void {
  digits = randomBytes((BATCH * DIGITS) / 2).toString('hex');
  used = 0;
  const random = randomBytes(8);
  random[2] = ((random[2] as number) & 0x0f) | 0x40;
  random[4] = ((random[4] as number) & 0x3f) | 0x80;
  const hex = random.toString('hex');
  middle = `-${hex.slice(0, 4)}-${hex.slice(4, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}`;
}
