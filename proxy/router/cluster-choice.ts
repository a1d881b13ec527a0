/** Which of a route's weighted destinations takes a request: pure, so `explain` and the data path agree. */

import { pickWeighted } from '../base/weighted.ts';

/**
 * Index into `destinations` for `random`, uniform in [0, 1). A single destination takes everything whatever its weight;
 * among several, weight 0 takes nothing (Istio: VirtualService `route[].weight`). -1 when no destination can be chosen.
 */
export function chooseDestination(destinations: readonly { readonly weight: number }[], totalWeight: number, random: number): number {
  if (destinations.length === 1) return 0;
  return pickWeighted(destinations, totalWeight, random);
}
