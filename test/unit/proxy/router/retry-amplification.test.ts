/**
 * Retries in virtual time: requests arrive at random, hosts fail at a rate, and the policy's own decisions, back-off and
 * breaker say what is tried again. How much more reaches the hosts than was asked for, against the failure rate.
 */

import fc from 'fast-check';
import t from 'tap';
import type { ConnectionPoolConfig } from '../../../../config/runtime/cluster.ts';
import { DEFAULT_RETRY } from '../../../../config/runtime/retry.ts';
import { backoffDelayMs } from '../../../../proxy/base/backoff.ts';
import { createEventClock } from '../../../../proxy/base/event-clock.ts';
import { seededRandom } from '../../../../proxy/base/random.ts';
import { RetryGate } from '../../../../proxy/router/retry-gate.ts';
import { createRetryPolicy } from '../../../../proxy/router/retry-policy.ts';
import { asksOnResponse } from '../../../../proxy/router/retry.ts';
import { HeaderList } from '../../../../proxy/stream/header-list.ts';
import { StreamInfo } from '../../../../proxy/stream/stream-info.ts';
import { Cluster } from '../../../../proxy/upstream/cluster.ts';
import { TestClock } from '../../../support/clock.ts';
import { clusterOf } from '../../../support/data-path.ts';

const BACKOFF_MS = 25;

interface World {
  readonly seed: number;
  readonly perSecond: number;
  readonly seconds: number;
  /** Time of each answer, ms. */
  readonly answerMs: number;
  /** Share of attempts that are answered 503. */
  readonly failureRate: number;
  readonly retries: number;
  readonly limits?: ConnectionPoolConfig;
}

interface Course {
  requests: number;
  retries: number;
  /** Requests whose last answer was a 503. */
  failed: number;
  /** Most retries waiting or under way at one time. */
  peakRetries: number;
  /** Retries that were begun although no fewer than allowed were under way. */
  excess: number;
  readonly cluster: Cluster;
}

function run(world: World): Course {
  const clock = new TestClock();
  const random = seededRandom(world.seed);
  const limits = world.limits === undefined ? {} : { connectionPool: world.limits };
  const cluster = new Cluster(clusterOf('c', 80, limits), { clock: createEventClock(clock), random, resolver: async () => [] });
  const policy = createRetryPolicy({ ...DEFAULT_RETRY, attempts: world.retries, conditions: ['5xx'], backoffBaseMs: BACKOFF_MS });
  const course: Course = { requests: 0, retries: 0, failed: 0, peakRetries: 0, excess: 0, cluster };
  const { breaker } = cluster;

  const attempt = (gate: RetryGate, info: StreamInfo): void => {
    info.attemptCount++;
    breaker.admitRequest();
    clock.setTimer(world.answerMs, () => {
      const failed = random() < world.failureRate;
      // The attempt is still under way while its outcome is looked at.
      const allowed = allowedRetries(world.limits, breaker.requests);
      const again = asksOnResponse(policy, failed ? 503 : 200, new HeaderList()) && gate.pass(info);
      breaker.releaseRequest();
      if (again) {
        course.retries++;
        course.peakRetries = Math.max(course.peakRetries, breaker.retries);
        if (breaker.retries > allowed) course.excess++;
        clock.setTimer(backoffDelayMs(info.attemptCount, BACKOFF_MS, random()), () => attempt(gate, info));
        return;
      }
      gate.release();
      if (failed) course.failed++;
    });
  };
  const arrive = (): void => {
    course.requests++;
    attempt(new RetryGate(policy, cluster), new StreamInfo());
    if (clock.now() < world.seconds * 1000) clock.setTimer((-Math.log(1 - random()) * 1000) / world.perSecond, arrive);
  };
  arrive();
  while (clock.pending > 0) clock.advance(100);
  return course;
}

/** Said once more in other words than the breaker's. */
function allowedRetries(limits: ConnectionPoolConfig | undefined, active: number): number {
  const { retryBudget: budget, maxRetries = Infinity } = limits ?? {};
  if (budget === undefined) return maxRetries;
  const share = Math.floor((active * budget.percent) / 100);
  return share < budget.minRetryConcurrency ? budget.minRetryConcurrency : share;
}

function amplification({ requests, retries }: Course): number {
  return (requests + retries) / requests;
}

const WORLD: World = { seed: 1, perSecond: 500, seconds: 20, answerMs: 50, failureRate: 1, retries: 3 };
const RATES = [0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1];

t.test('without a limit, retries multiply as the failure rate to its powers', (t) => {
  for (const failureRate of RATES) {
    const found = amplification(run({ ...WORLD, failureRate }));
    const expected = 1 + failureRate + failureRate ** 2 + failureRate ** 3;
    t.ok(Math.abs(found - expected) < 0.05 * expected, `${failureRate}: ${found.toFixed(3)}, expected ${expected.toFixed(3)}`);
  }
  t.end();
});

t.test('a budget of 20 % mends rare failures and stops a storm', (t) => {
  const limits = { retryBudget: { percent: 20, minRetryConcurrency: 3, intervalMs: 0 } };
  for (const failureRate of RATES) {
    const course = run({ ...WORLD, failureRate, limits });
    const found = amplification(course);
    const unlimited = 1 + failureRate + failureRate ** 2 + failureRate ** 3;
    t.ok(found <= Math.min(unlimited * 1.05, bound(20, 3, WORLD)), `${failureRate}: ${found.toFixed(3)}`);
    // At a tenth, three of the five retries allowed are under way on average, so some are refused.
    if (failureRate <= 0.1) t.ok(course.failed <= (course.requests * failureRate) / 4, `${failureRate}: ${course.failed} of ${course.requests} fail`);
  }
  t.end();
});

t.test('within the budget, whatever the load', (t) => {
  // Every row is a seed of its own; they are fixed, because a share of random arrivals is a matter of statistics.
  for (const [index, perSecond] of [20, 100, 300, 1000].entries()) {
    for (const percent of [1, 10, 20, 50]) {
      for (const answerMs of [5, 100]) {
        const world = { ...WORLD, seed: index * 100 + percent + answerMs, seconds: 4000 / perSecond, perSecond, answerMs, retries: 5 };
        const found = amplification(run({ ...world, limits: { retryBudget: { percent, minRetryConcurrency: 2, intervalMs: 0 } } }));
        t.ok(found <= bound(percent, 2, world), `${perSecond}/s, ${percent} %, ${answerMs} ms: ${found.toFixed(3)} of ${bound(percent, 2, world).toFixed(3)}`);
      }
    }
  }
  t.end();
});

const world = fc.record({
  seed: fc.integer(),
  perSecond: fc.integer({ min: 1, max: 400 }),
  seconds: fc.constant(2),
  answerMs: fc.integer({ min: 0, max: 300 }),
  failureRate: fc.double({ min: 0, max: 1, noNaN: true }),
  retries: fc.integer({ min: 1, max: 10 }),
  limits: fc.oneof(
    fc.constant({}),
    fc.record({ maxRetries: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ retryBudget: fc.record({ percent: fc.integer({ min: 0, max: 100 }), minRetryConcurrency: fc.integer({ min: 0, max: 10 }), intervalMs: fc.constant(0) }) }),
  ),
});

t.test('no retry is made above the limit of its moment, and every permit comes back', (t) => {
  fc.assert(
    fc.property(world, (world) => {
      const { requests, retries, failed, peakRetries, excess, cluster } = run(world);
      const { breaker, stats } = cluster;
      const refused = stats.upstreamRqRetryOverflow + stats.upstreamRqRetryLimitExceeded;
      return (
        excess === 0 &&
        breaker.retries === 0 &&
        breaker.requests === 0 &&
        retries === stats.upstreamRqRetry &&
        retries <= requests * world.retries &&
        peakRetries <= ('maxRetries' in world.limits ? world.limits.maxRetries : Infinity) &&
        // Each request that fails in the end was refused one more retry, by the count or by the limit.
        failed === refused
      );
    }),
    { numRuns: 60 },
  );
  t.end();
});

/**
 * Retries under way are at most a share p of the requests under way, retries among those. A retry holds its permit for its
 * back-off, too, so k of that time it is under way: r <= p k (1 + r). To this come the few that are always allowed, one
 * after another. A twentieth more, because arrivals crowd.
 */
function bound(percent: number, always: number, { perSecond, answerMs }: World): number {
  const heldMs = answerMs + BACKOFF_MS / 2;
  return 1.05 * (1 / (1 - (percent / 100) * (answerMs / heldMs)) + (always * 1000) / (perSecond * heldMs));
}
