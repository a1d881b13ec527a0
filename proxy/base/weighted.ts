/** Picks an index in proportion to weights. */

/**
 * Index of the entry that `random` (uniform in [0, 1)) falls on when the weights are laid end to end; an entry of
 * weight 0 is never picked. `total` is the sum of the weights, computed once by the caller; -1 when it is 0.
 */
export function pickWeighted<T extends { readonly weight: number }>(entries: readonly T[], total: number, random: number): number {
  let rest = random * total;
  let last = -1;
  for (let i = 0; i < entries.length; i++) {
    const weight = (entries[i] as T).weight;
    if (weight <= 0) continue;
    if (rest < weight) return i;
    rest -= weight;
    // Rounding can leave `rest` a hair above the last weight; that draw belongs to the last entry that has one.
    last = i;
  }
  return last;
}

/** Sum of the weights; negative ones count as 0. */
export function sumWeights<T extends { readonly weight: number }>(entries: readonly T[]): number {
  let total = 0;
  for (const entry of entries) if (entry.weight > 0) total += entry.weight;
  return total;
}
