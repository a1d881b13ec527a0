import t from 'tap';
import type { NodeConfig } from '../../../../config/runtime/runtime-config.ts';
import type { RouteConfig } from '../../../../config/runtime/route.ts';
import { BUCKET_BOUNDS, quantileOf, viewHistogram } from '../../../../proxy/telemetry/metrics/histogram.ts';
import { LABEL_NAMES, TCP_LABEL_NAMES } from '../../../../proxy/telemetry/metrics/istio-labels.ts';
import { createIstioMetrics, ISTIO_HISTOGRAMS, REQUESTS, type IstioMetrics } from '../../../../proxy/telemetry/metrics/istio-metrics.ts';
import { ResponseFlag } from '../../../../proxy/stream/response-flags.ts';
import type { Stream } from '../../../../proxy/stream/stream.ts';
import { LiveConnections } from '../../../../proxy/tcp/live-connections.ts';
import { mutualTls, tls } from '../../../support/security.ts';
import { completedStream, REVIEWS_V1, type StreamChanges } from '../../../support/completed-stream.ts';

const node: NodeConfig = {
  mode: 'sidecar',
  namespace: 'default',
  name: 'productpage-v1-abc',
  ip: '10.0.0.9',
  serviceAccount: 'bookinfo-productpage',
  labels: { app: 'productpage' },
  clusterDomain: 'cluster.local',
  trustDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  workload: { name: 'productpage-v1', namespace: 'default', canonicalService: 'productpage', canonicalRevision: 'v1', app: 'productpage', version: 'v1', cluster: 'Kubernetes' },
};

function labels(metrics: IstioMetrics): readonly Readonly<Record<string, string>>[] {
  return [...metrics.series()].map(({ labelValues }) => Object.fromEntries(LABEL_NAMES.map((name, i) => [name, labelValues[i] as string])));
}

function record(changes: StreamChanges, own: NodeConfig = node): Readonly<Record<string, string>> {
  const metrics = createIstioMetrics(own);
  metrics.record(completedStream(changes));
  const [only, ...more] = labels(metrics);
  if (only === undefined || more.length > 0) throw new Error('one series expected');
  return only;
}

function generated(name: string): RouteConfig {
  return { name, match: { headers: [], query: [] }, action: { kind: 'direct', status: 502 }, filters: [], index: -1 };
}

t.test('labels of an outbound request, in Istio\'s order', async (t) => {
  t.same(Object.entries(record({})), Object.entries({
    reporter: 'source',
    source_workload: 'productpage-v1',
    source_canonical_service: 'productpage',
    source_canonical_revision: 'v1',
    source_workload_namespace: 'default',
    source_principal: 'unknown',
    source_app: 'productpage',
    source_version: 'v1',
    source_cluster: 'Kubernetes',
    destination_workload: 'reviews-v1',
    destination_workload_namespace: 'default',
    destination_principal: 'unknown',
    destination_app: 'reviews',
    destination_version: 'v1',
    destination_service: 'reviews.default.svc.cluster.local',
    destination_canonical_service: 'reviews',
    destination_canonical_revision: 'v1',
    destination_service_name: 'reviews',
    destination_service_namespace: 'default',
    destination_cluster: 'Kubernetes',
    request_protocol: 'http',
    response_code: '200',
    grpc_response_status: '',
    response_flags: '-',
    connection_security_policy: 'unknown',
  }));
});

t.test('labels of the other directions and of what the proxy answered itself', async (t) => {
  const noCluster = { cluster: undefined, host: undefined };
  const nobody = { destination_workload: 'unknown', destination_canonical_service: 'unknown', destination_canonical_revision: 'unknown' };
  const unknownService = { destination_service: 'unknown', destination_service_name: 'unknown', destination_service_namespace: 'unknown' };
  const fixed = (name: string): StreamChanges['info'] => ({ cluster: { name, service: { host: 'x', name: 'x', namespace: 'x' } }, host: { address: '1.2.3.4:80', workload: {} } });
  const rows: readonly (readonly [what: string, changes: StreamChanges, expected: Readonly<Record<string, string>>])[] = [
    ['inbound', { direction: 'inbound' }, { reporter: 'destination', source_workload: 'unknown', source_canonical_revision: 'unknown', destination_workload: 'productpage-v1', destination_service_name: 'reviews', connection_security_policy: 'none' }],
    ['gateway', { direction: 'gateway' }, { reporter: 'source', destination_workload: 'reviews-v1', connection_security_policy: 'unknown' }],
    ['no host', { info: { host: undefined, responseCode: 503, flags: ResponseFlag.NoHealthyUpstream } }, { ...nobody, destination_service_name: 'reviews', response_code: '503', response_flags: 'UH' }],
    ['no route', { info: { ...noCluster, responseCode: 404, flags: ResponseFlag.NoRoute } }, { ...nobody, ...unknownService, response_code: '404', response_flags: 'NR' }],
    ['no route, inbound', { direction: 'inbound', info: { ...noCluster, responseCode: 404 } }, { ...unknownService, destination_workload: 'productpage-v1' }],
    ['unknown host', { route: generated('block_all'), info: { ...noCluster, responseCode: 502 } }, { ...unknownService, destination_service_name: 'BlackHoleCluster' }],
    ['a VirtualService\'s own block_all', { route: { ...generated('block_all'), index: 0 }, info: noCluster }, unknownService],
    ['passthrough', { route: generated('allow_any'), info: fixed('PassthroughCluster') ?? {} }, { ...unknownService, destination_service_name: 'PassthroughCluster' }],
    ['passthrough, nothing reached', { route: generated('allow_any'), info: noCluster }, { ...unknownService, destination_service_name: 'PassthroughCluster' }],
    ['inbound passthrough', { direction: 'inbound', info: fixed('InboundPassthroughCluster') ?? {} }, { ...unknownService, destination_service_name: 'InboundPassthroughCluster' }],
    ['downstream gone', { response: null, info: { responseCode: 0, flags: ResponseFlag.DownstreamTermination } }, { response_code: '0', response_flags: 'DC' }],
    ['a workload without revision', { info: { host: { address: 'a:1', workload: { canonicalService: 'x' } } } }, { destination_canonical_service: 'x', destination_canonical_revision: 'latest', destination_version: 'unknown' }],
  ];
  for (const [what, changes, expected] of rows) t.match(record(changes), expected, what);
  t.match(record({}, { ...node, workload: {} }), { source_workload: 'unknown', source_workload_namespace: 'default' }, 'the namespace is known without a pod');
});

t.test('mutual TLS: who both ends are, by certificate and metadata', async (t) => {
  const [ours, theirs] = ['spiffe://cluster.local/ns/default/sa/bookinfo-productpage', 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews'];
  const principals = (source: string, destination: string): Readonly<Record<string, string>> => ({ source_principal: source, destination_principal: destination });
  const client = { name: 'details-v1', namespace: 'elsewhere', canonicalService: 'details', app: 'details' };
  const rows: readonly (readonly [what: string, changes: StreamChanges, expected: Readonly<Record<string, string>>])[] = [
    ['outbound', { info: { upstreamSecurity: mutualTls(theirs, ours), downstreamSecurity: mutualTls('spiffe://not/this', 'spiffe://not/this') } }, { ...principals(ours, theirs), connection_security_policy: 'unknown' }],
    ['gateway', { direction: 'gateway', info: { upstreamSecurity: mutualTls(theirs, ours) } }, { ...principals(ours, theirs), reporter: 'source', connection_security_policy: 'unknown' }],
    ['inbound', { direction: 'inbound', info: { downstreamSecurity: mutualTls(theirs, ours), clientWorkload: client } }, {
      ...principals(theirs, ours), connection_security_policy: 'mutual_tls', source_workload: 'details-v1', source_workload_namespace: 'elsewhere', source_canonical_service: 'details', source_canonical_revision: 'latest', source_version: 'unknown',
    }],
    ['inbound, no certificate', { direction: 'inbound', info: { downstreamSecurity: tls() } }, { ...principals('unknown', 'unknown'), connection_security_policy: 'none' }],
    ['inbound, not verified', { direction: 'inbound', info: { downstreamSecurity: { ...mutualTls(theirs, ours), mutual: false } } }, { ...principals('unknown', 'unknown'), connection_security_policy: 'none' }],
    ['to a site outside', { info: { upstreamSecurity: mutualTls('https://example.com', ours) } }, principals(ours, 'unknown')],
    ['no route', { direction: 'inbound', info: { cluster: undefined, host: undefined, responseCode: 404, downstreamSecurity: mutualTls(theirs, ours) } }, { ...principals(theirs, ours), connection_security_policy: 'mutual_tls' }],
  ];
  for (const [what, changes, expected] of rows) t.match(record(changes), expected, what);
});

t.test('clients of one end are told apart, whatever their order', async (t) => {
  const metrics = createIstioMetrics(node);
  const host = { address: '127.0.0.1:9080', workload: {} };
  const info = (client?: number): StreamChanges['info'] & object => (client === undefined ? { host } : { host, downstreamSecurity: mutualTls(`spiffe://td/ns/a/sa/${client}`, 'spiffe://td/ns/b/sa/own'), clientWorkload: workloads[client] });
  const workloads = [{ name: 'a' }, { name: 'b' }];
  const order = [undefined, 0, 0, 1, undefined, 1, 0];
  for (const client of order) metrics.record(completedStream({ direction: 'inbound', info: info(client) }));
  t.same([...metrics.series()].map(({ cells }, i) => [labels(metrics)[i]?.['source_principal'], labels(metrics)[i]?.['source_workload'], cells[REQUESTS]]), [
    ['unknown', 'unknown', 2], ['spiffe://td/ns/a/sa/0', 'a', 3], ['spiffe://td/ns/a/sa/1', 'b', 2],
  ]);
});

t.test('TCP: opened, bytes since the last time, closed', async (t) => {
  const metrics = createIstioMetrics(node);
  const connection = (info: StreamChanges['info'] & object): Stream => Object.assign(completedStream({ request: { method: '' }, response: null, info: { protocol: '', responseCode: 0, ...info } }), { isTcp: true as const });
  const counts = (): unknown => [...metrics.tcpSeries()].map(({ labelValues, cells }) => [labelValues[TCP_LABEL_NAMES.indexOf('response_flags')], ...cells]);
  const long = connection({ bytesReceived: 5, bytesSent: 100 });
  metrics.recordProgress(long);
  t.same(counts(), [['-', 1, 0, 100, 5]]);
  Object.assign(long.info, { bytesReceived: 7, bytesSent: 300 });
  metrics.recordProgress(long);
  t.same(counts(), [['-', 1, 0, 300, 7]]);
  metrics.record(connection({ bytesReceived: 1, bytesSent: 2 }));
  t.same(counts(), [['-', 2, 1, 302, 8]], 'a short one is opened and closed at once');
  Object.assign(long.info, { bytesReceived: 8 });
  metrics.record(long);
  metrics.record(connection({ bytesReceived: 0, bytesSent: 0, flags: ResponseFlag.UpstreamConnectionFailure | ResponseFlag.ConnectAttemptsExceeded }));
  t.same(counts(), [['-', 2, 2, 302, 9], ['UF,URX', 1, 1, 0, 0]]);
  const [series] = metrics.tcpSeries();
  t.same(TCP_LABEL_NAMES.filter((name) => /response|protocol|policy/.test(name)), ['request_protocol', 'response_flags', 'connection_security_policy']);
  t.same(series?.labelValues.slice(-3), ['tcp', '-', 'unknown']);
  t.equal([...metrics.series()].length, 0, 'no request');
  metrics.reset();
  t.same(counts(), [['-', 0, 0, 0, 0], ['UF,URX', 0, 0, 0, 0]]);
  metrics.record(completedStream({ request: { method: '' } }));
  t.equal([...metrics.tcpSeries()].length, 2, 'a head that the codec refused is neither');
  for (let i = 0; i < 12_000; i++) metrics.record(connection({ cluster: { name: 'x', service: { host: `${i}`, name: `${i}`, namespace: '' } } }));
  t.ok([...metrics.tcpSeries()].length <= 10_001, 'labels are bounded');
});

t.test('connections under way are told every five seconds', async (t) => {
  const told: string[] = [];
  const live = new LiveConnections(({ info }) => told.push(info.details));
  const [a, b] = ['a', 'b'].map((details) => completedStream({ info: { details } })) as [Stream, Stream];
  let connected = false;
  live.add(a, () => true);
  live.add(b, () => connected);
  const sweeps = (...times: readonly number[]): string => {
    for (const now of times) live.sweep(now);
    return told.splice(0).join(' ');
  };
  t.equal(sweeps(1000, 2000, 5999), 'a', 'not those that have not reached a host');
  connected = true;
  t.equal(sweeps(6000, 7000), 'a b');
  live.remove(a);
  t.equal(sweeps(12_000), 'b');
  live.remove(b);
  t.equal(sweeps(20_000), '');
});

t.test('gRPC', async (t) => {
  const call = (answer: StreamChanges): StreamChanges => ({ request: { method: 'POST' }, requestHeaders: ['content-type', 'application/grpc'], ...answer });
  const rows: readonly (readonly [changes: StreamChanges, protocol: string, status: string])[] = [
    [call({ responseHeaders: ['grpc-status', '0'] }), 'grpc', '0'],
    [call({ responseHeaders: ['grpc-status', '14'] }), 'grpc', '14'],
    [call({ responseHeaders: ['grpc-status', '99'] }), 'grpc', '2'],
    [call({ responseHeaders: ['grpc-status', 'x'] }), 'grpc', '2'],
    [call({ info: { responseCode: 503 } }), 'grpc', '14'],
    [call({ info: { responseCode: 200 } }), 'grpc', '2'],
    [call({ response: null, info: { responseCode: 0 } }), 'grpc', ''],
    [call({ requestHeaders: ['content-type', 'application/grpc+proto'], responseHeaders: ['grpc-status', '5'] }), 'grpc', '5'],
    [call({ requestHeaders: ['content-type', 'application/grpc-web'] }), 'http', ''],
    [call({ request: { method: 'GET' } }), 'http', ''],
  ];
  for (const [changes, protocol, status] of rows) t.match(record(changes), { request_protocol: protocol, grpc_response_status: status }, JSON.stringify(changes));
});

t.test('counts and histograms', async (t) => {
  const metrics = createIstioMetrics(node);
  const sizes = [0, 1, 2, 5000, 1e9];
  for (const size of sizes) metrics.record(completedStream({ info: { bytesReceived: size, bytesSent: size * 2, startMs: 0, endMs: size } }));
  metrics.record(completedStream({ request: { method: '', path: '' }, info: { responseCode: 400 } }));
  const [series, ...more] = metrics.series();
  if (series === undefined) throw new Error('a series expected');
  t.equal(more.length, 0, 'what the codec refused is not counted');
  t.equal(series.cells[REQUESTS], sizes.length);
  const views = ISTIO_HISTOGRAMS.map(({ offset }) => viewHistogram(series.cells, offset));
  const cumulative = BUCKET_BOUNDS.map((bound) => sizes.filter((size) => size <= bound).length);
  t.same(views[0], { sum: 1_000_005_003, count: 5, cumulative });
  t.same(views[1], { sum: 1_000_005_003, count: 5, cumulative });
  t.same(views[2], { sum: 2_000_010_006, count: 5, cumulative: BUCKET_BOUNDS.map((bound) => sizes.filter((size) => size * 2 <= bound).length) });
  const [duration] = views;
  if (duration === undefined) throw new Error('three histograms expected');
  t.equal(quantileOf(duration, 0), 0);
  t.equal(quantileOf(duration, 40), 1, 'two of five are at most 1');
  t.equal(quantileOf(duration, 50), 3, 'half way through the bucket from 1 to 5');
  t.equal(quantileOf(duration, 100), 3_600_000, 'the last bound stands for all above it');
  metrics.reset();
  t.ok(series.cells.every((cell) => cell === 0));
  t.ok(Number.isNaN(quantileOf(viewHistogram(series.cells, 1), 50)));
});

t.test('one series for one combination, whatever a peer sends', async (t) => {
  const metrics = createIstioMetrics(node);
  const { cluster } = completedStream().info;
  const host = { address: '10.0.0.1:9080', workload: REVIEWS_V1 };
  for (let i = 0; i < 1000; i++) {
    metrics.record(completedStream({ request: { authority: `h${i}.example`, path: `/${i}`, method: `M${i}` }, requestHeaders: ['user-agent', `${i}`], info: { cluster, host: { ...host, address: `10.0.0.${i}:1` } } }));
    metrics.record(completedStream({ request: { authority: `h${i}.example` }, info: { cluster: undefined, host: undefined, responseCode: 404 } }));
  }
  t.same([...metrics.series()].map(({ cells }) => cells[REQUESTS]), [1000, 1000]);
  for (const responseCode of [200, 299, 99, 600, 1000, 65_536, -1, Number.NaN]) metrics.record(completedStream({ info: { responseCode } }));
  t.same(labels(metrics).map((series) => series['response_code']), ['200', '404', '299', '0'], 'no code that HTTP does not have');
});

t.test('a reload that changes labels changes the series', async (t) => {
  const metrics = createIstioMetrics(node);
  const service = { host: 'a', name: 'a', namespace: 'n' };
  const cluster = { name: 'c', service };
  const host = { address: '10.0.0.1:1', workload: { name: 'old' } };
  const live = { cluster: { ...cluster }, host: { ...host } };
  const pass = (): void => metrics.record(completedStream({ info: live }));
  pass();
  live.host.workload = { name: 'new' };
  pass();
  live.cluster.service = { ...service, namespace: 'other' };
  pass();
  metrics.setNode({ ...node });
  pass();
  metrics.setNode({ ...node, workload: { ...node.workload, version: 'v2' } });
  pass();
  t.same(
    labels(metrics).map((series) => [series['destination_workload'], series['destination_service_namespace'], series['source_version']]),
    [['old', 'n', 'v1'], ['new', 'n', 'v1'], ['new', 'other', 'v1'], ['new', 'other', 'v2']],
  );
  t.same([...metrics.series()].map(({ cells }) => cells[REQUESTS]), [1, 1, 2, 1]);
});

t.test('series are bounded; what exceeds the bound is still counted', async (t) => {
  const metrics = createIstioMetrics(node);
  let streams = 0;
  for (let host = 0; host < 110; host++) {
    const info = { host: { address: 'x', workload: { name: `w${host}` } } };
    for (let responseCode = 100; responseCode < 600; responseCode++) {
      streams++;
      metrics.record(completedStream({ info: { ...info, responseCode } }));
    }
  }
  const series = [...metrics.series()];
  t.equal(series.length, 50_001);
  t.equal(series.reduce((sum, { cells }) => sum + (cells[REQUESTS] as number), 0), streams);
  t.match(labels(metrics).at(-1), { reporter: 'source', destination_workload: 'unknown', response_code: 'unknown' });
});
