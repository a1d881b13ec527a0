/** Random numbers, weights and the clock. */

import fc from 'fast-check';
import t from 'tap';
import { systemClock } from '../../../../proxy/base/clock.ts';
import { seededRandom, systemRandom } from '../../../../proxy/base/random.ts';
import { pickWeighted, sumWeights } from '../../../../proxy/base/weighted.ts';
import { chooseDestination } from '../../../../proxy/router/cluster-choice.ts';

const weighted = (...weights: readonly number[]) => weights.map((weight) => ({ weight }));

t.test('a seeded source repeats itself and is uniform', (t) => {
  const draws = (seed: number) => Array.from({ length: 5 }, seededRandom(seed));
  t.strictSame(draws(1), draws(1));
  t.notSame(draws(1), draws(2));
  const random = seededRandom(42);
  const buckets = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const bucket = Math.floor(random() * 10);
    buckets[bucket] = (buckets[bucket] as number) + 1;
  }
  // Binomial(10,000, 0.1): five standard deviations are 150.
  for (const count of buckets) t.ok(Math.abs(count - 1000) < 150, String(count));
  t.ok(systemRandom() < 1);
  t.end();
});

t.test('weights', (t) => {
  const table: readonly (readonly [weights: readonly number[], random: number, index: number])[] = [
    [[1, 3], 0, 0],
    [[1, 3], 0.249, 0],
    [[1, 3], 0.25, 1],
    [[1, 3], 0.999, 1],
    [[0, 1, 0], 0, 1],
    [[0, 1, 0], 0.9999999, 1],
    [[0, 0], 0.5, -1],
    [[], 0.5, -1],
    [[50, 50, 0], 0.9999999999999999, 1],
  ];
  for (const [weights, random, index] of table) t.equal(pickWeighted(weighted(...weights), sumWeights(weighted(...weights)), random), index, `${weights.join(':')} at ${random}`);
  fc.assert(
    fc.property(fc.array(fc.nat(100), { minLength: 1, maxLength: 10 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (weights, random) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const index = pickWeighted(weighted(...weights), total, random);
      return total === 0 ? index === -1 : (weights[index] ?? 0) > 0;
    }),
  );
  t.end();
});

t.test('a single destination takes everything, whatever its weight', (t) => {
  t.equal(chooseDestination(weighted(0), 0, 0.5), 0);
  t.equal(chooseDestination(weighted(7), 7, 0.99), 0);
  t.equal(chooseDestination(weighted(0, 5), 5, 0), 1);
  t.equal(chooseDestination(weighted(80, 20), 100, 0.8), 1);
  t.end();
});

t.test('the system clock', async (t) => {
  const before = systemClock.now();
  const order: string[] = [];
  const cancelled = systemClock.setTimer(1, () => order.push('cancelled'));
  cancelled.cancel();
  // The timer alone does not keep the process alive, so another one does.
  const alive = setInterval(() => undefined, 1000);
  await new Promise<void>((resolve) => {
    systemClock.setTimer(5, () => {
      order.push('fired');
      resolve();
    });
  });
  clearInterval(alive);
  cancelled.cancel();
  t.strictSame(order, ['fired']);
  t.ok(systemClock.now() - before >= 4);
  t.ok(Math.abs(systemClock.wallTime() - Date.now()) < 1000);
});
