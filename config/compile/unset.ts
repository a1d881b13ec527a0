/** What counts as unset in Istio's API. */

/** For plain integers and durations, 0 means unset. */
export function isSet(value: number | undefined): value is number {
  return value !== undefined && value > 0;
}
