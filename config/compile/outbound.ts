/** The client side of a sidecar: route tables by port, the capture listener, and Sidecar listeners bound as written. */

import type { ListenerConfig, RoutingConfig } from '../runtime/listener.ts';
import type { RouteConfig, RouteTableConfig, VirtualHostConfig } from '../runtime/route.ts';
import { fixedClusters, outboundClusters } from './clusters.ts';
import type { CompileContext, ConfigParts } from './context.ts';
import { destinationCluster } from './destination.ts';
import { isWildcard, mostSpecific } from './host-match.ts';
import { loopChain } from './filter-chains.ts';
import { captureListener } from './listeners.ts';
import { BLACK_HOLE_CLUSTER, MESH_GATEWAY, PASSTHROUGH_CLUSTER, UNKNOWN_TABLE } from './names.ts';
import { outboundListeners } from './outbound-listeners.ts';
import { isHttp, writtenProtocol } from './protocol.ts';
import { MATCH_ALL } from './route-match.ts';
import type { CompiledRoutes } from './routes.ts';
import { compileRoutes } from './routes.ts';
import type { EgressScope, SidecarScope } from './sidecar-scope.ts';
import { unknownTrafficChain, unknownTrafficOrigin } from './unknown-traffic.ts';
import { outboundPorts, outboundVirtualHosts } from './virtual-hosts.ts';
import type { PreparedVirtualService } from './virtual-services.ts';
import { VirtualServiceIndex } from './virtual-services.ts';

const HTTP_PORT = 80;

export function outboundParts(context: CompileContext, scope: SidecarScope): ConfigParts {
  const { node } = context;
  const clusters = [...outboundClusters({ ...context, services: scope.services }), ...fixedClusters(context)];
  const catchAll = catchAllHost(context, scope);
  const egress = scope.egress.map((egressScope) => egressParts(egressScope, scope, context, catchAll));
  const listeners = outboundListeners(egress.map(({ ports, tables }) => new Map(tables.map((table, position) => [ports[position] as number, table]))), scope, context);
  const captured = Object.fromEntries(egress.flatMap(({ ports, tables }) => tables.map(({ name }, position) => [String(ports[position]), name])));
  const capture: ListenerConfig[] = node.outboundPort === 'off' ? [] : [outboundCapture(node.outboundPort, { kind: 'by-port', tables: captured, unknown: UNKNOWN_TABLE }, scope, context)];
  return {
    listeners: [...capture, ...listeners.bound],
    // Only the capture listener hands connections to them.
    virtualListeners: node.outboundPort === 'off' ? [] : listeners.virtual,
    tables: [...egress.flatMap(({ tables }) => tables), ...listeners.tables, { name: UNKNOWN_TABLE, virtualHosts: [context.reuse.virtualHosts(UNKNOWN_TABLE)(catchAll)] }],
    clusters,
  };
}

/** Connections that no virtual listener is for follow the policy for unknown destinations, those to the listener itself would go round for ever. */
function outboundCapture(port: number, routing: RoutingConfig, scope: SidecarScope, context: CompileContext): ListenerConfig {
  const defaultChain = unknownTrafficChain('virtualOutbound-catchall-tcp', context, scope);
  const chains = port === 0 ? [] : [loopChain('virtualOutbound-blackhole', port, BLACK_HOLE_CLUSTER)];
  return captureListener({ name: 'virtualOutbound', port, routing, chains, defaultChain }, context);
}

interface EgressParts {
  /** Destination port of each table. */
  readonly ports: readonly number[];
  readonly tables: readonly RouteTableConfig[];
}

function egressParts(egress: EgressScope, scope: SidecarScope, context: CompileContext, catchAll: VirtualHostConfig): EgressParts {
  const written = egress.listener?.port;
  if (written !== undefined && !isHttp(writtenProtocol(written.protocol) ?? 'TCP')) return { ports: [], tables: [] };
  // A port with a listener of its own is that listener's alone.
  const others = new Set(scope.egress.flatMap(({ listener }) => (listener?.port === undefined ? [] : [listener.port.number])));
  const ports = written === undefined ? [...portsOf(egress)].filter((port) => !others.has(port)) : [written.number];
  ports.sort((a, b) => a - b);
  const tables = ports.map(tableBuilder(egress, scope, context, catchAll));
  return { ports, tables };
}

/** Ports of HTTP services, and 80 where a VirtualService names a host that is no service or has no port, or a wildcard, which may cover such hosts. */
function portsOf({ services, virtualServices }: EgressScope): ReadonlySet<number> {
  const ports = new Set(outboundPorts(services.values()));
  const isForeign = (host: string): boolean => isWildcard(host) || (mostSpecific(services, host)?.ports.length ?? 0) === 0;
  if (!ports.has(HTTP_PORT) && virtualServices.some(({ hosts }) => hosts.some(isForeign))) ports.add(HTTP_PORT);
  return ports;
}

/** Looks services up by port and by alias once, then makes one table after the other. */
function tableBuilder(egress: EgressScope, scope: SidecarScope, context: CompileContext, catchAll: VirtualHostConfig): (port: number) => RouteTableConfig {
  const { namespace, clusterDomain } = context.node;
  const byPort = groupBy(egress.services.values(), ({ ports }) => [...new Set(ports.map(({ number }) => number))]);
  const aliases = groupBy([...egress.services.values()].filter(({ aliasOf }) => aliasOf !== undefined), ({ aliasOf }) => [aliasOf as string]);
  const virtualServices = new VirtualServiceIndex(egress.virtualServices);
  return (port) => {
    const name = String(port);
    const services = byPort.get(port) ?? [];
    const routes = cachedRoutes(port, scope, context);
    const reuse = context.reuse.virtualHosts(name);
    const virtualHosts = outboundVirtualHosts({ port, services, virtualServices, namespace, clusterDomain, aliases: (host) => aliases.get(host) ?? [], routes, reuse, context });
    return { name, virtualHosts: [...virtualHosts, reuse(catchAll)] };
  };
}

function cachedRoutes(port: number, scope: SidecarScope, context: CompileContext): (virtualService: PreparedVirtualService) => CompiledRoutes {
  const { namespace, labels, clusterDomain } = context.node;
  const compiled = new Map<PreparedVirtualService, CompiledRoutes>();
  return (virtualService) => {
    let routes = compiled.get(virtualService);
    if (routes === undefined) {
      routes = compileRoutes(virtualService, {
        client: { namespace, labels, gateway: MESH_GATEWAY, port },
        destinations: { clusterDomain, listenerPort: port, service: (host) => scope.services.get(host), hashPolicies: context.hashPolicies },
        retries: context.retries,
        trace: context.trace,
      });
      compiled.set(virtualService, routes);
    }
    return routes;
  };
}

/** What becomes of hosts that nobody declared: passed through, sent to the egress proxy, or refused with 502. Istio retries none of it. */
function catchAllHost(context: CompileContext, scope: SidecarScope): VirtualHostConfig {
  const { node } = context;
  const { outboundPolicy, services } = scope;
  const written = unknownTrafficOrigin(context, scope);
  const { mode, egressProxy } = outboundPolicy;
  if (mode === 'REGISTRY_ONLY') return catchAll('block_all', { kind: 'direct', status: 502 }, written);
  const destinations = { clusterDomain: node.clusterDomain, listenerPort: 0, service: (host: string) => services.get(host) };
  const target = egressProxy === undefined ? { cluster: PASSTHROUGH_CLUSTER, host: '', port: 0, subset: '' } : destinationCluster(egressProxy, node.namespace, destinations);
  return catchAll('allow_any', { kind: 'forward', destinations: [{ ...target, weight: 1 }] }, written);
}

function catchAll(name: string, action: RouteConfig['action'], written: Pick<VirtualHostConfig, 'origin'>): VirtualHostConfig {
  const route: RouteConfig = { name, match: MATCH_ALL, action, ...(action.kind === 'forward' && { retry: null }), filters: [], index: -1, ...written };
  return { name, domains: ['*'], routes: [route], virtualService: null, ...written };
}

function groupBy<K, V>(values: Iterable<V>, keysOf: (value: V) => readonly K[]): ReadonlyMap<K, readonly V[]> {
  const groups = new Map<K, V[]>();
  for (const value of values) {
    for (const key of keysOf(value)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [value]);
      else group.push(value);
    }
  }
  return groups;
}
