/**
 * Worker thread that ticks at exact times. Node's timers have a grain of 1 ms, which would drown a 150 µs latency; a thread
 * that sleeps in Atomics.wait until shortly before the tick and spins for the rest is good to a few µs and leaves the core
 * to the upstream in between.
 */

import { parentPort, workerData } from 'node:worker_threads';

interface MetronomePlan {
  /** Time between ticks, ms. */
  readonly periodMs: number;
  readonly ticks: number;
  /** `performance.timeOrigin`-based time of tick 0, ms. */
  readonly startMs: number;
}

const spinMs = 0.08;
const plan = workerData as MetronomePlan;
const cell = new Int32Array(new SharedArrayBuffer(4));

for (let tick = 0; tick < plan.ticks; tick += 1) {
  const due = plan.startMs + tick * plan.periodMs;
  const sleepMs = due - now() - spinMs;
  if (sleepMs > 0) Atomics.wait(cell, 0, 0, sleepMs);
  while (now() < due) continue;
  parentPort?.postMessage(tick);
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
