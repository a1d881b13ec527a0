/** Gateway servers with TLS and TCP: chains, modes, routes and what is left out (istio-api.md 4.1, 4.3, 4.4). */

import t from 'tap';
import type { ServerTlsConfig } from '../../../../config/runtime/tls.ts';
import { istio } from '../../../support/resources.ts';
import { addresses, chainsOf, compilation, compiled, GATEWAY, hostOf, kube, mesh, pods, slice } from './compiled.ts';

type Fields = Readonly<Record<string, unknown>>;

const https = (hosts: readonly string[], tls: Fields = { mode: 'SIMPLE', credentialName: 'cert' }, port: Fields = {}) => ({ hosts, port: { number: 443, name: 'https', protocol: 'HTTPS', ...port }, tls });
const tls = (hosts: readonly string[], settings: Fields, port: Fields = {}) => https(hosts, settings, { name: 'tls', protocol: 'TLS', ...port });
const tcp = (hosts: readonly string[], number: number) => ({ hosts, port: { number, name: `tcp-${number}`, protocol: 'TCP' } });
const gateway = (servers: readonly Fields[], name = 'gw', namespace = 'default') => istio('Gateway', name, { selector: { istio: 'ingressgateway' }, servers }, namespace);
const vs = (name: string, hosts: readonly string[], spec: Fields, namespace = 'default') => istio('VirtualService', name, { hosts, gateways: ['default/gw'], ...spec }, namespace);
const to = (host: string, more: Fields = {}) => ({ destination: { host, ...more } });
const at = (resources: Parameters<typeof compiled>[0], node: Partial<typeof GATEWAY> = {}) => compiled(resources, { ...GATEWAY, ...node });
const chains = (resources: Parameters<typeof compiled>[0]) => chainsOf(at(resources).listeners[0]);
const problemsOf = (resources: Parameters<typeof compiled>[0]) => compilation(resources, GATEWAY).problems.map(({ path, message }) => `${path}: ${message}`);
/** TLS of the only chain. */
const termination = (settings: Fields, more: Parameters<typeof compiled>[0] = [], port: Fields = {}): Partial<ServerTlsConfig> => {
  const { tls: config } = at([gateway([https(['*'], settings, port)]), vs('v', ['*'], { tcp: [{ route: [to('db', { port: { number: 1 } })] }] }), ...more]).listeners[0]?.chains?.[0] ?? {};
  const { origin: _, ...rest } = config ?? { origin: undefined };
  return rest;
};

t.test('several hosts on one port, told apart by server name', async (t) => {
  const http = (name: string) => ({ http: [{ route: [to(name)] }] });
  const config = at([
    gateway([https(['a.com', 'b/A.com', '*/b.com']), https(['*.c.com'], undefined, { name: 'wild' })]),
    gateway([https(['*'], undefined, { name: 'rest' })], 'hw', 'other'),
    vs('a', ['a.com'], http('a')),
    vs('c', ['x.c.com'], http('c')),
  ]);
  t.same(config.listeners.length, 1);
  t.match(config.listeners[0], { name: '0.0.0.0_443', bind: { port: 443 }, declaredPort: 443 });
  t.same(chainsOf(config.listeners[0]), [
    'a.com,b.com → SIMPLE http https.443.https.gw.default',
    '*.c.com → SIMPLE http https.443.wild.gw.default',
    '→ SIMPLE http https.443.rest.hw.other',
  ]);
  t.same(config.listeners[0]?.chains?.map(({ name }) => name), ['0.0.0.0_443/default/gw/https', '0.0.0.0_443/default/gw/wild', '0.0.0.0_443/other/hw/rest']);
  t.ok(hostOf(config, 'https.443.https.gw.default', 'a.com'));
  t.ok(hostOf(config, 'https.443.wild.gw.default', 'x.c.com'));
  t.same(config.routeTables['https.443.rest.hw.other']?.virtualHosts.map(({ domains, routes }) => [domains, routes.length]), [[['*'], 0]], '404 for everything');
  t.match(config.listeners[0]?.chains?.[0]?.network, { kind: 'http', http: { useRemoteAddress: true }, routing: { port: 443 } });
});

t.test('a host that is served already: the whole server is left out', async (t) => {
  const resources = [gateway([https(['a.com'])]), gateway([https(['b.com', 'ns/a.com'])], 'hw')];
  t.same(chains(resources), ['a.com → SIMPLE http https.443.https.gw.default']);
  t.same(problemsOf(resources), ['spec.servers[0].hosts: a.com on port 443 is already served with TLS by Gateway default/gw; this server is left out']);
});

t.test('where certificates and authorities come from', async (t) => {
  const secret = (name: string) => ({ kind: 'secret', name: `kubernetes://istio-system/${name}` });
  const base = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', alpn: ['http/1.1'] };
  t.same(termination({ mode: 'SIMPLE', credentialName: 'cert' }), { mode: 'SIMPLE', ...base, identities: [secret('cert')], clientCertificate: 'none' });
  t.same(termination({ mode: 'SIMPLE', credentialName: 'kubernetes://cert' }).identities, [secret('cert')]);
  t.same(termination({ mode: 'SIMPLE', credentialNames: ['rsa', 'ecdsa'] }).identities, [secret('rsa'), secret('ecdsa')]);
  t.match(termination({ mode: 'MUTUAL', credentialName: 'cert' }), { mode: 'MUTUAL', clientCertificate: 'required', identities: [secret('cert')], trust: secret('cert') });
  t.match(termination({ mode: 'MUTUAL', credentialName: 'cert', caCertCredentialName: 'ca' }), { identities: [secret('cert')], trust: secret('ca') });
  t.match(termination({ mode: 'MUTUAL', credentialName: 'cert', caCertCredentialName: 'configmap://pki/ca' }), { trust: { kind: 'secret', name: 'configmap://pki/ca' } });
  t.match(termination({ mode: 'OPTIONAL_MUTUAL', credentialName: 'cert' }), { mode: 'OPTIONAL_MUTUAL', clientCertificate: 'optional', trust: secret('cert') });
  const files = { serverCertificate: '/c', privateKey: '/k' };
  t.match(termination({ mode: 'MUTUAL', ...files, caCertificates: '/ca', caCrl: '/crl' }), { identities: [{ kind: 'files', certificate: '/c', key: '/k' }], trust: { kind: 'files', authorities: '/ca', revoked: '/crl' } });
  t.match(termination({ mode: 'SIMPLE', tlsCertificates: [files, { serverCertificate: '/c2', privateKey: '/k2' }] }).identities, [{ certificate: '/c', key: '/k' }, { certificate: '/c2', key: '/k2' }]);
  t.match(termination({ mode: 'MUTUAL', tlsCertificates: [files], caCertCredentialName: 'ca' }).trust, secret('ca'));
  const unverified = [gateway([https(['*'], { mode: 'OPTIONAL_MUTUAL', ...files })])];
  t.equal(at(unverified).listeners[0]?.chains?.[0]?.tls?.clientCertificate, 'none');
  t.match(problemsOf(unverified), [/^spec\.servers\[0\]\.tls: mode OPTIONAL_MUTUAL without caCertificates/]);
});

t.test('ISTIO_MUTUAL: certificates of the mesh on both sides', async (t) => {
  const config = termination({ mode: 'ISTIO_MUTUAL' }, [mesh({ trustDomainAliases: ['old.local'] })]);
  t.same(config, {
    mode: 'ISTIO_MUTUAL', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', identities: [{ kind: 'workload' }], clientCertificate: 'required', trust: { kind: 'workload' }, trustDomains: ['cluster.local', 'old.local'], alpn: ['http/1.1'],
  });
  t.match(termination({ mode: 'ISTIO_MUTUAL', subjectAltNames: ['spiffe://cluster.local/ns/a/sa/b'] }), { subjectAltNames: ['spiffe://cluster.local/ns/a/sa/b'] });
  t.match(termination({ mode: 'ISTIO_MUTUAL' }, [], { protocol: 'TLS' }), { alpn: [] });
});

t.test('what is asked of clients, and versions, ciphers, curves', async (t) => {
  const asked = { subjectAltNames: ['a.com'], verifyCertificateSpki: [`${'A'.repeat(43)}=`], verifyCertificateHash: ['AB'.repeat(32)], insecureSkipVerify: true };
  t.match(termination({ mode: 'MUTUAL', credentialName: 'cert', ...asked }), { subjectAltNames: ['a.com'], publicKeyHashes: [`${'A'.repeat(43)}=`], certificateHashes: ['ab'.repeat(32)], acceptUnverified: true });
  const parameters = { minProtocolVersion: 'TLSV1_1', maxProtocolVersion: 'TLSV1_2', cipherSuites: ['AES128-SHA', 'AES128-SHA', 'NO-SUCH'], ecdhCurves: ['P-256'] };
  t.match(termination({ mode: 'SIMPLE', credentialName: 'cert', ...parameters }), { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.2', cipherSuites: ['AES128-SHA'], curves: ['P-256'] });
});

t.test('PASSTHROUGH: VirtualService tls routes by server name', async (t) => {
  const match = (sniHosts: readonly string[], more: Fields = {}) => ({ sniHosts, ...more });
  const passing = tls(['*.com'], { mode: 'PASSTHROUGH' });
  const resources = [
    gateway([passing]),
    kube('a', { ports: [{ name: 'tls', port: 8443 }] }),
    vs('v', ['a.com', '*.b.com'], {
      tls: [
        { match: [match(['A.com']), match(['x.b.com'], { port: 443 })], route: [to('a')] },
        { match: [match(['y.b.com'], { port: 444 }), match(['*.b.com'], { gateways: ['gw'] })], route: [{ ...to('a'), weight: 90 }, { ...to('b', { subset: 's', port: { number: 9 } }), weight: 10 }] },
        { match: [match(['z.b.com'], { gateways: ['mesh'] })], route: [to('b')] },
      ],
    }),
    vs('w', ['a.com'], { tls: [{ match: [match(['a.com'])], route: [to('b')] }] }),
  ];
  const to8443 = 'outbound|8443||a.default.svc.cluster.local';
  t.same(chains(resources), [`a.com → tcp ${to8443}`, `x.b.com → tcp ${to8443}`, `*.b.com → tcp ${to8443}*90 outbound|9|s|b.default.svc.cluster.local*10`]);
  t.match(problemsOf(resources), [/^spec\.tls\[0\]\.match\[0\]\.sniHosts: connections for a\.com already go to 0\.0\.0\.0_443\/default\/gw\/default\/v\.tls\[0\]\.match\[0\], which is older and wins$/]);
  t.same(chains([gateway([tls(['*'], {})]), vs('v', ['*'], { tls: [{ match: [match(['*'])], route: [to('a', { port: { number: 1 } })] }] })]), ['→ tcp outbound|1||a.default.svc.cluster.local'], 'a mode that is not written is PASSTHROUGH; * is every name');
  const nothing = [gateway([passing]), vs('v', ['a.org'], { tls: [{ match: [match(['a.org'])], route: [to('a')] }] })];
  t.same(at(nothing).listeners, [], 'no route for its hosts: not bound');
  t.same(problemsOf(nothing), ['spec.servers[0]: no VirtualService has a tls route for this server (port 443): connections to it are not served']);
  t.same(chains([gateway([https(['a.com']), passing]), vs('v', ['*.com'], { tls: [{ match: [match(['b.com'])], route: [to('a', { port: { number: 1 } })] }] })]), ['a.com → SIMPLE http https.443.https.gw.default', 'b.com → tcp outbound|1||a.default.svc.cluster.local'], 'beside terminated TLS');
});

t.test('TCP: the first route that fits, with TLS ended before it or without', async (t) => {
  const spec = { tcp: [{ match: [{ port: 5433 }], route: [to('other')] }, { match: [{ gateways: ['elsewhere'] }], route: [to('other')] }, { match: [{ port: 5432 }], route: [{ ...to('db', { subset: 'v1' }), weight: 3 }, { ...to('db', { subset: 'v2' }), weight: 1 }] }, { route: [to('other')] }] };
  const db = kube('db', { ports: [{ name: 'tcp', port: 5432 }] });
  const rule = istio('DestinationRule', 'db', { host: 'db', trafficPolicy: { connectionPool: { tcp: { idleTimeout: '5s' } } }, subsets: [{ name: 'v1' }, { name: 'v2' }] });
  const config = at([gateway([tcp(['*'], 5432)]), vs('v', ['any.com'], spec), vs('w', ['any.com'], { tcp: [{ route: [to('other')] }] }), db, rule]);
  const target = (subset: string) => `outbound|5432|${subset}|db.default.svc.cluster.local`;
  t.same(chainsOf(config.listeners[0]), [`else → tcp ${target('v1')}*3 ${target('v2')}*1`]);
  t.match(config.listeners[0]?.defaultChain?.network, { route: { name: 'default/v', virtualService: 'default/v', idleTimeoutMs: 5000 } });
  const ended = at([gateway([tls(['db.com'], { mode: 'SIMPLE', credentialName: 'cert' }, { number: 5432 })]), vs('v', ['*'], spec), db]);
  t.same(chainsOf(ended.listeners[0]), [`db.com → SIMPLE tcp ${target('v1')}*3 ${target('v2')}*1`]);
  t.same(ended.routeTables, {}, 'nothing to route by requests');
  t.same(at([gateway([tcp(['a.com'], 5432)]), vs('v', ['b.com'], spec)]).listeners, [], 'no host in common');
  t.match(problemsOf([gateway([tcp(['a.com'], 5432)])]), [/^spec\.servers\[0\]: no VirtualService has a tcp route/]);
});

t.test('AUTO_PASSTHROUGH: the server name says which cluster; endpoints with mutual TLS only', async (t) => {
  const istioMutual = { app: 'a', 'security.istio.io/tlsMode': 'istio' };
  const resources = [
    gateway([tls(['*.local'], { mode: 'AUTO_PASSTHROUGH' }), https(['*.cluster.local'], undefined, { name: 'wild' })]),
    kube('a', { selector: { app: 'a' }, ports: [{ name: 'http', port: 80 }] }),
    pods('a-1', '10.0.0.1', istioMutual),
    pods('a-2', '10.0.0.2', { app: 'a' }),
    slice('a', [{ addresses: ['10.0.0.1'], targetRef: { kind: 'Pod', name: 'a-1' } }, { addresses: ['10.0.0.2'], targetRef: { kind: 'Pod', name: 'a-2' } }], [{ name: 'http', port: 80 }]),
    istio('DestinationRule', 'a', { host: 'a', trafficPolicy: { proxyProtocol: { version: 'V1' } }, subsets: [{ name: 'v1', labels: { app: 'a' } }] }),
    istio('ServiceEntry', 'out', { hosts: ['out.local'], ports: [{ number: 443, name: 'tls', protocol: 'TLS' }], resolution: 'DNS' }),
    kube('b', {}, { namespace: 'default' }),
  ];
  const config = at(resources);
  const listener = config.listeners[0];
  t.same(listener?.chains?.map(({ match }) => match), [
    { serverNames: ['*.cluster.local'] },
    { serverNames: ['*', '*.cluster.local'], applicationProtocols: ['istio-peer-exchange', 'istio', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2'] },
  ], 'a wildcard of another server does not take it away');
  t.match(listener?.chains?.[1]?.network, { kind: 'tcp', route: { destinations: [], clusterFromSni: { hosts: ['*.local'] } } });
  const named = Object.keys(config.clusters).filter((name) => name.startsWith('outbound_.'));
  t.same(named, ['outbound_.80_._.a.default.svc.cluster.local', 'outbound_.80_._.b.default.svc.cluster.local', 'outbound_.80_.v1_.a.default.svc.cluster.local'], 'nothing outside the mesh');
  t.equal(addresses(config, 'outbound_.80_.v1_.a.default.svc.cluster.local'), '10.0.0.1:80');
  t.equal(addresses(config, 'outbound|80|v1|a.default.svc.cluster.local'), '10.0.0.1:80 10.0.0.2:80');
  const cluster = config.clusters['outbound_.80_._.a.default.svc.cluster.local'];
  t.same([cluster?.tls.mode, cluster?.proxyProtocol, cluster?.port], ['DISABLE', undefined, 80], 'bytes go as they come');
  t.same(Object.keys(at([gateway([https(['*'])]), kube('a')]).clusters).filter((name) => name.startsWith('outbound_.')), [], 'only where such a server is');
});

t.test('PROXY protocol, ports, httpsRedirect', async (t) => {
  const topology = mesh({ defaultConfig: { gatewayTopology: { proxyProtocol: {} } } });
  t.equal(at([gateway([https(['*'])]), topology]).listeners[0]?.proxyProtocol, true);
  t.equal(at([gateway([https(['*'])])]).listeners[0]?.proxyProtocol, undefined);
  const annotated = (config: string) => {
    const own = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'ingress', namespace: 'istio-system', labels: { istio: 'ingressgateway' }, annotations: { 'proxy.istio.io/config': config } } };
    const { config: { listeners }, problems } = compilation([gateway([https(['*'])]), mesh({ defaultConfig: { gatewayTopology: { numTrustedProxies: 1 } } }), own], GATEWAY);
    return [listeners[0]?.http.numTrustedProxies, listeners[0]?.proxyProtocol, problems.map(({ message }) => message).join()];
  };
  t.same(annotated('gatewayTopology: {proxyProtocol: {}}'), [1, true, ''], "the pod's own annotation, over the mesh's");
  t.same(annotated('{"gatewayTopology": {"numTrustedProxies": 3}}'), [3, undefined, '']);
  t.match(annotated('gatewayTopology: {numTrustedProxies: -1}'), [1, undefined, /must be a whole number/]);
  t.match(annotated('{'), [1, undefined, /^is not YAML and is not read: /]);
  const ingress = kube('ingress', { selector: { istio: 'ingressgateway' }, ports: [{ name: 'https', port: 443, targetPort: 8443 }] }, { namespace: 'istio-system' });
  t.match(at([gateway([https(['*'])]), ingress]), { listeners: [{ name: '0.0.0.0_8443', bind: { port: 8443 }, declaredPort: 443 }], routeTables: { 'https.8443.https.gw.default': {} } });
  t.match(at([gateway([https(['*'])]), ingress], { portMap: { 443: 0 } }).listeners, [{ bind: { port: 0 }, declaredPort: 443 }]);
  const redirecting = at([gateway([https(['a.com'], { mode: 'SIMPLE', credentialName: 'cert', httpsRedirect: true })]), vs('v', ['a.com'], { http: [{ route: [to('a')] }] })]);
  t.equal(hostOf(redirecting, 'https.443.https.gw.default', 'a.com')?.requireTls, undefined, 'has no meaning where everything is TLS');
});
