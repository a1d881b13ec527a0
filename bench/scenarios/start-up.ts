/** From spawn to the first answer, and the memory a peer holds when nothing has asked it anything yet. */

import { join } from 'node:path';
import { benchHost, benchPort } from '../config.ts';
import { waitForAnswer } from '../measure/ports.ts';
import { residentMb } from '../measure/usage.ts';
import type { Peer, Sample, Scenario, ScenarioContext } from '../types.ts';
import { startUpstream, type Upstream } from '../upstream/upstream.ts';
import { startOne } from './started-peers.ts';

export const startUp: Scenario = {
  name: 'start-up',
  title: 'From process start to the first answer; memory one second later',
  admits: (peer) => peer.name !== 'direct' && peer.policy === undefined,
  run: runStartUp,
};

async function runStartUp(context: ScenarioContext): Promise<Sample[]> {
  const folder = context.folder('start-up');
  const upstream = await startUpstream(folder);
  const samples: Sample[] = [];
  try {
    for (let round = 0; round < context.timing.rounds; round += 1) {
      for (const peer of context.peers) samples.push(...(await startOnce(peer, upstream, join(folder, `${peer.name}-${round}`))));
    }
    return samples;
  } finally {
    await upstream.stop();
  }
}

async function startOnce(peer: Peer, upstream: Upstream, folder: string): Promise<Sample[]> {
  // Configuration is written before the spawn inside start(); the large snapshot's files take longer than the start itself.
  const running = await startOne(peer, upstream, folder, { work: 'http', accessLog: false });
  try {
    const firstAnswerMs = await waitForAnswer(running.port, `${benchHost}:${benchPort}`, 60_000);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const idleRssMb = residentMb(running.pids);
    return [
      { peer: peer.name, metric: 'firstAnswerMs', value: firstAnswerMs },
      { peer: peer.name, metric: 'idleRssMb', value: idleRssMb },
    ];
  } finally {
    await running.stop();
  }
}
