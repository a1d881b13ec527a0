/** Load balancing policy → balancer. */

import type { LoadBalancerPolicy } from '../../../config/runtime/cluster.ts';
import type { Random } from '../../base/random.ts';
import type { BalancerHost, LoadBalancer } from './balancer.ts';
import { createLeastRequest } from './least-request.ts';
import { createRandomBalancer } from './random.ts';
import { createRoundRobin } from './round-robin.ts';

/** PASSTHROUGH goes to the address the downstream asked for, so there is nothing to pick from. */
export type BalancedPolicy = Exclude<LoadBalancerPolicy, 'PASSTHROUGH' | 'RING_HASH' | 'MAGLEV'>;

export function createBalancer<H extends BalancerHost>(policy: BalancedPolicy, hosts: readonly H[], random: Random): LoadBalancer<H> {
  switch (policy) {
    case 'LEAST_REQUEST':
      return createLeastRequest(hosts, random);
    case 'ROUND_ROBIN':
      return createRoundRobin(hosts, random);
    case 'RANDOM':
      return createRandomBalancer(hosts, random);
    default:
      return unreachable(policy);
  }
}

function unreachable(policy: never): never {
  throw new TypeError(`unknown load balancer policy ${String(policy)}`);
}
