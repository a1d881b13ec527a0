/** Kubernetes inputs: port protocols, target ports, EndpointSlices, Endpoints, Pods, headless and ExternalName services (istio-api.md section 7). */

import t from 'tap';
import type { Answer, Ask, MeshRow } from '../support/echo-mesh.ts';
import { EchoMesh, startEcho } from '../support/echo-mesh.ts';
import { destinationRule, istio, service, to, virtualService } from '../support/resources.ts';
import { countAnswers } from '../support/splits.ts';

type Fields = Readonly<Record<string, unknown>>;

const registryOnly = istio('Sidecar', 'default', { egress: [{ hosts: ['*/*'] }], outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } });
const blocked: Answer = { status: 502, text: '', log: { route_name: 'block_all' } };
const noEndpoint: Answer = { status: 503, text: 'no healthy upstream', log: { response_flags: 'UH' } };
const at = (host: string, more: Partial<Ask> = {}): Ask => ({ host, ...more });
const k8s = (kind: string, name: string, body: Fields, namespace = 'default', labels?: Readonly<Record<string, string>>): string =>
  JSON.stringify({ apiVersion: kind === 'EndpointSlice' ? 'discovery.k8s.io/v1' : 'v1', kind, metadata: { name, namespace, ...(labels === undefined ? {} : { labels }) }, ...body });
const svc = (name: string, ports: readonly Fields[], more: Fields = {}): string => k8s('Service', name, { spec: { selector: { app: name }, ports, ...more } });
const slice = (name: string, ports: readonly Fields[], endpoints: readonly Fields[], more: Fields = {}): string =>
  k8s('EndpointSlice', `${name}-${Math.abs(hash(JSON.stringify([ports, endpoints, more])))}`, { addressType: 'IPv4', ports, endpoints, ...more }, 'default', { 'kubernetes.io/service-name': name });
const runningPod = (name: string, app: string, more: { readonly containers?: readonly Fields[]; readonly status?: Fields; readonly spec?: Fields; readonly labels?: Readonly<Record<string, string>> } = {}): string =>
  k8s('Pod', name, { spec: { containers: more.containers ?? [], ...more.spec }, status: { podIP: '127.0.0.1', phase: 'Running', ...more.status } }, 'default', { app, ...more.labels });
const here = (more: Fields = {}): Fields => ({ addresses: ['127.0.0.1'], ...more });

t.test('kubernetes', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1', 'v2', 'v3'] });
  const six = await startEcho(t, 'six', { address: '::1' }).catch(() => undefined);
  const [p1, p2, p3] = [mesh.port('v1'), mesh.port('v2'), mesh.port('v3')];
  const row = (name: string, snapshot: MeshRow['snapshot'], ask: MeshRow['ask'] & object, more: Partial<MeshRow> = {}): MeshRow => ({ name, snapshot: [registryOnly, snapshot], ask, ...more });
  const answers = (host: string, wanted: readonly string[]): Partial<MeshRow> => ({
    also: async (t) => {
      const { counts, other } = await countAnswers(mesh, { host }, 60);
      t.same([...counts.keys()].sort(), wanted);
      t.equal(other, 0);
    },
  });
  /** Routed as HTTP, or unknown to HTTP. */
  const protocol = (name: string, port: Fields, routed: boolean): MeshRow =>
    row(`port protocol: ${name}`, [svc('web', [{ port: 9000, targetPort: p1, ...port }]), runningPod('web-1', 'web')], [[at('web:9000'), routed ? 'v1' : blocked]]);

  const protocols: readonly MeshRow[] = [
    ...['http', 'http-web', 'http2', 'http2-x', 'grpc', 'grpc-x', 'grpc-web', 'grpc-webfoo'].map((name) => protocol(`name ${name}`, { name }, true)),
    ...['https', 'https-x', 'tls', 'tcp', 'tcp-http', 'mongo', 'mysql', 'redis', 'udp'].map((name) => protocol(`name ${name}`, { name }, false)),
    ...['web', 'httpweb', 'my-http', ''].map((name) => protocol(`name "${name}" is sniffed`, name === '' ? {} : { name }, true)),
    protocol('appProtocol over the name', { name: 'tcp', appProtocol: 'http' }, true),
    protocol('appProtocol tcp over the name', { name: 'http', appProtocol: 'tcp' }, false),
    protocol('appProtocol is read like a name', { name: 'x', appProtocol: 'https-x' }, false),
    protocol('appProtocol kubernetes.io/h2c', { name: 'x', appProtocol: 'kubernetes.io/h2c' }, true),
    protocol('appProtocol kubernetes.io/ws', { name: 'x', appProtocol: 'kubernetes.io/ws' }, true),
    protocol('appProtocol kubernetes.io/wss', { name: 'x', appProtocol: 'kubernetes.io/wss' }, false),
    protocol('an appProtocol that nobody knows is sniffed', { name: 'tcp', appProtocol: 'example.com/custom' }, true),
    protocol('appProtocol in capitals', { name: 'x', appProtocol: 'HTTP' }, true),
    protocol('appProtocol TCP in capitals', { name: 'x', appProtocol: 'TCP-x' }, false),
    protocol('UDP', { name: 'http', protocol: 'UDP' }, false),
    ...[25, 53, 3306, 27017].map((port) => row(`port protocol: unnamed ${port} is TCP`, [svc('web', [{ port, targetPort: p1 }]), runningPod('web-1', 'web')], [[at(`web:${port}`), blocked]])),
    row('port protocol: unnamed 3307 is sniffed', [svc('web', [{ port: 3307, targetPort: p1 }]), runningPod('web-1', 'web')], [[at('web:3307'), 'v1']]),
  ];

  const http = { name: 'http', port: 80 };
  const targets: readonly MeshRow[] = [
    row('targetPort number, by Pods', [svc('web', [{ ...http, targetPort: p1 }]), runningPod('web-1', 'web')], [[at('web'), { by: 'v1', log: { upstream_host: `127.0.0.1:${p1}` } }]]),
    row('targetPort name, each Pod its own number', [svc('web', [{ ...http, targetPort: 'web' }]), runningPod('web-1', 'web', { containers: [{ name: 'side', ports: [{ name: 'other', containerPort: p3 }] }, { name: 'a', ports: [{ name: 'web', containerPort: p1 }] }] }), runningPod('web-2', 'web', { containers: [{ name: 'a', ports: [{ name: 'web', containerPort: p2 }] }] })], [], answers('web', ['v1', 'v2'])),
    row('targetPort name that no container has', [svc('web', [{ ...http, targetPort: 'nobody' }]), runningPod('web-1', 'web')], [[at('web'), noEndpoint]]),
    row('no targetPort: the port', [svc('web', [{ name: 'http', port: p1 }]), runningPod('web-1', 'web')], [[at(`web:${p1}`), 'v1']]),
    row('a slice\'s port wins over targetPort, joined by name', [svc('web', [{ ...http, targetPort: p3 }, { name: 'http-b', port: 81 }]), slice('web', [{ name: 'http-b', port: p2 }, { name: 'http', port: p1 }], [here()])], [[at('web:80'), 'v1'], [at('web:81'), 'v2']]),
    row('an unnamed port joins an unnamed one', [svc('web', [{ port: 80 }]), slice('web', [{ port: p1 }], [here()])], [[at('web'), 'v1']]),
    row('… and null or "" is unnamed', [svc('web', [{ port: 80 }]), slice('web', [{ name: '', port: p1 }], [here()])], [[at('web'), 'v1']]),
    row('names that differ do not join', [svc('web', [http]), slice('web', [{ name: 'web', port: p1 }], [here()])], [[at('web'), noEndpoint]]),
    row('a slice port without number stands for targetPort', [svc('web', [{ ...http, targetPort: p1 }]), slice('web', [{ name: 'http' }], [here()])], [[at('web'), 'v1']]),
    row('a slice port of another transport does not count', [svc('web', [http]), slice('web', [{ name: 'http', port: p1, protocol: 'UDP' }], [here()])], [[at('web'), noEndpoint]]),
  ];

  const ports = [{ name: 'http', port: p1 }];
  const readiness: readonly MeshRow[] = [
    row('ready absent or null is ready', [svc('web', [http]), slice('web', ports, [here({ conditions: {} })]), slice('web', [{ name: 'http', port: p2 }], [here({ conditions: { ready: null } })]), slice('web', [{ name: 'http', port: p3 }], [here()])], [], answers('web', ['v1', 'v2', 'v3'])),
    row('not ready is left out', [svc('web', [http]), slice('web', ports, [here({ conditions: { ready: false } })])], [[at('web'), noEndpoint]]),
    row('… unless publishNotReadyAddresses', [svc('web', [http], { publishNotReadyAddresses: true }), slice('web', ports, [here({ conditions: { ready: false } })])], [[at('web'), 'v1']]),
    row('terminating is dropped, even if serving', [svc('web', [http]), slice('web', ports, [here({ conditions: { ready: false, serving: true, terminating: true } })]), slice('web', [{ name: 'http', port: p2 }], [here()])], [], answers('web', ['v2'])),
    row('several slices are put together, repeats once', [svc('web', [http]), slice('web', ports, [here(), here()]), slice('web', [{ name: 'http', port: p2 }], [here()])], [], answers('web', ['v1', 'v2'])),
    row('slices of another service, or of nobody', [svc('web', [http]), slice('other', ports, [here()]), k8s('EndpointSlice', 'stray', { addressType: 'IPv4', ports, endpoints: [here()] })], [[at('web'), noEndpoint]]),
    row('slices of both families', [svc('web', [http]), slice('web', ports, [here()]), slice('web', [{ name: 'http', port: p2 }], [{ addresses: ['::1'], conditions: { ready: false } }], { addressType: 'IPv6' })], [], answers('web', ['v1'])),
    ...(six === undefined ? [] : [row('an IPv6 endpoint', [svc('web', [http]), slice('web', [{ name: 'http', port: six }], [{ addresses: ['::1'] }], { addressType: 'IPv6' })], [[at('web'), { by: 'six', log: { upstream_host: `[::1]:${six}` } }]])]),
    row('an empty slice: nobody, though Pods would be selected', [svc('web', [{ ...http, targetPort: p1 }]), slice('web', ports, []), runningPod('web-1', 'web')], [[at('web'), noEndpoint]]),
    row('Endpoints, the old form', [svc('web', [http]), k8s('Endpoints', 'web', { subsets: [{ addresses: [{ ip: '127.0.0.1' }], ports }, { notReadyAddresses: [{ ip: '127.0.0.1' }], ports: [{ name: 'http', port: p2 }] }] })], [], answers('web', ['v1'])),
    row('slices win over Endpoints', [svc('web', [http]), slice('web', [{ name: 'http', port: p2 }], [here()]), k8s('Endpoints', 'web', { subsets: [{ addresses: [{ ip: '127.0.0.1' }], ports }] })], [], answers('web', ['v2'])),
    row('Pods by selector: those that run', [svc('web', [{ ...http, targetPort: 'web' }]), ...(['v1', 'v2', 'v3'] as const).map((name, index) => runningPod(`web-${index}`, 'web', { containers: [{ name: 'a', ports: [{ name: 'web', containerPort: mesh.port(name) }] }], status: { phase: ['Running', 'Pending', 'Failed'][index] } }))], [], answers('web', ['v1'])),
    row('… and are ready, where they say so', [svc('web', [{ ...http, targetPort: 'web' }]), ...(['v1', 'v2'] as const).map((name, index) => runningPod(`web-${index}`, 'web', { containers: [{ name: 'a', ports: [{ name: 'web', containerPort: mesh.port(name) }] }], status: { conditions: [{ type: 'Ready', status: index === 0 ? 'True' : 'False' }] } }))], [], answers('web', ['v1'])),
    row('a selector with several labels', [k8s('Service', 'web', { spec: { selector: { app: 'web', tier: 'a' }, ports: [{ ...http, targetPort: p1 }] } }), runningPod('web-1', 'web'), runningPod('web-2', 'web', { labels: { tier: 'a' } })], [[at('web'), 'v1']]),
    row('a Service without selector or endpoints', [k8s('Service', 'web', { spec: { ports: [http] } }), runningPod('web-1', 'web')], [[at('web'), noEndpoint]]),
    row('subset labels come from the Pod that targetRef names', [svc('web', [http]), ...(['v1', 'v2'] as const).flatMap((name) => [runningPod(`web-${name}`, 'web', { labels: { version: name } }), slice('web', [{ name: 'http', port: mesh.port(name) }], [here({ targetRef: { kind: 'Pod', name: `web-${name}`, namespace: 'default' } })])]), destinationRule('web', ['v2']), virtualService('web', { http: [{ route: [to('web', 'v2')] }] })], [[at('web'), 'v2'], [at('web'), 'v2']]),
    row('… or from the slice itself, without Pods', [svc('web', [http]), k8s('EndpointSlice', 'web-v1', { addressType: 'IPv4', ports, endpoints: [here()] }, 'default', { 'kubernetes.io/service-name': 'web', version: 'v1' }), k8s('EndpointSlice', 'web-v2', { addressType: 'IPv4', ports: [{ name: 'http', port: p2 }], endpoints: [here()] }, 'default', { 'kubernetes.io/service-name': 'web', version: 'v2' }), destinationRule('web', ['v1']), virtualService('web', { http: [{ route: [to('web', 'v1')] }] })], [[at('web'), 'v1'], [at('web'), 'v1']]),
  ];

  const concrete = service('real', { port: 80, workloads: [{ port: p1, version: 'v1' }, { port: p2, version: 'v2' }] });
  const alias = k8s('Service', 'alias', { spec: { type: 'ExternalName', externalName: 'real.default.svc.cluster.local', ports: [http] } });
  const kinds: readonly MeshRow[] = [
    row('ExternalName: an alias of the other service, by all its names', [concrete, alias], [], answers('alias', ['v1', 'v2'])),
    row('ExternalName: the cluster is the other\'s', [service('real', { port: 80, workloads: [mesh.at('v1')] }), alias], [[at('alias.default'), { by: 'v1', host: 'alias.default', log: { upstream_cluster: 'outbound|80||real.default.svc.cluster.local' } }], [at('alias.default.svc.cluster.local:80'), 'v1']]),
    row('ExternalName: a VirtualService on the alias is for its full name only', [service('real', { port: 80, workloads: [mesh.at('v1')] }), alias, virtualService('alias', { http: [{ directResponse: { status: 418 } }] })], [[at('alias.default.svc.cluster.local'), 418], [at('alias'), 'v1'], [at('real'), 'v1']]),
    row('ExternalName: a VirtualService on the concrete one is for both', [concrete, alias, virtualService('real', { http: [{ directResponse: { status: 418 } }] })], [[at('alias'), 418], [at('real'), 418]]),
    row('ExternalName: as a destination it leads to the other\'s cluster and subsets', [concrete, alias, service('front', { port: 80 }), destinationRule('real', ['v2']), virtualService('front', { http: [{ route: [to('alias', 'v2')] }] })], [[at('front'), { by: 'v2', log: { upstream_cluster: 'outbound|80|v2|real.default.svc.cluster.local' } }]]),
    row('internalTrafficPolicy Local: on no known node, all endpoints', [k8s('Service', 'web', { spec: { selector: { app: 'web' }, ports: [http], internalTrafficPolicy: 'Local' } }), slice('web', ports, [here({ nodeName: 'node-a' })]), slice('web', [{ name: 'http', port: p2 }], [here({ nodeName: 'node-b' })])], [], answers('web', ['v1', 'v2'])),
  ];

  await mesh.play(t, [...protocols, ...targets, ...readiness, ...kinds]);
});

t.test('inbound ports of several services', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['a', 'b'], workload: 'default/web-1' });
  const [pa, pb] = [mesh.port('a'), mesh.port('b')];
  const web = (name: string, ports: readonly Fields[]): string => k8s('Service', name, { spec: { selector: { app: 'web' }, ports } });
  const inbound = (host: string): Ask => ({ host, via: 'inbound' });
  const labels = { app: 'web' };
  await mesh.play(t, [
    {
      name: 'service port and target port',
      snapshot: [web('one', [{ name: 'http', port: 80, targetPort: pa }]), web('two', [{ name: 'http', port: 81, targetPort: pb }])],
      labels,
      ask: [[inbound('one'), 'a'], [inbound('one:80'), 'a'], [inbound('two:81'), 'b'], [inbound('two'), 'b'], [inbound(`10.0.0.1:${pb}`), 'b'], [inbound(`one:${pa}`), 'a']],
    },
    {
      name: 'a local port wins over a service port of the same number',
      snapshot: [web('one', [{ name: 'http', port: pb, targetPort: pa }]), web('two', [{ name: 'http', port: 81, targetPort: pb }])],
      labels,
      ask: [[inbound(`x:${pb}`), 'b'], [inbound(`x:${pa}`), 'a'], [inbound('x:81'), 'b']],
    },
    {
      name: 'two services in front of one port',
      snapshot: [web('one', [{ name: 'http', port: 80, targetPort: pa }]), web('two', [{ name: 'http', port: 81, targetPort: pa }])],
      labels,
      ask: [[inbound('one:80'), 'a'], [inbound('two:81'), 'a']],
    },
    {
      name: 'a named target port is the Pod\'s own',
      snapshot: [web('one', [{ name: 'http', port: 80, targetPort: 'main' }]), k8s('EndpointSlice', 'one-x', { addressType: 'IPv4', ports: [{ name: 'http', port: pa }], endpoints: [here({ targetRef: { kind: 'Pod', name: 'web-1' } })] }, 'default', { 'kubernetes.io/service-name': 'one' })],
      labels,
      ask: [[inbound('one:80'), 'a']],
    },
    {
      name: 'a service of another namespace, or one that selects others, is not ours',
      snapshot: [k8s('Service', 'one', { spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: pb, targetPort: pa }] } }, 'shop'), k8s('Service', 'two', { spec: { selector: { app: 'else' }, ports: [{ name: 'http', port: pb, targetPort: pa }] } })],
      labels,
      ask: [[inbound(`x:${pb}`), { by: 'b', log: { upstream_cluster: 'InboundPassthroughCluster' } }]],
    },
    {
      name: 'VirtualServices do not apply to inbound requests',
      snapshot: [web('one', [{ name: 'http', port: 80, targetPort: pa }]), virtualService('one', { http: [{ directResponse: { status: 418 } }] })],
      labels,
      ask: [[inbound('one:80'), { by: 'a', log: { route_name: 'default' } }], [{ host: 'one:80' }, 418]],
    },
  ]);
});

/** A short name for a resource out of what is in it. */
function hash(text: string): number {
  let value = 0;
  for (let i = 0; i < text.length; i++) value = (value * 31 + text.charCodeAt(i)) | 0;
  return value;
}
