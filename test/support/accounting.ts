/** What a long run is held to afterwards: a log line for every request, gauges back at zero, memory that does not grow. */

import { readFile } from 'node:fs/promises';
import type { Outcome } from './mixed-load.ts';
import type { Proxy } from './proxy.ts';

/** Fields of one line of a JSON access log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** The lines of an access log in JSON, by request id. The log is written at least once a second. */
export async function logById(file: string): Promise<ReadonlyMap<string, readonly LogLine[]>> {
  const byId = new Map<string, LogLine[]>();
  for (const text of (await readFile(file, 'utf8')).trimEnd().split('\n')) {
    const line = JSON.parse(text) as LogLine;
    const id = String(line['request_id']);
    const own = byId.get(id);
    if (own === undefined) byId.set(id, [line]);
    else own.push(line);
  }
  return byId;
}

/** Requests that do not have exactly one log line, with the status that their client saw where it saw a whole answer. */
export function unaccounted(outcomes: readonly Outcome[], log: ReadonlyMap<string, readonly LogLine[]>): Outcome[] {
  return outcomes.filter(({ id, end }) => {
    const own = log.get(id) ?? [];
    // A client that left may have done so before its head arrived.
    if (end === 'left') return own.length > 1;
    return own.length !== 1 || (typeof end === 'number' && own[0]?.['response_code'] !== end);
  });
}

/** Gauges of requests, retries and connections that are not zero, `name: value`. `connections: false` leaves idle ones out. */
export async function busyGauges(proxy: Proxy, { connections = false } = {}): Promise<string[]> {
  const stats = (await proxy.admin('/stats')).split('\n').filter((line) => /(downstream_rq_active|upstream_rq_active|upstream_rq_pending_active|\.rq_active): [1-9-]/.test(line));
  const hosts = (await proxy.admin('/clusters')).split('\n').filter((line) => /::rq_active::[1-9-]/.test(line));
  if (!connections) return [...stats, ...hosts];
  const upstream = (await proxy.admin('/stats')).split('\n').filter((line) => /upstream_cx_active: [1-9-]/.test(line));
  return [...stats, ...hosts, ...upstream];
}

/** Looks at a process's resident memory once a second until `stop`, which gives early and late medians in KB. */
export function watchMemory(pid: number | undefined): { stop(): { readonly earlyKb: number; readonly lateKb: number } } {
  const seen: number[] = [];
  const timer = setInterval(() => void residentKb(pid).then((kb) => seen.push(kb)), 1000);
  return {
    stop() {
      clearInterval(timer);
      const part = (from: number, to: number): number => median(seen.slice(Math.floor(seen.length * from), Math.ceil(seen.length * to)));
      return { earlyKb: part(0.2, 0.4), lateKb: part(0.8, 1) };
    },
  };
}

async function residentKb(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
