/** VirtualService delegation: what is inherited, how matches combine, what is dropped (istio-api.md 2.8). */

import t from 'tap';
import type { Answer, MeshRow } from '../support/echo-mesh.ts';
import { EchoMesh } from '../support/echo-mesh.ts';
import type { ResourceObject } from '../support/resources.ts';
import { istio, service, to, virtualService } from '../support/resources.ts';

type Fields = Readonly<Record<string, unknown>>;

const says = (text: string): Fields => ({ directResponse: { status: 200, body: { string: text } } });
const told = (text: string): Answer => ({ status: 200, text });
const notFound = { status: 404, log: { response_flags: 'NR' } };

t.test('delegates', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1', 'v2'] });
  const services = [service('reviews', { workloads: [mesh.at('v1')] }), service('reviews', { namespace: 'shop', workloads: [mesh.at('v2')] })];
  const root = (...http: readonly Fields[]): ResourceObject => virtualService('reviews', { http });
  const leaf = (http: readonly Fields[], more: Fields = {}, namespace = 'shop'): ResourceObject => istio('VirtualService', 'leaf', { http, ...more }, namespace);
  const delegate = { delegate: { name: 'leaf', namespace: 'shop' } };
  /** Root match, delegate match, and what comes of each path (fall-through answers `rest`). */
  const combined = (name: string, above: readonly Fields[], own: readonly Fields[], ask: MeshRow['ask'] & object): MeshRow => ({
    name,
    snapshot: [services, root({ match: above, ...delegate }, says('rest')), leaf([{ match: own, ...says('leaf') }])],
    ask,
  });
  const header = (value: string, path = '/'): { readonly path: string; readonly headers: Readonly<Record<string, string>> } => ({ path, headers: { 'x-h': value } });

  await mesh.play(t, [
    {
      name: 'short names in a delegate are of its own namespace',
      snapshot: [services, root(delegate), leaf([{ route: [to('reviews')] }])],
      ask: [['/', { by: 'v2', log: { upstream_cluster: 'outbound|9080||reviews.shop.svc.cluster.local' } }]],
    },
    {
      name: 'the delegate\'s namespace is the root\'s unless said',
      snapshot: [services, root({ delegate: { name: 'leaf' } }), leaf([{ route: [to('reviews')] }], {}, 'default'), leaf([says('wrong namespace')])],
      ask: [['/', 'v1']],
    },
    {
      name: 'root without a match takes the delegate\'s, delegate without a match the root\'s',
      snapshot: [services, root({ match: [{ uri: { prefix: '/a' } }], ...delegate }, { delegate: { name: 'second', namespace: 'shop' } }), leaf([says('root match')]), istio('VirtualService', 'second', { http: [{ match: [{ uri: { exact: '/b' } }], ...says('own match') }] }, 'shop')],
      ask: [
        ['/a/x', told('root match')],
        ['/b', told('own match')],
        ['/c', notFound],
      ],
    },
    combined('a prefix within the prefix', [{ uri: { prefix: '/a' } }], [{ uri: { prefix: '/a/b' } }], [['/a/b/c', told('leaf')], ['/a/c', told('rest')]]),
    combined('an exact within the prefix', [{ uri: { prefix: '/a' } }], [{ uri: { exact: '/a/b' } }], [['/a/b', told('leaf')], ['/a/b/c', told('rest')]]),
    combined('a prefix outside the prefix: dropped', [{ uri: { prefix: '/a' } }], [{ uri: { prefix: '/b' } }], [['/b', told('rest')], ['/a', told('rest')]]),
    combined('a wider prefix: dropped', [{ uri: { prefix: '/a/b' } }], [{ uri: { prefix: '/a' } }], [['/a/b', told('rest')]]),
    combined('equal exacts', [{ uri: { exact: '/a' } }], [{ uri: { exact: '/a' } }], [['/a', told('leaf')]]),
    combined('a regex on either side lets nothing else in', [{ uri: { regex: '/a.*' } }], [{ uri: { prefix: '/ab' } }], [['/ab', told('rest')]]),
    combined('a regex beside silence', [{ uri: { regex: '/a.*' } }], [{ headers: { 'x-h': { exact: '1' } } }], [[header('1', '/ab'), told('leaf')], ['/ab', told('rest')], [header('1', '/b'), told('rest')]]),
    combined('headers are unioned', [{ headers: { 'x-r': {} } }], [{ headers: { 'x-h': { exact: '1' } } }], [[{ headers: { 'x-h': '1', 'x-r': '' } }, told('leaf')], [header('1'), told('rest')]]),
    combined('… the delegate winning per key where it asks for less', [{ headers: { 'x-h': { prefix: '1' } } }], [{ headers: { 'x-h': { exact: '12' } } }], [[header('12'), told('leaf')], [header('1'), told('rest')]]),
    combined('methods', [{ method: { exact: 'GET' } }], [{ uri: { prefix: '/a' } }], [['/a', told('leaf')], [{ path: '/a', method: 'DELETE' }, told('rest')]]),
    combined('methods in conflict', [{ method: { exact: 'GET' } }], [{ method: { exact: 'DELETE' } }], [[{ method: 'DELETE' }, told('rest')], ['/', told('rest')]]),
    combined('ignoreUriCase must be the same', [{ uri: { prefix: '/a' } }], [{ uri: { prefix: '/a/b' }, ignoreUriCase: true }], [['/a/b', told('rest')]]),
    combined('query parameters are unioned', [{ queryParams: { a: {} } }], [{ queryParams: { b: { exact: '1' } } }], [['/?a&b=1', told('leaf')], ['/?b=1', told('rest')]]),
    combined('withoutHeaders are unioned', [{ withoutHeaders: { 'x-r': {} } }], [{ withoutHeaders: { 'x-h': {} } }], [['/', told('leaf')], [header('1'), told('rest')], [{ headers: { 'x-r': '1' } }, told('rest')]]),
    combined('every delegate match with each root match', [{ uri: { prefix: '/a' } }, { uri: { prefix: '/b' } }], [{ uri: { exact: '/a/1' } }, { uri: { exact: '/b/1' } }], [['/a/1', told('leaf')], ['/b/1', told('leaf')], ['/a/2', told('rest')]]),
    combined('one conflicting match drops the route, even if another fits', [{ uri: { prefix: '/a' } }], [{ uri: { exact: '/a/1' } }, { uri: { exact: '/z' } }], [['/a/1', told('rest')], ['/z', told('rest')]]),
    {
      name: '… and leaves the delegate\'s other routes',
      snapshot: [services, root({ match: [{ uri: { prefix: '/a' } }], ...delegate }), leaf([{ match: [{ uri: { exact: '/z' } }], ...says('conflict') }, { match: [{ uri: { exact: '/a/1' } }], ...says('fits') }])],
      ask: [
        ['/a/1', told('fits')],
        ['/z', notFound],
      ],
    },
    {
      name: 'fields are inherited where the delegate has none',
      snapshot: [
        services,
        root({ match: [{ uri: { prefix: '/a' } }], ...delegate, rewrite: { uri: '/rewritten' }, headers: { request: { set: { 'x-from': 'root' } } }, timeout: '2s' }),
        leaf([{ match: [{ uri: { prefix: '/a/own' } }], route: [to('reviews')], headers: { request: { set: { 'x-from': 'leaf' } } }, timeout: '3s', rewrite: { uri: '/own' } }, { route: [to('reviews')] }]),
      ],
      ask: [
        ['/a/x', { by: 'v2', path: '/rewritten/x', headers: { 'x-from': 'root', 'x-envoy-expected-rq-timeout-ms': '2000' } }],
        ['/a/own/x', { by: 'v2', path: '/own/x', headers: { 'x-from': 'leaf', 'x-envoy-expected-rq-timeout-ms': '3000' } }],
      ],
    },
    {
      name: 'names are joined',
      snapshot: [services, root({ name: 'root', ...delegate }), leaf([{ name: 'one', match: [{ name: 'm', uri: { exact: '/1' } }], route: [to('reviews')] }, { route: [to('reviews')] }])],
      ask: [
        ['/1', { by: 'v2', log: { route_name: 'root-one.m' } }],
        ['/2', { by: 'v2', log: { route_name: 'root' } }],
      ],
    },
    {
      name: 'a delegate that is not there drops only its route',
      snapshot: [services, root({ match: [{ uri: { prefix: '/a' } }], delegate: { name: 'nobody' } }, says('rest'))],
      ask: [['/a', told('rest')]],
    },
    {
      name: 'a delegate that is not exported to the root',
      snapshot: [services, root({ match: [{ uri: { prefix: '/a' } }], ...delegate }, says('rest')), leaf([says('hidden')], { exportTo: ['.'] })],
      ask: [['/a', told('rest')]],
    },
    {
      name: 'a delegate exported to the root by name',
      snapshot: [services, root(delegate), leaf([says('leaf')], { exportTo: ['default'] })],
      ask: [['/', told('leaf')]],
    },
    {
      name: 'a VirtualService with hosts is no delegate',
      snapshot: [services, root({ match: [{ uri: { prefix: '/a' } }], ...delegate }, says('rest')), leaf([says('leaf')], { hosts: ['x.example'] })],
      ask: [['/a', told('rest')]],
    },
    {
      name: 'nothing left for this client: plain service routing',
      snapshot: [services, root({ match: [{ sourceLabels: { app: 'other' } }], ...delegate }), leaf([says('leaf')])],
      ask: [['/', { by: 'v1', log: { route_name: 'default' } }]],
    },
    {
      name: 'source conditions of root and delegate',
      snapshot: [services, root({ match: [{ sourceLabels: { app: 'client' } }], ...delegate }), leaf([{ match: [{ sourceLabels: { version: 'v2' } }], ...says('leaf') }, { match: [{ port: 9080 }], ...says('port') }])],
      labels: { version: 'v1' },
      ask: [['/', told('port')]],
    },
    {
      name: 'a change of the delegate alone is a change',
      snapshot: [services, root(delegate), leaf([says('before')])],
      ask: [['/', told('before')]],
      also: async (t) => {
        await mesh.load([services, root(delegate), leaf([says('after')])]);
        t.equal((await mesh.ask('/')).response.text, 'after');
      },
    },
  ]);
});
