/** Every condition of a VirtualService's http match, one row each: requests that it takes and requests that it leaves (istio-api.md 2.3). */

import t from 'tap';
import type { Ask, MeshRow } from '../support/echo-mesh.ts';
import { EchoMesh } from '../support/echo-mesh.ts';
import { istio, service, to, virtualService } from '../support/resources.ts';

type Fields = Readonly<Record<string, unknown>>;
interface MatchRow {
  readonly name: string;
  /** One match, or several that are ORed. */
  readonly match: Fields | readonly Fields[];
  readonly takes: readonly (Ask | string)[];
  readonly leaves: readonly (Ask | string)[];
  readonly labels?: Readonly<Record<string, string>>;
}

const withHeaders = (...headers: readonly Readonly<Record<string, string>>[]): readonly Ask[] => headers.map((each) => ({ headers: each }));

const uri: readonly MatchRow[] = [
  { name: 'uri exact', match: { uri: { exact: '/a/b' } }, takes: ['/a/b', '/a/b?q=1', '/a/./b', '/a/c/../b', '/%61/b', '\\a\\b'.replace('\\', '/')], leaves: ['/a', '/a/b/', '/a/bc', '/A/b', '/', '//a/b', '/a//b'] },
  { name: 'uri exact, a query is no part of it', match: { uri: { exact: '/a?b' } }, takes: [], leaves: ['/a?b', '/a', '/a%3Fb'] },
  { name: 'uri prefix is textual', match: { uri: { prefix: '/foo' } }, takes: ['/foo', '/foo/', '/foobar', '/foo?x', '/bar/../foo'], leaves: ['/fo', '/bar/foo', '/Foo', '//foo', '/foo/../bar'] },
  { name: 'uri prefix, empty', match: { uri: { prefix: '' } }, takes: ['/', '/anything'], leaves: [] },
  { name: 'uri regex is matched in full', match: { uri: { regex: '/api/v[12]' } }, takes: ['/api/v1', '/api/v2', '/api/v1?x=/y'], leaves: ['/api/v3', '/api/v1/', '/x/api/v1', '/api/v11'] },
  { name: 'uri regex, alternatives are all anchored', match: { uri: { regex: '/a|/b' } }, takes: ['/a', '/b'], leaves: ['/ab', '/a/', '/x/b'] },
  { name: 'uri regex with classes and flags', match: { uri: { regex: '(?i)/User/\\d+(/[^/]*)?' } }, takes: ['/user/1', '/USER/22/x', '/User/1/'], leaves: ['/user/', '/user/x', '/user/1/x/y'] },
  { name: 'uri regex, what backtracking would die of', match: { uri: { regex: '(/a+)+b' } }, takes: ['/aa/aab'], leaves: [`/${'a'.repeat(2000)}`] },
  { name: 'ignoreUriCase with exact', match: { uri: { exact: '/Hello' }, ignoreUriCase: true }, takes: ['/hello', '/HELLO', '/Hello?X'], leaves: ['/hello/', '/hell'] },
  { name: 'ignoreUriCase with prefix', match: { uri: { prefix: '/Hello' }, ignoreUriCase: true }, takes: ['/hello/world', '/HELLOworld'], leaves: ['/hell'] },
  { name: 'ignoreUriCase leaves regexes alone', match: { uri: { regex: '/Hello' }, ignoreUriCase: true }, takes: ['/Hello'], leaves: ['/hello'] },
  { name: 'escaped bytes stay as they are', match: { uri: { exact: '/a%20b' } }, takes: ['/a%20b'], leaves: ['/a b'.replace(' ', '+'), '/a%2520b'] },
  { name: 'an escaped slash is no slash', match: { uri: { prefix: '/admin/' } }, takes: ['/admin/x', '/x/../admin/', '/%61dmin/'], leaves: ['/admin%2Fx', '/admin%2fx'] },
];

const requestLine: readonly MatchRow[] = [
  { name: 'method exact, case-sensitive', match: { method: { exact: 'POST' } }, takes: [{ method: 'POST', body: 'x' }], leaves: [{ method: 'PUT', body: 'x' }, '/'] },
  { name: 'method regex', match: { method: { regex: 'PUT|DELETE' } }, takes: [{ method: 'PUT', body: '' }, { method: 'DELETE' }], leaves: ['/', { method: 'POST', body: '' }] },
  { name: 'method prefix', match: { method: { prefix: 'P' } }, takes: [{ method: 'PATCH', body: '' }, { method: 'PUT', body: '' }], leaves: [{ method: 'GET' }] },
  { name: 'scheme', match: { scheme: { exact: 'https' } }, takes: [{ headers: { 'x-forwarded-proto': 'https' } }, { target: 'https://reviews:9080/' }], leaves: ['/', { headers: { 'x-forwarded-proto': 'http' } }, { headers: { 'x-forwarded-proto': 'gopher' } }] },
  { name: 'authority, port included', match: { authority: { exact: 'reviews:9080' } }, takes: [{ host: 'reviews:9080' }, { host: 'REVIEWS:9080' }, { target: 'http://reviews:9080/' }], leaves: [{ host: 'reviews' }, { host: 'reviews.default:9080' }] },
  { name: 'authority prefix', match: { authority: { prefix: 'reviews.default' } }, takes: [{ host: 'reviews.default:9080' }, { host: 'reviews.default.svc' }], leaves: ['/', { host: 'reviews' }] },
  { name: 'authority regex', match: { authority: { regex: 'reviews(:\\d+)?' } }, takes: ['/', { host: 'reviews' }], leaves: [{ host: 'reviews.default' }] },
];

const headers: readonly MatchRow[] = [
  { name: 'header exact: name in any case, value not', match: { headers: { 'End-User': { exact: 'jason' } } }, takes: withHeaders({ 'end-user': 'jason' }, { 'END-USER': 'jason' }, { 'End-User': ' jason ' }), leaves: [...withHeaders({ 'end-user': 'Jason' }, { 'end-user': 'jason2' }, { 'end-user': '' }, { 'end-users': 'jason' }), '/'] },
  { name: 'header prefix', match: { headers: { 'user-agent': { prefix: 'Mozilla' } } }, takes: withHeaders({ 'User-Agent': 'Mozilla/5.0' }), leaves: withHeaders({ 'User-Agent': 'curl Mozilla' }) },
  { name: 'header regex in full', match: { headers: { cookie: { regex: '^(.*?;)?\\s*(user=jason)(;.*)?$' } } }, takes: withHeaders({ cookie: 'user=jason' }, { cookie: 'a=b; user=jason; c=d' }), leaves: [...withHeaders({ cookie: 'user=jasonx' }, { cookie: 'xuser=jason' }), '/'] },
  { name: 'header present: {}', match: { headers: { 'x-debug': {} } }, takes: withHeaders({ 'x-debug': 'no' }, { 'x-debug': '' }), leaves: ['/'] },
  { name: 'header present: regex "*"', match: { headers: { 'x-debug': { regex: '*' } } }, takes: withHeaders({ 'x-debug': 'no' }), leaves: ['/'] },
  { name: 'a header given twice: each value on its own', match: { headers: { 'x-v': { exact: 'b' } } }, takes: withHeaders({ 'x-v': 'a', 'X-V': 'b' }), leaves: withHeaders({ 'x-v': 'a,b' }, { 'x-v': 'a', 'X-V': 'c' }) },
  { name: 'several headers are ANDed', match: { headers: { a: { exact: '1' }, b: { exact: '2' } } }, takes: withHeaders({ a: '1', b: '2' }), leaves: withHeaders({ a: '1' }, { b: '2' }, { a: '1', b: '1' }) },
  { name: 'pseudo headers', match: { headers: { ':method': { exact: 'PUT' }, ':path': { prefix: '/a?x' }, ':authority': { exact: 'Reviews:9080' }, ':scheme': { exact: 'http' } } }, takes: [{ method: 'PUT', path: '/a?x=1', body: '' }], leaves: [{ method: 'PUT', path: '/a', body: '' }, '/a?x=1', { method: 'PUT', path: '/a?x=1', host: 'reviews', body: '' }] },
  { name: 'host as a header', match: { headers: { Host: { prefix: 'reviews.' } }, withoutHeaders: { ':method': { exact: 'PUT' } } }, takes: [{ host: 'reviews.default:9080' }], leaves: ['/', { host: 'reviews.default:9080', method: 'PUT', body: '' }] },
  { name: ':status is no header of a request', match: { headers: { ':status': {} } }, takes: [], leaves: ['/'] },
  { name: 'keys uri, scheme, method and authority are ignored', match: { headers: { uri: { exact: '/nowhere' }, method: { exact: 'BREW' }, x: { exact: '1' } } }, takes: withHeaders({ x: '1' }), leaves: ['/'] },
  { name: 'withoutHeaders exact', match: { withoutHeaders: { 'x-v': { exact: 'a' } } }, takes: ['/', ...withHeaders({ 'x-v': 'b' }, { 'x-v': '' })], leaves: withHeaders({ 'x-v': 'a' }, { 'x-v': 'b', 'X-V': 'a' }) },
  { name: 'withoutHeaders present: {}', match: { withoutHeaders: { 'x-v': {} } }, takes: ['/'], leaves: withHeaders({ 'x-v': 'a' }, { 'x-v': '' }) },
  { name: 'withoutHeaders regex ".*" can never hold', match: { withoutHeaders: { 'x-v': { regex: '.*' } } }, takes: [], leaves: ['/', ...withHeaders({ 'x-v': 'a' })] },
  { name: 'withoutHeaders prefix', match: { withoutHeaders: { 'x-v': { prefix: 'a' } } }, takes: ['/', ...withHeaders({ 'x-v': 'b' })], leaves: withHeaders({ 'x-v': 'ab' }) },
  { name: 'headers and withoutHeaders together', match: { headers: { a: {} }, withoutHeaders: { b: {} } }, takes: withHeaders({ a: '1' }), leaves: ['/', ...withHeaders({ a: '1', b: '1' }, { b: '1' })] },
];

const query: readonly MatchRow[] = [
  { name: 'queryParams exact, the first value, undecoded', match: { queryParams: { k: { exact: 'foo' } } }, takes: ['/?k=foo', '/?a=b&k=foo', '/?k=foo&k=bar', '/x?k=foo&z'], leaves: ['/?k=bar&k=foo', '/?k=f%6fo', '/?k=food', '/?K=foo', '/?kk=foo', '/', '/k=foo'] },
  { name: 'queryParams regex in full', match: { queryParams: { k: { regex: '\\d+' } } }, takes: ['/?k=12'], leaves: ['/?k=12a', '/?k='] },
  { name: 'queryParams prefix', match: { queryParams: { k: { prefix: 'v' } } }, takes: ['/?k=v1'], leaves: ['/?k=1v', '/?v1'] },
  { name: 'queryParams present', match: { queryParams: { k: {} } }, takes: ['/?k', '/?k=', '/?a&k=1'], leaves: ['/?kk', '/'] },
  { name: 'queryParams present: regex "*"', match: { queryParams: { k: { regex: '*' } } }, takes: ['/?k', '/?k=1'], leaves: ['/?a'] },
  { name: 'queryParams exact ""', match: { queryParams: { k: { exact: '' } } }, takes: ['/?k', '/?k='], leaves: ['/?k=1', '/'] },
];

const combined: readonly MatchRow[] = [
  { name: 'AND inside a match', match: { uri: { prefix: '/a' }, method: { exact: 'GET' }, headers: { h: { exact: '1' } }, queryParams: { q: {} } }, takes: [{ path: '/a?q', headers: { h: '1' } }], leaves: ['/a?q', { path: '/a', headers: { h: '1' } }, { path: '/b?q', headers: { h: '1' } }, { path: '/a?q', headers: { h: '1' }, method: 'DELETE' }] },
  { name: 'OR between matches', match: [{ uri: { exact: '/a' } }, { headers: { h: { exact: '1' } } }], takes: ['/a', { path: '/b', headers: { h: '1' } }], leaves: ['/b', { path: '/b', headers: { h: '2' } }] },
  { name: 'an empty match takes everything', match: [{}], takes: ['/', { path: '/x', method: 'DELETE' }], leaves: [] },
  { name: 'port of the service', match: { port: 9080 }, takes: ['/', { host: 'reviews' }], leaves: [] },
  { name: 'sourceLabels, all of them', match: { sourceLabels: { app: 'client', version: 'v1' } }, labels: { version: 'v1' }, takes: ['/'], leaves: [] },
  { name: 'sourceNamespace', match: { sourceNamespace: 'default' }, takes: ['/'], leaves: [] },
  { name: 'gateways: mesh', match: { gateways: ['mesh'] }, takes: ['/'], leaves: [] },
  { name: 'gateways makes sourceLabels and sourceNamespace of no account', match: { gateways: ['mesh'], sourceLabels: { app: 'other' }, sourceNamespace: 'other' }, takes: ['/'], leaves: [] },
  { name: 'another port', match: { port: 80 }, takes: [], leaves: ['/'] },
  { name: 'other sourceLabels', match: { sourceLabels: { app: 'client', version: 'v1' } }, labels: { version: 'v2' }, takes: [], leaves: ['/'] },
  { name: 'another sourceNamespace', match: { sourceNamespace: 'shop' }, takes: [], leaves: ['/'] },
  { name: 'gateways without mesh', match: { gateways: ['shop/edge'] }, takes: [], leaves: ['/'] },
  { name: 'static conditions beside others', match: { sourceLabels: { app: 'client' }, uri: { prefix: '/a' } }, takes: ['/a'], leaves: ['/b'] },
];

t.test('matches', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1', 'v2'] });
  const reviews = service('reviews', { workloads: [mesh.at('v1')] });
  const other = service('other', { workloads: [mesh.at('v2')] });
  const row = ({ name, match, takes, leaves, labels }: MatchRow): MeshRow => ({
    name,
    snapshot: [reviews, other, virtualService('reviews', { http: [{ name: 'taken', match: Array.isArray(match) ? match : [match], route: [to('other')] }, { name: 'left', route: [to('reviews')] }] })],
    ...(labels === undefined ? {} : { labels }),
    ask: [...takes.map((ask) => [ask, { by: 'v2' }] as const), ...leaves.map((ask) => [ask, { by: 'v1' }] as const)],
  });
  await mesh.play(t, [...uri, ...requestLine, ...headers, ...query, ...combined].map(row));

  const says = (name: string): Fields => ({ directResponse: { status: 200, body: { string: name } } });
  await mesh.play(t, [
    {
      name: 'the first route that matches wins, in the order written; none is 404',
      snapshot: [reviews, virtualService('reviews', { http: [{ match: [{ uri: { prefix: '/a/b' } }], ...says('1') }, { match: [{ uri: { prefix: '/a' } }], ...says('2') }, { match: [{ uri: { exact: '/a/b/c' } }], ...says('3') }] })],
      ask: [
        ['/a/b/c', { status: 200, text: '1' }],
        ['/a/c', { status: 200, text: '2' }],
        ['/c', { status: 404, text: '', log: { response_flags: 'NR', response_code_details: 'route_not_found', route_name: null } }],
      ],
    },
    {
      name: 'names of route and match are logged',
      snapshot: [reviews, virtualService('reviews', { http: [{ name: 'r', match: [{ name: 'm', uri: { exact: '/1' } }, { uri: { exact: '/2' } }], route: [to('reviews')] }, { match: [{ name: 'only', uri: { exact: '/3' } }], route: [to('reviews')] }, { route: [to('reviews')] }] })],
      ask: [
        ['/1', { by: 'v1', log: { route_name: 'r.m' } }],
        ['/2', { by: 'v1', log: { route_name: 'r' } }],
        ['/3', { by: 'v1', log: { route_name: '.only' } }],
        ['/4', { by: 'v1', log: { route_name: null } }],
      ],
    },
    {
      name: 'statPrefix is warned about and matches nothing away',
      snapshot: [reviews, virtualService('reviews', { http: [{ match: [{ statPrefix: 'x', uri: { prefix: '/' } }], route: [to('reviews')] }] })],
      ask: [['/', 'v1']],
      warns: [/spec\.http\[0\]\.match\[0\]\.statPrefix: warning: /],
    },
    {
      name: 'a port makes the lists of two ports differ',
      snapshot: [twoPorts(mesh.port('v1')), virtualService('two', { http: [{ match: [{ port: 81 }], ...says('81') }, { match: [{ port: 82 }], ...says('82') }] })],
      ask: [
        [{ host: 'two:81' }, { status: 200, text: '81' }],
        [{ host: 'two:82' }, { status: 200, text: '82' }],
      ],
    },
    {
      name: 'a VirtualService with no route left for this client is as if it were not there',
      snapshot: [reviews, virtualService('reviews', { http: [{ match: [{ sourceLabels: { app: 'other' } }, { sourceNamespace: 'shop' }, { port: 1 }], ...says('never') }] })],
      ask: [['/', { by: 'v1', log: { route_name: 'default' } }]],
    },
    {
      name: 'JWT claims are warned about and never hold',
      snapshot: [reviews, istio('Gateway', 'edge', { selector: { a: 'b' }, servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }] }), virtualService('reviews', { gateways: ['edge', 'mesh'], http: [{ match: [{ headers: { '@request.auth.claims.group': { exact: 'admin' } } }], ...says('claim') }, { route: [to('reviews')] }] })],
      ask: [['/', 'v1']],
      warns: [/spec\.http\[0\]\.match\[0\]\.headers: warning: /],
    },
    {
      name: 'pathNormalization MERGE_SLASHES',
      snapshot: [reviews, other, pathNormalization('MERGE_SLASHES'), virtualService('reviews', { http: [{ match: [{ uri: { exact: '/a/b' } }], route: [to('other')] }, { route: [to('reviews')] }] })],
      ask: [
        ['//a///b', { by: 'v2', path: '/a/b' }],
        ['/a%2fb', { by: 'v1', path: '/a%2fb' }],
      ],
    },
    {
      name: 'pathNormalization DECODE_AND_MERGE_SLASHES',
      snapshot: [reviews, other, pathNormalization('DECODE_AND_MERGE_SLASHES'), virtualService('reviews', { http: [{ match: [{ uri: { exact: '/a/b' } }], route: [to('other')] }, { route: [to('reviews')] }] })],
      ask: [
        ['//a%2F%2f/b', { by: 'v2', path: '/a/b' }],
        ['/a%5cb', { by: 'v2', path: '/a/b' }],
      ],
    },
    {
      name: 'pathNormalization NONE',
      snapshot: [reviews, other, pathNormalization('NONE'), virtualService('reviews', { http: [{ match: [{ uri: { exact: '/a/b' } }], route: [to('other')] }, { route: [to('reviews')] }] })],
      ask: [
        ['/a/./b', { by: 'v1', path: '/a/./b' }],
        ['/%61/b', { by: 'v1', path: '/%61/b' }],
      ],
    },
  ]);
});

function twoPorts(target: number): string {
  const ports = [81, 82].map((port) => ({ name: `http-${port}`, port, targetPort: target }));
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'two-1', namespace: 'default', labels: { app: 'two' } }, spec: { containers: [] }, status: { podIP: '127.0.0.1' } };
  return [{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'two', namespace: 'default' }, spec: { selector: { app: 'two' }, ports } }, pod].map((resource) => JSON.stringify(resource)).join('\n---\n');
}

function pathNormalization(normalization: string): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data: { mesh: `pathNormalization: {normalization: ${normalization}}` } });
}
