import t from 'tap';
import { CLUSTER_STATS, HTTP_STATS, isUsed, LISTENER_STATS, resetCounters } from '../../../../proxy/telemetry/metrics/proxy-stats.ts';
import { ClusterStats, ListenerStats } from '../../../../proxy/telemetry/stats.ts';

t.test('Envoy\'s names come from the fields', async (t) => {
  const named = new Map([...CLUSTER_STATS, ...HTTP_STATS].map((stat) => [stat.name, stat]));
  for (const name of ['upstream_cx_destroy_remote_with_active_rq', 'upstream_rq_total', 'downstream_cx_rx_bytes_total', 'downstream_rq_rx_reset', 'no_route', 'rq_direct_response', 'membership_change']) {
    t.match(named.get(name), { family: name, responseClass: undefined, kind: 'counter' }, name);
  }
  for (const name of ['upstream_cx_active', 'upstream_rq_active', 'upstream_rq_pending_active', 'downstream_cx_active', 'downstream_rq_active']) {
    t.equal(named.get(name)?.kind, 'gauge', name);
  }
  t.match(named.get('upstream_rq_5xx'), { family: 'upstream_rq', responseClass: '5xx', kind: 'counter' });
  t.match(named.get('downstream_rq_1xx'), { family: 'downstream_rq', responseClass: '1xx' });
  t.equal(named.get('downstream_cx_destroy_remote_active_rq')?.kind, 'counter', 'active requests at the end of a connection are events');
  t.equal(CLUSTER_STATS.length, Object.keys(new ClusterStats()).length);
  t.same(LISTENER_STATS.map(({ name }) => name), ['downstream_cx_active', 'downstream_cx_total']);
});

t.test('reading, use and reset', async (t) => {
  const stats = new ClusterStats();
  t.notOk(isUsed(stats, CLUSTER_STATS));
  stats.upstreamRqTotal = 3;
  stats.upstreamRq2xx = 2;
  stats.upstreamCxActive = 1;
  t.ok(isUsed(stats, CLUSTER_STATS));
  t.same(Object.fromEntries(CLUSTER_STATS.filter(({ read }) => read(stats) > 0).map(({ name, read }) => [name, read(stats)])), { upstream_cx_active: 1, upstream_rq_2xx: 2, upstream_rq_total: 3 });
  resetCounters(stats);
  t.same(stats, Object.assign(new ClusterStats(), { upstreamCxActive: 1 }), 'gauges stay');
  const listener = new ListenerStats();
  listener.downstreamCxDestroyRemoteActiveRq = 1;
  listener.downstreamRqActive = 2;
  resetCounters(listener);
  t.same([listener.downstreamCxDestroyRemoteActiveRq, listener.downstreamRqActive], [0, 2]);
});
