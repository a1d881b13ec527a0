/** Reading documents: the quick readers agree with the full parser, in values and in positions; splitting keeps lines. */

import fc from 'fast-check';
import t from 'tap';
import * as yaml from 'yaml';
import { parseJson } from '../../../../config/load/json.ts';
import { parsePlainYaml } from '../../../../config/load/plain-yaml.ts';
import type { Places } from '../../../../config/load/position.ts';
import { offsetOf, positionAt } from '../../../../config/load/position.ts';
import { locate, readDocument } from '../../../../config/load/reader.ts';
import { splitDocuments, splitList } from '../../../../config/load/split.ts';


/** The full parser's value, or undefined where it finds anything wrong. */
function byLibrary(text: string): string | undefined {
  try {
    const documents = yaml.parseAllDocuments(text, { version: '1.2', merge: true, logLevel: 'silent' });
    if (documents.length > 1) return undefined;
    const document = documents[0];
    if (document === undefined) return 'null';
    return document.errors.length + document.warnings.length > 0 ? undefined : JSON.stringify(document.toJS());
  } catch {
    return undefined;
  }
}

const manifests = [
  'a:\n  b: |\n    x\n     y\n\n    z\n\n  c: [a, "b", \'c d\', {e: f, "g": 1}]\n  d:\n  - - 1\n    - 2\n  - e: f\n    g: h\n  -\n    i: j\n  - |-\n    k\n',
  '# comment\nx: |\n  a\n\ny: 1 # one\nz: "q"\n',
  '- a\n- b: c\n  d: e\n- - f\n',
  'a: "x\\n\\"y\\u00e9"\nb: ["p\\tq", --x=y, -5, a*b]\nc: \'it\'\'s\'\n',
  '---\nkind: Service\nmetadata:\n  labels: {app: x, version: "1"}\nspec:\n  ports:\n  - name: http\n    port: 80\n  empty:\n  last: ~\n',
  'http:\n- match:\n  - uri:\n      prefix: /a\n  route:\n  - destination:\n      host: b.c.svc\n    weight: 100\n',
];

const fragments = [
  ' ', '  ', '\n', '\n  ', '- ', ': ', ':', '#', ' #', '"', "'", '|', '|-', '|+', '>', '[', ']', '{', '}', ',', 'a', '1', '0', '.', '-', '&a', '*a',
  '!t', 'null', '~', 'true', '\t', '---', '...', '%', '?', '? ', '<<', 'key: v\n', '- x\n', '""', "''", '\n\n', '   \n', 'e5', '0x1', '1e3', '010',
  '@', '`', '"a": 1', '\\n', '\\u00', '--a=b', '=', '*', '__proto__: 1\n', '\u00a0', 'é', '\u2028', '\ufeff', '+', '12345678901234567890',
];

/** A manifest after a few insertions, deletions and repetitions of its own parts. */
const mutated = fc
  .tuple(fc.constantFrom(...manifests), fc.array(fc.tuple(fc.nat(2), fc.nat(400), fc.nat(400), fc.constantFrom(...fragments)), { minLength: 1, maxLength: 4 }))
  .map(([manifest, edits]) =>
    edits.reduce((text, [kind, one, other, fragment]) => {
      const at = one % (text.length + 1);
      if (kind === 0) return text.slice(0, at) + fragment + text.slice(at);
      if (kind === 1) return text.slice(0, at) + text.slice(at + 1 + (other % 4));
      return text.slice(0, at) + text.slice(other % (text.length + 1)).slice(0, 30) + text.slice(at);
    }, manifest),
  );

t.test('plain YAML: every manifest is read quickly and as the full parser reads it', async (t) => {
  for (const manifest of manifests) t.equal(JSON.stringify(parsePlainYaml(manifest)?.value), byLibrary(manifest));
});

t.test('plain YAML: whatever it answers, the full parser answers too', async (t) => {
  let answered = 0;
  fc.assert(
    fc.property(mutated, (text) => {
      const plain = parsePlainYaml(text);
      if (plain === undefined) return;
      answered++;
      const full = byLibrary(text);
      if (JSON.stringify(plain.value) !== full) throw new Error(`${JSON.stringify(plain.value)} is not ${full}`);
    }),
    { numRuns: 3000 },
  );
  t.ok(answered > 150, `${answered} of 3000 mutations were still plain`);
});

/** Every path of a value. */
function pathsOf(value: unknown, base: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return [base];
  const entries: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return [base, ...entries.flatMap(([step, child]) => pathsOf(child, [...base, step]))];
}

t.test('positions: the same from the quick reader and from the full parser', async (t) => {
  for (const manifest of manifests) {
    // An anchor that nobody uses sends the document to the full parser.
    const anchored = `${manifest}${manifest.startsWith('-') ? '- ' : 'zz: '}&anchor z\n`;
    t.equal(parsePlainYaml(anchored), undefined);
    const { value } = readDocument(manifest) as { value: unknown };
    for (const path of pathsOf(value)) {
      for (const atKey of [false, true]) {
        t.strictSame(positionAt(manifest, locate(manifest, path, atKey)), positionAt(anchored, locate(anchored, path, atKey)), `${path.join('.')} of ${JSON.stringify(manifest)}`);
      }
    }
  }
});

t.test('positions: scalars at their value, maps and lists at their key, missing ones at what encloses them', async (t) => {
  const text = 'a:\n  b: 1\n  c:\n  - d: x\n  e:\n';
  const at = (path: readonly (string | number)[], atKey = false): string => {
    const { line, column } = positionAt(text, locate(text, path, atKey));
    return `${line}:${column}`;
  };
  t.equal(at([]), '1:1');
  t.equal(at(['a']), '1:1');
  t.equal(at(['a', 'b']), '2:6');
  t.equal(at(['a', 'b'], true), '2:3');
  t.equal(at(['a', 'c']), '3:3');
  t.equal(at(['a', 'c', 0]), '4:5');
  t.equal(at(['a', 'c', 0, 'd']), '4:8');
  t.equal(at(['a', 'e']), '5:3');
  t.equal(at(['a', 'missing', 'deeper']), '1:1');
  t.equal(at(['a', 'c', 7]), '3:3');
});

t.test('JSON: values as JSON.parse has them, mistakes with their offset', async (t) => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t'), (value, space) => {
      const text = JSON.stringify(value, undefined, space);
      if (text.includes('"__proto__"')) return true;
      const result = parseJson(text);
      return 'value' in result && JSON.stringify(result.value) === JSON.stringify(JSON.parse(text));
    }),
    { numRuns: 300 },
  );
  const cases: readonly (readonly [string, number, string])[] = [
    ['{"a":1 "b":2}', 7, 'expected "," or "}", found "\\""'],
    ['[1,]', 3, 'expected a value, found "]"'],
    ['{a:1}', 1, 'expected a key in double quotes, found "a"'],
    ['{"a" 1}', 5, 'expected ":", found "1"'],
    ['"a\nb"', 0, 'this text holds a control character or an invalid escape'],
    ['["a', 1, 'this text has no closing quote'],
    ['01', 1, 'expected the end of the document, found "1"'],
    ['{"a":{"b":1,"b":2}}', 12, 'the key "b" is written twice in one map'],
  ];
  for (const [text, offset, message] of cases) t.strictSame(parseJson(text), { offset, message }, text);
  const places: Places = new Map();
  const text = '{"a": [1, {"b": "\\"x"}]}';
  const result = parseJson(text, places) as { value: unknown };
  t.equal(offsetOf(result.value, 0, places, ['a', 1, 'b'], false), text.indexOf('"\\"x"'));
});

t.test('YAML 1.2: what looks like another language is text, merge keys work, and %YAML is honoured', async (t) => {
  const read = (text: string): unknown => (readDocument(text) as { value?: unknown }).value;
  t.match(read('a: yes\nb: on\nc: 010\nd: 0o10\ne: 1_000\nf: 12:30:45\ng: 2026-01-31\nh: .5\n'), {
    a: 'yes', b: 'on', c: 10, d: 8, e: '1_000', f: '12:30:45', g: '2026-01-31', h: 0.5,
  });
  t.strictSame({ ...(read('a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n') as { b: object }).b }, { x: 1, y: 3 });
  t.match(read('%YAML 1.1\n---\na: yes\n'), { a: true });
});

t.test('documents: split at markers in the first column only, with their lines', async (t) => {
  const lines = (text: string): unknown => splitDocuments(text).map((document) => [document.line, document.text]);
  t.strictSame(lines('a: 1\n---\nb: 2\n'), [[1, 'a: 1\n'], [3, 'b: 2\n']]);
  t.strictSame(lines('---\n---\n# nothing\n---\na: 1\n...\n'), [[5, 'a: 1\n']]);
  t.strictSame(lines('a: |\n  ---\n  b\n--- # next\nc: 1\n'), [[1, 'a: |\n  ---\n  b\n'], [5, 'c: 1\n']]);
  t.strictSame(lines('%YAML 1.2\n---\na: 1\n'), [[1, '%YAML 1.2\n---\na: 1\n']]);
  t.strictSame(lines('a: 1\n...\n%YAML 1.2\n---\nb: 2\n'), [[1, 'a: 1\n'], [3, '%YAML 1.2\n---\nb: 2\n']]);
  t.strictSame(lines('--- {a: 1}\n--- >\n text\n'), [[1, '--- {a: 1}\n'], [2, '--- >\n text\n']]);
  t.strictSame(lines('a: 1\n----\n'), [[1, 'a: 1\n----\n']]);
});

t.test('lists: taken apart where kubectl laid them out, left whole elsewhere', async (t) => {
  const items = (text: string): unknown => splitList(text)?.items.map(({ line, column, text: item }) => [line, column, item]);
  t.strictSame(items('apiVersion: v1\nitems:\n- a: 1\n  b: |\n    - x\n# c\n- a: 2\nkind: List\n'), [
    [3, 1, '  a: 1\n  b: |\n    - x\n# c\n'],
    [7, 1, '  a: 2\n'],
  ]);
  t.equal(splitList('kind: List\nitems:\n- a: 1\nmetadata: {}\n')?.rest, 'kind: List\nitems:\nmetadata: {}\n');
  t.strictSame(items('kind: List\nitems:\n  - a: 1\n  - b: 2\n'), [[3, 1, '    a: 1\n'], [4, 1, '    b: 2\n']]);
  t.equal(items('kind: List\nitems:\n- &x {a: 1}\n- *x\n'), undefined);
  t.equal(items('kind: List\nitems: [{a: 1}]\n'), undefined);
  t.equal(items('kind: Service\nitems:\n- a: 1\n'), undefined);
  t.strictSame(items('{"kind":"List","items":[{"a":"}]"},\n {"b":[{}]}],"x":1}'), [[1, 25, '{"a":"}]"}'], [2, 2, '{"b":[{}]}']]);
  t.equal(items('{"kind":"List","items":[{"a":1},]}'), undefined);
  t.strictSame(items('{"kind":"List","items":[\n\n{"a":1},{"b":2},\n{"c":3}]}'), [[3, 1, '{"a":1}'], [3, 9, '{"b":2}'], [4, 1, '{"c":3}']]);
  // Where each item scanned the line again, this took minutes.
  const compact = splitList(`{"items":[${'{"a":{"b":"cccccccccccccccccccccccccccccc"}},'.repeat(99_999)}{}]}`);
  t.equal(compact?.items.length, 100_000, 'a large list on one line');
});
