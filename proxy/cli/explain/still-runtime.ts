/** The data path's own tables and clusters, made to be asked and not to act. */

import type { FilterSpec } from '../../../config/runtime/filter-spec.ts';
import type { RouteConfig } from '../../../config/runtime/route.ts';
import type { RuntimeConfig } from '../../../config/runtime/runtime-config.ts';
import { FilterChain } from '../../../filters/chain.ts';
import type { FaultPolicy } from '../../../filters/http/fault.ts';
import { createFilters } from '../../../filters/registry.ts';
import { createEventClock } from '../../base/event-clock.ts';
import { DomainMap } from '../../base/domain-map.ts';
import { createLiveRoute } from '../../router/live-route.ts';
import type { LiveRoute } from '../../router/live-route.ts';
import { RouteTable } from '../../router/route-table.ts';
import type { Runtime } from '../../router/runtime.ts';
import { Clusters } from '../../upstream/clusters.ts';

/** For clusters: nothing is resolved, timed or drawn by chance: an explanation only reads. */
export const STILL = { clock: createEventClock(), random: () => 0, resolver: async () => [], isOwnListener: () => false };

/** Tables and hosts as the data path has them; clusters are asked one by one. */
export function createRuntime({ routeTables }: RuntimeConfig): Runtime {
  const tables = new Map<string, RouteTable<LiveRoute>>();
  const portless = new DomainMap<number>();
  for (const table of Object.values(routeTables)) {
    tables.set(table.name, new RouteTable<LiveRoute>(table, (config, virtualHost) => createLiveRoute(config, virtualHost, certainFilters)));
    for (const { portless: port, domains } of table.virtualHosts) if (port !== undefined) for (const domain of domains) portless.set(domain, port);
  }
  return { tables, portless, clusters: new Clusters(STILL) };
}

/** Of what filters leave to chance, only what is certain happens here; a delay changes nothing but the time. */
function certainFilters({ filters: specs }: RouteConfig): FilterChain | undefined {
  const filters = createFilters(specs.map(withoutDelay), { random: () => 1 - Number.EPSILON, now: () => 0, setTimer: () => ({ cancel: () => {} }) });
  return filters.length === 0 ? undefined : new FilterChain(filters, () => {});
}

function withoutDelay(spec: FilterSpec): FilterSpec {
  if (spec.name !== 'fault') return spec;
  const { delay: _delay, ...policy } = spec.policy as FaultPolicy;
  return { ...spec, policy };
}
