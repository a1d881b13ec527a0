/** The house rules that a machine can check: layers, cycles, banned calls and words, libraries, lengths. */

import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { filesBelow, readSources } from './support/source-text.ts';

const compiledBeside = fileURLToPath(new URL('../../', import.meta.url));
const root = existsSync(join(compiledBeside, 'proxy', 'main.ts')) ? compiledBeside : process.cwd();

/** Each room with the rooms it may import, besides itself. Order is the layer order of ARCHITECTURE.md. */
const BASE = ['proxy/base'];
const TYPES = [...BASE, 'config/runtime', 'proxy/stream'];
const UPSTREAM = [...TYPES, 'proxy/telemetry', 'proxy/identity', 'proxy/codec'];
const ROUTER = [...UPSTREAM, 'proxy/upstream', 'filters'];
const HTTP = [...ROUTER, 'proxy/router'];
const LISTENER = [...HTTP, 'proxy/http', 'proxy/tcp'];
const CONFIG = [...BASE, 'config/runtime', 'filters'];
const EVERYTHING = ['proxy', 'filters', 'config', 'iptables'];
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'proxy/base': [],
  'config/runtime': BASE,
  'proxy/stream': [...BASE, 'config/runtime'],
  'proxy/codec': TYPES,
  'proxy/telemetry': TYPES,
  'proxy/identity': TYPES,
  'proxy/upstream': UPSTREAM,
  filters: [...TYPES, 'proxy/telemetry', 'proxy/identity'],
  'proxy/router': ROUTER,
  'proxy/http': [...HTTP, 'proxy/tcp'],
  'proxy/tcp': HTTP,
  'proxy/listener': LISTENER,
  'proxy/admin': [...UPSTREAM, 'proxy/upstream'],
  'config/resources': CONFIG,
  'config/load': [...CONFIG, 'config/resources'],
  'config/compile': [...CONFIG, 'config/resources', 'config/load'],
  'config/analyze': [...CONFIG, 'config/resources', 'config/load', 'config/compile'],
  'config/inject': [...CONFIG, 'config/resources', 'config/load', 'iptables'],
  iptables: BASE,
  'proxy/server': EVERYTHING,
  'proxy/demo': EVERYTHING,
  'proxy/cli': EVERYTHING,
  'proxy/main.ts': EVERYTHING,
};

/** Libraries of the product, each with the only place that may import it. None is on the data path but re2js, which decides what a regex may be, and koffi, asked once a redirected connection. */
const LIBRARIES: Readonly<Record<string, string>> = {
  koffi: 'proxy/listener/original-destination.ts',
  '@peculiar/x509': 'proxy/identity/local-ca.ts',
  'prom-client': 'proxy/telemetry/metrics/prometheus.ts',
  re2js: 'proxy/base/re2.ts',
  undici: 'proxy/admin/app-probe/http-probe.ts',
  'sonic-boom': 'proxy/telemetry/line-sink.ts',
  yaml: 'config/load/yaml.ts',
  zod: 'config/resources/',
};

/** What code must not say, and where it may. */
const BANNED: readonly { readonly what: string; readonly pattern: RegExp; readonly allowed?: readonly string[] }[] = [
  { what: 'reads a clock', pattern: /\b(?:Date\.now|performance\.now|process\.hrtime)\b|\bnew Date\(\)/, allowed: ['proxy/base/', 'proxy/server/', 'proxy/cli/'] },
  { what: 'starts a timer', pattern: /\bset(?:Timeout|Interval)\s*\(/, allowed: ['proxy/base/', 'proxy/server/', 'proxy/cli/'] },
  { what: 'draws chance', pattern: /\bMath\.random\b/, allowed: ['proxy/base/', 'proxy/server/'] },
  { what: 'ends the process', pattern: /\bprocess\.(?:exit|abort)\s*\(/, allowed: ['proxy/main.ts'] },
  { what: 'uses console', pattern: /\bconsole\s*\./ },
  { what: 'says any', pattern: /(?:[:<|,]\s*|\bas\s+|\bextends\s+)any\b(?!\s*:)/ },
  { what: 'casts through unknown', pattern: /\bas\s+unknown\s+as\b/, allowed: ['proxy/base/socket.ts', 'proxy/base/tls-socket.ts', 'proxy/base/own-read-buffer.ts'] },
  { what: 'declares an enum or a namespace', pattern: /^\s*(?:export\s+)?(?:declare\s+)?(?:const\s+)?(?:enum|namespace)\s+\w+/m },
  { what: 'exports a default', pattern: /\bexport\s+default\b/ },
];

/** Run the data path without a kernel: their sockets are stand-ins that no type can bless. */
const SOCKET_DOUBLES: ReadonlySet<string> = new Set(['bench/micro/data-path.ts', 'test/unit/proxy/base/socket-writer.test.ts', 'test/unit/proxy/codec/client-connection.test.ts']);

/** Only these start other programs. */
const CHILD_PROCESS: ReadonlySet<string> = new Set(['iptables/apply.ts', 'proxy/server/workers.ts', 'proxy/demo/child-proxy.ts']);

const REPORT_LINES = 300;
const LIMIT_LINES = 450;
/** Tables and golden inputs: long, but one idea. */
const LONG_TABLES: ReadonlySet<string> = new Set();

const product = readSources(root, ['proxy', 'filters', 'iptables', 'config']);
const sources = [...product, ...readSources(root, ['bench', 'test'])];

t.test('imports point up the list of layers only', async (t) => {
  t.same(product.filter(({ path }) => MAY_IMPORT[roomOf(path)] === undefined), [], 'every file stands in a room of the layer list');
  const upward = product.flatMap(({ path, imports }) => imports.filter((target) => isOurs(target) && !mayImport(path, target)).map((target) => `${path} imports ${target}`));
  t.same(upward, []);
});

t.test('no import cycles, types included', async (t) => {
  t.same(cycles(new Map(sources.map(({ path, imports }) => [path, imports.filter(isOurs)]))), []);
});

t.test('each library has one door, and the data path has none', async (t) => {
  const foreign = product.flatMap(({ path, imports }) => imports.map(libraryOf).filter((name) => name !== undefined && !within(path, LIBRARIES[name])).map((name) => `${path} imports ${name}`));
  t.same(foreign, []);
});

t.test('the product avoids what it bans', async (t) => {
  for (const { what, pattern, allowed = [] } of BANNED) {
    const guilty = product.filter(({ path, code }) => pattern.test(code) && !allowed.some((place) => within(path, place)));
    t.same(guilty.map(({ path }) => path), [], `nothing ${what}`);
  }
  const spawning = product.filter(({ imports, path }) => imports.includes('node:child_process') && !CHILD_PROCESS.has(path));
  t.same(spawning.map(({ path }) => path), [], 'nothing else starts programs');
});

t.test('tests and benchmarks keep the language rules too', async (t) => {
  for (const { what, pattern } of BANNED.filter(({ what }) => /console|any|unknown|enum|default/.test(what))) {
    const guilty = sources.filter(({ path, code }) => !product.some((file) => file.path === path) && !SOCKET_DOUBLES.has(path) && pattern.test(code));
    t.same(guilty.map(({ path }) => path), [], `nothing ${what}`);
  }
});

t.test('no path of one machine', async (t) => {
  const texts = ['.ts', '.mjs', '.yaml', '.json', '.md'].flatMap((ending) =>
    ['proxy', 'filters', 'iptables', 'config', 'bench', 'test', 'scripts', 'docs'].flatMap((folder) => filesBelow(join(root, folder), ending)),
  );
  const machine = new RegExp(`(?:^|[^\\w.])/(?:${['work', 'farm', 'root', 'home', 'Users'].join('|')})/`, 'm');
  const guilty = texts.filter((file) => machine.test(readFileSync(file, 'utf8')));
  t.same(guilty.map((file) => relative(root, file)), []);
});

t.test('files stay short', async (t) => {
  const long = product.filter(({ path, lines }) => lines > REPORT_LINES && !LONG_TABLES.has(path)).sort((a, b) => b.lines - a.lines);
  for (const { path, lines } of long) t.comment(`${path} has ${lines} lines: is a second concern living there?`);
  t.same(long.filter(({ lines }) => lines > LIMIT_LINES).map(({ path, lines }) => `${path}: ${lines} lines`), []);
});

t.test('the reading of sources itself', async (t) => {
  const file = readSources(root, ['test/support']).find(({ path }) => path.endsWith('raw-client.ts'));
  t.same(file?.imports, ['node:net', 'test/support/http1-reader.ts', 'test/support/http1-reader.ts', 'test/support/raw-socket.ts', 'test/support/scope.ts', 'test/support/scope.ts']);
  t.match(cycles(new Map([['a', ['b']], ['b', ['c']], ['c', ['b']], ['d', ['a']]])), ['b → c → b']);
  const banned = (code: string): string[] => BANNED.filter(({ pattern }) => pattern.test(code)).map(({ what }) => what);
  t.same(banned('const a: any = b as unknown as C; setTimeout(f, 1);'), ['starts a timer', 'says any', 'casts through unknown']);
  t.same(banned('export const enum X {}'), ['declares an enum or a namespace']);
  t.same(banned('if (any) company(many, anything)'), []);
});

/** `proxy/base`, `filters`, `proxy/main.ts`, …: the entry of the layer list that holds a path. */
function roomOf(path: string): string {
  return Object.keys(MAY_IMPORT).find((room) => within(path, room)) ?? path;
}

function mayImport(path: string, target: string): boolean {
  const room = roomOf(path);
  return roomOf(target) === room || (MAY_IMPORT[room] ?? []).some((allowed) => within(target, allowed));
}

/** Package of an import that is neither ours nor Node's. */
function libraryOf(specifier: string): string | undefined {
  if (isOurs(specifier) || specifier.startsWith('node:')) return undefined;
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

function within(path: string, place: string | undefined): boolean {
  return place !== undefined && (path === place || path.startsWith(place.endsWith('/') ? place : `${place}/`));
}

function isOurs(target: string): boolean {
  return /^(?:proxy|filters|iptables|config|bench|test)\//.test(target);
}

/** Each cycle once, as `a → b → a`. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found = new Set<string>();
  const done = new Set<string>();
  const visit = (node: string, trail: readonly string[]): void => {
    const again = trail.indexOf(node);
    if (again >= 0) found.add([...trail.slice(again), node].join(' → '));
    if (again >= 0 || done.has(node)) return;
    for (const next of graph.get(node) ?? []) visit(next, [...trail, node]);
    done.add(node);
  };
  for (const node of graph.keys()) visit(node, []);
  return [...found];
}
