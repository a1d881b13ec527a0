/** IST0101: a VirtualService names a Gateway that does not exist; IST0132: none of its hosts is one of the Gateway's. */

import { overlaps } from '../compile/host-match.ts';
import { MESH_GATEWAY, resolveGateway } from '../compile/names.ts';
import type { Resource } from '../load/snapshot.ts';
import type { Path } from '../resources/finding.ts';
import type { GatewaySpec } from '../resources/gateway.ts';
import { suggest } from '../resources/suggest.ts';
import type { VirtualServiceSpec } from '../resources/virtual-service.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';
import { MIN_SUGGESTED_LENGTH } from './subject.ts';

/** By `namespace/name`; undefined for one that has errors of its own. */
type Gateways = ReadonlyMap<string, Resource<GatewaySpec> | undefined>;

export function analyzeGatewayReferences({ snapshot, broken }: Subject): readonly Problem[] {
  const gateways: Gateways = new Map([
    ...[...broken].filter((resource) => resource.startsWith('Gateway ')).map((resource) => [resource.slice('Gateway '.length), undefined] as const),
    ...snapshot.gateways.map((gateway) => [`${gateway.metadata.namespace}/${gateway.metadata.name}`, gateway] as const),
  ]);
  return snapshot.virtualServices.flatMap((virtualService) => [
    ...(virtualService.spec.gateways ?? []).flatMap((reference, index) => checkBinding(virtualService, reference, ['spec', 'gateways', index], gateways)),
    ...matchReferences(virtualService.spec).flatMap(({ reference, path }) => checkExists(virtualService, reference, path, gateways)),
  ]);
}

/** `gateways` inside matches of every kind of route. */
function matchReferences(spec: VirtualServiceSpec): readonly { readonly reference: string; readonly path: Path }[] {
  return (['http', 'tls', 'tcp'] as const).flatMap((kind) =>
    (spec[kind] ?? []).flatMap((route, index) =>
      (route.match ?? []).flatMap((match, at) =>
        (match.gateways ?? []).map((reference, entry) => ({ reference, path: ['spec', kind, index, 'match', at, 'gateways', entry] })),
      ),
    ),
  );
}

function checkBinding(virtualService: Resource<VirtualServiceSpec>, reference: string, path: Path, gateways: Gateways): readonly Problem[] {
  const missing = checkExists(virtualService, reference, path, gateways);
  const gateway = gateways.get(fullName(virtualService, reference));
  const hosts = virtualService.spec.hosts ?? [];
  if (missing.length > 0 || gateway === undefined || hosts.length === 0) return missing;
  const served = hostsFor(gateway, virtualService.metadata.namespace);
  if (hosts.some((host) => served.some((name) => overlaps(name, host.toLowerCase())))) return [];
  const message = `none of the hosts ${hosts.join(', ')} is served by ${gateway.source.resource} (${served.length === 0 ? 'no host for this namespace' : served.join(', ')})`;
  return [problemAt(virtualService, 'warning', path, message, 'IST0132')];
}

function checkExists(virtualService: Resource<VirtualServiceSpec>, reference: string, path: Path, gateways: Gateways): readonly Problem[] {
  const name = fullName(virtualService, reference);
  if (name === MESH_GATEWAY || gateways.has(name)) return [];
  const near = reference.length < MIN_SUGGESTED_LENGTH ? undefined : suggest(name, [...gateways.keys(), MESH_GATEWAY]);
  const message = `there is no Gateway ${name}${near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`}`;
  return [problemAt(virtualService, 'error', path, message, 'IST0101')];
}

function fullName({ metadata }: Resource<VirtualServiceSpec>, reference: string): string {
  return resolveGateway(reference, metadata.namespace);
}

/** Host names of the servers that VirtualServices of `namespace` may bind to. */
function hostsFor({ metadata, spec }: Resource<GatewaySpec>, namespace: string): readonly string[] {
  return spec.servers.flatMap((server) =>
    server.hosts.flatMap((entry) => {
      const slash = entry.indexOf('/');
      const owner = slash === -1 ? '*' : entry.slice(0, slash);
      const allowed = owner === '*' || (owner === '.' ? metadata.namespace : owner) === namespace;
      return allowed ? [entry.slice(slash + 1).toLowerCase()] : [];
    }),
  );
}
