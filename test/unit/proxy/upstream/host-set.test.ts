/** Priorities, panic, shares of localities and warm-up: Envoy's arithmetic in tables, then whole afternoons in virtual time. */

import fc from 'fast-check';
import t from 'tap';
import type { LoadBalancerConfig, LoadBalancerPolicy } from '../../../../config/runtime/cluster.ts';
import { seededRandom } from '../../../../proxy/base/random.ts';
import type { HostSetHost } from '../../../../proxy/upstream/balancer/host-set-host.ts';
import { HostSet } from '../../../../proxy/upstream/host-set.ts';
import { availableShare, loadsWithout, planPriorities, type PriorityHealth } from '../../../../proxy/upstream/priority-load.ts';
import { warmupFactor } from '../../../../proxy/upstream/slow-start.ts';
import { TestClock } from '../../../support/clock.ts';

interface TestHost extends HostSetHost {
  healthy: boolean;
  warmSinceMs: number;
  activeRequests: number;
}

let hosts = 0;

function host(endpoint: Partial<HostSetHost['endpoint']> = {}, weight = 1): TestHost {
  hosts++;
  return { address: `10.${hosts >> 16}.${(hosts >> 8) & 255}.${hosts & 255}:80`, weight, activeRequests: 0, healthy: true, warmSinceMs: 0, endpoint: { locality: '', ...endpoint } };
}

/** `count` hosts, the first `healthy` of them healthy. */
function fleet(count: number, healthy: number, endpoint: Partial<HostSetHost['endpoint']> = {}): TestHost[] {
  return Array.from({ length: count }, (_, i) => Object.assign(host(endpoint), { healthy: i < healthy }));
}

function configOf(policy: LoadBalancerPolicy, config: Partial<LoadBalancerConfig> = {}): LoadBalancerConfig {
  return { policy, origin: 'default', ...config };
}

function counts(set: HostSet<TestHost>, picks: number, by: (host: TestHost) => string, tried?: readonly TestHost[], avoidTriedPriorities = false): Record<string, number> {
  const result: Record<string, number> = {};
  for (let i = 0; i < picks; i++) {
    const picked = set.pick({ tried, avoidTriedPriorities });
    const name = picked === undefined ? 'none' : by(picked);
    result[name] = (result[name] ?? 0) + 1;
  }
  return result;
}

/** Five standard deviations of chance. */
function isNear(count: number | undefined, expected: number, picks: number): boolean {
  return Math.abs((count ?? 0) - expected) <= 5 * Math.sqrt((expected / picks) * (1 - expected / picks) * picks) + 1;
}

const of = (...priorities: readonly (readonly [healthy: number, hosts: number])[]): PriorityHealth[] => priorities.map(([healthy, hosts]) => ({ healthy, hosts }));

const PLANS: readonly { readonly name: string; readonly priorities: PriorityHealth[]; readonly threshold?: number; readonly loads: number[]; readonly panic?: boolean[] }[] = [
  { name: '72 % healthy keep everything', priorities: of([72, 100], [100, 100]), loads: [100, 0] },
  { name: '71 %: the first spills', priorities: of([71, 100], [100, 100]), loads: [99, 1] },
  { name: '50 %', priorities: of([50, 100], [100, 100]), loads: [70, 30] },
  { name: '25 %', priorities: of([25, 100], [100, 100]), loads: [35, 65], panic: [false, false] },
  { name: 'none', priorities: of([0, 100], [100, 100]), loads: [0, 100] },
  { name: 'three, each takes what it can', priorities: of([25, 100], [25, 100], [100, 100]), loads: [35, 35, 30] },
  { name: 'all together too few: normalised', priorities: of([20, 100], [20, 100], [10, 100]), threshold: 0, loads: [40, 40, 20] },
  { name: 'what rounding leaves goes to the first that has any', priorities: of([0, 100], [5, 100], [5, 100], [5, 100]), threshold: 0, loads: [0, 34, 33, 33] },
  { name: 'panic in one', priorities: of([20, 100], [50, 100]), loads: [28, 70].map((load, i) => Math.floor((load * 100) / 98) + (i === 0 ? 1 : 0)), panic: [true, false] },
  { name: 'panic in all: by size', priorities: of([20, 100], [10, 50], [0, 50]), loads: [50, 25, 25], panic: [true, true, true] },
  { name: 'panic in all, with rounding', priorities: of([0, 1], [0, 2]), loads: [34, 66], panic: [true, true] },
  { name: 'no panic while the whole is well', priorities: of([1, 100], [72, 100]), loads: [1, 99], panic: [false, false] },
  { name: '49 of 100', priorities: of([49, 100]), loads: [100], panic: [true] },
  { name: '50 of 100', priorities: of([50, 100]), loads: [100], panic: [false] },
  { name: '75 of 100 with a threshold of 80: well enough to take everything', priorities: of([75, 100]), threshold: 80, loads: [100], panic: [false] },
  { name: '71 of 100 with a threshold of 80', priorities: of([71, 100]), threshold: 80, loads: [100], panic: [true] },
  { name: 'panic off, nothing left', priorities: of([0, 5], [0, 5]), threshold: 0, loads: [100, 0], panic: [false, false] },
  { name: 'an empty priority', priorities: of([0, 0], [4, 4]), loads: [0, 100] },
  { name: 'no host at all', priorities: of([0, 0]), loads: [100], panic: [true] },
];

t.test('loads of priorities', (t) => {
  for (const { name, priorities, threshold = 50, loads, panic } of PLANS) {
    const plan = planPriorities(priorities, threshold);
    t.strictSame(plan.loads, loads, name);
    t.strictSame(plan.panic, panic ?? priorities.map(() => false), `${name}: panic`);
  }
  t.end();
});

t.test('loads of priorities: whole, together 100, and for none that could not use it', (t) => {
  const priority = fc.tuple(fc.nat(40), fc.nat(40)).map(([healthy, sick]): PriorityHealth => ({ healthy, hosts: healthy + sick }));
  const isWhole = (loads: readonly number[]) => loads.every((load) => Number.isInteger(load) && load >= 0) && loads.reduce((sum, load) => sum + load, 0) === 100;
  const property = fc.property(fc.array(priority, { minLength: 1, maxLength: 5 }), fc.integer({ min: 0, max: 100 }), fc.nat(31), (priorities, threshold, mask) => {
    const { loads, panic } = planPriorities(priorities, threshold);
    const useless = priorities.some(({ healthy }, i) => (loads[i] as number) > 0 && healthy === 0 && !panic[i] && priorities.some((other) => other.healthy > 0));
    const rest = loadsWithout(priorities, (i) => ((mask >> i) & 1) === 1);
    const avoided = rest?.every((load, i) => load === 0 || ((mask >> i) & 1) === 0) ?? true;
    return isWhole(loads) && !useless && (threshold > 0 || !panic.includes(true)) && (rest === undefined || isWhole(rest)) && avoided;
  });
  fc.assert(property, { numRuns: 1000 });
  t.end();
});

t.test('a retry elsewhere: loads as if the tried priorities had failed', (t) => {
  const priorities = of([10, 10], [5, 10], [10, 10]);
  const without = (...excluded: readonly number[]) => loadsWithout(priorities, (i) => excluded.includes(i));
  t.strictSame(without(0), [0, 70, 30]);
  t.strictSame(without(0, 1), [0, 0, 100]);
  t.strictSame(without(0, 1, 2), undefined, 'nothing else left');
  t.strictSame(loadsWithout(of([10, 10], [0, 10]), (i) => i === 0), undefined);
  t.end();
});

t.test('a locality offers 1.4 times its healthy share, all of it at the most', (t) => {
  t.equal(availableShare({ hosts: 10, healthy: 10 }), 1);
  t.equal(availableShare({ hosts: 10, healthy: 8 }), 1);
  t.ok(Math.abs(availableShare({ hosts: 10, healthy: 5 }) - 0.7) < 1e-9);
  t.equal(availableShare({ hosts: 0, healthy: 0 }), 0);
  t.end();
});

t.test('the weight of a host that warms up', (t) => {
  const minute = { durationMs: 60_000, minimumPercent: 10, aggression: 1 };
  const rows: readonly (readonly [ageMs: number, factor: number, warmup?: Partial<typeof minute>])[] = [
    [0, 0.1],
    [6000, 0.1],
    [30_000, 0.5],
    [59_999, 59_999 / 60_000],
    [60_000, 1],
    [1e9, 1],
    [15_000, 0.5, { aggression: 2 }],
    [15_000, 0.0625, { aggression: 0.5, minimumPercent: 0 }],
    [0, 1 / 60_000, { minimumPercent: 0 }],
    [0, 1, { minimumPercent: 100 }],
    [0, 1, { durationMs: 0 }],
  ];
  for (const [ageMs, factor, warmup] of rows) t.ok(Math.abs(warmupFactor(ageMs, { ...minute, ...warmup }) - factor) < 1e-9, `${ageMs} ms ${JSON.stringify(warmup ?? {})}`);
  t.end();
});

t.test('panic: sick hosts are used below the threshold, and each such pick is told', (t) => {
  let panics = 0;
  const members = fleet(100, 50);
  const set = new HostSet(members, configOf('RANDOM'), { random: seededRandom(1), now: () => 0, onPanic: () => panics++ });
  const health = ({ healthy }: TestHost) => (healthy ? 'healthy' : 'sick');
  t.strictSame(counts(set, 1000, health), { healthy: 1000 }, '50 of 100');
  t.equal(panics, 0);
  (members[0] as TestHost).healthy = false;
  set.healthChanged();
  const inPanic = counts(set, 1000, health);
  t.ok(isNear(inPanic['healthy'], 490, 1000), `49 of 100: ${JSON.stringify(inPanic)}`);
  t.equal(panics, 1000);
  (members[0] as TestHost).healthy = true;
  set.healthChanged();
  t.strictSame(counts(set, 1000, health), { healthy: 1000 }, 'and over');
  for (const member of members) member.healthy = false;
  const never = new HostSet(members, configOf('LEAST_REQUEST', { panicThresholdPercent: 0 }), { random: seededRandom(1), now: () => 0 });
  t.equal(never.pick(), undefined, 'a threshold of 0: no panic, no host');
  const always = new HostSet(members, configOf('LEAST_REQUEST'), { random: seededRandom(1), now: () => 0 });
  t.ok(members.includes(always.pick() as TestHost), 'all sick');
  t.equal(new HostSet([], configOf('LEAST_REQUEST'), { random: seededRandom(1), now: () => 0 }).pick(), undefined, 'panic without any host');
  t.end();
});

t.test('localities share by weight and health', (t) => {
  const near = fleet(10, 10, { locality: 'near', localityWeight: 1 });
  const far = fleet(10, 10, { locality: 'far', localityWeight: 1 });
  const unlisted = fleet(10, 10, { locality: 'unlisted' });
  const set = new HostSet([...near, ...far, ...unlisted], configOf('ROUND_ROBIN', { localityWeighted: true, panicThresholdPercent: 0 }), { random: seededRandom(3), now: () => 0 });
  const locality = ({ endpoint }: TestHost) => endpoint.locality;
  const rows: readonly (readonly [healthy: number, near: number, far: number])[] = [
    [10, 500, 500],
    [8, 500, 500],
    [5, 412, 588],
    [0, 0, 1000],
  ];
  for (const [healthy, expectedNear, expectedFar] of rows) {
    for (const [i, member] of near.entries()) member.healthy = i < healthy;
    set.healthChanged();
    const seen = counts(set, 1000, locality);
    t.ok(Math.abs((seen['near'] ?? 0) - expectedNear) <= 1 && Math.abs((seen['far'] ?? 0) - expectedFar) <= 1, `${healthy} of 10: ${JSON.stringify(seen)}`);
  }
  for (const member of far) member.healthy = false;
  set.healthChanged();
  t.strictSame(counts(set, 300, locality), { unlisted: 300 }, 'no locality with a weight is left: any healthy host');
  t.end();
});

t.test('a retry prefers other priorities when it is asked to', (t) => {
  const members = [...fleet(3, 3), ...fleet(3, 3, { priority: 1 }), ...fleet(3, 3, { priority: 4 })];
  const set = new HostSet(members, configOf('LEAST_REQUEST'), { random: seededRandom(8), now: () => 0 });
  const priority = ({ endpoint }: TestHost) => `p${endpoint.priority ?? 0}`;
  const [first, , , second] = members as [TestHost, TestHost, TestHost, TestHost];
  t.strictSame(counts(set, 100, priority), { p0: 100 });
  t.strictSame(counts(set, 100, priority, [first]), { p0: 100 });
  t.strictSame(counts(set, 100, priority, [first], true), { p1: 100 });
  t.strictSame(counts(set, 100, priority, [first, second], true), { p4: 100 });
  t.strictSame(counts(set, 100, priority, members, true), { p0: 100 }, 'all tried: as if it were the first');
  t.end();
});

t.test('an afternoon of failover: three localities fail one after the other, and come back', (t) => {
  const localities = [0, 1, 2].map((priority) => fleet(10, 10, { priority, locality: `zone-${priority}` }));
  const set = new HostSet(localities.flat(), configOf('LEAST_REQUEST', { panicThresholdPercent: 0 }), { random: seededRandom(11), now: () => 0 });
  const zone = ({ endpoint }: TestHost) => endpoint.locality;
  const steps = [...localities.flat(), ...localities.flat().toReversed()];
  for (const [minute, changing] of steps.entries()) {
    changing.healthy = !changing.healthy;
    set.healthChanged();
    const healthy = localities.map((members) => members.filter((member) => member.healthy).length);
    // Each offers 14 % of a full load per healthy host; the preferred ones are filled first.
    const offers = healthy.map((count) => Math.min(100, 14 * count));
    const total = Math.min(100, offers.reduce((sum, offer) => sum + offer, 0));
    let left = 100;
    const expected = offers.map((offer) => {
      const load = Math.min(left, total === 0 ? 0 : (offer * 100) / total);
      left -= load;
      return load;
    });
    const seen = counts(set, 1000, zone);
    const near = total === 0 ? seen['none'] === 1000 : expected.every((load, i) => Math.abs((seen[`zone-${i}`] ?? 0) - 10 * load) <= 5 * Math.sqrt(250) + 10);
    if (!near) t.fail(`minute ${minute}: ${JSON.stringify({ healthy, expected, seen })}`);
  }
  t.strictSame(counts(set, 1000, zone), { 'zone-0': 1000 }, 'all is as it was');
  t.end();
});

for (const policy of ['ROUND_ROBIN', 'LEAST_REQUEST'] as const) {
  for (const [aggression, minimumPercent] of [[1, 10], [2, 10], [0.5, 1]] as const) {
    t.test(`${policy} warms a new host up along its curve: aggression ${aggression}, minimum ${minimumPercent} %`, (t) => {
      const clock = new TestClock();
      const warmup = { durationMs: 120_000, minimumPercent, aggression };
      const members = fleet(4, 4);
      clock.advance(1_000_000);
      const joined = Object.assign(host(), { warmSinceMs: clock.now() });
      const set = new HostSet([...members, joined], configOf(policy, { warmup }), { random: seededRandom(5), now: () => clock.now() });
      const shareOfNew = (picks: number) => (counts(set, picks, (member) => (member === joined ? 'new' : 'old'))['new'] ?? 0) / picks;
      shareOfNew(50);
      for (let age = 0; age < 120; age += 10) {
        const factor = Math.max(minimumPercent / 100, Math.min(1, (Math.max(age, 0.001) / 120) ** (1 / aggression)));
        const share = shareOfNew(2000);
        t.ok(Math.abs(share - factor / (4 + factor)) < 0.01, `after ${age} s: ${share} of ${factor / (4 + factor)}`);
        clock.advance(10_000);
      }
      const warm = shareOfNew(5000);
      t.ok(Math.abs(warm - 0.2) < 0.03, `warm: ${warm}`);
      t.end();
    });
  }
}

t.test('hosts that start together warm up together; one that was told anew starts anew', (t) => {
  const clock = new TestClock();
  clock.advance(5000);
  const members = fleet(3, 3);
  for (const member of members) member.warmSinceMs = clock.now();
  const config = configOf('ROUND_ROBIN', { warmup: { durationMs: 60_000, minimumPercent: 10, aggression: 1 } });
  const set = new HostSet(members, config, { random: seededRandom(5), now: () => clock.now() });
  const by = ({ address }: TestHost) => address;
  t.strictSame(Object.values(counts(set, 300, by)), [100, 100, 100]);
  clock.advance(60_000);
  t.strictSame(Object.values(counts(set, 300, by)), [100, 100, 100]);
  const [again] = members as [TestHost];
  again.warmSinceMs = clock.now();
  set.healthChanged();
  clock.advance(15_000);
  const share = (counts(set, 900, by)[again.address] ?? 0) / 900;
  t.ok(Math.abs(share - 0.25 / 2.25) < 0.02, `a quarter beside two: ${share}`);
  t.end();
});

for (const policy of ['RING_HASH', 'MAGLEV'] as const) {
  t.test(`${policy}: an hour of ejections and returns moves few keys but those of the host concerned`, (t) => {
    const clock = new TestClock();
    const random = seededRandom(20);
    const members = fleet(25, 25);
    const set = new HostSet(members, configOf(policy, { minimumRingSize: 8192 }), { random, now: () => clock.now() });
    const keys = Array.from({ length: 1000 }, (_, i) => `session-${i}`);
    const picks = () => keys.map((hashKey) => set.pick({ hashKey }));
    const first = picks();
    let before = first;
    let most = 0;
    for (let minute = 0; minute < 60; minute++) {
      clock.advance(60_000);
      const sick = members.filter((member) => !member.healthy);
      // Six out at the most; then one returns.
      const changing = sick.length === 6 ? (sick[0] as TestHost) : (members[Math.floor(random() * members.length)] as TestHost);
      changing.healthy = !changing.healthy;
      set.healthChanged();
      const after = picks();
      most = Math.max(most, before.filter((member, i) => member !== after[i] && member !== changing && after[i] !== changing).length);
      before = after;
    }
    t.ok(most < 80, `${most} of 1000 at the most`);
    clock.advance(60_000);
    for (const member of members) member.healthy = true;
    set.healthChanged();
    t.ok(picks().every((member, i) => member === first[i]), 'all well again: every key where it began');
    t.end();
  });
}
