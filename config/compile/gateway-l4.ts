/** VirtualService `tcp` and `tls` routes at a gateway (istio-api.md 2.13, 2.14, 4.4). */

import type { L4MatchAttributes, TlsMatchAttributes } from '../resources/virtual-service/types.ts';
import type { RouteDestination } from '../resources/virtual-service/types.ts';
import type { TcpRouteConfig } from '../runtime/filter-chain.ts';
import type { CompileContext } from './context.ts';
import type { GatewayServer } from './gateway-servers.ts';
import { serverHosts } from './gateway-servers.ts';
import { overlaps } from './host-match.ts';
import { routeOf } from './l4-routes.ts';
import type { Place } from './located.ts';
import { below } from './located.ts';
import type { MeshService } from './mesh-service.ts';
import { resolveGateway } from './names.ts';
import type { PreparedVirtualService } from './virtual-services.ts';

export interface GatewayRoute {
  /** `default/shop.tcp[0]`, `default/shop.tls[0].match[1]`. */
  readonly label: string;
  readonly route: TcpRouteConfig;
  readonly place: Place;
}

export interface SniRoute extends GatewayRoute {
  /** Lower case; with `*` among them every name and none at all. */
  readonly sniHosts: readonly string[];
}

export interface GatewayScope {
  readonly context: CompileContext;
  /** What the gateway may send to, by host. */
  readonly services: ReadonlyMap<string, MeshService>;
}

/** Of the oldest VirtualService that has one for this server, the first; the hosts only say that it is meant, bytes carry none. */
export function firstTcpRoute(server: GatewayServer, scope: GatewayScope): GatewayRoute | undefined {
  for (const virtualService of boundTo(server, scope)) {
    for (const [index, { match = [], route = [] }] of (virtualService.resource.spec.tcp ?? []).entries()) {
      if (match.length === 0 || match.some((candidate) => fits(candidate, server, virtualService))) return routed({ virtualService, kind: 'tcp', index, route }, server, scope);
    }
  }
  return undefined;
}

/** One for each match, in order; server names may repeat. */
export function tlsRoutes(server: GatewayServer, scope: GatewayScope): readonly SniRoute[] {
  return boundTo(server, scope).flatMap((virtualService) =>
    (virtualService.resource.spec.tls ?? []).flatMap(({ match, route = [] }, index) =>
      match.flatMap((candidate, position) => {
        if (!fits(candidate, server, virtualService)) return [];
        const compiled = routed({ virtualService, kind: 'tls', index, route }, server, scope);
        const place = below(compiled.place, 'match', position);
        return [{ ...compiled, label: `${compiled.label}.match[${position}]`, place, sniHosts: candidate.sniHosts.map((host) => host.toLowerCase()) }];
      }),
    ),
  );
}

/** Those that name the Gateway and have a host in common with the server, oldest first. */
function boundTo(server: GatewayServer, { context }: GatewayScope): readonly PreparedVirtualService[] {
  return context.virtualServices.filter(({ gateways, namespace, hosts }) => {
    if (!gateways.has(server.gateway)) return false;
    const served = serverHosts(server, namespace);
    return hosts.some((host) => served.some((name) => overlaps(name, host)));
  });
}

/** Port and gateway; labels and namespaces of clients mean nothing here, as in Istio. */
function fits({ port, gateways = [] }: L4MatchAttributes | TlsMatchAttributes, { gateway, server }: GatewayServer, { namespace }: PreparedVirtualService): boolean {
  if (port !== undefined && port !== server.port.number) return false;
  return gateways.length === 0 || gateways.some((reference) => resolveGateway(reference, namespace) === gateway);
}

interface WrittenRoute {
  readonly virtualService: PreparedVirtualService;
  readonly kind: 'tcp' | 'tls';
  readonly index: number;
  readonly route: readonly RouteDestination[];
}

function routed({ virtualService, kind, index, route }: WrittenRoute, { server }: GatewayServer, { context, services }: GatewayScope): GatewayRoute {
  const { key, resource, namespace } = virtualService;
  const place: Place = { source: resource.source, path: ['spec', kind, index] };
  const lookup = { clusterDomain: context.node.clusterDomain, listenerPort: server.port.number, service: (host: string) => services.get(host) };
  const compiled = routeOf(route, { name: key, namespace, lookup, place }, context);
  return { label: `${key}.${kind}[${index}]`, route: { ...compiled, virtualService: key }, place };
}
