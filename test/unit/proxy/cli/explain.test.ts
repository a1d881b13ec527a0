/** `outrider explain`: the decision, the policies and their places, as data and as text (interface.md). */

import { join } from 'node:path';
import t from 'tap';
import { runExplain } from '../../../../proxy/cli/explain.ts';
import type { Explanation } from '../../../../proxy/cli/explain/explanation.ts';
import { destinationRule, istio, renderResources, service, to, virtualService } from '../../../support/resources.ts';
import type { ResourceObject } from '../../../support/resources.ts';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function explain(argv: readonly string[]): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  const code = await runExplain(argv, { env: {}, stdout: (text) => void (stdout += text), stderr: (text) => void (stderr += text) });
  return { code, stdout, stderr };
}

const MESH: readonly ResourceObject[] = [
  ...service('reviews', { workloads: [{ port: 9081, version: 'v1' }, { port: 9082, version: 'v2' }] }),
  ...service('ratings', { workloads: [{ port: 9083, version: 'v1' }] }),
  destinationRule('reviews', ['v1', 'v2', 'v3'], { trafficPolicy: { loadBalancer: { simple: 'RANDOM' }, connectionPool: { tcp: { connectTimeout: '3s', maxConnections: 9 } }, outlierDetection: { interval: '5s' } } }),
  virtualService('reviews', {
    http: [
      {
        name: 'jason',
        match: [{ headers: { 'end-user': { exact: 'jason' } } }, { uri: { prefix: '/old/' } }],
        timeout: '1500ms',
        retries: { attempts: 3, perTryTimeout: '2s' },
        fault: { delay: { fixedDelay: '7s', percentage: { value: 10 } } },
        mirror: { host: 'ratings' },
        rewrite: { uri: '/new/', authority: 'other.example' },
        headers: { request: { set: { 'x-who': 'me' } } },
        corsPolicy: { allowOrigins: [{ exact: 'https://x.example' }], maxAge: '24h' },
        route: [to('reviews', 'v2')],
      },
      { match: [{ uri: { prefix: '/third' } }], route: [to('reviews', 'v3')] },
      { match: [{ uri: { prefix: '/nowhere' } }], route: [to('reviews', 'v9')] },
      { match: [{ sourceLabels: { app: 'other' } }], route: [to('ratings')] },
      { match: [{ uri: { exact: '/bye' } }], redirect: { authority: 'x.example', redirectCode: 302 } },
      { match: [{ uri: { exact: '/teapot' } }], directResponse: { status: 418, body: { string: 'short and stout' } } },
      { match: [{ uri: { prefix: '/split' } }], route: [to('reviews', 'v1', 80), to('reviews', 'v2', 20)] },
      { match: [{ method: { exact: 'PUT' } }], route: [to('reviews', 'v1')] },
    ],
  }),
];

t.test('as data', async (t) => {
  const file = join(t.testdir({ 'mesh.yaml': renderResources(MESH) }), 'mesh.yaml');
  const ask = async (method: string, url: string, ...more: readonly string[]): Promise<Explanation> => {
    const { code, stdout, stderr } = await explain(['--config', file, '--labels', 'app=client', method, url, '--json', ...more]);
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as Explanation;
  };

  t.test('a route with every policy', async (t) => {
    const found = await ask('GET', 'http://reviews:9080/old/1?x=2', '-H', 'End-User: jason');
    t.match(found, {
      virtualService: 'default/reviews',
      route: { index: 0, name: 'jason', file, line: Number },
      destinations: [{ host: 'reviews.default.svc.cluster.local', port: 9080, subset: 'v2', weight: 100, cluster: 'outbound|9080|v2|reviews.default.svc.cluster.local', endpoints: ['127.0.0.1:9082'], failure: null }],
      response: null,
      tried: [{ route: 'jason', place: 'http[0].match[0]', matched: true }],
      upstreamRequest: { authority: 'other.example' },
      listener: { name: 'virtualOutbound' },
      destinationPort: { port: 9080 },
      routeTable: '9080',
      virtualHost: { name: 'reviews.default.svc.cluster.local:9080', domain: 'reviews' },
    });
    t.match(found.policies, {
      timeout: { value: '1500ms' },
      retries: { value: { attempts: 3, perTryTimeout: '2s', retryOn: 'connect-failure,refused-stream,unavailable,cancelled' } },
      fault: { value: { delay: { fixedDelay: '7s', percentage: { value: 10 } } } },
      mirror: { value: [{ destination: { host: 'ratings' }, percentage: { value: 100 } }] },
      cors: { value: { allowOrigins: [{ exact: 'https://x.example' }], maxAge: '86400s' } },
      headers: { value: { request: { set: { 'x-who': 'me' } } } },
      rewrite: { value: { uri: '/new/', authority: 'other.example' } },
      loadBalancer: { value: { simple: 'RANDOM' }, origin: { resource: 'DestinationRule default/reviews' } },
      connectionPool: { value: { tcp: { connectTimeout: '3s', maxConnections: 9 } } },
      outlierDetection: { value: { interval: '5s', consecutive5xxErrors: 5, baseEjectionTime: '30s', maxEjectionPercent: 10 } },
      tls: { value: { mode: 'AUTO' }, origin: 'default' },
    });
    for (const name of ['timeout', 'retries', 'fault', 'mirror', 'cors', 'headers', 'rewrite'] as const) {
      const { origin } = found.policies[name];
      t.ok(origin !== 'default' && origin.resource === 'VirtualService default/reviews' && origin.file === file && origin.line > (found.route?.line ?? 0), `${name} has its own line`);
    }
  });

  t.test('a rewrite is shown by the match that took the request', async (t) => {
    t.same((await ask('GET', 'http://reviews:9080/old/1?x=2')).upstreamRequest, { path: '/new/1?x=2', authority: 'other.example' });
  });

  t.test('answers of the proxy', async (t) => {
    const cases: readonly (readonly [method: string, path: string, response: unknown, forwarded: number])[] = [
      ['GET', '/', { status: 404, flag: 'NR', details: 'route_not_found' }, 0],
      ['GET', '/third', { status: 503, flag: 'UH', details: 'no_healthy_upstream', body: 'no healthy upstream' }, 1],
      ['GET', '/nowhere', { status: 503, flag: 'NC', details: 'cluster_not_found' }, 1],
      ['GET', '/bye', { status: 302, flag: '-', details: 'direct_response', location: 'http://x.example/bye' }, 0],
      ['GET', '/teapot', { status: 418, flag: '-', details: 'direct_response', body: 'short and stout' }, 0],
      ['GET', '/%00', { status: 400, flag: '-', details: 'path_normalization_failed' }, 0],
      ['CONNECT', '/', { status: 404, flag: 'NR', details: 'route_not_found' }, 0],
      ['PUT', '/', null, 1],
    ];
    for (const [method, path, response, forwarded] of cases) {
      const found = await ask(method, `http://reviews:9080${path}`);
      t.same(found.response, response, `${method} ${path}`);
      t.equal(found.destinations.length, forwarded);
    }
    const calls: readonly (readonly [path: string, response: unknown])[] = [
      ['/', { status: 200, flag: 'NR', details: 'route_not_found', grpcStatus: 12 }],
      ['/third', { status: 200, flag: 'UH', details: 'no_healthy_upstream', grpcStatus: 14, grpcMessage: 'no healthy upstream' }],
      ['/bye', { status: 200, flag: '-', details: 'direct_response', location: 'http://x.example/bye', grpcStatus: 2 }],
      ['/teapot', { status: 200, flag: '-', details: 'direct_response', grpcStatus: 2, grpcMessage: 'short and stout' }],
      ['/%00', { status: 200, flag: '-', details: 'path_normalization_failed', grpcStatus: 13 }],
    ];
    for (const [path, response] of calls) t.same((await ask('POST', `http://reviews:9080${path}`, '-H', 'content-type: application/grpc+proto')).response, response, `a gRPC call to ${path}`);
    t.same((await ask('GET', 'http://reviews/bye')).response?.location, 'http://x.example/bye', 'the Host port is not kept');
  });

  t.test('why routes were not taken', async (t) => {
    const found = await ask('GET', 'http://reviews/split');
    t.same(found.tried.map(({ place, matched, failed }) => [place, matched, failed]), [
      ['http[0].match[0]', false, 'header end-user: want exact "jason", is absent'],
      ['http[0].match[1]', false, 'path: want prefix "/old/", got "/split"'],
      ['http[1]', false, 'path: want prefix "/third", got "/split"'],
      ['http[2]', false, 'path: want prefix "/nowhere", got "/split"'],
      ['http[4]', false, 'path: want exact "/bye", got "/split"'],
      ['http[5]', false, 'path: want exact "/teapot", got "/split"'],
      ['http[6]', true, undefined],
    ]);
    t.match(found.skipped, [{ route: 'http[3].match[0]', reason: 'wants sourceLabels app=other, this workload has app=client' }]);
    t.same(found.destinations.map(({ subset, weight, endpoints, workloads }) => [subset, weight, endpoints, workloads]), [['v1', 80, ['127.0.0.1:9081'], ['reviews-v1-9081']], ['v2', 20, ['127.0.0.1:9082'], ['reviews-v2-9082']]]);
  });

  t.test('which port and host are meant', async (t) => {
    const facts = async (url: string, ...more: readonly string[]) => {
      const { destinationPort, routeTable, virtualHost, virtualService, route } = await ask('GET', url, ...more);
      return [destinationPort, routeTable, virtualHost?.domain, virtualService, route?.name];
    };
    t.same(await facts('http://ratings/'), [{ port: 9080, because: 'the only HTTP port of the service' }, '9080', 'ratings', null, 'default']);
    t.same(await facts('ratings.default:9080'), [{ port: 9080, because: 'written in the Host' }, '9080', 'ratings.default', null, 'default'], 'http may be left out');
    t.same(await facts('http://127.0.0.1:15001/', '-H', 'Host: ratings'), [{ port: 9080, because: 'the only HTTP port of the service' }, '9080', 'ratings', null, 'default'], 'a Host header wins');
    t.same(await facts('http://www.example.com/'), [{ port: 80, because: "HTTP's default" }, 'unknown', '*', null, 'allow_any']);
    const passed = await ask('GET', 'http://www.example.com:8080/');
    t.match(passed.destinations, [{ cluster: 'PassthroughCluster', discovery: 'ORIGINAL_DST', endpoints: ['www.example.com:8080'] }]);
    t.same(passed.policies.retries, { value: { attempts: 0 }, origin: 'default' }, 'what is passed through is not retried');
    t.match((await ask('GET', 'http://ratings/')).policies.retries, { value: { attempts: 2, retryOn: 'connect-failure,refused-stream,unavailable,cancelled' }, origin: 'default' });
  });
});

t.test('gateways', async (t) => {
  const server = (port: number, hosts: readonly string[], more: Readonly<Record<string, unknown>> = {}) => ({ port: { number: port, name: `http-${port}`, protocol: 'HTTP' }, hosts, ...more });
  const gateway = istio('Gateway', 'gw', { selector: { istio: 'ingressgateway' }, servers: [server(8080, ['*']), server(80, ['*'], { tls: { httpsRedirect: true } })] });
  const rule = virtualService('web', { hosts: ['web.example'], gateways: ['gw'], http: [{ route: [to('ratings')] }] });
  const file = join(t.testdir({ 'mesh.yaml': renderResources([...MESH, gateway, rule]) }), 'mesh.yaml');
  const ask = async (...argv: readonly string[]) => {
    const { stdout, code } = await explain(['--config', file, '--mode', 'gateway', '--labels', 'istio=ingressgateway', '--json', 'GET', ...argv]);
    t.equal(code, 0);
    return JSON.parse(stdout) as Explanation;
  };
  t.match(await ask('http://web.example:8080/'), { virtualService: 'default/web', listener: { name: '0.0.0.0_8080' }, destinations: [{ endpoints: ['127.0.0.1:9083'] }], response: null });
  t.match(await ask('http://127.0.0.1:8080/', '-H', 'host: web.example'), { virtualService: 'default/web' });
  t.match(await ask('http://other.example:8080/'), { virtualHost: null, virtualService: null, route: null, response: { status: 404, flag: 'NR' } });
  t.match(await ask('http://web.example/x'), { response: { status: 301, location: 'https://web.example/x' }, route: null });
  t.match(await ask('http://web.example:8443/'), { listener: null, response: { status: 0, details: 'nothing listens on port 8443' } });
});

t.test('as text', async (t) => {
  const file = join(t.testdir({ 'mesh.yaml': renderResources(MESH) }), 'mesh.yaml');
  const text = async (...argv: readonly string[]) => (await explain(['--config', file, '--labels', 'app=client', '--name', 'client-1', ...argv])).stdout.replaceAll(file, 'mesh.yaml').replaceAll(/mesh\.yaml:\d+/g, 'mesh.yaml:N');
  t.equal(
    await text('GET', 'http://reviews/split', '-H', 'end-user: bob'),
    `GET http://reviews/split
as sidecar of default/client-1

listener          virtualOutbound on 0.0.0.0:15001
destination port  9080 (the only HTTP port of the service)
route table       9080
virtual host      reviews.default.svc.cluster.local:9080, by the name reviews
VirtualService    default/reviews  mesh.yaml:N

Routes, in order
  ✗ http[0].match[0] jason  header end-user: want exact "jason", got "bob"  mesh.yaml:N
  ✗ http[0].match[1] jason  path: want prefix "/old/", got "/split"  mesh.yaml:N
  ✗ http[1]                 path: want prefix "/third", got "/split"  mesh.yaml:N
  ✗ http[2]                 path: want prefix "/nowhere", got "/split"  mesh.yaml:N
  ✗ http[4]                 path: want exact "/bye", got "/split"  mesh.yaml:N
  ✗ http[5]                 path: want exact "/teapot", got "/split"  mesh.yaml:N
  ✓ http[6]                 matches  mesh.yaml:N
  - http[3].match[0]        left out: wants sourceLabels app=other, this workload has app=client  mesh.yaml:N

Forwarded to
    80 %  reviews.default.svc.cluster.local:9080 subset v1  (outbound|9080|v1|reviews.default.svc.cluster.local)
      127.0.0.1:9081  reviews-v1-9081
    20 %  reviews.default.svc.cluster.local:9080 subset v2  (outbound|9080|v2|reviews.default.svc.cluster.local)
      127.0.0.1:9082  reviews-v2-9082

Policies
  timeout           none
  retries           {attempts: 2, retryOn: "connect-failure,refused-stream,unavailable,cancelled", backoff: 25ms, retryIgnorePreviousHosts: true, retryRemoteLocalities: false}  default
  fault             none
  mirror            none
  cors              none
  headers           none
  rewrite           none
  loadBalancer      {simple: RANDOM}  DestinationRule default/reviews spec.trafficPolicy.loadBalancer mesh.yaml:N
  connectionPool    {tcp: {maxConnections: 9, connectTimeout: 3s}}  DestinationRule default/reviews spec.trafficPolicy.connectionPool mesh.yaml:N
  outlierDetection  {consecutive5xxErrors: 5, interval: 5s, baseEjectionTime: 30s, maxEjectionPercent: 10, minHealthPercent: 0}  DestinationRule default/reviews spec.trafficPolicy.outlierDetection mesh.yaml:N
  tls               {mode: AUTO}  default
`,
  );
  const missed = await text('GET', 'http://reviews/');
  t.match(missed, '  no route matches\n');
  t.match(missed, 'Answered by the proxy: 404, NR, route_not_found\n\nPolicies\n  none applies\n');
  t.match(await text('POST', 'http://reviews/third', '-H', 'content-type: application/grpc'), 'Answered by the proxy: 200, UH, no_healthy_upstream, grpc-status 14 (Unavailable), "no healthy upstream"\n');
  t.match(await text('GET', 'http://reviews/old/1'), 'Forwarded to\n  reviews.default.svc.cluster.local:9080 subset v2  (outbound|9080|v2|reviews.default.svc.cluster.local)\n      127.0.0.1:9082  reviews-v2-9082\n  as other.example/new/1\n');
  t.match(await text('GET', 'http://www.example.com/'), 'virtual host      allow_any, the catch-all\n');
});

t.test('exit codes', async (t) => {
  const folder = t.testdir({ 'good.yaml': renderResources(MESH), 'bad.yaml': 'apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: x}]}\n' });
  const good = join(folder, 'good.yaml');
  const cases: readonly (readonly [argv: readonly string[], code: number, stderr: RegExp])[] = [
    [['--config', good, 'GET', 'http://x/'], 0, /^$/],
    [['--config', join(folder, 'bad.yaml'), 'GET', 'http://x/'], 1, /bad\.yaml:4:\d+: Service default\/a: spec\.ports\[0\]\.port: must be/],
    [['--config', join(folder, 'none.yaml'), 'GET', 'http://x/'], 1, /none\.yaml/],
    [['--config', good, '--workload', 'default/nobody', 'GET', 'http://x/'], 1, /no Pod or WorkloadEntry default\/nobody/],
    [['--config', good, 'GET'], 2, /give METHOD and URL/],
    [['--config', good, 'GET', 'http://x/', 'more'], 2, /unexpected argument 'more'/],
    [['GET', 'http://x/'], 2, /--config PATH is required/],
    [['--config', good, '--nope', 'GET', 'http://x/'], 2, /unknown option --nope/],
    [['--config', good, 'G T', 'http://x/'], 2, /'G T' is not a method/],
    [['--config', good, 'GET', 'http://x:99999/'], 2, /no valid port/],
    [['--config', good, 'GET', '/path'], 2, /names no host/],
    [['--config', good, 'GET', 'http://x/', '-H', 'nonsense'], 2, /-H 'nonsense' is not 'name: value'/],
  ];
  for (const [argv, code, stderr] of cases) {
    const outcome = await explain(argv);
    t.equal(outcome.code, code, argv.join(' '));
    t.match(outcome.stderr, stderr);
  }
  t.equal((await explain(['--config', good, 'GET', '/path', '-H', 'Host: reviews'])).code, 0, 'a path and a Host are enough');
});
