/**
 * Rows 21, 42, 49 and 50 of the attack catalogue: what only shows over time or in numbers. One proxy takes all of it,
 * then must answer as if nothing had been, with every gauge back at zero and no word of an uncaught error.
 */

import { readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import type { Proxy } from '../support/proxy.ts';
import { eventually } from '../support/scope.ts';
import { freePort } from './targets/backends.ts';
import { startOutrider } from './targets/outrider.ts';

const megabyte = 1024 * 1024;
/** Gauges of connections and requests; listeners stay. */
const activeThings = /(?:_cx|_rq|_pending)_active: /;
const largeBody = 64 * megabyte;

/** What the upstream does with `/mute`: nothing, not even reading, until it is let go on. */
interface Mute {
  stopped: boolean;
  readonly sockets: Set<Socket>;
}

/** Answers `/large` with 64 MB as fast as it is taken, `/mute` never, `/reset` with a RST, everything else with 200. */
function upstreamServer(mute: Mute): Server {
  const block = Buffer.alloc(megabyte, 'x');
  return createServer((socket) => {
    socket.on('error', () => undefined);
    let muted = false;
    socket.on('data', (chunk) => {
      const line = chunk.toString('latin1').split('\r\n')[0] ?? '';
      if (muted) return;
      muted = line.includes(' /mute');
      if (muted && mute.stopped) socket.pause();
      if (muted) return;
      if (line.includes(' /large')) sendLarge(socket, block);
      else if (line.includes(' /reset')) socket.resetAndDestroy();
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    });
  });
}

function sendLarge(socket: Socket, block: Buffer): void {
  let left = largeBody;
  socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${largeBody}\r\n\r\n`);
  const more = (): void => {
    while (left > 0 && !socket.destroyed) {
      left -= block.length;
      if (!socket.write(block)) {
        socket.once('drain', more);
        return;
      }
    }
  };
  more();
}

await t.test('survival', async (t) => {
  const mute: Mute = { stopped: true, sockets: new Set() };
  const server = upstreamServer(mute);
  server.on('connection', (socket) => {
    mute.sockets.add(socket);
    socket.on('close', () => mute.sockets.delete(socket));
  });
  const upstream = await listen(server);
  t.teardown(() => {
    for (const socket of mute.sockets) socket.destroy();
    server.close();
  });
  const dead = await freePort();
  const target = await startOutrider(t, { upstream, second: dead, refused: dead, hanging: dead }, { args: ['--access-log', 'off'] });
  const { proxy } = target;
  const slowHead = watchSlowHead(target.port);

  await t.test('row 42: clients that do not read cost watermarks, not bodies', (t) => slowReaders(t, proxy, target.port));
  await t.test('row 42: an upstream that does not read costs watermarks, not bodies', (t) => slowUpstream(t, proxy, target.port));
  await t.test('row 49: connections that break at every moment', (t) => storm(t, proxy, target.port));
  await t.test('row 50: clients that go while their upload is stopped', (t) => stoppedUploads(t, proxy, target.port, mute));
  await t.test('row 21: a head of one byte a second is answered 408 and closed', async (t) => {
    const { answer, seconds } = await slowHead;
    t.match(answer, /^HTTP\/1\.1 408 /);
    t.ok(seconds < 30, `closed after ${seconds.toFixed(1)} s`);
  });
  await t.test('afterwards', (t) => afterwards(t, proxy, target.port, mute.sockets));
});

async function slowReaders(t: Test, proxy: Proxy, port: number): Promise<void> {
  const before = residentBytes(proxy);
  const clients = Array.from({ length: 20 }, () => open(port, 'GET /large HTTP/1.1\r\nHost: app.test\r\n\r\n'));
  for (const client of clients) client.pause();
  const grown = await settledGrowth(proxy, before);
  t.ok(grown < 60 * megabyte, `20 unread answers of 64 MB: ${Math.round(grown / megabyte)} MB more`);
  const [first, ...others] = clients;
  for (const client of others) client.resetAndDestroy();
  const bytes = first === undefined ? 0 : await readBytes(first, largeBody);
  t.ok(bytes >= largeBody, `a client that reads again gets its whole answer: ${bytes} bytes`);
  first?.destroy();
}

async function slowUpstream(t: Test, proxy: Proxy, port: number): Promise<void> {
  const before = residentBytes(proxy);
  const clients = Array.from({ length: 10 }, () => open(port, `POST /mute HTTP/1.1\r\nHost: app.test\r\nContent-Length: ${largeBody}\r\n\r\n`));
  const block = Buffer.alloc(megabyte, 'x');
  for (const client of clients) for (let sent = 0; sent < largeBody; sent += block.length) client.write(block);
  const grown = await settledGrowth(proxy, before);
  t.ok(grown < 60 * megabyte, `10 uploads of 64 MB that nobody reads: ${Math.round(grown / megabyte)} MB more`);
  t.ok(clients.every((client) => client.writableLength > 0), 'the clients are held back');
  for (const client of clients) client.resetAndDestroy();
}

async function storm(t: Test, proxy: Proxy, port: number): Promise<void> {
  const moments = ['', 'GE', 'GET / HTTP/1.1\r\nHo', 'GET / HTTP/1.1\r\nHost: app.test\r\n\r\n', 'GET /large HTTP/1.1\r\nHost: app.test\r\n\r\n'];
  const bodies = ['POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 9\r\n\r\nab', 'GET /reset HTTP/1.1\r\nHost: app.test\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n\r\n', 'GET /denied HTTP/1.1\r\nHost: app.test\r\n\r\n'];
  for (let round = 0; round < 40; round += 1) {
    const clients = [...moments, ...bodies].map((bytes) => open(port, bytes));
    await new Promise((resolve) => setTimeout(resolve, round % 4));
    for (const [index, client] of clients.entries()) {
      if ((index + round) % 2 === 0) client.resetAndDestroy();
      else client.destroy();
    }
  }
  t.equal(await status(port), 200, 'a request is served');
  t.equal(proxy.child.exitCode, null, 'the proxy lives');
}

async function stoppedUploads(t: Test, proxy: Proxy, port: number, mute: Mute): Promise<void> {
  const clients = Array.from({ length: 30 }, () => open(port, 'POST /mute HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n'));
  const chunk = `100000\r\n${'x'.repeat(megabyte)}\r\n`;
  for (const client of clients) for (let sent = 0; sent < 16; sent += 1) client.write(chunk);
  await eventually(async () => (await gauge(proxy, /downstream_rq_active/)) >= 30, 'all uploads to have begun');
  for (const [index, client] of clients.entries()) {
    if (index % 2 === 0) client.resetAndDestroy();
    else client.destroy();
  }
  // A socket that is not read shows no FIN; what must not happen is that anything is left once the upstream goes on.
  mute.stopped = false;
  for (const socket of mute.sockets) socket.resume();
  const left = (): Promise<number> => gauge(proxy, /downstream_rq_active/);
  await eventually(async () => (await left()) === 0, 'all uploads to have ended').catch(() => undefined);
  t.equal(await left(), 0, 'uploads that did not end with their client');
}

async function afterwards(t: Test, proxy: Proxy, port: number, upstream: ReadonlySet<Socket>): Promise<void> {
  t.equal(await status(port), 200, 'a request is served');
  for (const socket of upstream) socket.destroy();
  await eventually(async () => (await gauge(proxy, activeThings)) === 0, 'every gauge of active things to be zero').catch(async (error: unknown) => {
    t.fail(`${String(error)}: ${(await proxy.admin('/stats')).split('\n').filter((line) => activeThings.test(line) && !line.endsWith(': 0')).join(', ')}`);
  });
  t.notMatch(proxy.stderr, /uncaught|unhandled|TypeError|RangeError|at .*\.[jt]s:\d/i, 'no error of our making');
}

/** One byte of a head a second, from the start of the tests on; how and when the proxy ends it. */
function watchSlowHead(port: number): Promise<{ readonly answer: string; readonly seconds: number }> {
  const start = performance.now();
  const socket = open(port, 'GET / HTTP/1.1\r\nHost: app.test\r\nX-A: ');
  const timer = setInterval(() => socket.write('a'), 1000);
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1');
  });
  return new Promise((resolve) => {
    const settle = (): void => {
      clearInterval(timer);
      clearTimeout(deadline);
      socket.destroy();
      resolve({ answer, seconds: (performance.now() - start) / 1000 });
    };
    const deadline = setTimeout(settle, 30_000);
    socket.once('end', settle);
    socket.once('close', settle);
  });
}

function open(port: number, bytes: string): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => undefined);
  if (bytes !== '') socket.write(bytes, 'latin1');
  return socket;
}

function readBytes(socket: Socket, atLeast: number): Promise<number> {
  return new Promise((resolve) => {
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes >= atLeast) resolve(bytes);
    });
    socket.on('close', () => resolve(bytes));
    socket.resume();
  });
}

/** Status of one good request; 0 when there is no answer. */
function status(port: number): Promise<number> {
  return new Promise((resolve) => {
    const socket = open(port, 'GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n');
    socket.once('data', (chunk: Buffer) => resolve(Number(chunk.toString('latin1').slice(9, 12))));
    socket.once('close', () => resolve(0));
  });
}

/** Sum of the values of the `/stats` lines that match. The admin server counts its own requests nowhere. */
async function gauge(proxy: Proxy, name: RegExp): Promise<number> {
  const lines = (await proxy.admin('/stats')).split('\n').filter((line) => name.test(line));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** Growth of resident memory once it has stood still for half a second. */
async function settledGrowth(proxy: Proxy, before: number): Promise<number> {
  let last = 0;
  for (let still = 0; still < 5; ) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = residentBytes(proxy);
    still = Math.abs(now - last) < megabyte ? still + 1 : 0;
    last = now;
  }
  return last - before;
}

function residentBytes(proxy: Proxy): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${proxy.child.pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}
