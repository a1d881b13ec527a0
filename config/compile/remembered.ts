/** Remembers what was made of two written blocks, by their identity. */

import type { Located } from './located.ts';

/** `make`, called once for each pair: the same blocks, the same result object. Lives as long as one compilation. */
export function remembered<A, B, R>(make: (a: Located<A> | undefined, b: Located<B> | undefined) => R): (a: Located<A> | undefined, b: Located<B> | undefined) => R {
  const known = new Map<A | undefined, Map<B | undefined, R>>();
  return (a, b) => {
    let byOther = known.get(a?.value);
    if (byOther === undefined) known.set(a?.value, (byOther = new Map()));
    const before = byOther.get(b?.value);
    if (before !== undefined || byOther.has(b?.value)) return before as R;
    const made = make(a, b);
    byOther.set(b?.value, made);
    return made;
  };
}
