/** The real Envoy, one worker thread, configured as Istio configures it; with and without a sidecar's stock filters. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer } from '../types.ts';
import { envoyBinary, envoyMissing, envoyVersion } from './envoy-binary.ts';
import { envoyBootstrap, type EnvoyFilters } from './envoy-config.ts';
import { startPeer } from './start.ts';

/** One plain route: the leanest Envoy, and so the one the targets are measured against. */
export const envoy = envoyPeer('envoy', 'plain');

/** The same route with the stock filters of an Istio sidecar in front of the router. */
export const envoySidecar = envoyPeer('envoy-sidecar', 'sidecar');

function envoyPeer(name: string, filters: EnvoyFilters): Peer {
  return {
    name,
    accessLog: true,
    missing: envoyMissing,
    version: () => `${envoyVersion()}${filters === 'sidecar' ? ' with grpc_stats, fault and cors filters' : ''}`,
    start(plan) {
      const file = join(plan.folder, 'envoy.yaml');
      writeFileSync(file, envoyBootstrap(plan, filters));
      return startPeer(plan, envoyBinary ?? 'envoy', ['-c', file, '--concurrency', '1', '--log-level', 'error', '--disable-hot-restart']);
    },
  };
}
