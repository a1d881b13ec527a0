/** Filters by regular expression, RE2 as in Envoy: found anywhere in the text. */

import { createFullMatch, regexProblem } from '../base/re2.ts';

/** Longer than any name; keeps a compiled program small. */
const PATTERN_LIMIT = 1024;

/** A test for texts of one line, or what is wrong with the pattern. */
export function createSearch(pattern: string): ((text: string) => boolean) | { readonly problem: string } {
  if (pattern.length > PATTERN_LIMIT) return { problem: `pattern is longer than ${PATTERN_LIMIT} characters` };
  if (/^[\w-]*$/.test(pattern)) return (text) => text.includes(pattern);
  const problem = regexProblem(pattern);
  return problem === undefined ? createFullMatch(`.*(?:${pattern}).*`) : { problem };
}
