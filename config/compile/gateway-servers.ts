/** Which Gateway servers this workload serves, on which ports, and which of them share one (istio-api.md 4.1). */

import { isIP } from 'node:net';
import type { Resource } from '../load/types.ts';
import type { GatewaySpec, Server } from '../resources/gateway.ts';
import type { CompileContext } from './context.ts';
import { isBehind } from './inbound-ports.ts';
import { selects } from './labels.ts';
import type { Place } from './located.ts';
import { below, problemAt } from './located.ts';
import type { MeshService } from './mesh-service.ts';
import { oldestFirst } from './order.ts';
import { isDeclaredHttp, writtenProtocol } from './protocol.ts';

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
export interface PortGroup {
  readonly port: number;
  readonly bind: string | undefined;
  readonly servers: readonly [GatewayServer, ...GatewayServer[]];
}

/** In the order of their Gateways, oldest first. */
export function gatewayPorts(context: CompileContext): readonly PortGroup[] {
  return portGroups(selectedServers(context), context);
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
