/** Starting a peer on the proxy core. */

import { proxyCore } from '../config.ts';
import { startProgram } from '../measure/process.ts';
import type { PeerPlan, RunningPeer } from '../types.ts';

export function startPeer(plan: Pick<PeerPlan, 'listenPort'>, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<RunningPeer> {
  const program = startProgram(proxyCore, command, args, env);
  return Promise.resolve({ port: plan.listenPort, pids: [program.pid], stop: program.stop });
}

/** Two proxies in a row as one peer: the load goes to the first, and what is measured is both. */
export async function inARow(first: Promise<RunningPeer>, second: Promise<RunningPeer>): Promise<RunningPeer> {
  const [entrance, exit] = await Promise.all([first, second]);
  return {
    port: entrance.port,
    pids: [...entrance.pids, ...exit.pids],
    stop: async () => void (await Promise.all([entrance.stop(), exit.stop()])),
  };
}
