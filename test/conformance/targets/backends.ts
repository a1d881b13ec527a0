/** Ports for the ways in which a connect can fail, on loopback and without luck. */

import { spawn } from 'node:child_process';
import { createServer, connect, type Socket } from 'node:net';
import type { ScriptedUpstream } from '../play/upstream.ts';
import type { Backends } from './target.ts';

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** What stands behind a target, for each of the upstreams, and its end. */
export async function startBackends(upstreams: readonly ScriptedUpstream[]): Promise<{ readonly ports: readonly Backends[]; close(): void }> {
  const hanging = await hangingPort();
  const refused = await freePort();
  const ports = upstreams.map(async (upstream) => ({ upstream: await upstream.listen(), second: await upstream.listen('second'), refused, hanging: hanging.port }));
  return {
    ports: await Promise.all(ports),
    close() {
      for (const upstream of upstreams) upstream.close();
      hanging.close();
    },
  };
}

interface HangingPort {
  readonly port: number;
  close(): void;
}

/**
 * A listener whose process sleeps and whose queue is full, so that the kernel drops every further SYN: a connect hangs as
 * it would to a machine that is gone.
 */
export async function hangingPort(): Promise<HangingPort> {
  const script = `const server = require('node:net').createServer();
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(server.address().port) + '\\n');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<number>((resolve) => child.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString()))));
  const fillers: Socket[] = [];
  while (await fills(port, fillers)) continue;
  return {
    port,
    close() {
      for (const socket of fillers) socket.destroy();
      child.kill('SIGKILL');
    },
  };
}

/** False when the connect hangs, so that the queue is full. */
function fills(port: number, fillers: Socket[]): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    fillers.push(socket);
    socket.on('error', () => undefined);
    socket.once('connect', () => resolve(true));
    setTimeout(() => resolve(false), 150);
  });
}
