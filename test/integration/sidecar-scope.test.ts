/** Sidecar resources: which applies, what it imports, its listeners, and what becomes of unknown destinations (istio-api.md section 6). */

import t from 'tap';
import type { Answer, Ask, MeshRow } from '../support/echo-mesh.ts';
import { EchoMesh } from '../support/echo-mesh.ts';
import type { ResourceObject } from '../support/resources.ts';
import { destinationRule, istio, service, to, virtualService } from '../support/resources.ts';

type Fields = Readonly<Record<string, unknown>>;

const blocked: Answer = { status: 502, text: '', log: { route_name: 'block_all', upstream_cluster: null } };
const at = (host: string, more: Partial<Ask> = {}): Ask => ({ host, ...more });
const says = (text: string): Fields => ({ directResponse: { status: 200, body: { string: text } } });
const told = (text: string): Answer => ({ status: 200, text });
const only = { mode: 'REGISTRY_ONLY' };
const sidecar = (name: string, spec: Fields, namespace = 'default'): ResourceObject => istio('Sidecar', name, spec, namespace);
const selecting = (labels: Fields): Fields => ({ workloadSelector: { labels } });
const mesh1 = (mesh: string): string => JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data: { mesh } });

t.test('egress', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['default', 'shop', 'prod', 'outside'], args: ['--map-port', '8001=0', '--map-port', '8002=0', '--map-port', '9080=0', '--map-port', '9081=0'] });
  const services = ['default', 'shop', 'prod'].map((namespace) => service('reviews', { namespace, workloads: [mesh.at(namespace)] }));
  const [own, shop, prod] = ['reviews:9080', 'reviews.shop:9080', 'reviews.prod:9080'].map((host) => at(host));
  const outside = `127.0.0.1:${mesh.port('outside')}`;
  const row = (name: string, snapshot: MeshRow['snapshot'], ask: MeshRow['ask'] & object, more: Partial<MeshRow> = {}): MeshRow => ({ name, snapshot: [services, snapshot], ask, ...more });
  const asks = (...answers: readonly Answer[]): readonly (readonly [Ask, Answer])[] => [own, shop, prod].map((ask, index) => [ask as Ask, answers[index] as Answer] as const);
  const imports = (...hosts: readonly string[]): ResourceObject => sidecar('default', { egress: [{ hosts }], outboundTrafficPolicy: only });

  const which: readonly MeshRow[] = [
    row('6.1 none: everything', [], asks('default', 'shop', 'prod')),
    row('6.1 the one of the namespace', [imports('./*')], asks('default', blocked, blocked)),
    row('6.1 one that selects the workload before it', [imports('./*'), sidecar('chosen', { ...selecting({ app: 'client', tier: 'a' }), egress: [{ hosts: ['shop/*'] }], outboundTrafficPolicy: only })], asks(blocked, 'shop', blocked), { labels: { tier: 'a' } }),
    row('6.1 … not one that selects others', [imports('./*'), sidecar('chosen', { ...selecting({ app: 'client', tier: 'a' }), egress: [{ hosts: ['shop/*'] }] })], asks('default', blocked, blocked)),
    row('6.1 the root namespace\'s, where the own has none', [sidecar('default', { egress: [{ hosts: ['prod/*'] }], outboundTrafficPolicy: only }, 'istio-system')], asks(blocked, blocked, 'prod')),
    row('6.1 … but not where it has', [sidecar('default', { egress: [{ hosts: ['prod/*'] }], outboundTrafficPolicy: only }, 'istio-system'), imports('./*')], asks('default', blocked, blocked)),
    row('6.1 … nor one there with a selector', [sidecar('chosen', { ...selecting({ app: 'client' }), egress: [{ hosts: ['prod/*'] }], outboundTrafficPolicy: only }, 'istio-system')], asks('default', 'shop', 'prod')),
    row('6.1 another namespace\'s never', [sidecar('default', { egress: [{ hosts: ['~/*'] }], outboundTrafficPolicy: only }, 'shop')], asks('default', 'shop', 'prod')),
  ];

  const hosts: readonly MeshRow[] = [
    row('6.2 */*', [imports('*/*')], asks('default', 'shop', 'prod')),
    row('6.2 a namespace by name', [imports('shop/*')], asks(blocked, 'shop', blocked)),
    row('6.2 several', [imports('./*', 'prod/*')], asks('default', blocked, 'prod')),
    row('6.2 one host', [imports('*/reviews.shop.svc.cluster.local')], asks(blocked, 'shop', blocked)),
    row('6.2 a wildcard host', [imports('*/*.prod.svc.cluster.local', './*')], asks('default', blocked, 'prod')),
    row('6.2 a host of the wrong namespace', [imports('./reviews.shop.svc.cluster.local')], asks(blocked, blocked, blocked)),
    row('6.2 short names are not completed', [imports('./reviews')], asks(blocked, blocked, blocked)),
    row('6.2 ~/* imports nothing', [imports('~/*')], asks(blocked, blocked, blocked)),
    row('6.2 ~namespace/host takes away', [imports('*/*', '~shop/*')], asks('default', blocked, 'prod')),
    row('6.2 … whatever the order, one host', [imports('~prod/reviews.prod.svc.cluster.local', '*/*')], asks('default', 'shop', blocked)),
    row('6.2 what is not imported is unknown, not blocked', [sidecar('default', { egress: [{ hosts: ['./*'] }] })], [[own as Ask, 'default'], [at(outside), { by: 'outside', log: { upstream_cluster: 'PassthroughCluster' } }]]),
    row('6.2 VirtualServices are imported by their hosts', [imports('./*', 'shop/reviews.shop.svc.cluster.local'), virtualService('s', { hosts: ['reviews.shop.svc.cluster.local'], http: [says('shop')] }, 'shop'), virtualService('p', { hosts: ['reviews.default.svc.cluster.local'], http: [says('of prod')] }, 'prod')], [[own as Ask, 'default'], [shop as Ask, told('shop')]]),
    row('6.2 a wildcard VirtualService by one of the names it covers', [imports('*/reviews.shop.svc.cluster.local'), virtualService('w', { hosts: ['*.shop.svc.cluster.local'], http: [says('wild')] }, 'shop')], [[shop as Ask, told('wild')]]),
    row('6.2 destinations of an imported VirtualService need no import', [imports('./*'), destinationRule('reviews', ['prod'], {}, 'prod'), virtualService('reviews', { http: [{ route: [to('reviews.prod.svc.cluster.local', 'prod')] }] })], [[own as Ask, 'prod'], [prod as Ask, blocked]]),
    row('6.2 egress absent imports everything', [sidecar('default', { outboundTrafficPolicy: only })], asks('default', 'shop', 'prod')),
  ];

  const policy: readonly MeshRow[] = [
    row('6.2 outboundTrafficPolicy of the mesh', [mesh1('outboundTrafficPolicy: {mode: REGISTRY_ONLY}')], [[at(outside), blocked], [own as Ask, 'default']]),
    row('6.2 … the Sidecar\'s over it', [mesh1('outboundTrafficPolicy: {mode: REGISTRY_ONLY}'), sidecar('default', { outboundTrafficPolicy: { mode: 'ALLOW_ANY' } })], [[at(outside), 'outside']]),
    row('6.2 … a Sidecar without one leaves the mesh\'s', [mesh1('outboundTrafficPolicy: {mode: REGISTRY_ONLY}'), sidecar('default', { egress: [{ hosts: ['*/*'] }] })], [[at(outside), blocked]]),
    row('6.2 an empty one is REGISTRY_ONLY', [sidecar('default', { outboundTrafficPolicy: {} })], [[at(outside), blocked]]),
    row('6.2 egressProxy: unknown requests go to this service', [sidecar('default', { outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: { host: 'reviews.prod.svc.cluster.local', port: { number: 9080 } } } })], [[at('unknown.example', { path: '/x' }), { by: 'prod', host: 'unknown.example', path: '/x' }], [at('unknown.example:9080'), 'prod'], [own as Ask, 'default']]),
  ];

  const other = service('ratings', { port: 9081, workloads: [mesh.at('outside')] });
  const listeners: readonly MeshRow[] = [
    row('6.2 a listener with a port imports for that port alone', [other, sidecar('default', { egress: [{ port: { number: 9080, protocol: 'HTTP', name: 'http' }, hosts: ['shop/*'] }, { hosts: ['./*'] }], outboundTrafficPolicy: only })], [[shop as Ask, 'shop'], [own as Ask, blocked], [at('ratings:9081'), 'outside']]),
    row('6.2 captureMode NONE: bound as written, the application dials it', [sidecar('default', { egress: [{ port: { number: 9080, protocol: 'HTTP', name: 'http' }, bind: '127.0.0.1', captureMode: 'NONE', hosts: ['shop/*'] }, { hosts: ['./*'] }], outboundTrafficPolicy: only })], [[at('reviews.shop', { via: 9080 }), { by: 'shop', host: 'reviews.shop' }], [at('reviews.shop.svc.cluster.local:1234', { via: 9080 }), 'shop'], [at('reviews', { via: 9080 }), blocked]]),
    row('6.2 … its VirtualServices and subsets', [destinationRule('reviews', ['shop'], {}, 'shop'), virtualService('s', { hosts: ['reviews.shop.svc.cluster.local'], http: [{ match: [{ uri: { prefix: '/s' }, port: 9080 }], route: [to('reviews.shop.svc.cluster.local', 'shop')] }, says('else')] }, 'shop'), sidecar('default', { egress: [{ port: { number: 9080, protocol: 'HTTP', name: 'http' }, captureMode: 'NONE', hosts: ['shop/*'] }] })], [[at('reviews.shop', { via: 9080, path: '/s' }), { by: 'shop', log: { upstream_cluster: 'outbound|9080|shop|reviews.shop.svc.cluster.local' } }], [at('reviews.shop', { via: 9080 }), told('else')]]),
    row('6.2 two of them', [other, sidecar('default', { egress: [{ port: { number: 9080, protocol: 'HTTP', name: 'a' }, captureMode: 'NONE', hosts: ['shop/*'] }, { port: { number: 9081, protocol: 'HTTP', name: 'b' }, captureMode: 'NONE', hosts: ['./*'] }], outboundTrafficPolicy: only })], [[at('reviews.shop', { via: 9080 }), 'shop'], [at('ratings', { via: 9081 }), 'outside'], [at('ratings', { via: 9080 }), blocked]], {
      also: async (t) => t.same(Object.keys((await mesh.bound()).ports ?? {}).sort(), ['9080', '9081']),
    }),
    row('6.2 unix sockets are warned about', [sidecar('default', { egress: [{ port: { number: 0, protocol: 'HTTP', name: 'a' }, bind: 'unix:///tmp/outrider-test.sock', hosts: ['shop/*'] }, { hosts: ['./*'] }] })], [[own as Ask, 'default']], { warns: [/spec\.egress\[0\]\.bind: warning: /] }),
  ];

  await mesh.play(t, [...which, ...hosts, ...policy, ...listeners]);
});

t.test('ingress', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['app', 'admin'], workload: 'default/app-1', args: ['--map-port', '8080=0', '--map-port', '8081=0'] });
  const [app, admin] = [mesh.port('app'), mesh.port('admin')];
  const own = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'app', namespace: 'default' }, spec: { selector: { app: 'app' }, ports: [{ name: 'http', port: 80, targetPort: app }, { name: 'http-admin', port: 81, targetPort: admin }] } };
  const labels = { app: 'app' };
  const inbound = (host: string): Ask => ({ host, via: 'inbound' });
  const listener = (number: number, more: Fields = {}): Fields => ({ port: { number, protocol: 'HTTP', name: `http-${number}` }, ...more });
  await mesh.play(t, [
    {
      name: 'without any: the ports of the services',
      snapshot: [own],
      labels,
      ask: [[inbound('app:80'), { by: 'app', log: { upstream_cluster: `inbound|${app}||` } }], [inbound('app:81'), 'admin'], [inbound(`app:${app}`), 'app'], [inbound(`10.0.0.1:${admin}`), 'admin'], [inbound('app'), 'app']],
    },
    {
      name: 'defaultEndpoint',
      snapshot: [own, sidecar('default', { ingress: [listener(8080, { defaultEndpoint: `127.0.0.1:${app}` })] })],
      labels,
      ask: [[inbound('app:8080'), { by: 'app', host: 'app:8080', log: { upstream_cluster: 'inbound|8080||' } }]],
    },
    {
      name: 'defaultEndpoint 0.0.0.0 is the instance\'s address, absent the same port there',
      snapshot: [own, sidecar('default', { ingress: [listener(8080, { defaultEndpoint: `0.0.0.0:${app}` }), listener(admin)] })],
      labels,
      ask: [[inbound('app:8080'), 'app'], [inbound(`app:${admin}`), { by: 'admin', log: { upstream_cluster: `inbound|${admin}||` } }]],
    },
    {
      name: 'ports of services that are not listed are unknown: passed through to the port itself',
      snapshot: [own, sidecar('default', { ingress: [listener(8080, { defaultEndpoint: `127.0.0.1:${app}` }), listener(8081, { defaultEndpoint: `127.0.0.1:${app}` })] })],
      labels,
      ask: [[inbound(`app:${admin}`), { by: 'admin', log: { upstream_cluster: 'InboundPassthroughCluster' } }], [inbound('app:81'), { status: 503, log: { response_flags: 'URX,UF', upstream_cluster: 'InboundPassthroughCluster' } }]],
    },
    {
      name: 'captureMode NONE: bound as written',
      snapshot: [own, sidecar('default', { ingress: [listener(8080, { defaultEndpoint: `127.0.0.1:${app}`, captureMode: 'NONE', bind: '127.0.0.1' }), listener(8081, { defaultEndpoint: `127.0.0.1:${admin}`, captureMode: 'NONE', bind: '127.0.0.1' })] })],
      labels,
      ask: [[{ host: 'anything', via: 8080 }, { by: 'app', host: 'anything' }], [{ host: 'app:8080', via: 8081 }, 'admin']],
    },
    {
      name: 'egress of an ingress-only Sidecar is everything',
      snapshot: [own, service('reviews', { workloads: [mesh.at('admin')] }), sidecar('default', { ingress: [listener(8080, { defaultEndpoint: `127.0.0.1:${app}` })] })],
      labels,
      ask: [['/', 'admin']],
    },
    {
      name: 'inboundTrafficPolicy LOCALHOST',
      snapshot: [own, mesh1('inboundTrafficPolicy: {mode: LOCALHOST}'), sidecar('default', { ingress: [listener(8080), listener(8081)] })],
      labels,
      ask: [[inbound(`app:${admin}`), 'admin']],
    },
  ]);
});
