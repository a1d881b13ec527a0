/** A scriptable upstream: records every byte it saw and answers, stalls or resets as the test says. */

import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { headerOf, Http1Reader } from './http1-reader.ts';
import type { HeaderLines, Http1Head } from './http1-reader.ts';
import { RawSocket } from './raw-socket.ts';
import { eventually, inTime } from './scope.ts';
import type { TestScope } from './scope.ts';

export interface UpstreamOptions {
  /**
   * Called when a request's head has arrived. Default: answers 200 with `body` once the request is complete.
   * A test that wants to answer by hand passes `() => {}` and takes the requests from `next()`.
   */
  readonly onRequest?: (request: UpstreamRequest) => void;
  /** Body of the default answer; default `ok`. */
  readonly body?: string;
  /** Called instead of any reading as HTTP: the connection is the test's own. */
  readonly onConnection?: (connection: RawSocket) => void;
}

export interface UpstreamAnswer {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Sends the body as these chunks instead of with content-length. */
  readonly chunks?: readonly string[];
}

/** One request as it arrived, and the connection to answer it on. */
export class UpstreamRequest {
  readonly head: Http1Head;
  readonly connection: RawSocket;
  readonly method: string;
  /** Request target as written. */
  readonly path: string;
  /** Body bytes so far, framing removed. */
  bodyBytes = 0;
  trailers: HeaderLines = [];
  /** Resolves when the last byte of the request has arrived; never, if it does not. */
  readonly complete: Promise<void>;
  readonly #body: Buffer[] = [];
  #ended = false;
  #resolve: () => void = () => {};

  constructor(head: Http1Head, connection: RawSocket) {
    this.head = head;
    this.connection = connection;
    const [method = '', path = ''] = head.startLine.split(' ');
    this.method = method;
    this.path = path;
    this.complete = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get headers(): HeaderLines {
    return this.head.headers;
  }

  /** True once the last byte of the request has arrived. */
  get ended(): boolean {
    return this.#ended;
  }

  header(name: string): string | undefined {
    return headerOf(this.head.headers, name);
  }

  /** Resolves with the body when the request is complete. */
  async body(): Promise<Buffer> {
    await inTime(this.complete, `the end of ${this.head.startLine}`);
    return Buffer.concat(this.#body);
  }

  answer(answer: UpstreamAnswer = {}): void {
    this.connection.send(renderAnswer(answer));
  }

  receive(bytes: Buffer): void {
    this.bodyBytes += bytes.length;
    this.#body.push(bytes);
  }

  finish(trailers: HeaderLines): void {
    this.trailers = trailers;
    this.#ended = true;
    this.#resolve();
  }
}

export class Upstream {
  readonly connections: RawSocket[] = [];
  /** In order of arrival of their heads. */
  readonly requests: UpstreamRequest[] = [];
  /** What could not be read as HTTP/1; such a connection was reset. */
  readonly failures: Error[] = [];
  readonly #server: Server;
  readonly #options: UpstreamOptions;
  #taken = 0;

  private constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Listens on 127.0.0.1, port 0 or the one given; stopped with the test. */
  static async start(t: TestScope, options: UpstreamOptions = {}, port = 0): Promise<Upstream> {
    const upstream = new Upstream(options);
    await new Promise<void>((resolve, reject) => upstream.#server.once('error', reject).listen(port, '127.0.0.1', resolve));
    t.teardown(() => upstream.stop());
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next request that `next` has not returned before; its body may still be arriving. */
  async next(limitMs?: number): Promise<UpstreamRequest> {
    const wanted = this.#taken++;
    return eventually(() => this.requests[wanted], `request ${wanted + 1} at the upstream`, limitMs);
  }

  /** Every byte received on every connection, in order of connection. */
  get text(): string {
    return this.connections.map((connection) => connection.text).join('');
  }

  /** Stops listening and cuts every connection. */
  async stop(): Promise<void> {
    for (const connection of this.connections) connection.socket.destroy();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    const connection = new RawSocket(socket);
    this.connections.push(connection);
    if (this.#options.onConnection === undefined) this.#read(connection);
    else this.#options.onConnection(connection);
  }

  #read(connection: RawSocket): void {
    let request: UpstreamRequest | undefined;
    const reader = new Http1Reader('request', {
      onHead: (head) => {
        request = new UpstreamRequest(head, connection);
        this.requests.push(request);
        this.#onRequest(request);
      },
      onBody: (bytes) => request?.receive(bytes),
      onEnd: (trailers) => request?.finish(trailers),
    });
    connection.socket.on('data', (bytes) => {
      try {
        reader.push(bytes);
      } catch (error) {
        this.failures.push(error as Error);
        connection.reset();
      }
    });
    // As an ordinary server: the peer's FIN ends the connection once it is answered.
    connection.socket.on('end', () => connection.end());
  }

  #onRequest(request: UpstreamRequest): void {
    if (this.#options.onRequest !== undefined) return this.#options.onRequest(request);
    void request.complete.then(() => request.answer({ body: this.#options.body ?? 'ok' }));
  }
}

function renderAnswer(answer: UpstreamAnswer): Buffer {
  const body = Buffer.from(answer.body ?? '');
  const lines = [`HTTP/1.1 ${answer.status ?? 200} Status`];
  for (const [name, value] of Object.entries(answer.headers ?? {})) lines.push(`${name}: ${value}`);
  if (answer.chunks !== undefined) {
    const chunks = answer.chunks.map((chunk) => `${Buffer.byteLength(chunk).toString(16)}\r\n${chunk}\r\n`).join('');
    return Buffer.from(`${lines.join('\r\n')}\r\ntransfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`);
  }
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\ncontent-length: ${body.length}\r\n\r\n`, 'latin1'), body]);
}
