/** CPU and memory of a process tree, from /proc: what the kernel billed, not what the process believes. */

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

/** User plus system time in µs of processes, their threads and their children, living or reaped. 0 for one that is gone. */
export function cpuMicros(pids: readonly number[]): number {
  return pids.flatMap(treeOf).reduce((sum, member) => sum + ownCpuMicros(member), 0);
}

/** Resident memory in MB (1,000,000 bytes) of processes and their children. Shared pages count once per process. */
export function residentMb(pids: readonly number[]): number {
  return pids.flatMap(treeOf).reduce((sum, member) => sum + ownResidentMb(member), 0);
}

/** Clock ticks per second of /proc/PID/stat. */
const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100;

function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)];
}

function childrenOf(pid: number): number[] {
  return entries(`/proc/${pid}/task`)
    .flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).split(' '))
    .filter((text) => text.trim() !== '')
    .map(Number);
}

function ownCpuMicros(pid: number): number {
  // The command name, second field, may hold blanks: count from its closing bracket. utime is field 14.
  const fields = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];
  const ticks = fields.slice(11, 15).reduce((sum, text) => sum + Number(text), 0);
  return (ticks / ticksPerSecond) * 1e6;
}

function ownResidentMb(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? '0';
  return (Number(kib) * 1024) / 1e6;
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
