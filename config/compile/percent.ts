/** Percentages as Envoy counts them. */

import type { PercentMessage } from '../resources/messages.ts';

/** In steps of 0.0001, cut off rather than rounded: Istio converts to a whole number of millionths. */
export function percentOf({ value = 0 }: PercentMessage): number {
  return Math.trunc(value * 10_000) / 10_000;
}
