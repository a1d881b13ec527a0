/** IST0101: a destination's host or port does not exist; IST0112: it does not say which of several ports. */

import { resolveHost } from '../compile/names.ts';
import type { MeshService } from '../compile/mesh-service.ts';
import type { Resource } from '../load/snapshot.ts';
import type { Problem } from '../runtime/problem.ts';
import type { VirtualServiceSpec } from '../resources/virtual-service.ts';
import type { PlacedDestination } from './destinations.ts';
import { destinationsOf } from './destinations.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

export function analyzeDestinationHosts(subject: Subject): readonly Problem[] {
  return subject.snapshot.virtualServices.flatMap((virtualService) =>
    destinationsOf(virtualService.spec).flatMap((placed) => checkDestination(virtualService, placed, subject)),
  );
}

function checkDestination(virtualService: Resource<VirtualServiceSpec>, placed: PlacedDestination, subject: Subject): readonly Problem[] {
  const { destination, path } = placed;
  const { namespace } = virtualService.metadata;
  const host = resolveHost(destination.host, namespace, subject.clusterDomain);
  const service = findFor(virtualService, host, subject);
  if (service === undefined && isBroken(host, subject)) return [];
  if (service === undefined) return [problemAt(virtualService, 'error', [...path, 'host'], unknownHost(destination.host, host, namespace, subject), 'IST0101')];
  const concrete = service.aliasOf === undefined ? service : (subject.hosts.find(service.aliasOf, namespace) ?? service);
  return checkPort(virtualService, placed, concrete);
}

/** As seen from the VirtualService's namespace, or from one it is exported to. */
function findFor({ metadata, spec }: Resource<VirtualServiceSpec>, host: string, { hosts }: Subject): MeshService | undefined {
  const clients = (spec.exportTo ?? []).filter((entry) => entry !== '*' && entry !== '.' && entry !== '~');
  for (const client of [metadata.namespace, ...clients]) {
    const service = hosts.find(host, client);
    if (service !== undefined) return service;
  }
  return undefined;
}

/** A Service with errors of its own has this host; a ServiceEntry with errors may have any. */
function isBroken(host: string, { broken, clusterDomain }: Subject): boolean {
  const [name, namespace] = host.split('.');
  const ofService = host.endsWith(`.svc.${clusterDomain}`) && broken.has(`Service ${namespace}/${name}`);
  return ofService || (!host.endsWith(`.svc.${clusterDomain}`) && [...broken].some((resource) => resource.startsWith('ServiceEntry ')));
}

function unknownHost(written: string, host: string, namespace: string, { hosts }: Subject): string {
  const shown = written === host ? `host ${JSON.stringify(written)}` : `host ${JSON.stringify(written)} (${host})`;
  if (hosts.services.length === 0) return `${shown} is not known: this snapshot has no Service and no ServiceEntry; give their files too`;
  if (hosts.has(host)) return `${shown} is not exported to namespace ${namespace}`;
  const near = hosts.nearest(host, namespace);
  return `${shown} is no known Service or ServiceEntry${near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`}`;
}

function checkPort(virtualService: Resource<VirtualServiceSpec>, { destination, path }: PlacedDestination, service: MeshService): readonly Problem[] {
  const numbers = service.ports.map((port) => port.number);
  if (destination.port === undefined) {
    if (numbers.length <= 1) return [];
    const message = `${service.host} has the ports ${numbers.join(', ')}; say which with destination.port.number`;
    return [problemAt(virtualService, 'error', [...path, 'host'], message, 'IST0112')];
  }
  // A service without ports of its own (an alias of an unknown host, headless without ports) cannot be judged.
  if (numbers.length === 0 || numbers.includes(destination.port.number)) return [];
  const message = `${service.host} has no port ${destination.port.number}; it has ${numbers.join(', ')}`;
  return [problemAt(virtualService, 'error', [...path, 'port', 'number'], message, 'IST0101')];
}
