/** Rows 43 and 49 where they need a process of their own: the JSON log, and a proxy that runs out of file descriptors. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { MAIN } from '../support/command.ts';
import { eventually } from '../support/scope.ts';
import { RawClient } from './play/client.ts';
import { ScriptedUpstream } from './play/upstream.ts';
import { freePort } from './targets/backends.ts';
import { startOutrider, tableSnapshot } from './targets/outrider.ts';
import { startTarget } from './targets/process.ts';
import type { Backends } from './targets/target.ts';

await t.test('row 43: whatever a client writes, each line of the JSON log is one object', async (t) => {
  const target = await startOutrider(t, await backends(t), { args: ['--access-log-format', 'json'] });
  const agents = ['plain', 'a" "b', 'back\\slash', 'tab\there', 'utf8 \xc3\xa9', 'bytes \x80\xff', '{"forged":"yes"}', "quote'"];
  for (const agent of agents) await ask(target.port, `GET /a"b?c="d HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nUser-Agent: ${agent}\r\nX-Request-Id: ${agent}\r\n\r\n`);
  await ask(target.port, 'broken\r\n\r\n');
  await eventually(() => target.logLines().length >= agents.length + 1, 'a line for each request');
  const lines = target.logLines().map((line) => JSON.parse(line) as Record<string, unknown>);
  t.equal(lines.length, agents.length + 1, 'one line each');
  t.same(lines.map((line) => line['forged']).filter((value) => value !== undefined), [], 'no key of the client\'s making');
  t.equal(lines[1]?.['user_agent'], 'a" "b', 'a quote comes back as it went in');
  t.equal(lines[2]?.['user_agent'], 'back\\slash', 'and a backslash');
  t.equal(lines[0]?.['path'], '/a%22b?c="d', 'the path as it was matched and forwarded');
  t.match(lines.at(-1), { response_code: 400, response_flags: 'DPE', method: null, path: null }, 'a request the codec refused');
});

await t.test('row 49: without free file descriptors the proxy stops accepting, and goes on when it can', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-limits-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const config = join(folder, 'snapshot.yaml');
  const behind = await backends(t);
  writeFileSync(config, tableSnapshot(behind));
  const port = await freePort();
  const off = ['inbound', 'admin', 'health', 'metrics'].flatMap((name) => [`--${name}-port`, 'off']);
  const run = [MAIN, 'run', '--config', config, '--bind', '127.0.0.1', '--outbound-port', String(port), ...off, '--access-log', 'off'];
  const args = ['-c', 'ulimit -n 200; exec "$0" "$@"', process.execPath, ...run];
  const target = await startTarget({ backends: behind, command: '/bin/sh', args, port, logFile: join(folder, 'none') });
  t.teardown(() => target.stop());
  t.equal(await statusOf(port), 200, 'it serves');

  const crowd: Socket[] = Array.from({ length: 500 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.ok(target.alive(), `it lives with more connections than descriptors: ${target.output().slice(-1000)}`);
  for (const socket of crowd) socket.destroy();
  await eventually(async () => (await statusOf(port)) === 200, 'it to serve again');
  t.notMatch(target.output(), /uncaught|unhandled|TypeError/i, 'no error of our making');
});

async function backends(t: Test): Promise<Backends> {
  const upstream = new ScriptedUpstream();
  t.teardown(() => upstream.close());
  const dead = await freePort();
  return { upstream: await upstream.listen(), second: dead, refused: dead, hanging: dead };
}

async function statusOf(port: number): Promise<number> {
  return Number((await ask(port, 'GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n')).slice(9, 12));
}

/** Everything that came back until the proxy ended the connection. */
async function ask(port: number, bytes: string): Promise<string> {
  const client = new RawClient(port);
  client.write(bytes);
  await client.until(() => client.ended, 3000);
  client.destroy();
  return client.received;
}
