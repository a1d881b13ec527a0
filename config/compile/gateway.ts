/** Gateway mode: listeners, route tables and clusters of the servers this workload serves (istio-api.md section 4). */

import type { FilterChainConfig } from '../runtime/filter-chain.ts';
import type { ListenerConfig } from '../runtime/listener.ts';
import type { RouteTableConfig } from '../runtime/route.ts';
import { fixedClusters, outboundClusters } from './clusters.ts';
import type { CompileContext, ConfigParts } from './context.ts';
import type { ChainScope } from './gateway-chains.ts';
import { isTerminatedHttp, ownTable, tcpChain, tlsChains } from './gateway-chains.ts';
import { gatewayVirtualHosts } from './gateway-hosts.ts';
import type { GatewayServer, PortGroup } from './gateway-servers.ts';
import { gatewayPorts, hostNames } from './gateway-servers.ts';
import type { GatewayScope } from './gateway-l4.ts';
import type { GatewayTopology } from './gateway-topology.ts';
import { gatewayTopology } from './gateway-topology.ts';
import { originAt } from './located.ts';
import type { MeshService } from './mesh-service.ts';
import { gatewayTable, listenerName, UNKNOWN_TABLE } from './names.ts';
import { nodeAddress } from './node.ts';
import { sniClusters } from './sni-clusters.ts';
import { oneForEachHost } from './visibility.ts';

export function gatewayParts(context: CompileContext): ConfigParts {
  const services = oneForEachHost(context.visibleServices, context.node.namespace);
  const groups = gatewayPorts(context);
  const topology = gatewayTopology(context);
  const clusters = outboundClusters({ ...context, services });
  return {
    listeners: groups.flatMap((group) => gatewayListener(group, { context, services, topology })),
    tables: groups.flatMap((group) => gatewayTables(group, services, context)),
    clusters: [...clusters, ...sniClusters(clusters, automaticHosts(groups), { ...context, services }), ...fixedClusters(context)],
  };
}

/** Hosts of AUTO_PASSTHROUGH servers. */
function automaticHosts(groups: readonly PortGroup[]): readonly string[] {
  const servers = groups.filter(({ kind }) => kind === 'tls').flatMap((group) => group.servers.filter(({ server }) => server.tls?.mode === 'AUTO_PASSTHROUGH'));
  return [...new Set(servers.flatMap(({ server }) => hostNames(server)))];
}

/** One for all plain HTTP servers of the port; one for each that terminates TLS, because its chain knows no others. */
function gatewayTables(group: PortGroup, services: ReadonlyMap<string, MeshService>, context: CompileContext): readonly RouteTableConfig[] {
  const table = (name: string, servers: readonly [GatewayServer, ...GatewayServer[]]): RouteTableConfig => ({ name, virtualHosts: gatewayVirtualHosts(servers, services, context).map(context.reuse.virtualHosts(name)) });
  if (group.kind === 'http') return [table(gatewayTable(group.port, group.bind), group.servers)];
  return group.servers.filter(isTerminatedHttp).map((server) => table(ownTable(server), [server]));
}

interface ListenerScope extends GatewayScope {
  readonly topology: GatewayTopology;
}

/** None where not a single chain is left: the port is not bound, as in Istio. */
function gatewayListener(group: PortGroup, scope: ListenerScope): readonly ListenerConfig[] {
  const listener = plainListener(group, scope);
  if (group.kind === 'http') return [listener];
  const chainScope: ChainScope = { ...scope, listener: listener.name, http: listener.http };
  if (group.kind === 'tcp') {
    const only = tcpChain(group, chainScope);
    return only === undefined ? [] : [{ ...listener, defaultChain: only }];
  }
  const chains: readonly FilterChainConfig[] = tlsChains(group, chainScope);
  return chains.length === 0 ? [] : [{ ...listener, chains }];
}

function plainListener({ port, bind, kind, servers: [first] }: PortGroup, { context: { node, mesh }, topology }: ListenerScope): ListenerConfig {
  const address = bind ?? '0.0.0.0';
  const declaredPort = first.server.port.number;
  return {
    name: listenerName(address, port),
    direction: 'gateway',
    bind: { address, port: node.portMap[declaredPort] ?? port, ...(bind === undefined && node.bothFamilies === true && { bothFamilies: true as const }) },
    // A unix socket has none.
    ...(declaredPort !== 0 && { declaredPort }),
    routing: { kind: 'table', table: kind === 'http' ? gatewayTable(port, bind) : UNKNOWN_TABLE, port: declaredPort },
    http: { useRemoteAddress: true, numTrustedProxies: topology.numTrustedProxies, localAddress: nodeAddress(node), pathNormalization: mesh.pathNormalization },
    ...(topology.proxyProtocol && { proxyProtocol: true }),
    origin: originAt(first.place),
  };
}
