/** Every peer, in the order of the report. */

import type { Peer } from '../types.ts';
import { direct } from './direct.ts';
import { envoy, envoyPolicies, envoySidecar, envoySidecarPolicies } from './envoy.ts';
import { haproxy } from './haproxy.ts';
import { nginx } from './nginx.ts';
import { fastProxy, httpProxy } from './node-peers.ts';
import { outrider, outriderMany, outriderPolicies } from './outrider.ts';

export const peers: readonly Peer[] = [
  ...[direct, nginx, haproxy, envoy, envoySidecar, outrider, outriderMany, httpProxy, fastProxy],
  ...envoyPolicies.flatMap((peer) => (peer.policy === envoySidecarPolicies.policy ? [peer, envoySidecarPolicies] : [peer])),
  ...outriderPolicies,
];
