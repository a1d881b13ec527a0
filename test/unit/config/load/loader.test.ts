/** Files to snapshots: folders, links, standard input, lists, the mesh ConfigMap, what is remembered between loads. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import type { LoaderOptions, Snapshot } from '../../../../config/load/snapshot.ts';
import { createLoader, loadSnapshot, originOf } from '../../../../config/load/snapshot.ts';
import { renderProblem } from '../../../../config/runtime/problem.ts';
import { shared } from '../../../support/shared.ts';

/** Problems of a load, with files relative to a folder. */
function rendered(snapshot: Snapshot, folder?: string): readonly string[] {
  const lines = snapshot.problems.map(renderProblem);
  return folder === undefined ? lines : lines.map((line) => line.replaceAll(`${folder}/`, ''));
}

function load(text: string): Snapshot {
  return loadSnapshot(['-'], { stdin: () => text });
}

function namesIn(snapshot: Snapshot): readonly string[] {
  return snapshot.namespaces.map(({ metadata }) => metadata.name);
}

function namespace(name: string): string {
  return `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ${name}\n`;
}

function service(name: string, port: number): string {
  return `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\nspec:\n  ports:\n  - port: ${port}\n`;
}

t.test('folders: recursive, sorted, hidden entries and other files passed over', async (t) => {
  const folder = t.testdir({
    'b.yaml': namespace('b'),
    'a.yml': namespace('a'),
    'c.json': JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'c' } }),
    'note.txt': namespace('note'),
    '.hidden.yaml': namespace('hidden'),
    '.git': { 'x.yaml': namespace('git') },
    sub: { 'z.yaml': namespace('z') },
  });
  const snapshot = loadSnapshot([folder]);
  t.strictSame(namesIn(snapshot), ['a', 'b', 'c', 'z']);
  t.equal(snapshot.namespaces[0]?.source.file, join(folder, 'a.yml'));
  t.strictSame(snapshot.problems, []);
  t.strictSame(namesIn(loadSnapshot([join(folder, 'note.txt')])), ['note'], 'a file named outright may have any name');
});

t.test('folders: a ConfigMap volume is read once, through its links', async (t) => {
  const folder = t.testdir({ '..2026_01': { 'a.yaml': namespace('a') } });
  symlinkSync('..2026_01', join(folder, '..data'));
  symlinkSync('..data/a.yaml', join(folder, 'a.yaml'));
  t.strictSame(namesIn(loadSnapshot([folder, join(folder, 'a.yaml')])), ['a']);
  t.strictSame(loadSnapshot([folder]).problems, []);
});

t.test('folders: a link to the folder itself ends', async (t) => {
  const folder = t.testdir({ 'a.yaml': namespace('a') });
  symlinkSync('.', join(folder, 'self'));
  t.strictSame(namesIn(loadSnapshot([folder])), ['a']);
});

t.test('files that cannot be read are problems, and the others count', async (t) => {
  const folder = t.testdir({ 'a.yaml': namespace('a'), empty: {} });
  symlinkSync('nowhere.yaml', join(folder, 'dangling.yaml'));
  symlinkSync('loop.yaml', join(folder, 'loop.yaml'));
  writeFileSync(join(folder, 'latin1.yaml'), Buffer.from('a: 1\nb: \xe9\n', 'latin1'));
  writeFileSync(join(folder, 'utf8.yaml'), '\ufeff# \ufffd\r\napiVersion: v1\r\nkind: Namespace\r\nmetadata:\r\n  name: utf8\r\n');
  const snapshot = loadSnapshot([folder, join(folder, 'missing.yaml'), join(folder, 'empty')]);
  t.strictSame(namesIn(snapshot), ['a', 'utf8']);
  t.strictSame(rendered(snapshot, folder), [
    'dangling.yaml:1:1: cannot be read: no such file or folder',
    'latin1.yaml:2:4: this is not UTF-8 text; save the file as UTF-8',
    'loop.yaml:1:1: cannot be read: links lead in a circle',
    'missing.yaml:1:1: cannot be read: no such file or folder',
    'empty:1:1: warning: this folder holds no .yaml, .yml or .json file',
  ]);
});

t.test('folders: a pipe or a device is refused without waiting for it', { skip: process.platform === 'win32' && 'no named pipes' }, async (t) => {
  const folder = t.testdir({ 'a.yaml': namespace('a') });
  execFileSync('mkfifo', [join(folder, 'pipe.yaml')]);
  symlinkSync('pipe.yaml', join(folder, 'link.yaml'));
  symlinkSync('/dev/zero', join(folder, 'zero.yaml'));
  const snapshot = loadSnapshot([folder]);
  t.strictSame(namesIn(snapshot), ['a']);
  t.strictSame(rendered(snapshot, folder), ['link', 'pipe', 'zero'].map((name) => `${name}.yaml:1:1: cannot be read: it is neither a file nor a folder`));
});

t.test('size: 50 MB get an answer, more than the limit is refused unread', async (t) => {
  const folder = t.testdir({ 'big.yaml': '', 'huge.yaml': '', 'plain.yaml': '' });
  truncateSync(join(folder, 'big.yaml'), 50_000_000);
  truncateSync(join(folder, 'huge.yaml'), 65 * 1024 * 1024);
  writeFileSync(join(folder, 'plain.yaml'), `${namespace('a')}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  x: |\n${'    some line of text\n'.repeat(400_000)}---\n${namespace('b')}`);
  const snapshot = loadSnapshot([folder]);
  t.strictSame(namesIn(snapshot), ['a', 'b']);
  t.strictSame(snapshot.skipped, { ConfigMap: 1 });
  t.match(rendered(snapshot, folder), [
    /^big\.yaml:1:1: this document has 47\.7 MB and is not plain block YAML; split it/,
    /^huge\.yaml:1:1: this file is larger than the limit of 64 MiB; split it$/,
  ]);
  t.match(rendered(loadSnapshot([join(folder, 'plain.yaml')], { fileLimitBytes: 1024 * 1024 }), folder), ['plain.yaml:1:1: this file is larger than the limit of 1 MiB; split it']);
});

t.test('documents: namespaces, skipped kinds, other groups, empty ones', async (t) => {
  const snapshot = load(
    [
      service('a', 80),
      service('b', 80).replace('name: b', 'name: b\n  namespace: other\n  creationTimestamp: "2026-01-31T00:00:00Z"\n  uid: x\n  managedFields: [{manager: kubectl}]\n  annotations: {a: b}'),
      `${namespace('c')}status: {phase: Active}\n`,
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n',
      'apiVersion: apps/v1\nkind: Deployment\n',
      'apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: x}\n',
      'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\n',
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {mesh: "{"}\n',
      'apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: x}\n',
      '# nothing\n',
      'apiVersion: v1\nkind: List\nitems: []\n',
    ].join('---\n'),
  );
  t.strictSame(snapshot.problems, []);
  t.match(snapshot.services, [
    { kind: 'Service', metadata: { name: 'a', namespace: 'default' }, source: { resource: 'Service default/a', file: '-', line: 1 } },
    { metadata: { name: 'b', namespace: 'other', creationTimestamp: Date.UTC(2026, 0, 31) }, source: { resource: 'Service other/b' } },
  ]);
  t.match(snapshot.namespaces, [{ metadata: { name: 'c', namespace: '' }, source: { resource: 'Namespace c' } }]);
  t.strictSame(snapshot.skipped, { Deployment: 2, 'Gateway.gateway.networking.k8s.io': 1, 'Service.serving.knative.dev': 1, ConfigMap: 1, WasmPlugin: 1 });
});

t.test('a broken document hides no other, and problems come in file and line order', async (t) => {
  const folder = t.testdir({
    'a.yaml': `a: [\n---\n${namespace('a')}---\napiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: 0}, {port: x}], type: y}\n`,
    'b.yaml': `${namespace('a')}---\nkind: Pod\n`,
  });
  const snapshot = loadSnapshot([folder]);
  t.strictSame(namesIn(snapshot), ['a']);
  const lines = rendered(snapshot, folder);
  t.match(lines[0], /^a\.yaml:2:1: flow sequence/);
  t.match(lines.slice(1), [/^a\.yaml:11:23: Service default\/x: spec\.ports\[0\]\.port: /, /^a\.yaml:11:34: .*spec\.ports\[1\]\.port: /, /^a\.yaml:11:45: .*spec\.type: /, /^b\.yaml:1:1: Namespace a: is defined twice; the first is at a\.yaml:3; remove or rename one$/, /^b\.yaml:6:1: a resource needs apiVersion$/]);
});

t.test('lists: the same from kubectl, from any layout and in JSON; positions count in the file', async (t) => {
  const items = [1, 2].map((n) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name: `s${n}` }, spec: { ports: [{ port: n }] } }));
  const blocks = ['s1', 's2'].map((name, index) => service(name, index + 1).trimEnd().split('\n').map((line, at) => (at === 0 ? `- ${line}` : `  ${line}`)).join('\n'));
  const texts = {
    kubectl: `apiVersion: v1\nitems:\n${blocks.join('\n')}\nkind: List\nmetadata:\n  resourceVersion: ""\n`,
    'kind first': `kind: List\napiVersion: v1\nitems: # two\n${blocks.join('\n')}\n`,
    'kind of items': `kind: ServiceList\napiVersion: v1\nitems:\n${blocks.join('\n')}\n`,
    JSON: JSON.stringify({ kind: 'List', apiVersion: 'v1', items }),
    'JSON in lines': JSON.stringify({ apiVersion: 'v1', items, kind: 'List' }, undefined, 2),
  };
  for (const [name, text] of Object.entries(texts)) {
    const { services, problems } = load(text);
    t.strictSame(problems, [], name);
    t.strictSame(services.map(({ metadata }) => metadata.name), ['s1', 's2'], name);
    const { line, column } = services[1]!.source.locate(['spec', 'ports', 0, 'port']);
    t.match(text.split('\n')[line - 1]!.slice(column - 1), /^2/, `${name}: ${line}:${column}`);
    t.equal(services[1]!.source.line, services[1]!.source.locate([]).line, name);
  }
});

t.test('positions: origins of resources and of their parts', async (t) => {
  const { virtualServices } = load('---\n# bookinfo\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: a\nspec:\n  hosts: [a]\n  http:\n  - name: one\n    route:\n    - destination:\n        host: a\n    timeout: 1s\n');
  const { source, spec } = virtualServices[0]!;
  t.strictSame(originOf(source), { resource: 'VirtualService default/a', file: '-', line: 3 });
  t.strictSame(originOf(source, ['spec', 'http', 0]), { resource: 'VirtualService default/a', file: '-', line: 10 });
  t.strictSame(source.locate(['spec', 'http', 0, 'timeout']), { line: 14, column: 14 });
  t.strictSame(source.locate(['spec', 'http', 0, 'retries', 'attempts']), { line: 10, column: 5 });
  t.match(spec, { http: [{ name: 'one', timeout: 1000, route: [{ destination: { host: 'a' } }] }] });
});

t.test('mesh configuration: read out of its ConfigMap, with the positions of the file', async (t) => {
  const configMap = (mesh: string): string => `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: istio\n  namespace: istio-system\ndata:\n  mesh: ${mesh}\n`;
  const fine = load(configMap('|-\n    # ours\n    trustDomain: example.org\n    outboundTrafficPolicy:\n      mode: REGISTRY_ONLY'));
  t.strictSame(fine.problems, []);
  t.match(fine.meshConfig, { metadata: { name: 'istio' }, spec: { trustDomain: 'example.org', outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } } });
  t.strictSame(fine.meshConfig?.source.locate(['outboundTrafficPolicy', 'mode']), { line: 11, column: 13 });
  t.strictSame(fine.meshConfig?.source.locate([]), { line: 1, column: 1 });
  const wrong = load(configMap('|\n    outboundTrafficPolicy:\n      mode: REGISTRY'));
  t.match(rendered(wrong), [/^-:9:13: ConfigMap istio-system\/istio: outboundTrafficPolicy\.mode: "REGISTRY" is not known; did you mean "REGISTRY_ONLY"\?/]);
  t.match(rendered(load(configMap('|\n    a: b\n     c: d'))), [/^-:8:8: ConfigMap istio-system\/istio: a second ": " on one line/]);
  t.match(rendered(load(configMap('"outboundTrafficPolicy: {mode: REGISTRY}"'))), [/^-:7:9: ConfigMap istio-system\/istio: outboundTrafficPolicy\.mode: /]);
  t.match(rendered(load(configMap('{}').replace('mesh: {}', 'values: ""'))), [/^-:6:1: ConfigMap istio-system\/istio: warning: has no key "mesh"/]);
  t.match(rendered(load(`${configMap('""')}---\n${configMap('""')}`)), [/ConfigMap istio-system\/istio: is defined twice/]);
});

t.test('memory: unchanged resources are the same objects, changed and moved ones are new', async (t) => {
  let text = '';
  const folder = t.testdir();
  const path = join(folder, 'a.yaml');
  const loader = createLoader();
  const reload = (next: string): Snapshot => {
    writeFileSync(path, (text = next));
    return loader.load([folder]);
  };
  const first = reload([service('a', 1), service('b', 2), service('c', 3)].join('---\n'));
  const same = reload(text);
  t.equal(same.services[0], first.services[0]);
  const changed = reload(text.replace('port: 2', 'port: 4'));
  t.equal(changed.services[0], first.services[0]);
  t.not(changed.services[1], first.services[1]);
  t.equal(changed.services[1]?.spec.ports?.[0]?.port, 4);
  t.equal(changed.services[2], first.services[2]);
  const moved = reload(`# a comment\n${text}`);
  t.equal(moved.services[2]?.source.line, first.services[2]!.source.line + 1);
  t.equal(moved.services[2]?.spec, first.services[2]?.spec, 'not parsed again');
  const broken = reload(text.replace('port: 4', 'port: 0'));
  t.match(rendered(broken, folder), [/^a\.yaml:16:11: Service default\/b: /]);
  t.equal(broken.services.length, 2);
  t.strictSame(reload(text.replace('port: 0', 'port: 5')).problems, [], 'and comes back');
});

t.test('an empty file is an error: it may be one that is being written', async (t) => {
  const folder = t.testdir({ 'a.yaml': service('a', 1), 'b.yaml': service('b', 2) });
  const loader = createLoader();
  t.strictSame(loader.load([folder]).problems, []);
  writeFileSync(join(folder, 'b.yaml'), '\n');
  t.match(rendered(loader.load([folder]), folder), [/^b\.yaml:1:1: the file is empty; /]);
  writeFileSync(join(folder, 'b.yaml'), '# nothing here\n');
  t.strictSame(loader.load([folder]).problems, [], 'a comment says that it is meant');
});

t.test('memory: items of a list one by one; standard input is read once', async (t) => {
  const list = (ports: readonly number[]): string => `kind: List\napiVersion: v1\nitems:\n${ports.map((port, index) => `- apiVersion: v1\n  kind: Service\n  metadata: {name: s${index}}\n  spec: {ports: [{port: ${port}}]}\n`).join('')}`;
  const folder = t.testdir({ 'list.yaml': list([1, 2]) });
  const loader = createLoader();
  const first = loader.load([folder]);
  writeFileSync(join(folder, 'list.yaml'), list([1, 3]));
  const second = loader.load([folder]);
  t.equal(second.services[0], first.services[0]);
  t.equal(second.services[1]?.spec.ports?.[0]?.port, 3);
  let reads = 0;
  const options: LoaderOptions = { stdin: () => (reads++, namespace('a')) };
  const piped = createLoader(options);
  t.strictSame(namesIn(piped.load(['-', '-'])), ['a']);
  t.strictSame(namesIn(piped.load(['-'])), ['a']);
  t.equal(reads, 1);
});

t.test('every legal Istio sample loads', { skip: shared('istio-samples', 'samples').missing }, async (t) => {
  const root = shared('istio-samples', 'samples').path;
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml') && !name.endsWith('swagger.yaml'));
  t.ok(files.length > 50);
  let resources = 0;
  for (const name of files) {
    const snapshot = loadSnapshot([join(root, name)]);
    t.strictSame(snapshot.problems.filter(({ severity }) => severity === 'error').map(renderProblem), [], name);
    resources += snapshot.virtualServices.length + snapshot.destinationRules.length + snapshot.gateways.length + snapshot.services.length;
  }
  t.ok(resources > 70, `${resources}`);
});

t.test('no text makes the loader throw', async () => {
  const seed = `${service('a', 80)}---\n${JSON.stringify({ kind: 'List', items: [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } }] })}\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec: {hosts: [a], http: [{route: [{destination: {host: a}}]}]}\n`;
  const spliced = fc.tuple(fc.nat(seed.length), fc.nat(30), fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('[', '{', '&a ', '*a', '!!x', '? ', '|', '>', '"', "'", '\t', '\n', '- ', ': ', '\0', '%', '---\n', 'null', '0x', '1e9'))).map(([at, cut, insert]) => seed.slice(0, at) + insert + seed.slice(at + cut));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), spliced), (text) => {
      for (const { line, column } of load(text).problems) {
        if (line < 1 || column < 1) throw new Error(`position ${line}:${column}`);
      }
    }),
    { numRuns: 200 },
  );
});

t.test('no value makes a schema throw', async () => {
  const kinds = ['VirtualService', 'DestinationRule', 'Gateway', 'ServiceEntry', 'WorkloadEntry', 'WorkloadGroup', 'Sidecar'];
  const words = ['hosts', 'http', 'match', 'route', 'destination', 'host', 'servers', 'port', 'tls', 'trafficPolicy', 'loadBalancer', 'subsets', 'egress', 'ingress', 'endpoints', 'template', 'headers', 'set', 'fault', 'retries', 'constructor', 'toString'];
  const { node } = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof({ depthSize: 'medium' }, fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.constantFrom('*', '5s', 'HTTP'), fc.array(tie('node'), { maxLength: 3 }), fc.dictionary(fc.constantFrom(...words), tie('node'), { maxKeys: 6 })),
  }));
  fc.assert(
    fc.property(fc.constantFrom(...kinds), node, (kind, spec) => {
      load(JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind, metadata: { name: 'a' }, spec }));
    }),
    { numRuns: 500 },
  );
});

t.test('a folder may be many levels deep, not endlessly', async (t) => {
  const folder = t.testdir();
  const deep = join(folder, ...Array.from({ length: 40 }, () => 'd'));
  mkdirSync(deep, { recursive: true });
  t.match(rendered(loadSnapshot([folder]), folder), [/folders are nested deeper than 32/]);
});
