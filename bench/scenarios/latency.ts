/** Open loop at a fixed rate: latency percentiles from the time each request was due, and memory while it runs. */

import { benchHost, benchPort, openLoopConnections, openLoopRate } from '../config.ts';
import { openLoop } from '../load/run.ts';
import { cpuMicros, residentMb } from '../measure/usage.ts';
import type { Sample, Scenario, ScenarioContext } from '../types.ts';
import { runRounds, type StartedPeer } from './started-peers.ts';

export const latency: Scenario = {
  name: 'latency',
  title: `HTTP/1, 1 KB answers at ${openLoopRate} requests/s, open loop; memory meanwhile`,
  admits: (peer) => peer.name !== 'outrider-10k' && peer.policy === undefined,
  run: runLatency,
};

function runLatency(context: ScenarioContext): Promise<Sample[]> {
  return runRounds('latency', context, {
    accessLog: false,
    warmUp: async (peer) => void (await measure(peer, context.timing.warmUpMs)),
    round: (peer) => measure(peer, context.timing.measureMs * 2),
  });
}

async function measure(peer: StartedPeer, durationMs: number): Promise<Sample[]> {
  const request = { method: 'GET', path: '/', host: `${benchHost}:${benchPort}`, bodyBytes: 0, close: false } as const;
  const before = cpuMicros(peer.pids);
  const memory = watchMemory(peer.pids);
  const result = await openLoop({ port: peer.port, connections: openLoopConnections, durationMs, request, rate: openLoopRate });
  const loadRssMb = memory.stop();
  if (result.errors > 0) throw new Error(`${result.errors} errors in ${result.requests} requests`);
  const { name } = peer;
  const samples: Sample[] = [
    { peer: name, metric: 'p50Us', value: result.p50Us },
    { peer: name, metric: 'p99Us', value: result.p99Us },
    { peer: name, metric: 'p999Us', value: result.p999Us },
  ];
  if (peer.pids.length === 0) return samples;
  const cpuUs = (cpuMicros(peer.pids) - before) / result.requests;
  return [...samples, { peer: name, metric: 'loadRssMb', value: loadRssMb }, { peer: name, metric: 'cpuUsPerRequest', value: cpuUs }];
}

/** Highest resident memory seen until `stop`, looked at four times a second. */
function watchMemory(pids: readonly number[]): { stop(): number } {
  let highest = 0;
  const look = (): void => {
    highest = Math.max(highest, residentMb(pids));
  };
  const timer = setInterval(look, 250);
  return {
    stop() {
      clearInterval(timer);
      look();
      return highest;
    },
  };
}
