/** When a proxy that was asked to end may leave: a table, and whole shutdowns in virtual time. */

import t from 'tap';
import { decideDeparture, type Departure, type DeparturePolicy } from '../../../../proxy/server/departure.ts';

const POLICY: DeparturePolicy = { minimumDrainMs: 5000, drainTimeMs: 25_000 };

t.test('one decision', async (t) => {
  const rows: readonly [name: string, elapsedMs: number, activeConnections: number, expected: Departure, policy?: DeparturePolicy][] = [
    ['accepts for the minimum, whoever is connected', 0, 0, { kind: 'stay', lookAgainInMs: 5000, closeIdle: false }],
    ['looks when the minimum is over', 4000, 3, { kind: 'stay', lookAgainInMs: 1000, closeIdle: false }],
    ['leaves when nobody is left', 5000, 0, { kind: 'leave', reason: 'nobody is connected' }],
    ['closes the idle ones, and sees at once that they are gone', 5000, 2, { kind: 'stay', lookAgainInMs: 50, closeIdle: true }],
    ['then looks every second', 6000, 2, { kind: 'stay', lookAgainInMs: 1000, closeIdle: true }],
    ['not past the drain time', 24_700, 2, { kind: 'stay', lookAgainInMs: 300, closeIdle: true }],
    ['which ends it', 25_000, 2, { kind: 'leave', reason: 'the drain time is over' }],
    ['a minimum longer than the drain time is cut', 0, 1, { kind: 'stay', lookAgainInMs: 1000, closeIdle: false }, { minimumDrainMs: 5000, drainTimeMs: 1000 }],
    ['without a drain time it leaves at once', 0, 9, { kind: 'leave', reason: 'the drain time is over' }, { minimumDrainMs: 5000, drainTimeMs: 0 }],
    ['without a minimum', 0, 0, { kind: 'leave', reason: 'nobody is connected' }, { minimumDrainMs: 0, drainTimeMs: 1000 }],
  ];
  for (const [name, elapsedMs, activeConnections, expected, policy = POLICY] of rows) t.same(decideDeparture({ elapsedMs, activeConnections }, policy), expected, name);
});

t.test('whole shutdowns', async (t) => {
  /** Time of leaving, when connections are as `connections` says; idle ones count for nothing once they are closed. */
  const leavesAt = (busyUntilMs: number, idle: number, policy = POLICY): number => {
    let now = 0;
    let closed = false;
    for (let looks = 0; looks < 1000; looks++) {
      const departure = decideDeparture({ elapsedMs: now, activeConnections: (now < busyUntilMs ? 1 : 0) + (closed ? 0 : idle) }, policy);
      if (departure.kind === 'leave') return now;
      closed ||= departure.closeIdle;
      t.ok(departure.lookAgainInMs > 0, 'time goes on');
      now += departure.lookAgainInMs;
    }
    throw new Error('it never leaves');
  };
  t.equal(leavesAt(0, 0), 5000, 'nobody there: the minimum');
  t.equal(leavesAt(0, 7), 5050, 'idle connections only');
  t.equal(leavesAt(9500, 1), 10_000, 'the application goes after 9.5 s');
  t.equal(leavesAt(Infinity, 0), 25_000, 'it never goes');
  t.equal(leavesAt(0, 0, { minimumDrainMs: 0, drainTimeMs: 25_000 }), 0);
});
