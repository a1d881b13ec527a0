/** Fully jittered exponential back-off (Envoy: JitteredExponentialBackOffStrategy): pure. */

/** The interval grows up to this multiple of the base (Envoy's default for a retry policy without max_interval). */
const CAP_FACTOR = 10;

/**
 * Milliseconds to wait before retry number `retry` (1-based): uniform in [0, min(base × 2^(retry − 1), 10 × base)), whole.
 * This is what Envoy's code does; its documentation says base × (2^retry − 1).
 */
export function backoffDelayMs(retry: number, baseMs: number, random: number): number {
  const interval = Math.min(baseMs * 2 ** Math.min(retry - 1, CAP_FACTOR), baseMs * CAP_FACTOR);
  return Math.floor(random * interval);
}
