/** One table for every load balancer, bare and inside a host set: shares, health, retries; then what is particular to each. */

import fc from 'fast-check';
import t from 'tap';
import type { LoadBalancerConfig, LoadBalancerPolicy } from '../../config/runtime/cluster.ts';
import type { Random } from '../../proxy/base/random.ts';
import { seededRandom } from '../../proxy/base/random.ts';
import { createHashKey } from '../../proxy/router/hash-key.ts';
import { HeaderList } from '../../proxy/stream/header-list.ts';
import { StreamInfo } from '../../proxy/stream/stream-info.ts';
import type { Stream } from '../../proxy/stream/stream.ts';
import type { LoadBalancer, PickRequest } from '../../proxy/upstream/balancer/balancer.ts';
import { createBalancer } from '../../proxy/upstream/balancer/create.ts';
import type { HostSetHost } from '../../proxy/upstream/balancer/host-set-host.ts';
import { HostSet } from '../../proxy/upstream/host-set.ts';
import { ENVOY_PICKS, ENVOY_PICKS_BY_SET, KEY_SETS, KEYS, type EnvoyHost } from './envoy-hash-picks.ts';

class Host implements HostSetHost {
  readonly name: string;
  readonly address: string;
  readonly weight: number;
  readonly warmSinceMs = 0;
  readonly endpoint: HostSetHost['endpoint'];
  activeRequests = 0;
  healthy = true;

  constructor(name: string, weight = 1, address = `10.0.0.${name.charCodeAt(0)}:9080`, endpoint: HostSetHost['endpoint'] = { locality: '' }) {
    this.name = name;
    this.weight = weight;
    this.address = address;
    this.endpoint = endpoint;
  }
}

/** A balancer and the moments its owner tells it of. */
interface Subject {
  pick(request?: PickRequest<Host>): Host | undefined;
  /** Health changed, and so long ago that everybody knows. */
  changed(): void;
}

type Create = (policy: LoadBalancerPolicy, hosts: readonly Host[], random: Random, config?: Partial<LoadBalancerConfig>) => Subject;

const POLICIES: readonly LoadBalancerPolicy[] = ['ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM', 'RING_HASH', 'MAGLEV'];
const HASHING: ReadonlySet<LoadBalancerPolicy> = new Set(['RING_HASH', 'MAGLEV']);

const BARE: Create = (policy, hosts, random, config) =>
  subject((now) => createBalancer(configOf(policy, config), hosts, { random, now, panic: false }));
const IN_HOST_SET: Create = (policy, hosts, random, config) => subject((now) => new HostSet(hosts, configOf(policy, config), { random, now }));
const IN_LOCALITIES: Create = (policy, hosts, random) => {
  // Two hosts in one locality, the others in a second one, with shares as their hosts would have anyway.
  const near = hosts.slice(0, 2);
  const weightOf = (some: readonly Host[]) => some.reduce((sum, { weight }) => sum + (policy === 'RANDOM' ? 1 : weight), 0);
  for (const host of hosts) Object.assign(host, { endpoint: { locality: near.includes(host) ? 'near' : 'far', localityWeight: weightOf(near.includes(host) ? near : hosts.slice(2)) } });
  return subject((now) => new HostSet(hosts, configOf(policy, { localityWeighted: true }), { random, now }));
};

/** No panic, and rings fine enough for shares to be told from chance. */
function configOf(policy: LoadBalancerPolicy, config: Partial<LoadBalancerConfig> = {}): LoadBalancerConfig {
  return { policy, origin: 'default', panicThresholdPercent: 0, minimumRingSize: 16_384, ...config };
}

function subject(create: (now: () => number) => LoadBalancer<Host>): Subject {
  let nowMs = 0;
  const balancer = create(() => nowMs);
  return {
    pick: (request) => balancer.pick(request),
    changed() {
      nowMs += 10_000;
      balancer.healthChanged?.();
    },
  };
}

function hostsOf(...weights: readonly number[]): Host[] {
  return weights.map((weight, i) => new Host('abcdefghij'.charAt(i), weight));
}

/** Picks by name. Each pick has a key of its own, which matters to hashing balancers only. */
function counted(picks: number, subject: Subject, tried?: readonly Host[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < picks; i++) {
    const name = subject.pick({ hashKey: `key-${i}`, tried })?.name ?? 'none';
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** How far a count of `picks` may be from what is expected: a schedule needs one turn, chance five standard deviations, a hash also its places. */
function room(policy: LoadBalancerPolicy, weights: readonly number[], picks: number, expected: number): number {
  const chance = 5 * Math.sqrt(picks / 4);
  if (HASHING.has(policy)) return chance + 0.05 * expected;
  return policy === 'RANDOM' || (policy === 'LEAST_REQUEST' && weights[1] === 1) ? chance : 1;
}

for (const policy of POLICIES) {
  for (const weights of [[1, 1, 1], [1, 2, 3]]) {
    for (const [where, create] of [['bare', BARE], ['in a host set', IN_HOST_SET], ['in localities', IN_LOCALITIES]] as const) {
      const name = `${policy} ${where} with weights ${weights.join(':')}`;
      // With localities the parts of what is left go by locality: only the first look at shares is the same.
      const flat = create !== IN_LOCALITIES;

      t.test(`${name}: every healthy host gets its share, a sick one nothing`, (t) => {
        const hosts = hostsOf(...weights);
        const balancer = create(policy, hosts, seededRandom(7));
        const shares = policy === 'RANDOM' ? [1, 1, 1] : weights;
        const total = shares.reduce((sum, share) => sum + share, 0);
        const counts = counted(6000, balancer);
        for (const [i, host] of hosts.entries()) {
          const expected = (6000 * (shares[i] as number)) / total;
          // Turns of localities and turns within them each may be one out.
          const off = room(policy, weights, 6000, expected) * (flat ? 1 : 2);
          t.ok(Math.abs((counts[host.name] ?? 0) - expected) <= off, `${host.name}: ${counts[host.name]} of ${expected}`);
        }

        const sick = hosts[2] as Host;
        sick.healthy = false;
        t.equal(counted(100, balancer)['c'], undefined, 'at once, even before anybody said so');
        balancer.changed();
        const without = counted(600, balancer);
        t.equal(without['c'], undefined);
        const rest = (shares[0] as number) + (shares[1] as number);
        const part = (600 * (shares[1] as number)) / rest;
        t.ok(Math.abs((without['b'] ?? 0) - part) <= 62 + 0.05 * part, `and the others share its part as they share the rest: ${without['b']} of ${part}`);
        sick.healthy = true;
        balancer.changed();
        t.ok((counted(600, balancer)['c'] ?? 0) > 100, 'it comes back when it is well');
        t.end();
      });

      t.test(`${name}: a retry goes elsewhere while there is an elsewhere`, (t) => {
        const hosts = hostsOf(...weights);
        const [a, b, c] = hosts as [Host, Host, Host];
        const balancer = create(policy, hosts, seededRandom(9));
        t.equal(counted(300, balancer, [a])['a'], undefined);
        t.strictSame(counted(300, balancer, [a, b]), { c: 300 });
        t.ok(hosts.includes(balancer.pick({ tried: hosts }) as Host), 'all tried: any host');
        c.healthy = false;
        balancer.changed();
        t.strictSame(counted(100, balancer, [a]), { b: 100 });
        t.ok([a, b].includes(balancer.pick({ tried: [a, b] }) as Host), 'never a sick one');
        t.end();
      });

      t.test(`${name}: nothing healthy, nothing picked`, (t) => {
        const hosts = hostsOf(...weights);
        const balancer = create(policy, hosts, seededRandom(1));
        for (const host of hosts) host.healthy = false;
        balancer.changed();
        t.equal(balancer.pick(), undefined);
        t.equal(balancer.pick({ tried: hosts.slice(0, 1) }), undefined);
        const last = hosts.at(-1) as Host;
        last.healthy = true;
        balancer.changed();
        t.equal(balancer.pick(), last, 'the only one left is found at once');
        t.equal(balancer.pick({ tried: [last] }), last);
        t.end();
      });
    }
  }

  for (const [where, create] of [['bare', BARE], ['in a host set', IN_HOST_SET]] as const) {
    t.test(`${policy} ${where}: no host and one host`, (t) => {
      t.equal(create(policy, [], seededRandom(1)).pick(), undefined);
      const [only] = hostsOf(5) as [Host];
      const balancer = create(policy, [only], seededRandom(1));
      t.equal(balancer.pick(), only);
      t.equal(balancer.pick({ tried: [only] }), only);
      only.healthy = false;
      t.equal(balancer.pick(), undefined);
      t.end();
    });

    t.test(`${policy} ${where}: most hosts sick`, (t) => {
      const hosts = Array.from({ length: 1000 }, (_, i) => new Host(String(i), 1, `10.0.${i >> 8}.${i & 255}:80`));
      for (const host of hosts.slice(3)) host.healthy = false;
      const counts = counted(3000, create(policy, hosts, seededRandom(3)));
      t.strictSame(Object.keys(counts).toSorted(), ['0', '1', '2']);
      t.end();
    });
  }

  t.test(`${policy}: panic means every host, whatever its health`, (t) => {
    const hosts = hostsOf(1, 2, 3);
    for (const host of hosts.slice(1)) host.healthy = false;
    const balancer = createBalancer(configOf(policy), hosts, { random: seededRandom(2), now: () => 0, panic: true });
    const counts: Record<string, number> = {};
    for (let i = 0; i < 600; i++) {
      const name = balancer.pick({ hashKey: `key-${i}` })?.name ?? 'none';
      counts[name] = (counts[name] ?? 0) + 1;
    }
    t.strictSame(Object.keys(counts).toSorted(), ['a', 'b', 'c']);
    t.ok(Math.min(...Object.values(counts)) > 60, JSON.stringify(counts));
    t.end();
  });

  t.test(`${policy}: whatever the weights, the health and the history, a pick is a healthy host, an untried one if there is one`, (t) => {
    const host = fc.record({ weight: fc.integer({ min: 1, max: 20 }), healthy: fc.boolean(), tried: fc.boolean(), zone: fc.integer({ min: 0, max: 2 }), share: fc.integer({ min: 0, max: 3 }), busy: fc.nat(9) });
    const property = fc.property(fc.array(host, { maxLength: 12 }), fc.nat(), fc.option(fc.string()), fc.boolean(), fc.boolean(), (specs, seed, key, localityWeighted, told) => {
      const shares = specs.map(({ share }) => share);
      const hosts = specs.map(({ weight, zone }, i) => new Host(String(i), weight, `10.1.0.${i}:80`, { locality: `zone-${zone}`, localityWeight: shares[zone] ?? 1 }));
      const subject = IN_HOST_SET(policy, hosts, seededRandom(seed), { localityWeighted, minimumRingSize: 64, tableSize: 101 });
      subject.pick();
      for (const [i, { healthy, busy }] of specs.entries()) Object.assign(hosts[i] as Host, { healthy, activeRequests: busy });
      if (told) subject.changed();
      const tried = hosts.filter((_, i) => specs[i]?.tried);
      const healthy = hosts.filter((host) => host.healthy);
      const fresh = healthy.filter((host) => !tried.includes(host));
      for (let i = 0; i < 20; i++) {
        const picked = subject.pick({ tried, hashKey: key ?? undefined });
        const allowed = fresh.length > 0 ? fresh : healthy;
        if (allowed.length === 0 ? picked !== undefined : !allowed.includes(picked as Host)) return false;
      }
      return true;
    });
    fc.assert(property, { numRuns: 60 });
    t.end();
  });
}

t.test('ROUND_ROBIN: weights 1 and 3 are served 1101 1101 … from any start (Envoy)', (t) => {
  for (let seed = 0; seed < 10; seed++) {
    const balancer = IN_HOST_SET('ROUND_ROBIN', hostsOf(1, 3), seededRandom(seed));
    const order = Array.from({ length: 12 }, () => balancer.pick()?.name).join('');
    t.match('bbabbbabbbabbbab', order);
  }
  t.end();
});

t.test('ROUND_ROBIN: equal weights go round; a sick host leaves the others equal turns', (t) => {
  const hosts = hostsOf(1, 1, 1, 1);
  const balancer = BARE('ROUND_ROBIN', hosts, () => 0.5);
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
    return BARE('LEAST_REQUEST', hosts, () => draws[i++ % draws.length] as number);
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
  const balancer = BARE('LEAST_REQUEST', hosts, seededRandom(5));
  t.equal(counted(400, balancer)['b'], 300, 'idle: by weight');
  heavy.activeRequests = 8;
  const busy = counted(400, balancer)['b'] ?? 0;
  t.ok(busy > 90 && busy < 110, `3 / (8 + 1) beside 1: a quarter, ${busy} of 400`);
  t.end();
});

for (const [name, { hosts, picks, ...config }] of Object.entries(ENVOY_PICKS)) {
  t.test(`${name}: each key to the host Envoy sends it to`, (t) => {
    const ours = hosts.map(recordedHost);
    const set = new HostSet(ours, { origin: 'default', ...config }, { random: seededRandom(1), now: () => 0 });
    t.equal(KEYS.map((hashKey) => ours.indexOf(set.pick({ hashKey }) as Host)).join(''), picks);
    t.end();
  });
}

for (const { hosts, picks, ...config } of ENVOY_PICKS_BY_SET) {
  t.test(`${config.policy}: several header lines, in any order, to the host Envoy sends them to`, (t) => {
    const ours = hosts.map(recordedHost);
    const set = new HostSet(ours, { origin: 'default', ...config }, { random: seededRandom(1), now: () => 0 });
    const read = createHashKey({ kind: 'header', name: 'x-user' });
    for (const turned of [false, true]) {
      const keys = KEY_SETS.map((lines) => read(requestWith('x-user', turned ? lines.toReversed() : lines), '').value);
      t.equal(keys.map((hashKey) => ours.indexOf(set.pick({ hashKey }) as Host)).join(''), picks);
    }
    t.end();
  });
}

function requestWith(name: string, lines: readonly string[]): Stream {
  const headers = new HeaderList(lines.flatMap((line) => [name, line]));
  return { request: { method: 'GET', path: '/', originalPath: undefined, authority: 'a', scheme: 'http', headers }, response: undefined, info: new StreamInfo(), direction: 'outbound', route: undefined };
}

function recordedHost({ address, weight, sick = false, priority, locality = '', localityWeight }: EnvoyHost): Host {
  const host = new Host(address, weight, address, { locality, ...(priority !== undefined && { priority }), ...(localityWeight !== undefined && { localityWeight }) });
  host.healthy = !sick;
  return host;
}

for (const policy of HASHING) {
  const fleet = (count: number) => Array.from({ length: count }, (_, i) => new Host(String(i), 1, `10.2.0.${i}:8080`));
  const keys = Array.from({ length: 5000 }, (_, i) => `session-${i}`);
  const namesOf = (subject: Subject) => keys.map((hashKey) => subject.pick({ hashKey })?.name);
  const moved = (before: readonly (string | undefined)[], after: readonly (string | undefined)[], except: string) =>
    before.filter((name, i) => name !== except && after[i] !== except && name !== after[i]).length / before.length;

  t.test(`${policy}: a host that leaves or joins moves few keys but its own`, (t) => {
    const all = namesOf(IN_HOST_SET(policy, fleet(20), seededRandom(1), { minimumRingSize: 1024 }));
    const fewer = namesOf(IN_HOST_SET(policy, fleet(20).toSpliced(7, 1), seededRandom(2), { minimumRingSize: 1024 }));
    t.equal(fewer.includes('7'), false);
    // A ring of so many points per host gives the others more of them, each at a neighbour's cost (Envoy).
    t.ok(moved(all, fewer, '7') < 0.08, `${moved(all, fewer, '7')} moved`);
    const more = namesOf(IN_HOST_SET(policy, fleet(21), seededRandom(3), { minimumRingSize: 1024 }));
    t.ok(moved(all, more, '20') < 0.08, `${moved(all, more, '20')} moved`);
    const taken = more.filter((name) => name === '20').length / keys.length;
    t.ok(taken > 0.02 && taken < 0.09, `${taken} taken by the new one`);
    t.end();
  });

  t.test(`${policy}: the same key leads to the same host in every process, with every seed, for every retry`, (t) => {
    const hosts = fleet(5);
    const [one, other] = [IN_HOST_SET(policy, hosts, seededRandom(1)), IN_HOST_SET(policy, hosts, seededRandom(99))];
    for (const hashKey of keys.slice(0, 200)) {
      const first = one.pick({ hashKey }) as Host;
      const second = one.pick({ hashKey, tried: [first] }) as Host;
      if (other.pick({ hashKey }) !== first || other.pick({ hashKey, tried: [first] }) !== second || first === second) t.fail(hashKey);
    }
    t.end();
  });

  t.test(`${policy}: without a key any host, by its weight`, (t) => {
    const balancer = IN_HOST_SET(policy, hostsOf(1, 3), seededRandom(4));
    let heavy = 0;
    for (let i = 0; i < 4000; i++) if (balancer.pick()?.name === 'b') heavy++;
    t.ok(Math.abs(heavy - 3000) < 5 * Math.sqrt(4000 / 4), `${heavy} of 4000`);
    t.end();
  });

  t.test(`${policy}: the first ejection rebuilds the table at once, the next within a second waits for the second to end`, (t) => {
    const hosts = fleet(6);
    let nowMs = 50;
    const set = new HostSet(hosts, { policy, origin: 'default' }, { random: seededRandom(1), now: () => nowMs });
    const picks = () => keys.map((hashKey) => set.pick({ hashKey })?.name);
    const freshPicks = () => namesOf(IN_HOST_SET(policy, hosts, seededRandom(1), { minimumRingSize: 1024 }));
    const eject = (host: number, healthy = false) => {
      (hosts[host] as Host).healthy = healthy;
      set.healthChanged();
    };
    t.strictSame(picks(), freshPicks());
    nowMs += 5000;
    eject(2);
    const withoutTwo = picks();
    t.strictSame(withoutTwo, freshPicks());
    nowMs += 500;
    eject(4);
    const meanwhile = picks();
    t.equal(meanwhile.includes('4'), false, 'its requests go elsewhere meanwhile');
    t.equal(withoutTwo.filter((name, i) => name !== '4' && name !== meanwhile[i]).length, 0, 'and nobody else moves');
    nowMs += 500;
    t.strictSame(picks(), freshPicks());
    nowMs += 1000;
    eject(2, true);
    eject(4, true);
    t.strictSame(picks(), freshPicks(), 'back to where it began');
    t.end();
  });
}

t.test('MAGLEV: the order in which hosts are listed does not matter', (t) => {
  const address = fc.tuple(fc.nat(255), fc.nat(255), fc.integer({ min: 1, max: 9 }));
  const property = fc.property(fc.uniqueArray(address, { minLength: 1, maxLength: 8, selector: ([a, b]) => `${a}.${b}` }), fc.nat(), fc.array(fc.string(), { maxLength: 20 }), (specs, seed, keys) => {
    const hosts = specs.map(([a, b, weight], i) => new Host(String(i), weight, `10.3.${a}.${b}:80`));
    const random = seededRandom(seed);
    const shuffled = hosts.map((host) => ({ host, at: random() })).toSorted((a, b) => a.at - b.at).map(({ host }) => host);
    const [one, other] = [BARE('MAGLEV', hosts, random, { tableSize: 251 }), BARE('MAGLEV', shuffled, random, { tableSize: 251 })];
    return keys.every((hashKey) => one.pick({ hashKey }) === other.pick({ hashKey }));
  });
  fc.assert(property, { numRuns: 100 });
  t.end();
});
