/** VirtualService `tcp` and `tls` routes, and what a service's own port means without them: chains of one listener (istio-api.md 2.13, 2.14). */

import { originOf } from '../load/types.ts';
import type { L4MatchAttributes, RouteDestination, TlsMatchAttributes } from '../resources/virtual-service/types.ts';
import type { FilterChainMatch, TcpRouteConfig } from '../runtime/filter-chain.ts';
import type { Origin } from '../runtime/origin.ts';
import type { CompileContext } from './context.ts';
import type { ServiceLookup } from './destination.ts';
import { concreteService, destinationCluster } from './destination.ts';
import { selects } from './labels.ts';
import type { Place } from './located.ts';
import { originAt } from './located.ts';
import type { MeshPort, MeshService } from './mesh-service.ts';
import { MESH_GATEWAY, outboundCluster } from './names.ts';
import { connectionSettings } from './tcp-settings.ts';
import type { HostIndex, PreparedVirtualService } from './virtual-services.ts';

/** A chain without its listener. */
export interface L4Chain {
  /** Service host or `namespace/name.tcp[0]` of the VirtualService: unique among the chains of one service. */
  readonly label: string;
  readonly match: FilterChainMatch;
  readonly route: TcpRouteConfig;
  readonly origin: Origin;
}

export interface L4Scope {
  readonly context: CompileContext;
  /** VirtualServices with `tcp` or `tls` routes. */
  readonly virtualServices: HostIndex<PreparedVirtualService>;
  /** Services this workload may call. */
  readonly services: ReadonlyMap<string, MeshService>;
}

/** Where connections to the service arrive. */
export interface L4Place {
  /** CIDR ranges that the service has in place of an address. */
  readonly ranges?: readonly string[];
  /** Nothing but the server name tells the service from others on the same port. */
  readonly shared: boolean;
}

/** Bytes of a port that is not declared HTTP. The last chain takes everything where a route does. */
export function l4Chains(service: MeshService, port: MeshPort, place: L4Place, scope: L4Scope): readonly L4Chain[] {
  return port.protocol === 'TLS' ? tlsChains(service, port, place, scope) : tcpChains(service, port, place, scope);
}

/** Rules in order; a rule whose match has no subnet ends the list. */
function tcpChains(service: MeshService, port: MeshPort, { ranges }: L4Place, scope: L4Scope): readonly L4Chain[] {
  const chains: L4Chain[] = [];
  for (const virtualService of scope.virtualServices.over(service.host)) {
    for (const [index, { match = [], route = [] }] of (virtualService.resource.spec.tcp ?? []).entries()) {
      const fitting = match.filter((candidate) => fits(candidate, port.number, scope));
      if (match.length > 0 && fitting.length === 0) continue;
      const subnets = fitting.some(({ destinationSubnets = [] }) => destinationSubnets.length === 0) ? [] : fitting.flatMap(({ destinationSubnets = [] }) => destinationSubnets);
      const chain = routedChain({ virtualService, kind: 'tcp', index, route, port }, { destinationRanges: subnets.length > 0 ? subnets : ranges }, scope);
      chains.push(chain);
      if (subnets.length === 0 || isSameRanges(subnets, ranges)) return chains;
    }
  }
  return [...chains, serviceChain(service, port, { destinationRanges: ranges }, scope)];
}

/** Each match by its server names; without any the port is the service's, by address alone where that says enough. */
function tlsChains(service: MeshService, port: MeshPort, { ranges, shared }: L4Place, scope: L4Scope): readonly L4Chain[] {
  const chains: L4Chain[] = [];
  for (const virtualService of scope.virtualServices.over(service.host)) {
    for (const [index, { match, route = [] }] of (virtualService.resource.spec.tls ?? []).entries()) {
      for (const [position, candidate] of match.entries()) {
        if (!fits(candidate, port.number, scope)) continue;
        const { sniHosts, destinationSubnets = [] } = candidate;
        const conditions = { destinationRanges: destinationSubnets.length > 0 ? destinationSubnets : ranges, serverNames: serverNames(sniHosts) };
        chains.push(routedChain({ virtualService, kind: 'tls', index, position, route, port }, conditions, scope));
      }
    }
  }
  if (chains.length > 0) return chains;
  return [serviceChain(service, port, { destinationRanges: ranges, serverNames: shared || ranges !== undefined ? [service.host] : undefined }, scope)];
}

/** `*` is every name and none at all. */
function serverNames(sniHosts: readonly string[]): readonly string[] | undefined {
  return sniHosts.includes('*') ? undefined : sniHosts.map((host) => host.toLowerCase());
}

/** Static conditions, all of which must hold for this workload. */
function fits({ port: wanted, sourceLabels, sourceNamespace = '', gateways = [] }: L4MatchAttributes | TlsMatchAttributes, port: number, { context: { node } }: L4Scope): boolean {
  if (wanted !== undefined && wanted !== port) return false;
  if (sourceNamespace !== '' && sourceNamespace !== node.namespace) return false;
  return (gateways.length === 0 || gateways.includes(MESH_GATEWAY)) && selects(sourceLabels, node.labels);
}

function isSameRanges(a: readonly string[], b: readonly string[] | undefined): boolean {
  return b !== undefined && [...a].sort().join() === [...b].sort().join();
}

interface Conditions {
  readonly destinationRanges?: readonly string[] | undefined;
  readonly serverNames?: readonly string[] | undefined;
}

function chainMatch({ destinationRanges, serverNames: names }: Conditions): FilterChainMatch {
  return { ...(destinationRanges !== undefined && { destinationRanges }), ...(names !== undefined && { serverNames: names }) };
}

interface WrittenRoute {
  readonly virtualService: PreparedVirtualService;
  readonly kind: 'tcp' | 'tls';
  readonly index: number;
  readonly position?: number;
  readonly route: readonly RouteDestination[];
  readonly port: MeshPort;
}

function routedChain({ virtualService, kind, index, position, route, port }: WrittenRoute, conditions: Conditions, { context, services }: L4Scope): L4Chain {
  const { key, resource, namespace } = virtualService;
  const place: Place = { source: resource.source, path: ['spec', kind, index] };
  const lookup: ServiceLookup = { clusterDomain: context.node.clusterDomain, listenerPort: port.number, service: (host) => services.get(host) };
  const compiled = routeOf(route, { name: key, namespace, lookup, place }, context);
  const label = `${key}.${kind}[${index}]${position === undefined ? '' : `.match[${position}]`}`;
  return { label, match: chainMatch(conditions), route: { ...compiled, virtualService: key }, origin: originAt(place) };
}

export interface RouteOwner {
  readonly name: string;
  /** Of the resource that names the destinations. */
  readonly namespace: string;
  readonly lookup: ServiceLookup;
  readonly place: Place;
}

/** A single destination takes every connection; of several the first one's rule says how connections live. */
export function routeOf(written: readonly RouteDestination[], { name, namespace, lookup, place }: RouteOwner, context: Pick<CompileContext, 'rules' | 'mesh'>): TcpRouteConfig {
  const destinations = written.map(({ destination, weight = 0 }) => ({ ...destinationCluster(destination, namespace, lookup), weight: written.length === 1 ? 100 : weight }));
  const [first] = destinations;
  const service = first === undefined ? undefined : concreteService(first.host, lookup);
  const subset = destinations.length === 1 ? (first?.subset ?? '') : '';
  const settings = service === undefined || first === undefined ? {} : connectionSettings(service, { port: first.port, subset }, context);
  return { name, destinations, ...settings, origin: originAt(place) };
}

function serviceChain(service: MeshService, port: MeshPort, conditions: Conditions, { context }: L4Scope): L4Chain {
  const { host } = service;
  const origin = originOf(service.source);
  const destinations = [{ cluster: outboundCluster(port.number, '', host), weight: 1, host, port: port.number, subset: '' }];
  const settings = connectionSettings(service, { port: port.number, subset: '' }, context);
  return { label: host, match: chainMatch(conditions), route: { name: host, destinations, ...settings, origin }, origin };
}
