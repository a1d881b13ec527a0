/** Starts the peers of a scenario on one upstream, runs the rounds ABCABC, and stops everything again, whatever happens. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { benchHost } from '../config.ts';
import { freePort, waitForAnswer } from '../measure/ports.ts';
import { issueCertificates } from '../certificates.ts';
import type { Peer, PeerPlan, RunningPeer, Sample, ScenarioContext, Work } from '../types.ts';
import { startBulkUpstream, startUpstream, type Upstream } from '../upstream/upstream.ts';

export interface StartedPeer extends RunningPeer {
  readonly name: string;
  /** A folder of the peer's own, which still holds its configuration. */
  readonly folder: string;
  readonly upstreamPort: number;
}

export interface RoundPlan {
  /** What the peers are started for; `http` where absent. */
  readonly work?: Work;
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
  const { work = 'http' } = plan;
  const order: Order = { work, accessLog: plan.accessLog, ...(hasTls(work) ? { certificates: issueCertificates(join(folder, 'certificates')) } : {}) };
  const upstream = await (work === 'tcp' ? startBulkUpstream() : startUpstream(folder));
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
      const running = await startOne(peer, upstream, join(folder, peer.name), order);
      started.push(running);
      await attempt(running, () => ready(running, work));
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

/** What is asked of every peer of a scenario. */
interface Order extends Pick<PeerPlan, 'work' | 'certificates'> {
  readonly accessLog: boolean;
}

/** Starts one peer without waiting for it. */
export async function startOne(peer: Peer, upstream: Upstream, folder: string, { accessLog, ...order }: Order): Promise<StartedPeer> {
  mkdirSync(folder, { recursive: true });
  const log = accessLog ? { accessLog: join(folder, 'access.log') } : {};
  const running = await peer.start({ ...order, listenPort: await freePort(), upstreamPort: upstream.port, upstreamPorts: upstream.ports, folder, ...log });
  return { ...running, name: peer.name, folder, upstreamPort: upstream.port };
}

function hasTls(work: Work): boolean {
  return work === 'https' || work === 'mtls-hop';
}

async function ready(peer: StartedPeer, work: Work): Promise<void> {
  await waitForAnswer(peer.port, benchHost, 30_000, work === 'https');
}
