/** A host of a service that misbehaves as told: each request draws its fault, and the whole host can refuse, hang, and come back. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Random } from '../../proxy/base/random.ts';
import type { TestScope } from './scope.ts';

export type Fault =
  /** A right answer, 50 to 150 ms late. */
  | 'slow'
  /** No answer. */
  | 'hang'
  /** RST instead of an answer. */
  | 'reset'
  /** FIN instead of an answer. */
  | 'close'
  /** RST after the head and part of the body. */
  | 'cut'
  /** Bytes that are no HTTP. */
  | 'garbage'
  /** 500. */
  | 'error'
  /** 503. */
  | 'unavailable'
  /** A right answer that ends the connection, saying so. */
  | 'last'
  /** A right answer; the connection is closed up to 30 ms later, while it is idle or as the next request is sent on it. */
  | 'idle-close'
  /** A right answer before the request's body has been read. */
  | 'early';

/** Share of requests with each fault; the rest are answered as they should be. */
export type FaultRates = Readonly<Partial<Record<Fault, number>>>;

/** Counts over several hosts at one time. */
export class Crowd {
  readonly requests = new HighWater();
  readonly retries = new HighWater();
  readonly connections = new HighWater();
}

/** A gauge that remembers its peak. */
export class HighWater {
  now = 0;
  peak = 0;

  rise(): void {
    this.peak = Math.max(this.peak, ++this.now);
  }

  fall(): void {
    this.now--;
  }
}

export interface ChaosHostOptions {
  readonly faults?: FaultRates;
  readonly random: Random;
  /** Counts this host among others; default: a crowd of its own. */
  readonly crowd?: Crowd;
  /** Time that a right answer takes, ms. Default 0. */
  readonly answerAfterMs?: number;
  /** Status of a right answer; default 200. */
  readonly status?: number;
}

const BODY = 'x'.repeat(500);

export class ChaosHost {
  readonly #options: ChaosHostOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  port = 0;
  /** While set, requests are read and never answered. */
  hanging = false;
  /** Requests whose head arrived, and how many of them were retries by their x-envoy-attempt-count. */
  requests = 0;
  retries = 0;
  readonly crowd: Crowd;

  private constructor(options: ChaosHostOptions) {
    this.#options = options;
    this.crowd = options.crowd ?? new Crowd();
  }

  /** Serves on 127.0.0.1 until the test ends. */
  static async start(t: TestScope, options: ChaosHostOptions): Promise<ChaosHost> {
    const host = new ChaosHost(options);
    await host.revive();
    t.teardown(() => host.kill());
    return host;
  }

  /** Connections open now. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Resets every connection and refuses new ones. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  }

  /** Comes back on the same port. */
  async revive(): Promise<void> {
    const server = createServer({ keepAliveTimeout: 0 }, (request, response) => this.#serve(request, response));
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      this.crowd.connections.rise();
      socket.on('close', () => {
        this.#sockets.delete(socket);
        this.crowd.connections.fall();
      });
    });
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const retry = Number(request.headers['x-envoy-attempt-count'] ?? 1) > 1;
    this.#count(retry, response);
    const fault = this.hanging ? 'hang' : this.#draw();
    request.resume();
    if (fault === 'early') return void response.end(BODY);
    request.on('end', () => this.#answer(fault, request, response));
  }

  #count(retry: boolean, response: ServerResponse): void {
    const { requests, retries } = this.crowd;
    this.requests++;
    requests.rise();
    if (retry) {
      this.retries++;
      retries.rise();
    }
    let counted = true;
    const uncount = (): void => {
      if (!counted) return;
      counted = false;
      requests.fall();
      if (retry) retries.fall();
    };
    // The answer counts as given before its bytes leave: whoever has seen it can rely on that.
    response.on('prefinish', uncount).on('close', uncount);
  }

  #draw(): Fault | undefined {
    let left = this.#options.random();
    for (const [fault, rate] of Object.entries(this.#options.faults ?? {})) if ((left -= rate) < 0) return fault as Fault;
    return undefined;
  }

  #answer(fault: Fault | undefined, request: IncomingMessage, response: ServerResponse): void {
    const { random, answerAfterMs = 0, status = 200 } = this.#options;
    const { socket } = request;
    const after = (delayMs: number, act: () => void): void => {
      if (delayMs === 0) act();
      else setTimeout(act, delayMs);
    };
    switch (fault) {
      case 'hang':
        return;
      case 'reset':
        return void socket.resetAndDestroy();
      case 'close':
        return void socket.end();
      case 'cut':
        response.writeHead(200, { 'content-length': BODY.length });
        return void response.write(BODY.slice(0, 300), () => socket.resetAndDestroy());
      case 'garbage':
        return void socket.write('\x16\x03\x01\x02\x00\x01 what is this\r\n\r\n');
      case 'error':
      case 'unavailable':
        return void response.writeHead(fault === 'error' ? 500 : 503).end('broken');
      case 'slow':
        return after(50 + 100 * random(), () => response.end(BODY));
      case 'last':
        return void response.writeHead(200, { connection: 'close' }).end(BODY);
      case 'idle-close':
        return void response.end(BODY, () => setTimeout(() => socket.end(), 30 * random()));
      default:
        return after(answerAfterMs + (request.url === '/slow' ? 200 : 0), () => response.writeHead(status).end(BODY));
    }
  }
}
