/** Retry decisions: every condition against every outcome, the gates, the back-off, and which bodies must be kept. */

import fc from 'fast-check';
import t from 'tap';
import { DEFAULT_RETRY, type RetryCondition, type RetryConfig } from '../../../../config/runtime/retry.ts';
import { backoffDelayMs } from '../../../../proxy/base/backoff.ts';
import { createRetryPolicy, needsSentBody, type RetryPolicy } from '../../../../proxy/router/retry-policy.ts';
import { asksOnFailure, asksOnResponse, decideRetry, isImmediate, type AttemptFailure } from '../../../../proxy/router/retry.ts';
import { HeaderList } from '../../../../proxy/stream/header-list.ts';

function policy(conditions: readonly RetryCondition[], statusCodes: readonly number[] = []): RetryPolicy {
  const config: RetryConfig = { ...DEFAULT_RETRY, conditions, statusCodes };
  return createRetryPolicy(config);
}

t.test('responses', (t) => {
  const statuses = [200, 301, 404, 409, 425, 429, 500, 501, 502, 503, 504, 599];
  const rows: [conditions: RetryCondition[], codes: number[], asked: number[]][] = [
    [['5xx'], [], [500, 501, 502, 503, 504, 599]],
    [['gateway-error'], [], [502, 503, 504]],
    [['retriable-4xx'], [], [409]],
    [['retriable-status-codes'], [404, 425], [404, 425]],
    [['retriable-status-codes'], [200], [200]],
    [['retriable-status-codes'], [], []],
    [['retriable-4xx', 'gateway-error'], [], [409, 502, 503, 504]],
    [['reset', 'connect-failure', 'refused-stream', 'reset-before-request', 'retriable-headers', 'http3-post-connect-failure'], [], []],
    [['cancelled', 'deadline-exceeded', 'resource-exhausted', 'internal', 'unavailable'], [], []],
    [['envoy-ratelimited'], [], []],
  ];
  for (const [conditions, codes, asked] of rows) {
    const found = statuses.filter((status) => asksOnResponse(policy(conditions, codes), status, new HeaderList()));
    t.strictSame(found, asked, `${conditions.join()} ${codes.join()}`);
  }
  t.end();
});

t.test('a rate-limited answer is asked about by its own condition only, whatever its status', (t) => {
  const limited = new HeaderList(['x-envoy-ratelimited', 'true']);
  t.notOk(asksOnResponse(policy(['5xx', 'gateway-error']), 503, limited));
  t.ok(asksOnResponse(policy(['envoy-ratelimited']), 429, limited));
  t.ok(asksOnResponse(policy(['envoy-ratelimited']), 200, limited));
  t.ok(asksOnResponse(policy(['envoy-ratelimited', '5xx']), 503, new HeaderList()), 'without the header the status counts');
  t.end();
});

t.test('grpc-status in the head of an answer', (t) => {
  const rows: [RetryCondition, string][] = [['cancelled', '1'], ['deadline-exceeded', '4'], ['resource-exhausted', '8'], ['internal', '13'], ['unavailable', '14']];
  for (const [condition, status] of rows) {
    for (const other of ['0', '1', '2', '4', '8', '13', '14', '16', '99', 'x', '']) {
      t.equal(asksOnResponse(policy([condition]), 200, new HeaderList(['grpc-status', other])), other === status, `${condition} ${other}`);
    }
  }
  t.ok(asksOnResponse(createRetryPolicy(DEFAULT_RETRY), 200, new HeaderList(['grpc-status', '14'])), "Istio's default");
  t.notOk(asksOnResponse(createRetryPolicy(DEFAULT_RETRY), 503, new HeaderList()), 'a 503 is not in it');
  t.end();
});

t.test('attempts without a response', (t) => {
  const failures: AttemptFailure[] = ['connect_failure', 'connect_timeout', 'reset', 'refused_stream', 'per_try_timeout', 'overflow', 'refused'];
  const every = ['connect_failure', 'connect_timeout', 'reset', 'refused_stream', 'per_try_timeout'];
  const rows: [conditions: RetryCondition[], sent: string[], unsent: string[]][] = [
    [['5xx'], every, every],
    [['gateway-error'], every, every],
    [['reset'], every, every],
    [['reset-before-request'], [], every],
    [['connect-failure'], ['connect_failure', 'connect_timeout'], ['connect_failure', 'connect_timeout']],
    [['refused-stream'], ['refused_stream'], ['refused_stream']],
    [['retriable-4xx', 'retriable-status-codes', 'envoy-ratelimited', 'unavailable'], [], []],
  ];
  for (const [conditions, sent, unsent] of rows) {
    t.strictSame(failures.filter((failure) => asksOnFailure(policy(conditions, [503]), failure, true)), sent, `${conditions.join()}, sent`);
    t.strictSame(failures.filter((failure) => asksOnFailure(policy(conditions, [503]), failure, false)), unsent, `${conditions.join()}, nothing sent`);
  }
  t.end();
});

t.test('the gates in order: asked, attempts left, room', (t) => {
  t.equal(decideRetry(false, 0, false), 'final');
  t.equal(decideRetry(true, 0, false), 'exhausted', 'exhausted before the breaker is looked at');
  t.equal(decideRetry(true, 1, false), 'overflow');
  t.equal(decideRetry(true, 1, true), 'retry');
  t.end();
});

t.test('425 is tried again at once, when it is listed', (t) => {
  t.ok(isImmediate(policy(['retriable-status-codes'], [425]), 425));
  t.notOk(isImmediate(policy(['retriable-status-codes'], [503]), 425));
  t.notOk(isImmediate(policy(['retriable-status-codes'], [425, 503]), 503));
  t.end();
});

t.test("back-off: Envoy's intervals as its code has them", (t) => {
  const last = (baseMs: number): number[] => [1, 2, 3, 4, 5, 6, 50].map((retry) => backoffDelayMs(retry, baseMs, 1 - Number.EPSILON) + 1);
  t.strictSame(last(25), [25, 50, 100, 200, 250, 250, 250]);
  t.strictSame(last(100), [100, 200, 400, 800, 1000, 1000, 1000]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 60_000 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (retry, baseMs, random) => {
      const delay = backoffDelayMs(retry, baseMs, random);
      return Number.isInteger(delay) && delay >= 0 && delay < baseMs * 10;
    }),
  );
  t.end();
});

t.test('a body is kept only where it may be asked for after bytes of it have left', (t) => {
  t.notOk(needsSentBody(createRetryPolicy(DEFAULT_RETRY), false), "Istio's default: only gRPC answers can ask");
  t.ok(needsSentBody(createRetryPolicy(DEFAULT_RETRY), true));
  for (const condition of ['5xx', 'gateway-error', 'reset', 'retriable-4xx', 'envoy-ratelimited'] as const) t.ok(needsSentBody(policy([condition]), false), condition);
  t.ok(needsSentBody(policy(['retriable-status-codes'], [503]), false));
  t.notOk(needsSentBody(policy(['retriable-status-codes']), false));
  t.notOk(needsSentBody(policy(['connect-failure', 'reset-before-request', 'refused-stream']), true));
  t.end();
});
