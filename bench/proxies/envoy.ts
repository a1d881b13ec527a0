/** The real Envoy, one worker thread, configured as Istio configures it; with and without a sidecar's stock filters, and with each set of policies. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { policyNames, type Peer, type PeerPlan } from '../types.ts';
import { envoyBinary, envoyMissing, envoyVersion } from './envoy-binary.ts';
import { envoyBootstrap } from './envoy-config.ts';
import { startPeer } from './start.ts';

/** One plain route: the leanest Envoy, and so the one the targets are measured against. */
export const envoy = envoyPeer('envoy', '', (plan) => envoyBootstrap(plan));

/** The same route with the stock filters of an Istio sidecar in front of the router. */
export const envoySidecar = envoyPeer('envoy-sidecar', ' with grpc_stats, fault and cors filters', (plan) => envoyBootstrap(plan, { filters: 'sidecar' }));

/** `envoy-plain`, `envoy-retries-idle` …: one cluster of several hosts, with what Istio programs for that much configured. */
export const envoyPolicies: readonly Peer[] = policyNames.map((policy) => ({
  ...envoyPeer(`envoy-${policy}`, '', (plan) => envoyBootstrap(plan, { policy })),
  policy,
}));

/** All of it, behind a sidecar's stock filters. */
export const envoySidecarPolicies: Peer = {
  ...envoyPeer('envoy-sidecar-all-policies', ' with grpc_stats, fault and cors filters', (plan) => envoyBootstrap(plan, { policy: 'all-policies', filters: 'sidecar' })),
  policy: 'all-policies',
};

function envoyPeer(name: string, remark: string, bootstrap: (plan: PeerPlan) => string): Peer {
  return {
    name,
    accessLog: true,
    missing: envoyMissing,
    version: () => `${envoyVersion()}${remark}`,
    start(plan) {
      const file = join(plan.folder, 'envoy.yaml');
      writeFileSync(file, bootstrap(plan));
      return startPeer(plan, envoyBinary ?? 'envoy', ['-c', file, '--concurrency', '1', '--log-level', 'error', '--disable-hot-restart']);
    },
  };
}
