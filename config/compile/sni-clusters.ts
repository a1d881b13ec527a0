/** AUTO_PASSTHROUGH: the clusters that a server name can ask for, endpoints with mutual TLS only (istio-api.md 4.3). */

import type { ClusterConfig } from '../runtime/cluster.ts';
import type { EndpointConfig } from '../runtime/endpoint.ts';
import { NO_TLS } from './cluster-tls.ts';
import { covers } from './host-match.ts';
import type { MeshService } from './mesh-service.ts';
import { sniCluster } from './names.ts';
import type { Reuse } from './reuse.ts';

export interface SniClusterInput {
  /** By host. */
  readonly services: ReadonlyMap<string, MeshService>;
  readonly reuse: Reuse;
}

/** `hosts`: those of the servers. Bytes are passed as they come, so neither TLS nor a PROXY header is added; everything else is as for the cluster itself. */
export function sniClusters(clusters: readonly ClusterConfig[], hosts: readonly string[], { services, reuse }: SniClusterInput): readonly ClusterConfig[] {
  if (hosts.length === 0) return [];
  return clusters.flatMap((cluster) => {
    const { port, subset, service: { host } } = cluster;
    if (services.get(host)?.external !== false || !hosts.some((allowed) => covers(allowed, host))) return [];
    const { proxyProtocol: _, ...rest } = cluster;
    const endpoints = compacted(cluster.endpoints.filter(({ tlsMode }) => tlsMode === 'istio'));
    return [reuse.cluster({ ...rest, name: sniCluster(port, subset, host), endpoints, tls: NO_TLS, protocol: 'TCP' as const })];
  });
}

/** Without the levels of priority that have no endpoints left. */
function compacted(endpoints: readonly EndpointConfig[]): readonly EndpointConfig[] {
  const levels = [...new Set(endpoints.map(({ priority = 0 }) => priority))].sort((a, b) => a - b);
  if (levels.every((level, rank) => level === rank)) return endpoints;
  return endpoints.map((endpoint) => ({ ...endpoint, priority: levels.indexOf(endpoint.priority ?? 0) }));
}
