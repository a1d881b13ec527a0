/** Where clusters get their endpoints from: istio-api.md sections 5 and 7. */

import t from 'tap';
import { istio } from '../../../support/resources.ts';
import { addresses, cluster, compilation, compiled, CLIENT, entry, GATEWAY, kube, pods, slice } from './compiled.ts';

const A = 'outbound|80||a.default.svc.cluster.local';
const HTTP = [{ name: 'http', port: 8080 }];
const at = (...ips: readonly string[]) => ips.map((ip) => ({ addresses: [ip] }));
const workload = (name: string, spec: Readonly<Record<string, unknown>>, namespace = 'default') => istio('WorkloadEntry', name, spec, namespace);

t.test('EndpointSlices', async (t) => {
  const unready = { addresses: ['10.0.0.2'], conditions: { ready: false } };
  const cases: readonly (readonly [what: string, resources: Parameters<typeof compiled>[0], endpoints: string])[] = [
    ['ports join by name', [kube('a'), slice('a', at('10.0.0.1'), [{ name: 'admin', port: 1 }, ...HTTP])], '10.0.0.1:8080'],
    ['an unnamed port joins an unnamed one', [kube('a', { ports: [{ port: 80 }] }), slice('a', at('10.0.0.1'), [{ port: 8080 }])], '10.0.0.1:8080'],
    ['another port name joins nothing', [kube('a'), slice('a', at('10.0.0.1'), [{ name: 'web', port: 8080 }])], ''],
    ['a slice port without number takes the target port', [kube('a', { ports: [{ name: 'http', port: 80, targetPort: 9 }] }), slice('a', at('10.0.0.1'), [{ name: 'http' }])], '10.0.0.1:9'],
    ['UDP ports do not join', [kube('a'), slice('a', at('10.0.0.1'), [{ name: 'http', port: 1, protocol: 'UDP' }])], ''],
    ['several slices are merged', [kube('a'), slice('a', at('10.0.0.1'), HTTP), slice('a', at('10.0.0.2', '10.0.0.3'), HTTP)], '10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080'],
    ['both families', [kube('a'), slice('a', at('10.0.0.1'), HTTP), { ...slice('a', at('fd00::1'), HTTP, { name: 'six' }), addressType: 'IPv6' } as never], '10.0.0.1:8080 fd00::1:8080'],
    ['names are not for slices', [kube('a'), { ...slice('a', at('foo.example'), HTTP), addressType: 'FQDN' } as never], ''],
    ['an address once', [kube('a'), slice('a', at('10.0.0.1', '10.0.0.1'), HTTP)], '10.0.0.1:8080'],
    ['of one entry the first address', [kube('a'), slice('a', [{ addresses: ['10.0.0.1', '10.0.0.9'] }], HTTP)], '10.0.0.1:8080'],
    ['not ready', [kube('a'), slice('a', [...at('10.0.0.1'), unready], HTTP)], '10.0.0.1:8080'],
    ['not ready but published', [kube('a', { publishNotReadyAddresses: true }), slice('a', [...at('10.0.0.1'), unready], HTTP)], '10.0.0.1:8080 10.0.0.2:8080'],
    ['terminating', [kube('a', { publishNotReadyAddresses: true }), slice('a', [{ addresses: ['10.0.0.1'], conditions: { ready: true, terminating: true } }], HTTP)], ''],
    ['of another namespace', [kube('a'), slice('a', at('10.0.0.1'), HTTP, { namespace: 'other' })], ''],
  ];
  for (const [what, resources, endpoints] of cases) t.equal(addresses(compiled(resources), A), endpoints, what);
});

t.test('Endpoints, where there is no slice', async (t) => {
  const endpoints = (name: string, subsets: readonly unknown[]) => ({ apiVersion: 'v1', kind: 'Endpoints', metadata: { name }, subsets }) as never;
  const subset = { addresses: [{ ip: '10.0.0.1' }], notReadyAddresses: [{ ip: '10.0.0.2' }], ports: HTTP };
  t.equal(addresses(compiled([kube('a'), endpoints('a', [subset])]), A), '10.0.0.1:8080');
  t.equal(addresses(compiled([kube('a', { publishNotReadyAddresses: true }), endpoints('a', [subset])]), A), '10.0.0.1:8080 10.0.0.2:8080');
  t.equal(addresses(compiled([kube('a'), endpoints('a', [subset]), slice('a', at('10.0.0.3'), HTTP)]), A), '10.0.0.3:8080', 'a slice wins');
});

t.test('ready Pods, where there is neither', async (t) => {
  const selecting = kube('a', { selector: { app: 'a' }, ports: [{ name: 'http', port: 80, targetPort: 'web' }] });
  const containers = (name: string) => ({ spec: { containers: [{ name: 'x', ports: [{ name, containerPort: 9080 }] }] } });
  const config = compiled([
    selecting,
    pods('a-1', '10.0.0.1', { app: 'a' }, containers('web')),
    pods('a-2', '10.0.0.2', { app: 'a' }, containers('other')),
    pods('a-3', '10.0.0.3', { app: 'a' }, { ...containers('web'), status: { phase: 'Succeeded' } }),
    pods('a-4', '10.0.0.4', { app: 'b' }, containers('web')),
    pods('a-5', '10.0.0.5', { app: 'a' }, { ...containers('web'), namespace: 'other' }),
  ]);
  t.equal(addresses(config, A), '10.0.0.1:9080', 'named container port, selected, running, same namespace');
  const ready = (status: string) => ({ status: { conditions: [{ type: 'Initialized', status: 'True' }, { type: 'Ready', status }] } });
  const some = ['True', 'False', 'Unknown'].map((status, index) => pods(`a-${index}`, `10.0.0.${index}`, { app: 'a' }, ready(status)));
  t.equal(addresses(compiled([kube('a', { selector: { app: 'a' } }), ...some]), A), '10.0.0.0:80', 'ready ones only');
  t.equal(addresses(compiled([kube('a', { selector: { app: 'a' } }), pods('a-1', '10.0.0.1', { app: 'a' })]), A), '10.0.0.1:80', 'targetPort defaults to port');
  t.equal(addresses(compiled([kube('a'), pods('a-1', '10.0.0.1', { app: 'a' })]), A), '', 'no selector, no pods');
  t.equal(addresses(compiled([kube('a', { selector: { app: 'a' } }), pods('a-1', '10.0.0.1', { app: 'a' }), slice('a', [], HTTP)]), A), '', 'an empty slice means none');
});

t.test('WorkloadEntries behind a Kubernetes Service', async (t) => {
  const config = compiled([
    kube('a', { selector: { app: 'a' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] }),
    workload('vm1', { address: '10.1.0.1', labels: { app: 'a' } }),
    workload('vm2', { address: '10.1.0.2', labels: { app: 'a' }, ports: { http: 9999 }, weight: 7 }),
    workload('vm3', { address: 'vm.example', labels: { app: 'a' } }),
  ]);
  t.equal(addresses(config, A), '10.1.0.1:8080 10.1.0.2:9999', 'own port by name, else the target port; no names');
  t.same(cluster(config, A).endpoints.map(({ weight }) => weight), [1, 7]);
});

t.test('internalTrafficPolicy Local keeps to the own node, where it is known', async (t) => {
  const resources = [kube('a', { internalTrafficPolicy: 'Local' }), slice('a', [{ addresses: ['10.0.0.1'], nodeName: 'n1' }, { addresses: ['10.0.0.2'], nodeName: 'n2' }], HTTP)];
  t.equal(addresses(compiled(resources), A), '10.0.0.1:8080 10.0.0.2:8080');
  t.equal(addresses(compiled([...resources, pods('client', '10.9.9.9', {}, { spec: { nodeName: 'n2' } })]), A), '10.0.0.2:8080');
});

t.test('who is at an address: the Pod named, else the only Pod there, else the slice says', async (t) => {
  const rule = istio('DestinationRule', 'a', { host: 'a', subsets: [{ name: 'v1', labels: { version: 'v1' } }, { name: 'v2', labels: { version: 'v2' } }] });
  const v = (version: string) => ({ app: 'a', version });
  const subsetAddresses = (resources: Parameters<typeof compiled>[0]) => {
    const config = compiled([kube('a'), rule, ...resources]);
    return ['v1', 'v2'].map((subset) => addresses(config, `outbound|80|${subset}|a.default.svc.cluster.local`));
  };
  const targeted = (name: string, port: number) => slice('a', [{ addresses: ['127.0.0.1'], targetRef: { kind: 'Pod', name } }], [{ name: 'http', port }], { name: `s-${port}` });
  const shared = [pods('a-v1', '127.0.0.1', v('v1')), pods('a-v2', '127.0.0.1', v('v2'))];
  t.same(subsetAddresses([...shared, targeted('a-v1', 9081), targeted('a-v2', 9082)]), ['127.0.0.1:9081', '127.0.0.1:9082'], 'Pods that share an address, told apart by targetRef');
  t.same(subsetAddresses([...shared, slice('a', at('127.0.0.1'), HTTP)]), ['', ''], 'a shared address alone says nothing');
  t.same(subsetAddresses([pods('a-v1', '10.0.0.1', v('v1')), slice('a', at('10.0.0.1'), HTTP)]), ['10.0.0.1:8080', ''], 'one Pod at the address');
  t.same(subsetAddresses([pods('a-v1', '10.0.0.1', v('v1')), slice('a', [{ addresses: ['10.0.0.1'], targetRef: { name: 'gone' } }], HTTP)]), ['10.0.0.1:8080', ''], 'a targetRef nobody knows falls back to the address');
  t.same(subsetAddresses([slice('a', at('127.0.0.1'), HTTP, { labels: v('v2') })]), ['', '127.0.0.1:8080'], "no Pod: the slice's own labels");
  t.same(subsetAddresses([slice('a', at('127.0.0.1'), HTTP, { labels: { 'kubernetes.io/version': 'v2' } })]), ['', ''], "Kubernetes' own labels are not the workload's");
});

t.test('facts for telemetry', async (t) => {
  const labels = { app: 'a', version: 'v1', 'pod-template-hash': '5f6b', 'security.istio.io/tlsMode': 'istio', 'istio-locality': 'r1.z1' };
  const config = compiled([kube('a'), pods('a-v1-5f6b-x2x', '10.0.0.1', labels, { spec: { serviceAccountName: 'sa' } }), slice('a', [...at('10.0.0.1'), { addresses: ['10.0.0.2'], zone: 'z7' }], HTTP)]);
  const [first, second] = cluster(config, A).endpoints;
  t.same(first, {
    address: '10.0.0.1',
    port: 8080,
    weight: 1,
    locality: 'r1/z1',
    workload: { name: 'a-v1', namespace: 'default', canonicalService: 'a', canonicalRevision: 'v1', app: 'a', version: 'v1', serviceAccount: 'sa' },
    tlsMode: 'istio',
    identity: 'spiffe://cluster.local/ns/default/sa/sa',
  });
  t.same(second, { address: '10.0.0.2', port: 8080, weight: 1, locality: '/z7', workload: {}, tlsMode: 'disabled' });
});

t.test('ServiceEntry', async (t) => {
  const ports = [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: 8080 }];
  const hosts = ['api.example.com'];
  const name = 'outbound|80||api.example.com';
  const cases: readonly (readonly [what: string, spec: Record<string, unknown>, discovery: string, endpoints: string])[] = [
    ['STATIC: target port', { resolution: 'STATIC', endpoints: [{ address: '10.0.0.1' }] }, 'STATIC', '10.0.0.1:8080'],
    ['STATIC: own port beats target port', { resolution: 'STATIC', endpoints: [{ address: '10.0.0.1', ports: { http: 7 } }] }, 'STATIC', '10.0.0.1:7'],
    ['DNS: names and addresses', { resolution: 'DNS', endpoints: [{ address: 'one.example.com' }, { address: '10.0.0.2' }] }, 'DNS', 'one.example.com:8080 10.0.0.2:8080'],
    ['DNS without endpoints: the host itself', { resolution: 'DNS' }, 'DNS', 'api.example.com:8080'],
    ['DNS_ROUND_ROBIN', { resolution: 'DNS_ROUND_ROBIN', endpoints: [{ address: 'one.example.com' }] }, 'DNS_ROUND_ROBIN', 'one.example.com:8080'],
    ['NONE: wherever the application dialled', {}, 'ORIGINAL_DST', ''],
    ['unix sockets have no port', { resolution: 'STATIC', endpoints: [{ address: 'unix:///run/a.sock' }, { address: 'unix://@b' }] }, 'STATIC', 'unix:///run/a.sock:0 unix://@b:0'],
  ];
  for (const [what, spec, discovery, endpoints] of cases) {
    const config = compiled([entry('api', { hosts, ports, ...spec })]);
    t.equal(cluster(config, name).discovery, discovery, what);
    t.equal(addresses(config, name), endpoints, what);
  }
  t.equal(cluster(compiled([entry('api', { hosts, ports })]), name).portOverride, 8080, 'NONE: the target port is where it connects');
  t.equal(cluster(compiled([entry('api', { hosts, ports: [{ number: 80, name: 'http', protocol: 'HTTP' }] })]), name).portOverride, undefined);
  t.equal(cluster(compiled([entry('api', { hosts, ports })], GATEWAY), name).discovery, 'STATIC', 'a gateway has no original destination');
  t.equal(cluster(compiled([entry('api', { hosts, ports })]), name).tls.mode, 'DISABLE', 'external: no automatic mTLS');
  t.equal(cluster(compiled([entry('api', { hosts, ports, location: 'MESH_INTERNAL' })]), name).tls.mode, 'AUTO');
});

t.test('ServiceEntry workloadSelector: WorkloadEntries and Pods of its namespace', async (t) => {
  const config = compiled([
    entry('api', { hosts: ['api.example.com'], location: 'MESH_INTERNAL', resolution: 'STATIC', ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: 8080 }], workloadSelector: { labels: { app: 'api' } } }),
    workload('vm1', { address: '10.1.0.1', labels: { app: 'api' }, ports: { http: 9 }, serviceAccount: 'api-sa', locality: 'r/z/s' }),
    workload('vm2', { address: '10.1.0.2', labels: { app: 'api', 'security.istio.io/tlsMode': 'disabled' }, serviceAccount: 'api-sa' }),
    workload('vm3', { address: '10.1.0.3', labels: { app: 'api' } }, 'other'),
    pods('p', '10.2.0.1', { app: 'api' }),
    pods('q', '10.2.0.2', { app: 'other' }),
  ]);
  const name = 'outbound|80||api.example.com';
  t.equal(addresses(config, name), '10.1.0.1:9 10.1.0.2:8080 10.2.0.1:8080');
  const [first, second] = cluster(config, name).endpoints;
  t.match(first, { locality: 'r/z/s', tlsMode: 'istio', workload: { name: 'vm1', serviceAccount: 'api-sa' } }, 'a service account marks a sidecar');
  t.equal(second?.tlsMode, 'disabled', 'unless the label says otherwise');
});

t.test('one host in several ServiceEntries of a namespace', async (t) => {
  const one = (name: string, port: number, more: Record<string, unknown> = {}) => entry(name, { hosts: ['x.example.com'], resolution: 'STATIC', ports: [{ number: port, name: `http-${port}`, protocol: 'HTTP' }], endpoints: [{ address: `10.0.0.${port}` }], ...more });
  const config = compiled([one('a', 80), one('b', 81), one('c', 82, { resolution: 'DNS', endpoints: [] })]);
  t.equal(addresses(config, 'outbound|80||x.example.com'), '10.0.0.80:80');
  t.equal(addresses(config, 'outbound|81||x.example.com'), '10.0.0.81:81', 'ports are merged');
  t.equal(config.clusters['outbound|82||x.example.com'], undefined, 'but not of another resolution');
});

t.test('a Kubernetes Service wins over a ServiceEntry with its host', async (t) => {
  const same = entry('copy', { hosts: ['a.default.svc.cluster.local'], resolution: 'STATIC', ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], endpoints: [{ address: '10.6.6.6' }] });
  t.equal(addresses(compiled([same, kube('a'), slice('a', at('10.0.0.1'), HTTP)]), A), '10.0.0.1:8080');
});

t.test('ports: no cluster for UDP, one for every TCP port and subset', async (t) => {
  const ports = [{ name: 'http', port: 80 }, { name: 'tcp-db', port: 5432 }, { name: 'dns', port: 53, protocol: 'UDP' }, { port: 9000, name: 'what' }];
  const config = compiled([kube('a', { ports }), istio('DestinationRule', 'a', { host: 'a', subsets: [{ name: 'v1', labels: { version: 'v1' } }] })]);
  t.same(Object.keys(config.clusters).filter((name) => name.startsWith('outbound')), [
    'outbound|5432|v1|a.default.svc.cluster.local', 'outbound|5432||a.default.svc.cluster.local', 'outbound|80|v1|a.default.svc.cluster.local',
    'outbound|80||a.default.svc.cluster.local', 'outbound|9000|v1|a.default.svc.cluster.local', 'outbound|9000||a.default.svc.cluster.local',
  ]);
  t.same([80, 5432, 9000].map((port) => cluster(config, `outbound|${port}||a.default.svc.cluster.local`).protocol), ['HTTP', 'TCP', 'AUTO']);
});

t.test('problems name the place', async (t) => {
  const { problems } = compilation([kube('own', { selector: { app: 'client' }, ports: [{ name: 'http', port: 80, targetPort: 'nowhere' }] })], CLIENT);
  t.match(problems, [{ severity: 'warning', resource: 'Service default/own', path: 'spec.ports[0].targetPort', message: /no container of default\/client has a port named nowhere/ }]);
});

t.test('one address under two sets of labels', async (t) => {
  const endpoints = [{ address: '10.0.0.1', labels: { v: '1' } }, { address: '10.0.0.1', labels: { v: '2' } }, { address: '10.0.0.1', labels: { v: '2', canary: 'true' } }];
  const subsets = ['1', '2'].map((v) => ({ name: `v${v}`, labels: { v } }));
  const config = compiled([entry('e', { hosts: ['e.example'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], resolution: 'STATIC', endpoints }), istio('DestinationRule', 'e', { host: 'e.example', subsets })]);
  t.equal(addresses(config, 'outbound|80||e.example'), '10.0.0.1:80', 'once for the host as a whole');
  t.equal(addresses(config, 'outbound|80|v1|e.example'), '10.0.0.1:80', 'in one subset');
  t.equal(addresses(config, 'outbound|80|v2|e.example'), '10.0.0.1:80', 'and once in the other');
});
