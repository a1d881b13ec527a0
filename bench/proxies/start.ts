/** Starting a peer on the proxy core. */

import { proxyCore } from '../config.ts';
import { startProgram } from '../measure/process.ts';
import type { PeerPlan, RunningPeer } from '../types.ts';

export function startPeer(plan: PeerPlan, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<RunningPeer> {
  const program = startProgram(proxyCore, command, args, env);
  return Promise.resolve({ port: plan.listenPort, pid: program.pid, stop: program.stop });
}
