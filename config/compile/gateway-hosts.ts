/** Virtual hosts of a gateway port: VirtualServices bound by host intersection, several of them merged (istio-api.md 2.1, 4.2). */

import { originOf } from '../load/types.ts';
import { isTls } from '../resources/server-port.ts';
import type { RouteConfig, VirtualHostConfig } from '../runtime/route.ts';
import type { CompileContext } from './context.ts';
import type { GatewayServer } from './gateway-servers.ts';
import { serverHosts, splitServerHost } from './gateway-servers.ts';
import { intersectHosts } from './host-match.ts';
import type { SkippedRoute } from './http-rule.ts';
import { originAt } from './located.ts';
import type { MeshService } from './mesh-service.ts';
import { domainOf, virtualHostName } from './names.ts';
import { compareText } from './order.ts';
import { isCatchAll } from './route-match.ts';
import type { CompiledRoutes } from './routes.ts';
import { compileRoutes } from './routes.ts';
import type { PreparedVirtualService } from './virtual-services.ts';

/** A virtual host while VirtualServices are still being added to it. */
interface Draft {
  readonly host: string;
  readonly port: number;
  readonly members: Map<PreparedVirtualService, CompiledRoutes>;
  readonly server: GatewayServer;
  requireTls: boolean;
}

/** Sorted by name; with nothing bound, one that answers 404 to everything. */
export function gatewayVirtualHosts(servers: readonly [GatewayServer, ...GatewayServer[]], services: ReadonlyMap<string, MeshService>, context: CompileContext): readonly VirtualHostConfig[] {
  const drafts = new Map<string, Draft>();
  const bound = virtualServicesByGateway(servers, context);
  const compiled = new Map<string, CompiledRoutes>();
  for (const server of servers) {
    for (const virtualService of bound.get(server.gateway) ?? []) {
      const hosts = intersectHosts(serverHosts(server, virtualService.namespace), virtualService.hosts);
      if (hosts.length === 0) continue;
      const routes = routesOf(virtualService, server, { compiled, services, context });
      if (routes.routes.length === 0) continue;
      for (const host of hosts) addMember(draftOf(drafts, host, server), server, virtualService, routes);
    }
    // Every host of the server is redirected, with a VirtualService or without.
    if (redirectsToHttps(server)) for (const entry of server.server.hosts) draftOf(drafts, splitServerHost(entry)[1], server).requireTls = true;
  }
  if (drafts.size === 0) return [unbound(servers[0])];
  return [...drafts.values()].map(finish).sort((a, b) => compareText(a.name, b.name));
}

function virtualServicesByGateway(servers: readonly GatewayServer[], { virtualServices }: CompileContext): ReadonlyMap<string, readonly PreparedVirtualService[]> {
  const byGateway = new Map<string, PreparedVirtualService[]>(servers.map(({ gateway }) => [gateway, []]));
  for (const virtualService of virtualServices) {
    for (const gateway of virtualService.gateways) byGateway.get(gateway)?.push(virtualService);
  }
  return byGateway;
}

/** `match.port` and `match.gateways` make the routes of one VirtualService differ from server to server. */
function routesOf(virtualService: PreparedVirtualService, { gateway, server }: GatewayServer, { compiled, services, context }: { readonly compiled: Map<string, CompiledRoutes>; readonly services: ReadonlyMap<string, MeshService>; readonly context: CompileContext }): CompiledRoutes {
  const port = server.port.number;
  const key = `${virtualService.key} ${gateway} ${port}`;
  let routes = compiled.get(key);
  if (routes === undefined) {
    const { namespace, labels, clusterDomain } = context.node;
    routes = compileRoutes(virtualService, {
      client: { namespace, labels, gateway, port },
      destinations: { clusterDomain, listenerPort: port, service: (host) => services.get(host), hashPolicies: context.hashPolicies },
      retries: context.retries,
      trace: context.trace,
    });
    compiled.set(key, routes);
  }
  return routes;
}

function draftOf(drafts: Map<string, Draft>, host: string, server: GatewayServer): Draft {
  let draft = drafts.get(host);
  if (draft === undefined) drafts.set(host, (draft = { host, port: server.server.port.number, members: new Map(), server, requireTls: false }));
  return draft;
}

/** A host that two servers share keeps the first one's routes of a VirtualService. */
function addMember(draft: Draft, server: GatewayServer, virtualService: PreparedVirtualService, routes: CompiledRoutes): void {
  if (!draft.members.has(virtualService)) draft.members.set(virtualService, routes);
  if (redirectsToHttps(server)) draft.requireTls = true;
}

/** Plain HTTP servers only: at the others every request is secure. */
function redirectsToHttps({ server }: GatewayServer): boolean {
  return server.tls?.httpsRedirect === true && !isTls(server.port.protocol ?? '');
}

function finish({ host, port, members, server, requireTls: redirect }: Draft): VirtualHostConfig {
  const [first] = members.keys();
  const skipped: readonly SkippedRoute[] = [...members.values()].flatMap((member) => member.skipped);
  return {
    name: virtualHostName(host, port),
    domains: [domainOf(host)],
    routes: catchAllsLast([...members.values()].flatMap((member) => member.routes)),
    origin: first === undefined ? originAt(server.place) : originOf(first.resource.source),
    virtualService: first?.key ?? null,
    ...(skipped.length > 0 && { skipped }),
    ...(redirect && { requireTls: true }),
  };
}

/** Where several VirtualServices meet, one's catch-all must not hide the others' routes; all else keeps its order. */
function catchAllsLast(routes: readonly RouteConfig[]): readonly RouteConfig[] {
  return [...routes.filter((route) => !isCatchAll(route.match)), ...routes.filter((route) => isCatchAll(route.match))];
}

function unbound({ server, place }: GatewayServer): VirtualHostConfig {
  return { name: virtualHostName('blackhole', server.port.number), domains: ['*'], routes: [], origin: originAt(place), virtualService: null };
}
