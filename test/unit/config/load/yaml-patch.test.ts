/** Patched YAML says what it is to say, and leaves alone what it need not touch. */

import * as fc from 'fast-check';
import t from 'tap';
import { readDocument } from '../../../../config/load/reader.ts';
import { patchYaml } from '../../../../config/load/yaml-patch.ts';

function valueOf(text: string): unknown {
  const read = readDocument(text);
  if (!('value' in read)) throw new Error(read.problems.map(({ message }) => message).join());
  return JSON.parse(JSON.stringify(read.value)) as unknown;
}

t.test('layout', async (t) => {
  const rows: readonly [name: string, text: string, after: unknown, expected: string][] = [
    ['nothing', 'a: 1 # one\n', { a: 1 }, 'a: 1 # one\n'],
    ['a field more', '# top\na: 1 # one\nb:\n- x # first\n', { a: 1, b: ['x'], c: 2 }, '# top\na: 1 # one\nb:\n- x # first\nc: 2\n'],
    ['a field less', 'a: 1\n# gone with it\nb: 2\nc: 3\n', { a: 1, c: 3 }, 'a: 1\nc: 3\n'],
    ['a value', 'a: 1 # why\nb: "2"\n', { a: 5, b: '2' }, 'a: 5 # why\nb: "2"\n'],
    ['by name', 'l:\n  - name: a # A\n  - name: b # B\n', { l: [{ name: 'new' }, { name: 'a' }, { name: 'b', x: 1 }] }, 'l:\n  - name: new\n  - name: a # A\n  - name: b # B\n    x: 1\n'],
    ['lists as they are written', 'l:\n- a\n', { l: ['a', { m: ['b'] }] }, 'l:\n- a\n- m:\n  - b\n'],
    ['indents as they are written', 'a:\n    b:\n        - c\n', { a: { b: ['c'], d: { e: 1 } } }, 'a:\n    b:\n        - c\n    d:\n        e: 1\n'],
    ['flow stays flow', 'a: {b: 1}\n', { a: { b: 1, c: { d: ['e'] } } }, 'a: {b: 1, c: {d: [e]}}\n'],
    ['spaced flow too', 'a: { b: 1 }\n', { a: { b: 1, c: 2 } }, 'a: { b: 1, c: 2 }\n'],
    ['long lines are not folded', 'a: 1\n', { a: 1, b: 'word '.repeat(60).trim() }, `a: 1\nb: ${'word '.repeat(60).trim()}\n`],
    ['anchors: anew', 'a: &x {b: 1} # gone\nc: *x\n', { a: { b: 1 }, c: { b: 1 }, d: 1 }, 'a:\n  b: 1\nc:\n  b: 1\nd: 1\n'],
    ['block scalars', 'a: |\n  x\n  y\nb: 1\n', { a: 'x\ny\n', b: 2 }, 'a: |\n  x\n  y\nb: 2\n'],
    ['null to a map', 'a:\nb: 1\n', { a: { c: 1 }, b: 1 }, 'a:\n  c: 1\nb: 1\n'],
  ];
  for (const [name, text, after, expected] of rows) t.equal(patchYaml(text, after), expected, name);
});

t.test('text that readers of YAML 1.1 take for something else is quoted', async (t) => {
  for (const word of ['on', 'Off', 'yes', 'n', 'Y', 'null', '~', 'true', '12', '1_000', '0x1f', '0o7', '012', '12:30:45', '1.5', '.inf', '-.NaN', '']) {
    t.equal(patchYaml('a: 1\n', { a: word }), `a: ${JSON.stringify(word)}\n`, word);
  }
  t.equal(patchYaml('a: 1\n', { a: '15090,15021' }), 'a: 15090,15021\n');
});

t.test('whatever is changed, the text then says it', async (t) => {
  const scalar = fc.oneof(fc.string({ unit: 'grapheme-ascii', maxLength: 12 }), fc.integer(), fc.boolean(), fc.constant(null), fc.constantFrom('on', '# no', '- a', 'a: b', '---', ' x ', "'", '"', '0x1'));
  const key = fc.constantFrom('a', 'b', 'name', 'long-key', 'x.y/z');
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: 'small' }, scalar, fc.array(tie('value'), { maxLength: 4 }), fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true })),
  }));
  const map = fc.dictionary(key, value, { maxKeys: 4, minKeys: 1, noNullPrototype: true });
  fc.assert(
    fc.property(map, map, (before, after) => {
      const text = patchYaml('{}\n', before);
      t.same(valueOf(text), before);
      t.same(valueOf(patchYaml(text, after)), after, `${text}--->\n${JSON.stringify(after)}`);
    }),
    { numRuns: 300 },
  );
});
