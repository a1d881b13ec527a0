/** Keep-alive probes: what is written is asked for, the rest is the system's and not Node's default. */

import t from 'tap';
import { startKeepAlive, type KeepAlive } from '../../../../proxy/base/keep-alive.ts';

const cases: readonly (readonly [written: KeepAlive, asked: readonly unknown[]])[] = [
  [{}, [true]],
  [{ timeMs: 30_000 }, [true, 30_000, 75_000, 9]],
  [{ probes: 3 }, [true, 7_200_000, 75_000, 3]],
  [{ intervalMs: 5000 }, [true, 7_200_000, 5000, 9]],
  [{ timeMs: 10_000, intervalMs: 2000, probes: 4 }, [true, 10_000, 2000, 4]],
  [{ timeMs: 1, intervalMs: 1 }, [true, 1000, 1000, 9]],
];

for (const [written, asked] of cases) {
  t.test(JSON.stringify(written), (t) => {
    const calls: unknown[][] = [];
    startKeepAlive({ setKeepAlive: (...args: unknown[]) => calls.push(args) }, written);
    t.strictSame(calls, [asked]);
    t.end();
  });
}
