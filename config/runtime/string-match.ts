/** How a string is compared: Istio's StringMatch, already validated and normalised. */

export type StringMatchConfig =
  | { readonly kind: 'exact'; readonly value: string; readonly ignoreCase?: boolean }
  | { readonly kind: 'prefix'; readonly value: string; readonly ignoreCase?: boolean }
  /** RE2 syntax, full match (Istio anchors both ends). */
  | { readonly kind: 'regex'; readonly value: string }
  /** `{}` or `regex: "*"` on a header or query parameter: it must be there, whatever its value. */
  | { readonly kind: 'present' };
