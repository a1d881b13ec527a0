import t from 'tap';
import { valuesAt } from '../../../../config/analyze/field-walk.ts';
import { KEEP_ALIVE_PROBES_CAN_BE_SET } from '../../../../proxy/base/keep-alive.ts';
import { analysisFindings } from '../../../support/findings.ts';

t.test('valuesAt', async (t) => {
  const root = { a: [{ b: { c: 1 } }, { b: {} }, { b: null }], m: { x: { y: 1 }, z: {} }, e: [] };
  const cases: readonly (readonly [pattern: string, found: readonly unknown[]])[] = [
    ['a[].b.c', [[['a', 0, 'b', 'c'], 1]]],
    ['a[].b', [[['a', 0, 'b'], { c: 1 }], [['a', 1, 'b'], {}]]],
    ['m{}.y', [[['m', 'x', 'y'], 1]]],
    ['e[]', []],
    ['e', [[['e'], []]]],
    ['m[].y', []],
    ['constructor', []],
    ['a[].b.c.d', []],
  ];
  for (const [pattern, found] of cases) t.strictSame(valuesAt(root, pattern).map(({ path, value }) => [path, value]), found, pattern);
});

/** Fields that warn, by what the warning says after "is not enforced by this version: ". */
function warned(kind: string, spec: string): readonly string[] {
  const text = `apiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: {name: x}\nspec:\n${spec}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80, name: http}]}\n`;
  return notEnforced(text);
}

const SAYS_SO = 'warning: is not enforced by this version: ';

function notEnforced(text: string): readonly string[] {
  return analysisFindings(text, ['']).filter((line) => line.includes(SAYS_SO)).map((line) => line.replace(/^\d+:\d+: \w+ [\w-]+\/\w+: /, '').replace(SAYS_SO, ''));
}

t.test('VirtualService', async (t) => {
  const route = (extra: string): readonly string[] => warned('VirtualService', `  hosts: [s]\n  http:\n  - route: [{destination: {host: s}}]\n${extra}`);
  t.strictSame(route('    timeout: 1s\n    headers: {request: {set: {a: b}}}\n    corsPolicy: {allowOrigins: [{exact: a}]}'), [], 'what is enforced');
  t.strictSame(route('    retries: {attempts: 2, perTryTimeout: 1s, retryOn: 5xx, retryRemoteLocalities: true, backoff: 1s}'), []);
  t.strictSame(route('    fault: {delay: {fixedDelay: 1s, percentage: {value: 1}}, abort: {httpStatus: 503, percentage: {value: 1}}}'), []);
  t.strictSame(route('    mirror: {host: s}\n    mirrorPercentage: {value: 5}'), []);
  t.strictSame(route('    mirrors: [{destination: {host: s}}]'), []);
  t.strictSame(route('    match: [{uri: {prefix: /a}, statPrefix: a}]'), ['spec.http[0].match[0].statPrefix: no counters of its own are kept']);
  t.strictSame(
    warned('VirtualService', '  hosts: [s]\n  tls: [{match: [{sniHosts: [s]}], route: [{destination: {host: s}}]}]\n  tcp: [{route: [{destination: {host: s}}]}]'),
    [],
  );
  const many = '  hosts: [s]\n  http:\n  - {match: [{uri: {exact: /a}, statPrefix: a}, {uri: {exact: /b}, statPrefix: b}], route: [{destination: {host: s}}]}';
  t.strictSame(warned('VirtualService', many), ['spec.http[0].match[0].statPrefix: no counters of its own are kept (and 1 more in this resource)']);
});

t.test('keep-alive probes, where Node cannot set them', async (t) => {
  const cannot = (field: string): readonly string[] =>
    KEEP_ALIVE_PROBES_CAN_BE_SET ? [] : [`spec.trafficPolicy.connectionPool.tcp.tcpKeepalive.${field}: this Node.js lets only the time be set, 10 probes follow it, a second apart`];
  const pool = (keepAlive: string): readonly string[] => warned('DestinationRule', `  host: s\n  trafficPolicy: {connectionPool: {tcp: {tcpKeepalive: ${keepAlive}}}}`);
  t.strictSame(pool('{time: 1s, probes: 0}'), []);
  t.strictSame(pool('{time: 1s, probes: 3}'), cannot('probes'));
  t.strictSame(pool('{interval: 3s}'), cannot('interval'));
});

t.test('DestinationRule', async (t) => {
  const policy = (text: string): readonly string[] => warned('DestinationRule', `  host: s\n  trafficPolicy:\n    ${text}`);
  const enforced: readonly string[] = [
    'connectionPool: {tcp: {connectTimeout: 1s, idleTimeout: 1s, maxConnections: 1, maxConnectionDuration: 1s, tcpKeepalive: {time: 1s}}}',
    'connectionPool: {http: {http1MaxPendingRequests: 1, http2MaxRequests: 1, maxRequestsPerConnection: 1, maxRetries: 1, idleTimeout: 1s, h2UpgradePolicy: DEFAULT, useClientProtocol: false}}',
    'outlierDetection: {interval: 1s, consecutiveGatewayErrors: 1, maxEjectionPercent: 100}',
    'loadBalancer: {simple: RANDOM}',
    'loadBalancer: {consistentHash: {httpCookie: {name: a, ttl: 0s}, maglev: {tableSize: 5}}}',
    'loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 1s}}',
    'loadBalancer: {warmupDurationSecs: 1s, localityLbSetting: {distribute: [{from: a, to: {b: 100}}]}}',
    'retryBudget: {percent: 1, budgetInterval: 10s}',
    'tls: {mode: DISABLE}',
    'tls: {mode: ISTIO_MUTUAL}',
    'tunnel: {targetHost: a.b, targetPort: 80}',
    'proxyProtocol: {version: V1}',
  ];
  for (const text of enforced) t.strictSame(policy(text), [], text);
  const cases: readonly (readonly [string, string])[] = [
    ['connectionPool: {http: {h2UpgradePolicy: UPGRADE}}', 'spec.trafficPolicy.connectionPool.http.h2UpgradePolicy: upstream connections are HTTP/1.1'],
    ['connectionPool: {http: {useClientProtocol: true}}', 'spec.trafficPolicy.connectionPool.http.useClientProtocol: upstream connections are HTTP/1.1'],
    ['connectionPool: {http: {maxConcurrentStreams: 5}}', 'spec.trafficPolicy.connectionPool.http.maxConcurrentStreams: upstream connections are HTTP/1.1'],
    ['connectionPool: {http: {http2KeepAlive: {interval: 1s, timeout: 1s}}}', 'spec.trafficPolicy.connectionPool.http.http2KeepAlive: upstream connections are HTTP/1.1'],
    ['tunnel: {protocol: POST, targetHost: a.b, targetPort: 80}', 'spec.trafficPolicy.tunnel.protocol: tunnels are asked for by CONNECT'],
    ['loadBalancer: {backendUtilization: {}}', 'spec.trafficPolicy.loadBalancer.backendUtilization: endpoints are picked by LEAST_REQUEST, or by loadBalancer.simple where it is set'],
    ['loadBalancer: {zoneAwareLbSetting: {enabled: true}}', 'spec.trafficPolicy.loadBalancer.zoneAwareLbSetting: endpoints of all zones are used alike'],
  ];
  for (const [text, warning] of cases) t.strictSame(policy(text), [warning], text);
  t.strictSame(
    warned('DestinationRule', '  host: s\n  trafficPolicy:\n    portLevelSettings: [{port: {number: 80}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}]\n  subsets: [{name: a, trafficPolicy: {connectionPool: {http: {useClientProtocol: true}}}}]'),
    ['spec.trafficPolicy.portLevelSettings[0].connectionPool.http.h2UpgradePolicy: upstream connections are HTTP/1.1', 'spec.subsets[0].trafficPolicy.connectionPool.http.useClientProtocol: upstream connections are HTTP/1.1'],
  );
});

t.test('Gateway', async (t) => {
  const server = (text: string): readonly string[] => warned('Gateway', `  servers:\n  - ${text}`);
  t.strictSame(server('{port: {number: 80, name: a, protocol: HTTP}, hosts: ["*"], tls: {httpsRedirect: true}}'), []);
  t.strictSame(server('{port: {number: 80, name: a, protocol: TCP}, hosts: ["*"]}'), []);
  t.strictSame(server('{port: {number: 53, name: a, protocol: UDP}, hosts: ["*"]}'), ['spec.servers[0].port.protocol: datagrams are not served, this server is not bound']);
  t.strictSame(server('{port: {number: 80, name: a, protocol: GRPC}, hosts: ["*"]}'), ['spec.servers[0].port.protocol: clients must speak HTTP/1.1 to it']);
  t.strictSame(server('{port: {number: 443, name: a, protocol: HTTPS}, hosts: ["*"], tls: {mode: ISTIO_MUTUAL}}'), []);
});

t.test('other kinds', async (t) => {
  const texts: readonly (readonly [string, readonly string[]])[] = [
    ['apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: x}\nspec: {address: "unix:///a", network: n}\n', ['spec.network: the endpoint is reached directly, not through a gateway of its network']],
    ['apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: x}\nspec: {metrics: [{providers: [{name: prometheus}]}]}\n', []],
    ['apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: x}\nspec: {tracing: [{disableSpanReporting: true}], metrics: [{overrides: [{disabled: true}]}]}\n', ['spec.tracing: no spans are made', 'spec.metrics[0].overrides: the standard metrics keep all their labels']],
    ['apiVersion: networking.istio.io/v1beta1\nkind: ProxyConfig\nmetadata: {name: x}\nspec: {concurrency: 2}\n', ['spec.concurrency: use --concurrency or the variable CONCURRENCY']],
    [
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    accessLogFile: /dev/stdout\n    enableTracing: true\n    defaultConfig:\n      concurrency: 2\n      drainDuration: 45s\n    extensionProviders:\n    - {name: z, zipkin: {service: z, port: 80}}\n    - {name: p, prometheus: {}}\n',
      ['enableTracing: no spans are made', 'defaultConfig.concurrency: use --concurrency or the variable CONCURRENCY', 'extensionProviders[0]: the provider is not used'],
    ],
  ];
  for (const [text, warnings] of texts) {
    t.strictSame(notEnforced(text), warnings, text.slice(0, 60));
  }
});

t.test('positions are those of the field', async (t) => {
  const text = 'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: v\nspec:\n  hosts: [s]\n  http:\n  - route:\n    - destination: {host: s}\n    match:\n    - statPrefix: a\n';
  t.strictSame(analysisFindings(text, ['']), ['11:19: VirtualService default/v: spec.http[0].match[0].statPrefix: warning: is not enforced by this version: no counters of its own are kept']);
});

t.test('ports that want HTTP/2', async (t) => {
  const text = 'apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports:\n  - {port: 80, name: http}\n  - {port: 81, name: grpc}\n  - {port: 82, name: x, appProtocol: kubernetes.io/h2c}\n';
  t.strictSame(analysisFindings(text, ['']), ['7:5: Service default/s: spec.ports[1]: warning: gRPC is not spoken by this version: requests for this port are sent as HTTP/1.1']);
});
