import t from 'tap';
import { CLUSTER_STATS, HTTP_STATS, isUsed, LISTENER_STATS, OUTLIER_STATS, resetCounters } from '../../../../proxy/telemetry/metrics/proxy-stats.ts';
import { ClusterStats, ListenerStats, OutlierStats } from '../../../../proxy/telemetry/stats.ts';

/** Of a listener and of a cluster; Envoy counts ciphers, curves and versions by name as well, which Istio's proxies do not export. */
const ENVOY_TLS = `
ssl.connection_error ssl.fail_verify_cert_hash ssl.fail_verify_error ssl.fail_verify_no_cert ssl.fail_verify_san ssl.handshake ssl.no_certificate
ssl.session_reused`;

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
  const listener = LISTENER_STATS.map(({ name }) => name);
  t.same(listener.filter((name) => /_cx_(?:active|total)$/.test(name)), ['downstream_cx_active', 'downstream_cx_total', 'downstream_pre_cx_active']);
  t.same(listener.filter((name) => !/_cx_|^ssl/.test(name)), [
    'downstream_listener_filter_error', 'downstream_listener_filter_remote_close', 'no_filter_chain_match', 'server_ssl_socket_factory.downstream_context_secrets_not_ready',
  ]);
  const tls = LISTENER_STATS.filter(({ name }) => /^ssl|_ssl_/.test(name));
  t.same(tls.map(({ name }) => name), [...words(ENVOY_TLS), 'server_ssl_socket_factory.downstream_context_secrets_not_ready'].sort());
  t.same(tls.map(({ family }) => family), tls.map(({ name }) => name.replace('.', '_')), 'in Prometheus\' text too');
  t.same(HTTP_STATS.filter(({ name }) => /pre_cx|filter/.test(name)), [], 'what comes before HTTP is not of its connection manager');
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

/** As Envoy 1.40 lists them for a cluster with outlier detection; those it knows and we have no use for are not here. */
const ENVOY_CLUSTER = `
client_ssl_socket_factory.upstream_context_secrets_not_ready lb_healthy_panic membership_change retry_or_shadow_abandoned ssl.connection_error ssl.fail_verify_cert_hash ssl.fail_verify_error ssl.fail_verify_no_cert ssl.fail_verify_san
ssl.handshake ssl.no_certificate ssl.session_reused upstream_cx_active upstream_cx_connect_attempts_exceeded upstream_cx_connect_fail upstream_cx_connect_timeout
upstream_cx_destroy_local_with_active_rq upstream_cx_destroy_remote_with_active_rq upstream_cx_idle_timeout upstream_cx_max_duration_reached
upstream_cx_max_requests upstream_cx_none_healthy upstream_cx_overflow upstream_cx_protocol_error upstream_cx_rx_bytes_total upstream_cx_total
upstream_cx_tx_bytes_total upstream_rq_1xx upstream_rq_2xx upstream_rq_3xx upstream_rq_4xx upstream_rq_5xx upstream_rq_active
upstream_rq_active_overflow upstream_rq_completed upstream_rq_pending_active upstream_rq_pending_failure_eject upstream_rq_pending_overflow
upstream_rq_pending_total upstream_rq_per_try_timeout upstream_rq_retry upstream_rq_retry_backoff_exponential upstream_rq_retry_limit_exceeded
upstream_rq_retry_overflow upstream_rq_retry_success upstream_rq_rx_reset upstream_rq_timeout upstream_rq_total upstream_rq_tx_reset`;
const ENVOY_OUTLIER = `
ejections_active ejections_detected_consecutive_5xx ejections_detected_consecutive_gateway_failure ejections_detected_consecutive_local_origin_failure
ejections_enforced_consecutive_5xx ejections_enforced_consecutive_gateway_failure ejections_enforced_consecutive_local_origin_failure
ejections_enforced_total ejections_overflow`;
/** What Envoy has no name for. */
const OURS = ['upstream_rq_mirror_overflow', 'upstream_rq_replayed'];

t.test('cluster and outlier detection: Envoy\'s names and kinds', async (t) => {
  t.same(CLUSTER_STATS.map(({ name }) => name).filter((name) => !OURS.includes(name)), words(ENVOY_CLUSTER));
  t.same(OUTLIER_STATS.map(({ name }) => name), words(ENVOY_OUTLIER).map((name) => `outlier_detection.${name}`));
  t.same(OUTLIER_STATS.map(({ family, responseClass }) => [family, responseClass]), words(ENVOY_OUTLIER).map((name) => [`outlier_detection_${name}`, undefined]));
  t.same([...CLUSTER_STATS, ...OUTLIER_STATS].filter(({ kind }) => kind === 'gauge').map(({ name }) => name), [
    'upstream_cx_active', 'upstream_rq_active', 'upstream_rq_pending_active', 'outlier_detection.ejections_active',
  ]);
  const outlier = Object.assign(new OutlierStats(), { ejectionsActive: 1, ejectionsEnforcedTotal: 4 });
  resetCounters(outlier);
  t.same(outlier, Object.assign(new OutlierStats(), { ejectionsActive: 1 }), 'a host that is out stays counted');
});

t.test('faults: a scope of their own', async (t) => {
  const faults = HTTP_STATS.filter(({ name }) => name.startsWith('fault.')).map(({ name, kind, family }) => `${name} ${kind} ${family}`);
  t.same(faults, ['aborts_injected counter', 'active_faults gauge', 'delays_injected counter', 'faults_overflow counter', 'response_rl_injected counter'].map((fault) => `fault.${fault} fault_${fault.split(' ')[0]}`));
});

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
