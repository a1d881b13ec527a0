/** Gateway mode for HTTP servers: selection, hosts, several Gateways and VirtualServices, redirects, headers (istio-api.md section 4). */

import t from 'tap';
import type { Answer, Ask, MeshRow } from '../support/echo-mesh.ts';
import { EchoMesh } from '../support/echo-mesh.ts';
import type { ResourceObject } from '../support/resources.ts';
import { destinationRule, istio, service, to, virtualService } from '../support/resources.ts';

type Fields = Readonly<Record<string, unknown>>;

const says = (text: string): Fields => ({ directResponse: { status: 200, body: { string: text } } });
const told = (text: string): Answer => ({ status: 200, text });
const notFound = { status: 404, text: '', log: { response_flags: 'NR', response_code_details: 'route_not_found' } };
const http = (number: number, hosts: readonly string[], more: Fields = {}): Fields => ({ port: { number, name: `http-${number}`, protocol: 'HTTP' }, hosts, ...more });
const gateway = (name: string, servers: readonly Fields[], namespace = 'default', selector: Fields = { istio: 'ingress' }): ResourceObject => istio('Gateway', name, { selector, servers }, namespace);
const bound = (name: string, hosts: readonly string[], text = name, more: Fields = {}, namespace = 'default'): ResourceObject => virtualService(name, { hosts, gateways: ['default/edge'], http: [says(text)], ...more }, namespace);
const at = (host: string, more: Partial<Ask> = {}): Ask => ({ host, ...more });
const aged = (resource: ResourceObject, creationTimestamp: string): ResourceObject => ({ ...resource, metadata: { ...resource.metadata, creationTimestamp } });

t.test('a gateway', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1', 'v2'], mode: 'gateway', workload: 'edge/ingress', ip: '10.9.8.7', args: ['--map-port', '80=0', '--map-port', '81=0', '--map-port', '443=0'] });
  const reviews = service('reviews', { workloads: [mesh.at('v1'), mesh.at('v2')] });
  const row = (name: string, snapshot: MeshRow['snapshot'], ask: MeshRow['ask'] & object, more: Partial<MeshRow> = {}): MeshRow => ({ name, snapshot, labels: { istio: 'ingress' }, ask, ...more });
  const nothing = { name: 'ports', also: async (t: Parameters<NonNullable<MeshRow['also']>>[0]) => t.same((await mesh.bound()).ports, {}) };
  const edge = (...hosts: readonly string[]): ResourceObject => gateway('edge', [http(80, hosts)]);

  const selection: readonly MeshRow[] = [
    row('4.1 labels select, in any namespace', [gateway('edge', [http(80, ['*'])], 'default', { istio: 'ingress', app: 'ingress' }), bound('a', ['a.example'])], [[at('a.example'), told('a')]]),
    row('4.1 a label that is not there does not', [gateway('edge', [http(80, ['*'])], 'default', { istio: 'ingress', app: 'else' }), bound('a', ['a.example'])], [], nothing),
    row('4.1 without a selector: every gateway', [istio('Gateway', 'edge', { servers: [http(80, ['*'])] }), bound('a', ['a.example'])], [[at('a.example'), told('a')]]),
    row('4.1 a Gateway with nothing bound answers 404 to everything', [edge('*')], [[at('a.example'), notFound], [at('a.example', { path: '/x' }), notFound]]),
    row('4.1 a VirtualService for sidecars is not for gateways', [edge('*'), reviews, virtualService('reviews', { http: [says('mesh')] })], [[at('reviews'), notFound]]),
    row('4.1 a service without a VirtualService is not reachable', [edge('*'), reviews], [[at('reviews:9080'), notFound], [at('reviews.default.svc.cluster.local'), notFound]]),
    row('4.1 several Gateways on one port merge', [gateway('edge', [http(80, ['a.example'])]), gateway('second', [http(80, ['b.example'])], 'other'), bound('a', ['a.example']), bound('b', ['b.example'], 'b', { gateways: ['other/second'] })], [[at('a.example'), told('a')], [at('b.example'), told('b')], [at('c.example'), notFound]]),
    row('4.1 servers of two ports keep apart', [gateway('edge', [http(80, ['a.example']), http(81, ['b.example'])]), bound('a', ['a.example']), bound('b', ['b.example'])], [[at('a.example', { via: 80 }), told('a')], [at('a.example', { via: 81 }), notFound], [at('b.example', { via: 81 }), told('b')], [at('b.example', { via: 80 }), notFound]]),
    row('4.3 a TLS server without its certificate is bound and refuses, the others serve', [gateway('edge', [http(80, ['*']), { port: { number: 443, name: 'https', protocol: 'HTTPS' }, hosts: ['*'], tls: { mode: 'SIMPLE', credentialName: 'cert' } }]), bound('a', ['a.example'])], [[at('a.example'), told('a')]], {
      also: async (t) => t.same(Object.keys((await mesh.bound()).ports ?? {}), ['80', '443']),
    }),
    row('4.2 protocols HTTP2 and GRPC, in any case', [gateway('edge', [{ port: { number: 80, name: 'a', protocol: 'http2' }, hosts: ['*'] }, { port: { number: 81, name: 'b', protocol: 'GRPC' }, hosts: ['*'] }]), bound('a', ['a.example'])], [[at('a.example', { via: 80 }), told('a')], [at('a.example', { via: 81 }), told('a')]]),
  ];

  const references: readonly MeshRow[] = [
    row('1.2 a bare name is a Gateway of the VirtualService\'s namespace', [gateway('edge', [http(80, ['*'])], 'shop'), virtualService('a', { hosts: ['a.example'], gateways: ['edge'], http: [says('a')] }, 'shop'), virtualService('b', { hosts: ['b.example'], gateways: ['edge'], http: [says('b')] })], [[at('a.example'), told('a')], [at('b.example'), notFound]]),
    row('1.2 the legacy name.namespace.svc form', [gateway('edge', [http(80, ['*'])], 'shop'), virtualService('a', { hosts: ['a.example'], gateways: ['edge.shop.svc.cluster.local'], http: [says('a')] })], [[at('a.example'), told('a')]]),
    row('1.5 a VirtualService must be exported to the gateway\'s namespace', [edge('*'), bound('a', ['a.example'], 'a', { exportTo: ['.'] }), bound('b', ['b.example'], 'b', { exportTo: ['edge'] })], [[at('a.example'), notFound], [at('b.example'), told('b')]]),
    row('2.3 match.gateways and match.port are about this server', [gateway('edge', [http(80, ['*']), http(81, ['*'])]), bound('a', ['a.example'], '', { gateways: ['default/edge', 'mesh'], http: [{ match: [{ gateways: ['mesh'] }], ...says('mesh') }, { match: [{ gateways: ['default/edge'], port: 81 }], ...says('81') }, { match: [{ gateways: ['default/edge'] }], ...says('edge') }] })], [[at('a.example', { via: 80 }), told('edge')], [at('a.example', { via: 81 }), told('81')]]),
    row('2.3 sourceLabels are the gateway\'s own', [edge('*'), bound('a', ['a.example'], '', { http: [{ match: [{ sourceLabels: { istio: 'other' } }], ...says('other') }, { match: [{ sourceLabels: { istio: 'ingress' } }], ...says('own') }] })], [[at('a.example'), told('own')]]),
  ];

  const hosts: readonly MeshRow[] = [
    row('4.2 server wildcard, VirtualService exact', [edge('*.example.com'), bound('a', ['x.example.com'])], [[at('x.example.com'), told('a')], [at('x.example.com:80'), told('a')], [at('X.Example.COM'), told('a')], [at('y.example.com'), notFound], [at('example.com'), notFound]]),
    row('4.2 server exact, VirtualService wildcard: only the server\'s host', [edge('x.example.com'), bound('a', ['*.example.com'])], [[at('x.example.com'), told('a')], [at('y.example.com'), notFound]]),
    row('4.2 no intersection', [edge('x.example.com'), bound('a', ['y.example.com'])], [[at('x.example.com'), notFound], [at('y.example.com'), notFound]]),
    row('4.2 both *', [edge('*'), bound('a', ['*'])], [[at('anything'), told('a')], [at('10.0.0.1:8080'), told('a')], [at('[::1]'), told('a')]]),
    row('4.2 a short VirtualService host is a service\'s full name', [edge('*'), reviews, bound('a', ['reviews'])], [[at('reviews.default.svc.cluster.local'), told('a')], [at('reviews'), notFound]]),
    row('4.2 the most specific name wins', [edge('*'), bound('a', ['*']), bound('b', ['*.example.com']), bound('c', ['x.example.com']), bound('d', ['*.y.example.com'])], [[at('x.example.com'), told('c')], [at('z.example.com'), told('b')], [at('1.y.example.com'), told('d')], [at('other'), told('a')]]),
    row('4.2 ns/host: only that namespace\'s VirtualServices', [gateway('edge', [http(80, ['shop/a.example', './b.example', '*/c.example'])]), ...['shop', 'default', 'prod'].map((namespace) => bound('v', ['a.example', 'b.example', 'c.example'], namespace, {}, namespace))], [[at('a.example'), told('shop')], [at('b.example'), told('default')], [at('c.example'), told('default')]]),
    row('4.2 one VirtualService, several hosts of one server', [edge('a.example', 'b.example'), bound('a', ['b.example', 'a.example', 'c.example'])], [[at('a.example'), told('a')], [at('b.example'), told('a')], [at('c.example'), notFound]]),
  ];

  const merging: readonly MeshRow[] = [
    row('2.1 VirtualServices of one host are put together, oldest first', [edge('*'), aged(bound('z', ['a.example'], '', { http: [{ match: [{ uri: { prefix: '/a' } }], ...says('z') }] }), '2025-01-01T00:00:00Z'), aged(bound('a', ['a.example'], '', { http: [{ match: [{ uri: { prefix: '/a' } }], ...says('a') }, { match: [{ uri: { prefix: '/b' } }], ...says('a b') }] }), '2026-01-01T00:00:00Z')], [[at('a.example', { path: '/a' }), told('z')], [at('a.example', { path: '/b' }), told('a b')], [at('a.example', { path: '/c' }), notFound]]),
    row('2.1 … catch-alls last, whatever their age', [edge('*'), bound('a', ['a.example']), bound('b', ['a.example'], '', { http: [{ match: [{ uri: { prefix: '/b' } }], ...says('b') }, says('b all')] })], [[at('a.example', { path: '/b' }), told('b')], [at('a.example', { path: '/c' }), told('a')]]),
    row('2.1 … also one with a regex .*', [edge('*'), bound('a', ['a.example'], '', { http: [{ match: [{ uri: { regex: '.*' } }], ...says('a all') }] }), bound('b', ['a.example'], '', { http: [{ match: [{ uri: { prefix: '/b' } }], ...says('b') }] })], [[at('a.example', { path: '/b' }), told('b')], [at('a.example', { path: '/c' }), told('a all')]]),
    row('2.1 a wildcard VirtualService does not lend its routes to an exact one', [edge('*'), bound('wild', ['*.example'], 'wild'), bound('exact', ['a.example'], '', { http: [{ match: [{ uri: { prefix: '/a' } }], ...says('exact') }] })], [[at('a.example', { path: '/a' }), told('exact')], [at('a.example', { path: '/b' }), notFound], [at('b.example'), told('wild')]]),
    row('2.1 bound by two gateways of one port', [gateway('edge', [http(80, ['*.example'])]), gateway('second', [http(80, ['*'])]), bound('a', ['a.example'], '', { gateways: ['default/edge', 'default/second'], http: [{ match: [{ gateways: ['default/second'], uri: { prefix: '/2' } }], ...says('second') }, says('any')] })], [[at('a.example', { path: '/1' }), told('any')]]),
  ];

  const forwarding: readonly MeshRow[] = [
    row('4.4 routes to subsets by the DestinationRule the gateway sees', [edge('*'), reviews, destinationRule('reviews', ['v1', 'v2']), bound('a', ['a.example'], '', { http: [{ match: [{ uri: { prefix: '/2' } }], route: [to('reviews', 'v2')] }, { route: [to('reviews', 'v1')] }] })], [[at('a.example'), { by: 'v1', host: 'a.example', log: { upstream_cluster: 'outbound|9080|v1|reviews.default.svc.cluster.local' } }], [at('a.example', { path: '/2' }), 'v2']]),
    row('4.4 … and by none that is private to the service\'s namespace', [edge('*'), reviews, destinationRule('reviews', ['v1'], { exportTo: ['.'] }), bound('a', ['a.example'], '', { http: [{ route: [to('reviews', 'v1')] }] })], [[at('a.example'), { status: 503, log: { response_flags: 'NC' } }]]),
    row('2.4 without a port of several: the server\'s port', [edge('*'), `${JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'multi', namespace: 'default' }, spec: { selector: { app: 'client' }, ports: [{ name: 'http', port: 80 }, { name: 'http-b', port: 81 }] } })}`, bound('a', ['a.example'], '', { http: [{ route: [to('multi')] }] })], [[at('a.example'), { status: 503, log: { upstream_cluster: 'outbound|80||multi.default.svc.cluster.local' } }]]),
    row('5.1 resolution NONE uses the endpoints there are: none', [edge('*'), istio('ServiceEntry', 'none', { hosts: ['none.example'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], resolution: 'NONE' }), bound('a', ['a.example'], '', { http: [{ route: [to('none.example')] }] })], [[at('a.example'), { status: 503, text: 'no healthy upstream', log: { response_flags: 'UH' } }]]),
    row('4.4 the edge\'s headers: what a client says about itself does not count', [edge('*'), service('reviews', { workloads: [mesh.at('v1')] }), bound('a', ['a.example'], '', { http: [{ route: [to('reviews')] }] })], [
      [
        at('a.example', { headers: { 'X-Forwarded-For': '10.1.1.1', 'X-Forwarded-Proto': 'https', 'X-Request-Id': 'forged', 'X-Envoy-External-Address': '1.1.1.1', 'X-Forwarded-Client-Cert': 'By=x', 'X-Envoy-Peer-Metadata': 'x', 'X-Envoy-Max-Retries': '9' } }),
        { by: 'v1', headers: { 'x-forwarded-for': '10.1.1.1,10.9.8.7', 'x-forwarded-proto': 'http', 'x-request-id': /^[0-9a-f-]{36}$/, 'x-envoy-external-address': '127.0.0.1', 'x-forwarded-client-cert': null, 'x-envoy-peer-metadata': null, 'x-envoy-max-retries': null }, log: { downstream_remote_address: /^127\.0\.0\.1:\d+$/ } },
      ],
    ]),
    row('12 numTrustedProxies believes so many hops', [edge('*'), service('reviews', { workloads: [mesh.at('v1')] }), bound('a', ['a.example'], '', { http: [{ route: [to('reviews')] }] }), JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data: { mesh: 'defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}' } })], [[at('a.example', { headers: { 'X-Forwarded-For': '10.1.1.1, 10.2.2.2', 'X-Forwarded-Proto': 'https' } }), { by: 'v1', headers: { 'x-forwarded-for': '10.1.1.1, 10.2.2.2,10.9.8.7', 'x-forwarded-proto': 'https', 'x-envoy-external-address': '10.2.2.2' }, log: { downstream_remote_address: '10.2.2.2:0' } }], [at('a.example', { headers: { 'X-Forwarded-For': 'unknown' } }), { by: 'v1', headers: { 'x-forwarded-for': 'unknown,10.9.8.7', 'x-envoy-external-address': '127.0.0.1' } }]]),
    row('13.5 absolute form, and nothing like a forward proxy', [edge('a.example'), reviews, bound('a', ['a.example'])], [[{ target: 'http://a.example/x', host: 'b.example' }, told('a')], [{ target: 'http://127.0.0.1:1/', host: 'a.example' }, notFound]]),
  ];

  const redirectedTo = (location: string): Answer => ({ status: 301, text: '', response: { location } });
  const redirecting = gateway('edge', [http(80, ['a.example', '*.b.example'], { tls: { httpsRedirect: true } }), http(81, ['*'])]);
  const redirect: readonly MeshRow[] = [
    row('4.3 httpsRedirect for every host of the server, with a VirtualService or without', [redirecting, bound('a', ['a.example'])], [
      [at('a.example', { via: 80, path: '/x?y' }), redirectedTo('https://a.example/x?y')],
      [at('a.example:80', { via: 80 }), redirectedTo('https://a.example:80/')],
      [at('x.b.example', { via: 80, path: '/p' }), redirectedTo('https://x.b.example/p')],
      [at('c.example', { via: 80 }), notFound],
      [at('a.example', { via: 81 }), told('a')],
      [at('a.example', { via: 80, headers: { 'x-forwarded-proto': 'https' } }), redirectedTo('https://a.example/')],
    ]),
    row('4.3 … unless a trusted hop says it was https', [redirecting, bound('a', ['a.example']), JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data: { mesh: 'defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}' } })], [
      [at('a.example', { via: 80, headers: { 'x-forwarded-proto': 'https' } }), told('a')],
      [at('a.example', { via: 80 }), redirectedTo('https://a.example/')],
    ]),
  ];

  await mesh.play(t, [...selection, ...references, ...hosts, ...merging, ...forwarding, ...redirect]);
});

t.test('ports come and go with the snapshot', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1'], mode: 'gateway', workload: 'edge/ingress', args: ['--map-port', '80=0', '--map-port', '81=0'] });
  const labels = { istio: 'ingress' };
  const a = bound('a', ['*']);
  await mesh.load([gateway('edge', [http(80, ['*'])]), a], labels);
  const first = await mesh.entry(80);
  const client = await mesh.proxy.connect(first);
  t.equal((await client.exchange({ host: 'x' })).text, 'a');
  await mesh.load([gateway('edge', [http(80, ['*']), http(81, ['*'])]), a], labels);
  t.equal(await mesh.entry(80), first, 'a port that stays keeps its number');
  t.equal((await client.exchange({ host: 'x' })).text, 'a', 'and its connections');
  t.equal((await mesh.ask({ host: 'x', via: 81 })).response.text, 'a');
  await mesh.load([gateway('edge', [http(81, ['*'])]), a], labels);
  t.same(Object.keys((await mesh.bound()).ports ?? {}), ['81']);
  await client.closed();
  await t.rejects(mesh.proxy.connect(first), 'a port that went is not served any more');
});
