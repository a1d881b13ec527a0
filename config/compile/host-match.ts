/** Wildcard host names: who covers whom, and which of many is the most specific (istio-api.md 1.3). All names in lower case. */

/** `*`, `*.suffix` or a partial wildcard, `*suffix`. */
export function isWildcard(host: string): boolean {
  return host.startsWith('*');
}

/** True if every name that `inner` stands for is one that `outer` stands for; `*.foo.com` does not cover `foo.com`. */
export function covers(outer: string, inner: string): boolean {
  if (outer === inner || outer === '*') return true;
  if (!isWildcard(outer)) return false;
  const suffix = outer.slice(1);
  return inner.length > suffix.length && inner.endsWith(suffix);
}

/** True if some name is covered by both. */
export function overlaps(a: string, b: string): boolean {
  return covers(a, b) || covers(b, a);
}

/** The more specific of each overlapping pair, in the order of `left`, without repeats. */
export function intersectHosts(left: readonly string[], right: readonly string[]): readonly string[] {
  const result = new Set<string>();
  for (const a of left) {
    for (const b of right) {
      if (covers(b, a)) result.add(a);
      else if (covers(a, b)) result.add(b);
    }
  }
  return [...result];
}

/** `*foo.com` or `*-foo.com`: not a whole label. */
export function isPartialWildcard(host: string): boolean {
  return isWildcard(host) && host.length > 1 && host[1] !== '.';
}

/**
 * The wildcards that cover `host`, most specific first: for `a.b.c` `*.b.c`, `*.c`, `*`; a wildcard counts as covering
 * itself. Looked up one by one in a map, this replaces a scan over every wildcard there is. `partial` adds the partial
 * ones, as many as the name has letters.
 */
export function* wildcardsOver(host: string, partial = false): Generator<string> {
  if (isWildcard(host)) yield host;
  if (partial) for (let at = isWildcard(host) ? 2 : 1; at < host.length; at++) yield `*${host.slice(at)}`;
  else for (let dot = host.indexOf('.', host.startsWith('*.') ? 2 : 1); dot !== -1; dot = host.indexOf('.', dot + 1)) yield `*${host.slice(dot)}`;
  if (host !== '*') yield '*';
}

/** The entry for `host` itself, else for the longest wildcard that covers it. */
export function mostSpecific<T>(entries: ReadonlyMap<string, T>, host: string): T | undefined {
  const exact = entries.get(host);
  if (exact !== undefined) return exact;
  for (const wildcard of wildcardsOver(host, hasPartialWildcard(entries))) {
    const entry = entries.get(wildcard);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

/** Per map, with the size it was found at: maps of hosts only grow. */
const partialWildcards = new WeakMap<ReadonlyMap<string, unknown>, { readonly size: number; readonly found: boolean }>();

/** Partial wildcards are rare and looking for them is dear, so a map is asked once whether it has any. */
function hasPartialWildcard(entries: ReadonlyMap<string, unknown>): boolean {
  const known = partialWildcards.get(entries);
  if (known?.size === entries.size) return known.found;
  let found = false;
  for (const host of entries.keys()) found ||= isPartialWildcard(host);
  partialWildcards.set(entries, { size: entries.size, found });
  return found;
}
