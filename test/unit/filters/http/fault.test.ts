/** Faults in virtual time: who is hit, in which order, with which flags, and that nothing is left behind. Expectations from Envoy 1.40. */

import t from 'tap';
import { createFault, type FaultPolicy } from '../../../../filters/http/fault.ts';
import type { Filter } from '../../../../filters/filter.ts';
import { seededRandom, type Random } from '../../../../proxy/base/random.ts';
import { localResponse } from '../../../../proxy/http/local-replies.ts';
import type { LocalReply } from '../../../../proxy/stream/local-reply.ts';
import { renderResponseFlags, ResponseFlag } from '../../../../proxy/stream/response-flags.ts';
import type { FilterCounters, Stream } from '../../../../proxy/stream/stream.ts';
import { TestClock } from '../../../support/clock.ts';
import { completedStream } from '../../../support/completed-stream.ts';
import { scriptedRandom } from '../../../support/random.ts';
import { withinFiveSigma } from '../../../support/splits.ts';

interface Bench {
  readonly filter: Filter;
  readonly clock: TestClock;
  readonly counters: FilterCounters;
  readonly stream: () => Stream;
}

function bench(policy: FaultPolicy, random: Random = scriptedRandom(0)): Bench {
  const clock = new TestClock();
  const filter = createFault(policy, { random, now: () => clock.now(), setTimer: (delayMs, fire) => clock.setTimer(delayMs, fire) });
  if (filter === undefined) throw new Error('no filter');
  const counters = { faultDelaysInjected: 0, faultAbortsInjected: 0, faultActiveFaults: 0 };
  return { filter, clock, counters, stream: () => ({ ...completedStream({ info: { flags: 0 } }), counters }) };
}

const delay = { fixedDelayMs: 500, percent: 100 };
const abort = { httpStatus: 418, percent: 100 };
const reply = (status: number): LocalReply => ({ status, body: 'fault filter abort', flags: ResponseFlag.FaultInjected, details: 'fault_filter_abort' });
const counts = (delays: number, aborts: number, active: number): FilterCounters => ({ faultDelaysInjected: delays, faultAbortsInjected: aborts, faultActiveFaults: active });

t.test('delay, abort and both', async (t) => {
  const rows: readonly (readonly [what: string, policy: FaultPolicy, delayed: boolean, reply: LocalReply | undefined])[] = [
    ['delay', { delay }, true, undefined],
    ['abort', { abort }, false, reply(418)],
    ['both', { delay, abort }, true, reply(418)],
    ['grpcStatus', { abort: { grpcStatus: 14, percent: 100 } }, false, { ...reply(200), grpcStatus: 14 }],
    ['grpcStatus OK', { abort: { grpcStatus: 0, percent: 100 } }, false, { ...reply(200), grpcStatus: 0 }],
    ['httpStatus wins over grpcStatus', { abort: { ...abort, grpcStatus: 14 } }, false, reply(418)],
  ];
  for (const [what, policy, delayed, expected] of rows) {
    const { filter, clock, counters, stream: create } = bench(policy);
    const stream = create();
    const outcome = filter.onRequest?.(stream);
    t.equal(outcome instanceof Promise, delayed, `${what}: delayed`);
    if (delayed) {
      t.same(counters, counts(1, 0, 1), `${what}: active from the first fault on`);
      let settled = false;
      void Promise.resolve(outcome).then(() => (settled = true));
      clock.advance(499.9);
      await Promise.resolve();
      t.equal(settled, false, `${what}: not yet`);
      clock.advance(0.1);
    }
    t.strictSame(await outcome, expected, what);
    t.equal(renderResponseFlags(stream.info.flags | (expected?.flags ?? 0)), [...(delayed ? ['DI'] : []), ...(expected ? ['FI'] : [])].join(','), `${what}: flags`);
    t.same(counters, counts(delayed ? 1 : 0, expected ? 1 : 0, 1), `${what}: counted once while the stream lives`);
    filter.onComplete?.(stream);
    t.same(counters, counts(delayed ? 1 : 0, expected ? 1 : 0, 0), `${what}: no longer active`);
    t.equal(clock.pending, 0);
  }
});

t.test('the dice of delay and abort are two, and the second is thrown when the delay is over', async (t) => {
  const policy: FaultPolicy = { delay: { fixedDelayMs: 10, percent: 50 }, abort: { httpStatus: 503, percent: 10 } };
  const rows: readonly (readonly [draws: readonly number[], delayed: boolean, aborted: boolean])[] = [
    [[0.499999, 0.099999], true, true],
    [[0.499999, 0.1], true, false],
    [[0.5, 0.099999], false, true],
    [[0.5, 0.1], false, false],
  ];
  for (const [draws, delayed, aborted] of rows) {
    let drawn = 0;
    const { filter, clock, stream } = bench(policy, () => draws[drawn++] ?? 1);
    const outcome = filter.onRequest?.(stream());
    t.equal(drawn, delayed ? 1 : 2, 'draws before the delay');
    clock.advance(10);
    t.same(await outcome, aborted ? reply(503) : undefined, `${draws.join(', ')}: abort`);
    t.equal(drawn, 2, 'draws in all');
    t.equal(outcome instanceof Promise, delayed, `${draws.join(', ')}: delay`);
  }
});

t.test('a stream that ends during its delay takes the timer with it', (t) => {
  const { filter, clock, counters, stream: create } = bench({ delay, abort });
  const streams = [create(), create()];
  for (const stream of streams) void filter.onRequest?.(stream);
  t.equal(clock.pending, 2);
  for (const stream of streams) filter.onComplete?.(stream);
  t.equal(clock.pending, 0);
  t.same(counters, counts(2, 0, 0));
  clock.advance(1000);
  t.same(counters, counts(2, 0, 0), 'and is not aborted afterwards');
  t.end();
});

t.test('completion of a stream without a fault counts nothing', (t) => {
  const { filter, counters, stream: create } = bench({ abort: { httpStatus: 500, percent: 10 } }, scriptedRandom(0.5));
  const stream = create();
  t.equal(filter.onRequest?.(stream), undefined);
  filter.onComplete?.(stream);
  t.same(counters, counts(0, 0, 0));
  const uncounted = { ...stream, counters: undefined };
  t.equal(filter.onRequest?.(uncounted), undefined, 'a stream that nobody counts');
  t.end();
});

t.test('no fault, no filter', (t) => {
  const deps = { random: () => 0, now: () => 0, setTimer: () => ({ cancel: () => {} }) };
  for (const policy of [{}, { delay: { ...delay, percent: 0 } }, { abort: { ...abort, percent: 0 } }, { delay: { fixedDelayMs: 0, percent: 100 } }, { delay: { ...delay, percent: 0 }, abort: { ...abort, percent: 0 } }]) {
    t.equal(createFault(policy, deps), undefined, JSON.stringify(policy));
  }
  t.end();
});

t.test('percentages', (t) => {
  const tries = 20_000;
  for (const percent of [0.0001, 1, 33.3333, 50, 99.9999, 100]) {
    const { filter, counters, stream } = bench({ abort: { httpStatus: 500, percent } }, seededRandom(percent * 10_000));
    const same = stream();
    for (let i = 0; i < tries; i++) {
      void filter.onRequest?.(same);
      filter.onComplete?.(same);
    }
    t.ok(withinFiveSigma(counters.faultAbortsInjected, tries, percent / 100), `${percent} %`, { got: counters.faultAbortsInjected });
    if (percent === 100) t.equal(counters.faultAbortsInjected, tries, '100 is always');
  }
  const { filter, stream } = bench({ abort: { httpStatus: 500, percent: 0.0001 } }, scriptedRandom(0.000_000_9, 0.000_001));
  t.ok(filter.onRequest?.(stream()), 'one in a million is the finest step: the last draw inside it');
  t.notOk(filter.onRequest?.(stream()), 'the first outside');
  t.end();
});

t.test('what goes down for an abort', (t) => {
  const rows: readonly (readonly [policy: FaultPolicy['abort'], grpc: boolean, status: number, headers: readonly string[], body: string | undefined])[] = [
    [{ httpStatus: 555, percent: 100 }, false, 555, ['content-type', 'text/plain'], 'fault filter abort'],
    [{ httpStatus: 403, percent: 100 }, true, 200, ['content-type', 'application/grpc', 'grpc-status', '7', 'grpc-message', 'fault filter abort'], undefined],
    [{ httpStatus: 418, percent: 100 }, true, 200, ['content-type', 'application/grpc', 'grpc-status', '2', 'grpc-message', 'fault filter abort'], undefined],
    [{ httpStatus: 200, percent: 100 }, true, 200, ['content-type', 'application/grpc', 'grpc-status', '2', 'grpc-message', 'fault filter abort'], undefined],
    [{ grpcStatus: 5, percent: 100 }, true, 200, ['content-type', 'application/grpc', 'grpc-status', '5', 'grpc-message', 'fault filter abort'], undefined],
    [{ grpcStatus: 0, percent: 100 }, true, 200, ['content-type', 'application/grpc', 'grpc-status', '0', 'grpc-message', 'fault filter abort'], undefined],
    [{ grpcStatus: 5, percent: 100 }, false, 200, ['content-type', 'text/plain'], 'fault filter abort'],
  ];
  for (const [policy, grpc, status, headers, body] of rows) {
    if (policy === undefined) continue;
    const { filter, stream } = bench({ abort: policy });
    const { head, body: bytes } = localResponse(filter.onRequest?.(stream()) as LocalReply, grpc);
    const what = `${JSON.stringify(policy)}${grpc ? ', gRPC' : ''}`;
    t.equal(head.status, status, `${what}: status`);
    t.same(head.headers.items, headers, `${what}: headers`);
    t.equal(bytes?.toString(), body, `${what}: body`);
  }
  t.end();
});
