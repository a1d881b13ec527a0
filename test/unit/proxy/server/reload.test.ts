/** Reloads against a compiler and a runtime that the test steers. */

import t from 'tap';
import type { Problem } from '../../../../config/runtime/problem.ts';
import type { RuntimeConfig } from '../../../../config/runtime/runtime-config.ts';
import type { RuntimeDelta } from '../../../../config/runtime/delta.ts';
import type { CompileOutcome } from '../../../../proxy/server/compile-outcome.ts';
import { Reloader } from '../../../../proxy/server/reload.ts';

function delta(fromVersion: string, version: string): RuntimeDelta {
  return { fromVersion, version, clusters: { changed: [], removed: ['a'] }, routeTables: { changed: [], removed: [] } };
}

function problem(severity: Problem['severity'], line: number, message = 'wrong'): Problem {
  return { severity, file: 'mesh.yaml', line, column: 3, resource: 'VirtualService default/a', path: 'spec', message };
}

/** A runtime of which only the version matters. */
class Target {
  serving = 'v1';
  applied: string[] = [];
  failure: Error | undefined;
  holdApply: Promise<void> | undefined;

  version(): string {
    return this.serving;
  }

  config(): RuntimeConfig {
    throw new Error('a reload whose base is known asks for no whole configuration');
  }

  async applyDelta(change: RuntimeDelta): Promise<undefined> {
    if (this.failure !== undefined) throw this.failure;
    await this.holdApply;
    this.serving = change.version;
    this.applied.push(`${change.fromVersion}>${change.version}`);
    return undefined;
  }
}

/** Answers when told to. */
class Compiler {
  calls: string[] = [];
  readonly #waiting: ((outcome: CompileOutcome) => void)[] = [];

  recompile(serving: Pick<Target, 'version'>): Promise<CompileOutcome> {
    this.calls.push(serving.version());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  answer(outcome: CompileOutcome): void {
    const resolve = this.#waiting.shift();
    if (resolve === undefined) throw new Error('nobody asked');
    resolve(outcome);
  }
}

function setUp(problems: readonly Problem[] = []) {
  const target = new Target();
  const compiler = new Compiler();
  const lines: string[] = [];
  const time = { wall: Date.UTC(2026, 0, 1) };
  const applied: string[] = [];
  const clock = { now: () => 0, wallTime: () => time.wall, setTimer: () => ({ cancel: () => {} }) };
  const write = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  const reloader = new Reloader({ target, compiler, clock, log, problems, snapshotPath: 'mesh.yaml', onApplied: ({ version }) => applied.push(version) });
  return { target, compiler, reloader, lines, time, applied };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('a changed snapshot is applied', async (t) => {
  const { target, compiler, reloader, lines, time, applied } = setUp();
  t.match(reloader.status(), { version: 'v1', accepted: 1, rejected: 0, lastAttempt: 'accepted', loadedAt: '2026-01-01T00:00:00.000Z' });
  time.wall += 1000;
  const reload = reloader.reload('SIGHUP');
  t.same(compiler.calls, ['v1'], 'compared with what serves');
  compiler.answer({ kind: 'changed', delta: delta('v1', 'v2'), problems: [problem('warning', 4)] });
  const status = await reload;
  t.match(status, { version: 'v2', accepted: 2, rejected: 0, lastAttempt: 'accepted', loadedAt: '2026-01-01T00:00:01.000Z' });
  t.same(status.problems, [problem('warning', 4)]);
  t.same(target.applied, ['v1>v2']);
  t.same(applied, ['v2']);
  t.same(lines, [
    'info reload (SIGHUP): version v2, changed: 1 cluster in 0 ms',
    'warn mesh.yaml:4:3: VirtualService default/a: spec: warning: wrong',
  ]);
});

t.test('a bad snapshot keeps the last good one, and is forgotten once it is good again', async (t) => {
  const { target, compiler, reloader, lines, time, applied } = setUp();
  time.wall += 1000;
  const bad = reloader.reload('files changed');
  compiler.answer({ kind: 'rejected', problems: [problem('warning', 1), problem('error', 2)] });
  t.match(await bad, { version: 'v1', accepted: 1, rejected: 1, lastAttempt: 'rejected', loadedAt: '2026-01-01T00:00:00.000Z', lastAttemptAt: '2026-01-01T00:00:01.000Z' });
  t.equal(reloader.status().problems.length, 2);
  t.same(lines, [
    'error reload (files changed): rejected with 1 error, version v1 goes on serving',
    'error mesh.yaml:2:3: VirtualService default/a: spec: wrong',
  ]);
  const good = reloader.reload('files changed');
  compiler.answer({ kind: 'unchanged', problems: [] });
  t.match(await good, { version: 'v1', accepted: 2, rejected: 1, lastAttempt: 'accepted', problems: [] });
  t.equal(lines.at(-1), 'info reload (files changed): the snapshot is good again: no change for this workload');
  t.same(target.applied, []);
  t.same(applied, []);
});

t.test('the line of a reload names all that has changed', async (t) => {
  const { compiler, reloader, lines } = setUp();
  const reload = reloader.reload('files changed');
  const secrets = { changed: [], removed: ['kubernetes://default/a', 'kubernetes://default/b'] };
  const nothing = { changed: [], removed: [] };
  compiler.answer({ kind: 'changed', delta: { ...delta('v1', 'v2'), clusters: nothing, secrets, virtualListeners: { changed: [], removed: ['0.0.0.0_80'] } }, problems: [] });
  await reload;
  t.equal(lines.at(-1), 'info reload (files changed): version v2, changed: 1 virtual listener, 2 secrets in 0 ms');
});

t.test('a listener that cannot be bound rejects the reload', async (t) => {
  const { target, compiler, reloader, lines } = setUp();
  target.failure = new Error('listener 0.0.0.0_8080: cannot bind 0.0.0.0:8080: address in use');
  const reload = reloader.reload('SIGHUP');
  compiler.answer({ kind: 'changed', delta: delta('v1', 'v2'), problems: [] });
  t.match(await reload, { version: 'v1', lastAttempt: 'rejected', rejected: 1 });
  t.match(lines.at(-1), /cannot bind 0\.0\.0\.0:8080/);
  target.failure = undefined;
  const again = reloader.reload('SIGHUP');
  compiler.answer({ kind: 'changed', delta: delta('v1', 'v2'), problems: [] });
  t.match(await again, { version: 'v2', lastAttempt: 'accepted' });
});

t.test('causes during a reload lead to exactly one more', async (t) => {
  const { target, compiler, reloader } = setUp();
  const first = reloader.reload('one');
  const later = [reloader.reload('two'), reloader.reload('three'), reloader.reload('four')];
  t.equal(compiler.calls.length, 1, 'one at a time');
  let release = (): void => {};
  target.holdApply = new Promise((resolve) => (release = resolve));
  compiler.answer({ kind: 'changed', delta: delta('v1', 'v2'), problems: [] });
  await settle();
  later.push(reloader.reload('while it is applied'));
  t.equal(compiler.calls.length, 1, 'not before the first is applied');
  release();
  await first;
  await settle();
  t.same(compiler.calls, ['v1', 'v2'], 'the second is compared with what the first brought');
  compiler.answer({ kind: 'changed', delta: delta('v2', 'v3'), problems: [] });
  for (const status of await Promise.all(later)) t.equal(status.version, 'v3');
  await settle();
  t.equal(compiler.calls.length, 2);
  t.same(target.applied, ['v1>v2', 'v2>v3']);
});

t.test('nothing is applied after close', async (t) => {
  const { target, compiler, reloader } = setUp();
  const running = reloader.reload('one');
  const queued = reloader.reload('two');
  reloader.close();
  compiler.answer({ kind: 'changed', delta: delta('v1', 'v2'), problems: [] });
  await Promise.all([running, queued]);
  t.same(target.applied, []);
  t.equal(compiler.calls.length, 1);
});

t.test('the log is bounded and repeats no known warning', async (t) => {
  const many = Array.from({ length: 25 }, (_, index) => problem('warning', index + 1));
  const { compiler, reloader, lines } = setUp(many);
  t.equal(lines.length, 21);
  t.equal(lines.at(-1), 'warn and 5 more, see /config_status');
  const reload = reloader.reload('SIGHUP');
  compiler.answer({ kind: 'unchanged', problems: [...many, problem('warning', 99)] });
  await reload;
  t.same(lines.slice(22), ['warn mesh.yaml:99:3: VirtualService default/a: spec: warning: wrong']);
  const bad = reloader.reload('SIGHUP');
  compiler.answer({ kind: 'rejected', problems: many.map((one) => ({ ...one, severity: 'error' })) });
  await bad;
  t.equal(lines.length, 23 + 1 + 20 + 1);
  t.equal(lines.at(-1), 'error and 5 more, see /config_status');
  t.equal(reloader.status().problems.length, 25, '/config_status has them all');
});
