/** The live configuration: route tables, clusters and the index of portless hosts. Changed in one synchronous step by a reload. */

import type { RoutingConfig } from '../../config/runtime/listener.ts';
import type { DomainMap } from '../base/domain-map.ts';
import type { PeerMetadata } from '../telemetry/peer-metadata.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Clusters } from '../upstream/clusters.ts';
import type { LiveRoute } from './live-route.ts';
import type { RouteTable } from './route-table.ts';

export interface Runtime {
  readonly tables: ReadonlyMap<string, RouteTable<LiveRoute>>;
  readonly clusters: Clusters;
  /** Host without a port → the only HTTP port of its service. */
  readonly portless: DomainMap<number>;
  /** The workload's own address, as requests that are the proxy's own name it. */
  readonly nodeAddress?: string | undefined;
  /** What peers of the mesh are told of this workload; absent: nothing. */
  readonly ownMetadata?: PeerMetadata | undefined;
}

/** HTTP's own port, where neither the request nor the service names one. */
const DEFAULT_PORT = 80;

/** Port a request is meant for: written in its authority, else the service's only HTTP port, else 80. */
export function destinationPort(routing: RoutingConfig, authority: string, runtime: Runtime): number {
  if (routing.kind === 'table') return routing.port;
  const colon = authority.lastIndexOf(':');
  if (colon >= 0 && !authority.endsWith(']')) return Number(authority.slice(colon + 1));
  return runtime.portless.lookup(authority) ?? DEFAULT_PORT;
}

/** Where bytes that are no HTTP go: as requests for unknown hosts do, but only if those pass through. Undefined: nowhere. */
export function passthroughCluster(routing: RoutingConfig, runtime: Runtime): Cluster | undefined {
  if (routing.kind !== 'by-port') return undefined;
  const action = runtime.tables.get(routing.unknown)?.lookup('*')?.config.routes[0]?.action;
  const cluster = action?.kind === 'forward' ? runtime.clusters.get(action.destinations[0]?.cluster ?? '') : undefined;
  return cluster?.usesOriginalDestination === true ? cluster : undefined;
}

/** The route table for a request to `port`. */
export function routeTable(routing: RoutingConfig, port: number, runtime: Runtime): RouteTable<LiveRoute> | undefined {
  const name = routing.kind === 'table' ? routing.table : (routing.tables[port] ?? routing.unknown);
  return runtime.tables.get(name);
}
