/** Networking kinds: every field of Istio's CRDs is known, every legal spelling is accepted and comes out normalised. */

import { readFileSync } from 'node:fs';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { loadSnapshot, type Snapshot } from '../../../../config/load/snapshot.ts';
import { renderProblem } from '../../../../config/runtime/problem.ts';
import { hostProblem, nameLabelProblem, parseDuration, regexProblem, subnetProblem } from '../../../../config/resources/values.ts';
import { suggest } from '../../../../config/resources/suggest.ts';
import { shared } from '../../../support/shared.ts';

/** The part of an OpenAPI schema that a CRD uses. */
interface CrdSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, CrdSchema>>;
  readonly items?: CrdSchema;
  readonly additionalProperties?: CrdSchema;
}

interface Crd {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: CrdSchema } }[];
  };
}

/** A value with every field there is, and nothing (null) in each. */
function everyField(schema: CrdSchema): unknown {
  if (schema.properties !== undefined) return Object.fromEntries(Object.entries(schema.properties).map(([name, field]) => [name, everyField(field)]));
  if (schema.items?.properties !== undefined) return [everyField(schema.items)];
  if (schema.additionalProperties?.properties !== undefined) return { key: everyField(schema.additionalProperties) };
  return null;
}

function loadJson(resource: unknown): Snapshot {
  return loadSnapshot(['-'], { stdin: () => JSON.stringify(resource) });
}

t.test('every field and version of the CRDs is known', { skip: shared('istio-crds', 'crd-all.gen.yaml').missing }, async (t) => {
  const documents = parseAllDocuments(readFileSync(shared('istio-crds', 'crd-all.gen.yaml').path, 'utf8'));
  const crds = documents.map((document) => document.toJS() as Crd | null).filter((crd) => crd !== null);
  const read = crds.filter(({ spec }) => !['EnvoyFilter', 'WasmPlugin', 'TrafficExtension'].includes(spec.names.kind));
  t.equal(read.length, 12);
  for (const { spec } of read) {
    for (const { name, schema } of spec.versions) {
      const { spec: fields = {} } = schema.openAPIV3Schema.properties ?? {};
      const { problems, skipped } = loadJson({ apiVersion: `${spec.group}/${name}`, kind: spec.names.kind, metadata: { name: 'a' }, spec: everyField(fields), status: {} });
      const unknown = problems.filter(({ message }) => /unknown (?:field|kind)|not an apiVersion/.test(message));
      t.strictSame(unknown.map(renderProblem), [], `${spec.names.kind} ${name}`);
      t.strictSame(skipped, {});
    }
  }
});

function spec(kind: string, fields: unknown): Snapshot {
  return loadJson({ apiVersion: 'networking.istio.io/v1', kind, metadata: { name: 'a', namespace: 'ns' }, spec: fields });
}

/** What the loader says of it; nothing, where the form is legal. */
function said(kind: string, fields: unknown): readonly string[] {
  return spec(kind, fields).problems.map(renderProblem);
}

const route = [{ destination: { host: 'a' } }];

t.test('VirtualService: legal forms', async (t) => {
  const https: readonly object[] = [
    { route: [{ destination: { host: 'a.b.svc.cluster.local', subset: 'V1', port: { number: 80 } }, weight: 0, headers: { request: { set: { ':authority': 'x' }, add: { Host: 'y' } } } }] },
    { route: [{ destination: { host: 'a' }, weight: 1 }, { destination: { host: 'b' } }] },
    { redirect: { derivePort: 'FROM_REQUEST_PORT' } },
    { redirect: { uri: '', authority: 'x', redirectCode: 308 } },
    { match: [{ uri: { prefix: '/a' } }, { uri: { prefix: '/b' }, method: { exact: 'GET' } }], redirect: { prefixRewrite: '' , scheme: 'https' } },
    { directResponse: { status: 599, body: { bytes: 'YWI=' } }, headers: { response: { set: { 'content-type': 'text/plain; 100%%' } } } },
    { delegate: { name: 'd', namespace: 'other' }, rewrite: { uri: '/' }, timeout: '1h1m1.5s', fault: { abort: { grpcStatus: 'UNAVAILABLE', percentage: { value: 0.0001 } } } },
    { route, rewrite: { uriRegexRewrite: { match: '^/a/([^/]+)/(.*)$', rewrite: '/\\2/\\1\\\\' } } },
    { route, retries: { attempts: 3, retryOn: '5xx, gateway-error,503', perTryTimeout: '2s', backoff: '25ms' } },
    { route, timeout: '10s', retries: { attempts: 2_147_483_647, retryOn: 'retriable-status-codes,425', retryIgnorePreviousHosts: false, retryRemoteLocalities: true, backoff: '1h' } },
    { route, retries: { attempts: 0, retryOn: '' } },
    { route, fault: { abort: { httpStatus: 599, percentage: { value: 0 } }, delay: { fixedDelay: '1ms', percentage: { value: 0.0001 } } } },
    { route, retries: { attempts: 0 } },
    { route, retries: {} },
    { route, match: [{ headers: { a: {}, 'B-c': { regex: '*' }, d: { exact: '' } }, withoutHeaders: { e: {} }, queryParams: { q: { exact: '' }, r: {} }, uri: { prefix: '' }, port: 80, sourceLabels: { app: 'x' } }] },
    { route, match: [], corsPolicy: { allowOrigins: [{ regex: 'https://.*' }], allowMethods: ['GET', '*'], allowHeaders: ['*'], maxAge: '24h', unmatchedPreflights: 'IGNORE' } },
    { route, mirror: { host: 'b' }, mirrorPercentage: { value: 0 } },
    { route, mirrors: [{ destination: { host: 'b' } }, { destination: { host: 'c' }, percentage: { value: 1.5 } }] },
    { route, fault: { delay: { fixedDelay: '1ms', percentage: { value: 100 } }, abort: null }, headers: null },
  ];
  for (const http of https) t.strictSame(said('VirtualService', { hosts: ['a'], http: [http] }), []);
  t.strictSame(said('VirtualService', { hosts: ['*', ], gateways: ['g', 'other/g'], http: [{ route }] }), []);
  t.strictSame(said('VirtualService', { hosts: ['10.0.0.1', '2001:db8::1', '*.a.com', 'b_c.d'], exportTo: ['.', 'other'], http: [{ route }] }), []);
  t.strictSame(said('VirtualService', { http: [{ route }] }), []);
  const partial = /^-:1:\d+: \S+ ns\/a: spec\.\S+: warning: "\*foo\.com" is a partial wildcard.*write "\*\.foo\.com" for the names under a domain \[IST0133\]$/;
  t.match(said('VirtualService', { hosts: ['*foo.com'], http: [{ route }] }), [partial], 'partial wildcards: Istio warns');
  t.match(said('DestinationRule', { host: '*foo.com', subsets: [{ name: 'x' }] }), [partial]);
  t.match(said('ServiceEntry', { hosts: ['*foo.com'], ports: [{ number: 80, name: 'http' }], resolution: 'NONE' }), [partial]);
  t.match(said('Gateway', { servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*foo.com'] }] }), [/a wildcard is only allowed as the whole left-most label/], 'and refuses them here');
  t.match(said('Sidecar', { egress: [{ hosts: ['*/*foo.com'] }] }), [/a wildcard is only allowed as the whole left-most label/]);
  t.strictSame(said('VirtualService', { hosts: ['a'], gateways: ['g'], http: [{ match: [{ headers: { '@request.auth.claims.sub': { exact: 'x' }, '@request.auth.claims[a][b.c]': { exact: 'y' } } }], route }] }), []);
  t.strictSame(said('VirtualService', { hosts: ['*.a.com'], tls: [{ match: [{ sniHosts: ['x.a.com', '*.y.a.com'], port: 443, destinationSubnets: ['10.0.0.0/8', '::/0'] }], route }] }), []);
  t.strictSame(said('VirtualService', { hosts: ['a'], tcp: [{ route }, { match: [{ port: 1 }], route: [{ destination: { host: 'a' }, weight: 1 }] }] }), []);
});

t.test('VirtualService: what comes out', async (t) => {
  const { virtualServices } = spec('VirtualService', {
    hosts: ['a'],
    http: [{ route, timeout: '1m0.5s', mirror: { host: 'b' }, mirror_percent: 7, match: [{ headers: { constructor: { exact: 'x' } } }], corsPolicy: { maxAge: '2s' } }],
  });
  const [http] = virtualServices[0]!.spec.http!;
  t.strictSame([http?.timeout, http?.mirrorPercent, http?.corsPolicy?.maxAge], [60_500, 7, 2000]);
  t.equal(Object.getPrototypeOf(http?.match?.[0]?.headers), null);
  t.strictSame(Object.keys(http ?? {}).includes('retries'), false, 'absent stays absent');
});

t.test('DestinationRule: legal forms', async (t) => {
  const policies: readonly object[] = [
    { loadBalancer: { simple: 'PASSTHROUGH' } },
    { loadBalancer: { consistentHash: { httpCookie: { name: 'c', ttl: '0s', attributes: [{ name: 'SameSite', value: 'Lax' }] }, maglev: { tableSize: 65_537 } } } },
    { loadBalancer: { localityLbSetting: { distribute: [{ from: 'r/*', to: { 'r/z1/*': 80, 'r/z2/*': 20 } }, { from: 'q', to: { q: 100 } }] } } },
    { loadBalancer: { localityLbSetting: { distribute: [{ from: 'r/z1', to: { 'r/z1': 80, 'r/*': 20 } }, { from: 'r/*', to: { '*': 100 } }, { from: 'us-*', to: { 'us-*': 50, 'us-west': 50 } }, { from: 'us-west', to: { q: 100 } }, { from: '*', to: { 'a/b/c/d': 100 } }] } } },
    { outlierDetection: {}, loadBalancer: { localityLbSetting: { failover: [{ from: 'a', to: 'b' }], failoverPriority: ['app=x'] } } },
    { outlierDetection: { consecutive5xxErrors: 0, consecutiveGatewayErrors: 9, minHealthPercent: 99, maxEjectionPercent: 0 } },
    { outlierDetection: { consecutive5xxErrors: 3, consecutiveGatewayErrors: 3, outlierDetectionHttpErrorCodes: [500] } },
    { outlierDetection: { consecutive5xxErrors: 0, splitExternalLocalOriginErrors: true } },
    { loadBalancer: { consistentHash: { httpHeaderName: 'x', ringHash: { minimumRingSize: 8_388_608 } } } },
    { loadBalancer: { consistentHash: { httpCookie: { name: 'c', path: '/; SameSite=Lax' }, maglev: { tableSize: 4_999_999 } } } },
    { outlierDetection: {}, loadBalancer: { localityLbSetting: { failover: [{ from: 'a', to: 'b' }], failoverPriority: ['topology.kubernetes.io/region=a'] } } },
    { retryBudget: { percent: 0, minRetryConcurrency: 0, budgetInterval: '10s' } },
    { outlierDetection: { consecutiveLocalOriginFailures: 5, splitExternalLocalOriginErrors: true, interval: '1s', outlierDetectionHttpErrorCodes: [500] } },
    { connectionPool: { tcp: { maxConnections: 1, idleTimeout: '0s', tcpKeepalive: { time: '7200s' } }, http: { http2KeepAlive: { interval: '10s', timeout: '1s' } } } },
    { tls: { mode: 'MUTUAL', credentialName: 'c', sni: 'x' }, portLevelSettings: [{ port: { number: 443 }, tls: { mode: 'DISABLE' } }] },
    { tls: { mode: 'ISTIO_MUTUAL' }, tunnel: { targetHost: 'x.y', targetPort: 443, protocol: 'POST' } },
    { loadBalancer: { simple: 'ROUND_ROBIN', warmup: { duration: '1m', minimumPercent: 0, aggression: 0.5 } }, retryBudget: { percent: 12.5 }, proxyProtocol: {} },
  ];
  for (const trafficPolicy of policies) t.strictSame(said('DestinationRule', { host: '*.a.com', trafficPolicy, subsets: [{ name: 'v1', labels: { version: 'v1' }, trafficPolicy }] }), []);
  t.strictSame(said('DestinationRule', { host: 'a', trafficPolicy: { outlierDetection: {} }, subsets: [{ name: 'v1', trafficPolicy: { loadBalancer: { localityLbSetting: { failover: [{ from: 'a', to: 'b' }] } } } }] }), [], 'a subset inherits the detection');
  t.strictSame(said('DestinationRule', { host: 'a', exportTo: ['ns'], workloadSelector: { matchLabels: { app: 'x' } }, subsets: [{ name: 'tls' }] }), []);
});

t.test('Gateway, ServiceEntry, WorkloadEntry, WorkloadGroup, Sidecar: legal forms', async (t) => {
  const port = { number: 80, name: 'http', protocol: 'http' };
  const https = { number: 443, name: 'HTTPS-443', protocol: 'HTTPS' };
  const servers: readonly object[] = [
    { port, hosts: ['*', 'ns/a.b', './*.c.d', '*/x.y'], tls: { httpsRedirect: true }, name: 'n' },
    { port: { ...port, number: 0 }, bind: 'unix:///run/a', hosts: ['a.b'] },
    { port: https, hosts: ['a.b'], tls: {} },
    { port: https, hosts: ['a.b'], tls: { mode: 'SIMPLE', credentialNames: ['a', 'b'], minProtocolVersion: 'TLSV1_0', cipherSuites: ['AES128-SHA'] } },
    { port: https, hosts: ['a.b'], tls: { mode: 'MUTUAL', serverCertificate: '/a', privateKey: '/b', caCertificates: '/c', caCrl: '/d', verifyCertificateHash: ['ab'.repeat(32), Array(32).fill('AB').join(':')] } },
    { port: https, hosts: ['a.b'], tls: { mode: 'MUTUAL', credentialName: 'a', caCertCredentialName: 'b', verifyCertificateSpki: [`${'A'.repeat(43)}=`] } },
    { port: https, hosts: ['a.b'], tls: { mode: 'ISTIO_MUTUAL' } },
    { port: { ...https, protocol: 'TLS' }, hosts: ['*.local'], tls: { mode: 'AUTO_PASSTHROUGH' } },
    { port: { ...port, protocol: 'TCP' }, hosts: ['*'] },
  ];
  for (const server of servers) t.strictSame(said('Gateway', { selector: { istio: 'ingressgateway' }, servers: [server] }), []);
  const ports = [{ number: 80, name: 'http', protocol: 'HTTP' }];
  const entries: readonly object[] = [
    { hosts: ['short'] },
    { hosts: ['a.b', '*.c.d'], ports, resolution: 'NONE', addresses: ['10.0.0.0/8', '::1'] },
    { hosts: ['a.b'], ports, resolution: 'STATIC', endpoints: [{ address: '1.2.3.4', ports: { http: 8080 }, weight: 2, locality: 'r/z', labels: { version: 'v1' } }] },
    { hosts: ['a.b'], ports, resolution: 'STATIC', endpoints: [{ address: 'unix:///run/a' }] },
    { hosts: ['a.b'], ports, resolution: 'STATIC' },
    { hosts: ['*.a.b'], ports, resolution: 'DNS', endpoints: [{ address: 'c.d' }, { address: '1.2.3.4' }] },
    { hosts: ['a.b'], resolution: 'DNS_ROUND_ROBIN', ports: [{ number: 5432, name: 'db', protocol: 'TCP', targetPort: 15_432 }] },
    { hosts: ['*.a.b'], resolution: 'DYNAMIC_DNS', ports },
    { hosts: ['a.b'], location: 'MESH_INTERNAL', resolution: 'STATIC', ports, workloadSelector: { labels: { app: 'x' } }, exportTo: ['~'] },
    { hosts: ['a.b', 'c.d'], addresses: ['1.2.3.4'], ports: [{ number: 5432, name: 'db', protocol: 'TCP' }] },
  ];
  for (const entry of entries) t.strictSame(said('ServiceEntry', entry), []);
  for (const entry of [{ address: '::1', ports: { http: 1 } }, { address: 'unix://@a' }, { network: 'n' }, { address: 'a.b', serviceAccount: 's' }]) t.strictSame(said('WorkloadEntry', entry), []);
  t.strictSame(said('WorkloadGroup', { metadata: { labels: { a: 'b' }, annotations: { c: 'd e' } }, template: { ports: { http: 80 } }, probe: { httpGet: { port: 80, scheme: '', httpHeaders: [{ name: 'X_y', value: '1' }] } } }), []);
  const sidecars: readonly object[] = [
    { egress: [{ hosts: ['./*', '*/a.b', '~/*', 'ns/*.c.d', '~ns/x.y'] }] },
    { workloadSelector: { labels: { app: 'x' } }, ingress: [{ port: { number: 9080, protocol: 'HTTP', name: 'x' }, defaultEndpoint: 'unix:///run/a', captureMode: 'NONE', bind: '127.0.0.1' }] },
    { ingress: [{ port: { number: 443, protocol: 'HTTPS' }, defaultEndpoint: '[::1]:80', tls: { mode: 'SIMPLE', serverCertificate: '/a', privateKey: '/b' } }] },
    { egress: [{ port: { number: 0 }, bind: 'unix:///run/a', hosts: ['./*'] }, { port: { number: 3306, protocol: 'MYSQL' }, bind: '127.0.0.1', hosts: ['*/a.b'] }, { hosts: ['./*'] }] },
    { outboundTrafficPolicy: {} },
    { inboundConnectionPool: { http: { http1MaxPendingRequests: 1 } } },
  ];
  for (const sidecar of sidecars) t.strictSame(said('Sidecar', sidecar), []);
});

t.test('durations: Go\'s, in milliseconds', async (t) => {
  const cases: Readonly<Record<string, number | undefined>> = {
    '0': 0, '0s': 0, '5s': 5000, '0.5s': 500, '.5s': 500, '1.s': 1000, '0.3s': 300, '1h2m3.5s': 3_723_500, '100us': 0.1, '1µs': 0.001, '10ns': 0.00001, '-1s': -1000, '+1s': 1000, '1m1m': 120_000,
    '5': undefined, 's': undefined, '5 s': undefined, '5S': undefined, '1d': undefined, '': undefined, '.s': undefined, '1h-1m': undefined, '5 parsecs': undefined,
  };
  for (const [written, ms] of Object.entries(cases)) t.equal(parseDuration(written), ms, written);
});

t.test('hosts, labels, subnets, regexes', async (t) => {
  const problems = (of: (value: string) => string | undefined, values: readonly string[]): readonly string[] => values.filter((value) => of(value) !== undefined);
  t.strictSame(problems(hostProblem, ['a', 'A.b', '*', '*.a', '*.a.b', '1.2.3.4', '::1', 'a_b.c', 'a'.repeat(63)]), []);
  const badHosts = ['', 'a.', '.a', 'a..b', 'a b', '-a', 'a-', '*a', '*a.b', 'a.*', '*.*', '**', 'a:80', 'http://a', 'a'.repeat(64), 'a/b', 'ä.de'];
  t.strictSame(problems(hostProblem, badHosts), badHosts);
  t.strictSame(problems(nameLabelProblem, ['v1', 'V-1', '1', 'a'.repeat(63)]), []);
  const badLabels = ['', '-a', 'a-', 'a.b', 'a_b', 'a'.repeat(64)];
  t.strictSame(problems(nameLabelProblem, badLabels), badLabels);
  t.strictSame(problems(subnetProblem, ['1.2.3.4', '10.0.0.0/8', '::/0', '::1/128']), []);
  const badSubnets = ['', '1.2.3', '1.2.3.4/33', '::/129', '1.2.3.4/', '1.2.3.4/8/8', 'a/8', '1.2.3.4/-1'];
  t.strictSame(problems(subnetProblem, badSubnets), badSubnets);
  t.strictSame(problems(regexProblem, ['a', '(?i)a', '\\pL+', '[[:alpha:]]', '(?P<n>a)']), []);
  const badRegexes = ['(', '(?=a)', '(?!a)', '(?<=a)', '\\1', 'a**', '[b-a]', 'a{1001}', 'a'.repeat(1025)];
  t.strictSame(problems(regexProblem, badRegexes), badRegexes);
});

t.test('did you mean', async (t) => {
  const fields = ['http', 'hosts', 'gateways', 'exportTo', 'retryOn', 'perTryTimeout'];
  const cases: Readonly<Record<string, string | undefined>> = {
    htp: 'http', htttp: 'http', hots: 'hosts', Hosts: 'hosts', gateway: 'gateways', export_to: 'exportTo', 'retry-on': 'retryOn', perTryTimout: 'perTryTimeout', retyrOn: 'retryOn', x: undefined, something: undefined, ['a'.repeat(100)]: undefined,
  };
  for (const [word, expected] of Object.entries(cases)) t.equal(suggest(word, fields), expected, word);
});
