/** TLS to upstream hosts: istio-api.md 3.8, 3.9, 5.1, 8.3. */

import t from 'tap';
import { istio } from '../../../support/resources.ts';
import { CLIENT, cluster, compilation, compiled, entry, GATEWAY, kube, mesh, pods } from './compiled.ts';

type Resources = Parameters<typeof compiled>[0];

const A = 'outbound|80||a.default.svc.cluster.local';
const SIDECAR = { 'security.istio.io/tlsMode': 'istio' };
const service = kube('a', { selector: { app: 'a' } });
const pod = (name: string, ip: string, more: Record<string, unknown> = {}, labels: Readonly<Record<string, string>> = {}) => pods(name, ip, { app: 'a', ...SIDECAR, ...labels }, { spec: { serviceAccountName: name }, ...more });
const peer = (name: string, spec: Record<string, unknown>, namespace = 'default') => ({ apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name, namespace }, spec });
const rule = (trafficPolicy: Record<string, unknown>, more: Record<string, unknown> = {}) => istio('DestinationRule', 'a', { host: 'a', trafficPolicy, ...more });

const tlsOf = (resources: Resources, node: Parameters<typeof compiled>[1] = {}, name = A) => cluster(compiled(resources, { hasIdentity: true, ...node }), name).tls;
const id = (account: string, trustDomain = 'cluster.local') => `spiffe://${trustDomain}/ns/default/sa/${account}`;
const MUTUAL = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', identity: { kind: 'workload' }, trust: { kind: 'workload' }, sni: 'outbound_.80_._.a.default.svc.cluster.local' };

t.test('automatic mutual TLS', async (t) => {
  const both = [service, pod('one', '10.0.0.1'), pod('two', '10.0.0.2')];
  t.strictSame(tlsOf(both), { mode: 'AUTO', origin: 'default', ...MUTUAL, subjectAltNames: [id('one'), id('two')] });
  t.strictSame(tlsOf([service]), { mode: 'AUTO', origin: 'default', ...MUTUAL }, 'nobody there yet: any certificate of the mesh');
  t.strictSame(tlsOf(both, { hasIdentity: false }), { mode: 'AUTO', origin: 'default' }, 'nothing to show');
  t.strictSame(tlsOf([...both, mesh({ enableAutoMtls: false })]), { mode: 'DISABLE', origin: 'default' });
  t.match(tlsOf([...both, mesh({ meshMTLS: { minProtocolVersion: 'TLSV1_3' }, trustDomainAliases: ['old'] })]), { minVersion: 'TLSv1.3', subjectAltNames: [id('one'), id('two'), id('one', 'old'), id('two', 'old')] });
  t.match(tlsOf([...both, rule({ connectionPool: { tcp: { maxConnections: 1 } } })]), { mode: 'AUTO' }, 'a rule that says nothing of TLS');
  const ports = [{ number: 80, name: 'http', protocol: 'HTTP' }];
  t.match(tlsOf([entry('e', { hosts: ['e.x'], ports, resolution: 'STATIC', endpoints: [{ address: '9.9.9.9', serviceAccount: 'e' }] })], {}, 'outbound|80||e.x'), { mode: 'DISABLE', origin: 'default' }, 'outside the mesh');
  const inside = entry('e', { hosts: ['e.x'], ports, resolution: 'STATIC', location: 'MESH_INTERNAL', endpoints: [{ address: '9.9.9.9', serviceAccount: 'e' }] });
  t.match(tlsOf([inside], {}, 'outbound|80||e.x'), { mode: 'AUTO', subjectAltNames: [id('e')], sni: 'outbound_.80_._.e.x' });
  t.match(tlsOf(both, { ...GATEWAY }), { mode: 'AUTO', subjectAltNames: [id('one'), id('two')] }, 'of a gateway too');
});

t.test('what PeerAuthentication lets clients infer', async (t) => {
  const endpoints = (...policies: Resources) => cluster(compiled([service, pod('one', '10.0.0.1'), pod('two', '10.0.0.2', {}, { open: 'yes' }), ...policies], { hasIdentity: true }), A);
  const modes = (...policies: Resources) => endpoints(...policies).endpoints.map(({ tlsMode }) => tlsMode);
  t.match(endpoints(peer('n', { mtls: { mode: 'DISABLE' } })).tls, { mode: 'DISABLE', origin: { resource: 'PeerAuthentication default/n' } });
  t.match(endpoints(peer('m', { mtls: { mode: 'DISABLE' } }, 'istio-system')).tls, { mode: 'DISABLE' });
  t.match(endpoints(peer('m', { mtls: { mode: 'DISABLE' } }, 'istio-system'), peer('n', { mtls: { mode: 'STRICT' } })).tls, { mode: 'AUTO' });
  t.same(modes(), ['istio', 'istio']);
  const selected = (spec: Record<string, unknown>) => peer('w', { selector: { matchLabels: { open: 'yes' } }, ...spec });
  t.same(modes(selected({ mtls: { mode: 'DISABLE' } })), ['istio', 'disabled'], 'workload');
  t.same(modes(selected({ portLevelMtls: { 80: { mode: 'DISABLE' } } })), ['istio', 'disabled'], 'its port');
  t.same(modes(selected({ portLevelMtls: { 81: { mode: 'DISABLE' } } })), ['istio', 'istio'], 'another port');
});

t.test('where the downstream has chosen: only if all have a sidecar', async (t) => {
  const headless = kube('a', { selector: { app: 'a' }, clusterIP: 'None' });
  const plain = pods('three', '10.0.0.3', { app: 'a' });
  t.strictSame(tlsOf([headless, pod('one', '10.0.0.1')]), { mode: 'ISTIO_MUTUAL', origin: 'default', ...MUTUAL, subjectAltNames: [id('one')] });
  t.match(tlsOf([headless, pod('one', '10.0.0.1'), plain]), { mode: 'DISABLE' });
  t.match(tlsOf([headless]), { mode: 'DISABLE' });
  const passthrough = rule({ loadBalancer: { simple: 'PASSTHROUGH' } });
  t.match(tlsOf([service, passthrough, pod('one', '10.0.0.1')]), { mode: 'ISTIO_MUTUAL' });
  t.match(tlsOf([service, passthrough, plain]), { mode: 'DISABLE' });
});

t.test('DestinationRule tls', async (t) => {
  const written = (tls: Record<string, unknown>, ...resources: Resources) => tlsOf([service, pod('one', '10.0.0.1'), rule({ tls }), ...resources]);
  t.match(written({ mode: 'DISABLE' }), { mode: 'DISABLE', origin: { resource: 'DestinationRule default/a' } });
  t.match(written({}), { mode: 'DISABLE' });
  const origin = written({ mode: 'ISTIO_MUTUAL' }).origin;
  t.strictSame(written({ mode: 'ISTIO_MUTUAL' }), { mode: 'ISTIO_MUTUAL', origin, ...MUTUAL, subjectAltNames: [id('one')] });
  t.match(written({ mode: 'ISTIO_MUTUAL', sni: 's', subjectAltNames: ['x'] }), { sni: 's', subjectAltNames: ['x'] });
  t.match(tlsOf([service, rule({ tls: { mode: 'ISTIO_MUTUAL' } })], { hasIdentity: false }), { mode: 'ISTIO_MUTUAL', identity: { kind: 'workload' } }, 'asked for: then it fails');
  const versions = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' };
  const simple = (tls: Record<string, unknown>, ...resources: Resources) => ({ ...written({ mode: 'SIMPLE', ...tls }, ...resources), origin: undefined });
  const expected = { mode: 'SIMPLE', origin: undefined, ...versions };
  t.strictSame(simple({}), { ...expected, trust: { kind: 'system' }, checkHost: true }, 'the request\'s host is sent and checked');
  t.strictSame(simple({ caCertificates: 'system' }), { ...expected, trust: { kind: 'system' }, checkHost: true });
  t.strictSame(simple({ caCertificates: '/ca', caCrl: '/crl', sni: 's' }), { ...expected, trust: { kind: 'files', authorities: '/ca', revoked: '/crl' }, sni: 's' }, 'with a server name no host is checked');
  t.strictSame(simple({ subjectAltNames: ['x', 'y'] }), { ...expected, trust: { kind: 'system' }, subjectAltNames: ['x', 'y'] });
  t.strictSame(simple({ insecureSkipVerify: true }), expected);
  t.strictSame(simple({ insecureSkipVerify: true, sni: 's' }), { ...expected, sni: 's' });
  t.match(written({ mode: 'MUTUAL', clientCertificate: '/c', privateKey: '/k' }), { identity: { kind: 'files', certificate: '/c', key: '/k' }, trust: { kind: 'system' }, checkHost: true });
  t.match(simple({}, mesh({ tlsDefaults: { ecdhCurves: ['X25519'], cipherSuites: ['AES128-SHA'] } })), { curves: ['X25519'], cipherSuites: ['AES128-SHA'] });
  t.match(written({ mode: 'ISTIO_MUTUAL' }, mesh({ tlsDefaults: { ecdhCurves: ['X25519'] } })), { curves: undefined }, 'the mesh has its own');
});

t.test('by subset and port', async (t) => {
  const config = compiled([kube('a', { ports: [{ name: 'http', port: 80 }, { name: 'http-b', port: 81 }] }), rule({ tls: { mode: 'SIMPLE' }, portLevelSettings: [{ port: { number: 81 }, tls: { mode: 'ISTIO_MUTUAL' } }] }, { subsets: [{ name: 'v1', labels: { version: 'v1' }, trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } }, { name: 'v2', labels: { version: 'v2' } }] })], { hasIdentity: true });
  const modes = ['80||', '81||', '80|v1|', '80|v2|', '81|v2|'].map((name) => cluster(config, `outbound|${name}a.default.svc.cluster.local`).tls);
  t.same(modes.map(({ mode }) => mode), ['SIMPLE', 'ISTIO_MUTUAL', 'ISTIO_MUTUAL', 'SIMPLE', 'ISTIO_MUTUAL']);
  t.equal(modes[2]?.sni, 'outbound_.80_.v1_.a.default.svc.cluster.local');
});

t.test('identities of all endpoints, whatever the subset', async (t) => {
  const subsets = [{ name: 'v1', labels: { version: 'v1' } }];
  const resources = [service, pod('one', '10.0.0.1', {}, { version: 'v1' }), pod('two', '10.0.0.2'), rule({ connectionPool: { tcp: { maxConnections: 1 } } }, { subsets })];
  t.match(tlsOf(resources, {}, 'outbound|80|v1|a.default.svc.cluster.local'), { subjectAltNames: [id('one'), id('two')] });
});

t.test('credentialName', async (t) => {
  const secret = (more: Record<string, unknown>, node: Parameters<typeof compiled>[1] = {}, credentialName = 'c') => compilation([service, kube('b'), rule({ tls: { mode: 'MUTUAL', credentialName } }, { subsets: [{ name: 'v1' }], ...more })], { hasIdentity: true, ...node });
  const dropped = secret({});
  t.match(cluster(dropped.config, A).tls, { mode: 'DISABLE' }, 'of everybody: dropped at a sidecar');
  t.match(dropped.problems, [{ severity: 'warning', resource: 'DestinationRule default/a', path: 'spec.trafficPolicy.tls.credentialName', message: /needs|workloadSelector/ }], 'said once');
  const chosen = secret({ workloadSelector: { matchLabels: { app: 'client' } } });
  const reference = { kind: 'secret', name: 'kubernetes://default/c' };
  t.match(cluster(chosen.config, A).tls, { mode: 'MUTUAL', identity: reference, trust: reference, checkHost: true });
  t.same(chosen.problems, []);
  t.match(cluster(secret({}, { ...GATEWAY }).config, A).tls, { identity: { name: 'kubernetes://istio-system/c' } }, 'a gateway\'s own namespace');
  t.match(cluster(secret({}, { ...GATEWAY }, 'kubernetes://other/c').config, A).tls, { identity: { name: 'kubernetes://istio-system/c' } });
  const map = compilation([service, rule({ tls: { mode: 'MUTUAL', credentialName: 'configmap://x/ca' } })], { ...GATEWAY });
  t.match(map.problems.filter(({ message }) => message.includes('ConfigMap holds')), [{ severity: 'warning', message: /ConfigMap/ }]);
});

t.test('ServiceEntry subjectAltNames', async (t) => {
  const ports = [{ number: 443, name: 'tls', protocol: 'TLS' }];
  const e = (more: Record<string, unknown> = {}) => entry('e', { hosts: ['e.x'], ports, resolution: 'DNS', subjectAltNames: ['one.x'], ...more });
  const originated = (tls: Record<string, unknown>) => istio('DestinationRule', 'e', { host: 'e.x', trafficPolicy: { tls: { mode: 'SIMPLE', ...tls } } });
  const name = 'outbound|443||e.x';
  t.match(tlsOf([e(), originated({})], {}, name), { subjectAltNames: ['one.x'], checkHost: undefined });
  t.match(tlsOf([e(), originated({ subjectAltNames: ['two.x'] })], {}, name), { subjectAltNames: ['two.x'] }, 'the rule\'s win');
  t.match(tlsOf([e({ location: 'MESH_INTERNAL' })], {}, name), { mode: 'AUTO', subjectAltNames: ['one.x'] });
  t.match(tlsOf([e({ location: 'MESH_INTERNAL' }), entry('f', { hosts: ['e.x'], ports: [{ number: 444, name: 'x', protocol: 'TLS' }], resolution: 'DNS', subjectAltNames: ['two.x'] })], {}, name), { subjectAltNames: ['one.x', 'two.x'] }, 'entries that share a host');
  t.match(tlsOf([service, entry('a', { hosts: ['a.default.svc.cluster.local'], ports, subjectAltNames: ['one.x'] })]), { mode: 'AUTO', subjectAltNames: ['one.x'] }, 'all that an entry adds to a Service');
});

t.test('proxyProtocol', async (t) => {
  const version = (trafficPolicy: Record<string, unknown>, subset = '') => cluster(compiled([service, rule(trafficPolicy, { subsets: [{ name: 'v1', trafficPolicy: { proxyProtocol: { version: 'V2' } } }, { name: 'v2' }] })], CLIENT), `outbound|80|${subset}|a.default.svc.cluster.local`).proxyProtocol;
  t.equal(version({ loadBalancer: { simple: 'RANDOM' } }), undefined);
  t.equal(version({ proxyProtocol: {} }), 'V1');
  t.same([version({ proxyProtocol: {} }, 'v1'), version({ proxyProtocol: {} }, 'v2')], ['V2', 'V1']);
  t.equal(version({ proxyProtocol: {}, portLevelSettings: [{ port: { number: 80 }, tls: { mode: 'DISABLE' } }] }), undefined, 'lost where the port has an entry of its own');
});
