/** Counters of several workers as one proxy's: what adds up, what counts once, what one refusing worker means. */

import t from 'tap';
import type { RuntimeConfig } from '../../../../config/runtime/runtime-config.ts';
import { clustersPage } from '../../../../proxy/admin/clusters.ts';
import { createStatSource } from '../../../../proxy/admin/stat-source.ts';
import { renderStatsText } from '../../../../proxy/admin/stats-text.ts';
import type { HostView } from '../../../../proxy/admin/view.ts';
import { mergeReports, type WorkerReport } from '../../../../proxy/server/worker-report.ts';
import { ClusterStats, HostStats, OutlierStats } from '../../../../proxy/telemetry/stats.ts';
import type { BreakerView } from '../../../../proxy/upstream/breaker-view.ts';
import type { Ejection } from '../../../../proxy/upstream/ejection.ts';
import { clusterConfig, FakeAdminView } from '../../../support/admin-view.ts';

const ORIGIN = { resource: 'DestinationRule default/reviews', file: 'rules.yaml', line: 7 };
const NAME = 'outbound|9080||reviews';
const NOON = Date.UTC(2026, 10, 21, 12);

const endpoint = (address: string, priority?: number): HostView['endpoint'] => ({ address, port: 9080, weight: 1, locality: '', workload: {}, tlsMode: 'disabled', ...(priority === undefined ? {} : { priority }) });
const config = clusterConfig(NAME, {
  endpoints: [endpoint('10.0.0.1'), endpoint('10.0.0.2'), endpoint('10.0.0.3', 1)],
  connectionPool: { maxConnections: 10, maxPendingRequests: 4, maxRetries: 6, origin: ORIGIN },
  outlierDetection: {
    consecutive5xx: 5, consecutiveGateway: 0, consecutiveLocalOrigin: 5, splitLocalOrigin: false, intervalMs: 10_000, baseEjectionTimeMs: 30_000,
    maxEjectionTimeMs: 300_000, maxEjectionPercent: 50, origin: ORIGIN,
  },
});

function ejectionOf(untilSeconds: number, multiplier: number): Ejection {
  const durationMs = 30_000 * multiplier;
  const untilMs = NOON + untilSeconds * 1000;
  return { cause: 'consecutive_5xx', count: 5, last: 503, sinceMs: untilMs - durationMs, untilMs, durationMs, multiplier };
}

function reportOf(ejections: readonly (Ejection | undefined)[], breaker: Partial<BreakerView>, stats: Partial<ClusterStats>, outlier: Partial<OutlierStats>): WorkerReport {
  const hosts = config.endpoints.map((of, i): HostView => {
    const ejection = ejections[i];
    return { endpoint: of, address: `${of.address}:9080`, stats: Object.assign(new HostStats(), { rqTotal: 2 }), healthy: ejection === undefined, ejection };
  });
  const idle = { connections: 0, pending: 0, requests: 0, retries: 0, retryLimit: 3, connectionsOpen: false, pendingOpen: false, requestsOpen: false, retriesOpen: false };
  return {
    clusters: [{ name: NAME, stats: Object.assign(new ClusterStats(), stats), hosts, breaker: { ...idle, ...breaker }, outlier: Object.assign(new OutlierStats(), outlier) }],
    listeners: [],
    series: [],
    tcpSeries: [],
    accessLog: undefined, secrets: { certificates: [], nowSeconds: 0, rotationsFailed: {} },
  };
}

function pagesOf(reports: readonly WorkerReport[]): { readonly stats: ReadonlyMap<string, number>; readonly clusters: string } {
  const view = new FakeAdminView([config]);
  view.clusterViews = [...mergeReports(reports, { ...view.config, clusters: { [NAME]: config } } as RuntimeConfig).clusters];
  const source = createStatSource(view, { istio: { series: () => [], tcpSeries: () => [] }, version: '0' });
  const text = [...renderStatsText(source, { series: () => [], tcpSeries: () => [] }, { matches: () => true, usedOnly: false, type: 'All' }, 'summary')].join('');
  const prefix = `cluster.${NAME}.`;
  const stats = new Map(text.split('\n').filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length).split(': ')).map(([name, value]) => [name as string, Number(value)]));
  const { body } = clustersPage(view).answer({ query: new URLSearchParams() }) as { readonly body: Iterable<string> };
  return { stats, clusters: [...body].join('') };
}

t.test('ejections and breakers of two workers', async (t) => {
  const { stats, clusters } = pagesOf([
    reportOf([ejectionOf(30, 1), ejectionOf(40, 1)], { connections: 4, connectionsOpen: false, pending: 2, pendingOpen: true, retries: 1 }, { upstreamRqTotal: 5, upstreamRqPendingOverflow: 3 }, { ejectionsActive: 2, ejectionsEnforcedTotal: 3, ejectionsOverflow: 1 }),
    reportOf([undefined, ejectionOf(70, 2)], { connections: 2, retries: 3, retriesOpen: true }, { upstreamRqTotal: 6, upstreamRqRetryOverflow: 2 }, { ejectionsActive: 1, ejectionsEnforcedTotal: 4 }),
  ]);
  for (const [name, value] of Object.entries({
    upstream_rq_total: 11, 'outlier_detection.ejections_active': 2, 'outlier_detection.ejections_enforced_total': 7, 'outlier_detection.ejections_overflow': 1,
    membership_total: 3, membership_healthy: 1,
    'circuit_breakers.default.cx_open': 0, 'circuit_breakers.default.rq_pending_open': 1, 'circuit_breakers.default.rq_open': 0, 'circuit_breakers.default.rq_retry_open': 1, 'circuit_breakers.default.cx_pool_open': 0,
    'circuit_breakers.default.remaining_cx': 4, 'circuit_breakers.default.remaining_pending': 2, 'circuit_breakers.default.remaining_rq': 4_294_967_295, 'circuit_breakers.default.remaining_retries': 2,
  })) {
    t.equal(stats.get(name), value, name);
  }
  for (const line of [
    '10.0.0.1:9080::health_flags::/failed_outlier_check',
    '10.0.0.1:9080::outlier::ejected at 12:00:00 until 12:00:30 (30 s, 1st time; DestinationRule default/reviews, rules.yaml:7): 5 consecutive 5xx; in 1 of 2 workers',
    '10.0.0.2:9080::outlier::ejected at 12:00:10 until 12:01:10 (60 s, 2nd time; DestinationRule default/reviews, rules.yaml:7): 5 consecutive 5xx',
    '10.0.0.2:9080::rq_total::4',
    '10.0.0.3:9080::health_flags::healthy',
    '10.0.0.3:9080::priority::1',
    'outlier::success_rate_average::-1',
    'default_priority::max_pending_requests::4',
    'default_priority::overflow::max_pending_requests::3 requests refused by http1MaxPendingRequests 4 (DestinationRule default/reviews, rules.yaml:7)',
    'default_priority::overflow::max_retries::2 retries not made because of maxRetries 6 (DestinationRule default/reviews, rules.yaml:7)',
  ]) {
    t.ok(clusters.includes(`${NAME}::${line}\n`), line);
  }
});

t.test('answers and those that were retried, by status', async (t) => {
  const report = (retried?: Map<number, number>, answered?: Map<number, number>): WorkerReport => {
    const whole = reportOf([], {}, { upstreamRqTotal: 1 }, {});
    return { ...whole, clusters: whole.clusters.map((cluster) => ({ ...cluster, answered, retried })) };
  };
  const { stats } = pagesOf([report(undefined, new Map([[503, 2]])), report(), report(undefined, new Map([[503, 1], [200, 7]]))]);
  t.strictSame([...stats].filter(([name]) => /^upstream_rq_\d{3}$/.test(name)), [['upstream_rq_200', 7], ['upstream_rq_503', 3]]);
  const listed = (reports: readonly WorkerReport[]): unknown => Object.fromEntries([...pagesOf(reports).stats].filter(([name]) => name.startsWith('retry.')));
  t.strictSame(listed([report(), report()]), {}, 'as in Envoy, none is listed before there is one');
  t.strictSame(listed([report(new Map([[503, 2], [409, 1]])), report(), report(new Map([[503, 1], [500, 4], [200, 0]]))]), {
    'retry.upstream_rq_200': 0, 'retry.upstream_rq_2xx': 0, 'retry.upstream_rq_409': 1, 'retry.upstream_rq_4xx': 1, 'retry.upstream_rq_500': 4,
    'retry.upstream_rq_503': 3, 'retry.upstream_rq_5xx': 7, 'retry.upstream_rq_completed': 8,
  });
});

t.test('requests and TCP connections of two workers, by labels', async (t) => {
  const series = (label: string, ...counts: number[]): { readonly labelValues: readonly string[]; readonly cells: Float64Array } => ({ labelValues: [label, 'x'], cells: Float64Array.from(counts) });
  const worker = (own: Pick<WorkerReport, 'series' | 'tcpSeries'>): WorkerReport => ({ ...reportOf([], {}, {}, {}), ...own });
  const merged = mergeReports(
    [
      worker({ series: [series('a', 1, 2)], tcpSeries: [series('a', 1, 0, 10, 20), series('b', 1, 1, 1, 1)] }),
      worker({ series: [], tcpSeries: [series('a', 2, 1, 5, 6)] }),
    ],
    new FakeAdminView([]).config,
  );
  const listed = (of: typeof merged.series): unknown => of.map(({ labelValues, cells }) => [labelValues[0], ...cells]);
  t.same([listed(merged.series), listed(merged.tcpSeries)], [[['a', 1, 2]], [['a', 3, 1, 15, 26], ['b', 1, 1, 1, 1]]]);
});

t.test('nobody used the cluster, or it is over its limit', async (t) => {
  const unused = pagesOf([]);
  t.equal(unused.stats.size, 0, 'no stats');
  t.match(unused.clusters, `${NAME}::10.0.0.1:9080::health_flags::healthy\n`);
  const over = pagesOf([reportOf([], { connections: 12, connectionsOpen: true }, { upstreamRqTotal: 1 }, {})]);
  t.equal(over.stats.get('circuit_breakers.default.remaining_cx'), 0, 'a host without a connection may always open one');
  t.equal(over.stats.get('circuit_breakers.default.cx_open'), 1);
});
