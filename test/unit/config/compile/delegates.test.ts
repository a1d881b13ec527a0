/** Delegation: istio-api.md 2.8. */

import t from 'tap';
import { istio } from '../../../support/resources.ts';
import { actionOf, compiled, hostOf, kube } from './compiled.ts';

type Fields = Readonly<Record<string, unknown>>;

const to = (host: string) => [{ destination: { host } }];
const root = (rule: Fields, more: readonly Fields[] = []) => istio('VirtualService', 'root', { hosts: ['web'], http: [{ delegate: { name: 'leaf' }, ...rule }, ...more] });
const leaf = (http: readonly Fields[], spec: Fields = {}, namespace = 'default') => istio('VirtualService', 'leaf', { http: http.map((rule) => ('redirect' in rule || 'directResponse' in rule ? rule : { route: to('b'), ...rule })), ...spec }, namespace);

function host(...resources: Parameters<typeof compiled>[0]) {
  return hostOf(compiled([kube('web'), kube('b'), ...resources]), 80, 'web');
}

t.test('which matches fit together', async (t) => {
  const cases: readonly (readonly [root: Fields | undefined, leaf: Fields | undefined, merged: Fields | 'conflict'])[] = [
    [undefined, { uri: { exact: '/a' } }, { path: { kind: 'exact', value: '/a' } }],
    [{ uri: { prefix: '/a' } }, undefined, { path: { kind: 'prefix', value: '/a' } }],
    [{ uri: { prefix: '/a' } }, { uri: { prefix: '/a/b' } }, { path: { kind: 'prefix', value: '/a/b' } }],
    [{ uri: { prefix: '/a/b' } }, { uri: { prefix: '/a' } }, 'conflict'],
    [{ uri: { prefix: '/a' } }, { uri: { exact: '/a/x' } }, { path: { kind: 'exact', value: '/a/x' } }],
    [{ uri: { prefix: '/a' } }, { uri: { exact: '/b' } }, 'conflict'],
    [{ uri: { exact: '/a' } }, { uri: { exact: '/a' } }, { path: { kind: 'exact', value: '/a' } }],
    [{ uri: { exact: '/a' } }, { uri: { exact: '/b' } }, 'conflict'],
    [{ uri: { exact: '/a' } }, { uri: { prefix: '/a' } }, 'conflict'],
    [{ uri: { regex: '/a.*' } }, { uri: { exact: '/a' } }, 'conflict'],
    [{ uri: { prefix: '/a' } }, { uri: { regex: '/a' } }, 'conflict'],
    [{ uri: { regex: '/a' } }, { method: { exact: 'GET' } }, { path: { kind: 'regex', value: '/a' }, method: { kind: 'exact', value: 'GET' } }],
    [{ method: { exact: 'GET' } }, { method: { exact: 'PUT' } }, 'conflict'],
    [{ headers: { a: { exact: '1' } } }, { headers: { b: { exact: '2' } } }, { headers: [{ name: 'a' }, { name: 'b' }] }],
    [{ headers: { a: { prefix: '1' } } }, { headers: { a: { exact: '12' } } }, { headers: [{ name: 'a', match: { kind: 'exact', value: '12' } }] }],
    [{ headers: { a: { exact: '1' } } }, { headers: { a: { exact: '2' } } }, 'conflict'],
    [{ withoutHeaders: { a: { exact: '1' } } }, { withoutHeaders: { a: { exact: '2' } } }, 'conflict'],
    [{ queryParams: { a: { exact: '1' } } }, { queryParams: { b: { exact: '2' } } }, { query: [{ name: 'a' }, { name: 'b' }] }],
    [{ uri: { prefix: '/a' }, ignoreUriCase: true }, { uri: { prefix: '/a' } }, 'conflict'],
    [{ port: 80 }, { port: 81 }, 'conflict'],
    [{ port: 80 }, { uri: { exact: '/a' } }, { path: { kind: 'exact', value: '/a' } }],
    [{ sourceNamespace: 'default' }, { uri: { exact: '/a' } }, 'conflict'],
    [{ sourceNamespace: 'default' }, { sourceNamespace: 'default', uri: { exact: '/a' } }, { path: { kind: 'exact', value: '/a' } }],
    [{ sourceLabels: { app: 'client' } }, { sourceLabels: { version: 'v1' }, uri: { exact: '/a' } }, { path: { kind: 'exact', value: '/a' } }],
    [{ sourceLabels: { app: 'client' } }, { sourceLabels: { app: 'x' } }, 'conflict'],
    [{ gateways: ['mesh', 'gw'] }, { gateways: ['mesh'], uri: { exact: '/a' } }, { path: { kind: 'exact', value: '/a' } }],
    [{ gateways: ['mesh'] }, { gateways: ['mesh', 'gw'] }, 'conflict'],
  ];
  for (const [above, below, merged] of cases) {
    const found = host(root(above === undefined ? {} : { match: [above] }), leaf([below === undefined ? {} : { match: [below] }]));
    const name = `${JSON.stringify(above)} × ${JSON.stringify(below)}`;
    if (merged === 'conflict') t.match(found?.skipped, [{ route: 'http[0] delegated to default/leaf http[0]', reason: /no match of the delegating route covers/ }], name);
    else t.match(found?.routes.find(({ virtualService }) => virtualService === 'default/root')?.match, { headers: [], query: [], ...merged }, name);
  }
});

t.test('every pair that fits becomes a route; one match that fits nowhere drops the rule', async (t) => {
  const above = { match: [{ uri: { prefix: '/a' } }, { headers: { x: {} } }] };
  const paths = (...below: Fields[]) => host(root(above), leaf([{ match: below }, { match: [{ uri: { exact: '/a/last' } }], name: 'last' }]))?.routes.map(({ match }) => match.path?.kind !== 'present' && match.path?.value);
  t.same(paths({ uri: { prefix: '/a/1' } }, { uri: { prefix: '/b' } }), ['/a/1', '/a/1', '/b', '/a/last', '/a/last']);
  t.same(host(root({ match: [{ uri: { prefix: '/a' } }] }), leaf([{ match: [{ uri: { prefix: '/a/1' } }, { uri: { prefix: '/b' } }] }, { match: [{ uri: { exact: '/a/last' } }] }]))?.routes.map(({ index }) => index), [1], 'a conflict drops that delegate route, the others stay');
});

t.test('what the delegate takes over', async (t) => {
  const above = { name: 'r', timeout: '5s', rewrite: { uri: '/x' }, headers: { request: { set: { a: 'root' } } }, corsPolicy: { allowOrigins: [{ exact: 'root' }] } };
  const inherits = host(root(above), leaf([{ name: 'l' }]))?.routes[0];
  t.match(inherits, { name: 'r-l', timeoutMs: 5000, headers: { request: { set: [['a', 'root']] } }, action: { rewrite: { uri: { to: '/x' } } }, filters: [{ name: 'cors', policy: { allowOrigins: [{ value: 'root' }] } }] });
  t.match(inherits, { virtualService: 'default/root', index: 0, origin: { resource: 'VirtualService default/leaf' }, origins: { timeout: { resource: 'VirtualService default/root' } } });
  const own = host(root(above), leaf([{ timeout: '1s', headers: { request: { set: { a: 'leaf' } } } }]))?.routes[0];
  t.match(own, { name: 'r', timeoutMs: 1000, headers: { request: { set: [['a', 'leaf']] } }, origins: { timeout: { resource: 'VirtualService default/leaf' } } });
  t.equal(actionOf(host(root({}), leaf([{ directResponse: { status: 204 } }]))?.routes[0]), 'direct 204');
});

t.test('names of matches are joined', async (t) => {
  const found = host(root({ name: 'r', match: [{ name: 'm', uri: { prefix: '/a' } }] }), leaf([{ name: 'l', match: [{ name: 'n', uri: { prefix: '/a/b' } }] }]));
  t.equal(found?.routes[0]?.name, 'r-l.m-n');
});

t.test('missing or invisible delegates drop only their route', async (t) => {
  const other = { route: to('b'), name: 'other' };
  const missing = host(root({ match: [{ uri: { exact: '/a' } }] }, [other]));
  t.match(missing?.routes, [{ name: 'other' }]);
  t.match(missing?.skipped, [{ route: 'http[0]', reason: /default\/leaf, which does not exist/ }]);
  const elsewhere = (exportTo: readonly string[] | undefined) =>
    host(root({ delegate: { name: 'leaf', namespace: 'prod' } }, [other]), leaf([{ name: 'l' }], exportTo === undefined ? {} : { exportTo }, 'prod'));
  t.match(elsewhere(undefined)?.routes, [{ name: 'l' }]);
  t.match(elsewhere(['default'])?.routes, [{ name: 'l' }]);
  t.match(elsewhere(['.'])?.routes, [{ name: 'other' }]);
  t.match(elsewhere(['.'])?.skipped, [{ reason: /not exported to namespace default/ }]);
  t.equal(actionOf(elsewhere(undefined)?.routes[0]), 'outbound|80||b.prod.svc.cluster.local', "the delegate's own short names");
  t.equal(host(root({}))?.virtualService, null, 'with nothing left the VirtualService counts as absent');
});
