/** Which Gateway servers this workload serves, on which ports, and which of them share one (istio-api.md 4.1). */

import type { Resource } from '../load/types.ts';
import type { GatewaySpec, Server } from '../resources/gateway.ts';
import { isTls } from '../resources/server-port.ts';
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

/** Plain HTTP, TLS told apart by server name (terminated or passed through), or bytes of any kind. */
export type ServerKind = 'http' | 'tls' | 'tcp';

/** Servers that share a port and an address make up one listener: plain HTTP ones, or TLS ones, or a single TCP one. */
export interface PortGroup {
  readonly port: number;
  /** Absent: every address. */
  readonly bind: string | undefined;
  readonly kind: ServerKind;
  readonly servers: readonly [GatewayServer, ...GatewayServer[]];
}

/** In the order of their Gateways, oldest first. */
export function gatewayPorts(context: CompileContext): readonly PortGroup[] {
  return portGroups(selectedServers(context), context);
}

/** `ns/host`, with `*` where no namespace is written; the host in lower case. */
export function splitServerHost(entry: string): readonly [namespace: string, host: string] {
  const slash = entry.indexOf('/');
  return slash === -1 ? ['*', entry.toLowerCase()] : [entry.slice(0, slash), entry.slice(slash + 1).toLowerCase()];
}

/** Hosts of the server that VirtualServices of this namespace may bind to: `ns/host`, with `*`, `.` or no namespace at all. */
export function serverHosts({ server, namespace: own }: GatewayServer, namespace: string): readonly string[] {
  return server.hosts.flatMap((entry) => {
    const [owner, host] = splitServerHost(entry);
    return owner === '*' || owner === namespace || (owner === '.' && own === namespace) ? [host] : [];
  });
}

/** Host names alone, without repeats: what server names (SNI) are compared with. */
export function hostNames({ hosts }: Server): readonly string[] {
  return [...new Set(hosts.map((entry) => splitServerHost(entry)[1]))];
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

interface OpenGroup extends PortGroup {
  readonly servers: [GatewayServer, ...GatewayServer[]];
  /** Of TLS servers: who has each host. */
  readonly owners: Map<string, GatewayServer>;
}

/** The first server decides what is spoken on a port; what conflicts with it is left out (istio-api.md 4.1). */
function portGroups(servers: readonly GatewayServer[], context: CompileContext): readonly PortGroup[] {
  const groups = new Map<string, OpenGroup>();
  for (const server of servers) {
    const kind = serverKind(server);
    const bind = server.server.bind === '' ? undefined : server.server.bind;
    // UDP is not served; the analysis says so.
    if (kind === undefined) continue;
    const key = `${server.port} ${bind ?? ''}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { port: server.port, bind, kind, servers: [server], owners: ownersOf(server) });
    else join(group, server, kind, context);
  }
  return [...groups.values()];
}

/** Undefined for UDP. */
function serverKind({ server: { port, tls } }: GatewayServer): ServerKind | undefined {
  const protocol = writtenProtocol(port.protocol);
  if (protocol === undefined) return undefined;
  if (isDeclaredHttp(protocol)) return 'http';
  return tls !== undefined && isTls(port.protocol ?? '') ? 'tls' : 'tcp';
}

/** HTTP joins HTTP and TLS joins TLS with hosts of its own; bytes of any kind cannot be told apart at all. */
function join(group: OpenGroup, server: GatewayServer, kind: ServerKind, context: CompileContext): void {
  const [first] = group.servers;
  if (kind !== group.kind || kind === 'tcp') {
    context.report(problemAt(below(server.place, 'port'), 'warning', `port ${server.port} is already served as ${first.server.port.protocol ?? ''} by ${first.place.source.resource}; this server is left out`));
    return;
  }
  if (kind === 'tls') {
    const repeated = hostNames(server.server).filter((host) => group.owners.has(host));
    const [host] = repeated;
    if (host !== undefined) {
      context.report(problemAt(below(server.place, 'hosts'), 'warning', `${repeated.join(', ')} on port ${server.port} is already served with TLS by ${group.owners.get(host)?.place.source.resource ?? ''}; this server is left out`));
      return;
    }
    for (const name of hostNames(server.server)) group.owners.set(name, server);
  }
  group.servers.push(server);
}

function ownersOf(server: GatewayServer): Map<string, GatewayServer> {
  return new Map(hostNames(server.server).map((host) => [host, server]));
}
