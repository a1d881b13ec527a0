/**
 * User regexes: RE2 syntax, decided by re2js, and never slow by input. The one file that imports re2js.
 * Values are byte strings (see `bytes.ts`) that hold one line of a message: a path, a header or query value, no LF.
 */

import { RE2JS } from 're2js';
import { isAscii, toByteString } from './bytes.ts';

/** What is wrong with `pattern` as RE2 syntax, or undefined. */
export function regexProblem(pattern: string): string | undefined {
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** What is wrong with `substitution` for `pattern` (valid RE2), or undefined: `\0`…`\9` and `\\` are its only escapes. */
export function substitutionProblem(pattern: string, substitution: string): string | undefined {
  const groups = RE2JS.compile(pattern).groupCount();
  const parts = parseSubstitution(substitution);
  if (typeof parts === 'string') return parts;
  const beyond = parts.find((part) => typeof part === 'number' && part > groups);
  return beyond === undefined ? undefined : `\\${beyond} names a group, the expression has ${groups === 0 ? 'none' : `only ${groups}`}`;
}

/**
 * Full match, anchored at both ends (Istio).
 * @throws when the pattern is not RE2; configuration is checked with `regexProblem` before.
 */
export function createFullMatch(pattern: string): (value: string) => boolean {
  const compiled = RE2JS.compile(pattern);
  return (value) => (isAscii(value) ? compiled.testExact(value) : compiled.testExact(Buffer.from(value, 'latin1')));
}

/** A literal piece or the number of a group. */
type SubstitutionPart = string | number;

/**
 * Replaces every match found in the value, as RE2::GlobalReplace does: leftmost first, no empty match right after a match.
 * A substitution that names a group the pattern lacks leaves the value unchanged (RE2).
 * @throws when the pattern is not RE2 or the substitution has another escape than `\0`…`\9` and `\\`.
 */
export function createReplaceAll(pattern: string, substitution: string): (value: string) => string {
  const compiled = RE2JS.compile(pattern);
  const parts = parseSubstitution(substitution);
  if (typeof parts === 'string') throw new SyntaxError(parts);
  if (substitutionProblem(pattern, substitution) !== undefined) return (value) => value;
  return (value) => replaceAll(compiled, parts, value);
}

/** The pieces, or what is wrong. */
function parseSubstitution(substitution: string): SubstitutionPart[] | string {
  const parts: SubstitutionPart[] = [];
  let literal = '';
  for (let i = 0; i < substitution.length; i++) {
    const char = substitution.charAt(i);
    if (char !== '\\') {
      literal += char;
      continue;
    }
    const next = substitution.charAt(++i);
    if (next === '\\') literal += next;
    else if (next >= '0' && next <= '9') {
      parts.push(toByteString(literal), Number(next));
      literal = '';
    } else return next === '' ? 'ends in a lone backslash' : `\\${next} is not an escape; write \\0 to \\9 for a group or \\\\ for a backslash`;
  }
  parts.push(toByteString(literal));
  return parts.filter((part) => part !== '');
}

function replaceAll(compiled: RE2JS, parts: readonly SubstitutionPart[], value: string): string {
  const text = isAscii(value) ? value : Buffer.from(value, 'latin1').toString('utf8');
  const matcher = compiled.matcher(text);
  let result = '';
  let end = 0;
  let found = false;
  while (matcher.find()) {
    if (matcher.start() === matcher.end() && found && matcher.start() === end) continue;
    result += toByteString(text.slice(end, matcher.start()));
    for (const part of parts) result += typeof part === 'string' ? part : toByteString(matcher.group(part) ?? '');
    end = matcher.end();
    found = true;
  }
  return found ? result + toByteString(text.slice(end)) : value;
}
