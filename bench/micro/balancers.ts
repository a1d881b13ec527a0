/** Picking a host: bare balancers beside the host set around them, and what a change of health costs a hashing one. */

import type { LoadBalancerConfig, LoadBalancerPolicy } from '../../config/runtime/cluster.ts';
import { seededRandom } from '../../proxy/base/random.ts';
import { Uint64 } from '../../proxy/base/uint64.ts';
import { xxHash64 } from '../../proxy/base/xxhash64.ts';
import { createBalancer } from '../../proxy/upstream/balancer/create.ts';
import { HostSet } from '../../proxy/upstream/host-set.ts';
import type { MicroBenchmark } from './measure.ts';

const random = seededRandom(1);
const now = () => 0;

interface BenchHost {
  readonly address: string;
  readonly weight: number;
  readonly activeRequests: number;
  readonly warmSinceMs: number;
  readonly endpoint: { readonly locality: string; readonly priority: number; readonly localityWeight: number };
  healthy: boolean;
}

export function balancerBenchmarks(): MicroBenchmark[] {
  return [
    bare('LEAST_REQUEST', 3, 'equal'),
    pick('LEAST_REQUEST', hostsOf(3, 'equal'), 'equal weights'),
    pick('LEAST_REQUEST', hostsOf(1000, 'equal'), 'equal weights'),
    pick('LEAST_REQUEST', hostsOf(1000, 'unequal'), 'unequal weights'),
    bare('ROUND_ROBIN', 3, 'equal'),
    pick('ROUND_ROBIN', hostsOf(3, 'equal'), 'equal weights'),
    pick('ROUND_ROBIN', hostsOf(1000, 'unequal'), 'unequal weights'),
    pick('RANDOM', hostsOf(3, 'equal'), 'equal weights'),
    pick('LEAST_REQUEST', hostsOf(30, 'equal', 3), 'three priorities'),
    pick('LEAST_REQUEST', hostsOf(30, 'equal'), 'three localities', { localityWeighted: true }),
    pick('ROUND_ROBIN', hostsOf(30, 'equal'), 'all warming up', { warmup: { durationMs: 60_000, minimumPercent: 10, aggression: 2 } }),
    pick('RING_HASH', hostsOf(3, 'equal'), 'by key'),
    pick('RING_HASH', hostsOf(1000, 'equal'), 'by key'),
    pick('MAGLEV', hostsOf(3, 'equal'), 'by key'),
    pick('MAGLEV', hostsOf(1000, 'equal'), 'by key'),
    hash('a cookie of 16 bytes', '0123456789abcdef'),
    hash('a token of 200 bytes', 'x'.repeat(200)),
    rebuild('RING_HASH', 1000),
    rebuild('MAGLEV', 1000),
  ];
}

function bare(policy: LoadBalancerPolicy, count: number, weights: 'equal' | 'unequal'): MicroBenchmark {
  const balancer = createBalancer({ policy, origin: 'default' }, hostsOf(count, weights), { random, now, panic: false });
  return { name: `pick ${policy}, ${count} hosts, ${weights} weights, without a host set`, run: () => balancer.pick() };
}

function pick(policy: LoadBalancerPolicy, hosts: readonly BenchHost[], what: string, config: Partial<LoadBalancerConfig> = {}): MicroBenchmark {
  const set = new HostSet(hosts, { policy, origin: 'default', ...config }, { random, now });
  const requests = Array.from({ length: 1024 }, (_, i) => ({ hashKey: `session-${i * 7919}` }));
  const run = policy === 'RING_HASH' || policy === 'MAGLEV' ? (i: number) => set.pick(requests[i & 1023]) : () => set.pick();
  return { name: `pick ${policy}, ${hosts.length} hosts, ${what}`, run };
}

function hash(what: string, text: string): MicroBenchmark {
  const into = new Uint64();
  return { name: `xxHash64 of ${what}`, run: () => xxHash64(text, into).lo };
}

/** One host goes and comes back in turn; each time the next pick builds the table anew. */
function rebuild(policy: LoadBalancerPolicy, count: number): MicroBenchmark {
  const hosts = hostsOf(count, 'equal');
  const changing = hosts[7] as BenchHost;
  let nowMs = 0;
  const set = new HostSet(hosts, { policy, origin: 'default' }, { random, now: () => nowMs });
  return {
    name: `rebuild ${policy}, ${count} hosts`,
    run() {
      nowMs += 1000;
      changing.healthy = !changing.healthy;
      set.healthChanged();
      return set.pick();
    },
  };
}

function hostsOf(count: number, weights: 'equal' | 'unequal', priorities = 1): BenchHost[] {
  return Array.from({ length: count }, (_, i) => ({
    address: `10.1.${i >> 8}.${i & 255}:9080`,
    weight: weights === 'equal' ? 1 : 1 + (i % 3),
    activeRequests: i % 5,
    healthy: true,
    warmSinceMs: 0,
    endpoint: { locality: `zone-${i % 3}`, priority: i % priorities, localityWeight: 1 + (i % 3) },
  }));
}
