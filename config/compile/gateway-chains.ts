/** Filter chains of a gateway's TLS and TCP servers: who gets a connection by its server name, and what becomes of it (istio-api.md 4.1, 4.3). */

import type { FilterChainConfig, FilterChainMatch, NetworkConfig } from '../runtime/filter-chain.ts';
import type { HttpListenerConfig } from '../runtime/listener.ts';
import { MESH_ANY } from './application-protocols.ts';
import { httpNetwork, MATCH_EVERYTHING, tcpNetwork } from './filter-chains.ts';
import type { GatewayScope } from './gateway-l4.ts';
import { firstTcpRoute, tlsRoutes } from './gateway-l4.ts';
import type { GatewayServer, PortGroup } from './gateway-servers.ts';
import { hostNames } from './gateway-servers.ts';
import { gatewayTls } from './gateway-tls.ts';
import { isWildcard, overlaps } from './host-match.ts';
import { below, originAt, problemAt } from './located.ts';
import { tlsGatewayTable } from './names.ts';

export interface ChainScope extends GatewayScope {
  /** Of the listener: chains are named after it. */
  readonly listener: string;
  readonly http: HttpListenerConfig;
}

/** True for a server whose requests are routed by a table of its own. */
export function isTerminatedHttp({ server: { port, tls } }: GatewayServer): boolean {
  return port.protocol?.toUpperCase() === 'HTTPS' && tls !== undefined && !isPassedThrough(tls.mode);
}

export function ownTable({ port, server, gateway }: GatewayServer): string {
  return tlsGatewayTable(port, server.port.name ?? '', gateway);
}

/** The only chain of a TCP server; undefined where nothing is routed to it: the port is not bound then, as in Istio. */
export function tcpChain({ servers: [server] }: PortGroup, scope: ChainScope): FilterChainConfig | undefined {
  const found = firstTcpRoute(server, scope);
  if (found === undefined) {
    reportUnrouted(server, 'tcp', scope);
    return undefined;
  }
  return { name: `${scope.listener}/${found.label}`, match: MATCH_EVERYTHING, network: tcpNetwork(found.route), origin: originAt(found.place) };
}

/** In the order of their servers. No two have the same conditions: of what repeats the first stays. */
export function tlsChains({ servers }: PortGroup, scope: ChainScope): readonly FilterChainConfig[] {
  const draft: TlsDraft = { chains: [], owners: new Map(), scope };
  const automatic = servers.filter(({ server }) => server.tls?.mode === 'AUTO_PASSTHROUGH');
  for (const server of servers) {
    if (automatic.includes(server)) continue;
    if (isPassedThrough(server.server.tls?.mode)) addPassedThrough(server, draft);
    else addTerminated(server, draft);
  }
  const names = [...draft.owners.keys()];
  return [...draft.chains, ...automatic.map((server) => automaticChain(server, names, scope))];
}

interface TlsDraft {
  readonly chains: FilterChainConfig[];
  /** Server name (`*`: every other one, and none) → chain. */
  readonly owners: Map<string, string>;
  readonly scope: ChainScope;
}

function isPassedThrough(mode: string | undefined): boolean {
  return mode === undefined || mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH';
}

function addTerminated(server: GatewayServer, draft: TlsDraft): void {
  const { scope } = draft;
  const network = isTerminatedHttp(server) ? httpNetwork(ownTable(server), server.server.port.number, scope.http) : terminatedTcp(server, scope);
  const tls = gatewayTls(server, network?.kind === 'http' ? 'http' : 'tcp', scope.context);
  if (network === undefined || tls === undefined) return;
  const name = `${scope.listener}/${server.gateway}/${server.server.port.name ?? ''}`;
  const match = claimed(hostNames(server.server), name, server, draft);
  if (match !== undefined) draft.chains.push({ name, match, tls, network, origin: originAt(server.place) });
}

function terminatedTcp(server: GatewayServer, scope: ChainScope): NetworkConfig | undefined {
  const found = firstTcpRoute(server, scope);
  if (found === undefined) reportUnrouted(server, 'tcp', scope);
  return found && tcpNetwork(found.route);
}

/** By the names of the routes, which may be fewer than those of the server. */
function addPassedThrough(server: GatewayServer, draft: TlsDraft): void {
  const { scope } = draft;
  const routes = tlsRoutes(server, scope);
  if (routes.length === 0) reportUnrouted(server, 'tls', scope);
  for (const { label, route, place, sniHosts } of routes) {
    const name = `${scope.listener}/${server.gateway}/${label}`;
    const match = claimed(sniHosts, name, { place: below(place, 'sniHosts') }, draft);
    if (match !== undefined) draft.chains.push({ name, match, network: tcpNetwork(route), origin: originAt(place) });
  }
}

/** The names that nobody has yet; undefined, and a warning, where some older chain has them all. */
function claimed(names: readonly string[], chain: string, { place }: Pick<GatewayServer, 'place'>, { owners, scope }: TlsDraft): FilterChainMatch | undefined {
  const wanted = names.includes('*') ? ['*'] : [...new Set(names)];
  const free = wanted.filter((name) => !owners.has(name));
  const taken = wanted.find((name) => owners.has(name));
  if (taken !== undefined) {
    const lost = wanted.filter((name) => owners.has(name)).join(', ');
    scope.context.report(problemAt(place, 'warning', `connections for ${lost} already go to ${owners.get(taken) ?? ''}, which is older and wins`));
  }
  if (free.length === 0) return undefined;
  for (const name of free) owners.set(name, chain);
  return free[0] === '*' ? MATCH_EVERYTHING : { serverNames: free };
}

/**
 * Whatever the server name, as long as sidecars' protocols are offered: the name itself says where to. Envoy has an exact
 * name for each cluster; here the wildcards of other chains that cover such names are this one's too, for those protocols.
 */
function automaticChain(server: GatewayServer, names: readonly string[], { listener }: ChainScope): FilterChainConfig {
  const hosts = hostNames(server.server);
  const shared = names.filter((name) => name !== '*' && isWildcard(name) && hosts.some((host) => overlaps(name, host)));
  const match = { ...(shared.length > 0 && { serverNames: ['*', ...shared] }), applicationProtocols: MESH_ANY };
  const name = `${listener}/${server.gateway}/${server.server.port.name ?? ''}`;
  return { name, match, network: tcpNetwork({ name, destinations: [], clusterFromSni: { hosts }, origin: originAt(server.place) }), origin: originAt(server.place) };
}

function reportUnrouted({ server, place }: GatewayServer, kind: 'tcp' | 'tls', { context }: ChainScope): void {
  context.report(problemAt(place, 'warning', `no VirtualService has a ${kind} route for this server (port ${server.port.number}): connections to it are not served`));
}
