/** Chance written down in advance. */

import type { Random } from '../../proxy/base/random.ts';

/** Draws the given numbers in turn, then begins again. */
export function scriptedRandom(...draws: readonly number[]): Random {
  let drawn = 0;
  return () => draws[drawn++ % draws.length] ?? 0;
}
