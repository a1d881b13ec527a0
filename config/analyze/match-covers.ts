/** Whether one HTTP match takes every request that another one would. */

import type { StringMatch } from '../resources/messages.ts';
import type { HttpMatchRequest } from '../resources/virtual-service.ts';

/** True only where it is certain: a regex covers nothing but itself and everything is covered by `.*`. */
export function matchCovers(earlier: HttpMatchRequest, later: HttpMatchRequest): boolean {
  return (
    uriCovers(earlier, later) &&
    (['scheme', 'method', 'authority'] as const).every((field) => covers(earlier[field], later[field])) &&
    (['headers', 'queryParams'] as const).every((field) => entriesCover(earlier[field], later[field], covers)) &&
    entriesCover(earlier.withoutHeaders, later.withoutHeaders, isSame) &&
    staticCovers(earlier, later)
  );
}

function uriCovers(earlier: HttpMatchRequest, later: HttpMatchRequest): boolean {
  const { uri } = earlier;
  if (uri === undefined || uri.prefix === '' || uri.prefix === '/' || uri.regex === '.*') return true;
  if (earlier.ignoreUriCase !== true && later.ignoreUriCase === true) return false;
  const fold = earlier.ignoreUriCase === true ? (match: StringMatch): StringMatch => lowerCase(match) : (match: StringMatch): StringMatch => match;
  return later.uri !== undefined && covers(fold(uri), fold(later.uri));
}

function lowerCase({ exact, prefix, regex }: StringMatch): StringMatch {
  return { ...(exact !== undefined && { exact: exact.toLowerCase() }), ...(prefix !== undefined && { prefix: prefix.toLowerCase() }), ...(regex !== undefined && { regex }) };
}

/** Absent: no condition. `{}`: present. */
function covers(earlier: StringMatch | undefined, later: StringMatch | undefined): boolean {
  if (earlier === undefined) return true;
  if (later === undefined) return false;
  const { exact, prefix, regex } = earlier;
  if (exact !== undefined) return later.exact === exact;
  if (prefix !== undefined) return (later.exact ?? later.prefix)?.startsWith(prefix) === true;
  if (regex !== undefined && regex !== '*' && regex !== '.*') return later.regex === regex;
  return true;
}

function isSame(earlier: StringMatch | undefined, later: StringMatch | undefined): boolean {
  return later !== undefined && JSON.stringify(earlier) === JSON.stringify(later);
}

type Conditions = Readonly<Record<string, StringMatch>> | undefined;

function entriesCover(earlier: Conditions, later: Conditions, compare: (a: StringMatch | undefined, b: StringMatch | undefined) => boolean): boolean {
  const given = new Map(Object.entries(later ?? {}).map(([name, match]) => [name.toLowerCase(), match]));
  return Object.entries(earlier ?? {}).every(([name, match]) => compare(match, given.get(name.toLowerCase())));
}

/** Conditions on listener and client: each one the earlier match makes, the later one must make in the same words. */
function staticCovers(earlier: HttpMatchRequest, later: HttpMatchRequest): boolean {
  return (['port', 'sourceLabels', 'sourceNamespace', 'gateways'] as const).every((field) => earlier[field] === undefined || JSON.stringify(earlier[field]) === JSON.stringify(later[field]));
}
