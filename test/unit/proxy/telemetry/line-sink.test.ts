import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, existsSync, openSync, readFileSync, readSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '../../../../proxy/base/clock.ts';
import { createLineSink, type LineSink, type LineSinkOptions } from '../../../../proxy/telemetry/line-sink.ts';
import { TestClock } from '../../../support/clock.ts';
import { eventually, inTime } from '../../../support/scope.ts';

function open(options: Partial<LineSinkOptions> & { readonly path: string }): LineSink {
  const sink = createLineSink({ clock: new TestClock(), ...options });
  if ('problem' in sink) throw new Error(sink.problem);
  return sink;
}

t.test('lines gather, and leave after a while, when there are many, or when told to', async (t) => {
  const path = join(t.testdir(), 'log');
  const clock = new TestClock();
  const sink = open({ path, clock, flushDelayMs: 200 });
  t.teardown(() => sink.close());
  const content = (): string => readFileSync(path, 'utf8');

  sink.write('one ü\n');
  sink.write('two\n');
  t.equal(clock.pending, 1, 'one timer for both');
  clock.advance(199);
  t.equal(content(), '');
  clock.advance(1);
  await eventually(() => content() === 'one ü\ntwo\n', 'the two lines');

  sink.write(`${'x'.repeat(65_536)}\n`);
  t.equal(clock.pending, 0, 'a full chunk does not wait');
  await eventually(() => content().length === 10 + 65_537, 'the long line');

  sink.write('three\n');
  await sink.flush();
  t.match(content(), /three\n$/);
  await sink.flush();
  t.same(sink.stats, { linesWritten: 4, linesDropped: 0, writeFailures: 0, reopenFailures: 0 });
});

t.test('after a rotation lines go to the new file, and none is lost', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'log');
  const sink = open({ path });
  t.teardown(() => sink.close());
  sink.write('old\n');
  await sink.flush();
  sink.write('still old\n');
  renameSync(path, join(folder, 'log.1'));
  sink.reopen();
  sink.write('new\n');
  await sink.flush();
  t.equal(readFileSync(path, 'utf8'), 'new\n');
  await eventually(() => readFileSync(join(folder, 'log.1'), 'utf8') === 'old\nstill old\n', 'the old file');
});

t.test('a rotation that cannot be opened keeps the old file', async (t) => {
  const folder = t.testdir({ logs: {} });
  const path = join(folder, 'logs', 'log');
  const sink = open({ path });
  t.teardown(() => sink.close());
  renameSync(join(folder, 'logs'), join(folder, 'gone'));
  sink.reopen();
  sink.write('line\n');
  await sink.flush();
  t.equal(readFileSync(join(folder, 'gone', 'log'), 'utf8'), 'line\n');
  t.equal(sink.stats.reopenFailures, 1);
});

t.test('a path that cannot be opened is a problem, not an exception', async (t) => {
  t.match(createLineSink({ path: join(t.testdir(), 'no', 'log'), clock: new TestClock() }), { problem: /^cannot open .*no\/log: ENOENT/ });
});

t.test('a reader that stalls costs lines, not memory, and cannot hold up the exit', { skip: !hasFifo() && 'needs mkfifo' }, async (t) => {
  const path = join(t.testdir(), 'fifo');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  t.teardown(() => closeSync(reader));
  const clock = new TestClock();
  const limitBytes = 512 * 1024;
  const sink = open({ path, clock, limitBytes });
  const line = `${'y'.repeat(1023)}\n`;
  for (let i = 0; i < 2048; i++) sink.write(line);
  const { linesWritten, linesDropped } = sink.stats;
  t.ok(linesDropped >= 1024, `dropped ${linesDropped}`);
  t.equal(linesWritten + linesDropped, 2048, 'every line is counted once');
  t.ok(linesWritten * 1024 <= limitBytes, 'what waits is bounded');

  const closed = sink.close();
  // One byte tells that the pipe has been written to; the reader takes no more until the end.
  const first = await eventually(() => drain(reader, 1), 'the first write');
  clock.advance(1000);
  await inTime(closed, 'close with a stalled reader', 1000);
  sink.write('after the end\n');
  t.equal(sink.stats.linesWritten, linesWritten, 'a closed sink takes nothing');

  const received = first + drain(reader);
  t.match(received, /^(?:y{1023}\n)+y*$/, 'whole lines, in order, up to where the pipe was full');
});

t.test('a broken pipe is counted', { skip: !hasFifo() && 'needs mkfifo' }, async (t) => {
  const path = join(t.testdir(), 'fifo');
  execFileSync('mkfifo', [path]);
  t.match(createLineSink({ path, clock: new TestClock() }), { problem: /ENXIO/ }, 'a named pipe without a reader does not block the start');
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const sink = open({ path });
  closeSync(reader);
  sink.write('lost\n');
  await sink.flush();
  t.equal(sink.stats.writeFailures, 1);
  sink.write('lost too\n');
  await sink.flush();
  t.equal(sink.stats.writeFailures, 2, 'and survived');
});

t.test('standard output without a reader blocks neither the event loop nor the exit', async (t) => {
  const url = new URL('../../../../proxy/telemetry/line-sink.js', import.meta.url).href;
  const clock = new URL('../../../../proxy/base/clock.js', import.meta.url).href;
  const program = `
    import { createLineSink } from '${url}';
    import { systemClock } from '${clock}';
    const sink = createLineSink({ path: '-', clock: systemClock, limitBytes: 1 << 18 });
    const line = 'z'.repeat(1023) + '\\n';
    const begin = performance.now();
    for (let i = 0; i < 1024; i++) { sink.write(line); if (i % 64 === 0) await new Promise(setImmediate); }
    process.stderr.write(JSON.stringify({ ...sink.stats, ms: performance.now() - begin }));
    process.exit(0);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  const told = await inTime(once(child.stderr, 'data'), 'the child\'s report');
  await inTime(once(child, 'exit'), 'exit while nobody reads');
  const { linesWritten, linesDropped, ms } = JSON.parse(String(told[0]));
  t.equal(linesWritten + linesDropped, 1024);
  t.ok(linesDropped > 0);
  t.ok(ms < 2000, `wrote for ${ms} ms`);
});

t.test('lines of several writers do not mix in a pipe whose reader is slow, where the sinks are shared', { skip: !hasFifo() && 'needs mkfifo' }, async (t) => {
  const LINES = 400;
  const torn = async (shared: boolean): Promise<number> => {
    const path = join(t.testdir(), 'fifo');
    execFileSync('mkfifo', [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    t.teardown(() => closeSync(reader));
    const sinks = ['a', 'b', 'c'].map((name) => ({ name, sink: open({ path, shared, clock: systemClock }) }));
    for (let i = 0; i < LINES; i++) for (const { name, sink } of sinks) sink.write(`<${name} ${'x'.repeat(700)}>\n`);
    for (const { sink } of sinks) void sink.flush();
    const whole = sinks.length * LINES * 705;
    const chunk = Buffer.alloc(3000);
    let text = '';
    await eventually(() => {
      for (let reads = 0; reads < 8; reads++) text += readSome(reader, chunk);
      return text.length >= whole;
    }, 'every line');
    return text.split('\n').filter((line) => line !== '' && !/^<[abc] x{700}>$/.test(line)).length;
  };
  t.equal(await torn(true), 0);
  t.ok((await torn(false)) > 0, 'the same sinks, each believing that it is alone');
});

/** What a pipe has, at most a chunk of it; empty when it has nothing. */
function readSome(descriptor: number, chunk: Buffer): string {
  try {
    return chunk.toString('latin1', 0, readSync(descriptor, chunk));
  } catch {
    return '';
  }
}

function hasFifo(): boolean {
  return process.platform !== 'win32' && (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, 'mkfifo')));
}

/** What can be read without waiting, up to `limit` bytes. */
function drain(descriptor: number, limit = Infinity): string {
  const chunk = Buffer.alloc(Math.min(limit, 1 << 20));
  let text = '';
  while (text.length < limit) {
    let length = 0;
    try {
      length = readSync(descriptor, chunk);
    } catch {
      return text;
    }
    if (length === 0) return text;
    text += chunk.toString('utf8', 0, length);
  }
  return text;
}
