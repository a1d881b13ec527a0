/** The server side of mutual TLS: istio-api.md 8.1, 8.2, 6.2; proxy-semantics.md A.10. */

import t from 'tap';
import { istio } from '../../../support/resources.ts';
import { chainsOf, cluster, compilation, compiled, hostOf, kube, mesh, routesOf } from './compiled.ts';

type Resources = Parameters<typeof compiled>[0];

const own = (ports: readonly Record<string, unknown>[]) => kube('own', { selector: { app: 'client' }, ports });
const peer = (name: string, spec: Record<string, unknown>, namespace = 'default') => ({ apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name, namespace }, spec });
const mode = (value: string) => ({ mtls: { mode: value } });
const selecting = { selector: { matchLabels: { app: 'client' } } };
const capture = (resources: Resources, node: Parameters<typeof compiled>[1] = {}) => compiled(resources, { hasIdentity: true, ...node }).listeners.find(({ name }) => name === 'virtualInbound');

/** Chains of one local port. */
function portChains(resources: Resources, port: number, node: Parameters<typeof compiled>[1] = {}): readonly string[] {
  return chainsOf(capture(resources, node)).filter((text) => text.startsWith(`:${port} `)).map((text) => text.slice(`:${port} `.length));
}

const ANY = 'istio-peer-exchange,istio,istio-http/1.0,istio-http/1.1,istio-h2';
const HTTP = 'istio-http/1.0,istio-http/1.1,istio-h2';
const PASS = 'InboundPassthroughCluster';
const PORTS = { HTTP: { name: 'http', port: 80 }, TCP: { name: 'tcp', port: 80 }, TLS: { name: 'https', port: 80 }, AUTO: { name: 'x', port: 80 } } as const;

t.test('by mode and by what is spoken', async (t) => {
  const tcp = 'tcp inbound|80||';
  const http = 'http inbound|80||';
  const tcpChains: Readonly<Record<string, readonly string[]>> = {
    STRICT: [`tls → ISTIO_MUTUAL ${tcp}`],
    PERMISSIVE: [`tls ${ANY} → ISTIO_MUTUAL ${tcp}`, `plain → ${tcp}`, `tls → ${tcp}`],
    DISABLE: [`→ ${tcp}`],
  };
  const expected: Readonly<Record<keyof typeof PORTS, Readonly<Record<string, readonly string[]>>>> = {
    HTTP: { STRICT: [`tls → ISTIO_MUTUAL ${http}`], PERMISSIVE: [`tls ${ANY} → ISTIO_MUTUAL ${http}`, `plain → ${http}`], DISABLE: [`→ ${http}`] },
    TCP: tcpChains,
    TLS: tcpChains,
    AUTO: {
      STRICT: [`tls ${HTTP} → ISTIO_MUTUAL ${http}`, `tls → ISTIO_MUTUAL ${tcp}`],
      PERMISSIVE: [`tls ${HTTP} → ISTIO_MUTUAL ${http}`, `tls istio-peer-exchange,istio → ISTIO_MUTUAL ${tcp}`, `plain http/1.1,h2c → ${http}`, `plain → ${tcp}`, `tls → ${tcp}`],
      DISABLE: [`plain http/1.1,h2c → ${http}`, `plain → ${tcp}`, `tls → ${tcp}`],
    },
  };
  for (const [protocol, modes] of Object.entries(expected)) {
    for (const [value, chains] of Object.entries(modes)) {
      t.strictSame(portChains([own([PORTS[protocol as keyof typeof PORTS]]), peer('p', mode(value))], 80), chains, `${protocol} ${value}`);
    }
    t.strictSame(portChains([own([PORTS[protocol as keyof typeof PORTS]])], 80), modes['PERMISSIVE'], `${protocol} by default`);
  }
  const without = { hasIdentity: false };
  for (const port of [PORTS.TCP, PORTS.TLS]) t.strictSame(portChains([own([port])], 80, without), [`→ ${tcp}`], `${port.name} without an identity: a server that speaks first is not kept waiting for a ClientHello`);
  t.strictSame(portChains([own([PORTS.TCP]), peer('p', mode('STRICT'))], 80, without), tcpChains['STRICT'], 'STRICT refuses plain text all the same');
});

t.test('every port that no service has, and the proxy\'s own', async (t) => {
  const loops = [':15006 → close BlackHoleCluster', ':15001 → close BlackHoleCluster'];
  const permissive = [`tls ${HTTP} → ISTIO_MUTUAL http ${PASS}`, `tls istio-peer-exchange,istio → ISTIO_MUTUAL tcp ${PASS}`, `plain http/1.1,h2c → http ${PASS}`, `plain → tcp ${PASS}`, `tls → tcp ${PASS}`];
  t.strictSame(chainsOf(capture([])), [...loops, ...permissive]);
  t.strictSame(chainsOf(capture([peer('p', mode('STRICT'))])), [...loops, `tls ${HTTP} → ISTIO_MUTUAL http ${PASS}`, `tls → ISTIO_MUTUAL tcp ${PASS}`]);
  const open = peer('p', { ...selecting, ...mode('STRICT'), portLevelMtls: { 7000: { mode: 'DISABLE' }, 80: { mode: 'DISABLE' } } });
  t.strictSame(chainsOf(capture([own([PORTS.HTTP]), open])).filter((text) => text.startsWith(':7000')), [`:7000 plain http/1.1,h2c → http ${PASS}`, `:7000 plain → tcp ${PASS}`, `:7000 tls → tcp ${PASS}`], 'a port mode without a service');
  t.strictSame(portChains([own([PORTS.HTTP]), open], 80), ['→ http inbound|80||'], 'and with one');
  t.strictSame(chainsOf(capture([], { inboundPort: 0, outboundPort: 'off' })), permissive, 'free ports are not known yet');
  t.equal(capture([])?.defaultChain, undefined);
  t.equal(capture([])?.usesOriginalDestination, true);
});

t.test('the mode that applies', async (t) => {
  const cases: readonly (readonly [name: string, policies: Resources, strict: boolean])[] = [
    ['mesh', [peer('m', mode('STRICT'), 'istio-system')], true],
    ['another namespace', [peer('m', mode('STRICT'), 'other')], false],
    ['namespace over mesh', [peer('m', mode('STRICT'), 'istio-system'), peer('n', mode('PERMISSIVE'))], false],
    ['UNSET asks the level above', [peer('m', mode('STRICT'), 'istio-system'), peer('n', mode('UNSET'))], true],
    ['nothing written asks too', [peer('m', mode('STRICT'), 'istio-system'), peer('n', {})], true],
    ['workload over namespace', [peer('n', mode('STRICT')), peer('w', { ...selecting, ...mode('PERMISSIVE') })], false],
    ['workload of others', [peer('n', mode('STRICT')), peer('w', { selector: { matchLabels: { app: 'b' } }, ...mode('PERMISSIVE') })], true],
    ['port over workload', [peer('w', { ...selecting, ...mode('PERMISSIVE'), portLevelMtls: { 80: { mode: 'STRICT' } } })], true],
    ['a port that is UNSET has the workload\'s', [peer('w', { ...selecting, ...mode('STRICT'), portLevelMtls: { 80: { mode: 'UNSET' } } })], true],
    ['other ports', [peer('w', { ...selecting, ...mode('PERMISSIVE'), portLevelMtls: { 81: { mode: 'STRICT' } } })], false],
    ['the oldest of a level', [peer('b', mode('STRICT')), peer('a', mode('PERMISSIVE'))], false],
    ['a selector in the root namespace', [peer('m', { ...selecting, ...mode('STRICT') }, 'istio-system')], false],
  ];
  for (const [name, policies, strict] of cases) t.equal(portChains([own([PORTS.TCP]), ...policies], 80).length === 1, strict, name);
});

t.test('how mutual TLS is terminated', async (t) => {
  const tlsOf = (port: Record<string, unknown>, ...resources: Resources) => capture([own([port]), peer('p', mode('STRICT')), ...resources], { trustDomain: 'td' })?.chains?.find(({ match }) => match.destinationPort === 80)?.tls;
  const base = { mode: 'ISTIO_MUTUAL', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', identities: [{ kind: 'workload' }], clientCertificate: 'required', trust: { kind: 'workload' }, trustDomains: ['td'] };
  t.strictSame(tlsOf(PORTS.HTTP), { ...base, alpn: ['http/1.1'] });
  t.strictSame(tlsOf(PORTS.TCP), { ...base, alpn: [] });
  const config = mesh({ trustDomainAliases: ['old.td', 'td'], meshMTLS: { minProtocolVersion: 'TLSV1_3', cipherSuites: ['ECDHE-RSA-AES256-GCM-SHA384', 'NONE', 'ECDHE-RSA-AES256-GCM-SHA384'], ecdhCurves: ['P-256'] } });
  t.strictSame(tlsOf(PORTS.TCP, config), { ...base, minVersion: 'TLSv1.3', trustDomains: ['td', 'old.td'], cipherSuites: ['ECDHE-RSA-AES256-GCM-SHA384'], curves: ['P-256'], alpn: [] });
});

t.test('TCP ports have clusters and no tables', async (t) => {
  const rule = istio('DestinationRule', 'own', { host: 'own', trafficPolicy: { connectionPool: { tcp: { idleTimeout: '7s' } } } });
  const config = compiled([own([{ name: 'tcp', port: 5432, targetPort: 5433 }]), rule]);
  t.match(cluster(config, 'inbound|5433||'), { protocol: 'TCP', port: 5432, endpoints: [{ address: '10.9.9.9', port: 5433 }] });
  t.notOk(config.routeTables['inbound|5433||']);
  const network = config.listeners.find(({ name }) => name === 'virtualInbound')?.chains?.find(({ match }) => match.destinationPort === 5433)?.network;
  t.match(network, { kind: 'tcp', route: { name: 'inbound|5433||', idleTimeoutMs: 7000, destinations: [{ cluster: 'inbound|5433||', port: 5432 }] } });
});

t.test('services that share a local port: the first says what is spoken, the first with HTTP where its requests go', async (t) => {
  const a = kube('a', { selector: { app: 'client' }, ports: [{ name: 'tcp', port: 1, targetPort: 80 }] });
  const b = kube('b', { selector: { app: 'client' }, ports: [{ name: 'http', port: 2, targetPort: 80 }] });
  const config = compiled([a, b]);
  t.match(cluster(config, 'inbound|80||'), { service: { name: 'b' } });
  t.equal(routesOf(config, 'inbound|80||', '*').length, 1);
  t.strictSame(portChains([a, b], 80).at(1), 'plain → tcp inbound|80||');
});

t.test('without interception plain text is served, but not where mutual TLS is required', async (t) => {
  const both = own([{ name: 'http', port: 80, targetPort: 8080 }, { name: 'http-b', port: 81 }]);
  const strict = peer('w', { ...selecting, portLevelMtls: { 8080: { mode: 'STRICT' }, 7000: { mode: 'STRICT' } } });
  t.same(capture([both, strict])?.routing, { kind: 'by-port', tables: { 8080: 'inbound|mtls-required', 80: 'inbound|mtls-required', 81: 'inbound|81||', 7000: 'inbound|mtls-required' }, unknown: PASS });
  t.same(capture([peer('p', mode('STRICT'))])?.routing, { kind: 'by-port', tables: {}, unknown: 'inbound|mtls-required' });
  t.match(hostOf(compiled([peer('p', mode('STRICT'))]), 'inbound|mtls-required', '*')?.routes, [{ action: { kind: 'direct', status: 403 } }]);
  t.notOk(compiled([]).routeTables['inbound|mtls-required']);
});

t.test('Sidecar ingress', async (t) => {
  const port = (number: number, protocol: string) => ({ number, protocol, name: `p${number}` });
  const files = { serverCertificate: '/c.pem', privateKey: '/k.pem', caCertificates: '/ca.pem' };
  const ingress = (listener: Record<string, unknown>, ...resources: Resources) => compilation([istio('Sidecar', 's', { ingress: [listener] }), ...resources], { hasIdentity: true });
  const named = (compiled: ReturnType<typeof ingress>, name: string) => compiled.config.listeners.find((listener) => listener.name === name);
  t.strictSame(chainsOf(named(ingress({ port: port(90, 'TCP'), defaultEndpoint: '127.0.0.1:91' }, peer('p', mode('STRICT'))), 'virtualInbound'))[2], ':90 tls → ISTIO_MUTUAL tcp inbound|90||');
  const bound = { port: port(90, 'HTTP'), bind: '127.0.0.1', captureMode: 'NONE' };
  t.strictSame(chainsOf(named(ingress(bound), '127.0.0.1_90')), [`tls ${ANY} → ISTIO_MUTUAL http inbound|90||`, 'plain → http inbound|90||'], 'bound, with a certificate');
  t.strictSame(chainsOf(compiled([istio('Sidecar', 's', { ingress: [bound] })]).listeners.at(-1)), [], 'without one there is only plain HTTP');
  t.strictSame(chainsOf(compiled([istio('Sidecar', 's', { ingress: [bound] }), peer('p', mode('STRICT'))]).listeners.at(-1)), ['tls → ISTIO_MUTUAL http inbound|90||'], 'required all the same');

  const disabled = peer('w', { ...selecting, portLevelMtls: { 443: { mode: 'DISABLE' } } });
  const https = ingress({ port: port(443, 'HTTPS'), tls: { mode: 'MUTUAL', ...files, minProtocolVersion: 'TLSV1_3' } }, disabled);
  t.strictSame(chainsOf(named(https, 'virtualInbound'))[2], ':443 tls → MUTUAL http inbound|443||');
  t.match(named(https, 'virtualInbound')?.chains?.[2]?.tls, {
    identities: [{ kind: 'files', certificate: '/c.pem', key: '/k.pem' }],
    clientCertificate: 'required',
    trust: { kind: 'files', authorities: '/ca.pem' },
    minVersion: 'TLSv1.3',
    trustDomains: undefined,
    alpn: ['http/1.1'],
    origin: { resource: 'Sidecar default/s' },
  });
  t.match(cluster(https.config, 'inbound|443||'), { protocol: 'HTTP' }, 'what is inside');
  const tcp = ingress({ port: port(443, 'TLS'), tls: { mode: 'SIMPLE', serverCertificate: '/c.pem', privateKey: '/k.pem' } }, disabled);
  t.strictSame(chainsOf(named(tcp, 'virtualInbound'))[2], ':443 tls → SIMPLE tcp inbound|443||');
  t.match(named(tcp, 'virtualInbound')?.chains?.[2]?.tls, { clientCertificate: 'none', trust: undefined, alpn: [] });
  const ignored = ingress({ port: port(443, 'HTTPS'), tls: { mode: 'SIMPLE', serverCertificate: '/c.pem', privateKey: '/k.pem' } });
  t.match(ignored.problems, [{ severity: 'warning', resource: 'Sidecar default/s', path: 'spec.ingress[0].tls', message: /has no effect while the mutual TLS mode of port 443 is PERMISSIVE/ }]);
  t.strictSame(chainsOf(named(ignored, 'virtualInbound'))[4], ':443 tls → tcp inbound|443||', 'the application\'s own');
});
