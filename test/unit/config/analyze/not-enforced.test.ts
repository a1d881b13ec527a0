import t from 'tap';
import { valuesAt } from '../../../../config/analyze/field-walk.ts';
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
  return analysisFindings(text, ['']).map((line) => line.replace(/^\d+:\d+: \w+ default\/x: /, '').replace('warning: is not enforced by this version: ', ''));
}

t.test('VirtualService', async (t) => {
  const route = (extra: string): readonly string[] => warned('VirtualService', `  hosts: [s]\n  http:\n  - route: [{destination: {host: s}}]\n${extra}`);
  t.strictSame(route('    timeout: 1s\n    headers: {request: {set: {a: b}}}\n    corsPolicy: {allowOrigins: [{exact: a}]}'), [], 'what is enforced');
  t.strictSame(route('    retries: {attempts: 0}'), [], 'no retries asked for');
  t.strictSame(route('    retries: {attempts: 2}'), ['spec.http[0].retries: a request is tried once']);
  t.strictSame(route('    fault: {abort: {httpStatus: 503, percentage: {value: 1}}}'), ['spec.http[0].fault: no delay and no abort is injected']);
  t.strictSame(route('    mirror: {host: s}'), ['spec.http[0].mirror: no copy of the request is sent']);
  t.strictSame(route('    mirrors: [{destination: {host: s}}]'), ['spec.http[0].mirrors: no copies of the request are sent']);
  t.strictSame(route('  - retries: {attempts: 1}\n    match: [{uri: {prefix: /}}]\n    route: [{destination: {host: s}}]').length, 1);
  t.strictSame(
    warned('VirtualService', '  hosts: [s]\n  tls: [{match: [{sniHosts: [s]}], route: [{destination: {host: s}}]}]\n  tcp: [{route: [{destination: {host: s}}]}]'),
    ['spec.tls: TLS traffic is not routed', 'spec.tcp: TCP traffic is not routed'],
  );
  const many = '  hosts: [s]\n  http:\n' + '  - {match: [{uri: {exact: /a}}], retries: {attempts: 2}, route: [{destination: {host: s}}]}\n'.replace('/a', '/b') + '  - {retries: {attempts: 2}, route: [{destination: {host: s}}]}';
  t.strictSame(warned('VirtualService', many), ['spec.http[0].retries: a request is tried once (and 1 more in this resource)']);
});

t.test('DestinationRule', async (t) => {
  const policy = (text: string): readonly string[] => warned('DestinationRule', `  host: s\n  trafficPolicy:\n    ${text}`);
  t.strictSame(policy('connectionPool: {tcp: {connectTimeout: 1s, idleTimeout: 1s, maxConnections: 0}, http: {idleTimeout: 1s, h2UpgradePolicy: DEFAULT, useClientProtocol: false}}'), []);
  t.strictSame(policy('loadBalancer: {simple: RANDOM}'), []);
  t.strictSame(policy('tls: {mode: DISABLE}'), []);
  const cases: readonly (readonly [string, string])[] = [
    ['connectionPool: {tcp: {maxConnections: 1}}', 'spec.trafficPolicy.connectionPool.tcp.maxConnections: nothing is limited'],
    ['connectionPool: {tcp: {tcpKeepalive: {time: 1s}}}', 'spec.trafficPolicy.connectionPool.tcp.tcpKeepalive: TCP keep-alive probes are not sent'],
    ['connectionPool: {http: {http1MaxPendingRequests: 1}}', 'spec.trafficPolicy.connectionPool.http.http1MaxPendingRequests: nothing is limited'],
    ['connectionPool: {http: {maxRequestsPerConnection: 1}}', 'spec.trafficPolicy.connectionPool.http.maxRequestsPerConnection: connections serve any number of requests'],
    ['connectionPool: {http: {h2UpgradePolicy: UPGRADE}}', 'spec.trafficPolicy.connectionPool.http.h2UpgradePolicy: upstream connections are HTTP/1.1'],
    ['outlierDetection: {interval: 1s}', 'spec.trafficPolicy.outlierDetection: failing endpoints are not ejected'],
    ['loadBalancer: {consistentHash: {useSourceIp: true}}', 'spec.trafficPolicy.loadBalancer.consistentHash: requests do not stick to an endpoint, endpoints are picked by LEAST_REQUEST, or by loadBalancer.simple where it is set'],
    ['loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 1s}}', 'spec.trafficPolicy.loadBalancer.warmup: new endpoints get their full share at once'],
    ['tls: {mode: ISTIO_MUTUAL}', 'spec.trafficPolicy.tls: requests are sent in plain text'],
    ['tunnel: {targetHost: a.b, targetPort: 80}', 'spec.trafficPolicy.tunnel: connections are made directly'],
    ['proxyProtocol: {version: V1}', 'spec.trafficPolicy.proxyProtocol: no PROXY header is sent'],
    ['retryBudget: {percent: 1}', 'spec.trafficPolicy.retryBudget: retries are not made'],
  ];
  for (const [text, warning] of cases) t.strictSame(policy(text), [warning], text);
  t.strictSame(
    warned('DestinationRule', '  host: s\n  trafficPolicy:\n    portLevelSettings: [{port: {number: 80}, outlierDetection: {interval: 1s}}]\n  subsets: [{name: a, trafficPolicy: {outlierDetection: {interval: 1s}}}]'),
    ['spec.trafficPolicy.portLevelSettings[0].outlierDetection: failing endpoints are not ejected', 'spec.subsets[0].trafficPolicy.outlierDetection: failing endpoints are not ejected'],
  );
});

t.test('Gateway', async (t) => {
  const server = (text: string): readonly string[] => warned('Gateway', `  servers:\n  - ${text}`);
  t.strictSame(server('{port: {number: 80, name: a, protocol: HTTP}, hosts: ["*"], tls: {httpsRedirect: true}}'), []);
  t.strictSame(server('{port: {number: 80, name: a, protocol: TCP}, hosts: ["*"]}'), ['spec.servers[0].port.protocol: only HTTP servers are served, this one is not bound']);
  t.strictSame(server('{port: {number: 80, name: a, protocol: GRPC}, hosts: ["*"]}'), ['spec.servers[0].port.protocol: clients must speak HTTP/1.1 to it']);
  t.match(server('{port: {number: 443, name: a, protocol: HTTPS}, hosts: ["*"], tls: {mode: ISTIO_MUTUAL}}'), [
    'spec.servers[0].port.protocol: only HTTP servers are served, this one is not bound',
    'spec.servers[0].tls: TLS is not terminated, this server is not bound',
  ]);
});

t.test('other kinds', async (t) => {
  const texts: readonly (readonly [string, readonly string[]])[] = [
    ['apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: x}\nspec: {address: "unix:///a"}\n', ['spec.address: unix sockets are not connected to, this endpoint is left out']],
    ['apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: x}\nspec: {metrics: [{providers: [{name: prometheus}]}]}\n', []],
    ['apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: x}\nspec: {tracing: [{disableSpanReporting: true}], metrics: [{overrides: [{disabled: true}]}]}\n', ['spec.tracing: no spans are made', 'spec.metrics[0].overrides: the standard metrics keep all their labels']],
    ['apiVersion: networking.istio.io/v1beta1\nkind: ProxyConfig\nmetadata: {name: x}\nspec: {concurrency: 2}\n', ['spec.concurrency: use --concurrency or the variable CONCURRENCY']],
    ['apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {trafficDistribution: PreferClose, ports: [{port: 80, name: http}]}\n', ['spec.trafficDistribution: endpoints of all zones are used alike']],
    [
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    accessLogFile: /dev/stdout\n    enableTracing: true\n    defaultConfig:\n      concurrency: 2\n      drainDuration: 45s\n    extensionProviders:\n    - {name: z, zipkin: {service: z, port: 80}}\n    - {name: p, prometheus: {}}\n',
      ['enableTracing: no spans are made', 'defaultConfig.concurrency: use --concurrency or the variable CONCURRENCY', 'extensionProviders[0]: the provider is not used'],
    ],
  ];
  for (const [text, warnings] of texts) {
    const found = analysisFindings(text, ['']).map((line) => line.replace(/^\d+:\d+: \w+ [\w-]+\/\w+: /, '').replace('warning: is not enforced by this version: ', ''));
    t.strictSame(found, warnings, text.slice(0, 60));
  }
});

t.test('positions are those of the field', async (t) => {
  const text = 'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: v\nspec:\n  hosts: [s]\n  http:\n  - route:\n    - destination: {host: s}\n    retries:\n      attempts: 2\n';
  t.strictSame(analysisFindings(text, ['']), ['10:5: VirtualService default/v: spec.http[0].retries: warning: is not enforced by this version: a request is tried once']);
});

t.test('ports that want HTTP/2', async (t) => {
  const text = 'apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports:\n  - {port: 80, name: http}\n  - {port: 81, name: grpc}\n  - {port: 82, name: x, appProtocol: kubernetes.io/h2c}\n';
  t.strictSame(analysisFindings(text, ['']), ['7:5: Service default/s: spec.ports[1]: warning: gRPC is not spoken by this version: requests for this port are sent as HTTP/1.1']);
});
