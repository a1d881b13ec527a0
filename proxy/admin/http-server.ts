/** A small HTTP server for the pages around the proxy: node:http, for none of them is on the path of a proxied request. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../base/clock.ts';
import { textAnswer, type AdminAnswer } from './page.ts';

export interface BoundServer {
  readonly port: number;
  /** Stops accepting and cuts what is open. */
  close(): Promise<void>;
}

export interface ServerOptions {
  readonly address: string;
  /** 0 picks a free one. */
  readonly port: number;
}

export type Responder = (request: IncomingMessage) => AdminAnswer | Promise<AdminAnswer>;

/** Rejects with the system's error when the address cannot be bound. */
export async function listen(options: ServerOptions, respond: Responder): Promise<BoundServer> {
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000, maxHeaderSize: 16 * 1024 }, (request, response) => {
    void answer(request, response, respond);
  });
  server.maxConnections = 1024;
  server.listen(options.port, options.address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, respond: Responder): Promise<void> {
  request.resume();
  // A peer that leaves in the middle is nobody's error.
  request.on('error', () => {});
  response.on('error', () => {});
  let reply: AdminAnswer;
  try {
    reply = await respond(request);
  } catch (error) {
    reply = textAnswer(`internal error: ${error instanceof Error ? error.message : String(error)}\n`, 500);
  }
  const { afterwards } = reply;
  if (afterwards !== undefined) response.on('close', afterwards);
  response.writeHead(reply.status, {
    'content-type': reply.contentType,
    'cache-control': 'no-cache, max-age=0',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    server: 'outrider',
  });
  if (request.method === 'HEAD') response.end();
  else if (typeof reply.body === 'string') response.end(reply.body);
  else await sendSlices(response, reply.body);
}

/** Longest time that rendering may hold the event loop, milliseconds. */
const SLICE_MS = 4;
const WRITE_CHARACTERS = 64 * 1024;

/**
 * Writes slice after slice, letting the event loop turn whenever it has been held long enough, and waiting for a reader
 * that is slower. An exception in the middle cuts the connection: the peer sees that the answer is not whole.
 */
async function sendSlices(response: ServerResponse, slices: Iterable<string>): Promise<void> {
  let pending = '';
  let startedAt = systemClock.now();
  try {
    for (const slice of slices) {
      pending += slice;
      const held = systemClock.now() - startedAt >= SLICE_MS;
      if (!held && pending.length < WRITE_CHARACTERS) continue;
      const flowing = response.write(pending);
      pending = '';
      if (!flowing) await writable(response);
      // Also after a drain, which a fast reader brings about before the event loop has turned.
      await new Promise(setImmediate);
      if (response.destroyed) return;
      startedAt = systemClock.now();
    }
    response.end(pending);
  } catch {
    response.destroy();
  }
}

/** Resolves when the response takes more, or is gone. */
function writable(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
    if (response.destroyed) done();
  });
}
