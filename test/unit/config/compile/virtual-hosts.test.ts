/** Outbound virtual hosts: host variants, who owns a host, visibility and scope. istio-api.md 1.3–1.5, 2.1, section 6, 7. */

import t from 'tap';
import { istio } from '../../../support/resources.ts';
import { actionOf, compiled, entry, hostOf, kube, mesh, routesOf, virtualHost } from './compiled.ts';

const vs = (name: string, hosts: readonly string[], spec: Readonly<Record<string, unknown>> = {}, metadata: Readonly<Record<string, unknown>> = {}) => ({
  ...istio('VirtualService', name, { hosts, http: [{ route: [{ destination: { host: `to-${name}` } }] }], ...spec }),
  metadata: { name, namespace: 'default', ...metadata },
});
const target = (name: string, namespace = 'default', port = 80) => `outbound|${port}||to-${name}.${namespace}.svc.cluster.local`;
const REVIEWS = 'reviews.default.svc.cluster.local';

t.test('names of a Kubernetes service', async (t) => {
  const service = kube('reviews', { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7', 'fd00::7'] });
  t.same(hostOf(compiled([service]), 80, REVIEWS)?.domains, [REVIEWS, `${REVIEWS}.`, '10.96.0.7', '[fd00::7]', 'reviews', 'reviews.default', 'reviews.default.svc'], 'from its own namespace');
  t.same(hostOf(compiled([service], { namespace: 'prod' }), 80, REVIEWS)?.domains, [REVIEWS, `${REVIEWS}.`, '10.96.0.7', '[fd00::7]', 'reviews.default', 'reviews.default.svc'], 'from another');
  t.same(hostOf(compiled([service], { clusterDomain: 'mesh.local' }), 80, 'reviews')?.domains[0], 'reviews.default.svc.mesh.local');
});

t.test('names of headless services, ServiceEntries and foreign domains', async (t) => {
  const headless = hostOf(compiled([kube('db', { clusterIP: 'None' })]), 80, 'db')?.domains ?? [];
  for (const domain of ['db', '*.db', '*.db.default', '*.db.default.svc.cluster.local']) t.ok(headless.includes(domain), domain);
  const ports = [{ number: 80, name: 'http', protocol: 'HTTP' }];
  const config = compiled([entry('api', { hosts: ['api.example.com', '*.wild.com'], addresses: ['240.0.0.1', '10.0.0.0/8'], ports })]);
  t.same(hostOf(config, 80, 'api.example.com')?.domains, ['api.example.com', '240.0.0.1'], 'itself and its VIPs, no blocks');
  t.same(hostOf(config, 80, '*.wild.com')?.domains, ['*.wild.com'], 'an address belongs to the first that claims it');
});

t.test('a short form never steals the full name of another', async (t) => {
  const config = compiled([kube('foo', {}, { namespace: 'bar' }), entry('foo', { hosts: ['foo.bar'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }] })]);
  t.equal(hostOf(config, 80, 'foo.bar')?.name, 'foo.bar:80');
  t.same(hostOf(config, 80, 'foo.bar.svc')?.name, 'foo.bar.svc.cluster.local:80');
});

t.test('one table a port, named by it, ending in the catch-all', async (t) => {
  const ports = [{ name: 'http', port: 80 }, { name: 'tcp-x', port: 90 }, { name: 'grpc', port: 70 }, { name: 'odd', port: 60 }];
  const config = compiled([kube('b', { ports }), kube('a')]);
  t.same(Object.keys(config.routeTables), ['60', '70', '80', 'InboundPassthroughCluster', 'unknown'], 'HTTP and sniffed ports only');
  t.same(config.routeTables['80']?.virtualHosts.map(({ name }) => name), ['a.default.svc.cluster.local:80', 'b.default.svc.cluster.local:80', 'allow_any']);
  t.same(config.listeners[0]?.routing, { kind: 'by-port', tables: { 60: '60', 70: '70', 80: '80' }, unknown: 'unknown' });
  const [route] = routesOf(config, 80, 'a');
  t.match(route, { name: 'default', index: -1, origin: { resource: 'Service default/a' } });
  t.equal(actionOf(route), 'outbound|80||a.default.svc.cluster.local');
});

t.test('the port meant by a Host without one', async (t) => {
  const portless = (ports: readonly Record<string, unknown>[]) => {
    const config = compiled([kube('a', { ports })]);
    return ports.map(({ port }) => hostOf(config, String(port), 'a')?.portless);
  };
  t.same(portless([{ name: 'http', port: 8080 }]), [8080]);
  t.same(portless([{ name: 'http', port: 8080 }, { name: 'tcp-db', port: 9 }]), [8080, undefined], 'TCP ports do not count');
  t.same(portless([{ name: 'http', port: 8080 }, { name: 'what', port: 9 }]), [8080, undefined], 'a declared one beats a sniffed one');
  t.same(portless([{ name: 'http', port: 8080 }, { name: 'grpc', port: 9 }]), [undefined, undefined]);
  t.same(portless([{ port: 8080 }]), [8080], 'the only sniffed one');
});

t.test('which VirtualService owns a host', async (t) => {
  const services = [kube('reviews'), kube('ratings'), entry('w', { hosts: ['*.example.com', 'a.example.com', 'a.b.example.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }] })];
  const cases: readonly (readonly [what: string, rules: readonly ReturnType<typeof vs>[], host: string, action: string])[] = [
    ['exact host', [vs('x', ['reviews'])], 'reviews', target('x')],
    ['several hosts', [vs('x', ['ratings', 'reviews'])], 'reviews', target('x')],
    ['upper case', [vs('x', ['Reviews.Default.svc.cluster.local'])], 'reviews', target('x')],
    ['not the host of another namespace', [vs('x', ['reviews'], {}, { namespace: 'prod' })], 'reviews', `outbound|80||${REVIEWS}`],
    ['a dotted short name is complete', [vs('x', ['reviews.default'])], 'reviews', `outbound|80||${REVIEWS}`],
    ['a wildcard', [vs('x', ['*.default.svc.cluster.local'])], 'reviews', target('x')],
    ['exact beats wildcard', [vs('a', ['*.default.svc.cluster.local']), vs('x', ['reviews'])], 'reviews', target('x')],
    ['the longest wildcard wins', [vs('a', ['*.com']), vs('x', ['*.b.example.com']), vs('b', ['*.example.com'])], 'a.b.example.com', target('x')],
    ['a wildcard over a wildcard service', [vs('x', ['*.com'])], '*.example.com', target('x')],
    ['the oldest of the same host', [vs('a', ['reviews'], {}, { creationTimestamp: '2024-01-02T00:00:00Z' }), vs('x', ['reviews'], {}, { creationTimestamp: '2024-01-01T00:00:00Z' })], 'reviews', target('x')],
    ['by name without times', [vs('y', ['reviews']), vs('x', ['reviews'])], 'reviews', target('x')],
    ['gateway-only ones do not apply', [vs('x', ['reviews'], { gateways: ['gw'] })], 'reviews', `outbound|80||${REVIEWS}`],
    ['mesh among others does', [vs('x', ['reviews'], { gateways: ['gw', 'mesh'] })], 'reviews', target('x')],
  ];
  for (const [what, rules, host, action] of cases) t.equal(actionOf(routesOf(compiled([...services, ...rules]), 80, host)[0]), action, what);
  t.equal(hostOf(compiled([...services, vs('x', ['reviews'])]), 80, 'reviews')?.virtualService, 'default/x');
  t.equal(hostOf(compiled(services), 80, 'reviews')?.virtualService, null);
});

t.test('private before exported by name before public, then by age', async (t) => {
  const exported = (name: string, exportTo: readonly string[] | undefined, namespace = 'default') => vs(name, [REVIEWS], exportTo === undefined ? {} : { exportTo }, { namespace });
  const owner = (...rules: readonly ReturnType<typeof vs>[]) => hostOf(compiled([kube('reviews'), ...rules]), 80, 'reviews')?.virtualService;
  t.equal(owner(exported('a', undefined), exported('b', ['default'], 'prod'), exported('c', ['.'])), 'default/c');
  t.equal(owner(exported('a', undefined), exported('b', ['default'], 'prod')), 'prod/b');
  t.equal(owner(exported('b', ['*'], 'prod'), exported('a', ['.'], 'prod')), 'prod/b', 'private to somebody else is invisible');
  t.equal(owner(exported('b', ['other'], 'prod')), null);
});

t.test('hosts that are no service: on port 80 only, as written', async (t) => {
  const config = compiled([kube('web', { ports: [{ name: 'http', port: 8080 }] }), vs('x', ['shop.example.com', '*.shop.org'])]);
  t.same(hostOf(config, 80, 'shop.example.com')?.domains, ['shop.example.com']);
  t.equal(actionOf(routesOf(config, 80, '*.shop.org')[0]), target('x'));
  t.equal(hostOf(config, 8080, 'shop.example.com'), undefined);
  const mixed = compiled([kube('web', { ports: [{ name: 'http', port: 8080 }] }), vs('x', ['web', 'shop.example.com'])]);
  t.same(hostOf(mixed, 8080, 'shop.example.com')?.domains, ['shop.example.com'], 'beside a service of that port they count there too');
  t.equal(hostOf(mixed, 80, 'web.default.svc.cluster.local')?.virtualService, 'default/x', 'a service without port 80 is such a host there');
});

t.test('rules that all exclude this workload: as if there were none', async (t) => {
  const config = compiled([kube('reviews'), vs('x', ['reviews'], { http: [{ match: [{ sourceLabels: { app: 'other' } }], route: [{ destination: { host: 'b' } }] }] })]);
  const host = hostOf(config, 80, 'reviews');
  t.equal(actionOf(host?.routes[0]), `outbound|80||${REVIEWS}`);
  t.equal(host?.virtualService, null);
  t.match(host?.skipped, [{ route: 'http[0].match[0]', reason: 'wants sourceLabels app=other, this workload has app=client,version=v1', origin: { resource: 'VirtualService default/x' } }]);
});

t.test('ExternalName', async (t) => {
  const alias = (spec: Record<string, unknown> = {}) => kube('alias', { type: 'ExternalName', externalName: REVIEWS, ports: [{ name: 'http', port: 80 }], ...spec });
  const plain = compiled([kube('reviews'), alias()]);
  t.equal(hostOf(plain, 80, 'alias')?.name, `${REVIEWS}:80`, 'its names lead to the concrete service');
  t.notOk(Object.keys(plain.clusters).some((name) => name.includes('alias')), 'it has no cluster of its own');
  const routed = compiled([kube('reviews'), alias(), vs('x', ['alias'])]);
  t.equal(hostOf(routed, 80, 'alias.default.svc.cluster.local')?.virtualService, 'default/x');
  t.same(hostOf(routed, 80, 'alias.default.svc.cluster.local')?.domains, ['alias.default.svc.cluster.local'], 'a VirtualService on it applies to the full name only');
  t.equal(hostOf(routed, 80, 'alias')?.virtualService, null);
  t.equal(hostOf(routed, 80, 'reviews')?.virtualService, null);
  const portless = compiled([kube('reviews', { ports: [{ name: 'http', port: 8080 }] }), alias({ ports: undefined }), vs('x', ['alias'])]);
  t.equal(hostOf(portless, 80, 'alias.default.svc.cluster.local')?.virtualService, 'default/x', 'without ports on port 80');
  t.equal(hostOf(portless, 8080, 'alias.default.svc.cluster.local')?.virtualService, null);
  const to = compiled([kube('reviews'), alias(), kube('web'), vs('x', ['web'], { http: [{ route: [{ destination: { host: 'alias', subset: 'v1' } }] }] })]);
  t.equal(actionOf(routesOf(to, 80, 'web')[0]), `outbound|80|v1|${REVIEWS}`, 'as a destination it is the concrete host');
});

t.test('exportTo of services', async (t) => {
  const seen = (exportTo: string | undefined, client: string) => {
    const service = kube('a', {}, { ...(exportTo !== undefined && { annotations: { 'networking.istio.io/exportTo': exportTo } }) });
    return hostOf(compiled([service], { namespace: client }), 80, 'a.default') !== undefined;
  };
  t.same([undefined, '*', '.', 'prod', 'prod,test', '~'].map((exportTo) => [seen(exportTo, 'default'), seen(exportTo, 'prod')]), [
    [true, true], [true, true], [true, false], [false, true], [false, true], [false, false],
  ]);
  const hidden = compiled([kube('a'), mesh({ defaultServiceExportTo: ['.'] })], { namespace: 'prod' });
  t.equal(hostOf(hidden, 80, 'a.default'), undefined, 'the mesh default');
  const entries = [entry('e', { hosts: ['x.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], exportTo: ['.'] }, 'other')];
  t.equal(hostOf(compiled(entries), 80, 'x.com'), undefined);
});

t.test('one host of several namespaces: own first, else the oldest', async (t) => {
  const external = (name: string, namespace: string, port: number) => entry(name, { hosts: ['x.com'], ports: [{ number: port, name: 'http', protocol: 'HTTP' }] }, namespace);
  t.ok(hostOf(compiled([external('a', 'other', 80), external('b', 'default', 81)]), 81, 'x.com'));
  t.ok(hostOf(compiled([external('a', 'other', 80), external('b', 'third', 81)]), 80, 'x.com'));
});

t.test('unknown hosts', async (t) => {
  const catchAll = (...resources: Parameters<typeof compiled>[0]) => {
    const config = compiled([kube('a'), ...resources]);
    t.same(config.routeTables['80']?.virtualHosts.at(-1), config.routeTables['unknown']?.virtualHosts[0]);
    const host = hostOf(config, 'unknown', '*');
    return `${host?.name} ${actionOf(host?.routes[0])}`;
  };
  const sidecar = (spec: Record<string, unknown>) => istio('Sidecar', 's', { egress: [{ hosts: ['*/*'] }], ...spec });
  t.equal(catchAll(), 'allow_any PassthroughCluster');
  t.equal(catchAll(mesh({ outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } })), 'block_all direct 502');
  t.equal(catchAll(mesh({ outboundTrafficPolicy: {} })), 'allow_any PassthroughCluster');
  t.equal(catchAll(sidecar({ outboundTrafficPolicy: {} })), 'block_all direct 502', 'empty in a Sidecar means REGISTRY_ONLY');
  t.equal(catchAll(sidecar({ outboundTrafficPolicy: { mode: 'ALLOW_ANY' } }), mesh({ outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } })), 'allow_any PassthroughCluster');
  t.equal(catchAll(sidecar({}), mesh({ outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } })), 'block_all direct 502');
  const proxy = { host: 'a', subset: 'v1', port: { number: 80 } };
  t.equal(catchAll(sidecar({ outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: proxy } })), 'allow_any outbound|80|v1|a.default.svc.cluster.local');
});

t.test('Sidecar egress hosts', async (t) => {
  const services = [kube('a'), kube('b'), kube('c', {}, { namespace: 'prod' }), entry('x', { hosts: ['x.example.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }] }, 'prod')];
  const imported = (hosts: readonly string[], more: Parameters<typeof compiled>[0] = []) => {
    const config = compiled([...services, istio('Sidecar', 's', { egress: [{ hosts }] }), ...more]);
    return (config.routeTables['80']?.virtualHosts ?? []).map(({ name }) => name.split(/[.:]/)[0]).filter((name) => name !== 'allow_any');
  };
  t.same(imported(['*/*']), ['a', 'b', 'c', 'x']);
  t.same(imported(['./*']), ['a', 'b']);
  t.same(imported(['prod/*']), ['c', 'x']);
  t.same(imported(['prod/*.example.com']), ['x']);
  t.same(imported(['*/a.default.svc.cluster.local']), ['a']);
  t.same(imported(['~/*']), []);
  t.same(imported(['*/*', '~prod/*']), ['a', 'b'], 'exclusions beat inclusions');
  t.same(imported(['*/*', '~./b.default.svc.cluster.local']), ['a', 'c', 'x']);
  const rule = vs('r', ['a'], { http: [{ route: [{ destination: { host: 'c.prod.svc.cluster.local' } }] }] });
  const scoped = compiled([...services, rule, istio('Sidecar', 's', { egress: [{ hosts: ['./a.default.svc.cluster.local'] }] })]);
  t.same(Object.keys(scoped.clusters).filter((name) => name.startsWith('outbound')), ['outbound|80||a.default.svc.cluster.local', 'outbound|80||c.prod.svc.cluster.local'], 'destinations of imported VirtualServices come with them');
  t.equal(hostOf(scoped, 80, 'c.prod'), undefined, 'but get no virtual host');
  t.equal(hostOf(compiled([...services, rule, istio('Sidecar', 's', { egress: [{ hosts: ['./b.default.svc.cluster.local'] }] })]), 80, 'a.default.svc.cluster.local'), undefined);
});

t.test('which Sidecar applies', async (t) => {
  const sidecar = (name: string, namespace: string, labels?: Record<string, string>) =>
    istio('Sidecar', name, { ...(labels && { workloadSelector: { labels } }), egress: [{ hosts: [`*/${name}.default.svc.cluster.local`] }] }, namespace);
  const services = ['own', 'chosen', 'other', 'root', 'rooted'].map((name) => kube(name));
  const imported = (...sidecars: ReturnType<typeof sidecar>[]) => (compiled([...services, ...sidecars]).routeTables['80']?.virtualHosts ?? []).map(({ name }) => name.split('.')[0]).slice(0, -1);
  const own = sidecar('own', 'default');
  const root = sidecar('root', 'istio-system');
  t.same(imported(own, root, sidecar('chosen', 'default', { app: 'client' })), ['chosen'], 'a selector that matches');
  t.same(imported(own, root, sidecar('other', 'default', { app: 'x' })), ['own'], "else the namespace's");
  t.same(imported(root, sidecar('rooted', 'istio-system', { app: 'client' })), ['root'], "else the root namespace's, without selector");
  t.same(imported(sidecar('other', 'prod')).length, 5, 'else none');
});

t.test('Sidecar egress listeners', async (t) => {
  const services = [kube('a'), kube('b', { ports: [{ name: 'http', port: 80 }, { name: 'http-alt', port: 9080 }] }), kube('db', { ports: [{ name: 'tcp', port: 5432 }] })];
  const config = compiled([
    ...services,
    istio('Sidecar', 's', {
      egress: [
        { port: { number: 9080, protocol: 'HTTP', name: 'x' }, bind: '127.0.0.1', captureMode: 'NONE', hosts: ['*/*'] },
        { port: { number: 80, protocol: 'HTTP', name: 'y' }, hosts: ['./a.default.svc.cluster.local'] },
        { port: { number: 5432, protocol: 'TCP', name: 'z' }, bind: '127.0.0.1', captureMode: 'NONE', hosts: ['*/*'] },
        { hosts: ['*/*'] },
      ],
    }),
  ], { portMap: { 9080: 0 } });
  t.same(config.routeTables['9080']?.virtualHosts.map(({ name }) => name), ['b.default.svc.cluster.local:9080', 'allow_any']);
  t.same(config.routeTables['80']?.virtualHosts.map(({ name }) => name), ['a.default.svc.cluster.local:80', 'allow_any'], 'a port with a listener of its own has its imports alone');
  t.same(config.listeners.map(({ name }) => name), ['virtualOutbound', '127.0.0.1_5432', '127.0.0.1_9080', 'virtualInbound'], 'captureMode NONE is bound');
  t.match(config.listeners[2], { direction: 'outbound', bind: { address: '127.0.0.1', port: 0 }, declaredPort: 9080, routing: { kind: 'table', table: '9080', port: 9080 }, origin: { resource: 'Sidecar default/s' } });
  const every = compiled([...services, istio('Sidecar', 's', { egress: [{ captureMode: 'NONE', hosts: ['*/*'] }] })]);
  t.same(every.listeners.map(({ name }) => name), ['virtualOutbound', '127.0.0.1_80', '127.0.0.1_5432', '127.0.0.1_9080', 'virtualInbound'], 'without a port: every port');
});

t.test('capture listeners can be off', async (t) => {
  t.same(compiled([kube('a')], { outboundPort: 'off', inboundPort: 'off' }).listeners, []);
  t.same(compiled([kube('a')], { outboundPort: 0, bindAddress: '127.0.0.1' }).listeners[0]?.bind, { address: '127.0.0.1', port: 0 });
  t.same(compiled([mesh({ pathNormalization: { normalization: 'MERGE_SLASHES' } })]).listeners[0]?.http, { useRemoteAddress: false, numTrustedProxies: 0, pathNormalization: 'MERGE_SLASHES' });
});

t.test('duplicate names are left to the first', async (t) => {
  const config = compiled([kube('a'), vs('x', ['shop.example.com']), vs('y', ['shop.example.com'])]);
  t.equal(virtualHost(config, 80, 'shop.example.com:80')?.virtualService, 'default/x');
  const domains = Object.values(config.routeTables).map(({ virtualHosts }) => virtualHosts.flatMap((host) => host.domains));
  for (const all of domains) t.equal(new Set(all).size, all.length, 'every domain once');
});
