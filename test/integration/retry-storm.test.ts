/**
 * Every host answers 503 and every request asks for three retries: what arrives upstream stays within the retry budget, or
 * within maxRetries, and counters, log lines and what the hosts saw agree to the last request. `STORM_SECONDS=60` for the
 * long run, at 1000 requests/s; 3 seconds at 300/s by default.
 */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { seededRandom } from '../../proxy/base/random.ts';
import { busyGauges, logById, unaccounted, type LogLine } from '../support/accounting.ts';
import { ChaosHost, Crowd } from '../support/chaos-host.ts';
import { mixedLoad } from '../support/mixed-load.ts';
import { Proxy } from '../support/proxy.ts';
import { destinationRule, pod, service, to, virtualService, type ResourceObject } from '../support/resources.ts';
import { eventually } from '../support/scope.ts';

const SECONDS = Number(process.env['STORM_SECONDS'] ?? 3);
const PER_SECOND = process.env['STORM_SECONDS'] === undefined ? 300 : 1000;
const ANSWER_MS = 100;
const RETRIES = 3;
const BUDGET = { percent: 20, minRetryConcurrency: 3 };
const MAX_RETRIES = 5;

t.setTimeout((SECONDS + 60) * 3000);

interface Storm {
  readonly requests: number;
  /** What arrived upstream, and how many of it were retries. */
  readonly upstream: number;
  readonly retries: number;
  readonly lines: readonly LogLine[];
  readonly stat: (name: string) => Promise<number>;
}

t.test('a retry storm', async (t) => {
  const random = seededRandom(5);
  const hosts: ChaosHost[] = [];
  const crowd = new Crowd();
  while (hosts.length < 3) hosts.push(await ChaosHost.start(t, { random, crowd, answerAfterMs: ANSWER_MS, status: 503 }));
  const file = join(t.testdir(), 'access.log');
  const names = ['budget', 'max-retries', 'unlimited'] as const;
  const proxy = await Proxy.start(t, {
    snapshot: [pod('client'), ...names.flatMap((name) => stormService(name, hosts))],
    workload: 'default/client',
    args: ['--access-log', file, '--access-log-format', 'json'],
  });

  const storm = async (t: Test, name: (typeof names)[number], perSecond = PER_SECOND): Promise<Storm> => {
    const before = { requests: sum(hosts, (host) => host.requests), retries: sum(hosts, (host) => host.retries) };
    const outcomes = await mixedLoad({ port: proxy.outbound, host: name, perSecond, seconds: SECONDS, random, patienceMs: 30_000, mix: [['get', 0.8], ['post', 0.2]] });
    t.strictSame(outcomes.filter(({ end }) => end !== 503), [], 'every request is answered with what the hosts answer');
    await eventually(async () => unaccounted(outcomes, await logById(file)).length === 0, 'a line for every request').catch(() => undefined);
    const log = await logById(file);
    t.strictSame(unaccounted(outcomes, log).slice(0, 3), [], 'one log line each');
    await eventually(async () => (await busyGauges(proxy)).length === 0, 'gauges to return to zero').catch(() => undefined);
    t.strictSame(await busyGauges(proxy), [], 'nothing is left under way');
    return {
      requests: outcomes.length,
      upstream: sum(hosts, (host) => host.requests) - before.requests,
      retries: sum(hosts, (host) => host.retries) - before.retries,
      lines: outcomes.flatMap(({ id }) => log.get(id) ?? []),
      stat: (stat) => proxy.stat(`cluster.outbound|80||${name}.default.svc.cluster.local.${stat}`),
    };
  };

  await t.test('a retry budget', async (t) => {
    const seen = await storm(t, 'budget');
    await agree(t, seen);
    // Retries count among the requests they are a share of: r <= p (1 + r). The few that are always allowed hold their
    // permits for half a back-off and an answer at least.
    const share = BUDGET.percent / 100;
    const always = BUDGET.minRetryConcurrency / (PER_SECOND * ((ANSWER_MS + 12) / 1000));
    const amplification = seen.upstream / seen.requests;
    t.comment(`amplification ${amplification.toFixed(3)}; without a limit it would be ${1 + RETRIES}`);
    t.ok(amplification <= 1 / (1 - share) + always, `at most ${1 / (1 - share) + always}`);
    t.ok(seen.retries > 0, 'some retries are made');
    t.ok((await seen.stat('upstream_rq_retry_overflow')) > seen.requests / 2, 'most are refused');
  });

  await t.test('maxRetries', async (t) => {
    crowd.retries.peak = 0;
    const seen = await storm(t, 'max-retries');
    await agree(t, seen);
    t.ok(seen.retries > 0, 'some retries are made');
    t.ok(crowd.retries.peak <= MAX_RETRIES, `never more at a time than allowed: ${crowd.retries.peak}`);
    t.ok((await seen.stat('upstream_rq_retry_overflow')) > 0, 'some are refused');
  });

  await t.test('without a limit every request is tried to the last', async (t) => {
    const seen = await storm(t, 'unlimited', PER_SECOND / 4);
    await agree(t, seen);
    t.equal(seen.upstream, seen.requests * (1 + RETRIES));
    t.equal(await seen.stat('upstream_rq_retry_limit_exceeded'), seen.requests);
  });
});

/** Counters, log lines and the hosts tell the same story. */
async function agree(t: Test, { requests, upstream, retries, lines, stat }: Storm): Promise<void> {
  const flagged = (flags: string): number => lines.filter((line) => line['response_flags'] === flags).length;
  t.strictSame(
    {
      retries: await stat('upstream_rq_retry'),
      overflow: await stat('upstream_rq_retry_overflow'),
      exceeded: await stat('upstream_rq_retry_limit_exceeded'),
      success: await stat('upstream_rq_retry_success'),
      total: await stat('upstream_rq_total'),
    },
    { retries, overflow: flagged('UO'), exceeded: flagged('URX'), success: 0, total: upstream },
  );
  t.equal(upstream, requests + retries, 'first tries and retries are all there is');
  t.equal(flagged('UO') + flagged('URX'), requests, 'each answer is flagged with why it was final');
  t.strictSame([...new Set(lines.map((line) => line['response_code_details']))], ['via_upstream']);
}

function stormService(name: string, hosts: readonly ChaosHost[]): ResourceObject[] {
  const policies: Readonly<Record<string, unknown>> = {
    budget: { retryBudget: BUDGET },
    'max-retries': { connectionPool: { http: { maxRetries: MAX_RETRIES } } },
  };
  const policy = policies[name];
  return [
    ...service(name, { port: 80, workloads: hosts }),
    virtualService(name, { http: [{ route: [to(name)], retries: { attempts: RETRIES, retryOn: '5xx' } }] }),
    ...(policy === undefined ? [] : [destinationRule(name, [], { trafficPolicy: policy })]),
  ];
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
