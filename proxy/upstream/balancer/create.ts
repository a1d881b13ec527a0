/** Load balancing configuration → balancer of one flat list of hosts. */

import type { LoadBalancerConfig } from '../../../config/runtime/cluster.ts';
import type { BalancerDeps, LoadBalancer } from './balancer.ts';
import { ConsistentHashBalancer } from './consistent-hash.ts';
import type { HostSetHost } from './host-set-host.ts';
import { createLeastRequest, weightUnderLoad } from './least-request.ts';
import { createMaglevTable, DEFAULT_TABLE_SIZE } from './maglev.ts';
import { createRandomBalancer } from './random.ts';
import { createRing, DEFAULT_RING_SIZE } from './ring-hash.ts';
import { createRoundRobin } from './round-robin.ts';
import { SlowStartBalancer } from './slow-start.ts';

export function createBalancer<H extends HostSetHost>(config: LoadBalancerConfig, hosts: readonly H[], deps: BalancerDeps): LoadBalancer<H> {
  const { policy, warmup, minimumRingSize = DEFAULT_RING_SIZE, tableSize = DEFAULT_TABLE_SIZE, localityWeighted: byLocality = false } = config;
  switch (policy) {
    case 'LEAST_REQUEST': {
      const steady = createLeastRequest(hosts, deps);
      return warmup === undefined ? steady : new SlowStartBalancer(hosts, warmup, deps, weightUnderLoad, steady);
    }
    case 'ROUND_ROBIN': {
      const steady = createRoundRobin(hosts, deps);
      return warmup === undefined ? steady : new SlowStartBalancer(hosts, warmup, deps, (host) => host.weight, steady);
    }
    case 'RING_HASH':
      return new ConsistentHashBalancer(hosts, { createTable: (shares) => createRing(shares, minimumRingSize), byLocality }, deps);
    case 'MAGLEV':
      return new ConsistentHashBalancer(hosts, { createTable: (shares) => createMaglevTable(shares, tableSize), byLocality }, deps);
    case 'RANDOM':
    // Goes to the address the downstream asked for: whoever asks here all the same gets any host.
    case 'PASSTHROUGH':
      return createRandomBalancer(hosts, deps);
    default:
      return unreachable(policy);
  }
}

function unreachable(policy: never): never {
  throw new TypeError(`unknown load balancer policy ${String(policy)}`);
}
