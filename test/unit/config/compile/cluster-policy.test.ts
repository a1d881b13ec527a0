/** Policies of a cluster: balancer, limits, retry budget, outlier detection. istio-api.md 3.3, 3.4, 3.6, 3.7. */

import t from 'tap';
import { compileWithTrace } from '../../../../config/compile/index.ts';
import type { ClusterConfig } from '../../../../config/runtime/cluster.ts';
import { istio } from '../../../support/resources.ts';
import { CLIENT, cluster, compiled, entry, kube, mesh, snapshotFrom } from './compiled.ts';

type Fields = Readonly<Record<string, unknown>>;
type Resources = Parameters<typeof compiled>[0];

const NAME = 'web.default.svc.cluster.local';
const SERVICE = kube('web', { selector: { app: 'client' }, ports: [{ name: 'http', port: 80 }, { name: 'http-alt', port: 81 }] });
const rule = (spec: Fields) => istio('DestinationRule', 'web', { host: 'web', ...spec });
const policy = (trafficPolicy: Fields) => rule({ trafficPolicy });
const outbound = (resources: Resources, subset = '', port = 80): ClusterConfig => cluster(compiled([SERVICE, ...resources]), `outbound|${port}|${subset}|${NAME}`);
const inbound = (resources: Resources, port = 80): ClusterConfig => cluster(compiled([SERVICE, ...resources]), `inbound|${port}||`);

/** Data without where it was written. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value, (key, member: unknown) => (key === 'origin' ? undefined : member)));
}

t.test('load balancer', async (t) => {
  const cases: readonly (readonly [written: Fields, found: Fields])[] = [
    [{ simple: 'RANDOM' }, { policy: 'RANDOM' }],
    [{ consistentHash: { httpHeaderName: 'x' } }, { policy: 'RING_HASH' }],
    [{ consistentHash: { useSourceIp: true, ringHash: {} } }, { policy: 'RING_HASH' }],
    [{ consistentHash: { useSourceIp: true, ringHash: { minimumRingSize: 0 } } }, { policy: 'RING_HASH' }],
    [{ consistentHash: { useSourceIp: true, ringHash: { minimumRingSize: 2048 } } }, { policy: 'RING_HASH', minimumRingSize: 2048 }],
    [{ consistentHash: { useSourceIp: true, minimumRingSize: 4096 } }, { policy: 'RING_HASH', minimumRingSize: 4096 }],
    [{ consistentHash: { useSourceIp: true, maglev: { tableSize: 1009 } } }, { policy: 'MAGLEV', tableSize: 1009 }],
    [{ warmup: { duration: '30s' } }, { policy: 'LEAST_REQUEST', warmup: { durationMs: 30_000, minimumPercent: 10, aggression: 1 } }],
    [{ simple: 'ROUND_ROBIN', warmup: { duration: '30s', minimumPercent: 0, aggression: 2.5 } }, { policy: 'ROUND_ROBIN', warmup: { durationMs: 30_000, minimumPercent: 0, aggression: 2.5 } }],
    [{ simple: 'LEAST_REQUEST', warmupDurationSecs: '20s' }, { policy: 'LEAST_REQUEST', warmup: { durationMs: 20_000, minimumPercent: 10, aggression: 1 } }],
    [{ simple: 'LEAST_CONN', warmup: { duration: '1s' }, warmupDurationSecs: '20s' }, { policy: 'LEAST_REQUEST', warmup: { durationMs: 1000, minimumPercent: 10, aggression: 1 } }],
    [{ simple: 'RANDOM', warmup: { duration: '1s' } }, { policy: 'RANDOM' }],
    [{ consistentHash: { useSourceIp: true }, warmup: { duration: '1s' } }, { policy: 'RING_HASH' }],
  ];
  for (const [written, found] of cases) t.strictSame(plain(outbound([policy({ loadBalancer: written })]).loadBalancer), found, JSON.stringify(written));
  t.strictSame(outbound([]).loadBalancer, { policy: 'LEAST_REQUEST', origin: 'default' });
  t.match(outbound([policy({ loadBalancer: { consistentHash: { useSourceIp: true } } })]).loadBalancer, { origin: { resource: 'DestinationRule default/web' } });
  t.equal(outbound([policy({ loadBalancer: { warmup: { duration: '1s' } } })]).loadBalancer.origin, 'default');
});

t.test('panic threshold', async (t) => {
  const threshold = (...resources: Resources) => outbound(resources).loadBalancer.panicThresholdPercent;
  t.equal(threshold(), undefined, "Envoy's own where nobody is ejected");
  t.equal(threshold(policy({ outlierDetection: { interval: '1s' } })), 0, 'never');
  t.equal(threshold(policy({ outlierDetection: { minHealthPercent: 40 } })), 40);
  t.equal(threshold(policy({ loadBalancer: { simple: 'RANDOM' }, outlierDetection: { minHealthPercent: 40 } })), 40);
  t.equal(threshold(mesh({ defaultTrafficPolicy: { outlierDetection: { minHealthPercent: 30 } } })), 30);
});

t.test('connection pool', async (t) => {
  const cases: readonly (readonly [written: Fields, found: Fields | undefined])[] = [
    [{ tcp: { maxConnections: 1 } }, { maxConnections: 1 }],
    [{ tcp: { maxConnections: 0 } }, undefined],
    [{ tcp: { maxConnectionDuration: '90s' } }, { maxConnectionDurationMs: 90_000 }],
    [{ tcp: { tcpKeepalive: {} } }, { tcpKeepalive: {} }],
    [{ tcp: { tcpKeepalive: { probes: 3, time: '7200s', interval: '75s' } } }, { tcpKeepalive: { probes: 3, timeMs: 7_200_000, intervalMs: 75_000 } }],
    [{ tcp: { tcpKeepalive: { probes: 0 } } }, { tcpKeepalive: {} }],
    [{ tcp: { idleTimeout: '5s' } }, { tcpIdleTimeoutMs: 5000 }],
    [{ tcp: { idleTimeout: '0s' } }, { tcpIdleTimeoutMs: 0 }],
    [{ tcp: { connectTimeout: '5s' } }, undefined],
    [{ http: { http1MaxPendingRequests: 2 } }, { maxPendingRequests: 2 }],
    [{ http: { http2MaxRequests: 3 } }, { maxRequests: 3 }],
    [{ http: { maxRetries: 4 } }, { maxRetries: 4 }],
    [{ http: { maxRequestsPerConnection: 1 } }, { maxRequestsPerConnection: 1 }],
    [{ http: { maxConcurrentStreams: 5 } }, { maxConcurrentStreams: 5 }],
    [{ http: { http1MaxPendingRequests: 0, http2MaxRequests: 0, maxRetries: 0, maxRequestsPerConnection: 0, maxConcurrentStreams: 0 } }, undefined],
    [{ http: { idleTimeout: '5s' } }, undefined],
    [{ tcp: { maxConnections: 1 }, http: { maxRetries: 4, http1MaxPendingRequests: 2 } }, { maxConnections: 1, maxPendingRequests: 2, maxRetries: 4 }],
  ];
  for (const [written, found] of cases) {
    for (const side of [outbound, inbound]) t.strictSame(plain(side([policy({ connectionPool: written })]).connectionPool), found, `${side.name} ${JSON.stringify(written)}`);
  }
  t.equal(outbound([]).connectionPool, undefined);
  t.match(outbound([policy({ connectionPool: { tcp: { maxConnections: 1 } } })]).connectionPool, { origin: { resource: 'DestinationRule default/web' } });
});

t.test('the mesh keeps connections alive', async (t) => {
  const alive = mesh({ tcpKeepalive: { probes: 9, time: '60s' } });
  for (const side of [outbound, inbound]) {
    t.strictSame(plain(side([alive]).connectionPool), { tcpKeepalive: { probes: 9, timeMs: 60_000 } });
    t.match(side([alive]).connectionPool, { origin: { resource: 'ConfigMap istio-system/istio' } });
    t.strictSame(plain(side([alive, policy({ connectionPool: { tcp: { tcpKeepalive: { probes: 2, interval: '1s' } } } })]).connectionPool), { tcpKeepalive: { probes: 2, timeMs: 60_000, intervalMs: 1000 } }, 'one by one');
  }
  t.strictSame(plain(cluster(compiled([alive]), 'PassthroughCluster').connectionPool), { tcpKeepalive: { probes: 9, timeMs: 60_000 } });
});

t.test('retry budget', async (t) => {
  const cases: readonly (readonly [written: Fields, found: Fields])[] = [
    [{}, { percent: 20, minRetryConcurrency: 3, intervalMs: 0 }],
    [{ percent: 0 }, { percent: 0, minRetryConcurrency: 3, intervalMs: 0 }],
    [{ percent: 12.5, minRetryConcurrency: 7, budgetInterval: '2s' }, { percent: 12.5, minRetryConcurrency: 7, intervalMs: 2000 }],
    [{ minRetryConcurrency: 0 }, { percent: 20, minRetryConcurrency: 3, intervalMs: 0 }],
  ];
  for (const [written, found] of cases) t.strictSame(plain(outbound([policy({ retryBudget: written })]).connectionPool), { retryBudget: found }, JSON.stringify(written));
  const found = outbound([policy({ retryBudget: {} })]).connectionPool;
  t.match(found?.retryBudget, { origin: { resource: 'DestinationRule default/web' } });
  t.equal(found?.origin, undefined, 'no block of limits was written');
});

t.test('outlier detection', async (t) => {
  const standard = { consecutive5xx: 5, consecutiveGateway: 0, consecutiveLocalOrigin: 5, splitLocalOrigin: false, intervalMs: 10_000, baseEjectionTimeMs: 30_000, maxEjectionTimeMs: 300_000, maxEjectionPercent: 10 };
  const cases: readonly (readonly [written: Fields, found: Fields])[] = [
    [{}, standard],
    [{ consecutive5xxErrors: 1 }, { ...standard, consecutive5xx: 1 }],
    [{ consecutive5xxErrors: 0 }, { ...standard, consecutive5xx: 0 }],
    [{ consecutiveGatewayErrors: 3 }, { ...standard, consecutiveGateway: 3 }],
    [{ consecutiveGatewayErrors: 0 }, standard],
    [{ consecutiveErrors: 9 }, standard],
    [{ splitExternalLocalOriginErrors: true }, { ...standard, splitLocalOrigin: true }],
    [{ splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 2 }, { ...standard, splitLocalOrigin: true, consecutiveLocalOrigin: 2 }],
    [{ splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 0 }, { ...standard, splitLocalOrigin: true }],
    [{ interval: '1s' }, { ...standard, intervalMs: 1000 }],
    [{ baseEjectionTime: '2m' }, { ...standard, baseEjectionTimeMs: 120_000 }],
    [{ baseEjectionTime: '10m' }, { ...standard, baseEjectionTimeMs: 600_000, maxEjectionTimeMs: 600_000 }],
    [{ maxEjectionPercent: 100 }, { ...standard, maxEjectionPercent: 100 }],
    [{ maxEjectionPercent: 0 }, standard],
    [{ minHealthPercent: 50 }, standard],
    [{ outlierDetectionHttpErrorCodes: [429, 503] }, { ...standard, errorCodes: [429, 503] }],
  ];
  for (const [written, found] of cases) {
    const made = outbound([policy({ outlierDetection: written, connectionPool: { tcp: {} } })]);
    t.strictSame(plain(made.outlierDetection), found, JSON.stringify(written));
    t.match(made.outlierDetection, { origin: { resource: 'DestinationRule default/web' } });
  }
  t.equal(outbound([]).outlierDetection, undefined);
  t.equal(inbound([policy({ outlierDetection: { interval: '1s' } })]).outlierDetection, undefined, 'not towards the own application');
  const everywhere = mesh({ defaultTrafficPolicy: { outlierDetection: { interval: '2s' } } });
  t.match(outbound([everywhere]).outlierDetection, { intervalMs: 2000, origin: { resource: 'ConfigMap istio-system/istio' } });
  t.equal(inbound([everywhere]).outlierDetection, undefined);
  t.equal(inbound([everywhere]).loadBalancer.panicThresholdPercent, undefined);
  t.equal(cluster(compiled([everywhere]), 'PassthroughCluster').outlierDetection, undefined);
});

t.test('inheritance of every block from rule to port to subset', async (t) => {
  const blocks = (size: number): Fields => ({ connectionPool: { tcp: { maxConnections: size } }, outlierDetection: { consecutive5xxErrors: size }, loadBalancer: { consistentHash: { useSourceIp: true, ringHash: { minimumRingSize: size } } } });
  const budget = (percent: number): Fields => ({ retryBudget: { percent } });
  const port = (number: number, more: Fields): Fields => ({ portLevelSettings: [{ port: { number }, ...more }] });
  const config = compiled([
    SERVICE,
    rule({
      trafficPolicy: { ...blocks(1), ...budget(1), ...port(81, { connectionPool: { tcp: { maxConnections: 2 } } }) },
      subsets: [
        { name: 'plain' },
        { name: 'pool', trafficPolicy: { connectionPool: { http: { maxRetries: 3 } } } },
        { name: 'budget', trafficPolicy: budget(4) },
        { name: 'port', trafficPolicy: { ...blocks(5), ...budget(5), ...port(80, { outlierDetection: { consecutive5xxErrors: 6 } }) } },
      ],
    }),
  ]);
  const cases: readonly (readonly [subset: string, port: number, found: string, why: string])[] = [
    ['', 80, 'pool 1 retries - budget 1 outlier 1 ring 1', 'the rule'],
    ['', 81, 'pool 2 retries - budget - outlier - ring -', 'a port entry replaces all; a budget cannot be in it and is lost'],
    ['plain', 80, 'pool 1 retries - budget 1 outlier 1 ring 1', 'inherited'],
    ['plain', 81, 'pool 2 retries - budget - outlier - ring -', 'inherited'],
    ['pool', 80, 'pool - retries 3 budget 1 outlier 1 ring 1', 'a block replaces the whole block'],
    ['budget', 80, 'pool 1 retries - budget 4 outlier 1 ring 1', 'the budget too'],
    ['budget', 81, 'pool 2 retries - budget 4 outlier - ring -', 'over the port entry of the rule'],
    ['port', 80, 'pool - retries - budget 1 outlier 6 ring -', "a subset's port entry replaces the four blocks by being silent, and leaves the rule's budget"],
    ['port', 81, 'pool 5 retries - budget 5 outlier 5 ring 5', 'on other ports its own policy counts'],
  ];
  for (const [subset, number, expected, why] of cases) {
    const { connectionPool, outlierDetection, loadBalancer } = cluster(config, `outbound|${number}|${subset}|${NAME}`);
    const { maxConnections = '-', maxRetries = '-', retryBudget } = connectionPool ?? {};
    const found = `pool ${maxConnections} retries ${maxRetries} budget ${retryBudget?.percent ?? '-'} outlier ${outlierDetection?.consecutive5xx ?? '-'} ring ${loadBalancer.minimumRingSize ?? '-'}`;
    t.equal(found, expected, `${why} (${subset}:${number})`);
  }
});

t.test('inbound limits: ingress port, Sidecar, rule for the port, rule, mesh', async (t) => {
  const pool = (maxConnections: number) => ({ tcp: { maxConnections } });
  const limit = (port: number, ...resources: Resources) => inbound(resources, port).connectionPool?.maxConnections;
  const everywhere = mesh({ defaultTrafficPolicy: { connectionPool: pool(1) } });
  const ruled = policy({ connectionPool: pool(2), portLevelSettings: [{ port: { number: 81 }, connectionPool: pool(3) }] });
  const sidecar = (spec: Fields) => istio('Sidecar', 's', spec);
  t.equal(limit(80), undefined);
  t.equal(limit(80, everywhere), 1);
  t.equal(limit(80, everywhere, ruled), 2);
  t.equal(limit(81, everywhere, ruled), 3);
  t.equal(limit(81, everywhere, ruled, sidecar({ inboundConnectionPool: pool(4) })), 4);
  const ingress = [{ port: { number: 80, protocol: 'HTTP', name: 'a' }, connectionPool: pool(5) }, { port: { number: 81, protocol: 'HTTP', name: 'b' } }];
  t.same([80, 81].map((port) => limit(port, everywhere, ruled, sidecar({ ingress, inboundConnectionPool: pool(4) }))), [5, 4]);
  t.same([80, 81].map((port) => limit(port, everywhere, ruled, sidecar({ ingress }))), [5, 3], "a port of one's service has that service's rule");
  t.equal(limit(99, everywhere, ruled, sidecar({ ingress: [{ port: { number: 99, protocol: 'HTTP', name: 'c' } }] })), 1);
  t.match(inbound([sidecar({ inboundConnectionPool: pool(4) })]).connectionPool, { origin: { resource: 'Sidecar default/s' } });
  t.match(inbound([policy({ connectionPool: pool(2), retryBudget: { percent: 7 } }), sidecar({ inboundConnectionPool: pool(4) })]).connectionPool, { maxConnections: 4, retryBudget: { percent: 7 } });
});

t.test('clusters that say the same share it', async (t) => {
  const config = compiled([SERVICE, kube('other'), mesh({ defaultTrafficPolicy: { connectionPool: { tcp: { maxConnections: 1 } }, outlierDetection: {} } })]);
  const [one, two, other] = [`outbound|80||${NAME}`, `outbound|81||${NAME}`, 'outbound|80||other.default.svc.cluster.local'].map((name) => cluster(config, name));
  for (const found of [two, other]) {
    t.equal(found?.connectionPool, one?.connectionPool);
    t.equal(found?.outlierDetection, one?.outlierDetection);
    t.equal(found?.loadBalancer, one?.loadBalancer);
  }
  t.ok(Object.isFrozen(one?.outlierDetection));
});

t.test('explain can ask for every block', async (t) => {
  const resources = [SERVICE, policy({ connectionPool: { tcp: { maxConnections: 1 } }, retryBudget: { percent: 1 }, outlierDetection: { interval: '1s' }, loadBalancer: { localityLbSetting: { enabled: true } } })];
  const { config, trace } = compileWithTrace(snapshotFrom(resources), CLIENT);
  const found = cluster(config, `outbound|80||${NAME}`);
  t.match(trace.policies.get(found), { retryBudget: { value: { percent: 1 } }, outlierDetection: { value: { interval: 1000 } }, connectionPool: { path: ['spec', 'trafficPolicy', 'connectionPool'] } });
  t.match(trace.localities.get(found)?.origin(), { resource: 'DestinationRule default/web' });
});

t.test('resolution NONE has nothing to balance, but limits', async (t) => {
  const none = entry('e', { hosts: ['x.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }] });
  const found = cluster(compiled([none, istio('DestinationRule', 'e', { host: 'x.com', trafficPolicy: { connectionPool: { tcp: { maxConnections: 2 } }, outlierDetection: {}, loadBalancer: { simple: 'RANDOM' } } })]), 'outbound|80||x.com');
  t.match(found, { discovery: 'ORIGINAL_DST', loadBalancer: { policy: 'PASSTHROUGH' }, connectionPool: { maxConnections: 2 }, outlierDetection: { consecutive5xx: 5 } });
});
