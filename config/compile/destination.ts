/** Which cluster a destination means (istio-api.md 2.4). */

import type { Destination } from '../resources/messages.ts';
import type { DestinationConfig } from '../runtime/route.ts';
import type { MeshService } from './mesh-service.ts';
import { outboundCluster, resolveHost } from './names.ts';

export interface ServiceLookup {
  readonly clusterDomain: string;
  /** Port a destination without one means, unless its service has only one. */
  readonly listenerPort: number;
  /** Services this workload may call, by full host name. */
  service(host: string): MeshService | undefined;
}

/** Resolves a destination to its cluster. An ExternalName alias leads to the cluster of the host it stands for. */
export function destinationCluster(destination: Destination, namespace: string, lookup: ServiceLookup): Pick<DestinationConfig, 'cluster' | 'host' | 'port' | 'subset'> {
  const host = resolveHost(destination.host, namespace, lookup.clusterDomain);
  const service = lookup.service(host);
  const onlyPort = service?.ports.length === 1 ? service.ports[0]?.number : undefined;
  const port = destination.port?.number ?? onlyPort ?? lookup.listenerPort;
  const subset = destination.subset ?? '';
  return { cluster: outboundCluster(port, subset, service?.aliasOf ?? host), host, port, subset };
}

/** The service whose cluster and rules the host uses: for an alias the one it stands for. */
export function concreteService(host: string, lookup: ServiceLookup): MeshService | undefined {
  const service = lookup.service(host);
  return service?.aliasOf === undefined ? service : lookup.service(service.aliasOf);
}
