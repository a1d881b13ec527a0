/** Parts of the configuration before, in place of new ones that equal them: cheap to keep, to hash and to compare. */

import type { ClusterConfig } from '../runtime/cluster.ts';
import type { VirtualListenerConfig } from '../runtime/listener.ts';
import type { VirtualHostConfig } from '../runtime/route.ts';
import type { RuntimeConfig } from '../runtime/runtime-config.ts';
import { isSameContent } from './part-hash.ts';

/** Asked for each part as soon as it is made, so that in a large mesh the new copies do not pile up. */
export interface Reuse {
  cluster(cluster: ClusterConfig): ClusterConfig;
  virtualListener(listener: VirtualListenerConfig): VirtualListenerConfig;
  /** For one route table. */
  virtualHosts(table: string): (virtualHost: VirtualHostConfig) => VirtualHostConfig;
}

export function createReuse(previous: RuntimeConfig | undefined): Reuse {
  if (previous === undefined) return { cluster: (cluster) => cluster, virtualListener: (listener) => listener, virtualHosts: () => (virtualHost) => virtualHost };
  return {
    cluster: (cluster) => reused(previous.clusters[cluster.name], cluster),
    virtualListener: (listener) => reused(previous.virtualListeners[listener.name], listener),
    virtualHosts: (table) => {
      const known = new Map(previous.routeTables[table]?.virtualHosts.map((virtualHost) => [virtualHost.name, virtualHost]));
      return (virtualHost) => reused(known.get(virtualHost.name), virtualHost);
    },
  };
}

/** The old value where it equals the new one. */
export function reused<T>(before: T | undefined, now: T): T {
  return before !== undefined && isSameContent(before, now) ? before : now;
}
