/** Who may see a resource: `exportTo` (istio-api.md 1.5), and of the services that share a host the one a client gets. */

import type { MeshService } from './mesh-service.ts';

/** True if `exportTo` of a resource in `owner` includes `client`. */
export function isExportedTo(exportTo: readonly string[], owner: string, client: string): boolean {
  return exportTo.some((entry) => entry === '*' || entry === client || (entry === '.' && owner === client));
}

/** True if nobody outside the resource's own namespace sees it. */
export function isPrivate(exportTo: readonly string[], owner: string): boolean {
  return exportTo.every((entry) => entry === '.' || entry === owner || entry === '~');
}

/**
 * One service for each host: the client's own namespace first, then a Kubernetes Service over a ServiceEntry, else the
 * oldest (istio-api.md section 6). `services` come Kubernetes first, oldest first.
 */
export function oneForEachHost(services: Iterable<MeshService>, client: string): ReadonlyMap<string, MeshService> {
  const byHost = new Map<string, MeshService>();
  for (const service of services) {
    const chosen = byHost.get(service.host);
    if (chosen === undefined || isPreferred(service, chosen, client)) byHost.set(service.host, service);
  }
  return byHost;
}

function isPreferred(candidate: MeshService, chosen: MeshService, client: string): boolean {
  // A ServiceEntry that repeats a Kubernetes Service's host never replaces it (istio-api.md 5.1).
  if (chosen.declared.kind === 'Service' && candidate.declared.kind === 'ServiceEntry') return false;
  return candidate.namespace === client && chosen.namespace !== client;
}
