/** Slow start: how much of its weight a host has while it warms up (Envoy: slow_start_config; Istio: loadBalancer.warmup). */

import type { WarmupConfig } from '../../config/runtime/cluster.ts';

/** Envoy counts the first millisecond as if it were over (its documentation says second, its code does not). */
const SHORTEST_AGE_MS = 1;

/**
 * Factor in (0, 1] on the weight of a host that has been in service for `ageMs` milliseconds: grows from `minimumPercent`
 * to 1 within the warm-up's duration, in a straight line with aggression 1, faster at first with more.
 */
export function warmupFactor(ageMs: number, { durationMs, minimumPercent, aggression }: WarmupConfig): number {
  if (ageMs >= durationMs) return 1;
  const time = Math.min(1, Math.max(ageMs, SHORTEST_AGE_MS) / durationMs);
  return Math.max(minimumPercent / 100, aggression === 1 ? time : time ** (1 / aggression));
}
