/**
 * Hosts that refuse, hang, reset, answer slowly or cut, close idle connections, return garbage, die and come back, under a
 * steady rate of GETs and POSTs with retries, timeouts, ejection and limits configured: every request ends in exactly one
 * answer or cut and one log line, permits and gauges return to zero, sockets are closed, and GETs fail no more often than
 * the policy allows. `CHAOS_SECONDS=600` for the long run, at 500 requests/s; 15 seconds by default.
 */

import { join } from 'node:path';
import t from 'tap';
import { seededRandom } from '../../proxy/base/random.ts';
import { busyGauges, logById, unaccounted, watchMemory } from '../support/accounting.ts';
import { ChaosHost, Crowd, type FaultRates } from '../support/chaos-host.ts';
import { mixedLoad, type Outcome } from '../support/mixed-load.ts';
import { Proxy } from '../support/proxy.ts';
import { destinationRule, pod, service, to, virtualService, type ResourceObject } from '../support/resources.ts';
import { eventually } from '../support/scope.ts';

const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 15);
const PER_SECOND = process.env['CHAOS_SECONDS'] === undefined ? 120 : 500;
/** For a service whose limits are always hit. */
const TIGHT_PER_SECOND = 60;
const HOSTS = 4;
const ATTEMPTS = 4;

/** Faults that make an attempt fail before its answer begins, so that it is tried again. */
const RETRIED: FaultRates = { hang: 0.01, reset: 0.02, close: 0.02, garbage: 0.01, error: 0.02, unavailable: 0.02 };
/** An answer that has begun cannot be tried again. */
const CUT: FaultRates = { cut: 0.01 };
const HARMLESS: FaultRates = { slow: 0.05, last: 0.03, 'idle-close': 0.05, early: 0.02 };

t.setTimeout((SECONDS + 120) * 1000);

t.test('chaos', async (t) => {
  const random = seededRandom(23);
  const hosts: ChaosHost[] = [];
  while (hosts.length < HOSTS) hosts.push(await ChaosHost.start(t, { random, faults: { ...RETRIED, ...CUT, ...HARMLESS } }));
  const crowded = new Crowd();
  const tight = [await ChaosHost.start(t, { random, crowd: crowded, answerAfterMs: 60 }), await ChaosHost.start(t, { random, crowd: crowded, answerAfterMs: 60 })];
  const file = join(t.testdir(), 'access.log');
  const proxy = await Proxy.start(t, {
    snapshot: [pod('client'), ...chaosService(hosts), ...tightService(tight)],
    workload: 'default/client',
    args: ['--access-log', file, '--access-log-format', 'json'],
  });

  const memory = watchMemory(proxy.child.pid);
  const illness = beIll(hosts, random);
  const load = { port: proxy.outbound, seconds: SECONDS, random, patienceMs: 30_000 };
  const [chaos, crowd] = await Promise.all([
    mixedLoad({ ...load, host: 'chaos', perSecond: PER_SECOND }),
    mixedLoad({ ...load, host: 'tight', perSecond: TIGHT_PER_SECOND, mix: [['get', 0.7], ['post', 0.3]] }),
  ]);
  const { earlyKb, lateKb } = memory.stop();
  await illness.end();

  const outcomes = [...chaos, ...crowd];
  await eventually(async () => unaccounted(outcomes, await logById(file)).length === 0, 'a line for every request').catch(() => undefined);
  const log = await logById(file);
  const stat = (cluster: string, name: string): Promise<number> => proxy.stat(`cluster.outbound|80||${cluster}.default.svc.cluster.local.${name}`);

  await t.test('every request is accounted for', async (t) => {
    t.comment(JSON.stringify({ chaos: tally(chaos), tight: tally(crowd) }));
    t.equal(chaos.length, PER_SECOND * SECONDS);
    t.strictSame(outcomes.filter(({ end }) => end === 'hung').slice(0, 3), [], 'nothing hangs');
    t.strictSame([...new Set(chaos.map(({ end }) => end))].filter((end) => ![200, 500, 502, 503, 504, 'cut', 'left'].includes(end)), [], 'no other status');
    const wrong = unaccounted(outcomes, log);
    t.strictSame(wrong.slice(0, 3).map((outcome) => ({ outcome, lines: log.get(outcome.id) })), [], 'one log line each, with the status its client saw');
    const cut = chaos.filter(({ end }) => end === 'cut').flatMap(({ id }) => log.get(id) ?? []);
    t.strictSame(cut.filter((line) => line['response_code'] !== 200 || !/^(UC|UPE)$/.test(String(line['response_flags']))).slice(0, 3), [], 'only answers that had begun are cut');
    t.notMatch(proxy.stderr, /error (bug|filter)|unhandled|uncaught/i);
  });

  await t.test('GETs fail no more often than the policy allows', async (t) => {
    const gets = chaos.filter(({ method, end }) => method === 'GET' && end !== 'left');
    const failed = gets.filter(({ end }) => end !== 200);
    const allowed = allowedShare();
    t.comment(`${failed.length} of ${gets.length} failed, ${(100 * failed.length) / gets.length} %; allowed ${100 * allowed} %`, tally(failed));
    t.ok(failed.length <= gets.length * allowed, 'within the policy');
  });

  await t.test('every policy had something to do', async (t) => {
    for (const name of ['upstream_rq_retry', 'upstream_rq_retry_success', 'upstream_rq_per_try_timeout', 'upstream_cx_connect_fail', 'upstream_rq_rx_reset', 'outlier_detection.ejections_enforced_total']) {
      t.ok((await stat('chaos', name)) > 0, name);
    }
    t.ok(hosts.every(({ requests, retries }) => requests > 0 && retries > 0), 'every host had requests and retries');
  });

  await t.test('limits are never exceeded, and overflow says so', async (t) => {
    const overflowed = crowd.filter(({ end }) => end === 503);
    t.ok(overflowed.length > 0, 'requests above the limits are refused');
    t.strictSame([...new Set(overflowed.map(({ id }) => log.get(id)?.[0]?.['response_flags']))], ['UO']);
    t.strictSame(tally(crowd.filter(({ end }) => end !== 503 && end !== 200)), {}, 'everything else is answered');
    t.equal(overflowed.length, (await stat('tight', 'upstream_rq_pending_overflow')) + (await stat('tight', 'upstream_rq_active_overflow')));
    // A host without a connection may always open one.
    t.ok(crowded.connections.peak <= 2 + tight.length, `connections: ${crowded.connections.peak}`);
    t.ok(crowded.requests.peak <= 3, `requests: ${crowded.requests.peak}`);
  });

  await t.test('all is given back', async (t) => {
    // Idle upstream connections end after two seconds.
    await eventually(async () => (await busyGauges(proxy, { connections: true })).length === 0, 'gauges to return to zero').catch(() => undefined);
    t.strictSame(await busyGauges(proxy, { connections: true }), []);
    const permits = ['remaining_cx', 'remaining_pending', 'remaining_rq', 'remaining_retries'];
    const left = await Promise.all(permits.map((name) => stat('chaos', `circuit_breakers.default.${name}`)));
    t.strictSame(left, [400, 300, 500, 100], 'every permit is back');
    await eventually(() => [...hosts, ...tight].every(({ connections }) => connections === 0), 'upstream connections to be closed').catch(() => undefined);
    t.equal(sum([...hosts, ...tight], ({ connections }) => connections), 0, 'no upstream connection is left');
    t.comment(`memory ${Math.round(earlyKb / 1024)} MB, later ${Math.round(lateKb / 1024)} MB`);
    t.ok(lateKb < earlyKb * 1.25 + 10 * 1024, 'memory is bounded');
    t.equal(await proxy.stop(), 0);
  });
});

function chaosService(hosts: readonly ChaosHost[]): ResourceObject[] {
  return [
    ...service('chaos', { port: 80, workloads: hosts }),
    virtualService('chaos', { http: [{ route: [to('chaos')], timeout: '20s', retries: { attempts: ATTEMPTS - 1, perTryTimeout: '2s', retryOn: '5xx,reset,connect-failure' } }] }),
    destinationRule('chaos', [], {
      trafficPolicy: {
        connectionPool: { tcp: { maxConnections: 400, connectTimeout: '2s' }, http: { http1MaxPendingRequests: 300, http2MaxRequests: 500, maxRetries: 100, maxRequestsPerConnection: 50, idleTimeout: '2s' } },
        outlierDetection: { consecutive5xxErrors: 5, interval: '500ms', baseEjectionTime: '500ms', maxEjectionPercent: 50 },
      },
    }),
  ];
}

function tightService(hosts: readonly ChaosHost[]): ResourceObject[] {
  const connectionPool = { tcp: { maxConnections: 2 }, http: { http1MaxPendingRequests: 2, http2MaxRequests: 3, idleTimeout: '2s' } };
  return [...service('tight', { port: 80, workloads: hosts }), destinationRule('tight', [], { trafficPolicy: { connectionPool } })];
}

/** One host after another refuses connections or hangs for a while, each time another one. */
function beIll(hosts: readonly ChaosHost[], random: () => number): { end(): Promise<void> } {
  let running = true;
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const course = (async () => {
    for (let turn = 0; running; turn++) {
      const host = hosts[Math.floor(random() * hosts.length)] as ChaosHost;
      await pause(500);
      if (turn % 2 === 0) await host.kill();
      else host.hanging = true;
      await pause(700);
      if (turn % 2 === 0) await host.revive();
      host.hanging = false;
    }
  })();
  return {
    end: () => {
      running = false;
      return course;
    },
  };
}

/**
 * Twice the share of GETs that fail where each attempt fails by itself or because one of the hosts is ill, every time
 * drawn anew. Retries avoid hosts that were tried and ejection avoids the ill one, so it is fewer.
 */
function allowedShare(): number {
  const rate = (faults: FaultRates): number => Object.values(faults).reduce((total, share) => total + share, 0);
  const retried = rate(RETRIED) + 1 / HOSTS;
  return 2 * (rate(CUT) / (1 - retried) + retried ** ATTEMPTS);
}

function tally(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { end } of outcomes) counts[end] = (counts[end] ?? 0) + 1;
  return counts;
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
