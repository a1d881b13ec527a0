/** Limits of a cluster in virtual time. Pools take and give back its permits in http1-pool.test.ts. */

import t from 'tap';
import type { RetryBudgetConfig } from '../../../../config/runtime/cluster.ts';
import { CircuitBreaker } from '../../../../proxy/upstream/circuit-breaker.ts';
import { TestClock } from '../../../support/clock.ts';

const everySecond: RetryBudgetConfig = { percent: 10, minRetryConcurrency: 0, intervalMs: 1000 };

function budgeted(retryBudget: RetryBudgetConfig): { readonly breaker: CircuitBreaker; readonly clock: TestClock } {
  const clock = new TestClock();
  return { breaker: new CircuitBreaker({ retryBudget }, clock), clock };
}

/** Requests that are sent and answered at once. */
function send(breaker: CircuitBreaker, count: number): void {
  for (let sent = 0; sent < count; sent++) {
    breaker.admitRequest();
    breaker.releaseRequest();
  }
}

t.test('a retry budget without an interval is a share of what is under way and waiting', async (t) => {
  const { breaker } = budgeted({ ...everySecond, intervalMs: 0 });
  send(breaker, 100);
  t.equal(breaker.retryLimit, 0);
  for (let i = 0; i < 15; i++) breaker.admitRequest();
  for (let i = 0; i < 14; i++) breaker.admitPending();
  t.equal(breaker.retryLimit, 2, 'of 29, rounded down');
});

t.test('with an interval it is a share of what was sent in that time', async (t) => {
  const { breaker, clock } = budgeted(everySecond);
  t.equal(breaker.retryLimit, 0);
  send(breaker, 9);
  t.equal(breaker.retryLimit, 0);
  send(breaker, 1);
  t.equal(breaker.retryLimit, 1);
  clock.advance(500);
  send(breaker, 20);
  t.equal(breaker.retryLimit, 3);
  clock.advance(500);
  t.equal(breaker.retryLimit, 2, 'the first ten are too long ago');
  clock.advance(500);
  t.equal(breaker.retryLimit, 0);
  for (let i = 0; i < 30; i++) breaker.admitPending();
  t.equal(breaker.retryLimit, 0, 'who waits was not sent yet');
});

t.test('a request counts for nine tenths of the interval at least, and for all of it at the most', async (t) => {
  for (let begin = 0; begin < 1000; begin += 37) {
    const { breaker, clock } = budgeted({ ...everySecond, percent: 100 });
    clock.advance(begin);
    send(breaker, 1);
    clock.advance(899);
    t.equal(breaker.retryLimit, 1, `sent at ${begin}`);
    clock.advance(101);
    t.equal(breaker.retryLimit, 0, `sent at ${begin}`);
  }
});

t.test('however long ago the last request was, and however short the interval', async (t) => {
  for (const intervalMs of [1, 7, 1000, 86_400_000]) {
    const { breaker, clock } = budgeted({ percent: 100, minRetryConcurrency: 0, intervalMs });
    for (const idle of [0, 1, 3, 20, 1e6]) {
      clock.advance(idle * intervalMs);
      send(breaker, 3);
      t.equal(breaker.retryLimit, idle === 0 || idle >= 1 ? 3 : 6, `${intervalMs} ms, after ${idle} intervals`);
    }
  }
});

t.test('what is under way for longer than the interval counts no more; the floor stays', async (t) => {
  const { breaker, clock } = budgeted({ ...everySecond, minRetryConcurrency: 2 });
  for (let i = 0; i < 100; i++) breaker.admitRequest();
  t.equal(breaker.retryLimit, 10);
  clock.advance(1000);
  t.equal(breaker.retryLimit, 2);
});

t.test('a reload keeps what was counted, unless the interval changes', async (t) => {
  const { breaker } = budgeted(everySecond);
  send(breaker, 100);
  breaker.setLimits({ retryBudget: { ...everySecond, percent: 20 } });
  t.equal(breaker.retryLimit, 20);
  breaker.setLimits({ retryBudget: { ...everySecond, intervalMs: 2000 } });
  t.equal(breaker.retryLimit, 0);
  breaker.setLimits({ maxRetries: 3 });
  send(breaker, 100);
  t.equal(breaker.retryLimit, 3);
});
