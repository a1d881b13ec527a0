/** Routes that can never be reached, because an earlier one takes everything or the very same requests. */

import type { Report } from '../schema.ts';
import type { HttpMatchRequest, HttpRoute } from './types.ts';

/** IST0130 for a rule without effect, IST0131 for a match without effect; both are warnings. */
export function warnOfUnreachable(routes: readonly HttpRoute[], report: Report): void {
  const matches = new Map<string, string>();
  let catchAll: number | undefined;
  for (const [index, route] of routes.entries()) {
    if (catchAll !== undefined) {
      report.warning(['http', index], `is never reached: http[${catchAll}] takes every request; move it up`, 'IST0130');
      continue;
    }
    warnOfRepeated(route, index, matches, report);
    if (takesEverything(route)) catchAll = index;
  }
}

function warnOfRepeated({ match = [] }: HttpRoute, index: number, seen: Map<string, string>, report: Report): void {
  const repeated: { readonly at: number; readonly first: string }[] = [];
  for (const [at, entry] of match.entries()) {
    const key = keyOf(entry);
    const first = seen.get(key);
    if (first === undefined) seen.set(key, `http[${index}].match[${at}]`);
    else repeated.push({ at, first });
  }
  if (repeated.length > 0 && repeated.length === match.length) {
    report.warning(['http', index], `is never reached: ${repeated[0]!.first} matches the same requests`, 'IST0130');
    return;
  }
  for (const { at, first } of repeated) report.warning(['http', index, 'match', at], `has no effect: ${first} matches the same requests`, 'IST0131');
}

/** Names and counters' prefixes do not decide anything. */
function keyOf(match: HttpMatchRequest): string {
  const { name: _name, statPrefix: _prefix, ...conditions } = match;
  return JSON.stringify(conditions, (_, value: unknown) => (isMap(value) ? sorted(value) : value));
}

/** Header names come in any order. */
function sorted(map: object): object {
  return Object.fromEntries(Object.entries(map).sort(([one], [other]) => (one < other ? -1 : 1)));
}

function isMap(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function takesEverything({ match = [] }: HttpRoute): boolean {
  return match.length === 0 || match.some(isCatchAll);
}

/** No condition at all but a path that every path fulfils. */
function isCatchAll(match: HttpMatchRequest): boolean {
  const { name: _name, statPrefix: _prefix, ignoreUriCase: _case, uri, ...conditions } = match;
  const anyPath = uri === undefined || uri.prefix === '' || uri.prefix === '/' || uri.regex === '.*';
  return anyPath && Object.values(conditions).every((condition) => isMap(condition) && Object.keys(condition).length === 0);
}
