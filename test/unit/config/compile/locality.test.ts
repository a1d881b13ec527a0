/** Where endpoints and the proxy are, and what follows: priorities, shares. istio-api.md 3.5. */

import t from 'tap';
import type { NodeOptions } from '../../../../config/compile/node.ts';
import type { EndpointConfig } from '../../../../config/runtime/endpoint.ts';
import type { ResourceObject } from '../../../support/resources.ts';
import { istio } from '../../../support/resources.ts';
import { CLIENT, cluster, compiled, entry, kube, mesh, pods, slice } from './compiled.ts';

type Fields = Readonly<Record<string, unknown>>;
type Resources = Parameters<typeof compiled>[0];

const HOST = 'x.com';
const NAME = `outbound|80||${HOST}`;
const EJECT: Fields = { outlierDetection: { interval: '1s' } };

/** Endpoints by name: `{ a: 'r1/z1/s1' }`; `labels` of some. */
function places(localities: Readonly<Record<string, string>>, labels: Readonly<Record<string, Fields>> = {}): ResourceObject {
  const endpoints = Object.entries(localities).map(([name, locality], index) => ({ address: `10.0.0.${index + 1}`, ...(locality !== '' && { locality }), labels: { name, ...labels[name] } }));
  return entry('x', { hosts: [HOST], resolution: 'STATIC', location: 'MESH_INTERNAL', ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], endpoints });
}

const rule = (localityLbSetting: Fields | undefined, more: Fields = EJECT) => istio('DestinationRule', 'x', { host: HOST, trafficPolicy: { ...(localityLbSetting !== undefined && { loadBalancer: { localityLbSetting } }), ...more } });
const at = (locality: string, labels: Readonly<Record<string, string>> = {}): Partial<NodeOptions> => ({ labels: { ...CLIENT.labels, 'istio-locality': locality, ...labels } });

/** `a0 b1`: each endpoint's priority, or its weight in a distribution (`a*70`). */
function placed(resources: Resources, node: Partial<NodeOptions>, name = NAME): string {
  const show = ({ workload, address, priority = 0, localityWeight }: EndpointConfig) => `${workload.name ?? address.at(-1)}${localityWeight === undefined ? priority : `*${localityWeight}`}`;
  return cluster(compiled(resources, node), name).endpoints.map(show).join(' ');
}

const FOUR = places({ a: 'r1/z1/s1', b: 'r1/z1/s2', c: 'r1/z2/s1', d: 'r2/z1/s1' });

t.test('failover by nearness', async (t) => {
  const cases: readonly (readonly [own: string, expected: string, why: string])[] = [
    ['r1/z1/s1', '10 21 32 43', 'place, zone, region, elsewhere'],
    ['r1/z1/s2', '11 20 32 43', ''],
    ['r1/z2', '11 21 30 42', 'a level that nobody is on is left out'],
    ['r2', '11 21 31 40', ''],
    ['r9', '10 20 30 40', 'all equally far'],
  ];
  for (const [own, expected, why] of cases) {
    // Addresses end in 1..4 for a..d; a subzone that is not given equals no other.
    t.equal(placed([FOUR, rule(undefined)], at(own)), expected, `${own} ${why}`);
  }
  t.equal(placed([FOUR], at('r1/z1/s1')), '10 20 30 40', 'without outlier detection nobody would ever come back');
  t.equal(placed([FOUR, rule({ enabled: true }, {})], at('r1/z1/s1')), '10 20 30 40');
  t.equal(placed([FOUR, mesh({ defaultTrafficPolicy: { outlierDetection: {} } })], at('r1/z1/s1')), '10 21 32 43', "the mesh's detection is one");
  t.equal(placed([FOUR, rule({ enabled: false })], at('r1/z1/s1')), '10 20 30 40', 'switched off by the rule');
  t.equal(placed([FOUR, rule(undefined), mesh({ localityLbSetting: { enabled: false } })], at('r1/z1/s1')), '10 20 30 40', 'by the mesh');
  t.equal(placed([FOUR, rule({ enabled: true }), mesh({ localityLbSetting: { enabled: false } })], at('r1/z1/s1')), '10 21 32 43', 'a rule wins over the mesh');
});

t.test('failover regions', async (t) => {
  const three = places({ a: 'r1/z1', b: 'r2/z1', c: 'r3/z1' });
  const setting = { failover: [{ from: 'r1', to: 'r3' }, { from: 'r2', to: 'r1' }] };
  const cases: readonly (readonly [own: string, expected: string])[] = [
    ['r1/z1', '10 22 31'],
    ['r2/z1', '11 20 32'],
    ['r3/z1', '11 21 30'],
  ];
  for (const [own, expected] of cases) t.equal(placed([three, rule(setting)], at(own)), expected, own);
  t.equal(placed([three, rule(setting, {})], at('r1/z1')), '10 20 30', 'not without outlier detection');
  t.equal(placed([three, rule(undefined), mesh({ localityLbSetting: setting })], at('r1/z1')), '10 22 31', 'from the mesh');
});

t.test('failoverPriority', async (t) => {
  const labelled = places({ a: 'r1/z1', b: 'r1/z2', c: 'r2/z1', d: 'r2/z2' }, { a: { version: 'v1', net: 'n1' }, b: { version: 'v2', net: 'n1' }, c: { version: 'v1', net: 'n2' }, d: {} });
  const cases: readonly (readonly [keys: readonly string[], labels: Readonly<Record<string, string>>, expected: string])[] = [
    [['version'], {}, '10 21 30 41'],
    [['net', 'version'], { net: 'n1' }, '10 21 32 42'],
    [['version', 'net'], { net: 'n1' }, '10 22 31 42'],
    [['version=v2'], {}, '11 20 31 41'],
    [['net=n2', 'version=v1'], {}, '11 21 30 41'],
    [['absent'], {}, '10 20 30 40'],
    [['topology.kubernetes.io/region', 'topology.kubernetes.io/zone'], {}, '10 21 32 42'],
  ];
  for (const [failoverPriority, labels, expected] of cases) t.equal(placed([labelled, rule({ failoverPriority })], at('r1/z1', labels)), expected, `${failoverPriority.join(' ')} ${JSON.stringify(labels)}`);
  t.equal(placed([labelled, rule({ failoverPriority: ['version'] }, {})], at('r1/z1')), '10 20 30 40', 'not without outlier detection');
  t.equal(placed([labelled, rule({ failoverPriority: ['version'], failover: [{ from: 'r1', to: 'r2' }] })], at('r1/z1')), '10 22 31 43', 'labels first, then nearness');
});

t.test('distribute', async (t) => {
  const weights = (to: Readonly<Record<string, number>>, from = 'r1/z1/*') => rule({ distribute: [{ from: 'r7/*', to: { r7: 100 } }, { from, to }] }, {});
  const cases: readonly (readonly [to: Readonly<Record<string, number>>, expected: string])[] = [
    [{ 'r1/z1/*': 80, 'r2/*': 20 }, '1*40 2*40 4*20'],
    [{ 'r1/z1/s1': 70, 'r1/z2/s1': 20, 'r2/z1/s1': 10 }, '1*70 3*20 4*10'],
    [{ 'r1/*': 100 }, '1*34 2*34 3*34'],
    [{ '*': 100 }, '1*25 2*25 3*25 4*25'],
    [{ 'r1/z*': 50, r2: 50 }, '1*17 2*17 3*17 4*50'],
    [{ r9: 100 }, ''],
  ];
  for (const [to, expected] of cases) t.equal(placed([FOUR, weights(to)], at('r1/z1/s1')), expected, JSON.stringify(to));
  const found = (node: Partial<NodeOptions>, ...resources: Resources) => cluster(compiled([FOUR, ...resources], node), NAME).loadBalancer.localityWeighted;
  t.equal(found(at('r1/z1'), weights({ r1: 100 })), true);
  t.equal(found(at('r1/z2'), weights({ r1: 100 })), undefined, 'no entry for where the proxy is');
  t.equal(placed([FOUR, weights({ r1: 100 })], at('r1/z2/s1')), '10 20 30 40');
  t.equal(placed([FOUR, weights({ r1: 100 }, '*')], {}), '1*34 2*34 3*34', '"*" is also who does not know');
  t.equal(placed([FOUR, rule({ distribute: [{ from: 'r1', to: { r1: 100 } }] })], at('r2')), '10 20 30 40', 'a distribution leaves no failover');
  t.equal(placed([FOUR, mesh({ localityLbSetting: { distribute: [{ from: 'r1', to: { r2: 100 } }] } })], at('r1')), '4*100', 'from the mesh');
  const uneven = entry('x', { hosts: [HOST], resolution: 'STATIC', ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], endpoints: [{ address: '10.0.0.1', locality: 'r1/z1', weight: 3 }, { address: '10.0.0.2', locality: 'r1/z2' }, { address: '10.0.0.3', locality: 'r1/z2', weight: 2 }] });
  t.equal(placed([uneven, weights({ r1: 100 }, 'r1')], at('r1')), '1*50 2*50 3*50', 'by the weights of the endpoints in each');
});

t.test('priorities are those of each cluster', async (t) => {
  const subsets = istio('DestinationRule', 'x', { host: HOST, trafficPolicy: EJECT, subsets: [{ name: 'far', labels: { name: 'd' } }, { name: 'region', labels: { 'topology.kubernetes.io/region': 'r1' } }, { name: 'apart', labels: { name: 'c' }, trafficPolicy: { loadBalancer: { localityLbSetting: { enabled: false } } } }] });
  const of = (subset: string) => placed([FOUR, subsets], at('r1/z1/s1'), `outbound|80|${subset}|${HOST}`);
  t.equal(of('far'), '40');
  t.equal(of('region'), '10 21 32', 'topology labels choose endpoints, too');
  t.equal(of('apart'), '30');
  const config = compiled([FOUR, subsets], at('r1/z1/s1'));
  t.equal(cluster(config, `outbound|80|far|${HOST}`).endpoints[0]?.priority, undefined, 'the first level is not written');
});

t.test('trafficDistribution', async (t) => {
  const endpoints = slice('web', [{ addresses: ['10.0.0.1'], zone: 'z1', nodeName: 'n1' }, { addresses: ['10.0.0.2'], zone: 'z1', nodeName: 'n2' }, { addresses: ['10.0.0.3'], zone: 'z2', nodeName: 'n3' }], [{ name: 'http', port: 80 }]);
  const own = [pods('client', '10.9.9.9', { app: 'client', 'istio-locality': 'r1.z1' }, { spec: { nodeName: 'n2' } }), endpoints];
  const of = (spec: Fields, annotations: Fields = {}, ...more: Resources) => placed([...own, kube('web', spec, { annotations }), ...more], at('r1.z1'), 'outbound|80||web.default.svc.cluster.local');
  const annotation = (value: string) => ({ 'networking.istio.io/traffic-distribution': value });
  t.equal(of({}), '10 20 30');
  t.equal(of({ trafficDistribution: 'PreferClose' }), '10 20 31', 'whatever happens to them');
  t.equal(of({ trafficDistribution: 'PreferSameZone' }), '10 20 31');
  t.equal(of({ trafficDistribution: 'PreferSameNode' }), '11 20 32');
  t.equal(of({ trafficDistribution: 'Whatever' }), '10 20 30');
  t.equal(of({}, annotation('preferclose')), '10 20 31');
  t.equal(of({}, annotation('PreferSameNode')), '11 20 32');
  t.equal(of({ trafficDistribution: 'PreferClose' }, annotation('PreferSameNode')), '10 20 31', 'the field first');
  const web = (localityLbSetting: Fields) => istio('DestinationRule', 'web', { host: 'web', trafficPolicy: { loadBalancer: { localityLbSetting } } });
  t.equal(of({ trafficDistribution: 'PreferClose' }, {}, web({ enabled: false })), '10 20 30', 'a rule wins');
  t.equal(of({ trafficDistribution: 'PreferClose' }, {}, mesh({ localityLbSetting: { enabled: false } })), '10 20 31', 'over the mesh');
  const external = { ...places({ a: 'r2/z1', b: 'r1/z1' }), metadata: { name: 'x', namespace: 'default', annotations: annotation('PreferClose') } };
  t.equal(placed([external], at('r1/z1')), '11 20', 'a ServiceEntry has the annotation');
});

t.test('where the proxy is', async (t) => {
  const topology = (region: string, zone: string, subzone?: string) => ({ 'topology.kubernetes.io/region': region, 'topology.kubernetes.io/zone': zone, ...(subzone !== undefined && { 'topology.istio.io/subzone': subzone }) });
  const kubeNode = (name: string, labels: Readonly<Record<string, string>>): ResourceObject => ({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels } });
  const own = (labels: Readonly<Record<string, string>> = {}, spec: Fields = {}) => pods('client', '10.9.9.9', labels, { spec });
  const byName = slice('client', [{ addresses: ['10.9.9.9'], zone: 'z5', targetRef: { kind: 'Pod', name: 'client' } }], [{ port: 80 }]);
  const locality = (labels: Readonly<Record<string, string>>, resources: Resources, node: Partial<NodeOptions> = {}) => compiled([...resources, kube('client')], { labels, ...node }).node.locality;
  t.equal(locality({}, []), undefined);
  t.equal(locality({ 'istio-locality': 'r1.z1.s1', ...topology('r2', 'z2') }, []), 'r1/z1/s1', 'dots, because a label cannot hold slashes');
  t.equal(locality(topology('r2', 'z2', 's2'), [kubeNode('n', topology('r3', 'z3')), own({}, { nodeName: 'n' })]), 'r2/z2/s2', "the Pod's own topology labels");
  t.equal(locality({}, [kubeNode('n', topology('r3', 'z3')), own({}, { nodeName: 'n' }), byName]), 'r3/z3', "those of its Node");
  t.equal(locality({}, [kubeNode('other', topology('r3', 'z3')), own({}, { nodeName: 'n' }), byName]), '/z5', 'the zone of the EndpointSlice that names it');
  t.equal(locality({}, [slice('client', [{ addresses: ['10.9.9.9'], zone: 'z6' }], [{ port: 80 }])]), '/z6', 'or has its address');
  t.equal(locality({}, [slice('client', [{ addresses: ['127.0.0.1'], zone: 'z6' }], [{ port: 80 }])], { ip: '127.0.0.1' }), undefined, "but not everybody's");
  const workloadEntry = istio('WorkloadEntry', 'client', { address: '10.9.9.9', locality: 'r4/z4' });
  t.equal(locality({ 'istio-locality': 'r1' }, [workloadEntry]), 'r4/z4');
});

t.test('where endpoints are', async (t) => {
  const kubeNode = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', labels: { 'topology.kubernetes.io/region': 'r1', 'topology.kubernetes.io/zone': 'z1' } } };
  const localities = (...resources: Resources) => cluster(compiled([kube('web', { selector: { app: 'web' } }), ...resources]), 'outbound|80||web.default.svc.cluster.local').endpoints.map(({ locality }) => locality);
  const web = (labels: Readonly<Record<string, string>>, nodeName?: string) => pods('web-1', '10.0.0.1', { app: 'web', ...labels }, { spec: nodeName === undefined ? {} : { nodeName } });
  t.same(localities(web({})), ['']);
  t.same(localities(web({}, 'n1'), kubeNode), ['r1/z1'], 'its Node');
  t.same(localities(web({ 'istio-locality': 'r2.z2' }, 'n1'), kubeNode), ['r2/z2'], 'its label first');
  t.same(localities(web({ 'topology.kubernetes.io/zone': 'z3' })), ['/z3']);
  t.same(localities(web({}, 'n1'), kubeNode, slice('web', [{ addresses: ['10.0.0.1'], zone: 'z9', targetRef: { kind: 'Pod', name: 'web-1' } }], [{ name: 'http', port: 80 }])), ['r1/z1'], 'more than a slice knows');
  t.same(localities(slice('web', [{ addresses: ['10.0.0.1'], nodeName: 'n1' }, { addresses: ['10.0.0.2'], nodeName: 'n2', zone: 'z9' }], [{ name: 'http', port: 80 }]), kubeNode), ['r1/z1', '/z9'], 'without Pods');
  t.same(localities(istio('WorkloadEntry', 'w', { address: '10.0.0.1', labels: { app: 'web', 'istio-locality': 'r5.z5' } })), ['r5/z5']);
});

t.test('a zone known without its region', async (t) => {
  const endpoints = slice('web', [{ addresses: ['10.0.0.1'], zone: 'z2' }, { addresses: ['10.0.0.2'], zone: 'z1' }], [{ name: 'http', port: 80 }]);
  const web = istio('DestinationRule', 'web', { host: 'web', trafficPolicy: EJECT });
  t.equal(placed([kube('web'), endpoints, web], at('r1/z1'), 'outbound|80||web.default.svc.cluster.local'), '11 20', "is the region of one's own zone");
  t.equal(placed([places({ a: 'r1/z1', b: 'r2/z2' }), rule(undefined)], at('/z2')), '11 20');
});
