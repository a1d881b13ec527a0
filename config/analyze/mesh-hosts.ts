/** IST0109: two VirtualServices for the mesh claim one host; only one of them is used. */

import { MESH_GATEWAY, resolveHost } from '../compile/names.ts';
import type { Resource } from '../load/snapshot.ts';
import type { VirtualServiceSpec } from '../resources/virtual-service.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

interface Claim {
  readonly virtualService: Resource<VirtualServiceSpec>;
  readonly index: number;
}

export function analyzeMeshHosts(subject: Subject): readonly Problem[] {
  const claims = new Map<string, Claim[]>();
  for (const virtualService of subject.snapshot.virtualServices) {
    for (const [key, index] of claimedHosts(virtualService, subject)) claims.set(key, [...(claims.get(key) ?? []), { virtualService, index }]);
  }
  return [...claims].flatMap(([key, claimants]) => (claimants.length < 2 ? [] : claimants.map((claim) => conflict(key, claim, claimants))));
}

/** `scope/host` keys; a host exported to everybody and one exported to a single namespace are no conflict, the private one wins. */
function claimedHosts({ metadata, spec }: Resource<VirtualServiceSpec>, { mesh, clusterDomain }: Subject): ReadonlyMap<string, number> {
  const keys = new Map<string, number>();
  const { gateways = [] } = spec;
  if (gateways.length > 0 && !gateways.includes(MESH_GATEWAY)) return keys;
  const exportTo = spec.exportTo ?? mesh.virtualServiceExportTo;
  const scopes = exportTo.includes('*') || exportTo.length === 0 ? ['*'] : exportTo.map((entry) => (entry === '.' ? metadata.namespace : entry));
  for (const [index, host] of (spec.hosts ?? []).entries()) {
    for (const scope of scopes) keys.set(`${scope}/${resolveHost(host, metadata.namespace, clusterDomain)}`, index);
  }
  return keys;
}

function conflict(key: string, { virtualService, index }: Claim, claimants: readonly Claim[]): Problem {
  const host = key.slice(key.indexOf('/') + 1);
  const others = claimants.map((claim) => claim.virtualService).filter((other) => other !== virtualService);
  const names = others.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(', ');
  const message = `the host ${host} is also claimed by VirtualService ${names}, and a sidecar uses only the oldest; put the routes into one resource`;
  return problemAt(virtualService, 'error', ['spec', 'hosts', index], message, 'IST0109');
}
