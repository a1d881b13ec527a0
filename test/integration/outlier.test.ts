/** Ejection and overflow over real sockets: who is still asked, and what /clusters, /stats and the process log say about it. */

import t from 'tap';
import type { ClusterConfig, OutlierDetectionConfig } from '../../config/runtime/cluster.ts';
import { DEFAULT_RETRY } from '../../config/runtime/retry.ts';
import { clusterOf, startDataPath, type DataPath } from '../support/data-path.ts';
import { parsePrometheus } from '../support/prometheus-text.ts';
import { Proxy } from '../support/proxy.ts';
import { request } from '../support/raw-client.ts';
import { destinationRule, pod, service, virtualService, to, type ResourceObject } from '../support/resources.ts';
import { eventually, type TestScope } from '../support/scope.ts';
import { Upstream, type UpstreamRequest } from '../support/upstream.ts';

const CLUSTER = 'outbound|9080||web.default.svc.cluster.local';
const WEB = { host: 'web.default.svc.cluster.local:9080', path: '/' };

/** An upstream whose answer's status can change. */
class Moody {
  status = 200;
  readonly upstream: Upstream;

  private constructor(upstream: Upstream) {
    this.upstream = upstream;
  }

  static async start(t: TestScope): Promise<Moody> {
    const answer = (incoming: UpstreamRequest): void => void incoming.complete.then(() => incoming.answer({ status: moody.status, body: String(moody.status) }));
    const moody: Moody = new Moody(await Upstream.start(t, { onRequest: answer }));
    return moody;
  }

  get address(): string {
    return `127.0.0.1:${this.upstream.port}`;
  }

  get asked(): number {
    return this.upstream.requests.length;
  }
}

function meshOf(hosts: readonly Moody[], trafficPolicy: unknown, timeout = '20s'): ResourceObject[] {
  return [
    pod('client'),
    ...service('web', { workloads: hosts.map(({ upstream }) => ({ port: upstream.port })) }),
    virtualService('web', { http: [{ route: [to('web')], timeout, retries: { attempts: 0 } }] }),
    destinationRule('web', [], { trafficPolicy }),
  ];
}

/** The lines of one host, or of the cluster itself, at /clusters. */
async function clusterFacts(proxy: Proxy, address?: string): Promise<Readonly<Record<string, string>>> {
  const prefix = `${CLUSTER}::${address === undefined ? '' : `${address}::`}`;
  const lines = (await proxy.admin('/clusters')).split('\n').filter((line) => line.startsWith(prefix));
  return Object.fromEntries(lines.map((line) => [line.slice(prefix.length).replace(/::.*/, ''), line.slice(prefix.length).replace(/^.*?::/, '')]));
}

async function untilEjected(proxy: Proxy, host: Moody): Promise<void> {
  await eventually(async () => {
    await proxy.request(WEB);
    return (await clusterFacts(proxy, host.address))['health_flags'] === '/failed_outlier_check';
  }, 'the host to be ejected');
}

t.test('a failing host is ejected, shown, kept out over a reload and returned', async (t) => {
  const [sick, well] = [await Moody.start(t), await Moody.start(t)];
  sick.status = 503;
  const policy = (baseEjectionTime: string): unknown => ({
    outlierDetection: { consecutive5xxErrors: 3, interval: '1s', baseEjectionTime, maxEjectionPercent: 50 },
    connectionPool: { tcp: { maxConnections: 64 }, http: { http1MaxPendingRequests: 32, maxRetries: 8 } },
  });
  const proxy = await Proxy.start(t, { snapshot: meshOf([sick, well], policy('300s')), workload: 'default/client' });
  await untilEjected(proxy, sick);
  t.equal(sick.asked, 3);
  for (let i = 0; i < 20; i++) t.equal((await proxy.request(WEB)).status, 200);
  t.equal(sick.asked, 3, 'nobody asks it any more');

  const facts = await clusterFacts(proxy, sick.address);
  t.match(facts['outlier'], /^ejected at \d\d:\d\d:\d\d until \d\d:\d\d:\d\d \(300 s, 1st time; DestinationRule default\/web, .*snapshot\.yaml:\d+\): 3 consecutive 5xx$/);
  t.match(await clusterFacts(proxy, well.address), { health_flags: 'healthy', outlier: undefined });
  const text = await proxy.admin('/clusters');
  for (const limit of ['max_connections::64', 'max_pending_requests::32', 'max_requests::4294967295', 'max_retries::8']) t.match(text, `${CLUSTER}::default_priority::${limit}\n`);
  const status = JSON.parse(await proxy.admin('/clusters?format=json')).cluster_statuses.find(({ name }: { readonly name: string }) => name === CLUSTER);
  const bySocket = (host: Moody): unknown => status.host_statuses.find((candidate: { readonly address: { readonly socket_address: { readonly port_value: number } } }) => candidate.address.socket_address.port_value === host.upstream.port);
  t.match(bySocket(sick), { health_status: { failed_outlier_check: true, eds_health_status: 'HEALTHY' }, outlier: { cause: 'consecutive_5xx', count: 3, times: 1 } });
  t.match(bySocket(well), { health_status: { failed_outlier_check: undefined, eds_health_status: 'HEALTHY' }, outlier: undefined });
  t.match(status.circuit_breakers, { thresholds: [{ max_connections: 64, max_pending_requests: 32, max_requests: 4_294_967_295, max_retries: 8 }] });

  const stat = (name: string): Promise<number> => proxy.stat(`cluster.${CLUSTER}.${name}`);
  for (const [name, value] of Object.entries({
    'outlier_detection.ejections_active': 1, 'outlier_detection.ejections_enforced_total': 1, 'outlier_detection.ejections_enforced_consecutive_5xx': 1,
    'outlier_detection.ejections_detected_consecutive_5xx': 1, 'outlier_detection.ejections_overflow': 0, membership_healthy: 1, membership_total: 2,
    'circuit_breakers.default.cx_open': 0, 'circuit_breakers.default.remaining_pending': 32, 'circuit_breakers.default.remaining_retries': 8,
    'circuit_breakers.default.remaining_rq': 4_294_967_295,
  })) {
    t.equal(await stat(name), value, name);
  }
  const families = parsePrometheus(await proxy.admin('/stats/prometheus'));
  const valueOf = (family: string): unknown => families.get(family)?.samples.find(({ labels }) => labels['cluster_name'] === CLUSTER)?.value;
  t.equal(valueOf('envoy_cluster_outlier_detection_ejections_active'), 1);
  t.equal(valueOf('envoy_cluster_outlier_detection_ejections_enforced_consecutive_5xx'), 1);
  t.equal(valueOf('envoy_cluster_circuit_breakers_default_remaining_retries'), 8);
  t.match(await proxy.admin('/stats?format=json&filter=ejections_active'), `{"name":"cluster.${CLUSTER}.outlier_detection.ejections_active","value":1}`);

  const ejected = new RegExp(`warn upstream ejected ${sick.address} from ${CLUSTER.replaceAll('|', '\\|')}: 3 consecutive 5xx, until \\d\\d:\\d\\d:\\d\\d \\(300 s, 1st time; DestinationRule default/web, .*:\\d+\\)\n`);
  await eventually(() => ejected.test(proxy.stderr), 'the sentence in the process log');

  // A reload of something else, then one of the policy itself.
  t.match(await proxy.write(meshOf([sick, well], policy('300s'), '19s')), { lastAttempt: 'accepted' });
  t.equal((await clusterFacts(proxy, sick.address))['health_flags'], '/failed_outlier_check', 'still out after a reload');
  for (let i = 0; i < 10; i++) t.equal((await proxy.request(WEB)).status, 200);
  t.equal(sick.asked, 3);
  sick.status = 200;
  t.match(await proxy.write(meshOf([sick, well], policy('1s'))), { lastAttempt: 'accepted' });
  await eventually(async () => (await clusterFacts(proxy, sick.address))['health_flags'] === 'healthy', 'its return by the new time');
  t.equal((await clusterFacts(proxy, sick.address))['outlier'], undefined);
  t.match([await stat('outlier_detection.ejections_active'), await stat('outlier_detection.ejections_enforced_total'), await stat('membership_healthy')], [0, 1, 2]);
  await eventually(() => proxy.stderr.includes(`returned ${sick.address} to ${CLUSTER}: its 1 s are over; it was out since`), 'the sentence about its return');
  await eventually(async () => (await proxy.request(WEB)).status === 200 && sick.asked > 3, 'it to be asked again');

  sick.status = 500;
  t.match(await proxy.write(meshOf([sick, well], policy('300s'))), { lastAttempt: 'accepted' });
  await untilEjected(proxy, sick);
  t.match(await proxy.write(meshOf([sick, well], { connectionPool: { tcp: { maxConnections: 64 } } })), { lastAttempt: 'accepted' });
  t.match(await clusterFacts(proxy, sick.address), { health_flags: 'healthy', outlier: undefined }, 'without the policy it is back');
});

t.test('workers eject each for itself and are shown as one proxy', async (t) => {
  const [sick, well] = [await Moody.start(t), await Moody.start(t)];
  sick.status = 500;
  const outlierDetection = { consecutive5xxErrors: 2, baseEjectionTime: '300s', maxEjectionPercent: 50 };
  const proxy = await Proxy.start(t, { snapshot: meshOf([sick, well], { outlierDetection }), workload: 'default/client', args: ['--concurrency', '2'] });
  const stat = (name: string): Promise<number> => proxy.stat(`cluster.${CLUSTER}.${name}`);
  await eventually(async () => {
    await proxy.request(WEB);
    return (await stat('outlier_detection.ejections_enforced_total')) === 2;
  }, 'both workers to have ejected it');
  t.equal(sick.asked, 4, 'two failures in each');
  t.equal(await stat('outlier_detection.ejections_active'), 1, 'one host is out');
  t.match([await stat('membership_healthy'), await stat('membership_total')], [1, 2]);
  const facts = await clusterFacts(proxy, sick.address);
  t.match(facts, { health_flags: '/failed_outlier_check', outlier: /: 2 consecutive 5xx$/ });
  await eventually(() => proxy.stderr.split(`ejected ${sick.address}`).length === 3, 'a sentence of each worker');
});

const OUTLIER: OutlierDetectionConfig = {
  consecutive5xx: 2, consecutiveGateway: 0, consecutiveLocalOrigin: 5, splitLocalOrigin: false, intervalMs: 60_000, baseEjectionTimeMs: 60_000,
  maxEjectionTimeMs: 300_000, maxEjectionPercent: 100, origin: { resource: 'DestinationRule default/web', file: 'rules.yaml', line: 3 },
};
const NO_PANIC = { policy: 'ROUND_ROBIN', origin: 'default', panicThresholdPercent: 0 } as const;

function endpointsOf(...ports: readonly number[]): ClusterConfig['endpoints'] {
  return ports.map((port) => ({ address: '127.0.0.1', port, weight: 1, locality: '', workload: {}, tlsMode: 'disabled' }));
}

function hostStates({ runtime }: DataPath): string[] {
  return [...runtime.clusters()].flatMap(({ hosts }) => [...hosts].map(({ address, healthy, ejection }) => `${address.replace(/.*:/, '')} ${healthy === true ? 'in' : 'out'} ${ejection?.last ?? '-'}`));
}

t.test('what counts against a host: refused, hanging and broken connections', async (t) => {
  const hanging = await Upstream.start(t, { onRequest: () => {} });
  const resetting = await Upstream.start(t, { onRequest: ({ connection }) => connection.reset() });
  const gone = await Upstream.start(t);
  const { port: closed } = gone;
  await gone.stop();
  for (const [port, failure, status] of [[hanging.port, 'timeout', 504], [resetting.port, 'reset', 503], [closed, 'connect_failure', 503]] as const) {
    const proxy = await startDataPath(t, {
      cluster: { endpoints: endpointsOf(port), loadBalancer: NO_PANIC, outlierDetection: OUTLIER },
      routes: [{ timeoutMs: 100, retry: null }],
    });
    for (let i = 0; i < 2; i++) t.equal((await request(t, proxy.port)).status, status, failure);
    t.same(hostStates(proxy), [`${port} out ${failure}`]);
    t.match(proxy.events, [new RegExp(`^ejected 127.0.0.1:${port} from upstream: 2 consecutive 5xx \\(the last: ${failure.replaceAll('_', ' ')}\\), until`)]);
    t.match(await request(t, proxy.port), { status: 503, text: 'no healthy upstream' });
    t.match(proxy.explanations.at(-1), new RegExp(`^503 for GET localhost/: route default chose upstream, whose hosts are ejected \\(1 of 1\\): 127.0.0.1:${port} until \\d\\d:\\d\\d:\\d\\d \\(DestinationRule default/web, rules.yaml:3\\)$`));
  }
});

t.test('why: tries, times and limits', async (t) => {
  const at = (line: number): { readonly resource: string; readonly file: string; readonly line: number } => ({ resource: 'VirtualService default/web', file: 'web.yaml', line });
  const gone = [await Upstream.start(t), await Upstream.start(t)];
  const ports = gone.map(({ port }) => port);
  for (const upstream of gone) await upstream.stop();
  const exhausted = await startDataPath(t, {
    cluster: { endpoints: endpointsOf(...ports) },
    routes: [{ retry: { ...DEFAULT_RETRY, backoffBaseMs: 1, origin: at(9) } }],
  });
  t.equal((await request(t, exhausted.port)).status, 503);
  t.match(exhausted.explanations, [/: 127\.0\.0\.1:\d+ of upstream: delayed connect error: Connection refused; 3 tries: 127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+; its retries are used up \(VirtualService default\/web, web\.yaml:9\)$/]);

  const faulty = await startDataPath(t, { routes: [{ filters: [{ name: 'fault', policy: { abort: { httpStatus: 418, percent: 100 } } }], origin: at(4), origins: { fault: at(6) } }] });
  t.equal((await request(t, faulty.port)).status, 418);
  t.match(faulty.explanations, ['418 for GET localhost/: route default (VirtualService default/web, web.yaml:4) injects a fault (VirtualService default/web, web.yaml:6)']);

  const hanging = await Upstream.start(t, { onRequest: () => {} });
  const slow = await startDataPath(t, {
    upstreamPort: hanging.port,
    routes: [{ timeoutMs: 20_000, retry: { ...DEFAULT_RETRY, attempts: 1, perTryTimeoutMs: 50, origin: at(9) } }],
  });
  t.equal((await request(t, slow.port)).status, 504);
  t.match(slow.explanations, [/^504 .*: no answer of 127\.0\.0\.1:\d+ within its perTryTimeout of 50 ms \(VirtualService default\/web, web\.yaml:9\)/]);

  const busy = await Upstream.start(t, { onRequest: () => {} });
  const full = await startDataPath(t, { upstreamPort: busy.port, cluster: { connectionPool: { maxRequests: 1, origin: at(5) } }, routes: [{ timeoutMs: 20_000 }] });
  const first = request(t, full.port);
  void first.catch(() => {});
  const taken = await busy.next();
  t.match(await request(t, full.port), { status: 503 });
  t.match(full.explanations, [/^503 .*: route default chose upstream, which has 1 requests under way, as many as http2MaxRequests allows \(VirtualService default\/web, web\.yaml:5\)$/]);
  await eventually(() => full.events.some((sentence) => /^overflow at upstream: 1 request refused by http2MaxRequests 1 \(VirtualService default\/web, web\.yaml:5\)$/.test(sentence)), 'the sentence about the overflow');
  const [cluster] = full.runtime.clusters();
  t.match(cluster?.breakerView, { requests: 1, requestsOpen: true, connectionsOpen: false });
  taken.answer();
  t.equal((await first).status, 200);
  t.match(cluster?.breakerView, { requests: 0, requestsOpen: false });
});

t.test('a reload in the data path keeps counts of failures', async (t) => {
  const sick = await Moody.start(t);
  sick.status = 500;
  const cluster = clusterOf('upstream', sick.upstream.port, { loadBalancer: NO_PANIC, outlierDetection: OUTLIER });
  const proxy = await startDataPath(t, { cluster, routes: [{ retry: null }] });
  t.equal((await request(t, proxy.port)).status, 500);
  const delta = { fromVersion: '1', version: '2', clusters: { changed: [{ ...cluster, connectTimeoutMs: 9000 }], removed: [] }, routeTables: { changed: [], removed: [] } };
  await proxy.runtime.applyDelta(delta);
  t.equal((await request(t, proxy.port)).status, 500);
  t.same(hostStates(proxy), [`${sick.upstream.port} out 500`]);
});
