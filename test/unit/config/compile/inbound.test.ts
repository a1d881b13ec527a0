/** The server side of a sidecar: istio-api.md 6.2 (ingress), 3.6 (inbound pools), 14.2 (names). */

import t from 'tap';
import { istio } from '../../../support/resources.ts';
import { addresses, cluster, compiled, entry, hostOf, kube, mesh, pods, slice } from './compiled.ts';

const selecting = (name: string, ports: readonly Record<string, unknown>[]) => kube(name, { selector: { app: 'client' }, ports });
const routing = (config: ReturnType<typeof compiled>) => config.listeners.find(({ name }) => name === 'virtualInbound')?.routing;

t.test('one HTTP port: whatever the request names leads to it', async (t) => {
  const config = compiled([selecting('own', [{ name: 'http', port: 80, targetPort: 8080 }, { name: 'tcp', port: 90 }])]);
  t.same(routing(config), { kind: 'by-port', tables: { 80: 'inbound|8080||', 8080: 'inbound|8080||' }, unknown: 'inbound|8080||' });
  t.equal(addresses(config, 'inbound|8080||'), '10.9.9.9:8080');
  t.match(hostOf(config, 'inbound|8080||', '*'), { name: 'inbound|http|80', virtualService: null, routes: [{ name: 'default', index: -1, action: { destinations: [{ cluster: 'inbound|8080||' }] } }] });
  t.match(cluster(config, 'inbound|8080||'), { discovery: 'STATIC', protocol: 'HTTP', port: 80, service: { host: 'own.default.svc.cluster.local', name: 'own', namespace: 'default' } });
  t.equal(addresses(compiled([selecting('own', [{ name: 'http', port: 80 }])], { ip: '' }), 'inbound|80||'), '127.0.0.1:80');
});

t.test('several: the port decides, unknown ones pass through to this workload alone', async (t) => {
  const config = compiled([selecting('own', [{ name: 'http', port: 80, targetPort: 8080 }, { name: 'http-b', port: 8080, targetPort: 9090 }])]);
  t.same(routing(config), { kind: 'by-port', tables: { 80: 'inbound|8080||', 8080: 'inbound|8080||', 9090: 'inbound|9090||' }, unknown: 'InboundPassthroughCluster' }, 'a local port wins over a service port');
  t.match(cluster(config, 'InboundPassthroughCluster'), { discovery: 'ORIGINAL_DST', addressOverride: '10.9.9.9' });
  t.equal(cluster(compiled([mesh({ inboundTrafficPolicy: { mode: 'LOCALHOST' } })]), 'InboundPassthroughCluster').addressOverride, '127.0.0.1');
  t.match(hostOf(config, 'InboundPassthroughCluster', '*'), { name: 'inbound|http|0', routes: [{ action: { destinations: [{ cluster: 'InboundPassthroughCluster' }] } }] });
  t.match(routing(compiled([])), { tables: {}, unknown: 'InboundPassthroughCluster' });
});

t.test('which services are its own', async (t) => {
  const owns = (...resources: Parameters<typeof compiled>[0]) => Object.keys(compiled(resources).clusters).filter((name) => name.startsWith('inbound'));
  const bare = kube('x', { ports: [{ name: 'http', port: 7 }] });
  t.same(owns(selecting('x', [{ name: 'http', port: 7 }])), ['inbound|7||'], 'by selector');
  t.same(owns({ ...selecting('x', [{ name: 'http', port: 7 }]), metadata: { name: 'x', namespace: 'other' } }), [], 'of its namespace');
  t.same(owns(bare, slice('x', [{ addresses: ['1.1.1.1'], targetRef: { kind: 'Pod', name: 'client' } }], [{ name: 'http', port: 7 }])), ['inbound|7||'], 'by targetRef');
  t.same(owns(bare, slice('x', [{ addresses: ['10.9.9.9'] }], [{ name: 'http', port: 7 }])), ['inbound|7||'], 'by address');
  t.same(owns(bare, slice('x', [{ addresses: ['10.9.9.9'], targetRef: { kind: 'Pod', name: 'other' } }], [{ name: 'http', port: 7 }])), [], 'unless it is said to be another');
  const loopback = compiled([bare, slice('x', [{ addresses: ['127.0.0.1'] }], [{ name: 'http', port: 7 }])], { ip: '127.0.0.1' });
  t.notOk(loopback.clusters['inbound|7||'], 'a loopback address is everybody');
  const ports = [{ number: 7, name: 'http', protocol: 'HTTP' }];
  t.same(owns(entry('e', { hosts: ['e.com'], ports, location: 'MESH_INTERNAL', resolution: 'STATIC', workloadSelector: { labels: { app: 'client' } } })), ['inbound|7||']);
  t.same(owns(entry('e', { hosts: ['e.com'], ports, resolution: 'STATIC', endpoints: [{ address: '10.9.9.9' }] })), ['inbound|7||']);
  t.same(owns(selecting('a', [{ name: 'http', port: 7 }]), selecting('b', [{ name: 'http', port: 8, targetPort: 7 }])), ['inbound|7||'], 'one for each local port');
});

t.test('named target ports', async (t) => {
  const own = selecting('own', [{ name: 'http', port: 80, targetPort: 'web' }]);
  const containers = { spec: { containers: [{ name: 'x', ports: [{ name: 'web', containerPort: 9080 }] }] } };
  t.ok(compiled([own, pods('client', '10.9.9.9', { app: 'client' }, containers)]).clusters['inbound|9080||'], 'the container port of its Pod');
  t.ok(compiled([own, slice('own', [{ addresses: ['10.9.9.9'], targetRef: { name: 'client' } }], [{ name: 'http', port: 9081 }])]).clusters['inbound|9081||'], 'what a slice says');
});

t.test('VirtualServices do not apply to inbound requests', async (t) => {
  const config = compiled([selecting('own', [{ name: 'http', port: 80 }]), istio('VirtualService', 'own', { hosts: ['own'], http: [{ directResponse: { status: 418 } }] })]);
  t.match(hostOf(config, 'inbound|80||', '*')?.routes, [{ name: 'default' }]);
});

t.test('connection pools of the server side', async (t) => {
  const pool = (seconds: number) => ({ tcp: { connectTimeout: `${seconds}s` } });
  const rule = istio('DestinationRule', 'own', { host: 'own', trafficPolicy: { loadBalancer: { simple: 'RANDOM' }, tls: { mode: 'ISTIO_MUTUAL' }, connectionPool: pool(1), portLevelSettings: [{ port: { number: 81 }, connectionPool: pool(2) }] } });
  const own = selecting('own', [{ name: 'http', port: 80 }, { name: 'http-b', port: 81 }]);
  const timeouts = (...resources: Parameters<typeof compiled>[0]) => [80, 81].map((port) => cluster(compiled([own, ...resources]), `inbound|${port}||`).connectTimeoutMs);
  t.same(timeouts(), [10_000, 10_000]);
  t.same(timeouts(rule), [1000, 2000]);
  t.same(timeouts(rule, istio('Sidecar', 's', { inboundConnectionPool: pool(3) })), [3000, 3000]);
  t.match(cluster(compiled([own, rule]), 'inbound|80||'), { loadBalancer: { policy: 'LEAST_REQUEST' }, tls: { mode: 'DISABLE' } }, 'nothing else of the rule');
});

t.test('Sidecar ingress', async (t) => {
  const ingress = (listeners: readonly Record<string, unknown>[], more: Record<string, unknown> = {}) => compiled([selecting('own', [{ name: 'http', port: 80 }]), istio('Sidecar', 's', { ingress: listeners, ...more })]);
  const port = (number: number, protocol = 'HTTP') => ({ number, protocol, name: `p${number}` });
  const target = (defaultEndpoint: string | undefined) => addresses(ingress([{ port: port(9080), ...(defaultEndpoint && { defaultEndpoint }) }]), 'inbound|9080||');
  t.same(['127.0.0.1:8080', '[::1]:8080', '0.0.0.0:8080', '[::]:8080', 'unix:///run/x', undefined].map(target), ['127.0.0.1:8080', '::1:8080', '10.9.9.9:8080', '10.9.9.9:8080', 'unix:///run/x:0', '10.9.9.9:9080']);
  const config = ingress([{ port: port(9080), defaultEndpoint: '127.0.0.1:8080' }]);
  t.notOk(config.clusters['inbound|80||'], 'what is listed replaces what the Services say');
  t.same(routing(config), { kind: 'by-port', tables: { 9080: 'inbound|9080||' }, unknown: 'inbound|9080||' });
  t.same(config.listeners.length, 2, 'captured, not bound');
  const bound = ingress([{ port: port(9080), bind: '127.0.0.1', captureMode: 'NONE', defaultEndpoint: '127.0.0.1:8080' }]);
  t.match(bound.listeners.at(-1), { name: '127.0.0.1_9080', direction: 'inbound', bind: { address: '127.0.0.1', port: 9080 }, declaredPort: 9080, routing: { kind: 'table', table: 'inbound|9080||', port: 9080 } });
  t.notOk(ingress([{ port: port(9080, 'TCP') }]).routeTables['inbound|9080||'], 'TCP is not HTTP');
  const pooled = ingress([{ port: port(1), connectionPool: { tcp: { connectTimeout: '1s' } } }, { port: port(2) }], { inboundConnectionPool: { tcp: { connectTimeout: '2s' } } });
  t.same([1, 2].map((number) => cluster(pooled, `inbound|${number}||`).connectTimeoutMs), [1000, 2000]);
});
