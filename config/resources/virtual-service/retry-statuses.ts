/** Numbers in `retryOn`: Istio hands on those that Go's net/http has a name for; any other stays a token that Envoy does not know. */

/** First and last of each run of named codes. */
const NAMED: readonly (readonly [first: number, last: number])[] = [
  [100, 103], [200, 208], [226, 226], [300, 305], [307, 308], [400, 418], [421, 426], [428, 429], [431, 431], [451, 451], [500, 508], [510, 511],
];

/** True for `"503"`, false for `"599"` and for what is no number. */
export function isNamedStatus(condition: string): boolean {
  const status = /^\d+$/.test(condition) ? Number(condition) : 0;
  return NAMED.some(([first, last]) => status >= first && status <= last);
}
