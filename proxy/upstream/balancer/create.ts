/** Load balancing policy → balancer. */

import type { LoadBalancerPolicy } from '../../../config/runtime/cluster.ts';
import type { Random } from '../../base/random.ts';
import type { BalancerDeps, BalancerHost, LoadBalancer } from './balancer.ts';
import { createLeastRequest } from './least-request.ts';
import { createRandomBalancer } from './random.ts';
import { createRoundRobin } from './round-robin.ts';

/** PASSTHROUGH goes to the address the downstream asked for, so there is nothing to pick from. */
export type BalancedPolicy = Exclude<LoadBalancerPolicy, 'PASSTHROUGH' | 'RING_HASH' | 'MAGLEV'>;

export function createBalancer<H extends BalancerHost>(policy: BalancedPolicy, hosts: readonly H[], random: Random, now: () => number = () => 0, panic = false): LoadBalancer<H> {
  const deps: BalancerDeps = { random, now, panic };
  switch (policy) {
    case 'LEAST_REQUEST':
      return createLeastRequest(hosts, deps);
    case 'ROUND_ROBIN':
      return createRoundRobin(hosts, deps);
    case 'RANDOM':
      return createRandomBalancer(hosts, deps);
    default:
      return unreachable(policy);
  }
}

function unreachable(policy: never): never {
  throw new TypeError(`unknown load balancer policy ${String(policy)}`);
}
