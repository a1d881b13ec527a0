/** An upstream that follows a script, records every byte, and is otherwise polite: 200 with the target it saw as the body. */

import { createServer, type Server, type Socket } from 'node:net';
import type { ScriptedEndpoint, UpstreamStep, UpstreamTurn } from '../case.ts';
import { readRequest } from './upstream-request.ts';

/** One upstream connection of the running case, without the runner's own further requests. */
export interface Recorded {
  /** All bytes in, latin-1, up to the first of the runner's own requests. */
  bytes: string;
  /** Requests of the case. */
  readonly heads: SeenHead[];
  /** The last request begun has come whole. */
  complete: boolean;
  /** The proxy ended the connection (before this upstream did). */
  ended: boolean;
}

/** One request of the case. */
export interface SeenHead {
  /** Its place among all requests of the case. */
  readonly turn: number;
  readonly endpoint: ScriptedEndpoint;
  /** Head and, once it is complete, the body as it was framed. */
  bytes: string;
}

export class ScriptedUpstream {
  readonly #servers: Server[] = [];
  readonly #sockets = new Map<Socket, Recorded>();
  #recorded: Recorded[] = [];
  /** What is left of the script. */
  #turns: UpstreamTurn[] = [];
  #served = 0;
  #watchers: (() => void)[] = [];

  /** Listens on a free loopback port. */
  listen(endpoint: ScriptedEndpoint = 'upstream'): Promise<number> {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#accept(socket, endpoint));
    this.#servers.push(server);
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  }

  /** Ends every connection, waits until the proxy has let go of them, and takes the next case's script. */
  async begin(turns: readonly UpstreamTurn[]): Promise<void> {
    // A request that waited for one of them may open another.
    while (this.#sockets.size > 0) await this.#endAll();
    this.#recorded = [];
    this.#turns = [...turns];
    this.#served = 0;
  }

  async #endAll(): Promise<void> {
    const gone = [...this.#sockets.keys()].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    for (const socket of this.#sockets.keys()) socket.end();
    const force = setTimeout(() => this.#destroyAll(), 500);
    await Promise.all(gone);
    clearTimeout(force);
  }

  /** Connections that carried bytes in this case. */
  get recorded(): readonly Recorded[] {
    return this.#recorded.filter((connection) => connection.bytes !== '').map((connection) => ({ ...connection }));
  }

  /** Requests of this case so far. */
  get begun(): number {
    return this.#served;
  }

  /** Resolves when `condition` holds; looked at after each event of a connection. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = (): void => {
        if (condition()) resolve();
        else this.#watchers.push(look);
      };
      this.#watchers.push(look);
    });
  }

  close(): void {
    this.#destroyAll();
    for (const server of this.#servers) server.close();
  }

  #wake(): void {
    for (const watcher of this.#watchers.splice(0)) watcher();
  }

  #destroyAll(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  #accept(socket: Socket, endpoint: ScriptedEndpoint): void {
    const record: Recorded = { bytes: '', heads: [], complete: true, ended: false };
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
      this.#wake();
    });
    socket.on('close', () => {
      if (!over) record.ended = true;
      this.#sockets.delete(socket);
      this.#wake();
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
        if (!own) record.heads.push({ turn: this.#served, endpoint, bytes: pending });
        record.complete = false;
        turn = this.#nextTurn(request.line, endpoint);
        if (turn.on === 'head') play(turn);
      }
      if (!request.complete) return;
      record.complete = true;
      const head = record.heads.at(-1);
      if (!own && head !== undefined) head.bytes = pending.slice(0, pending.length - request.rest.length);
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

  #nextTurn(line: string, endpoint: ScriptedEndpoint): UpstreamTurn {
    if (ownRequest.test(line)) return { steps: [echo(line)] };
    const index = this.#turns.findIndex(({ at }) => at === undefined || at === endpoint);
    const scripted = index < 0 ? undefined : this.#turns.splice(index, 1)[0];
    this.#served += 1;
    this.#wake();
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
