/** Which names lead where: short names, host variants, wildcards, precedence, visibility (istio-api.md section 1, 2.1). */

import t from 'tap';
import type { Answer, Ask, MeshRow } from '../support/echo-mesh.ts';
import { EchoMesh } from '../support/echo-mesh.ts';
import type { ResourceObject } from '../support/resources.ts';
import { destinationRule, istio, service, to, virtualService } from '../support/resources.ts';

type Asked = readonly (readonly [Ask, Answer])[];

const says = (text: string): Readonly<Record<string, unknown>> => ({ directResponse: { status: 200, body: { string: text } } });
const told = (text: string, route?: string): Answer => ({ status: 200, text, ...(route === undefined ? {} : { log: { route_name: route } }) });
const aged = (resource: ResourceObject, creationTimestamp: string): ResourceObject => ({ ...resource, metadata: { ...resource.metadata, creationTimestamp } });
const annotated = (resource: ResourceObject, annotations: Readonly<Record<string, string>>): ResourceObject => ({ ...resource, metadata: { ...resource.metadata, annotations } });
const registryOnly = istio('Sidecar', 'default', { egress: [{ hosts: ['*/*'] }], outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } });
const blocked = { status: 502, log: { route_name: 'block_all' } };
const noCluster = { status: 503, text: '', log: { response_flags: 'NC', response_code_details: 'cluster_not_found' } };

t.test('names', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1', 'v2', 'v3'] });
  const workloads = [mesh.at('v1')];
  const other = [mesh.at('v2')];
  const reviews = service('reviews', { workloads });
  const reviewsOfShop = service('reviews', { namespace: 'shop', workloads: other });
  const external = (name: string, hosts: readonly string[], more: Readonly<Record<string, unknown>> = {}, namespace = 'default'): ResourceObject =>
    istio('ServiceEntry', name, { hosts, ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: mesh.port('v3') }], resolution: 'STATIC', endpoints: [{ address: '127.0.0.1' }], ...more }, namespace);
  const at = (host: string, more: Partial<Ask> = {}): Ask => ({ host, ...more });
  const all = (hosts: readonly string[], answer: Answer): Asked => hosts.map((host) => [at(host), answer] as const);

  const hostVariants: readonly MeshRow[] = [
    {
      name: '1.4 a service of the own namespace answers to each of its names, with a port and without',
      snapshot: [reviews, registryOnly],
      ask: all(
        ['reviews', 'reviews.default', 'reviews.default.svc', 'reviews.default.svc.cluster.local', 'reviews.default.svc.cluster.local.', 'REVIEWS.Default.svc'].flatMap((host) => [host, `${host}:9080`]),
        { by: 'v1', log: { upstream_cluster: 'outbound|9080||reviews.default.svc.cluster.local' } },
      ),
    },
    { name: '1.4 … and to no other', snapshot: [reviews, registryOnly], ask: all(['reviews.default.svc.cluster', 'reviews.svc.cluster.local', 'reviews.other', 'review', 'x.reviews', 'reviews:9081', 'reviews.default.svc.cluster.local..'], blocked) },
    {
      name: '1.4 of another namespace, the bare name is not enough',
      snapshot: [reviewsOfShop, registryOnly],
      ask: [...all(['reviews.shop', 'reviews.shop.svc', 'reviews.shop.svc.cluster.local', 'reviews.shop.svc.cluster.local.:9080'], 'v2'), ...all(['reviews', 'reviews:9080'], blocked)],
    },
    {
      name: '1.4 the bare name is the own namespace\'s, whoever else has it',
      snapshot: [reviewsOfShop, reviews, registryOnly],
      ask: [...all(['reviews', 'reviews.default:9080'], 'v1'), ...all(['reviews.shop:9080'], 'v2')],
    },
    {
      name: '1.4 cluster IPs of both families',
      snapshot: [clusterIps(reviews, ['10.96.0.7', 'fd00::7']), registryOnly],
      ask: [...all(['10.96.0.7:9080', '10.96.0.7', '[fd00::7]:9080', '[fd00::7]'], 'v1'), ...all(['10.96.0.8:9080', '[fd00::8]:9080'], blocked)],
    },
    {
      name: '1.4 a headless service: its pods\' names too',
      snapshot: [clusterIps(reviews, ['None']), registryOnly],
      ask: [...all(['reviews:9080', 'pod-0.reviews:9080', 'pod-0.reviews.default', 'pod-0.reviews.default.svc', 'pod-0.reviews.default.svc.cluster.local:9080'], 'v1'), ...all(['pod-0.other:9080'], blocked)],
    },
    {
      name: '1.4 a ServiceEntry: its host and its addresses, no variants',
      snapshot: [external('api', ['api.example.com'], { addresses: ['192.0.2.10', '2001:db8::10'] }), registryOnly],
      ask: [...all(['api.example.com', 'api.example.com:80', 'API.example.com', '192.0.2.10', '[2001:db8::10]:80'], 'v3'), ...all(['api', 'api.example', 'www.api.example.com', 'example.com', 'api.example.com.'], blocked)],
    },
    {
      name: '1.4 a shorter form never steals another service\'s full name',
      snapshot: [service('reviews', { port: 80, workloads }), external('short', ['reviews.default']), registryOnly],
      ask: [...all(['reviews.default'], 'v3'), ...all(['reviews', 'reviews.default.svc'], 'v1')],
    },
    {
      name: '5.1 a ServiceEntry with the name of a Kubernetes service changes nothing',
      snapshot: [service('reviews', { port: 80, workloads }), external('shadow', ['reviews.default.svc.cluster.local']), registryOnly],
      ask: all(['reviews', 'reviews.default.svc.cluster.local'], 'v1'),
    },
    {
      name: 'services of two ports and names keep apart',
      snapshot: [service('reviews', { port: 80, workloads }), service('ratings', { port: 81, workloads: other }), registryOnly],
      ask: [...all(['reviews', 'reviews:80'], 'v1'), ...all(['ratings', 'ratings:81'], 'v2'), ...all(['reviews:81', 'ratings:80'], blocked)],
    },
  ];

  const shortNames: readonly MeshRow[] = [
    {
      name: '1.2 short names belong to the namespace of the resource that holds them',
      snapshot: [reviews, reviewsOfShop, service('ratings', { namespace: 'shop', workloads: [mesh.at('v3')] }), virtualService('ratings', { http: [{ route: [to('reviews')] }] }, 'shop'), registryOnly],
      ask: [[at('ratings.shop:9080'), { by: 'v2', log: { upstream_cluster: 'outbound|9080||reviews.shop.svc.cluster.local' } }], [at('reviews:9080'), 'v1']],
    },
    {
      name: '1.2 a name with a dot is complete: reviews.shop is no service',
      snapshot: [reviews, reviewsOfShop, virtualService('reviews', { http: [{ route: [to('reviews.shop')] }] })],
      ask: [['/', noCluster]],
    },
    {
      name: '1.2 a VirtualService for reviews.shop is not one for the service',
      snapshot: [reviewsOfShop, virtualService('dotted', { hosts: ['reviews.shop'], http: [says('dotted')] }, 'shop')],
      ask: [[at('reviews.shop:9080'), 'v2']],
    },
    {
      name: '1.2 full names, in any case',
      snapshot: [reviews, reviewsOfShop, virtualService('any', { hosts: ['Reviews.DEFAULT.svc.cluster.local'], http: [{ route: [to('REVIEWS.shop.svc.cluster.local')] }] })],
      ask: [['/', 'v2'], [at('reviews'), 'v2'], [at('reviews.default.svc.cluster.local:9080'), 'v2']],
    },
    {
      name: '1.2 short host of a DestinationRule',
      snapshot: [reviews, destinationRule('reviews', ['v1']), virtualService('reviews', { http: [{ route: [to('reviews', 'v1')] }] })],
      ask: [['/', { by: 'v1', log: { upstream_cluster: 'outbound|9080|v1|reviews.default.svc.cluster.local' } }]],
    },
  ];

  const hello = (name: string, hosts: readonly string[], text = name): ResourceObject => virtualService(name, { hosts, http: [says(text)] });
  const precedence: readonly MeshRow[] = [
    {
      name: '1.3 the exact host wins over wildcards, the longest wildcard over others',
      snapshot: [reviews, service('ratings', { workloads: other }), service('details', { workloads: other }), service('reviews', { namespace: 'shop', workloads: other }), hello('a-short', ['*.local']), hello('b-long', ['*.default.svc.cluster.local']), hello('c-exact', ['reviews'])],
      ask: [[at('reviews:9080'), told('c-exact')], [at('ratings:9080'), told('b-long')], [at('details.default:9080'), told('b-long')], [at('reviews.shop:9080'), told('a-short')]],
    },
    {
      name: '1.3 a wildcard needs at least one label more',
      snapshot: [external('two', ['foo.com', 'bar.foo.com', 'a.b.foo.com', 'xfoo.com']), hello('wild', ['*.foo.com']), registryOnly],
      ask: [[at('foo.com'), 'v3'], [at('bar.foo.com'), told('wild')], [at('a.b.foo.com'), told('wild')], [at('xfoo.com'), 'v3']],
    },
    {
      name: '1.3 of two for one host the oldest wins',
      snapshot: [reviews, aged(hello('a-young', ['reviews']), '2026-02-01T00:00:00Z'), aged(hello('b-old', ['reviews']), '2026-01-01T00:00:00Z')],
      ask: [['/', told('b-old')]],
    },
    { name: '1.6 without times, the first by name', snapshot: [reviews, hello('b', ['reviews']), hello('a', ['reviews'])], ask: [['/', told('a')]] },
    {
      name: '1.6 one with a time is older than one without',
      snapshot: [reviews, aged(hello('b-timed', ['reviews']), '2026-01-01T00:00:00Z'), hello('a', ['reviews'])],
      ask: [['/', told('b-timed')]],
    },
    {
      name: '2.1 no merging at a sidecar: what the first has no route for is 404, not the second\'s',
      snapshot: [reviews, virtualService('a', { hosts: ['reviews'], http: [{ match: [{ uri: { prefix: '/a' } }], ...says('a') }] }), virtualService('b', { hosts: ['reviews'], http: [says('b')] })],
      ask: [['/a', told('a')], ['/b', { status: 404, text: '', log: { response_flags: 'NR', response_code_details: 'route_not_found' } }]],
    },
    {
      name: '2.1 private before exported by name before public, whatever their age',
      snapshot: [
        reviews,
        aged(virtualService('public', { hosts: ['reviews.default.svc.cluster.local'], http: [says('public')] }, 'a'), '2020-01-01T00:00:00Z'),
        aged(virtualService('named', { hosts: ['reviews.default.svc.cluster.local'], exportTo: ['default'], http: [says('named')] }, 'a'), '2021-01-01T00:00:00Z'),
        aged(virtualService('private', { hosts: ['reviews'], exportTo: ['.'], http: [says('private')] }), '2022-01-01T00:00:00Z'),
      ],
      ask: [['/', told('private')]],
    },
    {
      name: '2.1 exported by name before public',
      snapshot: [
        reviews,
        aged(virtualService('public', { hosts: ['reviews.default.svc.cluster.local'], http: [says('public')] }, 'a'), '2020-01-01T00:00:00Z'),
        aged(virtualService('named', { hosts: ['reviews.default.svc.cluster.local'], exportTo: ['default', 'b'], http: [says('named')] }, 'a'), '2021-01-01T00:00:00Z'),
      ],
      ask: [['/', told('named')]],
    },
    {
      name: '2.1 a host that is no service has a virtual host on port 80, and only there',
      snapshot: [virtualService('virtual', { hosts: ['virtual.example', 'short', '10.1.2.3'], http: [says('virtual')] }), reviews, registryOnly],
      ask: [...all(['virtual.example', 'virtual.example:80', 'short.default.svc.cluster.local', '10.1.2.3'], told('virtual')), ...all(['virtual.example:9080', 'virtual.example:8080', 'short', 'other.example'], blocked)],
    },
    {
      name: '2.1 a foreign wildcard host on port 80',
      snapshot: [virtualService('virtual', { hosts: ['*.virtual.example'], http: [says('virtual')] }), registryOnly],
      ask: [...all(['a.virtual.example', 'a.b.virtual.example:80'], told('virtual')), ...all(['virtual.example'], blocked)],
    },
    {
      name: '2.1 gateways: a list without mesh is not for sidecars, a mixed one is',
      snapshot: [reviews, service('ratings', { workloads: other }), virtualService('reviews', { gateways: ['shop/edge'], http: [says('gateway only')] }), virtualService('ratings', { gateways: ['shop/edge', 'mesh'], http: [says('both')] })],
      ask: [['/', 'v1'], [at('ratings:9080'), told('both')]],
    },
    {
      name: '2.1 the first catch-all ends the list',
      snapshot: [reviews, virtualService('reviews', { http: [{ match: [{ uri: { exact: '/a' } }], ...says('a') }, { match: [{ uri: { prefix: '/' } }], ...says('all') }, { match: [{ uri: { exact: '/b' } }], ...says('b') }] })],
      ask: [['/a', told('a')], ['/b', told('all')], ['/', told('all')]],
    },
    {
      name: '2.1 two hosts of one VirtualService',
      snapshot: [reviews, service('ratings', { workloads: other }), virtualService('two', { hosts: ['reviews', 'ratings'], http: [{ route: [to('reviews')] }] })],
      ask: [[at('ratings:9080'), { by: 'v1', host: 'ratings:9080' }], [at('reviews:9080'), 'v1']],
    },
  ];

  const visibility: readonly MeshRow[] = [
    {
      name: '1.5 a service not exported to us is unknown',
      snapshot: [annotated(reviewsOfShop[0] as ResourceObject, { 'networking.istio.io/exportTo': '.' }), reviewsOfShop.slice(1), registryOnly],
      ask: all(['reviews.shop:9080'], blocked),
    },
    {
      name: '1.5 … to us by name, among others, is known',
      snapshot: [annotated(reviewsOfShop[0] as ResourceObject, { 'networking.istio.io/exportTo': 'prod, default' }), reviewsOfShop.slice(1), registryOnly],
      ask: all(['reviews.shop:9080'], 'v2'),
    },
    { name: '1.5 … to nobody', snapshot: [annotated(reviews[0] as ResourceObject, { 'networking.istio.io/exportTo': '~' }), reviews.slice(1), registryOnly], ask: all(['reviews:9080'], blocked) },
    { name: '1.5 a ServiceEntry of another namespace, public', snapshot: [external('api', ['api.example.com'], {}, 'shop'), registryOnly], ask: all(['api.example.com'], 'v3') },
    { name: '1.5 … private to it', snapshot: [external('api', ['api.example.com'], { exportTo: ['.'] }, 'shop'), registryOnly], ask: all(['api.example.com'], blocked) },
    { name: '1.5 … exported to us', snapshot: [external('api', ['api.example.com'], { exportTo: ['default'] }, 'shop'), registryOnly], ask: all(['api.example.com'], 'v3') },
    { name: '1.5 a VirtualService private to another namespace', snapshot: [reviews, virtualService('r', { hosts: ['reviews.default.svc.cluster.local'], exportTo: ['.'], http: [says('private')] }, 'shop')], ask: [['/', 'v1']] },
    { name: '1.5 … public', snapshot: [reviews, virtualService('r', { hosts: ['reviews.default.svc.cluster.local'], exportTo: ['*'], http: [says('public')] }, 'shop')], ask: [['/', told('public')]] },
    {
      name: '1.5 a VirtualService may not send to a service that is hidden from us',
      snapshot: [reviews, annotated(reviewsOfShop[0] as ResourceObject, { 'networking.istio.io/exportTo': 'prod' }), reviewsOfShop.slice(1), virtualService('reviews', { http: [{ route: [to('reviews.shop.svc.cluster.local')] }] })],
      ask: [['/', noCluster]],
    },
    {
      name: '1.5 mesh defaults',
      snapshot: [reviews, virtualService('r', { hosts: ['reviews.default.svc.cluster.local'], http: [says('private by default')] }, 'shop'), meshConfig('defaultVirtualServiceExportTo: ["."]')],
      ask: [['/', 'v1']],
    },
  ];

  await mesh.play(t, [...hostVariants, ...shortNames, ...precedence, ...visibility]);
});

t.test('another cluster domain', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1'], args: ['--cluster-domain', 'mesh.internal'] });
  await mesh.play(t, [
    {
      name: 'names end in it',
      snapshot: [service('reviews', { workloads: [mesh.at('v1')] }), virtualService('reviews', { http: [{ route: [to('reviews')] }] }), registryOnly],
      ask: [
        [{ host: 'reviews.default.svc.mesh.internal:9080' }, { by: 'v1', log: { upstream_cluster: 'outbound|9080||reviews.default.svc.mesh.internal' } }],
        [{ host: 'reviews' }, 'v1'],
        [{ host: 'reviews.default.svc.cluster.local:9080' }, blocked],
      ],
    },
  ]);
});

function clusterIps([first, ...rest]: readonly ResourceObject[], clusterIPs: readonly string[]): readonly ResourceObject[] {
  const withAddresses = { ...(first as ResourceObject), spec: { ...((first as ResourceObject).spec as object), clusterIP: clusterIPs[0], clusterIPs } };
  return [withAddresses, ...rest];
}

function meshConfig(mesh: string): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data: { mesh } });
}
