/** Route tables: which virtual host, which route, and why not the others (istio-api.md 2.3, 2.15). */

import fc from 'fast-check';
import t from 'tap';
import type { RouteConfig, RouteMatchConfig, VirtualHostConfig } from '../../../../config/runtime/route.ts';
import type { StringMatchConfig } from '../../../../config/runtime/string-match.ts';
import { RouteTable } from '../../../../proxy/router/route-table.ts';
import { VirtualHost } from '../../../../proxy/router/virtual-host.ts';
import { HeaderList } from '../../../../proxy/stream/header-list.ts';
import type { RequestHead } from '../../../../proxy/stream/stream.ts';

const exact = (value: string, ignoreCase = false): StringMatchConfig => ({ kind: 'exact', value, ...(ignoreCase ? { ignoreCase } : {}) });
const prefix = (value: string, ignoreCase = false): StringMatchConfig => ({ kind: 'prefix', value, ...(ignoreCase ? { ignoreCase } : {}) });
const regex = (value: string): StringMatchConfig => ({ kind: 'regex', value });
const present: StringMatchConfig = { kind: 'present' };

function routeMatch(match: Partial<RouteMatchConfig>): RouteMatchConfig {
  return { headers: [], query: [], ...match };
}

function routeConfig(name: string, match: Partial<RouteMatchConfig>, index = 0): RouteConfig {
  return { name, match: routeMatch(match), action: { kind: 'direct', status: 200 }, filters: [], index };
}

function virtualHostConfig(name: string, domains: readonly string[], routes: readonly RouteConfig[]): VirtualHostConfig {
  return { name, domains, routes, virtualService: null };
}

function request(path: string, headers: readonly string[] = [], head: Partial<RequestHead> = {}): RequestHead {
  return { method: 'GET', path, originalPath: undefined, authority: 'host:9080', scheme: 'http', headers: new HeaderList([...headers]), ...head };
}

/** Whether a single route takes the request; asked of the plain loop and of the index, which must agree. */
function takes(match: Partial<RouteMatchConfig>, asked: RequestHead): boolean {
  const never = Array.from({ length: 20 }, (_, i) => routeConfig(`never-${i}`, { path: exact(`/never/${i}`) }));
  const short = new VirtualHost(virtualHostConfig('short', ['*'], [routeConfig('r', match)]), ({ name }) => name);
  const long = new VirtualHost(virtualHostConfig('long', ['*'], [...never, routeConfig('r', match)]), ({ name }) => name);
  const found = short.match(asked);
  if (long.match(asked) !== found) throw new Error('loop and index disagree');
  const explained = short.explain(asked).at(-1);
  if (explained?.matched !== (found === 'r')) throw new Error('match and explain disagree');
  return found === 'r';
}

t.test('the virtual host is found by host name, whatever its port', (t) => {
  const hosts = [['reviews', 'reviews.default.svc.cluster.local'], ['*.example.com'], ['[fd00::1]'], ['10.0.0.1'], ['*']];
  const table = new RouteTable({ name: '9080', virtualHosts: hosts.map((domains) => virtualHostConfig(domains[0] as string, domains, [])) }, ({ name }) => name);
  const cases: readonly (readonly [authority: string, virtualHost: string])[] = [
    ['reviews', 'reviews'],
    ['reviews:9080', 'reviews'],
    ['reviews.default.svc.cluster.local:1', 'reviews'],
    ['a.b.example.com:80', '*.example.com'],
    ['example.com', '*'],
    ['[fd00::1]', '[fd00::1]'],
    ['[fd00::1]:80', '[fd00::1]'],
    ['10.0.0.1:15001', '10.0.0.1'],
    ['reviews.', '*'],
    ['12345', '*'],
    ['', '*'],
  ];
  for (const [authority, name] of cases) t.equal(table.lookup(authority)?.config.name, name, authority);
  t.equal(table.matchedDomain('x.example.com:80'), '*.example.com');
  t.equal(table.name, '9080');
  t.equal([...table.virtualHosts()].length, 5);
  t.end();
});

t.test('a reload changes the virtual hosts that differ and no other', (t) => {
  const one = (name: string, domains: readonly string[]) => virtualHostConfig(name, domains, [routeConfig(name, {})]);
  let created = 0;
  const table = new RouteTable({ name: 't', virtualHosts: [one('a', ['a', 'shared']), one('b', ['b']), one('c', ['*.c'])] }, ({ name }) => {
    created++;
    return { name };
  });
  t.equal(created, 0, 'nothing is compiled before it is asked');
  const kept = table.lookup('b');
  const route = kept?.match(request('/'));
  t.equal(route?.name, 'b');
  t.equal(created, 1);

  table.apply([one('a', ['a']), one('d', ['shared'])], ['c', 'unknown']);
  t.equal(table.lookup('b'), kept, 'the same object, still compiled');
  t.equal(kept?.match(request('/')), route, 'and its routes');
  t.equal(table.lookup('shared')?.config.name, 'd', 'a domain moved from one virtual host to another');
  t.equal(table.lookup('a')?.config.name, 'a');
  t.equal(table.lookup('x.c'), undefined);

  table.apply([one('e', ['b'])], []);
  table.apply([], ['b']);
  t.equal(table.lookup('b')?.config.name, 'e', 'removing the old owner leaves the new one');
  t.end();
});

t.test('conditions', (t) => {
  const header = (name: string, match: StringMatchConfig, invert = false) => ({ headers: [{ name, match, invert }] });
  const query = (name: string, match: StringMatchConfig) => ({ query: [{ name, match }] });
  const cases: readonly (readonly [what: string, match: Partial<RouteMatchConfig>, request: RequestHead, matches: boolean])[] = [
    ['no condition', {}, request('/x?y'), true],
    ['exact', { path: exact('/a') }, request('/a'), true],
    ['exact ignores the query', { path: exact('/a') }, request('/a?b=/c'), true],
    ['exact is the whole path', { path: exact('/a') }, request('/a/'), false],
    ['exact does not reach into the query', { path: exact('/a?b') }, request('/a?b'), false],
    ['exact is case-sensitive', { path: exact('/a') }, request('/A'), false],
    ['exact ignoring case', { path: exact('/Ab', true) }, request('/aB?q'), true],
    ['prefix is textual', { path: prefix('/foo') }, request('/foobar'), true],
    ['prefix ends before the query', { path: prefix('/foo?x') }, request('/foo?xy'), false],
    ['empty prefix', { path: prefix('') }, request('/'), true],
    ['prefix ignoring case', { path: prefix('/FOO', true) }, request('/foobar'), true],
    ['prefix longer than the path', { path: prefix('/foo/') }, request('/foo'), false],
    ['regex is anchored', { path: regex('/v\\d+') }, request('/v1/a'), false],
    ['regex does not see the query', { path: regex('/v\\d+') }, request('/v12?a'), true],
    ['path beyond ASCII', { path: exact('/é') }, request('/\u00c3\u00a9'), true],
    ['method', { method: exact('GET') }, request('/'), true],
    ['method is case-sensitive', { method: exact('get') }, request('/'), false],
    ['method regex', { method: regex('GET|HEAD') }, request('/'), true],
    ['scheme', { scheme: exact('https') }, request('/'), false],
    ['authority includes the port', { authority: exact('host') }, request('/'), false],
    ['authority exact', { authority: exact('HOST:9080') }, request('/'), true],
    ['authority prefix', { authority: prefix('host:') }, request('/'), true],
    ['authority regex', { authority: regex('.*:9080') }, request('/'), true],
    ['header', header('end-user', exact('jason')), request('/', ['end-user', 'jason']), true],
    ['header value is case-sensitive', header('end-user', exact('jason')), request('/', ['end-user', 'Jason']), false],
    ['header missing', header('end-user', regex('.*')), request('/'), false],
    ['header empty', header('end-user', exact('')), request('/', ['end-user', '']), true],
    ['header present', header('end-user', present), request('/', ['end-user', '']), true],
    ['header not present', header('end-user', present), request('/'), false],
    ['one of several lines', header('x', exact('b')), request('/', ['x', 'a', 'y', '1', 'x', 'b']), true],
    ['lines are not joined', header('x', exact('a,b')), request('/', ['x', 'a', 'x', 'b']), false],
    ['a list on one line is one value', header('x', exact('a,b')), request('/', ['x', 'a,b']), true],
    ['host is the authority', header('host', prefix('host')), request('/'), true],
    ['host inverted', header('host', prefix('host'), true), request('/'), false],
    ['without: other value', header('x', exact('a'), true), request('/', ['x', 'b']), true],
    ['without: that value', header('x', exact('a'), true), request('/', ['x', 'a']), false],
    ['without: that value among several', header('x', exact('a'), true), request('/', ['x', 'b', 'x', 'a']), false],
    ['without: missing', header('x', exact('a'), true), request('/'), true],
    ['without: missing counts as empty', header('x', exact(''), true), request('/'), false],
    ['without: missing and a regex that takes all', header('x', regex('.*'), true), request('/'), false],
    ['without: missing and a prefix', header('x', prefix('a'), true), request('/'), true],
    ['without: must be absent, is', header('x', present, true), request('/'), true],
    ['without: must be absent, is not', header('x', present, true), request('/', ['x', '']), false],
    ['query', query('k', exact('v')), request('/?k=v'), true],
    ['query among others', query('k', exact('v')), request('/?a=1&k=v&b'), true],
    ['first value counts', query('k', exact('v')), request('/?k=w&k=v'), false],
    ['query is not decoded', query('k', exact('foo')), request('/?k=f%6fo'), false],
    ['query exact empty, no equals', query('k', exact('')), request('/?k'), true],
    ['query exact empty, equals', query('k', exact('')), request('/?a&k=&b'), true],
    ['query missing', query('k', present), request('/'), false],
    ['query present', query('k', present), request('/?k'), true],
    ['query name is whole', query('k', present), request('/?kk=1&xk'), false],
    ['query value with equals', query('k', exact('a=b')), request('/?k=a=b'), true],
    ['query regex', query('k', regex('\\d+')), request('/?k=12'), true],
    ['all conditions must hold', { path: prefix('/a'), method: exact('POST'), ...header('x', exact('1')) }, request('/a', ['x', '1']), false],
    ['all conditions hold', { path: prefix('/a'), method: exact('GET'), ...header('x', exact('1')), ...query('q', present) }, request('/ab?q', ['x', '1']), true],
  ];
  for (const [what, match, asked, matches] of cases) t.equal(takes(match, asked), matches, what);
  t.end();
});

t.test('the first match wins, however the routes are found', (t) => {
  const many = Array.from({ length: 20 }, (_, i) => routeConfig(`filler-${i}`, { path: prefix(`/filler/${i}/`) }));
  const lists: readonly (readonly [routes: readonly RouteConfig[], path: string, expected: string | undefined])[] = [
    [[routeConfig('p', { path: prefix('/a') }), routeConfig('e', { path: exact('/a/b') })], '/a/b', 'p'],
    [[routeConfig('e', { path: exact('/a/b') }), routeConfig('p', { path: prefix('/a') })], '/a/b', 'e'],
    [[routeConfig('long', { path: prefix('/a/b') }), routeConfig('short', { path: prefix('/a') })], '/a/b', 'long'],
    [[routeConfig('short', { path: prefix('/a') }), routeConfig('long', { path: prefix('/a/b') })], '/a/b', 'short'],
    [[routeConfig('r', { path: regex('/a.*') }), routeConfig('p', { path: prefix('/a') })], '/ab', 'r'],
    [[routeConfig('p', { path: prefix('/a') }), routeConfig('r', { path: regex('/a.*') })], '/ab', 'p'],
    [[routeConfig('folded', { path: exact('/A', true) }), routeConfig('plain', { path: exact('/a') })], '/a', 'folded'],
    [[routeConfig('header', { path: exact('/a'), headers: [{ name: 'x', match: present, invert: false }] }), routeConfig('same', { path: exact('/a') })], '/a', 'same'],
    [[routeConfig('any', {}), routeConfig('e', { path: exact('/a') })], '/a', 'any'],
    [[routeConfig('e', { path: exact('/a') })], '/b', undefined],
  ];
  for (const [routes, path, expected] of lists) {
    for (const list of [routes, [...many, ...routes], [...routes, ...many]]) {
      t.equal(new VirtualHost(virtualHostConfig('v', ['*'], list), ({ name }) => name).match(request(path)), expected, `${routes.map(({ name }) => name).join()} of ${list.length}`);
    }
  }
  t.end();
});

t.test('explain says which condition failed', (t) => {
  const bob = request('/productpage?v=2&w', ['end-user', 'bob', 'x', '1', 'x', '2']);
  const failures: readonly (readonly [match: Partial<RouteMatchConfig>, failed: string])[] = [
    [{ path: prefix('/static') }, 'path: want prefix "/static", got "/productpage"'],
    [{ path: exact('/A', true) }, 'path: want exact "/A", ignoring case, got "/productpage"'],
    [{ method: exact('POST') }, 'method: want exact "POST", got "GET"'],
    [{ scheme: exact('https') }, 'scheme: want exact "https", got "http"'],
    [{ authority: exact('a') }, 'authority: want exact "a", got "host:9080"'],
    [{ headers: [{ name: 'end-user', match: exact('jason'), invert: false }] }, 'header end-user: want exact "jason", got "bob"'],
    [{ headers: [{ name: 'x', match: exact('3'), invert: false }] }, 'header x: want exact "3", got "1", "2"'],
    [{ headers: [{ name: 'cookie', match: regex('.*user=jason.*'), invert: false }] }, 'header cookie: want regex ".*user=jason.*", is absent'],
    [{ headers: [{ name: 'cookie', match: present, invert: false }] }, 'header cookie: want any value, is absent'],
    [{ headers: [{ name: 'end-user', match: present, invert: true }] }, 'header end-user: want it absent, got "bob"'],
    [{ headers: [{ name: 'end-user', match: prefix('b'), invert: true }] }, 'header end-user: want not prefix "b", got "bob"'],
    [{ headers: [{ name: 'host', match: exact('h'), invert: false }] }, 'header host: want exact "h", got "host:9080"'],
    [{ query: [{ name: 'v', match: exact('1') }] }, 'query parameter v: want exact "1", got "2"'],
    [{ query: [{ name: 'z', match: exact('1') }] }, 'query parameter z: want exact "1", is absent'],
  ];
  for (const [match, failed] of failures) {
    const host = new VirtualHost(virtualHostConfig('v', ['*'], [routeConfig('r', match, 3)]), ({ name }) => name);
    t.strictSame(host.explain(bob), [{ route: 'r', index: 3, matched: false, failed }]);
  }
  const routes = [routeConfig('jason', { headers: [{ name: 'end-user', match: exact('jason'), invert: false }] }, 0), routeConfig('all', {}, 1), routeConfig('unreached', {}, 2)];
  t.strictSame(new VirtualHost(virtualHostConfig('v', ['*'], routes), ({ name }) => name).explain(bob), [
    { route: 'jason', index: 0, matched: false, failed: 'header end-user: want exact "jason", got "bob"' },
    { route: 'all', index: 1, matched: true },
  ]);
  t.end();
});

const letters = fc.string({ unit: fc.constantFrom('a', 'A', 'b', '/'), maxLength: 4 });
const path = letters.map((text) => `/${text}`);
const stringMatch = (value: fc.Arbitrary<string>): fc.Arbitrary<StringMatchConfig> =>
  fc.oneof(
    fc.record({ kind: fc.constantFrom('exact' as const, 'prefix' as const), value, ignoreCase: fc.boolean() }),
    value.map((text) => regex(`${text}.*`)),
    value.map((text) => regex(`${text}[ab]?`)),
  );
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
const anyMatch: fc.Arbitrary<RouteMatchConfig> = fc
  .record({
    path: maybe(stringMatch(path)),
    method: fc.option(fc.constantFrom(exact('GET'), exact('POST')), { nil: undefined, freq: 6 }),
    headers: fc.array(fc.record({ name: fc.constantFrom('x', 'y'), match: fc.oneof(fc.constant(present), stringMatch(fc.constantFrom('', 'a', 'b'))), invert: fc.boolean() }), { maxLength: 1 }),
    query: fc.array(fc.record({ name: fc.constantFrom('q', 'r'), match: fc.oneof(fc.constant(present), stringMatch(fc.constantFrom('', 'a', 'b'))) }), { maxLength: 1 }),
  })
  .map(({ path, method, headers, query }) => ({ headers, query, ...(path === undefined ? {} : { path }), ...(method === undefined ? {} : { method }) }));
const anyRequest = fc
  .record({
    path: fc.tuple(path, fc.constantFrom('', '?', '?q', '?q=a', '?r=b&q=a', '?q=b&q=a')).map((parts) => parts.join('')),
    method: fc.constantFrom('GET', 'POST'),
    headers: fc.array(fc.tuple(fc.constantFrom('x', 'y'), fc.constantFrom('', 'a', 'b', 'ab')), { maxLength: 3 }),
  })
  .map(({ path, method, headers }) => request(path, headers.flat(), { method }));

t.test('property: the same route as trying each in order', (t) => {
  fc.assert(
    fc.property(fc.array(anyMatch, { maxLength: 40 }), fc.array(anyRequest, { minLength: 5, maxLength: 10 }), (matches, requests) => {
      const routes = matches.map((match, i) => routeConfig(String(i), match, i));
      const host = new VirtualHost(virtualHostConfig('v', ['*'], routes), ({ index }) => index);
      return requests.every((asked) => {
        const expected = matches.findIndex((match) => naiveMatch(match, asked));
        const explained = host.explain(asked);
        return (host.match(asked) ?? -1) === expected && explained.filter(({ matched }) => !matched).length === (expected === -1 ? matches.length : expected);
      });
    }),
    { numRuns: 2000 },
  );
  t.end();
});

/** The specification once more, as plainly as it can be written. */
function naiveMatch(match: RouteMatchConfig, asked: RequestHead): boolean {
  const [path = '', ...rest] = asked.path.split('?');
  const parameters = rest.join('?').split('&');
  return (
    (match.path === undefined || naiveString(match.path, path)) &&
    (match.method === undefined || naiveString(match.method, asked.method)) &&
    match.headers.every((header) => {
      const values = asked.headers.getAll(header.name);
      const tried = values.length === 0 && header.invert && header.match.kind !== 'present' ? [''] : values;
      return tried.some((value) => naiveString(header.match, value)) !== header.invert;
    }) &&
    match.query.every(({ name, match }) => {
      const parameter = parameters.find((text) => rest.length > 0 && (text === name || text.startsWith(`${name}=`)));
      return parameter !== undefined && naiveString(match, parameter.slice(name.length + 1));
    })
  );
}

function naiveString(match: StringMatchConfig, value: string): boolean {
  if (match.kind === 'present') return true;
  if (match.kind === 'regex') return new RegExp(`^(?:${match.value})$`).test(value);
  const [wanted, got] = match.ignoreCase === true ? [match.value.toLowerCase(), value.toLowerCase()] : [match.value, value];
  return match.kind === 'exact' ? wanted === got : got.startsWith(wanted);
}
