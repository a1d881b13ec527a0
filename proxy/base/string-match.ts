/** Istio's StringMatch as a predicate, built once per route and called per request. */

import { startsWithLowerAscii, toByteString, toLowerAscii } from './bytes.ts';
import { createFullMatch } from './re2.ts';

/** The shape of `StringMatchConfig`, said here because this layer knows no other. */
export type StringPattern =
  | { readonly kind: 'exact' | 'prefix'; readonly value: string; readonly ignoreCase?: boolean }
  | { readonly kind: 'regex'; readonly value: string }
  | { readonly kind: 'present' };

/** Takes a byte string (see `bytes.ts`); must not be given a value that was absent. */
export type StringPredicate = (value: string) => boolean;

/** `present` holds for every value; `ignoreCase` folds A–Z only, as Envoy does. The regex must be valid (`regexProblem`). */
export function createStringMatch(pattern: StringPattern): StringPredicate {
  switch (pattern.kind) {
    case 'present':
      return () => true;
    case 'regex':
      return createFullMatch(pattern.value);
    case 'exact':
      return createExact(toByteString(pattern.value), pattern.ignoreCase === true);
    case 'prefix':
      return createPrefix(toByteString(pattern.value), pattern.ignoreCase === true);
    default:
      return unreachable(pattern);
  }
}

/** `exact "jason"`, `prefix "/v1"` (`, ignoring case`), `regex "a.*"`, `any value`: for messages that say what was wanted. */
export function renderStringPattern(pattern: StringPattern): string {
  if (pattern.kind === 'present') return 'any value';
  const folded = pattern.kind !== 'regex' && pattern.ignoreCase === true ? ', ignoring case' : '';
  return `${pattern.kind} ${JSON.stringify(pattern.value)}${folded}`;
}

function createExact(wanted: string, ignoreCase: boolean): StringPredicate {
  if (!ignoreCase) return (value) => value === wanted;
  const lower = toLowerAscii(wanted);
  return (value) => value.length === lower.length && startsWithLowerAscii(value, lower);
}

function createPrefix(wanted: string, ignoreCase: boolean): StringPredicate {
  if (!ignoreCase) return (value) => value.startsWith(wanted);
  const lower = toLowerAscii(wanted);
  return (value) => startsWithLowerAscii(value, lower);
}

function unreachable(pattern: never): never {
  throw new TypeError(`unknown string match ${JSON.stringify(pattern)}`);
}
