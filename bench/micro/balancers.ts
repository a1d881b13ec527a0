/** Picking a host. */

import { seededRandom } from '../../proxy/base/random.ts';
import { createBalancer, type BalancedPolicy } from '../../proxy/upstream/balancer/create.ts';
import type { MicroBenchmark } from './measure.ts';

export function balancerBenchmarks(): MicroBenchmark[] {
  return [
    pick('LEAST_REQUEST', 3, 'equal'),
    pick('LEAST_REQUEST', 1000, 'equal'),
    pick('LEAST_REQUEST', 1000, 'unequal'),
    pick('ROUND_ROBIN', 3, 'equal'),
    pick('ROUND_ROBIN', 1000, 'unequal'),
    pick('RANDOM', 3, 'equal'),
  ];
}

function pick(policy: BalancedPolicy, count: number, weights: 'equal' | 'unequal'): MicroBenchmark {
  const hosts = Array.from({ length: count }, (_, i) => ({ weight: weights === 'equal' ? 1 : 1 + (i % 3), activeRequests: i % 5, healthy: true }));
  const balancer = createBalancer(policy, hosts, seededRandom(1));
  return { name: `pick ${policy}, ${count} hosts, ${weights} weights`, run: () => balancer.pick() };
}
