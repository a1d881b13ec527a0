/** Gateway mode: the HTTP servers of the Gateways that select this workload, their listeners and route tables (istio-api.md section 4). */

import { isIP } from 'node:net';
import type { Resource } from '../load/types.ts';
import type { GatewaySpec, Server } from '../resources/gateway.ts';
import type { ListenerConfig } from '../runtime/listener.ts';
import type { RouteTableConfig } from '../runtime/route.ts';
import { fixedClusters, outboundClusters } from './clusters.ts';
import type { CompileContext, ConfigParts } from './context.ts';
import { gatewayVirtualHosts } from './gateway-hosts.ts';
import { isBehind } from './inbound-ports.ts';
import { selects } from './labels.ts';
import type { Place } from './located.ts';
import { below, originAt, problemAt } from './located.ts';
import type { MeshService } from './mesh-service.ts';
import { gatewayTable, listenerName } from './names.ts';
import { oldestFirst } from './order.ts';
import { isDeclaredHttp, writtenProtocol } from './protocol.ts';
import { oneForEachHost } from './visibility.ts';

/** One `servers` entry, on the port where it is really served. */
export interface GatewayServer {
  /** `namespace/name` of its Gateway. */
  readonly gateway: string;
  readonly namespace: string;
  readonly server: Server;
  readonly place: Place;
  /** The gateway Service's targetPort for the declared port, else that port itself. */
  readonly port: number;
}

/** Plain HTTP servers that share a port and an address make up one listener. */
interface PortGroup {
  readonly port: number;
  readonly bind: string | undefined;
  readonly servers: readonly [GatewayServer, ...GatewayServer[]];
}

export function gatewayParts(context: CompileContext): ConfigParts {
  const { mesh, rules, endpoints, node } = context;
  const services = oneForEachHost(context.visibleServices, node.namespace);
  const groups = portGroups(selectedServers(context), context);
  return {
    listeners: groups.map((group) => gatewayListener(group, context)),
    tables: groups.map((group) => gatewayRoutes(group, services, context)),
    clusters: [...outboundClusters({ services, rules, endpoints, mesh, reuse: context.reuse, trace: context.trace }), ...fixedClusters(mesh, 'gateway')],
  };
}

/** Servers of every Gateway that selects the workload, oldest Gateway first, once for each port they are served on. */
function selectedServers(context: CompileContext): readonly GatewayServer[] {
  const own = context.allServices.filter((service) => service.declared.kind === 'Service' && isBehind(service, context));
  const gateways = oldestFirst(context.snapshot.gateways).filter(({ spec }) => selects(spec.selector, context.node.labels));
  return gateways.flatMap((gateway) => gateway.spec.servers.flatMap((server, index) => serverPorts(server, own).map((port) => gatewayServer(gateway, server, index, port))));
}

function gatewayServer({ metadata, source }: Resource<GatewaySpec>, server: Server, index: number, port: number): GatewayServer {
  const { namespace, name } = metadata;
  return { gateway: `${namespace}/${name}`, namespace, server, place: { source, path: ['spec', 'servers', index] }, port };
}

/** The gateway's own Service says where its port leads; without one, or with a name nobody knows, the number is meant itself. */
function serverPorts({ port }: Server, own: readonly MeshService[]): readonly number[] {
  const targets = own.flatMap((service) => service.ports.filter(({ number }) => number === port.number).map(({ target }) => target));
  const numbers = new Set(targets.filter((target) => typeof target === 'number'));
  return numbers.size === 0 ? [port.number] : [...numbers];
}

/** The first server decides the protocol of a port; what conflicts is dropped (istio-api.md 4.1). */
function portGroups(servers: readonly GatewayServer[], context: CompileContext): readonly PortGroup[] {
  const groups = new Map<string, GatewayServer[]>();
  for (const server of servers) {
    const key = `${server.port} ${server.server.bind ?? ''}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [server]);
    else if (isPlainHttp(server) === isPlainHttp(group[0] as GatewayServer)) group.push(server);
    else context.report(conflict(server, group[0] as GatewayServer));
  }
  const plain = [...groups.values()].filter((group): group is [GatewayServer, ...GatewayServer[]] => group[0] !== undefined && isServed(group[0]));
  return plain.map((group) => ({ port: group[0].port, bind: group[0].server.bind, servers: group }));
}

/** TLS is not terminated and unix sockets are not served; the analysis says so. */
function isServed(server: GatewayServer): boolean {
  return isPlainHttp(server) && isIP(server.server.bind ?? '0.0.0.0') !== 0;
}

function isPlainHttp({ server }: GatewayServer): boolean {
  const protocol = writtenProtocol(server.port.protocol);
  return protocol !== undefined && isDeclaredHttp(protocol);
}

function conflict(dropped: GatewayServer, kept: GatewayServer) {
  const { resource } = kept.place.source;
  return problemAt(below(dropped.place, 'port'), 'warning', `port ${dropped.port} is already served as ${kept.server.port.protocol ?? ''} by ${resource}; this server is left out`);
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
    http: { useRemoteAddress: true, numTrustedProxies: mesh.numTrustedProxies, pathNormalization: mesh.pathNormalization },
    origin: originAt(first.place),
  };
}
