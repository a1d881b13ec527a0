/** This proxy: a sidecar's outbound listener, default filters and metrics on. */

import { existsSync } from 'node:fs';
import { manyServices } from '../config.ts';
import { outriderMain } from '../measure/places.ts';
import { firstLine } from '../measure/process.ts';
import { writePolicySnapshot } from '../snapshots/policies.ts';
import { writeSnapshot } from '../snapshots/snapshot.ts';
import { policyNames, type Peer, type PeerPlan } from '../types.ts';
import { startPeer } from './start.ts';

/** With Istio's bookinfo and the bench service in the snapshot. */
export const outrider = outriderPeer('outrider', (plan) => writeSnapshot(plan.folder, plan.upstreamPort, 0));

/** With 10,000 services in the snapshot, one of them the bench service. */
export const outriderMany = outriderPeer('outrider-10k', (plan) => writeSnapshot(plan.folder, plan.upstreamPort, manyServices));

/** `outrider-plain`, `outrider-retries-idle` …: the bench service on several hosts, with that much configured. */
export const outriderPolicies: readonly Peer[] = policyNames.map((policy) => ({
  ...outriderPeer(`outrider-${policy}`, (plan) => writePolicySnapshot(plan.folder, plan.upstreamPorts, policy)),
  policy,
}));

function outriderPeer(name: string, write: (plan: PeerPlan) => void): Peer {
  return {
    name,
    accessLog: true,
    missing: () => (existsSync(outriderMain) ? undefined : 'not built: npm run build'),
    version: () => `${firstLine(process.execPath, [outriderMain, 'version'])} on Node ${process.version}`,
    start(plan) {
      write(plan);
      return startPeer(plan, process.execPath, [outriderMain, 'run', ...outriderOptions(plan.folder, plan.listenPort, plan.accessLog)]);
    },
  };
}

/** Command line of `outrider run` as a plain sidecar that only listens where the bench sends. */
export function outriderOptions(config: string, port: number, accessLog = 'off'): string[] {
  const off = ['--inbound-port', 'off', '--admin-port', 'off', '--health-port', 'off', '--metrics-port', 'off'];
  const self = ['--namespace', 'default', '--name', 'client', '--ip', '127.0.0.1'];
  return ['--config', config, ...self, '--bind', '127.0.0.1', '--outbound-port', String(port), ...off, '--access-log', accessLog, '--log-level', 'warn'];
}
