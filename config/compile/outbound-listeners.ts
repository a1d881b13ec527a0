/**
 * Where a sidecar's outbound connections arrive, by the address and port they are on their way to: virtual listeners
 * behind the capture listener, and listeners that a Sidecar has bound (istio-api.md sections 5 to 7, 13.2).
 */

import { isIP, isIPv6 } from 'node:net';
import type { ListenerConfig, VirtualListenerConfig } from '../runtime/listener.ts';
import type { Origin } from '../runtime/origin.ts';
import type { RouteTableConfig, VirtualHostConfig } from '../runtime/route.ts';
import type { FilterChainConfig } from '../runtime/filter-chain.ts';
import type { CompileContext } from './context.ts';
import { endpointsOf } from './endpoints.ts';
import { httpNetwork, sidecarHttp, tcpNetwork } from './filter-chains.ts';
import type { L4Place, L4Scope } from './l4-routes.ts';
import { l4Chains } from './l4-routes.ts';
import { isWildcard } from './host-match.ts';
import { ListenerDraft } from './listener-draft.ts';
import { boundListener } from './listeners.ts';
import { originAt, problemAt } from './located.ts';
import type { MeshPort, MeshService } from './mesh-service.ts';
import { portPlace } from './mesh-service.ts';
import { domainOf, listenerName, UNKNOWN_TABLE, virtualHostName } from './names.ts';
import { originOf } from '../load/types.ts';
import { isDeclaredHttp, writtenProtocol } from './protocol.ts';
import type { EgressScope, SidecarScope } from './sidecar-scope.ts';
import { unknownTrafficChain } from './unknown-traffic.ts';
import { HostIndex } from './virtual-services.ts';
import { hostVariants } from './virtual-hosts.ts';
import { wildcardAddresses } from './wildcard-addresses.ts';

export interface OutboundListenerParts {
  readonly virtual: readonly VirtualListenerConfig[];
  readonly bound: readonly ListenerConfig[];
  /** Of sniffed ports with an address of their own: whatever Host says, the address has decided. */
  readonly tables: readonly RouteTableConfig[];
}

/** Route tables by port, as one egress listener has them. */
export type EgressTables = ReadonlyMap<number, RouteTableConfig>;

/** In the order of `scope.egress`, which is that of precedence. */
export function outboundListeners(egressTables: readonly EgressTables[], scope: SidecarScope, context: CompileContext): OutboundListenerParts {
  const builder = new OutboundListenerBuilder(scope, context);
  for (const [position, egress] of scope.egress.entries()) builder.add(egress, egressTables[position] ?? new Map<number, RouteTableConfig>());
  return builder.build();
}

/** Port on which unknown hosts of VirtualServices are served even where no service has it. */
const HTTP_PORT = 80;
const LOCALHOST = '127.0.0.1';

/** One egress listener with what its services share. */
interface Entrance {
  readonly egress: EgressScope;
  readonly tables: EgressTables;
  readonly l4: L4Scope;
  /** The only address of its listeners; undefined: that of each service. */
  readonly bind: string | undefined;
  readonly bound: boolean;
}

class OutboundListenerBuilder {
  readonly #scope: SidecarScope;
  readonly #context: CompileContext;
  readonly #wildcards: readonly string[];
  readonly #drafts = new Map<string, ListenerDraft>();
  readonly #boundDrafts = new Map<string, ListenerDraft>();
  /** Listeners of Sidecar egress entries with a port, which no later entry adds to. */
  readonly #locked = new Set<ListenerDraft>();
  readonly #tables = new Map<string, RouteTableConfig>();
  readonly #virtualHosts = new Map<RouteTableConfig, ReadonlyMap<string, VirtualHostConfig>>();

  constructor(scope: SidecarScope, context: CompileContext) {
    this.#scope = scope;
    this.#context = context;
    this.#wildcards = wildcardAddresses(context);
  }

  add(egress: EgressScope, tables: EgressTables): void {
    const { listener } = egress;
    const bound = listener?.captureMode === 'NONE';
    const bind = listener?.bind === '' ? undefined : listener?.bind;
    // Unix sockets are not served; the analysis says so.
    if (bind !== undefined && isIP(bind) === 0) return;
    const withL4 = egress.virtualServices.filter(({ resource: { spec } }) => (spec.tcp ?? []).length + (spec.tls ?? []).length > 0);
    const l4: L4Scope = { context: this.#context, virtualServices: new HostIndex(withL4), services: this.#scope.services };
    const entrance: Entrance = { egress, tables, l4, bind: bind ?? (bound ? LOCALHOST : undefined), bound };
    for (const service of egress.services.values()) {
      for (const port of portsOf(service, egress)) this.#addPort(service, port, entrance);
    }
    this.#addForeignHosts(entrance);
    if (listener?.port === undefined) return;
    if (isUnused(egress, tables)) this.#reportUnusedPort(egress, listener.port.number);
    for (const draft of [...this.#drafts.values(), ...this.#boundDrafts.values()]) this.#locked.add(draft);
  }

  #reportUnusedPort({ index }: EgressScope, port: number): void {
    const { sidecar } = this.#scope;
    if (sidecar === undefined) return;
    const place = { source: sidecar.source, path: ['spec', 'egress', index, 'port', 'number'] };
    this.#context.report(problemAt(place, 'warning', `no service of its hosts has port ${port}, so nothing listens for it`));
  }

  build(): OutboundListenerParts {
    return {
      virtual: [...this.#drafts.values()].map((draft) => this.#context.reuse.virtualListener(this.#virtualListener(draft))),
      bound: [...this.#boundDrafts.values()].sort((a, b) => a.port - b.port).map((draft) => this.#boundListener(draft)),
      tables: [...this.#tables.values()],
    };
  }

  #addPort(service: MeshService, port: MeshPort, entrance: Entrance): void {
    if (isDeclaredHttp(port.protocol)) return this.#addHttp(originOf(service.source), port.number, entrance);
    // What an alias stands for has its own address, and bytes on their way to that are its own.
    if (service.aliasOf !== undefined && port.protocol !== 'AUTO') return;
    for (const { addresses, ...place } of this.#placesOf(service, port, entrance)) {
      for (const address of addresses) this.#addPlace(service, port, { address, place }, entrance);
    }
  }

  /** Declared HTTP arrives at one listener for the port, whatever address it was sent to: the route table decides by Host. */
  #addHttp(origin: Origin, port: number, entrance: Entrance): void {
    const table = entrance.tables.get(port);
    if (table === undefined) return;
    for (const address of entrance.bind === undefined ? this.#wildcards : [entrance.bind]) {
      this.#draftAt({ address, port, origin }, entrance)?.addHttp(httpNetwork(table.name, port, sidecarHttp(this.#context.mesh)));
    }
  }

  #addPlace(service: MeshService, port: MeshPort, { address, place }: { readonly address: string; readonly place: L4Place }, entrance: Entrance): void {
    const draft = this.#draftAt({ address, port: port.number, origin: originOf(service.source) }, entrance);
    if (draft === undefined) return;
    this.#nameAddress(draft, service, place);
    if (port.protocol === 'AUTO') this.#addSniffed(draft, service, place, entrance);
    if (service.aliasOf !== undefined) return;
    for (const { label, match, route, origin } of l4Chains(service, port, place, entrance.l4)) {
      const owner = draft.add({ label, match, network: tcpNetwork(route), origin });
      // A VirtualService meets its own chains again at every service it names.
      if (owner !== undefined && route.virtualService === undefined) this.#context.report(conflict(draft, service, port, owner));
    }
  }

  /** Where every address of the port arrives names say nothing, and one that stays where it was going needs the address itself. */
  #nameAddress(draft: ListenerDraft, { host, resolution }: MeshService, { shared }: L4Place): void {
    if (shared || resolution === 'NONE' || isWildcard(host)) return;
    const { exact, shorter } = hostVariants(host, this.#context.node);
    for (const name of [...exact, ...shorter.filter((short) => !this.#scope.services.has(short))]) draft.hosts.add(name);
  }

  #addSniffed(draft: ListenerDraft, service: MeshService, { ranges, shared }: L4Place, { tables }: Entrance): void {
    draft.detectsProtocol = true;
    const table = tables.get(draft.port);
    const name = table === undefined || shared ? table?.name : this.#ownTable(service, draft.port, table);
    if (name !== undefined) draft.addHttp(httpNetwork(name, draft.port, sidecarHttp(this.#context.mesh)), ranges);
  }

  /** `host:port`, with the routes that the port's table has for the service; that table itself where it has none. */
  #ownTable(service: MeshService, port: number, table: RouteTableConfig): string {
    const name = virtualHostName(service.host, port);
    if (this.#tables.has(name)) return name;
    let known = this.#virtualHosts.get(table);
    if (known === undefined) this.#virtualHosts.set(table, (known = new Map(table.virtualHosts.map((virtualHost) => [virtualHost.name, virtualHost]))));
    const found = known.get(name);
    if (found === undefined) return table.name;
    const { portless: _, ...virtualHost } = found;
    this.#tables.set(name, { name, virtualHosts: [this.#context.reuse.virtualHosts(name)({ ...virtualHost, domains: ['*'] })] });
    return name;
  }

  /** Addresses under which an opaque port is reached. */
  #placesOf(service: MeshService, port: MeshPort, { bind }: Entrance): readonly (L4Place & { readonly addresses: readonly string[] })[] {
    if (bind !== undefined) return [{ addresses: [bind], shared: true }];
    if (service.headless) return [{ addresses: this.#podAddresses(service, port), shared: false }];
    const { addresses, ranges = [] } = service;
    if (addresses.length + ranges.length === 0) return [{ addresses: this.#wildcards, shared: true }];
    const blocks = this.#wildcards.map((address) => ({ addresses: [address], ranges: ranges.filter((range) => isIPv6(address) === range.includes(':')), shared: true }));
    return [{ addresses, shared: false }, ...blocks.filter((place) => place.ranges.length > 0)];
  }

  /** Not its own: a workload that calls itself by its address does not come this way. */
  #podAddresses(service: MeshService, port: MeshPort): readonly string[] {
    const addresses = endpointsOf(service, port, this.#context.endpoints).map(({ endpoint }) => endpoint.address);
    return [...new Set(addresses)].filter((address) => isIP(address) !== 0 && address !== this.#context.node.ip);
  }

  /** Undefined where an earlier entry has the listener for itself. */
  #draftAt({ address, port, origin }: { readonly address: string; readonly port: number; readonly origin: Origin }, { egress, bound }: Entrance): ListenerDraft | undefined {
    const drafts = bound ? this.#boundDrafts : this.#drafts;
    const name = bound ? listenerName(address, port) : listenerName(domainOf(address), port);
    const known = drafts.get(name);
    if (known !== undefined) return this.#locked.has(known) ? undefined : known;
    const { sidecar } = this.#scope;
    const written = sidecar === undefined || egress.listener === undefined || !bound ? origin : originAt({ source: sidecar.source, path: ['spec', 'egress', egress.index] });
    const draft = new ListenerDraft(name, { address, port, origin: written });
    drafts.set(name, draft);
    return draft;
  }

  /** Hosts of VirtualServices that no service has are served on port 80; bound listeners stand for every table there is. */
  #addForeignHosts(entrance: Entrance): void {
    const { egress, tables, bound } = entrance;
    for (const [port, { virtualHosts }] of tables) {
      const [first] = virtualHosts;
      const origin = first?.origin ?? this.#sidecarOrigin(egress);
      if (origin !== undefined && (bound || port === HTTP_PORT)) this.#addHttp(origin, port, entrance);
    }
  }

  #sidecarOrigin({ index }: EgressScope): Origin | undefined {
    const { sidecar } = this.#scope;
    return sidecar === undefined ? undefined : originAt({ source: sidecar.source, path: ['spec', 'egress', index] });
  }

  #virtualListener(draft: ListenerDraft): VirtualListenerConfig {
    const { name, address, port, hosts, chains, detectsProtocol, origin } = draft;
    const fallback = draft.fallback ?? this.#unknownTraffic(draft);
    return { name, address, port, ...(hosts.size > 0 && { hosts: [...hosts] }), detectsProtocol, chains, ...(fallback !== undefined && { defaultChain: fallback }), ...detectionTimeout(this.#context), origin };
  }

  /** Where every address of a port ends up there are some that nobody declared. */
  #unknownTraffic({ name, address }: ListenerDraft): FilterChainConfig | undefined {
    return this.#wildcards.includes(address) ? unknownTrafficChain(`${name}/unknown`, this.#context, this.#scope) : undefined;
  }

  #boundListener(draft: ListenerDraft): ListenerConfig {
    const { address, port, chains, fallback, origin } = draft;
    const http = chains.map(({ network }) => network).find((network) => network.kind === 'http');
    const routing = http?.routing ?? { kind: 'table' as const, table: UNKNOWN_TABLE, port };
    const listener = boundListener({ direction: 'outbound', address, port, routing, origin }, this.#context);
    if (draft.isHttpOnly) return listener;
    return { ...listener, chains, ...(fallback !== undefined && { defaultChain: fallback }), ...detectionTimeout(this.#context) };
  }
}

/** Neither a service has the port nor a VirtualService routes on it. */
function isUnused(egress: EgressScope, tables: EgressTables): boolean {
  const isRouted = [...tables.values()].some(({ virtualHosts }) => virtualHosts.some(({ virtualService }) => virtualService !== null));
  return !isRouted && [...egress.services.values()].every((service) => portsOf(service, egress).length === 0);
}

/** Ports of the service that this entry serves; an entry's own port says what is spoken there. */
function portsOf(service: MeshService, { listener }: EgressScope): readonly MeshPort[] {
  const written = listener?.port;
  if (written === undefined) return service.ports;
  const protocol = writtenProtocol(written.protocol);
  const port = service.ports.find(({ number }) => number === written.number);
  return protocol === undefined || port === undefined ? [] : [{ ...port, protocol }];
}

function detectionTimeout({ mesh }: CompileContext): { readonly detectionTimeoutMs?: number } {
  return mesh.detectionTimeoutMs === 0 ? {} : { detectionTimeoutMs: mesh.detectionTimeoutMs };
}

function conflict({ name }: ListenerDraft, service: MeshService, port: MeshPort, owner: string) {
  const place = portPlace(service, port);
  return problemAt(place, 'warning', `connections to ${name} cannot be told from those that ${owner} has there, which is older and wins; ${service.host} gets none of them${addressHint(service)}`);
}

function addressHint({ addresses, declared }: MeshService): string {
  if (addresses.length > 0) return '';
  return declared.kind === 'Service' ? '; its clusterIP, as "kubectl get" prints it, would tell them apart' : '; addresses would tell them apart';
}
