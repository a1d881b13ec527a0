/** The real Envoy, one worker thread, configured as Istio configures it; with and without a sidecar's stock filters, and with each set of policies. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../measure/ports.ts';
import { policyNames, type Peer, type PeerPlan, type RunningPeer } from '../types.ts';
import { envoyBinary, envoyMissing, envoyVersion } from './envoy-binary.ts';
import { envoyBootstrap, type EnvoyShape } from './envoy-config.ts';
import { gatewayBootstrap, inboundHopBootstrap, outboundHopBootstrap, tcpBootstrap } from './envoy-mesh.ts';
import { inARow, startPeer } from './start.ts';

const sidecarRemark = ' with grpc_stats, fault and cors filters';

/** One plain route: the leanest Envoy, and so the one the targets are measured against. */
export const envoy: Peer = { ...envoyPeer('envoy', '', {}), works: ['http', 'https', 'mtls-hop', 'tcp'] };

/** The same route with the stock filters of an Istio sidecar in front of the router. */
export const envoySidecar: Peer = { ...envoyPeer('envoy-sidecar', sidecarRemark, { filters: 'sidecar' }), works: ['http', 'mtls-hop'] };

/** `envoy-plain`, `envoy-retries-idle` …: one cluster of several hosts, with what Istio programs for that much configured. */
export const envoyPolicies: readonly Peer[] = policyNames.map((policy) => ({
  ...envoyPeer(`envoy-${policy}`, '', { policy }),
  policy,
}));

/** All of it, behind a sidecar's stock filters. */
export const envoySidecarPolicies: Peer = {
  ...envoyPeer('envoy-sidecar-all-policies', sidecarRemark, { policy: 'all-policies', filters: 'sidecar' }),
  policy: 'all-policies',
};

function envoyPeer(name: string, remark: string, shape: EnvoyShape): Peer {
  return {
    name,
    works: ['http'],
    accessLog: true,
    missing: envoyMissing,
    version: () => `${envoyVersion()}${remark}`,
    start: (plan) => start(plan, shape),
  };
}

async function start(plan: PeerPlan, shape: EnvoyShape): Promise<RunningPeer> {
  const { work, certificates } = plan;
  if (work === 'tcp') return startOne(plan, 'envoy', tcpBootstrap(plan));
  if (certificates === undefined) return startOne(plan, 'envoy', envoyBootstrap(plan, shape));
  if (work === 'https') return startOne(plan, 'envoy', gatewayBootstrap(plan, certificates, shape));
  const between = await freePort();
  return inARow(startOne(plan, 'outbound', outboundHopBootstrap(plan, between, certificates, shape)), startOne(plan, 'inbound', inboundHopBootstrap(plan, between, certificates, shape)));
}

function startOne(plan: PeerPlan, name: string, bootstrap: string): Promise<RunningPeer> {
  const file = join(plan.folder, `${name}.yaml`);
  writeFileSync(file, bootstrap);
  return startPeer(plan, envoyBinary ?? 'envoy', ['-c', file, '--concurrency', '1', '--log-level', 'error', '--disable-hot-restart']);
}
