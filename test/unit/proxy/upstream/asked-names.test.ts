/** Names that downstreams bring: when they are looked up, what is kept, and for how long. */

import t from 'tap';
import { AskedNames, MAX_NAMES } from '../../../../proxy/upstream/asked-names.ts';
import { TestClock } from '../../../support/clock.ts';

interface Names {
  readonly names: AskedNames;
  readonly clock: TestClock;
  /** In the order asked. */
  readonly asked: string[];
  /** What the next lookups find; an Error is thrown, undefined never comes. */
  answers: Record<string, readonly string[] | Error | undefined>;
}

function started(answers: Names['answers']): Names {
  const clock = new TestClock();
  const asked: string[] = [];
  const state: Omit<Names, 'names'> = { clock, asked, answers };
  const resolver = async (name: string): Promise<readonly string[]> => {
    asked.push(name);
    const answer = state.answers[name];
    if (answer instanceof Error) throw answer;
    return answer ?? new Promise(() => {});
  };
  return Object.assign(state, { names: new AskedNames({ clock, resolver }) });
}

const error = (code: string): Error => Object.assign(new Error(code), { code });

t.test('a name is looked up once for all who wait for it, and known then', async (t) => {
  const { names, asked } = started({ 'a.test': ['192.0.2.1', '192.0.2.2'] });
  const [first, second] = [names.lookUp('a.test'), names.lookUp('A.test')];
  t.ok(first);
  t.equal(second, first, 'names have no case');
  await first;
  t.equal(names.answer('A.TEST'), '192.0.2.1');
  t.equal(names.lookUp('a.test'), undefined);
  t.same(asked, ['a.test']);
});

t.test('an address is its own answer', async (t) => {
  const { names, asked } = started({});
  for (const address of ['192.0.2.1', '2001:db8::1']) {
    t.equal(names.lookUp(address), undefined);
    t.equal(names.answer(address), address);
  }
  t.same(asked, []);
});

t.test('an old answer is used while it is looked up again, and stays when that fails', async (t) => {
  const state = started({ 'a.test': ['192.0.2.1'] });
  const { names, clock } = state;
  await names.lookUp('a.test');
  clock.advance(14_999);
  void names.lookUp('a.test');
  t.equal(state.asked.length, 1, 'young enough');
  clock.advance(1);
  state.answers = { 'a.test': ['192.0.2.9'] };
  t.equal(names.lookUp('a.test'), undefined, 'nobody waits');
  t.equal(names.answer('a.test'), '192.0.2.1');
  await new Promise(setImmediate);
  t.equal(names.answer('a.test'), '192.0.2.9');
  clock.advance(15_000);
  state.answers = { 'a.test': error('ENOTFOUND') };
  void names.lookUp('a.test');
  await new Promise(setImmediate);
  t.equal(names.answer('a.test'), '192.0.2.9');
  t.equal(state.asked.length, 3);
});

t.test('what nobody has used for long is not used again without asking', async (t) => {
  const { names, clock } = started({ 'a.test': ['192.0.2.1'] });
  await names.lookUp('a.test');
  clock.advance(300_001);
  t.ok(names.lookUp('a.test'));
});

t.test('failures: why, and no new try for a while', async (t) => {
  const state = started({ 'a.test': error('ENOTFOUND'), 'b.test': error('EAI_AGAIN'), 'c.test': [], 'd.test': error('EAI_MEMORY'), 'e.test': new Error('odd') });
  const { names, clock } = state;
  const reasons = { 'a.test': 'Domain name not found', 'b.test': 'Temporary failure in name resolution', 'c.test': 'Domain name not found', 'd.test': 'EAI_MEMORY', 'e.test': 'Lookup failed' };
  for (const [name, reason] of Object.entries(reasons)) {
    await names.lookUp(name);
    t.same(names.answer(name), { kind: 'dns', reason });
    t.equal(names.lookUp(name), undefined, 'known to fail');
  }
  clock.advance(5_000);
  state.answers = { 'a.test': ['192.0.2.1'] };
  await names.lookUp('a.test');
  t.equal(names.answer('a.test'), '192.0.2.1', 'then it may be better');
});

t.test('a lookup that takes too long has failed', async (t) => {
  const { names, clock } = started({ 'a.test': undefined });
  const waiting = names.lookUp('a.test');
  clock.advance(5_000);
  await waiting;
  t.same(names.answer('a.test'), { kind: 'dns', reason: 'Timeout' });
});

t.test('names have a limit: who was not asked for longest goes, but nobody who is waited for', async (t) => {
  const state = started({ 'kept.test': ['192.0.2.1'], 'old.test': ['192.0.2.2'] });
  const { names } = state;
  await names.lookUp('old.test');
  await names.lookUp('kept.test');
  for (let i = 2; i < MAX_NAMES; i++) void names.lookUp(`${i}.test`);
  void names.lookUp('one-more.test');
  t.equal(names.answer('kept.test'), '192.0.2.1');
  t.ok(names.lookUp('old.test'), 'forgotten: it takes the place of kept.test, the last that can go');
  t.equal(names.lookUp('too-many.test'), undefined);
  t.same(names.answer('too-many.test'), { kind: 'overflow' });
});
