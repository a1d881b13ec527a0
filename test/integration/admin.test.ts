import { once } from 'node:events';
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import t from 'tap';
import type { RouteTableConfig } from '../../config/runtime/route.ts';
import { refuse } from '../../proxy/admin/guard.ts';
import { createHealthServer } from '../../proxy/admin/health-server.ts';
import { listen, type BoundServer } from '../../proxy/admin/http-server.ts';
import { createMetricsServer } from '../../proxy/admin/metrics-server.ts';
import { textAnswer } from '../../proxy/admin/page.ts';
import { createAdminServer } from '../../proxy/admin/server.ts';
import type { TelemetryView } from '../../proxy/admin/view.ts';
import { createIstioMetrics, type IstioMetrics } from '../../proxy/telemetry/metrics/istio-metrics.ts';
import { clusterConfig, FakeAdminView, listenerView } from '../support/admin-view.ts';
import { completedStream } from '../support/completed-stream.ts';
import { parsePrometheus } from '../support/prometheus-text.ts';
import { eventually, inTime, type TestScope } from '../support/scope.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function ask(port: number, method: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent: false });
  outgoing.end();
  const [response] = (await inTime(once(outgoing, 'response'), `${method} ${path}`)) as [IncomingMessage];
  let body = '';
  response.setEncoding('utf8');
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

const REVIEWS = 'outbound|9080||reviews.default.svc.cluster.local';
const UNUSED = 'outbound|80||unused.default.svc.cluster.local';

function meshView(): FakeAdminView {
  const resolved = { address: 'db.example.com', port: 5432, weight: 3, locality: '', workload: {}, tlsMode: 'disabled' } as const;
  const view = new FakeAdminView([clusterConfig(REVIEWS), clusterConfig(UNUSED, { discovery: 'DNS', endpoints: [resolved] })]);
  view.clusterViews = view.clusterViews.map((cluster) =>
    cluster.config.name === UNUSED ? { ...cluster, hosts: [...cluster.hosts].map((host) => ({ ...host, address: '[fd00::5]:5432', healthy: false })) } : cluster,
  );
  view.listenerViews = [listenerView('virtualOutbound', 'outbound', '0.0.0.0', 15_001), listenerView('virtualInbound', 'inbound', '::', 15_006)];
  const [reviews] = view.clusterViews;
  if (reviews !== undefined) {
    Object.assign(reviews.stats, { upstreamRqTotal: 5, upstreamRq2xx: 4, upstreamRq5xx: 1, upstreamCxTotal: 2, upstreamCxActive: 1 });
    for (const { stats } of reviews.hosts) Object.assign(stats, { rqTotal: 5, rqSuccess: 4, rqError: 1, cxTotal: 2, cxActive: 1 });
  }
  const [outbound] = view.listenerViews;
  if (outbound !== undefined) Object.assign(outbound.stats, { downstreamRqTotal: 6, downstreamRq2xx: 4, downstreamRq4xx: 1, noRoute: 1, downstreamCxTotal: 3 });
  return view;
}

type RecordingTelemetry = TelemetryView & { readonly istio: IstioMetrics };

function telemetryOf(view: FakeAdminView): RecordingTelemetry {
  const istio = createIstioMetrics(view.config.node);
  for (let i = 0; i < 4; i++) istio.record(completedStream());
  istio.record(completedStream({ info: { responseCode: 503, flags: 2 } }));
  return { istio, version: '0.1.0', accessLog: { linesWritten: 6, linesDropped: 1, writeFailures: 0, reopenFailures: 0 } };
}

async function admin(t: TestScope, view: FakeAdminView = meshView()): Promise<{ readonly port: number; readonly view: FakeAdminView; readonly telemetry: RecordingTelemetry }> {
  const telemetry = telemetryOf(view);
  const server = await createAdminServer(view, telemetry, { port: 0 });
  t.teardown(() => server.close());
  return { port: server.port, view, telemetry };
}

t.test('every page answers; what changes something takes POST only', async (t) => {
  const { port, view } = await admin(t);
  const text = 'text/plain; charset=UTF-8';
  const json = 'application/json';
  const reads: readonly (readonly [path: string, type: string])[] = [
    ['/', 'text/html; charset=UTF-8'], ['/help', text], ['/ready', text], ['/server_info', json], ['/config_dump', json], ['/config_status', json],
    ['/clusters', text], ['/clusters?format=json', json], ['/listeners', text], ['/listeners?format=json', json], ['/stats', text],
    ['/stats?format=json', json], ['/stats?format=prometheus', 'text/plain; version=0.0.4; charset=utf-8'],
    ['/stats/prometheus', 'text/plain; version=0.0.4; charset=utf-8'], ['/certs', json], ['/logging', text], ['/memory', json],
  ];
  for (const [path, type] of reads) {
    const answer = await ask(port, 'GET', path);
    t.match(answer, { status: 200, headers: { 'content-type': type, 'cache-control': 'no-cache, max-age=0', 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' } }, path);
    t.not(answer.body, '');
    if (type === json) t.doesNotThrow(() => void JSON.parse(answer.body), path);
    t.match(await ask(port, 'HEAD', path), { status: 200, headers: { 'content-type': type }, body: /^$/ }, `HEAD ${path}`);
  }
  const changes = ['/drain_listeners', '/healthcheck/fail', '/healthcheck/ok', '/reset_counters', '/quitquitquit', '/reload', '/logging?level=debug'];
  for (const path of changes) {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      const body = method === 'HEAD' ? '' : `Method ${method} not allowed, POST required.`;
      t.match(await ask(port, method, path), { status: 405, body: new RegExp(`^${body}$`) }, `${method} ${path}`);
    }
  }
  t.same(view.done, [], 'nothing happened');
  t.equal(view.level, 'info');
  const unknown = await ask(port, 'GET', '/nope?x');
  t.match(unknown, { status: 404, body: /^invalid path\. admin commands are:\n  \/: Admin home page\n  \/certs: / });
  t.match((await ask(port, 'GET', '/help')).body, /\n  \/clusters: .*\n      filter: .*\n[^]*\n  \/quitquitquit \(POST\): drain and exit the server\n/);
});

t.test('actions', async (t) => {
  const { port, view } = await admin(t);
  t.match(await ask(port, 'POST', '/healthcheck/fail'), { status: 200, body: 'OK\n' });
  t.match(await ask(port, 'GET', '/ready'), { status: 503, body: 'DRAINING\n' });
  t.match(await ask(port, 'POST', '/healthcheck/ok'), { status: 200, body: 'OK\n' });
  t.match(await ask(port, 'GET', '/ready'), { status: 200, body: 'LIVE\n' });
  t.match(await ask(port, 'POST', '/drain_listeners'), { status: 200, body: 'OK\n' });
  t.match(await ask(port, 'POST', '/reset_counters'), { status: 200, body: 'OK\n' });
  t.match(await ask(port, 'POST', '/reload'), { status: 200 });
  view.lastAttempt = 'rejected';
  view.problems = [{ severity: 'error', file: 'mesh.yaml', line: 3, column: 5, resource: 'VirtualService default/reviews', path: 'spec.http', message: 'unknown field', code: 'IST0101' }];
  const rejected = await ask(port, 'POST', '/reload');
  t.equal(rejected.status, 400);
  t.match(JSON.parse(rejected.body), { version: 'f00d', lastAttempt: 'rejected', accepted: 3, rejected: 1, problems: ['mesh.yaml:3:5: VirtualService default/reviews: spec.http: unknown field [IST0101]'] });
  t.same(JSON.parse((await ask(port, 'GET', '/config_status')).body), JSON.parse(rejected.body));
  t.match(await ask(port, 'POST', '/quitquitquit'), { status: 200, body: 'OK\n' });
  await eventually(() => view.done.includes('quit'), 'quit after its answer');
  t.same(view.done, ['healthy false', 'healthy true', 'drain', 'reset', 'reload', 'reload', 'quit']);
});

t.test('logging', async (t) => {
  const { port, view } = await admin(t);
  t.equal((await ask(port, 'GET', '/logging')).body, 'active loggers:\n  outrider: info\n');
  t.equal((await ask(port, 'POST', '/logging')).body, 'active loggers:\n  outrider: info\n');
  t.equal((await ask(port, 'POST', '/logging?level=debug')).body, 'active loggers:\n  outrider: debug\n');
  view.level = 'warn';
  t.equal((await ask(port, 'GET', '/logging')).body, 'active loggers:\n  outrider: warning\n', 'Envoy\'s word');
  t.match(await ask(port, 'POST', '/logging?level=loud'), { status: 400, body: /^error: unknown logger level\n\nusage: / });
  t.match(await ask(port, 'POST', '/logging?http=debug'), { status: 400, body: /^error: unknown logger name\n/ });
  t.equal(view.level, 'warn');
});

t.test('only programs on this host, and never by way of a web page', async (t) => {
  const { port, view } = await admin(t);
  for (const host of ['localhost', `localhost:${port}`, 'LOCALHOST:1', '127.0.0.1', '127.1.2.3:15000', '[::1]:15000']) {
    t.equal((await ask(port, 'GET', '/ready', { host })).status, 200, host);
  }
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', '10.0.0.1', '[::2]', '0.0.0.0', 'localhost:80:80']) {
    t.equal((await ask(port, 'GET', '/ready', { host })).status, 403, host);
  }
  const own = `localhost:${port}`;
  t.equal((await ask(port, 'POST', '/reset_counters', { host: own, origin: `http://${own}`, 'sec-fetch-site': 'same-origin' })).status, 200, 'our own page');
  for (const headers of [{ origin: 'http://evil.example' }, { origin: 'null' }, { origin: 'http://localhost:3000' }, { origin: `https://${own}` }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }]) {
    t.equal((await ask(port, 'POST', '/quitquitquit', { host: own, ...headers })).status, 403, JSON.stringify(headers));
  }
  t.same(view.done, ['reset']);
  for (const [remoteAddress, refused] of [['127.0.0.1', false], ['::1', false], ['::ffff:127.0.0.9', false], ['10.0.0.1', true], ['::ffff:10.0.0.1', true], [undefined, true]] as const) {
    const incoming = { socket: { remoteAddress }, headers: { host: 'localhost' } } as IncomingMessage;
    t.equal(refuse(incoming)?.status, refused ? 403 : undefined, String(remoteAddress));
  }
  t.equal(refuse({ socket: { remoteAddress: '127.0.0.1' }, headers: {} } as IncomingMessage)?.status, 403, 'no Host at all');
});

t.test('clusters and listeners in Envoy\'s words', async (t) => {
  const { port } = await admin(t);
  const address = `${REVIEWS}::10.0.0.1:9080`;
  t.same((await ask(port, 'GET', '/clusters?filter=reviews')).body.split('\n'), [
    `${REVIEWS}::observability_name::${REVIEWS}`,
    `${REVIEWS}::default_priority::max_connections::4294967295`,
    `${REVIEWS}::default_priority::max_pending_requests::4294967295`,
    `${REVIEWS}::default_priority::max_requests::4294967295`,
    `${REVIEWS}::default_priority::max_retries::4294967295`,
    `${REVIEWS}::added_via_api::true`,
    `${address}::cx_active::1`,
    `${address}::cx_connect_fail::0`,
    `${address}::cx_total::2`,
    `${address}::rq_active::0`,
    `${address}::rq_error::1`,
    `${address}::rq_success::4`,
    `${address}::rq_timeout::0`,
    `${address}::rq_total::5`,
    `${address}::hostname::`,
    `${address}::health_flags::healthy`,
    `${address}::weight::1`,
    `${address}::region::eu`,
    `${address}::zone::a`,
    `${address}::sub_zone::r1`,
    `${address}::canary::false`,
    `${address}::priority::0`,
    `${address}::success_rate::-1`,
    `${address}::local_origin_success_rate::-1`,
    '',
  ]);
  t.match((await ask(port, 'GET', '/clusters')).body, /::\[fd00::5\]:5432::hostname::db\.example\.com\n.*::health_flags::\/failed_active_hc\n/);
  const { cluster_statuses: clusters } = JSON.parse((await ask(port, 'GET', '/clusters?format=json')).body);
  t.same(clusters.map(({ name }: { name: string }) => name), [REVIEWS, UNUSED]);
  t.match(clusters[0], {
    host_statuses: [{
      address: { socket_address: { address: '10.0.0.1', port_value: 9080 } },
      stats: [{ name: 'cx_connect_fail' }, { value: '2', name: 'cx_total' }, { value: '1', name: 'rq_error' }, { value: '4', name: 'rq_success' }, { name: 'rq_timeout' }, { value: '5', name: 'rq_total' }, { type: 'GAUGE', value: '1', name: 'cx_active' }, { type: 'GAUGE', name: 'rq_active' }],
      health_status: { eds_health_status: 'HEALTHY' },
      weight: 1,
      locality: { region: 'eu', zone: 'a', sub_zone: 'r1' },
    }],
    circuit_breakers: { thresholds: [{ max_connections: 4294967295 }] },
    observability_name: REVIEWS,
  });
  t.match(clusters[1].host_statuses[0], { address: { socket_address: { address: 'fd00::5', port_value: 5432 } }, hostname: 'db.example.com', health_status: { eds_health_status: 'UNHEALTHY' } });
  t.same(JSON.parse((await ask(port, 'GET', '/clusters?format=json&filter=none')).body), { cluster_statuses: [] });
  t.match(await ask(port, 'GET', '/clusters?filter=('), { status: 400, body: /^Invalid re2 regex/ });
  t.equal((await ask(port, 'GET', '/listeners')).body, 'virtualOutbound::0.0.0.0:15001\nvirtualInbound::[::]:15006\n');
  t.same(JSON.parse((await ask(port, 'GET', '/listeners?format=json')).body), {
    listener_statuses: [
      { name: 'virtualOutbound', local_address: { socket_address: { address: '0.0.0.0', port_value: 15_001 } } },
      { name: 'virtualInbound', local_address: { socket_address: { address: '::', port_value: 15_006 } } },
    ],
  });
});

t.test('server_info, memory, certs', async (t) => {
  const { port } = await admin(t);
  t.match(JSON.parse((await ask(port, 'GET', '/server_info')).body), {
    version: '0.1.0',
    state: 'LIVE',
    uptime_current_epoch: '12s',
    uptime_all_epochs: '12s',
    command_line_options: { config: ['mesh.yaml'], mode: 'sidecar' },
    node: { id: 'sidecar~10.0.0.9~productpage-1.default~default.svc.cluster.local', cluster: 'productpage.default', metadata: { NAMESPACE: 'default', LABELS: { app: 'productpage' }, WORKLOAD_NAME: 'productpage-v1' } },
  });
  const memory = JSON.parse((await ask(port, 'GET', '/memory')).body);
  for (const name of ['allocated', 'heap_size', 'rss', 'external', 'total_physical_bytes']) t.match(memory[name], /^\d+$/, name);
  t.same(JSON.parse((await ask(port, 'GET', '/certs')).body), { certificates: [] });
});

t.test('stats as text and JSON', async (t) => {
  const { port } = await admin(t);
  const text = (await ask(port, 'GET', '/stats')).body;
  for (const line of [
    `cluster.${REVIEWS}.upstream_rq_total: 5`,
    `cluster.${REVIEWS}.upstream_rq_2xx: 4`,
    `cluster.${REVIEWS}.upstream_rq_timeout: 0`,
    `cluster.${REVIEWS}.membership_healthy: 1`,
    'http.outbound_0.0.0.0_15001.downstream_rq_2xx: 4',
    'http.outbound_0.0.0.0_15001.no_route: 1',
    'http.inbound_[__]_15006.downstream_rq_total: 0',
    'listener.0.0.0.0_15001.downstream_cx_total: 3',
    'cluster_manager.active_clusters: 2',
    'cluster_manager.cds.update_rejected: 1',
    'filesystem.write_dropped: 1',
    'listener_manager.total_listeners_active: 2',
    'server.live: 1',
    'server.state: 0',
    'server.uptime: 12',
  ]) t.ok(text.includes(`${line}\n`), line);
  t.notMatch(text, /unused/, 'a cluster that nobody used is left out');
  t.match(text, /\nistiocustom\.istio_requests_total\.reporter\.source\.source_workload\.productpage-v1\..*\.response_code\.200\..*: 4\n/);
  t.match(text, /\nistiocustom\.istio_request_duration_milliseconds\..*: P0\(nan,10\) .*P50\(nan,17\.5\).* P100\(nan,25\)\n/);

  t.equal((await ask(port, 'GET', '/stats?usedonly&filter=^cluster%5C.')).body, [
    ...['cx', 'pending', 'retries', 'rq'].map((what) => `cluster.${REVIEWS}.circuit_breakers.default.remaining_${what}: 4294967295`),
    `cluster.${REVIEWS}.membership_healthy: 1`, `cluster.${REVIEWS}.membership_total: 1`, `cluster.${REVIEWS}.upstream_cx_active: 1`, `cluster.${REVIEWS}.upstream_cx_total: 2`,
    `cluster.${REVIEWS}.upstream_rq_2xx: 4`, `cluster.${REVIEWS}.upstream_rq_5xx: 1`, `cluster.${REVIEWS}.upstream_rq_total: 5`, '',
  ].join('\n'));
  t.match((await ask(port, 'GET', '/stats?type=Gauges&filter=cluster%5C..*upstream')).body, /^cluster\.[^ ]*\.upstream_cx_active: 1\ncluster\.[^ ]*\.upstream_rq_active: 0\n.*pending_active: 0\n$/);
  t.match((await ask(port, 'GET', '/stats?type=Counters')).body, /^(?:[^ ]+: \d+\n)+$/);
  t.notMatch((await ask(port, 'GET', '/stats?type=Counters')).body, /_active: /);
  t.match((await ask(port, 'GET', '/stats?type=Histograms&filter=response_bytes.*response_code.200&histogram_buckets=cumulative')).body, /^istiocustom\.istio_response_bytes\.[^ ]*: B0\.5\(0,0\) .* B1000\(0,0\) B2500\(0,4\) .* B3600000\(0,4\)\n$/);
  t.match((await ask(port, 'GET', '/stats?type=Histograms&filter=response_bytes.*response_code.200&histogram_buckets=disjoint')).body, / B2500\(0,4\) B5000\(0,0\) /);

  const { stats } = JSON.parse((await ask(port, 'GET', '/stats?format=json')).body);
  const last = stats.pop();
  t.ok(stats.every((stat: { name: unknown; value: unknown }) => typeof stat.name === 'string' && typeof stat.value === 'number'));
  t.ok(stats.some(({ name, value }: { name: string; value: number }) => name === `cluster.${REVIEWS}.membership_change` && value === 0));
  t.match(last, { histograms: { supported_quantiles: [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100], computed_quantiles: [{ values: [{ cumulative: 10, interval: null }] }] } });
  t.equal(last.histograms.computed_quantiles.length, 6, 'three metrics, two series');
  const empty = JSON.parse((await ask(port, 'GET', '/stats?format=json&filter=nothing_like_this&histogram_buckets=cumulative')).body);
  t.same(empty, { stats: [{ histograms: [] }] });

  for (const [query, body] of [
    ['filter=(', /^Invalid re2 regex: /], [`filter=${'a'.repeat(1025)}`, /longer than 1024/], ['type=Foo', /^invalid &type= param/],
    ['format=html', /^usage: \/stats\?format=/], ['histogram_buckets=x', /^usage: \/stats\?histogram_buckets=/], ['format=prometheus&filter=(', /^Invalid re2 regex/],
  ] as const) t.match(await ask(port, 'GET', `/stats?${query}`), { status: 400, body }, query.slice(0, 20));
});

t.test('the Prometheus text', async (t) => {
  const { port, view, telemetry } = await admin(t);
  view.clusterViews = view.clusterViews.map((cluster) => ({ ...cluster, answered: new Map([[200, 4], [503, 1]]), retried: new Map([[409, 2], [503, 3]]) }));
  telemetry.istio.record(completedStream({ info: { host: { address: 'x', workload: { name: 'a"b\\c\nd' } } } }));
  const families = parsePrometheus((await ask(port, 'GET', '/stats/prometheus')).body);
  const values = (name: string): unknown => families.get(name)?.samples.map(({ labels, value }) => [labels, value]);
  t.equal(families.get('istio_requests_total')?.type, 'counter');
  t.same(families.get('istio_requests_total')?.samples.map(({ value }) => value), [4, 1, 1]);
  t.match(families.get('istio_requests_total')?.samples[0]?.labels, { reporter: 'source', destination_service_name: 'reviews', response_code: '200', connection_security_policy: 'unknown' });
  t.equal(families.get('istio_requests_total')?.samples[2]?.labels['destination_workload'], 'a"b\\c\nd', 'escaped and read back');
  t.equal(families.get('istio_request_duration_milliseconds')?.samples.length, 3 * 22);
  t.equal(families.get('istio_response_bytes')?.samples.find(({ name }) => name.endsWith('_sum'))?.value, 4096);
  t.same(values('istio_build'), [[{ component: 'proxy', tag: '0.1.0' }, 1]]);
  t.same(values('envoy_cluster_upstream_rq_total'), [[{ cluster_name: REVIEWS }, 5]]);
  const byStatus = (family: string): unknown => families.get(family)?.samples.map(({ labels, value }) => `${labels['response_code'] ?? labels['response_code_class']} ${labels['cluster_name']} ${value}`);
  t.same(byStatus('envoy_cluster_upstream_rq'), ['1xx 0', '200 4', '2xx 4', '3xx 0', '4xx 0', '503 1', '5xx 1'].map((counted) => counted.replace(' ', ` ${REVIEWS} `)), 'a class or a status, each a label');
  t.same(byStatus('envoy_cluster_retry_upstream_rq'), ['409 2', '4xx 2', '503 3', '5xx 3'].map((counted) => counted.replace(' ', ` ${REVIEWS} `)));
  t.same(values('envoy_cluster_retry_upstream_rq_completed'), [[{ cluster_name: REVIEWS }, 5]]);
  t.same(values('envoy_http_downstream_rq_total'), [[{ http_conn_manager_prefix: 'outbound_0.0.0.0_15001' }, 6], [{ http_conn_manager_prefix: 'inbound_[__]_15006' }, 0]]);
  t.same(values('envoy_listener_downstream_cx_total'), [[{ listener_address: '0.0.0.0_15001' }, 3], [{ listener_address: '[__]_15006' }, 0]]);
  t.same(values('envoy_server_live'), [[{}, 1]]);
  t.equal(families.get('envoy_cluster_upstream_cx_active')?.type, 'gauge');
  for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'process_start_time_seconds', 'nodejs_heap_size_used_bytes', 'nodejs_external_memory_bytes']) {
    t.ok((families.get(name)?.samples[0]?.value ?? 0) > 0, name);
  }
  t.same(families.get('nodejs_eventloop_delay_seconds')?.samples.map(({ labels }) => labels['quantile']), ['0.5', '0.9', '0.99', '1']);

  const used = parsePrometheus((await ask(port, 'GET', '/stats/prometheus?usedonly&filter=^envoy_')).body);
  t.ok([...used.values()].every(({ samples }) => samples.length > 0 && samples.every(({ value }) => value !== 0)));
  t.ok([...used.keys()].every((name) => name.startsWith('envoy_')));
  telemetry.istio.reset();
  t.match((await ask(port, 'GET', '/stats/prometheus?usedonly&filter=istio_request')).body, /^(?:# TYPE .*\n)+$/);
});

t.test('the strict reader refuses what a scraper would', async (t) => {
  const head = '# TYPE a counter\n';
  for (const text of ['', 'a 1', `${head}a`, `${head}a x\n`, `${head}a 1 \n`, `${head}b 1\n`, `${head}a 1\na 1\n`, `${head}a -1\n`, `${head}${head}`, `${head}a{x="1" y="2"} 1\n`, `${head}a{x="1",x="2"} 1\n`, `${head}a{x="\\d"} 1\n`, '# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n', '# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 1\nh_count 1\n']) {
    t.throws(() => parsePrometheus(text), JSON.stringify(text));
  }
});

t.test('config_dump', async (t) => {
  const view = meshView();
  const key = '-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n';
  const table: RouteTableConfig = {
    name: '9080',
    virtualHosts: ['reviews', 'ratings'].map((name) => ({
      name: `${name}:9080`, domains: [name], virtualService: null,
      routes: [{ name: 'default', match: { headers: [], query: [] }, action: { kind: 'direct', status: 200, body: `${key}${name}` }, filters: [{ name: 'x', policy: { privateKey: 'secret-1', nested: [{ client_secret: 'secret-2' }] } }], index: 0 }],
    })),
  };
  view.config = { ...view.config, listeners: view.listenerViews.map(({ config }) => config), routeTables: { 9080: table, empty: { name: 'empty', virtualHosts: [] } } };
  const { port } = await admin(t, view);
  const dump = async (query: string): Promise<unknown> => JSON.parse((await ask(port, 'GET', `/config_dump${query}`)).body);
  const whole = (await ask(port, 'GET', '/config_dump')).body;
  t.notMatch(whole, /secret-|PRIVATE|MIIE/, 'no secret leaves');
  t.match(whole, /\[redacted\]/);
  const shown = JSON.parse(whole);
  t.same(shown.clusters, view.config.clusters);
  t.same(shown.listeners, view.config.listeners);
  t.same(shown.node, view.config.node);
  t.same([shown.version, shown.telemetry], ['f00d', view.config.telemetry]);
  t.same(Object.keys(shown.routeTables), ['9080', 'empty']);
  t.same(shown.routeTables['9080'].virtualHosts.map(({ name }: { name: string }) => name), ['reviews:9080', 'ratings:9080']);

  t.same(await dump('?resource=clusters&mask=name,loadBalancer.policy'), { configs: [REVIEWS, UNUSED].map((name) => ({ name, loadBalancer: { policy: 'LEAST_REQUEST' } })) });
  t.same(await dump('?resource=dynamic_active_clusters&name_regex=unus.d&mask=name'), { configs: [{ name: UNUSED }] });
  t.same(await dump('?resource=listeners&mask=bind.port'), { configs: [{ bind: { port: 15_001 } }, { bind: { port: 15_006 } }] });
  t.same(await dump('?resource=routeTables&mask=name&name_regex=^9'), { configs: [{ name: '9080' }] });
  t.same(await dump('?resource=routeTables&mask=virtualHosts.domains&name_regex=^9'), { configs: [{ virtualHosts: [{ domains: ['reviews'] }, { domains: ['ratings'] }] }] });
  t.same(await dump('?resource=node&mask=mode'), { configs: [{ mode: 'sidecar' }] });
  t.same(await dump('?mask=node.name,clusters.port,telemetry'), { version: 'f00d', node: { name: 'productpage-1' }, clusters: { [REVIEWS]: { port: 9080 }, [UNUSED]: { port: 9080 } }, telemetry: view.config.telemetry });
  t.match(await ask(port, 'GET', '/config_dump?resource=nope'), { status: 404, body: 'nope not found in config dump\n' });
  t.match(await ask(port, 'GET', '/config_dump?resource=toString'), { status: 404 });
  t.match(await ask(port, 'GET', '/config_dump?mask=nope.x'), { status: 400, body: 'FieldMask nope.x could not be successfully applied to any configs.\n' });
  t.match(await ask(port, 'GET', '/config_dump?name_regex=('), { status: 400, body: /^Error while parsing name_regex/ });
});

t.test('10,000 used clusters are rendered in slices', async (t) => {
  const view = new FakeAdminView(Array.from({ length: 10_000 }, (_, i) => clusterConfig(`outbound|80||s${i}.default.svc.cluster.local`)));
  for (const { stats } of view.clusterViews) stats.upstreamRqTotal = 1;
  const { port } = await admin(t, view);
  for (const path of ['/stats/prometheus', '/stats', '/clusters', '/config_dump', '/stats?filter=rq_total$']) {
    let turns = 0;
    let turning = true;
    const turn = (): void => {
      turns++;
      if (turning) setImmediate(turn);
    };
    setImmediate(turn);
    const { status, body } = await ask(port, 'GET', path);
    turning = false;
    t.equal(status, 200, path);
    t.match(body, 'outbound|80||s9999.default.svc.cluster.local', path);
    t.ok(turns > body.length / 200_000, `the event loop turned ${turns} times for ${body.length} characters`);
    if (path === '/stats/prometheus') t.equal(parsePrometheus(body).get('envoy_cluster_upstream_rq_total')?.samples.length, 10_000);
  }
});

t.test('a reader that stalls stops the rendering, one that leaves ends it', async (t) => {
  let made = 0;
  let ended = false;
  function* endless(): Iterable<string> {
    try {
      for (;;) {
        made++;
        yield 'x'.repeat(16_384);
      }
    } finally {
      ended = true;
    }
  }
  const server = await listen({ address: '127.0.0.1', port: 0 }, () => textAnswer(endless()));
  t.teardown(() => server.close());
  const socket = connect(server.port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await once(socket, 'readable');
  let before = -1;
  await eventually(() => {
    const still = made === before;
    before = made;
    return still && made > 0;
  }, 'rendering stops when nobody reads');
  t.ok(made * 16_384 < 64 << 20, `made ${made} slices`);
  socket.destroy();
  await eventually(() => ended, 'rendering ends with the connection');
});

t.test('a page that fails says so, or cuts its answer', async (t) => {
  function* broken(): Iterable<string> {
    yield 'x'.repeat(100_000);
    throw new Error('in the middle');
  }
  const server = await listen({ address: '127.0.0.1', port: 0 }, ({ url }) => {
    if (url === '/throws') throw new Error('at once');
    return textAnswer(broken());
  });
  t.teardown(() => server.close());
  t.match(await ask(server.port, 'GET', '/throws'), { status: 500, body: 'internal error: at once\n' });
  await t.rejects(ask(server.port, 'GET', '/breaks'), 'the answer is seen not to be whole');
});

t.test('health and metrics ports have one path each', async (t) => {
  const view = meshView();
  const servers: BoundServer[] = [
    await createHealthServer(view, { address: '127.0.0.1', port: 0 }),
    await createMetricsServer(view, telemetryOf(view), { address: '127.0.0.1', port: 0 }),
  ];
  const [health, metrics] = servers.map(({ port }) => port) as [number, number];
  t.match(await ask(health, 'GET', '/healthz/ready?probe=1'), { status: 200, body: 'LIVE\n' });
  view.current = 'PRE_INITIALIZING';
  t.match(await ask(health, 'GET', '/healthz/ready'), { status: 503, body: 'PRE_INITIALIZING\n' });
  t.match(await ask(health, 'HEAD', '/healthz/ready', { host: 'pod.example' }), { status: 503, body: '' });
  for (const path of ['/', '/ready', '/quitquitquit', '/config_dump']) {
    t.match(await ask(health, 'GET', path), { status: 404, body: '' }, path);
    t.match(await ask(metrics, 'POST', path), { status: 404, body: '' }, path);
  }
  const scraped = parsePrometheus((await ask(metrics, 'GET', '/stats/prometheus', { host: '10.1.2.3:15090' })).body);
  t.ok(scraped.has('istio_requests_total'));
  t.same(view.done, []);
  await t.rejects(createHealthServer(view, { address: '127.0.0.1', port: metrics }), { code: 'EADDRINUSE' });
  for (const server of servers) await server.close();
  await t.rejects(ask(health, 'GET', '/healthz/ready'), { code: 'ECONNREFUSED' });
});
