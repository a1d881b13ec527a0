/** Times one operation: nanoseconds a call, the median of several rounds after warming up. */

export interface MicroBenchmark {
  readonly name: string;
  /** Called with a running number, so that it can vary its input; what it returns is kept alive. */
  readonly run: (i: number) => unknown;
}

export interface MicroResult {
  readonly name: string;
  readonly nsPerOp: number;
  /** Slowest and fastest round. */
  readonly worst: number;
  readonly best: number;
  /** Heap bytes a call left behind, from one round without a collection in between; about 0 = allocates nothing. */
  readonly bytesPerOp: number;
}

const ROUNDS = 9;
const ROUND_MS = 60;

/** Results land here so that the engine cannot leave the work out. */
let sink: unknown;

export function measure({ name, run }: MicroBenchmark): MicroResult {
  const calls = callsPerRound(run);
  const rounds = Array.from({ length: ROUNDS }, () => (timeMs(run, calls) * 1e6) / calls).toSorted((a, b) => a - b);
  return { name, nsPerOp: rounds[ROUNDS >> 1] as number, best: rounds[0] as number, worst: rounds.at(-1) as number, bytesPerOp: heapPerCall(run) };
}

/** Warms up while it looks for how many calls fill a round. */
function callsPerRound(run: MicroBenchmark['run']): number {
  let calls = 1000;
  for (let ms = timeMs(run, calls); ms < ROUND_MS; ms = timeMs(run, calls)) calls = Math.ceil(calls * Math.min(10, Math.max(1.2, (1.1 * ROUND_MS) / Math.max(ms, 0.01))));
  return calls;
}

function timeMs(run: MicroBenchmark['run'], calls: number): number {
  const started = performance.now();
  for (let i = 0; i < calls; i++) sink = run(i);
  return performance.now() - started;
}

/** The smallest of a few looks: a collection in between makes a look useless, and only downwards is then wrong by sign. */
function heapPerCall(run: MicroBenchmark['run']): number {
  const calls = 2000;
  let least = Infinity;
  for (let look = 0; look < 5; look++) {
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < calls; i++) sink = run(i);
    const grown = (process.memoryUsage().heapUsed - before) / calls;
    if (grown >= 0) least = Math.min(least, grown);
  }
  return least === Infinity || sink === run ? 0 : least;
}
