/** The machine, as the report names it. */

import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { loadCore, proxyCore } from './config.ts';
import { closedLoopTool } from './load/run.ts';
import { pinning } from './measure/process.ts';
import { upstreamTool } from './upstream/upstream.ts';

/** Lines of `name: value`. */
export function describeMachine(): string[] {
  const all = cpus();
  return [
    `CPU: ${all[0]?.model ?? 'unknown'} (${processorFacts()}), ${all.length} cores`,
    `memory: ${Math.round(totalmem() / 1e9)} GB`,
    `kernel: Linux ${release()}`,
    `Node: ${process.version}`,
    pinning ? `pinning: proxy on core ${proxyCore}, load and upstream on core ${loadCore}` : 'pinning: none, taskset not found: expect noise',
    `closed-loop load: ${closedLoopTool}; open-loop load: own generator`,
    `upstream: ${upstreamTool}`,
  ];
}

/** Family and model number, because virtual machines often hide the marketing name. */
function processorFacts(): string {
  try {
    const text = readFileSync('/proc/cpuinfo', 'utf8');
    const fact = (name: string): string => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(text)?.[1] ?? '?';
    return `family ${fact('cpu family')}, model ${fact('model')}, stepping ${fact('stepping')}`;
  } catch {
    return 'details unknown';
  }
}
