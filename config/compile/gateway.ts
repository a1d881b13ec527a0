/** Gateway mode: listeners and route tables of the HTTP servers this workload serves (istio-api.md section 4). */

import type { ListenerConfig } from '../runtime/listener.ts';
import type { RouteTableConfig } from '../runtime/route.ts';
import { fixedClusters, outboundClusters } from './clusters.ts';
import type { CompileContext, ConfigParts } from './context.ts';
import { gatewayVirtualHosts } from './gateway-hosts.ts';
import type { PortGroup } from './gateway-servers.ts';
import { gatewayPorts } from './gateway-servers.ts';
import { originAt } from './located.ts';
import type { MeshService } from './mesh-service.ts';
import { gatewayTable, listenerName } from './names.ts';
import { nodeAddress } from './node.ts';
import { oneForEachHost } from './visibility.ts';

export function gatewayParts(context: CompileContext): ConfigParts {
  const { node } = context;
  const services = oneForEachHost(context.visibleServices, node.namespace);
  const groups = gatewayPorts(context);
  return {
    listeners: groups.map((group) => gatewayListener(group, context)),
    tables: groups.map((group) => gatewayRoutes(group, services, context)),
    clusters: [...outboundClusters({ ...context, services }), ...fixedClusters(context)],
  };
}

function gatewayRoutes({ port, bind, servers }: PortGroup, services: ReadonlyMap<string, MeshService>, context: CompileContext): RouteTableConfig {
  const name = gatewayTable(port, bind);
  return { name, virtualHosts: gatewayVirtualHosts(servers, services, context).map(context.reuse.virtualHosts(name)) };
}

function gatewayListener({ port, bind, servers }: PortGroup, { node, mesh }: CompileContext): ListenerConfig {
  const [first] = servers;
  const address = bind ?? '0.0.0.0';
  const declaredPort = first.server.port.number;
  return {
    name: listenerName(address, port),
    direction: 'gateway',
    bind: { address, port: node.portMap[declaredPort] ?? port },
    declaredPort,
    routing: { kind: 'table', table: gatewayTable(port, bind), port: declaredPort },
    http: { useRemoteAddress: true, numTrustedProxies: mesh.numTrustedProxies, localAddress: nodeAddress(node), pathNormalization: mesh.pathNormalization },
    origin: originAt(first.place),
  };
}
