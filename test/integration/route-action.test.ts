/** What a matched route does: weights, rewrite, redirect, direct response, headers, CORS, timeout (istio-api.md 2.4–2.7, 2.11, 2.12). */

import t from 'tap';
import type { MeshRow } from '../support/echo-mesh.ts';
import { EchoMesh } from '../support/echo-mesh.ts';
import type { ResourceObject } from '../support/resources.ts';
import { destinationRule, service, to, virtualService } from '../support/resources.ts';
import { Upstream } from '../support/upstream.ts';
import { countAnswers, withinFiveSigma } from '../support/splits.ts';

type Fields = Readonly<Record<string, unknown>>;

t.test('actions', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1', 'v2', 'v3'] });
  const reviews = [service('reviews', { workloads: [mesh.at('v1'), mesh.at('v2')] }), destinationRule('reviews', ['v1', 'v2'])];
  const other = service('other', { workloads: [mesh.at('v3')] });
  const routes = (...http: readonly Fields[]): readonly (ResourceObject | readonly ResourceObject[])[] => [reviews, other, virtualService('reviews', { http }) as ResourceObject].flat();
  const toV1 = [to('reviews', 'v1')];
  const noCluster = { status: 503, text: '', log: { response_flags: 'NC', response_code_details: 'cluster_not_found' } };
  const rewritten = (name: string, match: Fields | undefined, rewrite: Fields, asks: readonly (readonly [from: string, to: string])[]): MeshRow => ({
    name: `2.5 ${name}`,
    snapshot: routes({ ...(match === undefined ? {} : { match: [match] }), rewrite, route: toV1 }),
    ask: asks.map(([from, path]) => [from, { by: 'v1', path, headers: { 'x-envoy-original-path': from } }] as const),
  });
  const redirected = (name: string, redirect: Fields, asks: readonly (readonly [from: string | { readonly host?: string; readonly path: string }, location: string])[], status = 301, match?: Fields): MeshRow => ({
    name: `2.6 ${name}`,
    snapshot: routes({ ...(match === undefined ? {} : { match: [match] }), redirect }),
    ask: asks.map(([from, location]) => [from, { status, text: '', response: { location, 'content-length': '0' }, log: { response_code_details: 'direct_response', upstream_cluster: null } }] as const),
  });

  const destinations: readonly MeshRow[] = [
    { name: '2.4 one destination: its weight is of no account', snapshot: routes({ route: [to('reviews', 'v1', 0)] }), ask: [['/', 'v1']] },
    { name: '2.4 weight 0 of several takes nothing', snapshot: routes({ route: [to('reviews', 'v1', 0), to('reviews', 'v2', 1)] }), also: splits({ v2: 1 }) },
    { name: '2.4 no weight is weight 0', snapshot: routes({ route: [to('reviews', 'v1'), to('reviews', 'v2', 5)] }), also: splits({ v2: 1 }) },
    { name: '2.4 weights need not add up to 100', snapshot: routes({ route: [to('reviews', 'v1', 1), to('reviews', 'v2', 1), to('other', undefined, 2)] }), also: splits({ v1: 0.25, v2: 0.25, v3: 0.5 }) },
    { name: '2.4 an undefined subset', snapshot: routes({ route: [to('reviews', 'v9')] }), ask: [['/', noCluster]] },
    { name: '2.4 an unknown host', snapshot: routes({ route: [to('nobody')] }), ask: [['/', noCluster]] },
    { name: '2.4 a port the service lacks', snapshot: routes({ route: [{ destination: { host: 'reviews', port: { number: 9999 } } }] }), ask: [['/', noCluster]] },
    { name: '2.4 an unknown host among others fails its share only', snapshot: routes({ route: [to('reviews', 'v1', 50), to('nobody', undefined, 50)] }), also: splits({ v1: 0.5 }, 0.5) },
    {
      name: '2.4 without a port: the only one of the service, whatever port was asked',
      snapshot: [reviews, service('single', { port: 7000, workloads: [mesh.at('v3')] }), virtualService('reviews', { http: [{ route: [to('single')] }] })],
      ask: [['/', { by: 'v3', log: { upstream_cluster: 'outbound|7000||single.default.svc.cluster.local' } }]],
    },
    {
      name: '2.4 without a port: of several the one asked for',
      snapshot: [reviews, multiPort('multi', [9080, 9081], mesh.port('v3')), virtualService('reviews', { http: [{ route: [to('multi')] }] })],
      ask: [['/', { by: 'v3', log: { upstream_cluster: 'outbound|9080||multi.default.svc.cluster.local' } }]],
    },
    {
      name: '2.4 … and none if the service lacks that',
      snapshot: [reviews, multiPort('multi', [7000, 7001], mesh.port('v3')), virtualService('reviews', { http: [{ route: [to('multi')] }] })],
      ask: [['/', noCluster]],
    },
  ];

  const rewrite: readonly MeshRow[] = [
    rewritten('uri after prefix', { uri: { prefix: '/api' } }, { uri: '/v1' }, [['/api/users?x=1', '/v1/users?x=1'], ['/api', '/v1'], ['/apix', '/v1x']]),
    rewritten('uri: the replacement is textual', { uri: { prefix: '/pre' } }, { uri: '/' }, [['/pre/a', '//a'], ['/pre', '/']]),
    rewritten('uri: a slash on both sides', { uri: { prefix: '/pre/' } }, { uri: '/' }, [['/pre/a', '/a'], ['/pre/', '/'], ['/pre/?q', '/?q']]),
    rewritten('uri after exact', { uri: { exact: '/old' } }, { uri: '/new/path' }, [['/old', '/new/path'], ['/old?q=1', '/new/path?q=1']]),
    rewritten('uri after regex: the whole path', { uri: { regex: '/r/.*' } }, { uri: '/new' }, [['/r/a/b?q', '/new?q']]),
    rewritten('uri without a match: the prefix /', undefined, { uri: '/base/' }, [['/a/b', '/base/a/b'], ['/', '/base/']]),
    rewritten('uri after a match on something else: the prefix /', { method: { exact: 'GET' } }, { uri: '/base/' }, [['/a', '/base/a']]),
    rewritten('uri with ignoreUriCase', { uri: { prefix: '/API' }, ignoreUriCase: true }, { uri: '/v1' }, [['/api/x', '/v1/x'], ['/Api', '/v1']]),
    rewritten('regex with groups, all places', { uri: { prefix: '/' } }, { uriRegexRewrite: { match: '/service/([^/]+)(/.*)?', rewrite: '\\2/instance/\\1' } }, [['/service/foo/v1/api?x=/service/y', '/v1/api/instance/foo?x=/service/y']]),
    rewritten('regex is a search, \\0 the whole', undefined, { uriRegexRewrite: { match: 'o+', rewrite: '<\\0>'.replace(/[<>]/g, '-') } }, [['/foo/boo', '/f-oo-/b-oo-']]),
    {
      name: '2.5 regex that matches nothing leaves the path',
      snapshot: routes({ rewrite: { uriRegexRewrite: { match: '^/never', rewrite: '/x' } }, route: toV1 }),
      ask: [['/a?b', { by: 'v1', path: '/a?b' }]],
    },
    {
      name: '2.5 authority',
      snapshot: routes({ rewrite: { authority: 'www.internal:8080' }, route: toV1 }),
      ask: [[{ host: 'reviews:9080', path: '/a' }, { by: 'v1', host: 'www.internal:8080', path: '/a' }]],
    },
    { name: '2.5 authority and uri', snapshot: routes({ match: [{ uri: { prefix: '/a' } }], rewrite: { authority: 'b', uri: '/b' }, route: toV1 }), ask: [['/a/x', { by: 'v1', host: 'b', path: '/b/x' }]] },
    {
      name: '2.5 the log prints the original path',
      snapshot: routes({ match: [{ uri: { prefix: '/a' } }], rewrite: { uri: '/b' }, route: toV1 }),
      ask: [['/a/x?y', { by: 'v1', path: '/b/x?y', log: { path: '/a/x?y' } }]],
    },
    {
      name: '2.5 two matches, each with its own prefix',
      snapshot: routes({ match: [{ uri: { prefix: '/long/prefix' } }, { uri: { prefix: '/s' } }], rewrite: { uri: '/' }, route: toV1 }),
      ask: [
        ['/long/prefix/x', { by: 'v1', path: '//x' }],
        ['/sx', { by: 'v1', path: '/x' }],
      ],
    },
  ];

  const redirect: readonly MeshRow[] = [
    redirected('uri, whatever was matched; the query stays', { uri: '/new' }, [['/old/path?q=1', 'http://reviews:9080/new?q=1'], ['/', 'http://reviews:9080/new']]),
    redirected('uri with a query of its own', { uri: '/new?a=b' }, [['/old?q=1', 'http://reviews:9080/new?a=b']]),
    redirected('prefixRewrite', { prefixRewrite: '/new' }, [['/old/x?q', 'http://reviews:9080/new/x?q'], ['/old', 'http://reviews:9080/new']], 301, { uri: { prefix: '/old' } }),
    redirected('authority', { authority: 'www.example.com' }, [['/a?b', 'http://www.example.com/a?b'], [{ host: 'reviews', path: '/' }, 'http://www.example.com/']]),
    redirected('scheme: other ports stay', { scheme: 'https' }, [['/x', 'https://reviews:9080/x'], [{ host: 'reviews', path: '/x' }, 'https://reviews/x']]),
    redirected('port', { port: 8443, scheme: 'https' }, [['/x', 'https://reviews:8443/x'], [{ host: 'reviews', path: '/' }, 'https://reviews:8443/']]),
    redirected('port: a default one is not written', { port: 443, scheme: 'https' }, [['/x', 'https://reviews/x']]),
    redirected('derivePort FROM_REQUEST_PORT', { authority: 'www.example.com', derivePort: 'FROM_REQUEST_PORT' }, [['/x', 'http://www.example.com:9080/x']]),
    redirected('derivePort FROM_PROTOCOL_DEFAULT', { authority: 'www.example.com', derivePort: 'FROM_PROTOCOL_DEFAULT' }, [['/x', 'http://www.example.com/x']]),
    redirected('everything', { scheme: 'https', authority: 'a.example', port: 444, uri: '/b', redirectCode: 308 }, [['/x?y', 'https://a.example:444/b?y']], 308),
    ...[301, 302, 303, 307, 308].map((code) => redirected(`redirectCode ${code}`, { uri: '/n', redirectCode: code }, [['/', 'http://reviews:9080/n']], code)),
    {
      name: '2.6 scheme: a port that is the old scheme\'s default goes',
      snapshot: [service('web', { port: 80 }), virtualService('web', { http: [{ redirect: { scheme: 'https' } }] })],
      ask: [
        [{ host: 'web:80', path: '/x?y' }, { status: 301, response: { location: 'https://web/x?y' } }],
        [{ host: 'web', path: '/' }, { status: 301, response: { location: 'https://web/' } }],
        [{ host: 'web:80', headers: { 'x-forwarded-proto': 'https' } }, { status: 301, response: { location: 'https://web:80/' } }],
      ],
    },
    {
      name: '2.6 response headers are applied to a redirect',
      snapshot: routes({ redirect: { uri: '/n' }, headers: { response: { set: { 'x-why': 'moved' } } } }),
      ask: [['/', { status: 301, response: { 'x-why': 'moved', location: 'http://reviews:9080/n' } }]],
    },
    {
      name: '2.6 a body that comes with a redirected request is passed over',
      snapshot: routes({ match: [{ uri: { exact: '/r' } }], redirect: { uri: '/n' } }, { route: toV1 }),
      ask: [
        [{ method: 'POST', path: '/r', body: 'x'.repeat(100_000) }, { status: 301 }],
        ['/', 'v1'],
      ],
    },
  ];

  const direct: readonly MeshRow[] = [
    { name: '2.7 status alone', snapshot: routes({ directResponse: { status: 418 } }), ask: [['/', { status: 418, text: '', response: { 'content-length': '0', 'content-type': null }, log: { response_code_details: 'direct_response', response_flags: '-' } }]] },
    { name: '2.7 text', snapshot: routes({ directResponse: { status: 200, body: { string: 'hé\n' } } }), ask: [['/', { status: 200, text: 'hé\n', response: { 'content-type': 'text/plain', 'content-length': '4' } }]] },
    { name: '2.7 bytes', snapshot: routes({ directResponse: { status: 503, body: { bytes: Buffer.from('{"a":1}').toString('base64') } }, headers: { response: { set: { 'content-type': 'application/json' } } } }), ask: [['/', { status: 503, text: '{"a":1}', response: { 'content-type': 'application/json' } }]] },
    { name: '2.7 HEAD', snapshot: routes({ directResponse: { status: 200, body: { string: 'four' } } }), ask: [[{ method: 'HEAD' }, { status: 200, text: '', response: { 'content-length': '4' } }]] },
    { name: '2.7 status 204', snapshot: routes({ directResponse: { status: 204 } }), ask: [['/', { status: 204, text: '' }]] },
  ];

  await mesh.play(t, [...destinations, ...rewrite, ...redirect, ...direct, ...headerRows(routes), ...corsRows(routes)]);

  function splits(shares: Readonly<Record<string, number>>, failing = 0): NonNullable<MeshRow['also']> {
    return async (t) => {
      const { counts, other: failed } = await countAnswers(mesh, { host: 'reviews:9080' }, 1000);
      t.ok(withinFiveSigma(failed, 1000, failing), 'failures', { failed });
      for (const name of ['v1', 'v2', 'v3']) t.ok(withinFiveSigma(counts.get(name) ?? 0, 1000, shares[name] ?? 0), name, { counts: [...counts] });
    };
  }
});

type Routes = (...http: readonly Fields[]) => MeshRow['snapshot'];

function headerRows(routes: Routes): readonly MeshRow[] {
  const route = (headers: Fields): Fields => ({ headers, route: [to('reviews', 'v1')] });
  const single = (own: Fields, ofDestination: Fields): Fields => ({ headers: own, route: [{ ...to('reviews', 'v1'), headers: ofDestination }] });
  const weighted = (own: Fields, ofDestination: Fields): Fields => ({ headers: own, route: [{ ...to('reviews', 'v1', 100), headers: ofDestination }, to('reviews', 'v2', 0)] });
  return [
    {
      name: '2.12 request: set overwrites, add appends, remove removes',
      snapshot: routes(route({ request: { set: { 'x-set': 'new' }, add: { 'x-add': 'more' }, remove: ['X-Gone'] } })),
      ask: [
        [{ headers: { 'X-Set': 'old', 'x-add': 'first', 'x-gone': '1' } }, { by: 'v1', headers: { 'x-set': 'new', 'x-add': 'first, more', 'x-gone': null } }],
        ['/', { by: 'v1', headers: { 'x-set': 'new', 'x-add': 'more', 'x-gone': null } }],
      ],
    },
    {
      name: '2.12 response: set overwrites, add appends, remove removes',
      snapshot: routes(route({ response: { set: { 'X-Set': 'new', 'content-type': 'text/x' }, add: { 'x-add': 'more' }, remove: ['x-upstream-secret'] } })),
      ask: [['/', { by: 'v1', response: { 'x-set': 'new', 'content-type': 'text/x', 'x-add': 'more', 'x-upstream-secret': null } }]],
    },
    {
      name: '2.12 remove, then set, then add of one name',
      snapshot: routes(route({ request: { remove: ['x-a'], set: { 'x-a': 'set' }, add: { 'x-a': 'added' } } })),
      ask: [[{ headers: { 'x-a': 'old' } }, { by: 'v1', headers: { 'x-a': 'set, added' } }]],
    },
    {
      name: '2.12 one destination: its set wins over the route\'s',
      snapshot: routes(single({ request: { set: { 'x-l': 'route' } }, response: { set: { 'x-l': 'route' } } }, { request: { set: { 'x-l': 'destination' } }, response: { set: { 'x-l': 'destination' } } })),
      ask: [['/', { by: 'v1', headers: { 'x-l': 'destination' }, response: { 'x-l': 'destination' } }]],
    },
    {
      name: '2.12 weighted destinations: the route\'s set wins',
      snapshot: routes(weighted({ request: { set: { 'x-l': 'route' } }, response: { set: { 'x-l': 'route' } } }, { request: { set: { 'x-l': 'destination', 'x-own': '1' } }, response: { set: { 'x-l': 'destination', 'x-own': '1' } } })),
      ask: [['/', { by: 'v1', headers: { 'x-l': 'route', 'x-own': '1' }, response: { 'x-l': 'route', 'x-own': '1' } }]],
    },
    {
      name: '2.12 a destination\'s headers are its own',
      snapshot: routes({ route: [{ ...to('reviews', 'v1', 0), headers: { request: { set: { 'x-d': '1' } }, response: { set: { 'x-d': '1' } } } }, { ...to('reviews', 'v2', 1), headers: { request: { set: { 'x-d': '2' } }, response: { set: { 'x-d': '2' } } } }] }),
      ask: [['/', { by: 'v2', headers: { 'x-d': '2' }, response: { 'x-d': '2' } }]],
    },
    { name: '2.12 host in set rewrites the authority', snapshot: routes(route({ request: { set: { Host: 'set.example' } } })), ask: [['/', { by: 'v1', host: 'set.example' }]] },
    { name: '2.12 :authority in set, too', snapshot: routes(route({ request: { set: { ':authority': 'set.example' } } })), ask: [['/', { by: 'v1', host: 'set.example' }]] },
    { name: '2.12 rewrite.authority wins over it', snapshot: routes({ ...route({ request: { set: { host: 'set.example' } } }), rewrite: { authority: 'rewritten.example' } }), ask: [['/', { by: 'v1', host: 'rewritten.example' }]] },
    { name: '2.12 the route\'s host wins over a single destination\'s', snapshot: routes(single({ request: { set: { host: 'route.example' } } }, { request: { set: { host: 'destination.example' } } })), ask: [['/', { by: 'v1', host: 'route.example' }]] },
    { name: '2.12 a weighted destination\'s host', snapshot: routes(weighted({}, { request: { set: { host: 'destination.example' } } })), ask: [['/', { by: 'v1', host: 'destination.example' }]] },
    {
      name: '2.12 substitutions and a literal percent',
      snapshot: routes(route({ request: { set: { 'x-from': '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', 'x-pct': '100%%', 'x-both': '%REQ(:METHOD)% %PROTOCOL%', 'x-ua': '%REQ(x-a?user-agent)%' } }, response: { set: { 'x-code': '%RESPONSE_CODE%' } } })),
      ask: [[{ headers: { 'User-Agent': 'ua' } }, { by: 'v1', headers: { 'x-from': '127.0.0.1', 'x-pct': '100%', 'x-both': 'GET HTTP/1.1', 'x-ua': 'ua' }, response: { 'x-code': '200' } }]],
    },
    {
      name: 'A.11 a sidecar believes the last hop of x-forwarded-for, where it is an address',
      snapshot: routes(route({ request: { set: { 'x-client': '%DOWNSTREAM_REMOTE_ADDRESS%', 'x-peer': '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%' } } })),
      ask: [
        [{ headers: { 'X-Forwarded-For': '1.2.3.4, 5.6.7.8' } }, { by: 'v1', headers: { 'x-forwarded-for': '1.2.3.4, 5.6.7.8', 'x-client': '5.6.7.8:0', 'x-peer': '127.0.0.1' }, log: { downstream_remote_address: '5.6.7.8:0' } }],
        [{ headers: { 'X-Forwarded-For': '1.2.3.4', 'x-forwarded-for': 'fd00::9' } }, { by: 'v1', headers: { 'x-client': '[fd00::9]:0' } }],
        [{ headers: { 'X-Forwarded-For': '1.2.3.4:99' } }, { by: 'v1', headers: { 'x-client': /^127\.0\.0\.1:\d+$/ }, log: { downstream_remote_address: /^127\.0\.0\.1:\d+$/ } }],
      ],
    },
    {
      name: '2.12 local answers carry the route\'s response headers, not a destination\'s that was never chosen',
      snapshot: routes({ headers: { response: { set: { 'x-route': '1' } } }, directResponse: { status: 200 } }),
      ask: [['/', { status: 200, response: { 'x-route': '1' } }]],
    },
    {
      name: '2.12 headers of the proxy\'s own cannot be forged from outside, but set by a route',
      snapshot: routes(route({ request: { set: { 'x-envoy-retry-on': '5xx', 'x-request-id': 'mine' } } })),
      ask: [[{ headers: { 'x-envoy-upstream-rq-timeout-ms': '1' } }, { by: 'v1', headers: { 'x-envoy-upstream-rq-timeout-ms': null, 'x-request-id': 'mine' } }]],
    },
  ];
}

function corsRows(routes: Routes): readonly MeshRow[] {
  const cors = (corsPolicy: Fields): MeshRow['snapshot'] => routes({ corsPolicy, route: [to('reviews', 'v1')] });
  const preflight = (origin: string, method = 'PUT'): { readonly method: string; readonly headers: Readonly<Record<string, string>> } => ({ method: 'OPTIONS', headers: { Origin: origin, 'Access-Control-Request-Method': method } });
  const from = (origin: string): { readonly headers: Readonly<Record<string, string>> } => ({ headers: { Origin: origin } });
  const none = { 'access-control-allow-origin': null, 'access-control-allow-methods': null, 'access-control-allow-credentials': null };
  return [
    {
      name: '2.11 everything: preflight is answered here, other requests go up',
      snapshot: cors({ allowOrigins: [{ exact: 'https://a.example' }], allowMethods: ['GET', 'PUT'], allowHeaders: ['x-a', 'x-b'], exposeHeaders: ['x-c', 'x-d'], maxAge: '24h', allowCredentials: true }),
      ask: [
        [
          preflight('https://a.example'),
          { status: 200, text: '', response: { 'access-control-allow-origin': 'https://a.example', 'access-control-allow-methods': 'GET,PUT', 'access-control-allow-headers': 'x-a,x-b', 'access-control-expose-headers': 'x-c,x-d', 'access-control-max-age': '86400', 'access-control-allow-credentials': 'true' } },
        ],
        [from('https://a.example'), { by: 'v1', response: { 'access-control-allow-origin': 'https://a.example', 'access-control-expose-headers': 'x-c,x-d', 'access-control-allow-credentials': 'true', 'access-control-allow-methods': null, 'access-control-max-age': null } }],
        [from('https://b.example'), { by: 'v1', response: none }],
        ['/', { by: 'v1', response: none }],
        [preflight('https://b.example'), { by: 'v1', method: 'OPTIONS', response: none }],
        [{ method: 'OPTIONS', headers: { Origin: 'https://a.example' } }, { by: 'v1', method: 'OPTIONS', response: { 'access-control-allow-origin': 'https://a.example' } }],
        [{ method: 'OPTIONS' }, { by: 'v1', method: 'OPTIONS' }],
      ],
    },
    {
      name: '2.11 origins by prefix and regex',
      snapshot: cors({ allowOrigins: [{ prefix: 'https://dev.' }, { regex: 'https://[a-z]+\\.prod\\.example' }] }),
      ask: [
        [from('https://dev.any'), { by: 'v1', response: { 'access-control-allow-origin': 'https://dev.any' } }],
        [from('https://x.prod.example'), { by: 'v1', response: { 'access-control-allow-origin': 'https://x.prod.example' } }],
        [from('https://x.prod.example.evil'), { by: 'v1', response: none }],
      ],
    },
    { name: '2.11 the deprecated list with *', snapshot: cors({ allowOrigin: ['*'], allowMethods: ['GET'] }), ask: [[preflight('https://any'), { status: 200, response: { 'access-control-allow-methods': 'GET' } }]] },
    {
      name: '2.11 unmatchedPreflights IGNORE answers without CORS headers',
      snapshot: cors({ allowOrigins: [{ exact: 'https://a.example' }], unmatchedPreflights: 'IGNORE' }),
      ask: [
        [preflight('https://b.example'), { status: 200, text: '', response: none }],
        [preflight('https://a.example'), { status: 200, response: { 'access-control-allow-origin': 'https://a.example' } }],
      ],
    },
  ];
}

/** A service whose ports all lead to one target. */
function multiPort(name: string, ports: readonly number[], target: number): string {
  const spec = { selector: { app: name }, ports: ports.map((port) => ({ name: `http-${port}`, port, targetPort: target })) };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: `${name}-1`, namespace: 'default', labels: { app: name } }, spec: { containers: [] }, status: { podIP: '127.0.0.1' } };
  return [{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec }, pod].map((resource) => JSON.stringify(resource)).join('\n---\n');
}

t.test('2.2 timeout', async (t) => {
  const silent = await Upstream.start(t, { onRequest: () => {} });
  const trickling = await Upstream.start(t, { onRequest: (request) => request.connection.send('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf') });
  const mesh = await EchoMesh.start(t, { upstreams: ['v1'] });
  const services = [service('silent', { workloads: [{ port: silent.port }] }), service('trickling', { workloads: [{ port: trickling.port }] }), service('quick', { workloads: [mesh.at('v1')] })];
  const timed = (host: string): ResourceObject => virtualService(host, { http: [{ timeout: '0.2s', route: [to(host)] }] });
  const late = { status: 504, text: 'upstream request timeout', response: { 'content-type': 'text/plain' }, log: { response_flags: 'UT', response_code_details: 'response_timeout', upstream_host: `127.0.0.1:${silent.port}` } };
  await mesh.play(t, [
    {
      name: 'no answer in time, an answer in time',
      snapshot: [services, timed('silent'), timed('quick')],
      ask: [
        [{ host: 'silent:9080' }, late],
        [{ host: 'silent:9080', method: 'POST', body: 'x' }, late],
        [{ host: 'quick:9080' }, { by: 'v1', headers: { 'x-envoy-expected-rq-timeout-ms': '200' } }],
      ],
    },
    {
      name: 'it counts from the end of the request',
      snapshot: [services, timed('silent')],
      also: async (t) => {
        const client = await mesh.proxy.connect();
        client.send('POST / HTTP/1.1\r\nHost: silent:9080\r\nContent-Length: 2\r\n\r\n1');
        t.equal(await client.quiet(400), '', 'no answer while the request is not complete');
        client.send('2');
        t.match(await client.until('upstream request timeout'), /^HTTP\/1\.1 504 /);
      },
    },
    {
      name: 'an answer that stops half-way is cut',
      snapshot: [services, timed('trickling')],
      also: async (t) => {
        const client = await mesh.proxy.connect();
        client.send('GET / HTTP/1.1\r\nHost: trickling:9080\r\nUser-Agent: half\r\n\r\n');
        await client.closed();
        t.match(client.text, /^HTTP\/1\.1 200 [^]*half$/);
        t.match(await mesh.logged('half'), { response_code: 200, response_flags: 'UT' });
      },
    },
    {
      name: 'without one there is no limit',
      snapshot: [services, virtualService('silent', { http: [{ route: [to('silent')] }] })],
      also: async (t) => {
        const client = await mesh.proxy.connect();
        client.request({ host: 'silent:9080' });
        t.equal(await client.quiet(600), '');
      },
    },
    {
      name: 'it applies to a redirect and a direct response as to nothing',
      snapshot: [services, virtualService('quick', { http: [{ timeout: '1ms', directResponse: { status: 200 } }] })],
      ask: [[{ host: 'quick:9080' }, 200]],
    },
  ]);
});
