/** VirtualServices a client sees, with full host and gateway names and delegates merged in, in order of precedence. */

import type { Resource, Snapshot } from '../load/types.ts';
import type { HttpRoute } from '../resources/virtual-service/types.ts';
import type { VirtualServiceSpec } from '../resources/virtual-service.ts';
import type { SkippedRoute } from './http-rule.ts';
import type { HttpRule } from './http-rule.ts';
import { delegatedRules } from './delegates.ts';
import { isWildcard, mostSpecific, overlaps, wildcardsOver } from './host-match.ts';
import type { MeshSettings } from './mesh.ts';
import { writtenMirrors } from './mirrors.ts';
import { MESH_GATEWAY, resolveGateway, resolveHost } from './names.ts';
import { compareAge } from './order.ts';
import { isExportedTo } from './visibility.ts';

export interface PreparedVirtualService {
  /** `namespace/name` */
  readonly key: string;
  readonly namespace: string;
  readonly resource: Resource<VirtualServiceSpec>;
  /** Full names, lower case. */
  readonly hosts: readonly string[];
  /** `mesh` and `namespace/name`. */
  readonly gateways: ReadonlySet<string>;
  readonly rules: readonly HttpRule[];
  /** Routes that delegation left out. */
  readonly dropped: readonly SkippedRoute[];
  /** Full names of the hosts that http, tls and tcp routes send to. */
  readonly destinationHosts: readonly string[];
}

export interface VirtualServiceInput {
  readonly snapshot: Snapshot;
  readonly mesh: MeshSettings;
  readonly clusterDomain: string;
  /** Namespace of the client. */
  readonly namespace: string;
}

/** Exported to the client, oldest first; delegates are not in the list but merged into those that name them. */
export function visibleVirtualServices(input: VirtualServiceInput): readonly PreparedVirtualService[] {
  const { snapshot, mesh, namespace } = input;
  const ordered = [...snapshot.virtualServices].sort(compareAge);
  const delegates = new Map(ordered.filter(isDelegate).map((resource) => [`${resource.metadata.namespace}/${resource.metadata.name}`, resource]));
  const seen = ordered.filter((resource) => !isDelegate(resource) && isExportedTo(resource.spec.exportTo ?? mesh.virtualServiceExportTo, resource.metadata.namespace, namespace));
  return seen.map((resource) => prepare(resource, delegates, input));
}

/** For sidecars: bound to the mesh; private to the client's namespace first, then exported to it by name, then public. */
export function meshVirtualServices(visible: readonly PreparedVirtualService[], mesh: MeshSettings, namespace: string): readonly PreparedVirtualService[] {
  const rank = ({ resource }: PreparedVirtualService): number => {
    const exportTo = resource.spec.exportTo ?? mesh.virtualServiceExportTo;
    if (exportTo.includes('*')) return 2;
    return exportTo.includes('.') && resource.metadata.namespace === namespace ? 0 : 1;
  };
  // Array.sort is stable, so age decides within a rank.
  return visible.filter(({ gateways }) => gateways.has(MESH_GATEWAY)).sort((a, b) => rank(a) - rank(b));
}

/** Finds the VirtualServices that claim a host without going through all of them. */
export class VirtualServiceIndex {
  readonly ordered: readonly PreparedVirtualService[];
  readonly #exact = new Map<string, PreparedVirtualService[]>();
  readonly #wildcard = new Map<string, PreparedVirtualService>();

  constructor(ordered: readonly PreparedVirtualService[]) {
    this.ordered = ordered;
    for (const virtualService of ordered) {
      for (const host of virtualService.hosts) this.#add(host, virtualService);
    }
  }

  /** Those that name `host` itself, in order of precedence. */
  exact(host: string): readonly PreparedVirtualService[] {
    return this.#exact.get(host) ?? [];
  }

  /** The first that has the longest wildcard over `host`. */
  longestWildcard(host: string): PreparedVirtualService | undefined {
    return mostSpecific(this.#wildcard, host);
  }

  #add(host: string, virtualService: PreparedVirtualService): void {
    if (isWildcard(host) && !this.#wildcard.has(host)) this.#wildcard.set(host, virtualService);
    const named = this.#exact.get(host);
    if (named === undefined) this.#exact.set(host, [virtualService]);
    else named.push(virtualService);
  }
}

/** VirtualServices by the hosts they name, for asking which of them have a say about a host at all. */
export class HostIndex<T extends Pick<PreparedVirtualService, 'hosts'>> {
  readonly #ordered: readonly T[];
  readonly #byHost = new Map<string, number[]>();

  constructor(ordered: readonly T[]) {
    this.#ordered = ordered;
    for (const [position, { hosts }] of ordered.entries()) {
      for (const host of new Set(hosts)) {
        const positions = this.#byHost.get(host);
        if (positions === undefined) this.#byHost.set(host, [position]);
        else positions.push(position);
      }
    }
  }

  /** Every one that names `host` or a wildcard over it, in order of precedence; for a wildcard those below it too. */
  over(host: string): readonly T[] {
    if (this.#ordered.length === 0) return [];
    if (isWildcard(host)) return this.#ordered.filter(({ hosts }) => hosts.some((candidate) => overlaps(candidate, host)));
    const positions = new Set([host, ...wildcardsOver(host, true)].flatMap((name) => this.#byHost.get(name) ?? []));
    return [...positions].sort((a, b) => a - b).map((position) => this.#ordered[position] as T);
  }
}

function isDelegate({ spec }: Resource<VirtualServiceSpec>): boolean {
  return spec.hosts === undefined || spec.hosts.length === 0;
}

/** A resource that a reload did not change is the same object; without delegates nothing else has a say but the domain. */
const knownVirtualServices = new WeakMap<Resource<VirtualServiceSpec>, { readonly clusterDomain: string; readonly prepared: PreparedVirtualService }>();

function prepare(resource: Resource<VirtualServiceSpec>, delegates: ReadonlyMap<string, Resource<VirtualServiceSpec>>, input: VirtualServiceInput): PreparedVirtualService {
  const { clusterDomain } = input;
  const known = knownVirtualServices.get(resource);
  if (known?.clusterDomain === clusterDomain) return known.prepared;
  const prepared = createPrepared(resource, delegates, input);
  const delegating = resource.spec.http?.some(({ delegate }) => delegate !== undefined) === true;
  if (!delegating) knownVirtualServices.set(resource, { clusterDomain, prepared });
  return prepared;
}

function createPrepared(resource: Resource<VirtualServiceSpec>, delegates: ReadonlyMap<string, Resource<VirtualServiceSpec>>, input: VirtualServiceInput): PreparedVirtualService {
  const { metadata, spec } = resource;
  const { namespace } = metadata;
  const gateways = spec.gateways === undefined || spec.gateways.length === 0 ? [MESH_GATEWAY] : spec.gateways;
  const rules: HttpRule[] = [];
  const dropped: SkippedRoute[] = [];
  for (const [index, route] of (spec.http ?? []).entries()) {
    const found = rulesOf(resource, route, index, delegates, input);
    rules.push(...found.rules);
    dropped.push(...found.skipped);
  }
  return {
    key: `${namespace}/${metadata.name}`,
    namespace,
    resource,
    hosts: (spec.hosts ?? []).map((host) => resolveHost(host, namespace, input.clusterDomain)),
    gateways: new Set(gateways.map((gateway) => resolveGateway(gateway, namespace))),
    rules,
    dropped,
    destinationHosts: destinationHosts(spec, rules, namespace, input.clusterDomain),
  };
}

function rulesOf(resource: Resource<VirtualServiceSpec>, route: HttpRoute, index: number, delegates: ReadonlyMap<string, Resource<VirtualServiceSpec>>, { mesh }: VirtualServiceInput): { readonly rules: readonly HttpRule[]; readonly skipped: readonly SkippedRoute[] } {
  const place = { source: resource.source, path: ['spec', 'http', index] };
  const { namespace } = resource.metadata;
  if (route.delegate !== undefined) {
    return delegatedRules({ route, place, namespace, index }, (key) => delegates.get(key), mesh.virtualServiceExportTo);
  }
  const matches = (route.match ?? []).map((match, position) => ({ match, namespace, label: `http[${index}].match[${position}]`, place: { ...place, path: [...place.path, 'match', position] } }));
  return { rules: [{ route, matches, label: `http[${index}]`, place, index, namespace, inherited: new Map() }], skipped: [] };
}

function destinationHosts(spec: VirtualServiceSpec, rules: readonly HttpRule[], namespace: string, clusterDomain: string): readonly string[] {
  const hosts = new Set<string>();
  for (const rule of rules) {
    for (const { destination } of rule.route.route ?? []) hosts.add(resolveHost(destination.host, rule.namespace, clusterDomain));
    for (const mirror of writtenMirrors(rule)) hosts.add(resolveHost(mirror.destination.host, mirror.namespace, clusterDomain));
  }
  for (const route of [...(spec.tls ?? []), ...(spec.tcp ?? [])].flatMap((entry) => entry.route ?? [])) {
    hosts.add(resolveHost(route.destination.host, namespace, clusterDomain));
  }
  return [...hosts];
}
