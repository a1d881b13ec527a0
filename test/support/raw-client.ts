/** A downstream that sends exactly the bytes a test wants and reads what comes back. */

import { connect } from 'node:net';
import type { HeaderLines, Http1Head } from './http1-reader.ts';
import { headerOf, Http1Reader } from './http1-reader.ts';
import { RawSocket } from './raw-socket.ts';
import { inTime } from './scope.ts';
import type { TestScope } from './scope.ts';

export interface RawResponse {
  readonly status: number;
  /** `HTTP/1.1`. */
  readonly version: string;
  readonly headers: HeaderLines;
  readonly head: Http1Head;
  readonly body: Buffer;
  /** `body` as UTF-8. */
  readonly text: string;
  readonly trailers: HeaderLines;
  header(name: string): string | undefined;
}

export interface RequestOptions {
  readonly method?: string;
  readonly path?: string;
  /** Value of Host; left out when empty. Default `localhost`. */
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent with content-length. */
  readonly body?: string | Buffer;
}

export class RawClient extends RawSocket {
  /** Methods of requests sent with `request`, whose answers have not been read yet: a HEAD answer has no body. */
  readonly #methods: string[] = [];
  readonly #responses: RawResponse[] = [];
  readonly #waiting: ((response: RawResponse) => void)[] = [];
  #failure: Error | undefined;

  /** Connects to 127.0.0.1; the connection is destroyed with the test. */
  static async connect(t: TestScope, port: number, address = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ port, host: address, allowHalfOpen: true, noDelay: true });
    const client = new RawClient(socket);
    t.teardown(() => socket.destroy());
    await inTime(new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject)), `a connection to port ${port}`);
    client.#read();
    return client;
  }

  /** Sends a well-formed request; the answer comes from `response()`. */
  request(options: RequestOptions = {}): void {
    this.#methods.push(options.method ?? 'GET');
    this.send(renderRequest(options));
  }

  /** The next answer that has not been taken, interim (1xx) ones included. Rejects when none comes. */
  async response(limitMs?: number): Promise<RawResponse> {
    const ready = this.#responses.shift();
    if (ready !== undefined) return ready;
    if (this.#failure !== undefined) throw this.#failure;
    const coming = new Promise<RawResponse>((resolve) => this.#waiting.push(resolve));
    const lost = this.peerGone.then(async (ending) => {
      await new Promise((resolve) => setImmediate(resolve));
      throw this.#failure ?? new Error(`connection ${ending} before a whole answer; received ${this.beginning}`);
    });
    return inTime(Promise.race([coming, lost]), `an answer; received ${this.beginning}`, limitMs);
  }

  /** `request` and `response` in one. */
  async exchange(options: RequestOptions = {}): Promise<RawResponse> {
    this.request(options);
    return this.response();
  }

  #read(): void {
    let head: Http1Head | undefined;
    let body: Buffer[] = [];
    const reader = new Http1Reader('response', {
      onHead: (received) => {
        head = received;
        body = [];
      },
      onBody: (bytes) => body.push(bytes),
      onEnd: (trailers) => this.#deliver(toResponse(head as Http1Head, Buffer.concat(body), trailers)),
      bodyless: () => this.#methods[0] === 'HEAD',
    });
    this.socket.on('data', (bytes) => this.#guard(() => reader.push(bytes)));
    this.socket.on('end', () => this.#guard(() => reader.finish()));
  }

  #deliver(response: RawResponse): void {
    if (response.status >= 200) this.#methods.shift();
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#responses.push(response);
    else waiting(response);
  }

  #guard(read: () => void): void {
    if (this.#failure !== undefined) return;
    try {
      read();
    } catch (error) {
      this.#failure = error as Error;
    }
  }
}

/** One request on a connection of its own. */
export async function request(t: TestScope, port: number, options: RequestOptions = {}): Promise<RawResponse> {
  const client = await RawClient.connect(t, port);
  const response = await client.exchange(options);
  client.socket.destroy();
  return response;
}

/** Sends `bytes` on a connection of its own and returns all that came back once the peer closed it. */
export async function exchangeUntilClose(t: TestScope, port: number, bytes: string | Buffer): Promise<string> {
  const client = await RawClient.connect(t, port);
  client.send(bytes);
  await client.closed();
  client.socket.destroy();
  return client.text;
}

function renderRequest(options: RequestOptions): Buffer {
  const body = Buffer.from(options.body ?? '');
  const host = options.host ?? 'localhost';
  const lines = [`${options.method ?? 'GET'} ${options.path ?? '/'} HTTP/1.1`];
  if (host !== '') lines.push(`Host: ${host}`);
  for (const [name, value] of Object.entries(options.headers ?? {})) lines.push(`${name}: ${value}`);
  if (options.body !== undefined) lines.push(`Content-Length: ${body.length}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}

function toResponse(head: Http1Head, body: Buffer, trailers: HeaderLines): RawResponse {
  const [version = '', status = ''] = head.startLine.split(' ');
  return { status: Number(status), version, headers: head.headers, head, body, text: body.toString(), trailers, header: (name) => headerOf(head.headers, name) };
}
