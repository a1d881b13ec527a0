/** Virtual hosts of the sidecar's outbound tables: which names lead to which routes on one port (istio-api.md 1.4, 2.1). */

import { originOf } from '../load/types.ts';
import type { RouteConfig, VirtualHostConfig } from '../runtime/route.ts';
import type { CompileContext } from './context.ts';
import { covers, isPartialWildcard, isWildcard, mostSpecific, wildcardsOver } from './host-match.ts';
import type { SkippedRoute } from './http-rule.ts';
import type { MeshPort, MeshService } from './mesh-service.ts';
import { httpPorts, onlyHttpPort } from './mesh-service.ts';
import { domainOf, outboundCluster, virtualHostName } from './names.ts';
import { compareText } from './order.ts';
import { isHttp } from './protocol.ts';
import { MATCH_ALL } from './route-match.ts';
import type { CompiledRoutes } from './routes.ts';
import type { PreparedVirtualService, VirtualServiceIndex } from './virtual-services.ts';

export interface OutboundPort {
  readonly port: number;
  /** Services that have this port, of any protocol. */
  readonly services: readonly MeshService[];
  readonly virtualServices: VirtualServiceIndex;
  /** Namespace of the client: only there is a bare service name enough. */
  readonly namespace: string;
  readonly clusterDomain: string;
  /** ExternalName services by the host they stand for. */
  readonly aliases: (host: string) => readonly MeshService[];
  readonly routes: (virtualService: PreparedVirtualService) => CompiledRoutes;
  readonly reuse: (virtualHost: VirtualHostConfig) => VirtualHostConfig;
  readonly context: Pick<CompileContext, 'hashPolicies' | 'retries'>;
}

/** HTTP without a port in its URL means this one, and here hosts that no service has get their virtual host too. */
const HTTP_PORT = 80;

/** Sorted by name; without the catch-all. */
export function outboundVirtualHosts(input: OutboundPort): readonly VirtualHostConfig[] {
  return new VirtualHostBuilder(input).build();
}

/** A service and the VirtualService that owns it on this port. */
interface OwnedService {
  readonly service: MeshService;
  readonly port: MeshPort;
  readonly owner: PreparedVirtualService | undefined;
  /** VirtualServices for the host that have no route for this client. */
  readonly skipped: readonly SkippedRoute[];
}

class VirtualHostBuilder {
  readonly #input: OutboundPort;
  readonly #registry: ReadonlyMap<string, MeshService>;
  readonly #names = new Set<string>();
  readonly #domains = new Set<string>();
  readonly #virtualHosts: VirtualHostConfig[] = [];
  /** Every wildcard that covers some service of the port; made when a wildcard VirtualService asks. */
  #coveredWildcards: ReadonlySet<string> | undefined = undefined;

  constructor(input: OutboundPort) {
    this.#input = input;
    this.#registry = new Map(input.services.map((service) => [service.host, service]));
  }

  build(): readonly VirtualHostConfig[] {
    const owned = this.#ownedServices();
    const byOwner = groupByOwner(owned);
    for (const virtualService of this.#candidates(byOwner)) this.#addVirtualService(virtualService, byOwner.get(virtualService) ?? []);
    for (const entry of byOwner.get(undefined) ?? []) this.#addService(entry, [defaultRoute(entry, this.#input.context)]);
    return this.#virtualHosts.sort((a, b) => compareText(a.name, b.name));
  }

  #ownedServices(): readonly OwnedService[] {
    const { services, port } = this.#input;
    return services.flatMap((service) => {
      const found = service.ports.find(({ number }) => number === port);
      return found === undefined || !isHttp(found.protocol) ? [] : [{ service, port: found, ...this.#ownerOf(service.host) }];
    });
  }

  /** An exact host wins over wildcards, the longest wildcard over others; one without routes for this client counts as absent. */
  #ownerOf(host: string): Pick<OwnedService, 'owner' | 'skipped'> {
    const { virtualServices, routes } = this.#input;
    const exact = virtualServices.exact(host);
    const skipped: SkippedRoute[] = [];
    for (const virtualService of exact.length > 0 ? exact : this.#longestWildcard(host)) {
      const compiled = routes(virtualService);
      if (compiled.routes.length > 0) return { owner: virtualService, skipped };
      skipped.push(...compiled.skipped);
    }
    return { owner: undefined, skipped };
  }

  #longestWildcard(host: string): readonly PreparedVirtualService[] {
    const found = this.#input.virtualServices.longestWildcard(host);
    return found === undefined ? [] : [found];
  }

  /** In order of precedence: those that own a service here and, on port 80, all others too. */
  #candidates(byOwner: ReadonlyMap<PreparedVirtualService | undefined, readonly OwnedService[]>): readonly PreparedVirtualService[] {
    const { ordered } = this.#input.virtualServices;
    return this.#input.port === HTTP_PORT ? ordered : ordered.filter((virtualService) => byOwner.has(virtualService));
  }

  #addVirtualService(virtualService: PreparedVirtualService, services: readonly OwnedService[]): void {
    const { routes } = this.#input.routes(virtualService);
    if (routes.length === 0) return;
    for (const host of virtualService.hosts) if (!this.#isKnownHost(host)) this.#addForeignHost(host, virtualService, routes);
    for (const entry of services) this.#addService(entry, routes);
  }

  #isKnownHost(host: string): boolean {
    if (this.#registry.has(host)) return true;
    if (!isWildcard(host)) return false;
    if (mostSpecific(this.#registry, host) !== undefined) return true;
    if (isPartialWildcard(host)) return [...this.#registry.keys()].some((known) => covers(host, known));
    this.#coveredWildcards ??= new Set([...this.#registry.keys()].flatMap((known) => [...wildcardsOver(known)]));
    return this.#coveredWildcards.has(host);
  }

  /** A host of the VirtualService that is no service on this port: only as written. */
  #addForeignHost(host: string, virtualService: PreparedVirtualService, routes: readonly RouteConfig[]): void {
    const { skipped } = this.#input.routes(virtualService);
    this.#add({
      name: virtualHostName(host, this.#input.port),
      domains: this.#claim([domainOf(host)], []),
      routes,
      origin: originOf(virtualService.resource.source),
      virtualService: virtualService.key,
      ...(skipped.length > 0 && { skipped }),
    });
  }

  #addService({ service, owner, skipped }: OwnedService, routes: readonly RouteConfig[]): void {
    const { port } = this.#input;
    const allSkipped = owner === undefined ? skipped : [...skipped, ...this.#input.routes(owner).skipped];
    const [exact, alternatives] = this.#serviceDomains(service, owner !== undefined);
    this.#add({
      name: virtualHostName(service.host, port),
      domains: this.#claim(exact, alternatives),
      routes,
      origin: originOf(owner?.resource.source ?? service.source),
      virtualService: owner?.key ?? null,
      ...(allSkipped.length > 0 && { skipped: allSkipped }),
      ...(onlyHttpPort(service) === port && { portless: port }),
    });
  }

  /** A VirtualService on an alias answers for the alias's full name only; its shorter forms stay with the concrete service. */
  #serviceDomains(service: MeshService, owned: boolean): readonly [exact: readonly string[], alternatives: readonly string[]] {
    if (service.aliasOf !== undefined) return [owned ? [service.host] : [], []];
    const aliases = this.#input.aliases(service.host);
    const variants = [service, ...aliases].map(({ host }) => hostVariants(host, this.#input));
    const taken = new Set(aliases.map(({ host }) => host).filter((host) => this.#hasOwnRoutes(host)));
    const exact = variants.flatMap((variant) => variant.exact).filter((host) => !taken.has(host));
    const alternatives = variants.flatMap((variant) => variant.shorter);
    const pods = service.headless ? [...exact, ...alternatives].map((domain) => `*.${domain}`) : [];
    return [[...exact, ...pods, ...service.addresses.map(domainOf)], alternatives];
  }

  /** True if a VirtualService on this very alias gives it a virtual host of its own here. */
  #hasOwnRoutes(alias: string): boolean {
    const applies = this.#registry.has(alias) || this.#input.port === HTTP_PORT;
    return applies && this.#input.virtualServices.exact(alias).some((virtualService) => this.#input.routes(virtualService).routes.length > 0);
  }

  /** A domain belongs to the first virtual host that claims it; a shorter form never steals another service's full name. */
  #claim(exact: readonly string[], alternatives: readonly string[]): readonly string[] {
    const wanted = [...exact, ...alternatives.filter((domain) => !this.#registry.has(domain))];
    const free = [...new Set(wanted)].filter((domain) => !this.#domains.has(domain));
    for (const domain of free) this.#domains.add(domain);
    return free;
  }

  #add(virtualHost: VirtualHostConfig): void {
    if (virtualHost.domains.length === 0 || this.#names.has(virtualHost.name)) return;
    this.#names.add(virtualHost.name);
    this.#virtualHosts.push(this.#input.reuse(virtualHost));
  }
}

/** Ports that need a table: every HTTP or sniffed port of a service. */
export function outboundPorts(services: Iterable<MeshService>): ReadonlySet<number> {
  const ports = new Set<number>();
  for (const service of services) for (const { number } of httpPorts(service)) ports.add(number);
  return ports;
}

function groupByOwner(owned: readonly OwnedService[]): ReadonlyMap<PreparedVirtualService | undefined, readonly OwnedService[]> {
  const groups = new Map<PreparedVirtualService | undefined, OwnedService[]>();
  for (const entry of owned) {
    const group = groups.get(entry.owner);
    if (group === undefined) groups.set(entry.owner, [entry]);
    else group.push(entry);
  }
  return groups;
}

/** `reviews.prod.svc.cluster.local`, with a trailing dot too, `reviews.prod.svc`, `reviews.prod` and, from within `prod`, `reviews`. */
export function hostVariants(host: string, { namespace, clusterDomain }: Pick<OutboundPort, 'namespace' | 'clusterDomain'>): { readonly exact: readonly string[]; readonly shorter: readonly string[] } {
  const suffix = `.svc.${clusterDomain}`;
  if (!host.endsWith(suffix) || isWildcard(host)) return { exact: [host], shorter: [] };
  const qualified = host.slice(0, -suffix.length);
  const dot = qualified.indexOf('.');
  if (dot === -1) return { exact: [host], shorter: [] };
  const bare = qualified.slice(dot + 1) === namespace ? [qualified.slice(0, dot)] : [];
  return { exact: [host, `${host}.`], shorter: [...bare, qualified, `${qualified}.svc`] };
}

function defaultRoute({ service, port }: OwnedService, { hashPolicies, retries }: OutboundPort['context']): RouteConfig {
  const host = service.host;
  const cluster = outboundCluster(port.number, '', service.aliasOf ?? host);
  const hashPolicy = hashPolicies.ofService(service, port.number);
  const retry = retries.outbound(hashPolicy !== undefined);
  return {
    name: 'default',
    match: MATCH_ALL,
    action: { kind: 'forward', destinations: [{ cluster, weight: 1, host, port: port.number, subset: '', ...(hashPolicy !== undefined && { hashPolicy }) }] },
    ...(retry !== undefined && { retry }),
    filters: [],
    index: -1,
    origin: originOf(service.source),
  };
}
