/** What one sidecar may know: the Sidecar resource that applies to it, and the services and VirtualServices it imports (istio-api.md section 6). */

import type { Resource } from '../load/types.ts';
import type { IstioEgressListener, SidecarSpec } from '../resources/sidecar.ts';
import { covers, overlaps } from './host-match.ts';
import type { Labels } from './labels.ts';
import { isEmpty, selects } from './labels.ts';
import type { MeshSettings, OutboundPolicy } from './mesh.ts';
import type { MeshService } from './mesh-service.ts';
import { oldestFirst } from './order.ts';
import type { PreparedVirtualService } from './virtual-services.ts';
import { oneForEachHost } from './visibility.ts';

export interface SidecarScope {
  /** The resource that applies; undefined where everything is imported. */
  readonly sidecar: Resource<SidecarSpec> | undefined;
  /** In the order written: listeners with a port, at most one without. */
  readonly egress: readonly EgressScope[];
  /** Everything that may be called, destinations of imported VirtualServices included: what clusters are made of. */
  readonly services: ReadonlyMap<string, MeshService>;
  readonly outboundPolicy: OutboundPolicy;
}

/** One egress listener: what requests that enter by it may reach. */
export interface EgressScope {
  /** Undefined for the built-in listener of a workload without Sidecar egress. */
  readonly listener: IstioEgressListener | undefined;
  readonly index: number;
  readonly services: ReadonlyMap<string, MeshService>;
  /** In order of precedence. */
  readonly virtualServices: readonly PreparedVirtualService[];
}

export interface ScopeInput {
  readonly sidecars: readonly Resource<SidecarSpec>[];
  readonly namespace: string;
  readonly labels: Labels;
  readonly rootNamespace: string;
  readonly mesh: MeshSettings;
  /** Exported to the namespace; Kubernetes first, oldest first. */
  readonly visibleServices: readonly MeshService[];
  /** Exported to the namespace and bound to the mesh, in order of precedence. */
  readonly virtualServices: readonly PreparedVirtualService[];
}

export function sidecarScope(input: ScopeInput): SidecarScope {
  const sidecar = sidecarOf(input);
  const visible = oneForEachHost(input.visibleServices, input.namespace);
  const egress = egressScopes(sidecar, visible, input);
  return {
    sidecar,
    egress,
    services: withDestinations(egress, visible),
    outboundPolicy: outboundPolicy(sidecar, input.mesh),
  };
}

/** A selector that matches, else the namespace's own without selector, else the root namespace's. */
function sidecarOf({ sidecars, namespace, labels, rootNamespace }: ScopeInput): Resource<SidecarSpec> | undefined {
  const ordered = oldestFirst(sidecars);
  const own = ordered.filter((sidecar) => sidecar.metadata.namespace === namespace);
  const hasSelector = (sidecar: Resource<SidecarSpec>): boolean => !isEmpty(sidecar.spec.workloadSelector?.labels);
  return (
    own.find((sidecar) => hasSelector(sidecar) && selects(sidecar.spec.workloadSelector?.labels, labels)) ??
    own.find((sidecar) => !hasSelector(sidecar)) ??
    ordered.find((sidecar) => sidecar.metadata.namespace === rootNamespace && !hasSelector(sidecar))
  );
}

function egressScopes(sidecar: Resource<SidecarSpec> | undefined, visible: ReadonlyMap<string, MeshService>, input: ScopeInput): readonly EgressScope[] {
  const listeners = sidecar?.spec.egress;
  if (listeners === undefined || listeners.length === 0) {
    return [{ listener: undefined, index: -1, services: visible, virtualServices: input.virtualServices }];
  }
  return listeners.map((listener, index) => {
    const imports = parseImports(listener.hosts, input.namespace);
    const imported = input.visibleServices.filter((service) => importsService(imports, service) && servesListener(service, listener));
    const virtualServices = input.virtualServices.filter((virtualService) => importsVirtualService(imports, virtualService));
    return { listener, index, services: oneForEachHost(imported, input.namespace), virtualServices };
  });
}

interface HostImport {
  /** `*` for any. */
  readonly namespace: string;
  readonly host: string;
}

interface Imports {
  readonly included: readonly HostImport[];
  readonly excluded: readonly HostImport[];
}

/** `ns/host`, `./host`, `~/*` (nothing), and `~ns/host`, which takes away what other entries import. */
function parseImports(hosts: readonly string[], namespace: string): Imports {
  const included: HostImport[] = [];
  const excluded: HostImport[] = [];
  for (const entry of hosts) {
    const slash = entry.indexOf('/');
    const written = entry.slice(0, slash);
    const host = entry.slice(slash + 1).toLowerCase();
    if (written === '~') continue;
    const list = written.startsWith('~') ? excluded : included;
    const owner = written.startsWith('~') ? written.slice(1) : written;
    list.push({ namespace: owner === '.' ? namespace : owner, host });
  }
  return { included, excluded };
}

function importsService({ included, excluded }: Imports, { namespace, host }: MeshService): boolean {
  const matches = (entry: HostImport): boolean => ownedBy(entry, namespace) && covers(entry.host, host);
  return included.some(matches) && !excluded.some(matches);
}

/** Either side may be the wildcard; an exclusion must cover every host of the VirtualService. */
function importsVirtualService({ included, excluded }: Imports, { namespace, hosts }: PreparedVirtualService): boolean {
  const wanted = hosts.some((host) => included.some((entry) => ownedBy(entry, namespace) && overlaps(entry.host, host)));
  return wanted && !hosts.every((host) => excluded.some((entry) => ownedBy(entry, namespace) && covers(entry.host, host)));
}

function ownedBy(entry: HostImport, namespace: string): boolean {
  return entry.namespace === '*' || entry.namespace === namespace;
}

/** A listener with a port serves only services that have it. */
function servesListener(service: MeshService, { port }: IstioEgressListener): boolean {
  return port === undefined || service.ports.some(({ number }) => number === port.number);
}

/** Imported services, and those that imported VirtualServices send to, which need no import of their own. */
function withDestinations(egress: readonly EgressScope[], visible: ReadonlyMap<string, MeshService>): ReadonlyMap<string, MeshService> {
  if (egress.length === 1 && egress[0]?.listener === undefined) return visible;
  const services = new Map<string, MeshService>();
  for (const scope of egress) {
    for (const [host, service] of scope.services) if (!services.has(host)) services.set(host, service);
  }
  for (const { virtualServices } of egress) {
    for (const host of virtualServices.flatMap((virtualService) => virtualService.destinationHosts)) {
      const service = visible.get(host);
      if (service !== undefined && !services.has(host)) services.set(host, service);
      // An alias is only as good as what it stands for.
      const concrete = service?.aliasOf === undefined ? undefined : visible.get(service.aliasOf);
      if (concrete !== undefined && !services.has(concrete.host)) services.set(concrete.host, concrete);
    }
  }
  return services;
}

/** Inside a Sidecar an empty object means REGISTRY_ONLY, the enum's 0. */
function outboundPolicy(sidecar: Resource<SidecarSpec> | undefined, mesh: MeshSettings): OutboundPolicy {
  const written = sidecar?.spec.outboundTrafficPolicy;
  if (written === undefined) return mesh.outboundPolicy;
  const mode = written.mode ?? 'REGISTRY_ONLY';
  return written.egressProxy === undefined ? { mode } : { mode, egressProxy: written.egressProxy };
}
