/** This proxy: a sidecar's outbound listener, default filters and metrics on; where the work asks for it, a gateway or two sidecars. */

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { clientAccount, serverAccount } from '../certificates.ts';
import { manyServices } from '../config.ts';
import { outriderMain } from '../measure/places.ts';
import { freePort } from '../measure/ports.ts';
import { firstLine } from '../measure/process.ts';
import { gatewayLabels, writeGatewaySnapshot, writeInboundHopSnapshot, writeOutboundHopSnapshot, writeTcpSnapshot } from '../snapshots/mesh.ts';
import { writePolicySnapshot } from '../snapshots/policies.ts';
import { writeSnapshot } from '../snapshots/snapshot.ts';
import { policyNames, type Peer, type PeerPlan, type RunningPeer } from '../types.ts';
import { inARow, startPeer } from './start.ts';

/** With Istio's bookinfo and the bench service in the snapshot. */
export const outrider: Peer = {
  ...outriderPeer('outrider', (plan) => writeSnapshot(plan.folder, plan.upstreamPort, 0)),
  works: ['http', 'https', 'mtls-hop', 'tcp'],
  start: startWork,
};

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
    works: ['http'],
    accessLog: true,
    missing: () => (existsSync(outriderMain) ? undefined : 'not built: npm run build'),
    version: () => `${firstLine(process.execPath, [outriderMain, 'version'])} on Node ${process.version}`,
    start(plan) {
      write(plan);
      return startSidecar(plan);
    },
  };
}

async function startWork(plan: PeerPlan): Promise<RunningPeer> {
  const { work, certificates, folder, listenPort, upstreamPort } = plan;
  if (work === 'tcp') {
    writeTcpSnapshot(folder, listenPort, upstreamPort);
    return startGateway(plan);
  }
  if (certificates === undefined) {
    writeSnapshot(folder, upstreamPort, 0);
    return startSidecar(plan);
  }
  const { gateway, client, server } = certificates;
  if (work === 'https') {
    writeGatewaySnapshot(folder, listenPort, upstreamPort, gateway);
    return startGateway(plan);
  }
  const between = await freePort();
  const [first, second] = ['outbound', 'inbound'].map((name) => join(folder, name)) as [string, string];
  for (const each of [first, second]) mkdirSync(each, { recursive: true });
  writeOutboundHopSnapshot(first, between);
  writeInboundHopSnapshot(second, between, upstreamPort);
  const outbound = [...outriderOptions(first, listenPort), '--service-account', clientAccount, '--certs', client.folder];
  const inbound = [...inboundOptions(second), '--service-account', serverAccount, '--certs', server.folder];
  return inARow(startOutrider(plan, outbound), startOutrider(plan, inbound));
}

function startSidecar(plan: PeerPlan): Promise<RunningPeer> {
  return startOutrider(plan, outriderOptions(plan.folder, plan.listenPort, plan.accessLog));
}

/** Its servers bind their own ports. */
function startGateway(plan: PeerPlan): Promise<RunningPeer> {
  const self = ['--mode', 'gateway', '--namespace', 'default', '--name', 'gateway', '--ip', '127.0.0.1', '--labels', gatewayLabels];
  return startOutrider(plan, ['--config', plan.folder, ...self, ...quietly('off'), '--outbound-port', 'off']);
}

function startOutrider(plan: PeerPlan, options: readonly string[]): Promise<RunningPeer> {
  return startPeer(plan, process.execPath, [outriderMain, 'run', ...options]);
}

/** Command line of `outrider run` as a plain sidecar that only listens where the bench sends. */
export function outriderOptions(config: string, port: number, accessLog = 'off'): string[] {
  const self = ['--namespace', 'default', '--name', 'client', '--ip', '127.0.0.1'];
  return ['--config', config, ...self, '--outbound-port', String(port), ...quietly(accessLog)];
}

/** A sidecar that only listens where its Sidecar resource says. */
function inboundOptions(config: string): string[] {
  const self = ['--namespace', 'default', '--name', 'bench-1', '--ip', '127.0.0.1', '--labels', 'app=bench'];
  return ['--config', config, ...self, '--outbound-port', 'off', ...quietly('off')];
}

function quietly(accessLog: string): string[] {
  const off = ['--inbound-port', 'off', '--admin-port', 'off', '--health-port', 'off', '--metrics-port', 'off'];
  return ['--bind', '127.0.0.1', ...off, '--access-log', accessLog, '--log-level', 'warn'];
}
