/** Which outcomes of a row count for which proxy. */

import type { Case, Expected } from '../case.ts';

export type Proxy = 'outrider' | 'envoy';

/** The row's outcome and its alternative; for Envoy its own recorded one, where the row is stricter. */
export function outcomes(each: Case, proxy: Proxy): readonly Expected[] {
  if (proxy === 'envoy' && each.envoy !== undefined) return [each.envoy.expect];
  return each.or === undefined ? [each.expect] : [each.expect, each.or];
}
