/** Bytes in bulk through a TCP listener, from the upstream to the load: how many a CPU second of the proxy carries. */

import { benchHost, bulkConnections } from '../config.ts';
import { bulk } from '../load/run.ts';
import { cpuMicros } from '../measure/usage.ts';
import type { Sample, Scenario, ScenarioContext } from '../types.ts';
import { runRounds, type StartedPeer } from './started-peers.ts';

export const tcpPass: Scenario = {
  name: 'tcp-pass',
  title: `TCP pass-through, bytes in bulk over ${bulkConnections} connections (counted once, not on each side)`,
  work: 'tcp',
  admits: (peer) => peer.works.includes('tcp'),
  bases: ['nginx', 'haproxy', 'envoy'],
  run: runTcpPass,
};

function runTcpPass(context: ScenarioContext): Promise<Sample[]> {
  return runRounds('tcp-pass', context, {
    work: 'tcp',
    accessLog: false,
    warmUp: async (peer) => void (await measure(peer, context.timing.warmUpMs)),
    round: (peer) => measure(peer, context.timing.measureMs),
  });
}

async function measure(peer: StartedPeer, durationMs: number): Promise<Sample[]> {
  const before = cpuMicros(peer.pids);
  const result = await bulk({ port: peer.port, connections: bulkConnections, durationMs, host: benchHost });
  const spentUs = cpuMicros(peer.pids) - before;
  if (result.bytes === 0 || result.errors > 0) throw new Error(`${result.errors} connections broke after ${result.bytes} bytes`);
  const megabytes = result.bytes / 1e6;
  const rate: Sample = { peer: peer.name, metric: 'mbPerSecond', value: megabytes / result.seconds };
  if (peer.pids.length === 0) return [rate];
  return [{ peer: peer.name, metric: 'mbPerCpuSecond', value: megabytes / (spentUs / 1e6) }, rate];
}
