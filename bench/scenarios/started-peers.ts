/** Starts the peers of a scenario on one upstream, runs the rounds ABCABC, and stops everything again, whatever happens. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { benchHost } from '../config.ts';
import { freePort, waitForAnswer } from '../measure/ports.ts';
import type { Peer, RunningPeer, Sample, ScenarioContext } from '../types.ts';
import { startUpstream, type Upstream } from '../upstream/upstream.ts';

export interface StartedPeer extends RunningPeer {
  readonly name: string;
  /** A folder of the peer's own, which still holds its configuration. */
  readonly folder: string;
  readonly upstreamPort: number;
}

export interface RoundPlan {
  /** Give peers an access-log file. */
  readonly accessLog: boolean;
  /** Once per peer before the rounds. */
  warmUp(peer: StartedPeer): Promise<void>;
  /** Once per peer and round. */
  round(peer: StartedPeer): Promise<readonly Sample[]>;
}

/** A peer that fails is noted and left out of the remaining rounds; the others go on. */
export async function runRounds(name: string, context: ScenarioContext, plan: RoundPlan): Promise<Sample[]> {
  const folder = context.folder(name);
  const upstream = await startUpstream(folder);
  let started: StartedPeer[] = [];
  const samples: Sample[] = [];
  const attempt = async (peer: StartedPeer, step: () => Promise<void>): Promise<void> => {
    try {
      await step();
    } catch (error) {
      context.note(`${name}: ${peer.name} failed and is left out: ${error instanceof Error ? error.message : String(error)}`);
      started = started.filter((other) => other !== peer);
      await peer.stop();
    }
  };
  try {
    for (const peer of context.peers) {
      const running = await startOne(peer, upstream, join(folder, peer.name), plan.accessLog);
      started.push(running);
      await attempt(running, () => ready(running));
    }
    for (const peer of [...started]) await attempt(peer, () => plan.warmUp(peer));
    for (let round = 1; round <= context.timing.rounds; round += 1) {
      context.note(`${name}: round ${round} of ${context.timing.rounds}`);
      for (const peer of [...started]) await attempt(peer, async () => void samples.push(...(await plan.round(peer))));
    }
    return samples;
  } finally {
    for (const peer of started) await peer.stop();
    await upstream.stop();
  }
}

/** Starts one peer without waiting for it. */
export async function startOne(peer: Peer, upstream: Upstream, folder: string, accessLog: boolean): Promise<StartedPeer> {
  mkdirSync(folder, { recursive: true });
  const log = accessLog ? { accessLog: join(folder, 'access.log') } : {};
  const running = await peer.start({ listenPort: await freePort(), upstreamPort: upstream.port, upstreamPorts: upstream.ports, folder, ...log });
  return { ...running, name: peer.name, folder, upstreamPort: upstream.port };
}

async function ready(peer: StartedPeer): Promise<void> {
  await waitForAnswer(peer.port, benchHost, 30_000);
}
