/** Values in the words of the resource: Istio's field names, durations as text. */

/** Fields that are durations wherever they occur; resources hold them in milliseconds. */
const DURATION_FIELDS: ReadonlySet<string> = new Set([
  'timeout', 'perTryTimeout', 'backoff', 'fixedDelay', 'maxAge', 'connectTimeout', 'idleTimeout', 'maxConnectionDuration', 'time', 'interval',
  'baseEjectionTime', 'ttl', 'duration', 'warmupDurationSecs', 'budgetInterval', 'weightExpirationPeriod', 'weightStabilizationPeriod', 'weightUpdatePeriod',
]);

/** A copy as the resource would write it; `field` is the name the value itself stands under. */
export function inWords(value: unknown, field = ''): unknown {
  if (typeof value === 'number' && DURATION_FIELDS.has(field)) return durationText(value);
  if (Array.isArray(value)) return value.map((item) => inWords(item, field));
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(members.map(([key, inner]) => [key, inWords(inner, key)]));
}

/** `10s`, `500ms`; never in larger units, which reads well enough and needs no rounding. */
export function durationText(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
