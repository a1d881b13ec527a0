/** Ready file and signals. */

import { EventEmitter } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { ListenerView } from '../../../../proxy/admin/view.ts';
import { surviveBugs } from '../../../../proxy/server/bugs.ts';
import { servingPorts, writeReadyFile } from '../../../../proxy/server/ready-file.ts';
import { onSignals } from '../../../../proxy/server/signals.ts';
import { listenerView } from '../../../support/admin-view.ts';

function listener(name: string, boundPort: number, declaredPort?: number): ListenerView {
  const view = listenerView(name, 'outbound', '127.0.0.1', boundPort);
  return declaredPort === undefined ? view : { ...view, config: { ...view.config, declaredPort } };
}

t.test('serving ports', (t) => {
  const listeners = [listener('127.0.0.1_8443', 8443, 443), listener('virtualInbound', 15006), listener('virtualOutbound', 15001)];
  const all = servingPorts(listeners, { admin: 15000, health: 15021, metrics: 15090 });
  t.equal(JSON.stringify(all), '{"outbound":15001,"inbound":15006,"admin":15000,"health":15021,"metrics":15090,"ports":{"443":8443}}');
  t.equal(JSON.stringify(servingPorts([], { health: 1 })), '{"health":1,"ports":{}}', 'what is off is left out');
  t.same(servingPorts([listener('a', 1, 80), listener('b', 2, 80)], {}).ports, { 80: 1 }, 'the first of two binds');
  t.end();
});

t.test('the ready file is replaced, never half written', (t) => {
  const folder = t.testdir({});
  const path = join(folder, 'ready.json');
  writeReadyFile(path, { outbound: 1, ports: {} });
  t.equal(readFileSync(path, 'utf8'), '{"outbound":1,"ports":{}}\n');
  writeReadyFile(path, { outbound: 2, ports: {} });
  t.equal(readFileSync(path, 'utf8'), '{"outbound":2,"ports":{}}\n');
  t.same(readdirSync(folder), ['ready.json'], 'nothing is left beside it');
  t.throws(() => writeReadyFile(join(folder, 'missing/ready.json'), { ports: {} }), { code: 'ENOENT' });
  mkdirSync(join(folder, 'taken'));
  writeFileSync(join(folder, 'taken/file'), '');
  t.throws(() => writeReadyFile(join(folder, 'taken'), { ports: {} }));
  t.same(readdirSync(folder).sort(), ['ready.json', 'taken'], 'nothing is left after a failure');
  t.end();
});

t.test('signals', (t) => {
  const source = new EventEmitter();
  const calls: string[] = [];
  const stop = onSignals(
    {
      drain: (signal) => calls.push(`drain ${signal}`),
      stop: (signal) => calls.push(`stop ${signal}`),
      reload: () => calls.push('reload'),
      reopenLogs: () => calls.push('reopen'),
    },
    source,
  );
  for (const signal of ['SIGHUP', 'SIGUSR2', 'SIGTERM', 'SIGHUP', 'SIGINT', 'SIGTERM']) source.emit(signal, signal);
  t.same(calls, ['reload', 'reopen', 'drain SIGTERM', 'reload', 'stop SIGINT', 'stop SIGTERM']);
  stop();
  t.same(source.eventNames().filter((name) => source.listenerCount(name) > 0), []);
  t.end();
});

t.test('exceptions that nobody caught are logged, some stacks a minute, and the process goes on', (t) => {
  const source = new EventEmitter();
  const lines: string[] = [];
  const time = { now: 0 };
  const clock = { now: () => time.now, wallTime: () => 0, setTimer: () => ({ cancel: () => {} }) };
  const stop = surviveBugs({ error: (line) => lines.push(line) }, clock, source);
  source.emit('uncaughtException', new Error('torn'));
  t.match(lines[0], /^internal error \(uncaught exception\): Error: torn\n +at /);
  source.emit('unhandledRejection', 'no error object');
  t.equal(lines[1], 'internal error (unhandled rejection): no error object');
  for (let i = 0; i < 30; i++) source.emit('uncaughtException', new Error('again'));
  t.equal(lines.length, 20);
  time.now = 60_000;
  source.emit('uncaughtException', new Error('later'));
  t.equal(lines[20], '12 more internal errors in the last minute');
  t.match(lines[21], /later/);
  stop();
  t.equal(source.listenerCount('uncaughtException') + source.listenerCount('unhandledRejection'), 0);
  t.end();
});
