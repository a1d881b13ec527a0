/**
 * Metrics of the process itself, kept and written by prom-client: loaded at the first scrape (25 to 36 ms that the start
 * does not pay) and asked on scrapes only. The many series of clusters and of Istio's metrics are not given to it,
 * because it renders a metric in one go: 10,000 clusters would hold the event loop for more than 10 ms (`admin/exposition.ts`
 * writes them in slices).
 */

import { readdir } from 'node:fs/promises';
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import type { Counter, Gauge, Registry } from 'prom-client';

let registry: Promise<Registry> | undefined;

/** Prometheus text of the process's CPU, memory, descriptors and event-loop delay since the scrape before. */
export async function renderProcessMetrics(): Promise<string> {
  registry ??= createRegistry();
  return (await registry).metrics();
}

type Reading = readonly [name: string, help: string, read: () => number | Promise<number>];

const NANOSECONDS = 1e9;

async function createRegistry(): Promise<Registry> {
  const { default: prometheus } = await import('prom-client');
  const register = new prometheus.Registry();
  const readings: readonly Reading[] = [
    ['process_resident_memory_bytes', 'Resident memory size in bytes.', () => process.memoryUsage.rss()],
    ['process_start_time_seconds', 'Start time of the process since the epoch in seconds.', () => Math.round(performance.timeOrigin / 1000)],
    ['process_open_fds', 'Number of open file descriptors.', openDescriptors],
    ['nodejs_heap_size_total_bytes', 'Heap size in bytes.', () => process.memoryUsage().heapTotal],
    ['nodejs_heap_size_used_bytes', 'Heap in use in bytes.', () => process.memoryUsage().heapUsed],
    ['nodejs_external_memory_bytes', 'Memory outside the heap in bytes.', () => process.memoryUsage().external],
  ];
  for (const [name, help, read] of readings) {
    const gauge: Gauge = new prometheus.Gauge({ name, help, registers: [register], collect: async () => gauge.set(await read()) });
  }
  const cpu: Counter = new prometheus.Counter({
    name: 'process_cpu_seconds_total',
    help: 'User and system CPU time in seconds.',
    registers: [register],
    collect() {
      const { user, system } = process.cpuUsage();
      cpu.reset();
      cpu.inc((user + system) / 1e6);
    },
  });
  const histogram = monitorEventLoopDelay({ resolution: 10 });
  histogram.enable();
  const delay: Gauge<'quantile'> = new prometheus.Gauge({
    name: 'nodejs_eventloop_delay_seconds',
    help: 'Event-loop delay since the scrape before.',
    labelNames: ['quantile'],
    registers: [register],
    collect: () => setDelays(delay, histogram),
  });
  return register;
}

/** Before the first interval has passed the histogram is empty and its values mean nothing. */
function setDelays(gauge: Gauge<'quantile'>, histogram: IntervalHistogram): void {
  for (const percentile of [50, 90, 99, 100]) {
    const value = histogram.count === 0 ? 0 : histogram.percentile(percentile) / NANOSECONDS;
    gauge.set({ quantile: `${percentile / 100}` }, value);
  }
  histogram.reset();
}

/** Zero where the system has no /proc. */
async function openDescriptors(): Promise<number> {
  try {
    return (await readdir('/proc/self/fd')).length - 1;
  } catch {
    return 0;
  }
}
