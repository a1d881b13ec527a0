/** Where outbound connections arrive: istio-api.md 2.13, 2.14, 5, 6, 7, 13.2. */

import t from 'tap';
import { istio } from '../../../support/resources.ts';
import { chainsOf, cluster, compilation, compiled, entry, hostOf, kube, mesh, pods, slice, virtualListeners } from './compiled.ts';

type Resources = Parameters<typeof compiled>[0];

const tcp = (number: number, name = 'tcp'): Record<string, unknown> => ({ name, port: number });
const vip = (name: string, clusterIP: string, ports: readonly Record<string, unknown>[]) => kube(name, { clusterIP, ports });
const external = (name: string, spec: Record<string, unknown>) => entry(name, { resolution: 'DNS', ...spec });
const written = (number: number, protocol: string) => ({ number, name: `p${number}`, protocol });
const host = (name: string) => `${name}.default.svc.cluster.local`;
const to = (name: string, port: number, subset = '') => `outbound|${port}|${subset}|${host(name)}`;

const PASS = 'else → tcp PassthroughCluster';
const HTTP = 'plain http/1.1,h2c → http';

interface Case {
  readonly name: string;
  readonly resources: Resources;
  readonly listeners: Readonly<Record<string, readonly string[]>>;
  readonly node?: Parameters<typeof compiled>[1];
}

function table(title: string, cases: readonly Case[]): void {
  t.test(title, async (t) => {
    for (const { name, resources, listeners, node } of cases) t.strictSame(virtualListeners(compiled(resources, node)), listeners, name);
  });
}

table('one port of a service', [
  { name: 'declared HTTP: one listener for the port, whatever the address', resources: [vip('a', '10.0.0.1', [{ name: 'http', port: 80 }])], listeners: { '0.0.0.0_80': [`${HTTP} 80`, PASS] } },
  { name: 'gRPC is HTTP', resources: [vip('a', '10.0.0.1', [{ name: 'grpc', port: 90 }])], listeners: { '0.0.0.0_90': [`${HTTP} 90`, PASS] } },
  { name: 'TCP: its address, nothing to look at', resources: [vip('a', '10.0.0.1', [tcp(90)])], listeners: { '10.0.0.1_90': [`else → tcp ${to('a', 90)}`] } },
  { name: 'TLS: the address says enough', resources: [vip('a', '10.0.0.1', [{ name: 'https', port: 443 }])], listeners: { '10.0.0.1_443': [`else → tcp ${to('a', 443)}`] } },
  { name: 'undeclared: HTTP by a table of its own, the rest as bytes', resources: [vip('a', '10.0.0.1', [{ port: 90 }])], listeners: { '10.0.0.1_90': [`${HTTP} ${host('a')}:90`, `else → tcp ${to('a', 90)}`] } },
  { name: 'well-known TCP ports are not looked at', resources: [vip('a', '10.0.0.1', [{ port: 3306 }])], listeners: { '10.0.0.1_3306': [`else → tcp ${to('a', 3306)}`] } },
  { name: 'UDP is not listened for', resources: [vip('a', '10.0.0.1', [{ port: 53, protocol: 'UDP' }])], listeners: {} },
  { name: 'several addresses', resources: [kube('a', { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1', 'fd00::1'], ports: [tcp(90)] })], listeners: { '10.0.0.1_90': [`else → tcp ${to('a', 90)}`], '[fd00::1]_90': [`else → tcp ${to('a', 90)}`] } },
  { name: 'an alias has no bytes of its own', resources: [kube('a', { type: 'ExternalName', externalName: 'x.example', ports: [tcp(90)] })], listeners: {} },
]);

t.test('names that stand for an address', async (t) => {
  const hosts = (name: string, ...resources: Resources) => compiled(resources).virtualListeners[name]?.hosts;
  const db = vip('db', '10.0.0.1', [tcp(90)]);
  t.strictSame(hosts('10.0.0.1_90', db), [host('db'), `${host('db')}.`, 'db', 'db.default', 'db.default.svc']);
  t.strictSame(hosts('10.0.0.1_90', db, external('e', { hosts: ['db.default'], ports: [written(90, 'TCP')] })), [host('db'), `${host('db')}.`, 'db', 'db.default.svc'], 'a short form of one service may be the name of another');
  t.strictSame(hosts('10.0.0.2_90', external('e', { hosts: ['e.example'], addresses: ['10.0.0.2'], ports: [written(90, 'TCP')] })), ['e.example']);
  t.equal(hosts('10.0.0.2_90', external('e', { hosts: ['e.example'], addresses: ['10.0.0.2'], ports: [written(90, 'TCP')], resolution: 'NONE' })), undefined, 'it stays where it was going');
  t.equal(hosts('0.0.0.0_90', vip('db', '', [tcp(90)])), undefined, 'no address to stand for');
});

table('families of addresses', [
  { name: 'IPv6', resources: [kube('a')], node: { ip: 'fd00::9' }, listeners: { '[::]_80': [`${HTTP} 80`, PASS] } },
  { name: 'both, by the Pod', resources: [kube('a'), pods('client', '10.9.9.9', {}, { status: { podIPs: [{ ip: '10.9.9.9' }, { ip: 'fd00::9' }] } })], listeners: { '0.0.0.0_80': [`${HTTP} 80`, PASS], '[::]_80': [`${HTTP} 80`, PASS] } },
  { name: 'both, bound to both', resources: [kube('a')], node: { bindAddress: '::', ip: '' }, listeners: { '0.0.0.0_80': [`${HTTP} 80`, PASS], '[::]_80': [`${HTTP} 80`, PASS] } },
  { name: 'nothing known', resources: [kube('a')], node: { ip: '' }, listeners: { '0.0.0.0_80': [`${HTTP} 80`, PASS] } },
]);

const three = [{ addresses: ['10.1.0.1'] }, { addresses: ['10.1.0.2'] }, { addresses: ['10.9.9.9'] }];

table('headless services: each pod but the workload itself', [
  { name: 'TCP', resources: [kube('db', { clusterIP: 'None', ports: [tcp(90)] }), slice('db', three, [{ name: 'tcp', port: 90 }])], listeners: { '10.1.0.1_90': [`else → tcp ${to('db', 90)}`], '10.1.0.2_90': [`else → tcp ${to('db', 90)}`] } },
  { name: 'undeclared', resources: [kube('db', { clusterIP: 'None', ports: [{ name: 'x', port: 90 }] }), slice('db', three.slice(0, 1), [{ name: 'x', port: 90 }])], listeners: { '10.1.0.1_90': [`${HTTP} ${host('db')}:90`, `else → tcp ${to('db', 90)}`] } },
  { name: 'HTTP as ever', resources: [kube('db', { clusterIP: 'None' }), slice('db', three, [{ name: 'http', port: 80 }])], listeners: { '0.0.0.0_80': [`${HTTP} 80`, PASS] } },
  { name: 'nobody there', resources: [kube('db', { clusterIP: 'None', ports: [tcp(90)] })], listeners: {} },
]);

t.test('what leads to headless pods goes to the one that was dialled', async (t) => {
  const headless = (port: Record<string, unknown>) => cluster(compiled([kube('db', { clusterIP: 'None', ports: [port] }), slice('db', three, [{ name: port['name'], port: 90 }])]), to('db', 90));
  t.match(headless(tcp(90)), { discovery: 'ORIGINAL_DST', endpoints: [] });
  t.notOk(headless({ ...tcp(90), targetPort: 91 }).portOverride, 'at the port that was dialled');
  t.match(headless({ name: 'http', port: 90 }), { discovery: 'STATIC', followsOriginalDestination: true });
  t.equal(headless({ name: 'http', port: 90 }).endpoints.length, 3, 'requests that were not intercepted are balanced');
  const single = cluster(compiled([kube('a')]), to('a', 80));
  t.notOk(single.followsOriginalDestination);
});

table('ServiceEntry', [
  { name: 'TCP by address', resources: [external('e', { hosts: ['e.x'], addresses: ['9.9.9.9'], ports: [written(90, 'TCP')] })], listeners: { '9.9.9.9_90': ['else → tcp outbound|90||e.x'] } },
  { name: 'a block of one address is an address', resources: [entry('e', { hosts: ['e.x'], addresses: ['9.9.9.9/32', 'fd00::1/128'], ports: [written(90, 'TCP')] })], listeners: { '9.9.9.9_90': ['else → tcp outbound|90||e.x'], '[fd00::1]_90': ['else → tcp outbound|90||e.x'] } },
  { name: 'TCP by range, others unknown', resources: [entry('e', { hosts: ['e.x'], addresses: ['9.0.0.0/8'], ports: [written(90, 'TCP')] })], listeners: { '0.0.0.0_90': ['9.0.0.0/8 → tcp outbound|90||e.x', PASS] } },
  { name: 'undeclared by range', resources: [entry('e', { hosts: ['e.x'], addresses: ['9.0.0.0/8'], ports: [{ number: 90, name: 'x' }] })], listeners: { '0.0.0.0_90': ['9.0.0.0/8 plain http/1.1,h2c → http 90', '9.0.0.0/8 → tcp outbound|90||e.x', PASS] } },
  { name: 'ranges of both families', resources: [entry('e', { hosts: ['e.x'], addresses: ['9.0.0.0/8', 'fd00::/8'], ports: [written(90, 'TCP')] })], node: { bindAddress: '::' }, listeners: { '0.0.0.0_90': ['9.0.0.0/8 → tcp outbound|90||e.x', PASS], '[::]_90': ['fd00::/8 → tcp outbound|90||e.x', PASS] } },
  { name: 'TCP without addresses: the port alone', resources: [external('e', { hosts: ['e.x'], ports: [written(90, 'TCP')] })], listeners: { '0.0.0.0_90': ['else → tcp outbound|90||e.x'] } },
  { name: 'undeclared without addresses', resources: [external('e', { hosts: ['e.x'], ports: [{ number: 90, name: 'x' }] })], listeners: { '0.0.0.0_90': [`${HTTP} 90`, 'else → tcp outbound|90||e.x'] } },
  { name: 'TLS without addresses: by server name', resources: [external('e', { hosts: ['e.x', 'f.x'], ports: [written(443, 'TLS')] })], listeners: { '0.0.0.0_443': ['e.x → tcp outbound|443||e.x', 'f.x → tcp outbound|443||f.x', PASS] } },
  { name: 'wildcards by server name', resources: [entry('e', { hosts: ['*.e.x'], ports: [written(443, 'HTTPS')] })], listeners: { '0.0.0.0_443': ['*.e.x → tcp outbound|443||*.e.x', PASS] } },
  { name: 'TLS by range', resources: [entry('e', { hosts: ['e.x'], addresses: ['9.0.0.0/8'], ports: [written(443, 'TLS')] })], listeners: { '0.0.0.0_443': ['9.0.0.0/8 e.x → tcp outbound|443||e.x', PASS] } },
  { name: 'HTTP and TCP on one port', resources: [kube('a', { ports: [{ name: 'http', port: 90 }] }), external('e', { hosts: ['e.x'], ports: [written(90, 'TCP')] })], listeners: { '0.0.0.0_90': [`${HTTP} 90`, 'else → tcp outbound|90||e.x'] } },
]);

const tcpRoute = (spec: Record<string, unknown>[], hosts = ['a'], more: Record<string, unknown> = {}) => istio('VirtualService', 'v', { hosts, tcp: spec, ...more });
const route = (name: string, weight?: number, subset?: string) => ({ destination: { host: name, ...(subset !== undefined && { subset }) }, ...(weight !== undefined && { weight }) });
const a90 = vip('a', '10.0.0.1', [tcp(90)]);
const b90 = vip('b', '10.0.0.2', [tcp(90)]);
const B = { '10.0.0.2_90': [`else → tcp ${to('b', 90)}`] };

table('VirtualService tcp', [
  { name: 'weights and subsets', resources: [a90, tcpRoute([{ route: [route('a', 80, 'v1'), route('a', 20, 'v2')] }])], listeners: { '10.0.0.1_90': [`else → tcp ${to('a', 90, 'v1')}*80 ${to('a', 90, 'v2')}*20`] } },
  { name: 'another port than the match', resources: [a90, tcpRoute([{ match: [{ port: 91 }], route: [route('b')] }])], listeners: { '10.0.0.1_90': [`else → tcp ${to('a', 90)}`] } },
  { name: 'the first that fits, others are never reached', resources: [a90, b90, tcpRoute([{ match: [{ port: 91 }], route: [route('a')] }, { match: [{ port: 90 }], route: [route('b')] }, { route: [route('a')] }])], listeners: { '10.0.0.1_90': [`else → tcp ${to('b', 90)}`], ...B } },
  { name: 'labels and namespace of the client', resources: [a90, b90, tcpRoute([{ match: [{ sourceLabels: { app: 'other' } }, { sourceNamespace: 'other' }], route: [route('b')] }, { match: [{ sourceLabels: { app: 'client' }, sourceNamespace: 'default' }], route: [route('b', undefined, 'v1')] }])], listeners: { '10.0.0.1_90': [`else → tcp ${to('b', 90, 'v1')}`], ...B } },
  { name: 'gateways do not suppress labels', resources: [a90, b90, tcpRoute([{ match: [{ gateways: ['mesh'], sourceLabels: { app: 'other' } }], route: [route('b')] }])], listeners: { '10.0.0.1_90': [`else → tcp ${to('a', 90)}`], ...B } },
  { name: 'gateways other than the mesh', resources: [a90, b90, tcpRoute([{ match: [{ gateways: ['edge'] }], route: [route('b')] }], ['a'], { gateways: ['mesh', 'edge'] })], listeners: { '10.0.0.1_90': [`else → tcp ${to('a', 90)}`], ...B } },
  { name: 'subnets are collected, then the service', resources: [a90, b90, tcpRoute([{ match: [{ destinationSubnets: ['10.0.0.0/24'] }, { destinationSubnets: ['10.1.0.0/24'] }], route: [route('b')] }])], listeners: { '10.0.0.1_90': [`10.0.0.0/24,10.1.0.0/24 → tcp ${to('b', 90)}`, `else → tcp ${to('a', 90)}`], ...B } },
  { name: 'a match without subnet ends the list', resources: [a90, b90, tcpRoute([{ match: [{ destinationSubnets: ['10.0.0.0/24'] }, { port: 90 }], route: [route('b')] }])], listeners: { '10.0.0.1_90': [`else → tcp ${to('b', 90)}`], ...B } },
  { name: 'subnets over the ranges of the service', resources: [b90, entry('e', { hosts: ['a.x'], addresses: ['9.0.0.0/8'], ports: [written(90, 'TCP')] }), tcpRoute([{ match: [{ destinationSubnets: ['9.1.0.0/16'] }], route: [route('b')] }], ['a.x'])], listeners: { '0.0.0.0_90': [`9.1.0.0/16 → tcp ${to('b', 90)}`, '9.0.0.0/8 → tcp outbound|90||a.x', PASS], ...B } },
  { name: 'of wildcard hosts', resources: [a90, b90, tcpRoute([{ route: [route('b')] }], ['*.default.svc.cluster.local'])], listeners: { '10.0.0.1_90': [`else → tcp ${to('b', 90)}`], ...B } },
  { name: 'on an undeclared port', resources: [vip('a', '10.0.0.1', [{ port: 90 }]), b90, tcpRoute([{ route: [route('b')] }])], listeners: { '10.0.0.1_90': [`${HTTP} ${host('a')}:90`, `else → tcp ${to('b', 90)}`], ...B } },
  { name: 'tls routes are not for TCP ports', resources: [a90, istio('VirtualService', 'v', { hosts: [host('a')], tls: [{ match: [{ sniHosts: [host('a')] }], route: [route('b')] }] })], listeners: { '10.0.0.1_90': [`else → tcp ${to('a', 90)}`] } },
]);

const tls = (match: readonly Record<string, unknown>[], destination: string, hosts: readonly string[]) => ({ hosts, tls: [{ match, route: [route(destination)] }] });
const e443 = (...hosts: string[]) => entry('e', { hosts, ports: [written(443, 'TLS')] });

table('VirtualService tls', [
  { name: 'by server name, in lower case, on another service', resources: [e443('e.x', 'f.x'), istio('VirtualService', 'v', tls([{ port: 443, sniHosts: ['E.x'] }], 'f.x', ['e.x']))], listeners: { '0.0.0.0_443': ['e.x → tcp outbound|443||f.x', 'f.x → tcp outbound|443||f.x', PASS] } },
  { name: 'several matches', resources: [e443('*.x'), istio('VirtualService', 'v', tls([{ sniHosts: ['a.x', 'b.x'] }, { sniHosts: ['c.x'], destinationSubnets: ['9.0.0.0/8'] }], 'e.x', ['*.x']))], listeners: { '0.0.0.0_443': ['a.x,b.x → tcp outbound|443||e.x', '9.0.0.0/8 c.x → tcp outbound|443||e.x', PASS] } },
  { name: 'a port of the match that is not this one', resources: [e443('e.x'), istio('VirtualService', 'v', tls([{ port: 444, sniHosts: ['e.x'] }], 'f.x', ['e.x']))], listeners: { '0.0.0.0_443': ['e.x → tcp outbound|443||e.x', PASS] } },
  { name: 'on an address of its own: only what a match names', resources: [external('e', { hosts: ['e.x'], addresses: ['9.9.9.9'], ports: [written(443, 'TLS')] }), istio('VirtualService', 'v', tls([{ sniHosts: ['e.x'] }], 'f.x', ['e.x']))], listeners: { '9.9.9.9_443': ['e.x → tcp outbound|443||f.x'] } },
]);

t.test('how connections of a route live: the first destination\'s rule', async (t) => {
  const rule = (trafficPolicy: Record<string, unknown>, subsets: readonly Record<string, unknown>[] = []) => istio('DestinationRule', 'a', { host: 'a', trafficPolicy, subsets });
  const routeOf = (...resources: Resources) => {
    const network = compiled([a90, b90, ...resources]).virtualListeners['10.0.0.1_90']?.defaultChain?.network;
    return network?.kind === 'tcp' ? network.route : undefined;
  };
  const idle = { connectionPool: { tcp: { idleTimeout: '5s' } } };
  const tunnel = (targetHost: string) => ({ tunnel: { targetHost, targetPort: 8443 } });
  t.match(routeOf(), { name: host('a'), idleTimeoutMs: undefined, hashBySourceIp: undefined, tunnel: undefined, virtualService: undefined });
  t.match(routeOf(rule(idle)), { idleTimeoutMs: 5000 });
  t.match(routeOf(rule({ connectionPool: { tcp: { idleTimeout: '0s' } } })), { idleTimeoutMs: 0 });
  t.match(routeOf(rule({ loadBalancer: { consistentHash: { useSourceIp: true } } })), { hashBySourceIp: true });
  t.match(routeOf(rule(tunnel('x.y'))), { tunnel: { protocol: 'CONNECT', authority: 'x.y:8443' } });
  t.match(routeOf(rule({ ...tunnel('x.y'), portLevelSettings: [{ port: { number: 90 }, ...idle }] })), { idleTimeoutMs: 5000, tunnel: { authority: 'x.y:8443' } }, 'entries for ports take no tunnel away');
  const subsets = [{ name: 'v1', trafficPolicy: tunnel('v1.y') }, { name: 'v2' }];
  const routed = (...destinations: ReturnType<typeof route>[]) => routeOf(rule(tunnel('x.y'), subsets), tcpRoute([{ route: destinations }]));
  t.match(routed(route('a', undefined, 'v1')), { name: 'default/v', virtualService: 'default/v', tunnel: { authority: 'v1.y:8443' } }, 'the subset\'s own');
  t.match(routed(route('a', undefined, 'v2')), { tunnel: { authority: 'x.y:8443' } });
  t.match(routed(route('a', 50, 'v1'), route('b', 50)), { tunnel: { authority: 'x.y:8443' } }, 'of several none has a say');
  t.match(routed(route('b')), { tunnel: undefined }, 'another service\'s rule');
});

t.test('destinations nobody declared', async (t) => {
  const capture = (...resources: Resources) => compiled(resources).listeners.find(({ name }) => name === 'virtualOutbound');
  t.strictSame(chainsOf(capture()), [':15001 → close BlackHoleCluster', PASS]);
  t.equal(capture()?.usesOriginalDestination, true);
  t.strictSame(chainsOf(capture(mesh({ outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } }))), [':15001 → close BlackHoleCluster', 'else → close BlackHoleCluster']);
  const closed = compiled([kube('a'), istio('Sidecar', 's', { outboundTrafficPolicy: {} })]);
  t.strictSame(virtualListeners(closed), { '0.0.0.0_80': [`${HTTP} 80`, 'else → close BlackHoleCluster'] }, 'beside HTTP too');
  t.match(closed.virtualListeners['0.0.0.0_80']?.defaultChain, { origin: { resource: 'Sidecar default/s' }, network: { flag: 'UH', reason: 'outboundTrafficPolicy REGISTRY_ONLY' } });
  const proxied = capture(kube('out', { ports: [tcp(3128)] }), istio('Sidecar', 's', { outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: { host: 'out', port: { number: 3128 }, subset: 'v1' } } }));
  t.strictSame(chainsOf(proxied)[1], `else → tcp ${to('out', 3128, 'v1')}`);
  t.strictSame(chainsOf(compiled([], { outboundPort: 0 }).listeners[0]), [PASS], 'a free port is not known yet');
});

t.test('tables of sniffed ports with an address: whatever Host says', async (t) => {
  const config = compiled([vip('a', '10.0.0.1', [{ port: 90 }]), istio('VirtualService', 'v', { hosts: ['a'], http: [{ directResponse: { status: 418 } }] })]);
  t.match(hostOf(config, `${host('a')}:90`, '*'), { name: `${host('a')}:90`, virtualService: 'default/v', routes: [{ action: { kind: 'direct', status: 418 } }] });
  t.notOk(hostOf(config, `${host('a')}:90`, '*')?.portless);
  t.match(config.virtualListeners['10.0.0.1_90'], { detectsProtocol: true, address: '10.0.0.1', port: 90, origin: { resource: 'Service default/a' } });
  t.equal(compiled([kube('a')]).virtualListeners['0.0.0.0_80']?.detectsProtocol, false, 'declared');
  t.equal(config.virtualListeners['10.0.0.1_90']?.detectionTimeoutMs, undefined);
  t.equal(compiled([kube('a'), mesh({ protocolDetectionTimeout: '2s' })]).virtualListeners['0.0.0.0_80']?.detectionTimeoutMs, 2000);
});

t.test('port 80 serves hosts of VirtualServices that no service has', async (t) => {
  const config = compiled([istio('VirtualService', 'v', { hosts: ['shop.example'], http: [{ directResponse: { status: 418 } }] })]);
  t.strictSame(virtualListeners(config), { '0.0.0.0_80': [`${HTTP} 80`, PASS] });
});

t.test('conflicts: the older wins and is named', async (t) => {
  const one = external('one', { hosts: ['one.x'], ports: [written(90, 'TCP')] });
  const two = external('two', { hosts: ['two.x'], ports: [written(91, 'TCP'), written(90, 'TCP')] });
  const { config, problems } = compilation([one, two]);
  t.strictSame(virtualListeners(config), { '0.0.0.0_90': ['else → tcp outbound|90||one.x'], '0.0.0.0_91': ['else → tcp outbound|91||two.x'] });
  t.match(problems, [{ severity: 'warning', resource: 'ServiceEntry default/two', path: 'spec.ports[1]', message: 'connections to 0.0.0.0_90 cannot be told from those that one.x has there, which is older and wins; two.x gets none of them; addresses would tell them apart' }]);
  const sameAddress = compilation([vip('a', '10.0.0.1', [tcp(90)]), vip('b', '10.0.0.1', [tcp(90)])]);
  t.match(sameAddress.problems, [{ resource: 'Service default/b', path: 'spec.ports[0]' }]);
  const names = compilation([external('e', { hosts: ['e.x'], ports: [written(443, 'TLS')] }), external('f', { hosts: ['f.x'], ports: [written(443, 'TLS')] }), istio('VirtualService', 'v', tls([{ sniHosts: ['f.x', 'e.x'] }], 'f.x', ['e.x', 'f.x']))]);
  t.strictSame(virtualListeners(names.config), { '0.0.0.0_443': ['f.x,e.x → tcp outbound|443||f.x', PASS] }, 'names of one VirtualService, met twice');
  t.strictSame(names.problems, []);
});

t.test('Sidecar egress', async (t) => {
  const services = [kube('a'), a90, b90, kube('web', { ports: [{ name: 'http', port: 8080 }] })].slice(1);
  const egress = (entries: readonly Record<string, unknown>[], node: Parameters<typeof compiled>[1] = {}) => compiled([...services, istio('Sidecar', 's', { egress: entries })], node);
  const port = (number: number, protocol: string) => ({ number, protocol, name: `p${number}` });
  t.strictSame(Object.keys(virtualListeners(egress([{ hosts: ['./a.default.svc.cluster.local'] }]))), ['10.0.0.1_90'], 'what is not imported is unknown');
  t.strictSame(Object.keys(virtualListeners(egress([{ hosts: ['*/*', `~default/${host('a')}`] }]))), ['0.0.0.0_8080', '10.0.0.2_90'], 'exclusions win');
  t.strictSame(virtualListeners(egress([{ port: port(90, 'TCP'), bind: '10.7.7.7', hosts: ['./a.default.svc.cluster.local'] }])), { '10.7.7.7_90': [`else → tcp ${to('a', 90)}`] }, 'captured at an address of its own');
  t.strictSame(virtualListeners(egress([{ port: port(90, 'HTTP'), hosts: ['*/*'] }])), { '0.0.0.0_90': [`${HTTP} 90`, PASS] }, 'the entry says what is spoken');
  const locked = egress([{ port: port(8080, 'HTTP'), hosts: ['*/*'] }, { hosts: ['*/*'] }]);
  t.strictSame(Object.keys(virtualListeners(locked)), ['0.0.0.0_8080', '10.0.0.1_90', '10.0.0.2_90']);
  const bound = egress([{ port: port(90, 'TCP'), captureMode: 'NONE', hosts: ['./a.default.svc.cluster.local'] }], { portMap: { 90: 9090 } });
  const listener = bound.listeners.find(({ name }) => name === '127.0.0.1_90');
  t.match(listener, { direction: 'outbound', bind: { address: '127.0.0.1', port: 9090 }, declaredPort: 90, routing: { kind: 'table', table: 'unknown' }, origin: { resource: 'Sidecar default/s' } });
  t.strictSame(chainsOf(listener), [`else → tcp ${to('a', 90)}`], 'dialled by the application itself');
  t.notOk(listener?.usesOriginalDestination);
  t.strictSame(virtualListeners(bound), {});
  t.strictSame(virtualListeners(compiled(services, { outboundPort: 'off' })), {}, 'nothing is captured');
});

t.test('a reload keeps what did not change', async (t) => {
  const one = compiled([a90, b90]);
  t.same(Object.keys(one.virtualListeners), ['10.0.0.1_90', '10.0.0.2_90'], 'by name');
});

t.test('a port of a Sidecar that no service has is named', async (t) => {
  const egress = (number: number, protocol: string) => istio('Sidecar', 'default', { egress: [{ port: { number, name: 'p', protocol }, hosts: ['./*'] }] });
  const problem = { severity: 'warning', resource: 'Sidecar default/default', path: 'spec.egress[0].port.number' };
  for (const protocol of ['TCP', 'HTTP']) {
    const { problems } = compilation([vip('a', '10.0.0.1', [tcp(90)]), egress(99, protocol)]);
    t.match(problems, [{ ...problem, message: 'no service of its hosts has port 99, so nothing listens for it' }], protocol);
  }
  t.strictSame(compilation([vip('a', '10.0.0.1', [tcp(90)]), egress(90, 'TCP')]).problems, []);
});
