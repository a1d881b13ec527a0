/** Outlier detection: tables of the rules, and hosts that fail and recover through an hour of virtual time. */

import t from 'tap';
import type { OutlierDetectionConfig } from '../../../../config/runtime/cluster.ts';
import { createEventClock } from '../../../../proxy/base/event-clock.ts';
import { seededRandom, type Random } from '../../../../proxy/base/random.ts';
import { Cluster } from '../../../../proxy/upstream/cluster.ts';
import type { Host } from '../../../../proxy/upstream/host.ts';
import type { LocalOriginFailure } from '../../../../proxy/upstream/outlier.ts';
import { countedStatus, decideEjection, ejectionTimeMs, nextMultiplier, type FailureCounts } from '../../../../proxy/upstream/outlier-decision.ts';
import type { OutlierDetector } from '../../../../proxy/upstream/outlier-detector.ts';
import { TestClock } from '../../../support/clock.ts';
import { clusterOf } from '../../../support/data-path.ts';

const ORIGIN = { resource: 'DestinationRule default/reviews', file: 'rules.yaml', line: 7 };

function policyOf(changes: Partial<OutlierDetectionConfig> = {}): OutlierDetectionConfig {
  return {
    consecutive5xx: 5, consecutiveGateway: 0, consecutiveLocalOrigin: 5, splitLocalOrigin: false, intervalMs: 10_000, baseEjectionTimeMs: 30_000,
    maxEjectionTimeMs: 300_000, maxEjectionPercent: 100, origin: ORIGIN, ...changes,
  };
}

t.test('decideEjection', async (t) => {
  const counts = (changes: Partial<FailureCounts> = {}): FailureCounts => ({ consecutive5xx: 0, consecutiveGateway: 0, consecutiveLocalOrigin: 0, ...changes });
  const decided = (policy: Partial<OutlierDetectionConfig>, failures: Partial<FailureCounts>, ejected = 0, hosts = 1): string => {
    const decision = decideEjection(policyOf(policy), counts(failures), { ejected, hosts });
    return decision === undefined ? '-' : `${decision.cause} ${decision.count} ${decision.eject ? 'eject' : 'keep'}`;
  };
  t.equal(decided({}, { consecutive5xx: 4 }), '-');
  t.equal(decided({}, { consecutive5xx: 5 }), 'consecutive_5xx 5 eject');
  t.equal(decided({ consecutive5xx: 0 }, { consecutive5xx: 1000 }), '-', '0 switches a rule off');
  t.equal(decided({ consecutive5xx: 3 }, { consecutive5xx: 4 }), 'consecutive_5xx 4 eject', 'a reload may lower the limit below the count');
  t.equal(decided({}, { consecutiveGateway: 1000 }), '-', 'gateway errors count where asked for');
  t.equal(decided({ consecutiveGateway: 5 }, { consecutive5xx: 5, consecutiveGateway: 5 }), 'consecutive_gateway_failure 5 eject', 'both: gateway first');
  t.equal(decided({ consecutiveGateway: 5 }, { consecutive5xx: 5, consecutiveGateway: 4 }), 'consecutive_5xx 5 eject');
  t.equal(decided({}, { consecutiveLocalOrigin: 1000 }), '-', 'local origin only with the split');
  t.equal(decided({ splitLocalOrigin: true }, { consecutiveLocalOrigin: 5 }), 'consecutive_local_origin_failure 5 eject');
  t.equal(decided({ splitLocalOrigin: true, consecutiveLocalOrigin: 0 }, { consecutiveLocalOrigin: 1000 }), '-');

  // The share after the ejection; seen at Envoy.
  for (const [percent, ejected, hosts, eject] of [
    [10, 0, 1, false], [10, 0, 9, false], [10, 0, 10, true], [10, 1, 10, false], [10, 1, 20, true], [10, 2, 20, false],
    [50, 0, 3, true], [50, 1, 3, false], [50, 0, 1, false], [50, 1, 4, true], [50, 2, 4, false], [100, 0, 1, true], [100, 3, 4, true], [0, 0, 100, false],
  ] as const) {
    t.equal(decided({ maxEjectionPercent: percent }, { consecutive5xx: 5 }, ejected, hosts), `consecutive_5xx 5 ${eject ? 'eject' : 'keep'}`, `${percent} % with ${ejected} of ${hosts} out`);
  }
});

t.test('times and status codes', async (t) => {
  const policy = policyOf({ baseEjectionTimeMs: 30_000, maxEjectionTimeMs: 100_000 });
  let multiplier = 0;
  const times: number[] = [];
  for (let i = 0; i < 7; i++) times.push(ejectionTimeMs(policy, (multiplier = nextMultiplier(policy, multiplier))) / 1000);
  t.same(times, [30, 60, 90, 100, 100, 100, 100]);
  t.equal(multiplier, 5, 'it grows no further than the maximum needs');
  t.equal(ejectionTimeMs(policyOf({ baseEjectionTimeMs: 400_000 }), 1), 400_000, 'a base above the maximum is the maximum');
  t.same([200, 429, 500, 503].map((status) => countedStatus(status, undefined)), [200, 429, 500, 503]);
  t.same([200, 429, 500, 503].map((status) => countedStatus(status, new Set([429, 503]))), [200, 500, 200, 503], 'only listed codes are errors');
});

interface Scene {
  readonly cluster: Cluster;
  readonly clock: TestClock;
  readonly sentences: string[];
  readonly hosts: readonly Host[];
  readonly detector: OutlierDetector;
  /** Virtual time passes, sweeps of the process included. */
  wait(ms: number): void;
  fail(host: Host, times: number, status?: number): void;
  update(policy: Partial<OutlierDetectionConfig> | undefined, hosts?: number): void;
}

function configOf(policy: Partial<OutlierDetectionConfig> | undefined, hosts: number): ReturnType<typeof clusterOf> {
  const endpoints = Array.from({ length: hosts }, (_, i) => ({ address: `10.0.0.${i + 1}`, port: 9080, weight: 1, locality: '', workload: {}, tlsMode: 'disabled' as const }));
  const loadBalancer = { policy: 'ROUND_ROBIN', origin: 'default', panicThresholdPercent: 0 } as const;
  return clusterOf('outbound|9080||reviews', 80, { endpoints, loadBalancer, ...(policy === undefined ? {} : { outlierDetection: policyOf(policy) }) });
}

function sceneOf(policy: Partial<OutlierDetectionConfig>, hostCount: number, random: Random = seededRandom(3)): Scene {
  const clock = new TestClock(Date.UTC(2026, 10, 21, 12));
  const eventClock = createEventClock(clock);
  const sentences: string[] = [];
  const cluster = new Cluster(configOf(policy, hostCount), { clock: eventClock, random, resolver: async () => [], report: (sentence) => sentences.push(sentence) });
  const hosts = [...cluster.hosts];
  return {
    cluster, clock, sentences, hosts, detector: cluster.outlier as OutlierDetector,
    wait: (ms) => {
      for (const end = clock.now() + ms; clock.now() < end; ) {
        clock.advance(Math.min(1000, end - clock.now()));
        eventClock.tick();
        cluster.sweep(clock.now());
      }
    },
    fail: (host, times, status = 500) => {
      for (let i = 0; i < times; i++) cluster.outlier?.onResponse(host, status);
    },
    update: (next, count = hostCount) => cluster.update(configOf(next, count)),
  };
}

function flags({ cluster }: Scene): string {
  return [...cluster.hosts].map(({ healthy }) => (healthy ? '+' : '-')).join('');
}

t.test('what counts as what', async (t) => {
  type Outcome = number | LocalOriginFailure | 'connected' | 'tunnel';
  const rows: readonly (readonly [policy: Partial<OutlierDetectionConfig>, outcomes: readonly Outcome[], cause: string])[] = [
    [{ consecutive5xx: 3 }, [500, 503, 599], 'consecutive_5xx'],
    [{ consecutive5xx: 3 }, [500, 503, 200, 500, 503], '-'],
    [{ consecutive5xx: 3 }, [500, 503, 404, 500, 503], '-'],
    [{ consecutive5xx: 3 }, [500, 503, 600, 500, 503], '-'],
    [{ consecutive5xx: 3 }, ['connect_failure', 'timeout', 'reset'], 'consecutive_5xx'],
    [{ consecutive5xx: 3 }, ['connect_failure', 'connected', 'timeout', 'connected', 'reset'], 'consecutive_5xx'],
    [{ consecutive5xx: 3 }, ['connect_timeout', 'connect_timeout', 'tunnel', 'connect_timeout'], '-'],
    [{ consecutive5xx: 0, consecutiveGateway: 3 }, [502, 503, 504], 'consecutive_gateway_failure'],
    [{ consecutive5xx: 0, consecutiveGateway: 3 }, [502, 503, 500, 504, 502], '-'],
    [{ consecutive5xx: 0, consecutiveGateway: 3 }, ['connect_failure', 'timeout', 503], 'consecutive_gateway_failure'],
    [{ consecutive5xx: 3, consecutiveGateway: 2 }, [500, 503, 503], 'consecutive_gateway_failure'],
    [{ consecutive5xx: 3, errorCodes: [429, 503] }, [500, 500, 500, 429, 503], '-'],
    [{ consecutive5xx: 3, errorCodes: [429, 503] }, [429, 503, 429], 'consecutive_5xx'],
    [{ consecutive5xx: 0, consecutiveGateway: 2, errorCodes: [429, 503] }, [503, 429, 503, 503], 'consecutive_gateway_failure'],
    // Seen at Envoy: refused connections eject, resets and timeouts behind a connection do when they are under way together.
    [{ splitLocalOrigin: true, consecutiveLocalOrigin: 3 }, ['connect_failure', 'connect_timeout', 'connect_failure'], 'consecutive_local_origin_failure'],
    [{ splitLocalOrigin: true, consecutiveLocalOrigin: 3 }, ['connected', 'timeout', 'connected', 'reset', 'connected', 'timeout'], '-'],
    [{ splitLocalOrigin: true, consecutiveLocalOrigin: 3 }, ['connected', 'connected', 'connected', 'timeout', 'timeout', 'timeout'], 'consecutive_local_origin_failure'],
    [{ splitLocalOrigin: true, consecutiveLocalOrigin: 3 }, ['connect_failure', 200, 'connect_failure', 'connect_failure'], 'consecutive_local_origin_failure'],
    [{ splitLocalOrigin: true, consecutiveLocalOrigin: 3 }, ['connect_failure', 'connect_failure', 'tunnel', 'connect_failure'], '-'],
    [{ splitLocalOrigin: true, consecutiveLocalOrigin: 3, consecutive5xx: 3 }, [500, 'connect_failure', 500, 'connect_failure', 500], 'consecutive_5xx'],
  ];
  for (const [policy, outcomes, cause] of rows) {
    const { detector, hosts: [host] } = sceneOf(policy, 1) as Scene & { readonly hosts: [Host] };
    for (const outcome of outcomes) {
      if (outcome === 'connected') detector.onConnected(host);
      else if (outcome === 'tunnel') detector.onTunnel(host);
      else if (typeof outcome === 'number') detector.onResponse(host, outcome);
      else detector.onLocalFailure(host, outcome);
    }
    t.equal(host.ejection?.cause ?? '-', cause, `${JSON.stringify(policy)}: ${outcomes.join(' ')}`);
    t.equal(host.healthy, cause === '-');
    detector.stop();
  }
});

t.test('ejected, returned by the sweep, longer each time, and sooner again after good behaviour', async (t) => {
  const scene = sceneOf({}, 2);
  const { cluster, detector, sentences, hosts: [host, other] } = scene as Scene & { readonly hosts: [Host, Host] };
  scene.wait(3000);
  scene.fail(host, 5);
  t.equal(flags(scene), '-+');
  t.same(Array.from({ length: 6 }, () => cluster.pick()), Array.from({ length: 6 }, () => other), 'balancers choose the other at once');
  t.same(sentences, ['ejected 10.0.0.1:9080 from outbound|9080||reviews: 5 consecutive 5xx, until 12:00:33 (30 s, 1st time; DestinationRule default/reviews, rules.yaml:7)']);
  t.match(detector.stats, { ejectionsActive: 1, ejectionsEnforcedTotal: 1, ejectionsEnforcedConsecutive5xx: 1, ejectionsDetectedConsecutive5xx: 1, ejectionsOverflow: 0 });
  scene.fail(host, 50);
  t.equal(detector.stats.ejectionsDetectedConsecutive5xx, 1, 'answers to requests that were under way count no more');
  scene.wait(36_000);
  t.equal(flags(scene), '-+', 'its time is over at 33 s, the sweep comes at 40 s');
  scene.wait(1000);
  t.equal(flags(scene), '++');
  t.equal(sentences[1], 'returned 10.0.0.1:9080 to outbound|9080||reviews: its 30 s are over; it was out since 12:00:03 for 5 consecutive 5xx');
  t.ok(new Set(Array.from({ length: 6 }, () => cluster.pick())).has(host), 'and is chosen again');
  scene.fail(host, 4);
  t.equal(flags(scene), '++', 'counts began again');
  scene.fail(host, 1);
  t.match(host.ejection, { multiplier: 2, durationMs: 60_000 });
  t.match(sentences[2], /until 12:01:40 \(60 s, 2nd time;/);
  scene.wait(60_000);
  t.equal(flags(scene), '++', 'a sweep at the very end of its time returns it');
  scene.wait(9_999);
  scene.fail(host, 5);
  t.equal(host.ejection?.multiplier, 3, 'no interval without ejection has passed');
  scene.wait(100_000);
  t.equal(flags(scene), '++');
  scene.wait(30_000);
  scene.fail(host, 5);
  t.equal(host.ejection?.multiplier, 1, 'three healthy intervals took three back');
  detector.onLocalFailure(other, 'timeout');
  scene.fail(other, 3, 503);
  detector.onLocalFailure(other, 'connect_failure');
  t.match(sentences.at(-1), /^ejected 10\.0\.0\.2:9080 .*: 5 consecutive 5xx \(the last: connect failure\), until/);
  t.equal(cluster.pick(), undefined, 'with panic off there is nobody left');
  t.equal(detector.stats.ejectionsActive, 2);
});

t.test('no more than maxEjectionPercent; what it prevents is counted and now and then told', async (t) => {
  const scene = sceneOf({ maxEjectionPercent: 50, consecutiveGateway: 5 }, 3);
  const { detector, sentences, hosts } = scene;
  for (const host of hosts) scene.fail(host, 5, 500);
  t.equal(flags(scene), '-++');
  t.match(detector.stats, { ejectionsActive: 1, ejectionsEnforcedTotal: 1, ejectionsDetectedConsecutive5xx: 3, ejectionsOverflow: 2 });
  scene.wait(1000);
  t.equal(sentences.at(-1), 'kept 10.0.0.3:9080 in outbound|9080||reviews in spite of 5 consecutive 5xx: one more of its 3 hosts out of service would be above maxEjectionPercent 50 (DestinationRule default/reviews, rules.yaml:7); 2 times since this was last told');
  for (let i = 0; i < 8; i++) {
    scene.fail(hosts[1] as Host, 5, 500);
    scene.wait(1000);
  }
  t.equal(sentences.length, 2, 'not again within ten seconds');
  scene.wait(2000);
  t.match(sentences.at(-1), /; 8 times since this was last told$/);
  scene.fail(hosts[1] as Host, 4, 503);
  t.equal(detector.stats.ejectionsOverflow, 10, 'each refusal begins a new row');
  scene.fail(hosts[1] as Host, 1, 503);
  t.match(detector.stats, { ejectionsOverflow: 12, ejectionsDetectedConsecutiveGatewayFailure: 1, ejectionsEnforcedConsecutiveGatewayFailure: 0 }, 'two rules reached, two refusals');
});

t.test('reloads: state stays with the host, gauges stay right, no timer is left', async (t) => {
  const scene = sceneOf({}, 3);
  const { cluster, clock, detector, sentences, hosts: [first, second, third] } = scene as Scene & { readonly hosts: [Host, Host, Host] };
  scene.fail(first, 5);
  scene.fail(second, 4);
  scene.wait(5000);
  scene.update({ baseEjectionTimeMs: 60_000 });
  t.equal(cluster.outlier, detector, 'the same detector');
  t.equal(flags(scene), '-++');
  t.equal(first.ejection?.untilMs, Date.UTC(2026, 10, 21, 12, 1), 'by the new setting');
  scene.fail(second, 1);
  t.equal(flags(scene), '--+', 'four failures before and one after the reload');
  scene.update({ baseEjectionTimeMs: 60_000 }, 4);
  t.equal(flags(scene), '--++', 'a new host is in service');
  t.match(detector.stats, { ejectionsActive: 2 });
  scene.update({ baseEjectionTimeMs: 60_000 }, 1);
  t.equal(detector.stats.ejectionsActive, 1, 'a host that is gone is not ejected any more');
  scene.fail(third, 100);
  t.equal(detector.stats.ejectionsEnforcedTotal, 2, 'what a host that is gone still answers is nobody\'s failure');
  scene.update({ baseEjectionTimeMs: 60_000 }, 3);
  t.equal(flags(scene), '-++', 'back in the configuration it starts anew');

  scene.update({ intervalMs: 1000, baseEjectionTimeMs: 6000 });
  scene.wait(1000);
  t.equal(flags(scene), '+++', 'a shorter interval and a shorter time hold at once');
  scene.fail(first, 5);
  sentences.length = 0;
  scene.update(undefined);
  t.equal(flags(scene), '+++');
  t.equal(cluster.outlier, undefined);
  t.same(sentences, ['returned 10.0.0.1:9080 to outbound|9080||reviews: it has no outlierDetection any more; it was out since 12:00:06 for 5 consecutive 5xx']);
  t.equal(clock.pending, 0, 'no timer without the policy');
  scene.update({});
  t.not(cluster.outlier, undefined);
  t.match(cluster.outlier?.stats, { ejectionsActive: 0, ejectionsEnforcedTotal: 0 });
  t.equal(clock.pending, 1);
  scene.fail(first, 5);
  sentences.length = 0;
  cluster.drain();
  t.equal(clock.pending, 0);
  scene.fail(second, 50);
  t.same(sentences, [], 'a cluster that leaves has nothing to tell');
});

t.test('hosts that the downstream names are not ejected', async (t) => {
  const scene = sceneOf({}, 1);
  scene.cluster.update({ ...configOf({}, 1), loadBalancer: { policy: 'PASSTHROUGH', origin: 'default' } });
  const host = scene.cluster.pickOriginal('10.9.9.9', 80);
  scene.fail(host, 100);
  t.equal(scene.cluster.outlier, undefined);
  t.equal(scene.cluster.pickOriginal('10.9.9.9', 80), host);
  t.ok(host.healthy);
  t.equal(scene.clock.pending, 0);
});

t.test('an hour of virtual time', async (t) => {
  for (const seed of [1, 7, 20_261_121]) {
    const random = seededRandom(seed);
    const policy = policyOf({ consecutive5xx: 3, maxEjectionPercent: 50, baseEjectionTimeMs: 15_000, maxEjectionTimeMs: 90_000 });
    const scene = sceneOf(policy, 5, random);
    const { cluster, clock, detector, hosts } = scene;
    // Hosts fall ill for some minutes, independently, and answer with a little noise meanwhile.
    const illUntil = new Map<Host, number>();
    const lastOf = new Map<Host, { readonly multiplier: number; readonly endMs: number; readonly durationMs: number }>();
    const out = new Map<Host, { readonly atMs: number; readonly durationMs: number; readonly multiplier: number }>();
    let ejections = 0;
    let overflowSeen = 0;
    let illSeconds = 0;
    let sickAnswers = 0;
    let longest = 0;
    for (let second = 0; second < 3600; second++) {
      for (const host of hosts) if (random() < 1 / 300) illUntil.set(host, clock.now() + 20_000 + random() * 400_000);
      illSeconds += hosts.filter((host) => (illUntil.get(host) ?? 0) > clock.now()).length;
      for (let request = 0; request < 20; request++) {
        const host = cluster.pick() as Host;
        if (!out.has(host) && !host.healthy) t.fail('an ejected host was picked');
        const ill = (illUntil.get(host) ?? 0) > clock.now();
        const status = random() < (ill ? 0.95 : 0.01) ? 503 : 200;
        if (ill) sickAnswers++;
        detector.onResponse(host, status);
        const { ejection } = host;
        if (ejection === undefined || out.has(host)) continue;
        ejections++;
        const last = lastOf.get(host);
        const healthyMs = last === undefined ? Infinity : clock.now() - last.endMs;
        // One more than last time, less one for each whole interval of service since.
        const expected = last === undefined ? 1 : Math.max(0, last.multiplier - Math.floor(healthyMs / policy.intervalMs)) + 1;
        t.ok(ejection.multiplier === expected || (last !== undefined && ejection.multiplier === last.multiplier && last.durationMs === 90_000), `multiplier ${ejection.multiplier} after ${last?.multiplier}`);
        t.equal(ejection.durationMs, Math.min(90_000, 15_000 * ejection.multiplier));
        t.equal(ejection.untilMs - ejection.sinceMs, ejection.durationMs);
        longest = Math.max(longest, ejection.durationMs);
        out.set(host, { atMs: clock.now(), durationMs: ejection.durationMs, multiplier: ejection.multiplier });
      }
      const ejected = hosts.filter(({ healthy }) => !healthy).length;
      if (ejected > 2) t.fail(`${ejected} of 5 ejected`);
      if (ejected !== detector.stats.ejectionsActive) t.fail('the gauge is wrong');
      scene.wait(1000);
      for (const [host, { atMs, durationMs, multiplier }] of out) {
        const outMs = clock.now() - atMs;
        if (host.healthy) {
          if (outMs < durationMs || outMs > durationMs + policy.intervalMs) t.fail(`back after ${outMs} of ${durationMs} ms`);
          lastOf.set(host, { multiplier, endMs: clock.now(), durationMs });
          out.delete(host);
        } else if (outMs > durationMs + policy.intervalMs) t.fail(`still out after ${outMs} of ${durationMs} ms`);
      }
      overflowSeen = detector.stats.ejectionsOverflow;
    }
    t.ok(ejections > 20, `seed ${seed}: ${ejections} ejections`);
    t.equal(detector.stats.ejectionsEnforcedTotal, ejections);
    t.equal(detector.stats.ejectionsDetectedConsecutive5xx, ejections + overflowSeen);
    t.equal(longest, 90_000, 'the cap was reached');
    t.ok(sickAnswers < 0.6 * 4 * illSeconds, `${sickAnswers} requests met an ill host; without ejection it would have been about ${4 * illSeconds}`);
    cluster.destroy();
    t.equal(clock.pending, 0);
  }
});
