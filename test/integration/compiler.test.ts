/** The compiler's thread: started, rested, started again with its base, crashed. */

import { mkdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import t from 'tap';
import { applyDelta } from '../../config/compile/diff.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import { isUsageError, parseRunOptions, type Bootstrap } from '../../proxy/cli/options.ts';
import type { CompileOutcome } from '../../proxy/server/compile-outcome.ts';
import { ThreadedCompiler } from '../../proxy/server/compiler.ts';
import { TestClock } from '../support/clock.ts';
import { renderResources, service, to, virtualService } from '../support/resources.ts';

function bootstrapFor(path: string): Bootstrap {
  const bootstrap = parseRunOptions(['--config', path, '--ip', '127.0.0.1', '--name', 'test'], {}, () => undefined);
  if (isUsageError(bootstrap)) throw new Error(bootstrap.message);
  return bootstrap;
}

function snapshot(...weights: number[]): string {
  const names = weights.map((_, index) => `web-${index}`);
  const destinations = names.map((name, index) => to(name, undefined, weights[index]));
  return renderResources([...service('web'), ...names.flatMap((name) => service(name)), virtualService('web', { http: [{ route: destinations }] })]);
}

async function firstConfig(compiler: ThreadedCompiler): Promise<RuntimeConfig> {
  const outcome = await compiler.compile();
  if (outcome.kind !== 'compiled') throw new Error(JSON.stringify(outcome.problems));
  return outcome.config;
}

/** What a reload compares with. */
function serving(config: RuntimeConfig): { version(): string; config(): RuntimeConfig } {
  return { version: () => config.version, config: () => config };
}

function changed(outcome: CompileOutcome): Extract<CompileOutcome, { kind: 'changed' }> {
  if (outcome.kind !== 'changed') throw new Error(`${outcome.kind}: ${JSON.stringify(outcome.problems)}`);
  return outcome;
}

for (const [size, snapshotBytes, rests] of [['small', 1000, true], ['large', 2 * 1024 * 1024, false]] as const) {
  t.test(`a ${size} snapshot`, async (t) => {
    const file = join(t.testdir({}), 'mesh.yaml');
    writeFileSync(file, snapshot(50, 50));
    const clock = new TestClock();
    const compiler = new ThreadedCompiler(bootstrapFor(file), { clock, snapshotBytes: () => snapshotBytes });
    t.teardown(() => compiler.close());
    const first = await firstConfig(compiler);
    t.equal(clock.pending, rests ? 1 : 0, rests ? 'the thread is about to rest' : 'the thread stays');
    clock.advance(0);

    writeFileSync(file, snapshot(80, 20));
    const outcome = changed(await compiler.recompile(serving(first)));
    t.equal(outcome.delta.fromVersion, first.version);
    t.equal(outcome.delta.routeTables.changed.flatMap((table) => table.changed).length, 1, 'one virtual host is sent');
    t.same(outcome.delta.clusters, { changed: [], removed: [] });
    const second = applyDelta(first, outcome.delta);
    t.same(await compiler.recompile(serving(second)), { kind: 'unchanged', problems: [] });

    writeFileSync(file, snapshot(10, 90));
    const refused = changed(await compiler.recompile(serving(second)));
    t.same(changed(await compiler.recompile(serving(second))).delta, refused.delta, 'what was not applied is compared with what serves again');
    clock.advance(60_000);
    t.same(changed(await compiler.recompile(serving(second))).delta, refused.delta, 'after a rest too');
    t.equal(applyDelta(second, refused.delta).version, refused.delta.version);

    writeFileSync(file, 'a: [');
    t.match(await compiler.recompile(serving(second)), { kind: 'rejected', problems: [{ file, severity: 'error' }] });
    unlinkSync(file);
    t.match(await compiler.recompile(serving(second)), { kind: 'rejected', problems: [{ file, message: /no such file/ }] });
    writeFileSync(file, snapshot(80, 20));
    t.same(await compiler.recompile(serving(second)), { kind: 'unchanged', problems: [] });
  });
}

t.test('a bad first load', async (t) => {
  const folder = t.testdir({});
  mkdirSync(join(folder, 'empty'));
  const compiler = new ThreadedCompiler(bootstrapFor(join(folder, 'empty')), { clock: new TestClock(), snapshotBytes: () => 0 });
  t.teardown(() => compiler.close());
  t.match(await compiler.compile(), { kind: 'rejected', problems: [{ severity: 'warning' }, { severity: 'error', message: /no resource/ }] });
});

t.test('standard input is given to every thread', async (t) => {
  const clock = new TestClock();
  const compiler = new ThreadedCompiler(bootstrapFor('-'), { clock, snapshotBytes: () => 0, stdin: snapshot(100) });
  t.teardown(() => compiler.close());
  const first = await firstConfig(compiler);
  clock.advance(60_000);
  t.same(await compiler.recompile(serving(first)), { kind: 'unchanged', problems: [] });
});

t.test('a thread started ahead of a reload serves it, or rests again', async (t) => {
  const file = join(t.testdir({}), 'mesh.yaml');
  writeFileSync(file, snapshot(100));
  const clock = new TestClock();
  const compiler = new ThreadedCompiler(bootstrapFor(file), { clock, snapshotBytes: () => 0 });
  t.teardown(() => compiler.close());
  const first = await firstConfig(compiler);
  clock.advance(0);
  compiler.warm();
  compiler.warm();
  t.equal(clock.pending, 1, 'it rests when no reload comes');
  writeFileSync(file, snapshot(30, 70));
  t.match(await compiler.recompile(serving(first)), { kind: 'changed' });
});

t.test('what reloads leave behind is collected early, where that costs nothing', async (t) => {
  const file = join(t.testdir({}), 'mesh.yaml');
  const limits: (number | undefined)[] = [];
  // Before it is online a thread does not know what Node gave it.
  const note = (thread: Worker): void => void thread.once('online', () => limits.push(thread.resourceLimits?.maxYoungGenerationSizeMb));
  process.on('worker', note);
  t.teardown(() => process.off('worker', note));
  let bytes = 1000;
  for (const size of [1000, 2 * 1024 * 1024]) {
    bytes = size;
    writeFileSync(file, snapshot(100));
    const clock = new TestClock();
    const compiler = new ThreadedCompiler(bootstrapFor(file), { clock, snapshotBytes: () => bytes });
    t.teardown(() => compiler.close());
    const first = await firstConfig(compiler);
    await compiler.close();
    clock.advance(0);
    writeFileSync(file, snapshot(30, 70));
    t.match(await compiler.recompile(serving(first)), { kind: 'changed' });
  }
  const [small, smallReload, large, largeReload] = limits;
  t.equal(smallReload, 4);
  t.same([large, largeReload], [small, small], 'the first load, and all of a large snapshot, have what Node gives');
  t.not(small, 4);
});

t.test('a thread that ends is an outcome, and the next load has a new one', async (t) => {
  const file = join(t.testdir({}), 'mesh.yaml');
  writeFileSync(file, snapshot(100));
  const compiler = new ThreadedCompiler(bootstrapFor(file), { clock: new TestClock(), snapshotBytes: () => 2 * 1024 * 1024 });
  t.teardown(() => compiler.close());
  const first = await firstConfig(compiler);
  const interrupted = compiler.recompile(serving(first));
  await compiler.close();
  t.match(await interrupted, { kind: 'rejected', problems: [{ file, message: /could not be compiled: its thread ended/ }] });
  writeFileSync(file, snapshot(30, 70));
  t.match(await compiler.recompile(serving(first)), { kind: 'changed' }, 'compared with the base that it was given');
});
