/** Gateway mode: istio-api.md section 4 and the gateway halves of 2.1 and 2.3. */

import t from 'tap';
import { istio } from '../../../support/resources.ts';
import { actionOf, compilation, compiled, GATEWAY, hostOf, kube, mesh, routesOf } from './compiled.ts';

type Fields = Readonly<Record<string, unknown>>;

const server = (hosts: readonly string[], more: Fields = {}, port: Fields = {}) => ({ hosts, port: { number: 80, name: 'http', protocol: 'HTTP', ...port }, ...more });
const gateway = (servers: readonly Fields[], name = 'gw', namespace = 'default', selector: Fields = { istio: 'ingressgateway' }) => istio('Gateway', name, { selector, servers }, namespace);
const vs = (name: string, hosts: readonly string[], spec: Fields = {}, namespace = 'default') =>
  istio('VirtualService', name, { hosts, gateways: ['default/gw'], http: [{ route: [{ destination: { host: `to-${name}` } }] }], ...spec }, namespace);
const at = (resources: Parameters<typeof compiled>[0], node: Partial<typeof GATEWAY> = {}) => compiled(resources, { ...GATEWAY, ...node });
const hosts = (config: ReturnType<typeof compiled>, table = 'http.80') => config.routeTables[table]?.virtualHosts.map(({ domains }) => domains.join(' '));

t.test('which Gateways and servers', async (t) => {
  const config = at([gateway([server(['*'])]), gateway([server(['*'], {}, { number: 81 })], 'other', 'default', { istio: 'egressgateway' })]);
  t.same(config.listeners.map(({ name }) => name), ['0.0.0.0_80']);
  t.match(config.listeners[0], { direction: 'gateway', bind: { address: '0.0.0.0', port: 80 }, declaredPort: 80, routing: { kind: 'table', table: 'http.80', port: 80 }, http: { useRemoteAddress: true, numTrustedProxies: 0, pathNormalization: 'BASE' }, origin: { resource: 'Gateway default/gw' } });
  t.same(at([gateway([server(['*'])], 'gw', 'elsewhere', {})]).listeners.length, 1, 'no selector: every workload, any namespace');
  t.same(at([gateway([server(['*'], {}, { protocol: 'http2' })])]).listeners.length, 1);
  t.match(at([gateway([server(['*'])]), mesh({ defaultConfig: { gatewayTopology: { numTrustedProxies: 2 } } })]).listeners[0]?.http, { numTrustedProxies: 2 });
  t.match(at([gateway([server(['*'], { bind: '127.0.0.1' })])]), { listeners: [{ name: '127.0.0.1_80', bind: { address: '127.0.0.1' }, routing: { table: 'http.80.127.0.0.1' } }] });
});

t.test('ports: the gateway Service, and --map-port', async (t) => {
  const ingress = (targetPort: number | string) => kube('ingress', { selector: { istio: 'ingressgateway' }, ports: [{ name: 'http', port: 80, targetPort }] }, { namespace: 'istio-system' });
  t.match(at([gateway([server(['*'])]), ingress(8080)]).listeners, [{ name: '0.0.0.0_8080', bind: { port: 8080 }, declaredPort: 80, routing: { table: 'http.8080', port: 80 } }]);
  t.match(at([gateway([server(['*'])]), ingress('web')]).listeners, [{ bind: { port: 80 } }], 'a name is nobody here');
  t.match(at([gateway([server(['*'])]), ingress(8080)], { portMap: { 80: 0 } }).listeners, [{ bind: { port: 0 }, declaredPort: 80 }]);
  t.match(at([gateway([server(['*'])])], { portMap: { 80: 12345 } }).listeners, [{ bind: { port: 12345 }, declaredPort: 80 }]);
  const both = at([gateway([server(['a.com'])]), gateway([server(['b.com'], {}, { number: 8080 })], 'second'), ingress(8080)]);
  t.equal(both.listeners.length, 1, 'two declared ports that meet');
});

t.test('a port belongs to the protocol that had it first', async (t) => {
  const plain = server(['a.com']);
  const tls = server(['b.com'], { tls: { mode: 'SIMPLE', credentialName: 'c' } }, { protocol: 'HTTPS', name: 'https' });
  const tcp = server(['*'], {}, { protocol: 'TCP', name: 'tcp' });
  const others = [vs('v', ['b.com'], { tcp: [{ route: [{ destination: { host: 'b' } }] }] })];
  for (const [first, second, kept] of [[plain, tls, 'HTTP'], [tls, plain, 'HTTPS'], [tcp, plain, 'TCP'], [plain, tcp, 'HTTP'], [tls, tcp, 'HTTPS'], [tcp, server(['c.com'], {}, { protocol: 'MONGO', name: 'other' }), 'TCP']] as const) {
    const { config, problems } = compilation([gateway([first]), gateway([second], 'hw'), ...others], GATEWAY);
    t.equal(config.listeners.length, 1, kept);
    t.match(problems, [{ severity: 'warning', resource: 'Gateway default/hw', path: 'spec.servers[0].port', message: new RegExp(`^port 80 is already served as ${kept} by Gateway default/gw; this server is left out$`) }], kept);
  }
  const apart = at([gateway([server(['a.com'], { bind: '127.0.0.1' })]), gateway([server(['b.com'], { bind: '127.0.0.2', tls: { mode: 'SIMPLE', credentialName: 'c' } }, { protocol: 'HTTPS' })], 'hw')]);
  t.same(apart.listeners.map(({ name }) => name), ['127.0.0.1_80', '127.0.0.2_80'], 'other addresses, other listeners');
  t.same(at([gateway([server(['a.com'], { bind: '' })])]).listeners[0]?.bind.address, '0.0.0.0', 'an empty bind is none');
  t.same(at([gateway([server(['*'], {}, { protocol: 'UDP' })])]).listeners, []);
});

t.test('hosts of server and VirtualService intersect', async (t) => {
  const cases: readonly (readonly [server: readonly string[], rule: readonly string[], bound: readonly string[]])[] = [
    [['*'], ['x.com'], ['x.com']],
    [['*.com'], ['x.com'], ['x.com']],
    [['x.com'], ['*.com'], ['x.com']],
    [['x.com'], ['*'], ['x.com']],
    [['X.com'], ['x.COM'], ['x.com']],
    [['x.com'], ['y.com'], ['*']],
    [['*.com', '*.org'], ['a.com', 'b.org', 'c.net'], ['a.com', 'b.org']],
    [['default/x.com'], ['x.com'], ['x.com']],
    [['./x.com'], ['x.com'], ['x.com']],
    [['*/x.com'], ['x.com'], ['x.com']],
    [['other/x.com'], ['x.com'], ['*']],
  ];
  for (const [served, rule, bound] of cases) t.same(hosts(at([gateway([server(served)]), vs('v', rule)])), bound, `${served.join()} and ${rule.join()}`);
  t.same(hosts(at([gateway([server(['./x.com'])]), vs('v', ['x.com'], {}, 'prod')])), ['*'], '. is the namespace of the Gateway');
});

t.test('nothing bound: 404 for everything', async (t) => {
  const config = at([gateway([server(['*'])])]);
  t.match(config.routeTables['http.80']?.virtualHosts, [{ name: 'blackhole:80', domains: ['*'], routes: [], virtualService: null }]);
  t.same(hosts(at([gateway([server(['*'])]), vs('v', ['x.com'], { gateways: ['mesh'] })])), ['*'], 'not for this gateway');
  t.same(hosts(at([gateway([server(['*'])]), vs('v', ['x.com'], { exportTo: ['.'] })])), ['*'], "not exported to the gateway's namespace");
});

t.test('several VirtualServices for a host: in order of age, catch-alls last', async (t) => {
  const rules = (name: string, ...paths: readonly (string | undefined)[]) =>
    vs(name, ['x.com'], { http: paths.map((path) => ({ name: `${name}${path ?? ''}`, ...(path !== undefined && { match: [{ uri: { prefix: path } }] }), route: [{ destination: { host: 'b' } }] })) });
  const config = at([gateway([server(['*'])]), rules('a', '/1', undefined), rules('b', '/2', '/'), rules('c', '/3')]);
  t.same(routesOf(config, 'http.80', 'x.com').map(({ name }) => name), ['a/1', 'b/2', 'c/3', 'a', 'b/']);
  t.same(routesOf(config, 'http.80', 'x.com').map(({ virtualService }) => virtualService), ['default/a', 'default/b', 'default/c', 'default/a', 'default/b']);
  t.equal(hostOf(config, 'http.80', 'x.com')?.virtualService, 'default/a');
});

t.test('static conditions at a gateway', async (t) => {
  const match = (condition: Fields) => {
    const http = [{ match: [condition], route: [{ destination: { host: 'b' } }] }, { route: [{ destination: { host: 'c' } }] }];
    return actionOf(routesOf(at([gateway([server(['*'])]), vs('v', ['x.com'], { gateways: ['default/gw', 'mesh'], http })]), 'http.80', 'x.com')[0]).includes('||b.');
  };
  t.same([{ port: 80 }, { port: 81 }, { gateways: ['gw'] }, { gateways: ['default/gw'] }, { gateways: ['mesh'] }, { sourceLabels: { istio: 'ingressgateway' } }, { sourceNamespace: 'default' }].map(match), [true, false, true, true, false, true, false]);
});

t.test('destination ports', async (t) => {
  const config = at([gateway([server(['*'])]), kube('one', { ports: [{ name: 'http', port: 9080 }] }), kube('two', { ports: [{ name: 'http', port: 9080 }, { name: 'b', port: 9081 }] }), vs('v', ['x.com'], { http: [{ match: [{ uri: { exact: '/1' } }], route: [{ destination: { host: 'one' } }] }, { route: [{ destination: { host: 'two' } }] }] })]);
  t.same(routesOf(config, 'http.80', 'x.com').map(actionOf), ['outbound|9080||one.default.svc.cluster.local', 'outbound|80||two.default.svc.cluster.local'], 'the only port, else that of the server');
  t.ok(config.clusters['outbound|9080||one.default.svc.cluster.local']);
  t.notOk(config.clusters['PassthroughCluster'], 'a gateway passes nothing through');
});

t.test('httpsRedirect', async (t) => {
  const redirecting = (served: readonly string[]) => server(served, { tls: { httpsRedirect: true } });
  const config = at([gateway([redirecting(['*.com', 'default/y.org'])]), vs('v', ['x.com'])]);
  t.same(config.routeTables['http.80']?.virtualHosts.map(({ domains, requireTls, routes }) => [domains[0], requireTls, routes.length]), [['*.com', true, 0], ['x.com', true, 1], ['y.org', true, 0]], 'hosts without a VirtualService too');
  const mixed = at([gateway([redirecting(['a.com']), server(['b.com'], {}, { number: 80, name: 'http2' })]), vs('v', ['a.com', 'b.com'])]);
  t.same(mixed.routeTables['http.80']?.virtualHosts.map(({ domains, requireTls }) => [domains[0], requireTls]), [['a.com', true], ['b.com', undefined]]);
});
