import t from 'tap';
import type { LineSink } from '../../../../proxy/telemetry/line-sink.ts';
import { createProcessLog, type LogLevel, type ProcessLog } from '../../../../proxy/telemetry/logger.ts';
import { TestClock } from '../../../support/clock.ts';

function memoryLog(level: LogLevel): { readonly log: ProcessLog; readonly lines: string[]; readonly ended: string[] } {
  const lines: string[] = [];
  const ended: string[] = [];
  const sink: LineSink = {
    write: (line) => lines.push(line),
    flush: async () => void ended.push('flush'),
    close: async () => void ended.push('close'),
    reopen: () => {},
    stats: { linesWritten: 0, linesDropped: 0, writeFailures: 0, reopenFailures: 0 },
  };
  return { log: createProcessLog({ level, clock: new TestClock(Date.UTC(2026, 10, 21, 8, 49, 1, 7)), sink }), lines, ended };
}

t.test('a line: time, level, scope, message, fields', async (t) => {
  const { log, lines, ended } = memoryLog('debug');
  const config = log.scoped('config');
  config.debug('watching', { path: '/etc/mesh', files: 4, recursive: true, since: undefined });
  config.info('snapshot loaded', { version: 'ab 12', note: '', cause: 'a="b"' });
  log.scoped('listener').warn('port in use');
  config.error('rejected:\n\u001b[31m two lines \u2028\u0085', { file: 'a\nb', tab: 'a\tb' });
  t.same(lines, [
    '2026-11-21T08:49:01.007Z debug config watching path=/etc/mesh files=4 recursive=true\n',
    '2026-11-21T08:49:01.007Z info config snapshot loaded version="ab 12" note="" cause="a=\\"b\\""\n',
    '2026-11-21T08:49:01.007Z warn listener port in use\n',
    '2026-11-21T08:49:01.007Z error config rejected:\\u000a\\u001b[31m two lines \\u2028\\u0085 file="a\\nb" tab="a\\tb"\n',
  ]);
  await log.flush();
  await log.close();
  t.same(ended, ['flush', 'close']);
});

t.test('the level changes for every scope at once', async (t) => {
  const expected: Readonly<Record<string, number>> = { trace: 4, debug: 4, info: 3, warn: 2, warning: 2, error: 1, critical: 0, off: 0 };
  for (const [level, count] of Object.entries(expected)) {
    const { log, lines } = memoryLog('info');
    const early = log.scoped('early');
    t.ok(log.setLevel(level), level);
    t.equal(log.level(), level === 'warning' ? 'warn' : level);
    for (const of of ['debug', 'info', 'warn', 'error'] as const) early[of]('x');
    t.equal(lines.length, count, level);
    t.notOk(log.setLevel('loud'));
    t.equal(log.level(), level === 'warning' ? 'warn' : level, 'an unknown level changes nothing');
  }
});
