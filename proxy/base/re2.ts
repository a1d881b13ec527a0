/**
 * User regexes: RE2 syntax, decided by re2js, and never slow by input. The one file that imports re2js.
 *
 * re2js is linear but 10 to 30 times slower than what most regexes need, so those that are no more than literals and
 * `.*` become string comparisons, and those that JavaScript's engine provably runs in linear time run there.
 * Values are byte strings (see `bytes.ts`) that hold one line of a message: a path, a header or query value, no LF.
 * Patterns are matched byte by byte too, as Envoy does: a dot is one byte of `é`, not all of it.
 */

import { RE2JS } from 're2js';
import { toByteString } from './bytes.ts';
import { createGlobMatch } from './regex-glob.ts';
import { hasLoopedGroup, isDeterministic, isNullable, maxLength, nativeSource } from './regex-native.ts';
import { parseRegex } from './regex-syntax.ts';

/** What is wrong with `pattern` as RE2 syntax, or undefined. */
export function regexProblem(pattern: string): string | undefined {
  try {
    compileBytes(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * Full match, anchored at both ends (Istio).
 * @throws when the pattern is not RE2; configuration is checked with `regexProblem` before.
 */
export function createFullMatch(pattern: string): (value: string) => boolean {
  const compiled = compileBytes(pattern);
  const parsed = parseRegex(toByteString(pattern));
  if (parsed === undefined) return (value) => compiled.testExact(value);
  const glob = createGlobMatch(parsed.body);
  if (glob !== undefined) return glob;
  if (!isDeterministic(parsed.body)) return (value) => compiled.testExact(value);
  const native = new RegExp(`^(?:${nativeSource(parsed.body)})$`);
  return (value) => native.test(value);
}

function compileBytes(pattern: string): RE2JS {
  return RE2JS.compile(toByteString(pattern));
}

/** A literal piece, or the number of a group. */
type SubstitutionPart = string | number;

/** What is wrong with `substitution` for `pattern` (valid RE2), or undefined: `\0`…`\9` and `\\` are its only escapes. */
export function substitutionProblem(pattern: string, substitution: string): string | undefined {
  const parts = parseSubstitution(substitution);
  if (typeof parts === 'string') return parts;
  const groups = compileBytes(pattern).groupCount();
  const beyond = parts.find((part) => typeof part === 'number' && part > groups);
  return beyond === undefined ? undefined : `\\${beyond} names a group, the expression has ${groups === 0 ? 'none' : `only ${groups}`}`;
}

/**
 * Replaces every match found in the value, as RE2::GlobalReplace does: leftmost first, no empty match right after a match.
 * A substitution that names a group the pattern lacks leaves every value unchanged (RE2).
 * @throws when the pattern is not RE2 or the substitution has another escape than `\0`…`\9` and `\\`.
 */
export function createReplaceAll(pattern: string, substitution: string): (value: string) => string {
  const compiled = compileBytes(pattern);
  const parts = parseSubstitution(substitution);
  if (typeof parts === 'string') throw new SyntaxError(parts);
  if (parts.some((part) => typeof part === 'number' && part > compiled.groupCount())) return (value) => value;
  const native = nativeSearch(pattern);
  return native === undefined ? (value) => replaceWith(compiled, parts, value) : (value) => replaceNatively(native, parts, value);
}

/**
 * A search stays linear where a match can only begin at the start, or where it has a greatest length. Matches that may
 * be empty are left to re2js, whose rules for them differ.
 */
function nativeSearch(pattern: string): RegExp | undefined {
  const parsed = parseRegex(toByteString(pattern));
  if (parsed === undefined || !isDeterministic(parsed.body) || isNullable(parsed.body) || hasLoopedGroup(parsed.body)) return undefined;
  if (!parsed.anchoredStart && maxLength(parsed.body) === Infinity) return undefined;
  return new RegExp(`${parsed.anchoredStart ? '^' : ''}(?:${nativeSource(parsed.body)})${parsed.anchoredEnd ? '$' : ''}`, 'g');
}

function replaceNatively(native: RegExp, parts: readonly SubstitutionPart[], value: string): string {
  let result = '';
  let end = 0;
  native.lastIndex = 0;
  for (let found = native.exec(value); found !== null; found = native.exec(value)) {
    result += value.slice(end, found.index);
    for (const part of parts) result += typeof part === 'string' ? part : (found[part] ?? '');
    end = native.lastIndex;
  }
  return end === 0 ? value : result + value.slice(end);
}

function replaceWith(compiled: RE2JS, parts: readonly SubstitutionPart[], value: string): string {
  const matcher = compiled.matcher(value);
  let result = '';
  let end = -1;
  while (matcher.find()) {
    if (matcher.start() === matcher.end() && matcher.start() === end) continue;
    result += value.slice(Math.max(end, 0), matcher.start());
    for (const part of parts) result += typeof part === 'string' ? part : (matcher.group(part) ?? '');
    end = matcher.end();
  }
  return end === -1 ? value : result + value.slice(end);
}

/** The pieces, or what is wrong. */
function parseSubstitution(substitution: string): SubstitutionPart[] | string {
  const parts: SubstitutionPart[] = [];
  let literal = '';
  for (let i = 0; i < substitution.length; i++) {
    const char = substitution.charAt(i);
    const next = substitution.charAt(i + 1);
    if (char !== '\\') {
      literal += char;
      continue;
    }
    i++;
    if (next === '\\') literal += next;
    else if (next >= '0' && next <= '9') {
      parts.push(toByteString(literal), Number(next));
      literal = '';
    } else return next === '' ? 'ends in a lone backslash' : `\\${next} is not an escape; write \\0 to \\9 for a group, \\\\ for a backslash`;
  }
  parts.push(toByteString(literal));
  return parts.filter((part) => part !== '');
}
