/** A route's condition on the path, tested in place so that a request with a query needs no copy of its path. */

import type { StringMatchConfig } from '../../config/runtime/string-match.ts';
import { startsWithLowerAscii, toByteString, toLowerAscii } from '../base/bytes.ts';
import { createStringMatch } from '../base/string-match.ts';

/** `target` is the path with its query; the path is its first `pathLength` characters. */
export type PathTest = (target: string, pathLength: number) => boolean;

export function createPathTest(match: StringMatchConfig): PathTest {
  switch (match.kind) {
    case 'exact':
      return createExactPath(toByteString(match.value), match.ignoreCase === true);
    case 'prefix':
      return createPrefixPath(toByteString(match.value), match.ignoreCase === true);
    default: {
      const accepts = createStringMatch(match);
      return (target, pathLength) => accepts(pathLength === target.length ? target : target.slice(0, pathLength));
    }
  }
}

function createExactPath(wanted: string, ignoreCase: boolean): PathTest {
  const { length } = wanted;
  if (!ignoreCase) return (target, pathLength) => pathLength === length && target.startsWith(wanted);
  const lower = toLowerAscii(wanted);
  return (target, pathLength) => pathLength === length && startsWithLowerAscii(target, lower);
}

/** Textual, not by segment: `/foo` takes `/foobar` (Istio). */
function createPrefixPath(wanted: string, ignoreCase: boolean): PathTest {
  const { length } = wanted;
  if (!ignoreCase) return (target, pathLength) => pathLength >= length && target.startsWith(wanted);
  const lower = toLowerAscii(wanted);
  return (target, pathLength) => pathLength >= length && startsWithLowerAscii(target, lower);
}
