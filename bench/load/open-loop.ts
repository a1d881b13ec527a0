/**
 * Open-loop load process: requests are due at a fixed rate and their latency counts from the time they were due, so a
 * stalled proxy cannot hide behind a load that politely waits. Usage: node open-loop.js '<OpenLoopJob>'; prints an
 * OpenLoopResult.
 */

import hdr from 'hdr-histogram-js';
import { Worker } from 'node:worker_threads';
import { Client, type Answer } from './client.ts';
import { requestBytes, type OpenLoopJob, type OpenLoopResult } from './job.ts';

const job = JSON.parse(process.argv[2] ?? '{}') as OpenLoopJob;
const bytes = requestBytes(job.request);
const periodMs = 1000 / job.rate;
const ticks = Math.round(job.durationMs / periodMs);
// The first half second opens the connections and warms this process; it is sent but not counted.
const uncounted = Math.round(500 / periodMs);

const histogram = hdr.build({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3 });
const watched = job.watchHeader === undefined ? undefined : new RegExp(`\\r\\n${job.watchHeader}: *([^\\r]*)\\r\\n`, 'i');
const dueOf = new Map<Client, number>();
const idle = Array.from({ length: job.connections }, () => new Client({ port: job.port, onAnswer }));
const queue: number[] = [];
let firstValue: string | undefined;
let changedAtMs: number | undefined;
let answered = 0;
let errors = 0;

const startMs = now() + 50;
const metronome = new Worker(new URL('./metronome.js', import.meta.url), { workerData: { periodMs, ticks: ticks + uncounted, startMs } });
metronome.on('message', (tick: number) => send(tick));
// A proxy that never answers must not hang the bench.
setTimeout(report, job.durationMs + 10_000).unref();

function send(tick: number): void {
  const client = idle.pop();
  if (client === undefined) {
    queue.push(tick);
    return;
  }
  dueOf.set(client, tick);
  client.send(bytes[tick % bytes.length] as Buffer);
}

function onAnswer(client: Client, answer: Answer): void {
  const tick = dueOf.get(client) ?? 0;
  answered += 1;
  if (!answer.ok) errors += 1;
  if (tick >= uncounted) histogram.recordValue(Math.max(1, Math.round((now() - startMs - tick * periodMs) * 1000)));
  if (watched !== undefined) watch(watched.exec(answer.head)?.[1] ?? '');
  idle.push(client);
  const next = queue.shift();
  if (next !== undefined) send(next);
  if (answered === ticks + uncounted) report();
}

function watch(value: string): void {
  firstValue ??= value;
  if (value !== firstValue) changedAtMs ??= Date.now();
}

function report(): void {
  const result: OpenLoopResult = {
    requests: answered,
    errors: errors + (ticks + uncounted - answered),
    p50Us: histogram.getValueAtPercentile(50),
    p99Us: histogram.getValueAtPercentile(99),
    p999Us: histogram.getValueAtPercentile(99.9),
    maxUs: histogram.maxValue,
    ...(changedAtMs === undefined ? {} : { changedAtMs }),
  };
  process.stdout.write(JSON.stringify(result), () => process.exit(0));
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
