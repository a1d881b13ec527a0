/** A filter asked for by name with its own policy; `filters/registry.ts` knows the names. */

import type { Origin } from './origin.ts';

export interface FilterSpec {
  readonly name: string;
  /** Plain data in the shape that the filter's own Policy type declares. */
  readonly policy: unknown;
  readonly origin?: Origin;
}
