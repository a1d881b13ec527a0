/** ServiceEntry and WorkloadEntry: how endpoints are found, ports, selection, several entries for one host (istio-api.md section 5). */

import t from 'tap';
import { ofFamily } from '../../proxy/upstream/resolver.ts';
import type { Answer, Ask, MeshRow } from '../support/echo-mesh.ts';
import { EchoMesh } from '../support/echo-mesh.ts';
import { Proxy } from '../support/proxy.ts';
import type { ResourceObject } from '../support/resources.ts';
import { destinationRule, istio, pod, service, to, virtualService } from '../support/resources.ts';
import { clusterOf, routeOf, startDataPath } from '../support/data-path.ts';
import { request } from '../support/raw-client.ts';
import { Upstream } from '../support/upstream.ts';
import { countAnswers, withinFiveSigma } from '../support/splits.ts';

type Fields = Readonly<Record<string, unknown>>;

const registryOnly = istio('Sidecar', 'default', { egress: [{ hosts: ['*/*'] }], outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } });
const blocked: Answer = { status: 502, text: '', log: { route_name: 'block_all' } };
const noEndpoint: Answer = { status: 503, text: 'no healthy upstream', log: { response_flags: 'UH' } };
const http = (number: number, more: Fields = {}): Fields => ({ number, name: 'http', protocol: 'HTTP', ...more });
const at = (host: string, more: Partial<Ask> = {}): Ask => ({ host, ...more });

t.test('service entries', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1', 'v2', 'v3'] });
  const [p1, p2, p3] = [mesh.port('v1'), mesh.port('v2'), mesh.port('v3')];
  const entry = (spec: Fields, name = 'api', namespace = 'default'): ResourceObject => istio('ServiceEntry', name, { hosts: ['api.example'], ports: [http(80)], ...spec }, namespace);
  const workload = (name: string, spec: Fields, more: { readonly labels?: Readonly<Record<string, string>>; readonly namespace?: string } = {}): ResourceObject => {
    const resource = istio('WorkloadEntry', name, { address: '127.0.0.1', ...spec }, more.namespace ?? 'default');
    return more.labels === undefined ? resource : { ...resource, metadata: { ...resource.metadata, labels: more.labels } };
  };
  const aged = (resource: ResourceObject, creationTimestamp: string): ResourceObject => ({ ...resource, metadata: { ...resource.metadata, creationTimestamp } });
  const row = (name: string, snapshot: MeshRow['snapshot'], ask: MeshRow['ask'] & object, more: Partial<MeshRow> = {}): MeshRow => ({ name, snapshot: [registryOnly, snapshot], ask, ...more });
  /** Who answers 60 requests for api.example. */
  const answers = (wanted: readonly string[], host = 'api.example'): Partial<MeshRow> => ({
    also: async (t) => {
      const { counts, other } = await countAnswers(mesh, { host }, 60);
      t.same([...counts.keys()].sort(), wanted);
      t.equal(other, 0);
    },
  });

  const addresses: readonly MeshRow[] = [
    row('STATIC: the endpoint\'s own port, by name', [entry({ resolution: 'STATIC', ports: [http(80, { targetPort: 1 })], endpoints: [{ address: '127.0.0.1', ports: { http: p1 } }] })], [[at('api.example'), { by: 'v1', host: 'api.example', log: { upstream_cluster: 'outbound|80||api.example', upstream_host: `127.0.0.1:${p1}` } }]]),
    row('STATIC: else targetPort', [entry({ resolution: 'STATIC', ports: [http(80, { targetPort: p2 })], endpoints: [{ address: '127.0.0.1', ports: {} }] })], [[at('api.example'), 'v2']]),
    row('STATIC: else the number', [entry({ resolution: 'STATIC', ports: [http(p3)], endpoints: [{ address: '127.0.0.1' }] })], [[at(`api.example:${p3}`), 'v3'], [at('api.example'), 'v3']]),
    row('STATIC without endpoints', [entry({ resolution: 'STATIC' })], [[at('api.example'), noEndpoint]]),
    row('STATIC: several endpoints', [entry({ resolution: 'STATIC', endpoints: [p1, p2, p3].map((port) => ({ address: '127.0.0.1', ports: { http: port } })) })], [], answers(['v1', 'v2', 'v3'])),
    row('several hosts are several services', [entry({ hosts: ['a.example', 'b.example'], resolution: 'STATIC', endpoints: [{ address: '127.0.0.1', ports: { http: p1 } }] })], [[at('a.example'), { by: 'v1', log: { upstream_cluster: 'outbound|80||a.example' } }], [at('b.example'), { by: 'v1', log: { upstream_cluster: 'outbound|80||b.example' } }], [at('api.example'), blocked]]),
    row('several ports', [entry({ ports: [http(80, { targetPort: p1 }), { number: 8080, name: 'http-alt', protocol: 'HTTP', targetPort: p2 }], resolution: 'STATIC', endpoints: [{ address: '127.0.0.1' }] })], [[at('api.example'), 'v1'], [at('api.example:80'), 'v1'], [at('api.example:8080'), 'v2'], [at('api.example:81'), blocked]]),
    row('protocols: lower case, none at all, HTTP2, GRPC', [entry({ hosts: ['a.example'], ports: [{ number: 80, name: 'a', protocol: 'http', targetPort: p1 }], resolution: 'STATIC', endpoints: [{ address: '127.0.0.1' }] }, 'a'), entry({ hosts: ['b.example'], ports: [{ number: 81, name: 'b', targetPort: p1 }], resolution: 'STATIC', endpoints: [{ address: '127.0.0.1' }] }, 'b')], [[at('a.example'), 'v1'], [at('b.example:81'), 'v1'], [at('b.example'), 'v1']]),
    row('protocol TCP and HTTPS: no virtual host', [entry({ ports: [{ number: 81, name: 'tcp', protocol: 'TCP', targetPort: p1 }, { number: 443, name: 'https', protocol: 'HTTPS', targetPort: p1 }], resolution: 'STATIC', endpoints: [{ address: '127.0.0.1' }] })], [[at('api.example:81'), blocked], [at('api.example:443'), blocked]]),
    row('NONE: where the request was going', [entry({ hosts: ['localhost'], ports: [http(p1), { number: p2, name: 'http-2', protocol: 'HTTP' }], resolution: 'NONE' })], [[at(`localhost:${p1}`), { by: 'v1', log: { upstream_cluster: `outbound|${p1}||localhost` } }], [at(`localhost:${p2}`), 'v2'], [at(`localhost:${p3}`), blocked]]),
    row('NONE is the default; a wildcard host; targetPort overrides the port', [entry({ hosts: ['*.0.0.1', '*.local.example'], ports: [http(80, { targetPort: p1 })] })], [[at('127.0.0.1'), { by: 'v1', log: { upstream_cluster: 'outbound|80||*.0.0.1', upstream_host: `127.0.0.1:${p1}` } }], [at('127.0.0.1:80'), 'v1'], [at('127.0.1.1'), blocked]]),
    row('NONE by address', [entry({ hosts: ['vip.example'], addresses: ['127.0.0.1'], ports: [http(p1)], resolution: 'NONE' })], [[at(`127.0.0.1:${p1}`), { by: 'v1', log: { upstream_cluster: `outbound|${p1}||vip.example` } }]]),
    row('location makes no difference to where requests go', ['MESH_INTERNAL', 'MESH_EXTERNAL'].map((location) => entry({ hosts: [`${location.toLowerCase().replace('_', '-')}.example`], location, resolution: 'STATIC', endpoints: [{ address: '127.0.0.1', ports: { http: p1 } }] }, location.toLowerCase().replace('_', '-'))), [[at('mesh-internal.example'), 'v1'], [at('mesh-external.example'), 'v1']]),
    row('weights', [entry({ resolution: 'STATIC', endpoints: [{ address: '127.0.0.1', ports: { http: p1 }, weight: 9 }, { address: '127.0.0.1', ports: { http: p2 } }] })], [], {
      also: async (t) => {
        const { counts } = await countAnswers(mesh, { host: 'api.example' }, 1000);
        t.ok(withinFiveSigma(counts.get('v2') ?? 0, 1000, 0.1), 'one in ten', { counts: [...counts] });
      },
    }),
    row('subsets by the labels of endpoints', [entry({ resolution: 'STATIC', endpoints: [{ address: '127.0.0.1', ports: { http: p1 }, labels: { version: 'v1' } }, { address: '127.0.0.1', ports: { http: p2 }, labels: { version: 'v2' } }] }), destinationRule('api.example', ['v2']), virtualService('api', { hosts: ['api.example'], http: [{ route: [to('api.example', 'v2')] }] })], [[at('api.example'), 'v2'], [at('api.example'), 'v2']]),
  ];

  const names: readonly MeshRow[] = [
    row('DNS: the host itself, asked for at once', [entry({ hosts: ['localhost'], ports: [http(80, { targetPort: p1 })], resolution: 'DNS' })], [[at('localhost'), { by: 'v1', log: { upstream_host: /^(127\.0\.0\.1|\[::1\]):/ } }]]),
    row('DNS: names of endpoints, addresses among them', [entry({ resolution: 'DNS', endpoints: [{ address: 'localhost', ports: { http: p1 } }, { address: '127.0.0.1', ports: { http: p2 } }] })], [], answers(['v1', 'v2'])),
    row('DNS: a name that leads nowhere', [entry({ hosts: ['nowhere.invalid'], resolution: 'DNS' })], [[at('nowhere.invalid'), noEndpoint]]),
    row('DNS_ROUND_ROBIN', [entry({ hosts: ['localhost'], ports: [http(80, { targetPort: p1 })], resolution: 'DNS_ROUND_ROBIN' })], [[at('localhost'), 'v1'], [at('localhost'), 'v1']]),
    row('DYNAMIC_DNS: the name in the request, looked up when it comes; targetPort, else the number', [entry({ hosts: ['*.0.0.1'], ports: [http(80, { targetPort: p1 }), { number: p2, name: 'http-2', protocol: 'HTTP' }], resolution: 'DYNAMIC_DNS' })], [[at('127.0.0.1'), { by: 'v1', log: { upstream_cluster: 'outbound|80||*.0.0.1', upstream_host: `127.0.0.1:${p1}` } }], [at(`127.0.0.1:${p2}`), 'v2'], [at('127.0.1.1'), blocked]]),
    row('DYNAMIC_DNS: a name that leads nowhere; the one that the upstream gets to see counts', [entry({ hosts: ['*.invalid'], ports: [http(80, { targetPort: p1 })], resolution: 'DYNAMIC_DNS' }), virtualService('rewrite', { hosts: ['rewritten.invalid'], http: [{ rewrite: { authority: '127.0.0.1' }, route: [{ destination: { host: '*.invalid' } }] }] })], [[at('nowhere.invalid'), { status: 503, text: 'DNS resolution failure', log: { response_flags: 'DF', response_code_details: /^dns_resolution_failure\{\w+\}$/, upstream_cluster: 'outbound|80||*.invalid' } }], [at('rewritten.invalid'), { by: 'v1', host: '127.0.0.1' }]]),
  ];

  const selecting = entry({ location: 'MESH_INTERNAL', resolution: 'STATIC', workloadSelector: { labels: { app: 'api' } } });
  const readyPod = (name: string, phase = 'Running'): ResourceObject => ({ ...pod(name, { app: 'api' }), status: { podIP: '127.0.0.1', phase } });
  const selection: readonly MeshRow[] = [
    row('workloadSelector: WorkloadEntries of the namespace with the labels', [selecting, workload('a', { labels: { app: 'api' }, ports: { http: p1 } }), workload('b', { labels: { app: 'api', version: 'v2' }, ports: { http: p2 } }), workload('c', { labels: { app: 'other' }, ports: { http: p3 } }), workload('d', { labels: { app: 'api' }, ports: { http: p3 } }, { namespace: 'shop' })], [], answers(['v1', 'v2'])),
    row('labels of the metadata win over those of the spec', [selecting, workload('a', { labels: { app: 'other' }, ports: { http: p1 } }, { labels: { app: 'api' } }), workload('b', { labels: { app: 'api' }, ports: { http: p2 } }, { labels: { app: 'other' } })], [], answers(['v1'])),
    row('workloadSelector: Pods too', [entry({ location: 'MESH_INTERNAL', resolution: 'STATIC', ports: [http(80, { targetPort: p3 })], workloadSelector: { labels: { app: 'api' } } }), readyPod('api-1')], [], answers(['v3'])),
    row('… but no Pod that has finished', [entry({ location: 'MESH_INTERNAL', resolution: 'STATIC', ports: [http(80, { targetPort: p3 })], workloadSelector: { labels: { app: 'api' } } }), readyPod('api-1', 'Succeeded')], [[at('api.example'), noEndpoint]]),
    row('nobody has the labels', [selecting], [[at('api.example'), noEndpoint]]),
    row('a Kubernetes Service selects WorkloadEntries beside its Pods', [service('api', { port: 80, workloads: [{ port: p1 }] }), workload('vm', { labels: { app: 'api' }, ports: { http: p2 } })], [], answers(['v1', 'v2'], 'api')),
    row('weight and subsets of WorkloadEntries', [selecting, workload('a', { labels: { app: 'api', version: 'v1' }, ports: { http: p1 }, weight: 3 }), workload('b', { labels: { app: 'api', version: 'v2' }, ports: { http: p2 } }), destinationRule('api.example', ['v2']), virtualService('api', { hosts: ['api.example'], http: [{ match: [{ uri: { prefix: '/2' } }], route: [to('api.example', 'v2')] }, { route: [to('api.example')] }] })], [[at('api.example', { path: '/2' }), 'v2']], {
      also: async (t) => {
        const { counts } = await countAnswers(mesh, { host: 'api.example' }, 1000);
        t.ok(withinFiveSigma(counts.get('v1') ?? 0, 1000, 0.75), 'three in four', { counts: [...counts] });
      },
    }),
  ];

  const one = (spec: Fields, name: string, port: number, namespace = 'default'): ResourceObject => entry({ ports: [http(80, { targetPort: port })], resolution: 'STATIC', endpoints: [{ address: '127.0.0.1' }], ...spec }, name, namespace);
  const several: readonly MeshRow[] = [
    row('one host in several entries of a namespace: ports are added', [one({}, 'a', p1), one({ ports: [{ number: 81, name: 'http-2', protocol: 'HTTP', targetPort: p2 }] }, 'b', p2)], [[at('api.example:80'), 'v1'], [at('api.example:81'), 'v2']]),
    row('… of one port the endpoints of both', [one({}, 'a', p1), one({}, 'b', p2)], [], answers(['v1', 'v2'])),
    row('… which cannot be joined: the oldest', [aged(one({}, 'z', p1), '2025-01-01T00:00:00Z'), aged(entry({ hosts: ['api.example'], resolution: 'NONE' }, 'a'), '2026-01-01T00:00:00Z')], [[at('api.example'), 'v1']]),
    row('one host in several namespaces: the own one', [one({}, 'a', p1, 'a'), one({}, 'z', p2)], [], answers(['v2'])),
    row('… of others the oldest', [aged(one({}, 'a', p1, 'a'), '2026-01-01T00:00:00Z'), aged(one({}, 'b', p2, 'b'), '2025-01-01T00:00:00Z')], [], answers(['v2'])),
    row('the longest wildcard host', [one({ hosts: ['*.example'] }, 'a', p1), one({ hosts: ['*.api.example'] }, 'b', p2), one({ hosts: ['x.api.example'] }, 'c', p3)], [[at('api.example'), 'v1'], [at('y.api.example'), 'v2'], [at('x.api.example'), 'v3'], [at('example'), blocked]]),
    row('a VirtualService for a host under a wildcard', [one({ hosts: ['*.example'] }, 'a', p1), virtualService('b', { hosts: ['b.example'], http: [{ route: [{ destination: { host: '*.example'.replace('*', 'a') } }] }] })], [[at('a.example'), 'v1'], [at('b.example'), { status: 503, log: { response_flags: 'NC' } }]]),
  ];

  await mesh.play(t, [...addresses, ...names, ...selection, ...several]);
});

t.test('a workload that is a WorkloadEntry', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['app', 'v1'] });
  const vm = { ...istio('WorkloadEntry', 'vm-1', { address: '127.0.0.1', labels: { app: 'vm' }, serviceAccount: 'vm' }), metadata: { name: 'vm-1', namespace: 'default', labels: { tier: 'a' } } };
  const snapshot = [
    vm,
    istio('ServiceEntry', 'vm', { hosts: ['vm.example'], ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: mesh.port('app') }], resolution: 'STATIC', location: 'MESH_INTERNAL', workloadSelector: { labels: { app: 'vm' } } }),
    ...service('reviews', { workloads: [mesh.at('v1')] }),
    virtualService('reviews', { http: [{ match: [{ sourceLabels: { app: 'vm', tier: 'a' } }], headers: { request: { set: { 'x-matched': 'yes' } } }, route: [to('reviews')] }] }),
  ];
  const proxy = await Proxy.start(t, { snapshot, workload: 'default/vm-1' });
  t.match((await proxy.request({ host: 'vm.example' }, proxy.inbound)).header('x-by'), 'app', 'inbound by its ServiceEntry');
  t.match((await proxy.request({ host: 'reviews:9080' })).text, /"x-matched":"yes"/, 'labels of spec and metadata');
});

t.test('of a name with addresses of both families those of the own one count', async (t) => {
  const four = { address: '192.0.2.1', family: 4 };
  const six = { address: '2001:db8::1', family: 6 };
  t.same(ofFamily([six, four], 4), ['192.0.2.1']);
  t.same(ofFamily([six, four], 6), ['2001:db8::1']);
  t.same(ofFamily([six], 4), ['2001:db8::1'], 'rather the other family than nobody');
});

t.test('names are looked up before the clusters that need them are used', async (t) => {
  const upstream = await Upstream.start(t);
  const dns = (name: string): ReturnType<typeof clusterOf> => clusterOf(name, upstream.port, { discovery: 'DNS', endpoints: [{ address: `${name}.test`, port: upstream.port, weight: 1, locality: '', workload: {}, tlsMode: 'disabled' }] });
  const asked: string[] = [];
  const resolver = async (name: string): Promise<readonly string[]> => {
    asked.push(name);
    if (name === 'dead.test') return new Promise(() => {});
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (asked.filter((other) => other === name).length > 1) throw new Error('only once');
    return ['127.0.0.1'];
  };
  const proxy = await startDataPath(t, { resolver, cluster: dns('upstream') });
  t.equal((await request(t, proxy.port)).status, 200, 'at the start');

  const to = (name: string): Parameters<typeof proxy.runtime.applyDelta>[0] => {
    const action = { kind: 'forward', destinations: [{ cluster: name, weight: 1, host: name, port: 80, subset: '' }] } as const;
    const all = { name: 'all', domains: ['*'], virtualService: null, routes: [routeOf({ action })] };
    return { fromVersion: '1', version: name, clusters: { changed: [dns(name)], removed: [] }, routeTables: { changed: [{ name: 'test', changed: [all], removed: [] }], removed: [] } };
  };
  await proxy.runtime.applyDelta(to('new'));
  t.equal((await request(t, proxy.port)).status, 200, 'after a reload');
  t.same(asked, ['upstream.test', 'new.test'], 'one lookup each');

  const started = performance.now();
  await proxy.runtime.applyDelta(to('dead'));
  t.ok(performance.now() - started < 3000, 'a name server that is silent holds a reload up for a moment only');
  t.equal((await request(t, proxy.port)).text, 'no healthy upstream');

  const changed = dns('new');
  await proxy.runtime.applyDelta({ ...to('new'), clusters: { changed: [{ ...changed, connectTimeoutMs: 77 }], removed: [] } });
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.equal((await request(t, proxy.port)).status, 200, 'what was known stays known where the lookup after a change fails');
});
