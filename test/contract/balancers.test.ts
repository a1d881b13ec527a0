/** One table for every load balancer: shares, health, retries; then what is particular to each. */

import t from 'tap';
import type { BalancerHost } from '../../proxy/upstream/balancer/balancer.ts';
import { createBalancer, type BalancedPolicy } from '../../proxy/upstream/balancer/create.ts';
import { seededRandom } from '../../proxy/base/random.ts';

class Host implements BalancerHost {
  readonly name: string;
  readonly weight: number;
  activeRequests = 0;
  healthy = true;

  constructor(name: string, weight = 1) {
    this.name = name;
    this.weight = weight;
  }
}

const POLICIES: readonly BalancedPolicy[] = ['ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM'];

function hostsOf(...weights: readonly number[]): Host[] {
  return weights.map((weight, i) => new Host('abcdefghij'.charAt(i), weight));
}

function counted(picks: number, pick: () => Host | undefined): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < picks; i++) {
    const name = pick()?.name ?? 'none';
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

for (const policy of POLICIES) {
  for (const weights of [[1, 1, 1], [1, 2, 3]]) {
    const name = `${policy} with weights ${weights.join(':')}`;

    t.test(`${name}: every healthy host gets its share, a sick one nothing`, (t) => {
      const hosts = hostsOf(...weights);
      const balancer = createBalancer(policy, hosts, seededRandom(7));
      const shares = policy === 'RANDOM' ? [1, 1, 1] : weights;
      const total = shares.reduce((sum, share) => sum + share, 0);
      const counts = counted(6000, () => balancer.pick());
      for (const [i, host] of hosts.entries()) {
        const expected = (6000 * (shares[i] as number)) / total;
        // Chance needs room, five standard deviations; a schedule needs one turn.
        const room = policy === 'RANDOM' || (policy === 'LEAST_REQUEST' && weights[1] === 1) ? 5 * Math.sqrt(6000 / 4) : 1;
        t.ok(Math.abs((counts[host.name] ?? 0) - expected) <= room, `${host.name}: ${counts[host.name]} of ${expected}`);
      }

      const sick = hosts[2] as Host;
      sick.healthy = false;
      const without = counted(600, () => balancer.pick());
      t.equal(without['c'], undefined);
      const rest = (shares[0] as number) + (shares[1] as number);
      t.ok(Math.abs((without['b'] ?? 0) - (600 * (shares[1] as number)) / rest) <= 62, 'and the others share its part as they share the rest');
      sick.healthy = true;
      t.ok((counted(600, () => balancer.pick())['c'] ?? 0) > 100, 'it comes back when it is well');
      t.end();
    });

    t.test(`${name}: a retry goes elsewhere while there is an elsewhere`, (t) => {
      const hosts = hostsOf(...weights);
      const [a, b, c] = hosts as [Host, Host, Host];
      const balancer = createBalancer(policy, hosts, seededRandom(9));
      t.equal(counted(300, () => balancer.pick({ tried: [a] }))['a'], undefined);
      t.strictSame(counted(300, () => balancer.pick({ tried: [a, b] })), { c: 300 });
      t.ok(hosts.includes(balancer.pick({ tried: hosts }) as Host), 'all tried: any host');
      c.healthy = false;
      t.equal(balancer.pick({ tried: [a] }), b);
      t.ok([a, b].includes(balancer.pick({ tried: [a, b] }) as Host), 'never a sick one');
      t.end();
    });

    t.test(`${name}: nothing healthy, nothing picked`, (t) => {
      const hosts = hostsOf(...weights);
      const balancer = createBalancer(policy, hosts, seededRandom(1));
      for (const host of hosts) host.healthy = false;
      t.equal(balancer.pick(), undefined);
      t.equal(balancer.pick({ tried: hosts.slice(0, 1) }), undefined);
      const last = hosts.at(-1) as Host;
      last.healthy = true;
      t.equal(balancer.pick(), last, 'the only one left is found at once');
      t.equal(balancer.pick({ tried: [last] }), last);
      t.end();
    });
  }

  t.test(`${policy}: no host and one host`, (t) => {
    t.equal(createBalancer(policy, [], seededRandom(1)).pick(), undefined);
    const [only] = hostsOf(5) as [Host];
    const balancer = createBalancer(policy, [only], seededRandom(1));
    t.equal(balancer.pick(), only);
    t.equal(balancer.pick({ tried: [only] }), only);
    only.healthy = false;
    t.equal(balancer.pick(), undefined);
    t.end();
  });

  t.test(`${policy}: most hosts sick`, (t) => {
    const hosts = Array.from({ length: 1000 }, (_, i) => new Host(String(i)));
    for (const host of hosts.slice(3)) host.healthy = false;
    const balancer = createBalancer(policy, hosts, seededRandom(3));
    const counts = counted(3000, () => balancer.pick());
    t.strictSame(Object.keys(counts).toSorted(), ['0', '1', '2']);
    t.end();
  });
}

t.test('ROUND_ROBIN: weights 1 and 3 are served 1101 1101 … from any start (Envoy)', (t) => {
  for (let seed = 0; seed < 10; seed++) {
    const balancer = createBalancer('ROUND_ROBIN', hostsOf(1, 3), seededRandom(seed));
    const order = Array.from({ length: 12 }, () => balancer.pick()?.name).join('');
    t.match('bbabbbabbbabbbab', order);
  }
  t.end();
});

t.test('ROUND_ROBIN: equal weights go round; a sick host leaves the others equal turns', (t) => {
  const hosts = hostsOf(1, 1, 1, 1);
  const balancer = createBalancer('ROUND_ROBIN', hosts, () => 0.5);
  const turns = (count: number) => Array.from({ length: count }, () => balancer.pick()?.name).join('');
  t.equal(turns(8), 'cdabcdab');
  (hosts[2] as Host).healthy = false;
  t.equal(turns(6), 'dabdab');
  t.end();
});

t.test('LEAST_REQUEST: the less busy of two draws, the first where they are equal', (t) => {
  const hosts = hostsOf(1, 1);
  const [a, b] = hosts as [Host, Host];
  const drawing = (...draws: readonly number[]) => {
    let i = 0;
    return createBalancer('LEAST_REQUEST', hosts, () => draws[i++ % draws.length] as number);
  };
  b.activeRequests = 1;
  t.equal(drawing(0.9, 0).pick(), a);
  t.equal(drawing(0, 0.9).pick(), a);
  t.equal(drawing(0.9, 0.9).pick(), b, 'both draws may fall on the same host');
  b.activeRequests = 0;
  t.equal(drawing(0.9, 0).pick(), b);
  t.end();
});

t.test('LEAST_REQUEST: with unequal weights, load counts against a host', (t) => {
  const hosts = hostsOf(1, 3);
  const [, heavy] = hosts as [Host, Host];
  const balancer = createBalancer('LEAST_REQUEST', hosts, seededRandom(5));
  t.equal(counted(400, () => balancer.pick())['b'], 300, 'idle: by weight');
  heavy.activeRequests = 8;
  const busy = counted(400, () => balancer.pick())['b'] ?? 0;
  t.ok(busy > 90 && busy < 110, `3 / (8 + 1) beside 1: a quarter, ${busy} of 400`);
  t.end();
});
