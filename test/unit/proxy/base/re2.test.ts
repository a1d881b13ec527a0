/** User regexes: what re2js says is right, whichever way a pattern is run, and no input makes one slow. */

import fc from 'fast-check';
import { RE2JS } from 're2js';
import t from 'tap';
import { createGlobMatch } from '../../../../proxy/base/regex-glob.ts';
import { hasLoopedGroup, isDeterministic, isNullable, maxLength } from '../../../../proxy/base/regex-native.ts';
import { parseRegex, type Regex } from '../../../../proxy/base/regex-syntax.ts';
import { createFullMatch, createReplaceAll, regexProblem, substitutionProblem } from '../../../../proxy/base/re2.ts';

function bodyOf(pattern: string): Regex {
  const parsed = parseRegex(pattern);
  if (parsed === undefined) throw new Error(`${pattern} was not read`);
  return parsed.body;
}

t.test('a full match is anchored at both ends', (t) => {
  const table: readonly (readonly [pattern: string, value: string, matches: boolean])[] = [
    ['foo', 'foo', true],
    ['foo', 'foobar', false],
    ['foo', 'xfoo', false],
    ['', '', true],
    ['', 'a', false],
    ['^foo$', 'foo', true],
    ['foo.*', 'foobar', true],
    ['foo.*', 'xfoobar', false],
    ['.*bar', 'foobar', true],
    ['.*bar', 'foobarx', false],
    ['.*', '', true],
    ['.+', '', false],
    ['.+', 'a', true],
    ['a.+b', 'ab', false],
    ['a.+b', 'axb', true],
    ['a.*a', 'a', false],
    ['.*a.*b.*', 'xxaxxbxx', true],
    ['.*a.*b.*', 'xxbxxaxx', false],
    ['a.*b.+c', 'abc', false],
    ['a.*b.+c', 'abxc', true],
    ['jason|bob', 'bob', true],
    ['jason|bob', 'jasonbob', false],
    ['(jason|bob)@.*', 'bob@example.com', true],
    ['/api/(v1|v2)/(a|b)', '/api/v2/a', true],
    ['/api/(v1|v2)/(a|b)', '/api/v3/a', false],
    ['^/v\\d+/[^/]+$', '/v12/abc', true],
    ['^/v\\d+/[^/]+$', '/v12/a/b', false],
    ['^(.*?;)?(user=jason)(;.*)?$', 'a=b;user=jason;c=d', true],
    ['^(.*?;)?(user=jason)(;.*)?$', 'user=jason', true],
    ['^(.*?;)?(user=jason)(;.*)?$', 'user=jasonx', false],
    ['(?i)jason', 'JaSoN', true],
    ['(?i)[^a]', 'A', false],
    ['[\\w.-]+@[a-z]+\\.com', 'a.b-c@mail.com', true],
    ['a\\$', 'a$', true],
    ['a$|b', 'b', true],
    ['[$]', '$', true],
    ['\\Qa.b\\E', 'a.b', true],
    ['\\x41', 'A', true],
    ['a{2,3}', 'aa', true],
    ['a{2,3}', 'aaaa', false],
    ['a{2}', 'aa', true],
    ['a{2,}', 'aaaaa', true],
    ['a{0}', '', true],
    ['[[:alpha:]]+', 'abc', true],
    ['\\pL+', 'abc', true],
    ['[]a]', ']', true],
    ['[^]a]', 'b', true],
    ['[a-]', '-', true],
    ['[-a]', '-', true],
    ['(?:a|)b', 'b', true],
    ['(?P<n>a)b', 'ab', true],
  ];
  for (const [pattern, value, matches] of table) {
    t.equal(createFullMatch(pattern)(value), matches, `${pattern} on ${value}`);
    t.equal(RE2JS.compile(pattern).testExact(value), matches, 'as re2js has it');
  }
  t.end();
});

t.test('patterns and values are bytes (answers of Envoy 1.40)', (t) => {
  const values = ['a\u00c3\u00a9c', '\u00c3\u00a9', '\u00c3\u00a9\u00c3\u00a9', '\u00ff', 'a\u00ffc', '\u00c3', '\u00e9', '\u00c3\u0089', '\u00c3\u00a9\u00a9'];
  const table: readonly (readonly [pattern: string, matches: string])[] = [
    ['a.c', '. . . . 1 . . . .'],
    ['a..c', '1 . . . . . . . .'],
    ['é', '. 1 . . . . . . .'],
    ['é+', '. 1 . . . . . . 1'],
    ['éé', '. . 1 . . . . . .'],
    ['[é]', '. . . . . 1 . . .'],
    ['[^a]', '. . . 1 . 1 1 . .'],
    ['[^a][^a]', '. 1 . . . . . 1 .'],
    ['\\x{e9}', '. . . . . . 1 . .'],
    ['\\xc3\\xa9', '. 1 . . . . . . .'],
    ['\\pL+', '. . . 1 1 1 1 . .'],
    ['(?i)É', '. . . . . . . 1 .'],
    ['a.*c', '1 . . . 1 . . . .'],
    ['ÿ', '. . . . . . . . .'],
    ['\\xff', '. . . 1 . . . . .'],
    ['[^/]+', '1 1 1 1 1 1 1 1 1'],
    ['.*', '1 1 1 1 1 1 1 1 1'],
  ];
  for (const [pattern, matches] of table) t.equal(values.map((value) => (createFullMatch(pattern)(value) ? '1' : '.')).join(' '), matches, pattern);
  t.equal(createReplaceAll('é', 'e')('caf\u00c3\u00a9'), 'cafe');
  t.equal(createReplaceAll('f(.+)$', '<\\1>')('caf\u00c3\u00a9'), 'ca<\u00c3\u00a9>');
  t.equal(createReplaceAll('e', 'é')('cafe'), 'caf\u00c3\u00a9');
  t.end();
});

t.test('what is not RE2 is refused with a reason', (t) => {
  for (const pattern of ['(', 'a**', '(?=a)', '\\1', '[b-a]', '*', 'a{1001}', '(?<=a)b', '\\', '[', 'x(?!y)']) t.type(regexProblem(pattern), 'string', pattern);
  for (const pattern of ['', 'a|b', '(?i)a', '.*?', '\\pL', '[[:alpha:]]']) t.equal(regexProblem(pattern), undefined, pattern);
  t.equal(substitutionProblem('(a)(b)', '\\1\\2\\0 \\\\'), undefined);
  t.match(substitutionProblem('(a)', '\\2'), /names a group/);
  t.match(substitutionProblem('a', '\\1'), /has none/);
  t.match(substitutionProblem('a', '\\n'), /is not an escape/);
  t.match(substitutionProblem('a', 'x\\'), /lone backslash/);
  t.throws(() => createFullMatch('('));
  t.throws(() => createReplaceAll('a', '\\x'));
  t.end();
});

t.test('replacement is RE2::GlobalReplace', (t) => {
  const table: readonly (readonly [pattern: string, substitution: string, value: string, expected: string])[] = [
    // Answers of Envoy 1.40's regex_rewrite.
    ['/rx/(a*)', '/\\1/\\0/\\\\x', '/rx/aaa/rx/', '/aaa//rx/aaa/\\x///rx//\\x'],
    ['b*', 'X', '/rybb/cb', 'X/XrXyX/XcX'],
    ['.*', '/whole', '/hello', '/whole'],
    ['^/nomatch', '/y', '/rz/a', '/rz/a'],
    ['g', 'z\\3', '/rg', '/rg'],
    // Anchored, bounded, lazy, optional groups.
    ['^/reviews/(.*)$', '/\\1', '/reviews/a/b', '/a/b'],
    ['^/a', '/b', '/a/a', '/b/a'],
    ['/v[0-9]/', '/', '/v1/x/v2/', '/x/'],
    ['(a)|b', '<\\1>', 'abab', '<a><><a><>'],
    ['a+?', 'x', 'aaa', 'xxx'],
    ['(?:(a)|b)+', '<\\1>', 'ab', '<a>'],
    ['$', '!', 'ab', 'ab!'],
    ['x*', '-', 'abc', '-a-b-c-'],
    ['', '-', 'ab', '-a-b-'],
    ['a$', 'b', 'aaa', 'aab'],
  ];
  for (const [pattern, substitution, value, expected] of table) t.equal(createReplaceAll(pattern, substitution)(value), expected, `${pattern} → ${substitution} on ${value}`);
  t.end();
});

t.test('simple shapes become string comparisons, safe ones run natively, the rest stays with re2js', (t) => {
  for (const pattern of ['foo', 'foo.*', '.*foo', '.*', '.+', 'a|b|c', '(a|b).*', '.*\\.(jpg|png)', '/api/(v1|v2)/.*', 'a.*b.*c']) {
    t.type(createGlobMatch(bodyOf(pattern)), 'function', pattern);
  }
  for (const pattern of ['[ab]', 'a?', '.', '.{2,}', '(?i)a', 'a*']) t.equal(createGlobMatch(bodyOf(pattern)), undefined, pattern);
  const manyLiterals = Array.from({ length: 9 }, (_, i) => `(a${i}|b${i})`).join('');
  t.equal(createGlobMatch(bodyOf(manyLiterals)), undefined, 'a product of choices is not written out without end');

  for (const pattern of ['/v\\d+/[^/]+', '(?i)jason', '[a-z]+', 'a?b', '(ab)*c', '(a|b)c{2,4}d', '[^;]*;x', '(?:[0-9]{1,3}\\.){3}[0-9]{1,3}']) {
    t.ok(isDeterministic(bodyOf(pattern)), pattern);
  }
  for (const pattern of ['(a+)+', '(a*)*', '(a|a)b', '(a|ab)c', '.*a', 'a*a', '(a?)?', '(?:a|)?', '(|a|)', '[ab]*[bc]x', 'a{0,3}a', '(a{1,2})*', '[a-z]{500}']) {
    t.notOk(isDeterministic(bodyOf(pattern)), pattern);
  }
  for (const pattern of ['(?i)é', '\\pL', '[[:alpha:]]', '(?s).', 'a**', '\\bfoo', '^a|b$', '(^a)', '\\Qa\\E', '[\\d-x]', 'a{,2}', '(?P<n>a)']) t.equal(parseRegex(pattern), undefined, pattern);
  t.equal(maxLength(bodyOf('a{2,3}(b|cd)?')), 5);
  t.equal(maxLength(bodyOf('a*')), Infinity);
  t.equal(maxLength(bodyOf('(a*){0}')), 0);
  t.equal(isNullable(bodyOf('a?|b')), true);
  t.equal(hasLoopedGroup(bodyOf('(?:(a)|b)*')), true);
  t.equal(hasLoopedGroup(bodyOf('((a)|b)?')), false);
  t.end();
});

t.test('no input makes a pattern slow', (t) => {
  const long = 'a'.repeat(50_000);
  const hostile: readonly (readonly [pattern: string, value: string])[] = [
    ['(a+)+$', `${long}!`],
    ['(a*)*b', long],
    ['(a|a)*b', long],
    ['(.*a){10}b', long],
    ['([a-z]+)*x', long],
    ['(x+x+)+y', 'x'.repeat(50_000)],
    ['.*.*.*=.*', long],
    ['.*a.*a.*a.*b', long],
    ['[^b]*b[^c]*c', long],
    ['(?:ab)*c', 'ab'.repeat(25_000)],
    ['(?i)(a|b)*c', long],
  ];
  // Backtracking would take centuries; a second leaves room for a slow machine.
  for (const [pattern, value] of hostile) {
    const match = createFullMatch(pattern);
    const started = performance.now();
    t.equal(match(value), false, pattern);
    t.ok(performance.now() - started < 1000, `${pattern} is linear`);
  }
  const rewrite = createReplaceAll('(a+)+b', 'x');
  const started = performance.now();
  t.equal(rewrite(long.slice(0, 5000)), long.slice(0, 5000));
  t.ok(performance.now() - started < 1000);
  t.end();
});

/** Patterns over a small alphabet, so that random values often match. */
const { whole: pattern } = fc.letrec<Record<'atom' | 'repeated' | 'sequence' | 'choice' | 'whole', string>>((tie) => ({
  atom: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('a', 'b', '/', '.', '\\.', '[ab]', '[^a]', '\\d', '[a-c/]', '1') },
    { weight: 1, arbitrary: tie('choice').map((inner) => `(${inner})`) },
    { weight: 1, arbitrary: tie('choice').map((inner) => `(?:${inner})`) },
  ),
  repeated: fc.tuple(tie('atom'), fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{1,2}', '{1,}', '*?', '+?')).map((parts) => parts.join('')),
  sequence: fc.array(tie('repeated'), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
  choice: fc.oneof({ weight: 3, arbitrary: tie('sequence') }, { weight: 1, arbitrary: fc.tuple(tie('sequence'), tie('sequence')).map((options) => options.join('|')) }),
  whole: fc.tuple(fc.constantFrom('', '', '^', '(?i)'), tie('choice'), fc.constantFrom('', '', '$')).map((parts) => parts.join('')),
}));
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '/', '.', '1', 'A', 'B'), maxLength: 8 });

t.test('property: every pattern matches what re2js matches', (t) => {
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 5, maxLength: 20 }), (pattern, values) => {
      const match = createFullMatch(pattern);
      const oracle = RE2JS.compile(pattern);
      return values.every((value) => match(value) === oracle.testExact(value));
    }),
    { numRuns: 2000 },
  );
  t.end();
});

t.test('property: every replacement is what re2js makes of it', (t) => {
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 5, maxLength: 10 }), (pattern, values) => {
      const compiled = RE2JS.compile(pattern);
      const replace = createReplaceAll(pattern, compiled.groupCount() > 0 ? '<\\0,\\1>' : '<\\0>');
      return values.every((value) => replace(value) === replacedByRe2js(compiled, value));
    }),
    { numRuns: 2000 },
  );
  t.end();
});

function replacedByRe2js(compiled: RE2JS, value: string): string {
  const matcher = compiled.matcher(value);
  let result = '';
  let end = -1;
  while (matcher.find()) {
    if (matcher.start() === matcher.end() && matcher.start() === end) continue;
    result += `${value.slice(Math.max(0, end), matcher.start())}<${matcher.group() ?? ''}${compiled.groupCount() > 0 ? `,${matcher.group(1) ?? ''}` : ''}>`;
    end = matcher.end();
  }
  return end === -1 ? value : result + value.slice(end);
}
