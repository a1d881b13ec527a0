/** Free loopback ports and the wait for a first answer. */

import { connect, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { gatewayHost } from '../config.ts';

/** A loopback port that nobody holds at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/**
 * Asks until the first `200` comes; the time in ms since the call. Throws when `deadlineMs` passes without one.
 * Each attempt is a connection of its own, 1 ms after the last failed, so that the figure is good to about 2 ms.
 */
export async function waitForAnswer(port: number, host: string, deadlineMs: number, secure = false): Promise<number> {
  const start = performance.now();
  while (performance.now() - start < deadlineMs) {
    if (await answers(port, host, secure)) return performance.now() - start;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`no answer on port ${port} after ${deadlineMs} ms`);
}

function answers(port: number, host: string, secure: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    let head = '';
    const socket = secure ? connectTls({ port, host: '127.0.0.1', servername: gatewayHost, rejectUnauthorized: false }) : connect(port, '127.0.0.1');
    socket.setTimeout(500, () => socket.destroy());
    socket.on(secure ? 'secureConnect' : 'connect', () => socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`));
    socket.on('data', (chunk) => {
      head += chunk.toString('latin1');
      if (head.length >= 12) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(head.startsWith('HTTP/1.1 200')));
  });
}
