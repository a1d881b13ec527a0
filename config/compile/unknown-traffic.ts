/** What becomes of connections to destinations that nobody declared: passed through, sent to the egress proxy, or closed (istio-api.md 6.2). */

import type { FilterChainConfig, NetworkConfig } from '../runtime/filter-chain.ts';
import type { Origin } from '../runtime/origin.ts';
import type { CompileContext } from './context.ts';
import { destinationCluster } from './destination.ts';
import { clusterRoute, MATCH_EVERYTHING, tcpNetwork } from './filter-chains.ts';
import { originAt } from './located.ts';
import { BLACK_HOLE_CLUSTER, PASSTHROUGH_CLUSTER } from './names.ts';
import type { SidecarScope } from './sidecar-scope.ts';

/** Where the policy that applies was written; empty where it is the default. */
export function unknownTrafficOrigin({ mesh }: Pick<CompileContext, 'mesh'>, { sidecar }: Pick<SidecarScope, 'sidecar'>): { readonly origin?: Origin } {
  const ofSidecar = sidecar?.spec.outboundTrafficPolicy === undefined ? undefined : { source: sidecar.source, path: ['spec', 'outboundTrafficPolicy'] };
  const place = ofSidecar ?? mesh.placeOf('outboundTrafficPolicy');
  return place === undefined ? {} : { origin: originAt(place) };
}

/** Takes every connection that nothing else does. */
export function unknownTrafficChain(name: string, context: CompileContext, scope: SidecarScope): FilterChainConfig {
  const origin = unknownTrafficOrigin(context, scope);
  return { name, match: MATCH_EVERYTHING, network: unknownTraffic(context, scope, origin), ...origin };
}

function unknownTraffic({ node }: CompileContext, { outboundPolicy, services }: SidecarScope, written: { readonly origin?: Origin }): NetworkConfig {
  const { mode, egressProxy } = outboundPolicy;
  if (mode === 'REGISTRY_ONLY') return { kind: 'close', reason: 'outboundTrafficPolicy REGISTRY_ONLY', flag: 'UH', cluster: BLACK_HOLE_CLUSTER };
  if (egressProxy === undefined) return tcpNetwork(clusterRoute(PASSTHROUGH_CLUSTER, written));
  const target = destinationCluster(egressProxy, node.namespace, { clusterDomain: node.clusterDomain, listenerPort: 0, service: (host) => services.get(host) });
  return tcpNetwork({ name: target.host, destinations: [{ ...target, weight: 1 }], ...written });
}
