/** VirtualService http: every row of istio-api.md 2.2–2.7, 2.11, 2.12 that this version acts on. */

import t from 'tap';
import type { RouteConfig } from '../../../../config/runtime/route.ts';
import { istio } from '../../../support/resources.ts';
import { actionOf, compiled, hostOf, kube, routesOf } from './compiled.ts';

type Fields = Readonly<Record<string, unknown>>;

const to = (host = 'b', more: Fields = {}) => ({ destination: { host, ...more } });
const vs = (http: readonly Fields[]) => istio('VirtualService', 'web', { hosts: ['web'], http: http.map((rule) => ('route' in rule || 'redirect' in rule || 'directResponse' in rule ? rule : { route: [to()], ...rule })) });
const SERVICES = [kube('web'), kube('b'), kube('multi', { ports: [{ name: 'http', port: 80 }, { name: 'http-alt', port: 81 }] }), kube('alt', { ports: [{ name: 'http', port: 8080 }] })];

function routes(http: readonly Fields[], node: Parameters<typeof compiled>[1] = {}): readonly RouteConfig[] {
  return routesOf(compiled([...SERVICES, vs(http)], node), 80, 'web');
}

function only(rule: Fields): RouteConfig {
  const [route] = routes([rule]);
  if (route === undefined) throw new Error('no route');
  return route;
}

t.test('match conditions', async (t) => {
  const cases: readonly (readonly [match: Fields, compiled: Fields])[] = [
    [{ uri: { exact: '/a' } }, { path: { kind: 'exact', value: '/a' } }],
    [{ uri: { prefix: '/a' } }, { path: { kind: 'prefix', value: '/a' } }],
    [{ uri: { prefix: '' } }, { path: { kind: 'prefix', value: '' } }],
    [{ uri: { regex: '/a.*' } }, { path: { kind: 'regex', value: '/a.*' } }],
    [{ uri: { exact: '/a' }, ignoreUriCase: true }, { path: { kind: 'exact', value: '/a', ignoreCase: true } }],
    [{ uri: { prefix: '/a' }, ignoreUriCase: true }, { path: { kind: 'prefix', value: '/a', ignoreCase: true } }],
    [{ uri: { regex: '/a' }, ignoreUriCase: true }, { path: { kind: 'regex', value: '/a' } }],
    [{ scheme: { exact: 'https' } }, { scheme: { kind: 'exact', value: 'https' } }],
    [{ method: { regex: 'GET|HEAD' } }, { method: { kind: 'regex', value: 'GET|HEAD' } }],
    [{ authority: { prefix: 'web' } }, { authority: { kind: 'prefix', value: 'web' } }],
    [{ headers: { 'X-B': { prefix: 'p' }, 'X-A': { exact: 'e' } } }, { headers: [{ name: 'x-a', match: { kind: 'exact', value: 'e' }, invert: false }, { name: 'x-b', match: { kind: 'prefix', value: 'p' }, invert: false }] }],
    [{ headers: { a: {}, b: { regex: '*' } } }, { headers: [{ name: 'a', match: { kind: 'present' }, invert: false }, { name: 'b', match: { kind: 'present' }, invert: false }] }],
    [{ withoutHeaders: { a: { exact: 'x' }, b: {} } }, { headers: [{ name: 'a', match: { kind: 'exact', value: 'x' }, invert: true }, { name: 'b', match: { kind: 'present' }, invert: true }] }],
    [{ headers: { uri: { exact: 'x' }, Method: { exact: 'x' }, scheme: { exact: 'x' }, authority: { exact: 'x' } } }, {}],
    [{ queryParams: { b: { exact: '' }, a: { regex: 'x+' }, c: {}, d: { regex: '*' } } }, { query: [{ name: 'a', match: { kind: 'regex', value: 'x+' } }, { name: 'b', match: { kind: 'exact', value: '' } }, { name: 'c', match: { kind: 'present' } }, { name: 'd', match: { kind: 'present' } }] }],
    [{ uri: { exact: '/a' }, method: { exact: 'GET' } }, { path: { kind: 'exact', value: '/a' }, method: { kind: 'exact', value: 'GET' } }],
    [{ port: 80 }, {}],
    [{ statPrefix: 'x' }, {}],
  ];
  for (const [match, expected] of cases) t.same(only({ match: [match] }).match, { headers: [], query: [], ...expected }, JSON.stringify(match));
  t.same(only({}).match, { headers: [], query: [] }, 'no match: everything');
});

t.test('static conditions decide here whether a route exists', async (t) => {
  const cases: readonly (readonly [match: Fields, reason: string | undefined])[] = [
    [{ port: 80 }, undefined],
    [{ port: 81 }, 'wants port 81, this is port 80'],
    [{ sourceLabels: { app: 'client' } }, undefined],
    [{ sourceLabels: { app: 'client', version: 'v2' } }, 'wants sourceLabels app=client,version=v2, this workload has app=client,version=v1'],
    [{ sourceNamespace: 'default' }, undefined],
    [{ sourceNamespace: 'prod' }, 'wants sourceNamespace prod, this workload is in default'],
    [{ gateways: ['mesh'] }, undefined],
    [{ gateways: ['gw', 'mesh'] }, undefined],
    [{ gateways: ['gw'] }, 'wants gateways default/gw, this is a sidecar (mesh)'],
    [{ gateways: ['mesh'], sourceLabels: { app: 'x' }, sourceNamespace: 'x' }, undefined],
  ];
  for (const [match, reason] of cases) {
    const resources = [...SERVICES, istio('VirtualService', 'web', { hosts: ['web'], gateways: ['mesh', 'gw'], http: [{ match: [match], route: [to()] }, { name: 'last', route: [to()] }] })];
    const host = hostOf(compiled(resources), 80, 'web');
    t.equal(host?.skipped?.find(({ route }) => route === 'http[0].match[0]')?.reason, reason, JSON.stringify(match));
    t.equal(host?.routes.some(({ index }) => index === 0), reason === undefined);
  }
  const claims = (match: Fields) => hostOf(compiled([...SERVICES, istio('VirtualService', 'web', { hosts: ['web'], gateways: ['mesh', 'gw'], http: [{ match: [match], route: [to()] }] })]), 80, 'web');
  t.match(claims({ headers: { '@request.auth.claims.sub': { exact: 'x' } } })?.skipped, [{ reason: /JWT claim @request.auth.claims.sub/ }], 'claims that nobody verified never match');
  t.match(claims({ withoutHeaders: { '@request.auth.claims.sub': { exact: 'x' } } })?.routes, [{ match: { headers: [] } }], 'and are always absent');
});

t.test('matches are ORed, rules in order, the first that matches everything ends the list', async (t) => {
  const names = (http: readonly Fields[]) => routes(http).map(({ name }) => name);
  const rule = (name: string, ...match: Fields[]) => ({ name, ...(match.length > 0 && { match }) });
  t.same(names([rule('a', { uri: { exact: '/1' } }, { uri: { exact: '/2' } }), rule('b')]), ['a', 'a', 'b']);
  t.same(routes([rule('a', { uri: { exact: '/1' } }, { uri: { exact: '/2' } }), rule('b')]).map(({ index }) => index), [0, 0, 1]);
  t.same(names([rule('a'), rule('b', { uri: { exact: '/1' } })]), ['a']);
  t.same(names([rule('a', { uri: { prefix: '/' } }), rule('b')]), ['a']);
  t.same(names([rule('a', { uri: { regex: '.*' } }), rule('b')]), ['a']);
  t.same(names([rule('a', { port: 80 }, { uri: { exact: '/never' } }), rule('b')]), ['a'], 'static conditions that hold are no conditions');
  t.same(names([rule('a', { port: 81 }), rule('b')]), ['b'], 'one that does not hold ends nothing');
  t.same(names([rule('a', { uri: { prefix: '/' }, headers: { x: {} } }), rule('b')]), ['a', 'b']);
  t.same(names([rule('a', { method: { exact: 'GET' } }), rule('b')]), ['a', 'b']);
  t.same(names([rule('a', { queryParams: { x: {} } }), rule('b')]), ['a', 'b']);
  const skipped = hostOf(compiled([...SERVICES, vs([{ name: 'a' }, { name: 'b' }])]), 80, 'web')?.skipped;
  t.match(skipped, [{ route: 'http[1]', reason: 'comes after http[0], which matches every request' }]);
});

t.test('names and places', async (t) => {
  const route = only({ name: 'r', match: [{ name: 'm', uri: { exact: '/' } }], timeout: '1s' });
  t.match(route, { name: 'r.m', index: 0, virtualService: 'default/web', origin: { resource: 'VirtualService default/web' }, origins: { timeout: { resource: 'VirtualService default/web' } } });
  t.ok((route.origins?.['timeout']?.line ?? 0) > (route.origin?.line ?? 0), 'a field has its own line');
  t.equal(only({}).name, '');
  t.equal(only({ match: [{ name: 'm' }] }).name, '.m');
});

t.test('destinations', async (t) => {
  const b = 'b.default.svc.cluster.local';
  const cases: readonly (readonly [route: readonly Fields[], action: string])[] = [
    [[to('b')], `outbound|80||${b}`],
    [[to('b', { subset: 'v1' })], `outbound|80|v1|${b}`],
    [[to('b', { port: { number: 9 } })], `outbound|9||${b}`],
    [[to('alt')], 'outbound|8080||alt.default.svc.cluster.local'],
    [[to('multi')], 'outbound|80||multi.default.svc.cluster.local'],
    [[to('multi', { port: { number: 81 } })], 'outbound|81||multi.default.svc.cluster.local'],
    [[to('unknown')], 'outbound|80||unknown.default.svc.cluster.local'],
    [[to('x.example.com')], 'outbound|80||x.example.com'],
    [[{ ...to('b', { subset: 'v1' }), weight: 80 }, { ...to('b', { subset: 'v2' }), weight: 20 }], `outbound|80|v1|${b}*80 outbound|80|v2|${b}*20`],
    [[{ ...to('b'), weight: 1 }, to('alt')], `outbound|80||${b}*1 outbound|8080||alt.default.svc.cluster.local*0`],
  ];
  for (const [route, action] of cases) t.equal(actionOf(only({ route })), action, JSON.stringify(route));
  t.match(only({ route: [{ ...to('b'), weight: 0 }] }).action, { destinations: [{ weight: 100 }] }, 'a single destination takes everything');
  t.equal(actionOf(routesOf(compiled([...SERVICES, istio('VirtualService', 'web', { hosts: ['web.default.svc.cluster.local'], http: [{ route: [to('b')] }] }, 'prod')]), 80, 'web')[0]), 'outbound|80||b.prod.svc.cluster.local', "short names are the resource's namespace's");
});

t.test('rewrite', async (t) => {
  const rewrite = (match: Fields | undefined, rewritten: Fields) => {
    const { action } = only({ ...(match && { match: [match] }), rewrite: rewritten });
    return action.kind === 'forward' ? action.rewrite : undefined;
  };
  t.same(rewrite({ uri: { prefix: '/a/' } }, { uri: '/' }), { uri: { kind: 'prefix', from: '/a/', to: '/' } });
  t.same(rewrite({ uri: { exact: '/a' } }, { uri: '/b' }), { uri: { kind: 'path', from: '/a', to: '/b' } });
  t.same(rewrite({ uri: { regex: '/a.*' } }, { uri: '/b' }), { uri: { kind: 'path', from: '', to: '/b' } });
  t.same(rewrite(undefined, { uri: '/b' }), { uri: { kind: 'prefix', from: '/', to: '/b' } });
  t.same(rewrite({ method: { exact: 'GET' } }, { uri: '/b' }), { uri: { kind: 'prefix', from: '/', to: '/b' } });
  t.same(rewrite(undefined, { authority: 'x.com' }), { authority: 'x.com' });
  t.same(rewrite(undefined, { uriRegexRewrite: { match: '^/a/(.*)', rewrite: '/\\1' } }), { regex: { match: '^/a/(.*)', substitution: '/\\1' } });
  t.same(rewrite(undefined, { uri: '/b', authority: 'x.com' }), { uri: { kind: 'prefix', from: '/', to: '/b' }, authority: 'x.com' });
});

t.test('redirect', async (t) => {
  const prefixed = { match: [{ uri: { prefix: '/old' } }] };
  const cases: readonly (readonly [redirect: Fields, action: Fields, match?: Fields])[] = [
    [{ uri: '/new' }, { status: 301, uri: { kind: 'path', from: '', to: '/new' } }],
    [{ uri: '/new' }, { status: 301, uri: { kind: 'path', from: '', to: '/new' } }, prefixed],
    [{ prefixRewrite: '/new' }, { status: 301, uri: { kind: 'prefix', from: '/old', to: '/new' } }, prefixed],
    [{ authority: 'x.com' }, { status: 301, authority: 'x.com' }],
    [{ scheme: 'https' }, { status: 301, scheme: 'https' }],
    [{ port: 8443 }, { status: 301, port: 8443 }],
    [{ scheme: 'https', derivePort: 'FROM_PROTOCOL_DEFAULT' }, { status: 301, scheme: 'https' }],
    [{ authority: 'x.com', derivePort: 'FROM_REQUEST_PORT' }, { status: 301, authority: 'x.com', port: 'request' }],
    ...[301, 302, 303, 307, 308].map((redirectCode) => [{ uri: '/', redirectCode }, { status: redirectCode, uri: { kind: 'path', from: '', to: '/' } }] as const),
  ];
  for (const [redirect, action, match = {}] of cases) t.same(only({ ...match, redirect }).action, { kind: 'redirect', ...action }, JSON.stringify(redirect));
});

t.test('direct response', async (t) => {
  const direct = (directResponse: Fields) => only({ directResponse }).action;
  t.same(direct({ status: 204 }), { kind: 'direct', status: 204 });
  t.same(direct({ status: 503, body: { string: 'sorry' } }), { kind: 'direct', status: 503, body: 'sorry', encoding: 'utf8' });
  t.same(direct({ status: 200, body: { bytes: 'aGk=' } }), { kind: 'direct', status: 200, body: 'aGk=', encoding: 'base64' });
});

t.test('timeout', async (t) => {
  t.equal(only({ timeout: '0.5s' }).timeoutMs, 500);
  t.equal(only({ timeout: '1h' }).timeoutMs, 3_600_000);
  t.notOk('timeoutMs' in only({}), 'none unless written');
});

t.test('headers', async (t) => {
  const headers = { request: { set: { 'X-B': '1', 'X-A': '2' }, add: { z: '3' }, remove: ['X-Gone'] }, response: { add: { 'x-r': '%PROTOCOL%' } } };
  t.same(only({ headers }).headers, {
    request: { remove: ['x-gone'], set: [['x-a', '2'], ['x-b', '1']], add: [['z', '3']] },
    response: { remove: [], set: [], add: [['x-r', '%PROTOCOL%']] },
  });
  t.same(only({ headers: { request: { set: { Host: 'a.com', x: '1' }, add: { other: '1' } } } }).headers, { request: { remove: [], set: [['x', '1']], add: [['other', '1']] }, authority: 'a.com' });
  t.same(only({ headers: { request: { add: { ':authority': 'b.com' } } } }).headers, { authority: 'b.com' });
  t.notOk('headers' in only({ headers: {} }));
  const own = only({ route: [{ ...to('b'), weight: 1, headers: { response: { remove: ['Server'] } } }, { ...to('alt'), weight: 1 }] }).action;
  t.match(own, { destinations: [{ headers: { response: { remove: ['server'] } } }, {}] });
  t.notOk(own.kind === 'forward' && own.destinations[1] && 'headers' in own.destinations[1]);
});

t.test('corsPolicy', async (t) => {
  const policy = (corsPolicy: Fields) => only({ corsPolicy }).filters.map(({ name, policy, origin }) => ({ name, policy, place: origin?.resource }));
  t.same(policy({ allowOrigins: [{ exact: 'https://a' }, { prefix: 'https://b' }, { regex: '.*' }], allowMethods: ['GET', 'PUT'], allowHeaders: ['x', 'y'], exposeHeaders: ['z'], maxAge: '24h', allowCredentials: false }), [
    {
      name: 'cors',
      place: 'VirtualService default/web',
      policy: {
        allowOrigins: [{ kind: 'exact', value: 'https://a' }, { kind: 'prefix', value: 'https://b' }, { kind: 'regex', value: '.*' }],
        allowMethods: 'GET,PUT',
        allowHeaders: 'x,y',
        exposeHeaders: 'z',
        maxAge: '86400',
        allowCredentials: false,
        unmatchedPreflights: 'FORWARD',
      },
    },
  ]);
  t.same(policy({ allowOrigin: ['*'], unmatchedPreflights: 'IGNORE' })[0]?.policy, { allowOrigins: [{ kind: 'exact', value: '*' }], unmatchedPreflights: 'IGNORE' });
  t.same(only({}).filters, []);
});
