/** Byte strings, string matches, domains, prefixes: the small pieces routing is made of. */

import fc from 'fast-check';
import t from 'tap';
import { isAscii, startsWithLowerAscii, toByteString, toLowerAscii } from '../../../../proxy/base/bytes.ts';
import { DomainMap } from '../../../../proxy/base/domain-map.ts';
import { PrefixNode } from '../../../../proxy/base/prefix-index.ts';
import { createStringMatch, renderStringPattern, type StringPattern } from '../../../../proxy/base/string-match.ts';

t.test('byte strings', (t) => {
  t.equal(toByteString('plain'), 'plain');
  t.equal(toByteString('é'), '\u00c3\u00a9');
  t.equal(isAscii('plain ~'), true);
  t.equal(isAscii('caf\u00e9'), false);
  t.equal(toLowerAscii('already/lower-1'), 'already/lower-1');
  t.equal(toLowerAscii('X-Y/Z[@'), 'x-y/z[@');
  t.equal(toLowerAscii('A\u00c0B'), 'a\u00c0b', 'À as a byte is half a character and stays');
  t.equal(startsWithLowerAscii('FOOBAR', 'foo'), true);
  t.equal(startsWithLowerAscii('FO', 'foo'), false);
  t.equal(startsWithLowerAscii('[', '{'), false, 'only letters fold');
  t.end();
});

t.test('string matches', (t) => {
  const table: readonly (readonly [pattern: StringPattern, value: string, matches: boolean])[] = [
    [{ kind: 'exact', value: 'a' }, 'a', true],
    [{ kind: 'exact', value: 'a' }, 'A', false],
    [{ kind: 'exact', value: '' }, '', true],
    [{ kind: 'exact', value: 'Ab', ignoreCase: true }, 'aB', true],
    [{ kind: 'exact', value: 'Ab', ignoreCase: true }, 'aBc', false],
    [{ kind: 'exact', value: 'é' }, '\u00c3\u00a9', true],
    [{ kind: 'prefix', value: '/a' }, '/ab', true],
    [{ kind: 'prefix', value: '/a' }, '/A', false],
    [{ kind: 'prefix', value: '/A', ignoreCase: true }, '/ab', true],
    [{ kind: 'prefix', value: '' }, 'x', true],
    [{ kind: 'regex', value: 'a.c' }, 'abc', true],
    [{ kind: 'regex', value: 'a.c' }, 'abcd', false],
    [{ kind: 'present' }, '', true],
  ];
  for (const [pattern, value, matches] of table) t.equal(createStringMatch(pattern)(value), matches, `${renderStringPattern(pattern)} on "${value}"`);
  t.equal(renderStringPattern({ kind: 'exact', value: 'ja"son' }), 'exact "ja\\"son"');
  t.equal(renderStringPattern({ kind: 'prefix', value: '/v1', ignoreCase: true }), 'prefix "/v1", ignoring case');
  t.equal(renderStringPattern({ kind: 'present' }), 'any value');
  t.throws(() => createStringMatch(JSON.parse('{"kind":"suffix"}') as StringPattern));
  t.end();
});

t.test('domains: exact, longest suffix, any', (t) => {
  const map = new DomainMap<string>();
  for (const domain of ['a.example.com', '*.example.com', '*.b.example.com', '*.com', '10.0.0.1', '[fd00::1]']) map.set(domain, domain);
  const table: readonly (readonly [host: string, domain: string | undefined])[] = [
    ['a.example.com', 'a.example.com'],
    ['x.example.com', '*.example.com'],
    ['x.y.example.com', '*.example.com'],
    ['x.b.example.com', '*.b.example.com'],
    ['b.example.com', '*.example.com'],
    ['example.com', '*.com'],
    ['com', undefined],
    ['.com', undefined],
    ['other.org', undefined],
    ['10.0.0.1', '10.0.0.1'],
    ['fd00::1', '[fd00::1]'],
    ['[fd00::1]', '[fd00::1]'],
  ];
  for (const [host, domain] of table) t.equal(map.lookup(host), domain, host);
  t.equal(map.matchedDomain('x.b.example.com'), '*.b.example.com');
  t.equal(map.matchedDomain('a.example.com'), 'a.example.com');
  t.equal(map.matchedDomain('other.org'), undefined);
  map.set('*', 'any');
  t.equal(map.lookup('other.org'), 'any');
  t.equal(map.matchedDomain('other.org'), '*');
  t.equal(map.get('*'), 'any');
  t.equal(map.get('*.com'), '*.com');
  t.equal(map.get('x.com'), undefined, 'get applies no wildcard');

  t.equal(map.delete('*.b.example.com'), true);
  t.equal(map.lookup('x.b.example.com'), '*.example.com');
  t.equal(map.delete('*.b.example.com'), false);
  t.equal(map.delete('a.example.com'), true);
  t.equal(map.lookup('a.example.com'), '*.example.com');
  t.equal(map.delete('*'), true);
  t.equal(map.delete('*'), false);
  t.equal(map.lookup('other.org'), undefined);

  map.set('*foo.com', 'partial');
  map.set('*-b.foo.com', 'longer');
  map.set('*.foo.com', 'label');
  t.same(['barfoo.com', 'a.barfoo.com', 'foo.com', 'a.foo.com', 'a-b.foo.com', '-b.foo.com', 'a.com'].map((host) => map.matchedDomain(host)), ['*foo.com', '*foo.com', '*.com', '*.foo.com', '*-b.foo.com', '*.foo.com', '*.com'], 'partial wildcards');
  t.same(['barfoo.com', 'a.foo.com', 'a-b.foo.com'].map((host) => map.lookup(host)), ['partial', 'label', 'longer']);
  t.equal(map.delete('*foo.com'), true);
  t.equal(map.lookup('barfoo.com'), '*.com');
  t.end();
});

t.test('prefixes: the walk meets every stored prefix of a text, shortest first', (t) => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 6 });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 20 }), text, (prefixes, value) => {
      const tree = new PrefixNode();
      prefixes.forEach((prefix, position) => tree.add(prefix, position));
      const met: number[] = [];
      for (let node: PrefixNode | undefined = tree; node !== undefined; node = node.next(value)) {
        if (node.positions.some((position) => position < node.lowest)) return false;
        met.push(...node.positions);
      }
      const expected = prefixes.map((prefix, position) => ({ prefix, position })).filter(({ prefix }) => value.startsWith(prefix));
      return met.toSorted((a, b) => a - b).join() === expected.map(({ position }) => position).join();
    }),
    { numRuns: 1000 },
  );
  t.end();
});
