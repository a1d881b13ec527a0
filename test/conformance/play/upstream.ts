/** An upstream that follows a script, records every byte, and is otherwise polite: 200 with the target it saw as the body. */

import { createServer, type Server, type Socket } from 'node:net';
import type { UpstreamStep, UpstreamTurn } from '../case.ts';
import { readRequest } from './upstream-request.ts';

/** One upstream connection of the running case, without the runner's own further requests. */
export interface Recorded {
  /** All bytes in, latin-1, up to the first of the runner's own requests. */
  bytes: string;
  /** Request heads of the case. */
  requests: number;
  /** The last request begun has come whole. */
  complete: boolean;
  /** The proxy ended the connection (before this upstream did). */
  ended: boolean;
}

export class ScriptedUpstream {
  readonly #server: Server;
  readonly #sockets = new Map<Socket, Recorded>();
  #recorded: Recorded[] = [];
  #turns: readonly UpstreamTurn[] = [];
  #served = 0;
  #watchers: (() => void)[] = [];

  constructor() {
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** Listens on a free loopback port. */
  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  }

  /** Ends every connection, waits until the proxy has let go of them, and takes the next case's script. */
  async begin(turns: readonly UpstreamTurn[]): Promise<void> {
    const gone = [...this.#sockets.keys()].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    for (const socket of this.#sockets.keys()) socket.end();
    const force = setTimeout(() => this.#destroyAll(), 500);
    await Promise.all(gone);
    clearTimeout(force);
    this.#recorded = [];
    this.#turns = turns;
    this.#served = 0;
  }

  /** Connections that carried bytes in this case. */
  get recorded(): readonly Recorded[] {
    return this.#recorded.filter((connection) => connection.bytes !== '').map((connection) => ({ ...connection }));
  }

  /** Resolves when a request of this case has begun. */
  begun(): Promise<void> {
    if (this.#served > 0) return Promise.resolve();
    return new Promise((resolve) => this.#watchers.push(resolve));
  }

  close(): void {
    this.#destroyAll();
    this.#server.close();
  }

  #destroyAll(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  #accept(socket: Socket): void {
    const record: Recorded = { bytes: '', requests: 0, complete: true, ended: false };
    let pending = '';
    let turn: UpstreamTurn | undefined;
    let over = false;
    let own = false;
    this.#sockets.set(socket, record);
    this.#recorded.push(record);
    socket.on('error', () => undefined);
    socket.on('end', () => {
      record.ended = true;
      if (!over) socket.end();
    });
    socket.on('close', () => {
      if (!over) record.ended = true;
      this.#sockets.delete(socket);
    });
    socket.on('data', (chunk) => {
      pending += chunk.toString('latin1');
      if (!own) record.bytes += chunk.toString('latin1');
      advance();
    });
    const advance = (): void => {
      const request = readRequest(pending);
      if (request === undefined) return;
      if (turn === undefined) {
        const ours = ownRequest.test(request.line);
        if (ours && !own) record.bytes = record.bytes.slice(0, record.bytes.length - pending.length);
        own ||= ours;
        if (!own) record.requests += 1;
        record.complete = false;
        turn = this.#nextTurn(request.line);
        if (turn.on === 'head') play(turn);
      }
      if (!request.complete) return;
      record.complete = true;
      pending = request.rest;
      if (turn.on !== 'head') play(turn);
      turn = undefined;
      if (pending !== '') advance();
    };
    const play = (played: UpstreamTurn): void => {
      void playSteps(socket, played.steps, () => {
        over = true;
      });
    };
  }

  #nextTurn(line: string): UpstreamTurn {
    const scripted = ownRequest.test(line) ? undefined : this.#turns[this.#served];
    this.#served += 1;
    for (const watcher of this.#watchers.splice(0)) watcher();
    return scripted ?? { steps: [echo(line)] };
  }
}

/** Requests of the runner itself, which are never part of a script. */
const ownRequest = /^GET \/(?:sentinel-\d+|after) /;

/** The polite answer: the method and target as they arrived. */
function echo(line: string): string {
  const body = line.split(' ').slice(0, 2).join(' ');
  const head = `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n`;
  return line.startsWith('HEAD ') ? head : head + body;
}

async function playSteps(socket: Socket, steps: readonly UpstreamStep[], ending: () => void): Promise<void> {
  for (const step of steps) {
    if (socket.destroyed) return;
    if (typeof step === 'string') socket.write(step, 'latin1');
    else if ('repeat' in step) socket.write(step.repeat.repeat(step.times), 'latin1');
    else if ('waitMs' in step) await new Promise((resolve) => setTimeout(resolve, step.waitMs));
    else {
      ending();
      if ('end' in step) socket.end();
      else socket.resetAndDestroy();
    }
  }
}
