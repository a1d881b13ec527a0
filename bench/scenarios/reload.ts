/**
 * One document changes among 10,000 services: time from the write to the first answer that shows it, and the longest
 * stall, seen from outside by a probe of 1000 requests/s that is due whatever the proxy does. The same probe without a
 * change stands beside it: what the machine alone does.
 */

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchHost, benchPort, openLoopConnections, openLoopRate } from '../config.ts';
import type { OpenLoopResult } from '../load/job.ts';
import { openLoop } from '../load/run.ts';
import { benchDocuments } from '../snapshots/snapshot.ts';
import type { Sample, Scenario, ScenarioContext } from '../types.ts';
import { runRounds, type StartedPeer } from './started-peers.ts';

const probeMs = 4000;
const changeAfterMs = 1000;

export const reload: Scenario = {
  name: 'reload-10k',
  title: 'One document changed among 10,000 services, under 1000 requests/s',
  admits: (peer) => peer.name === 'outrider-10k',
  run: runReload,
};

function runReload(context: ScenarioContext): Promise<Sample[]> {
  let revision = 0;
  return runRounds('reload-10k', context, {
    accessLog: false,
    warmUp: async (peer) => void (await probe(peer)),
    round(peer) {
      revision += 1;
      return changeOnce(peer, String(revision));
    },
  });
}

async function changeOnce(peer: StartedPeer, revision: string): Promise<Sample[]> {
  const quiet = await probe(peer);
  const changing = probe(peer);
  await new Promise((resolve) => setTimeout(resolve, changeAfterMs));
  const writtenAtMs = Date.now();
  replaceFile(join(peer.folder, 'bench.yaml'), benchDocuments(peer.upstreamPort, revision));
  const changed = await changing;
  if (changed.errors > 0) throw new Error(`${changed.errors} requests failed during the reload`);
  if (changed.changedAtMs === undefined) throw new Error(`no effect after ${probeMs - changeAfterMs} ms`);
  return [
    { peer: peer.name, metric: 'reloadMs', value: changed.changedAtMs - writtenAtMs },
    { peer: peer.name, metric: 'stallMs', value: changed.maxUs / 1000 },
    { peer: peer.name, metric: 'quietStallMs', value: quiet.maxUs / 1000 },
  ];
}

function probe(peer: StartedPeer): Promise<OpenLoopResult> {
  const request = { method: 'GET', path: '/', host: `${benchHost}:${benchPort}`, bodyBytes: 0, close: false } as const;
  const load = { port: peer.port, connections: openLoopConnections, durationMs: probeMs, request, rate: openLoopRate };
  return openLoop({ ...load, watchHeader: 'x-revision' });
}

function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
