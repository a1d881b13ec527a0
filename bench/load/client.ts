/** A lean HTTP/1.1 client connection for load: one request at a time, answers with Content-Length or chunked, raw sockets. */

import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { gatewayHost } from '../config.ts';
import type { LoadJob } from './job.ts';

export interface Answer {
  readonly ok: boolean;
  /** Answer head, for a watched header. */
  readonly head: string;
}

export interface ClientOptions {
  readonly port: number;
  readonly tls?: LoadJob['tls'] | undefined;
  /** Called once per request sent; `ok` is false for any status but 200 and for a broken connection. */
  onAnswer(client: Client, answer: Answer): void;
}

/** A connection that reconnects by itself when the server closed it. */
export class Client {
  readonly #options: ClientOptions;
  #socket: Socket | undefined;
  #waiting = false;
  #head = '';
  #status = '';
  #inBody = false;
  #bodyLeft = 0;
  #chunked = false;
  #tail = '';
  #closing = false;
  /** The ticket of the last TLS connection, where it is to be used again. */
  #ticket: Buffer | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Sends one request; the previous one must have been answered. */
  send(bytes: Buffer): void {
    this.#waiting = true;
    this.#head = '';
    this.#inBody = false;
    this.#tail = '';
    this.#socket ??= this.#open();
    this.#socket.write(bytes);
  }

  destroy(): void {
    this.#waiting = false;
    this.#socket?.destroy();
  }

  #open(): Socket {
    const socket = this.#options.tls === undefined ? connect(this.#place()) : this.#openTls();
    socket.on('error', () => undefined);
    socket.on('close', () => this.#closed(socket));
    return socket;
  }

  #openTls(): Socket {
    const session = this.#ticket === undefined ? {} : { session: this.#ticket };
    const socket = connectTls({ ...this.#place(), servername: gatewayHost, rejectUnauthorized: false, minVersion: 'TLSv1.3', ...session });
    if (this.#options.tls === 'resumed') socket.on('session', (ticket: Buffer) => (this.#ticket = ticket));
    return socket;
  }

  #place() {
    const callback = (bytes: number, buffer: Uint8Array): boolean => this.#read(Buffer.from(buffer.buffer, buffer.byteOffset, bytes));
    return { port: this.#options.port, host: '127.0.0.1', noDelay: true, onread: { buffer: Buffer.allocUnsafe(65_536), callback } } as const;
  }

  #read(chunk: Buffer): boolean {
    if (!this.#waiting) return true;
    if (this.#inBody) return this.#readBody(chunk);
    this.#head += chunk.toString('latin1');
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0) return true;
    const bodyStart = chunk.length - (this.#head.length - end - 4);
    this.#head = this.#head.slice(0, end + 2);
    this.#beginBody();
    return this.#readBody(chunk.subarray(bodyStart));
  }

  #beginBody(): void {
    this.#inBody = true;
    this.#status = this.#head.slice(9, 12);
    this.#closing = /\r\nconnection: *close\r\n/i.test(this.#head);
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(this.#head)?.[1];
    this.#bodyLeft = Number(length ?? 0);
    this.#chunked = length === undefined && /\r\ntransfer-encoding: *chunked\r\n/i.test(this.#head);
  }

  #readBody(chunk: Buffer): boolean {
    if (this.#chunked) {
      this.#tail = (this.#tail + chunk.toString('latin1')).slice(-5);
      if (this.#tail === '0\r\n\r\n') this.#finish();
      return true;
    }
    this.#bodyLeft -= chunk.length;
    if (this.#bodyLeft <= 0) this.#finish();
    return true;
  }

  #finish(): void {
    if (this.#closing) {
      this.#socket?.destroy();
      this.#socket = undefined;
    }
    this.#settle(this.#status === '200');
  }

  #closed(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    if (this.#waiting) this.#settle(false);
  }

  #settle(ok: boolean): void {
    this.#waiting = false;
    this.#options.onAnswer(this, { ok, head: this.#head });
  }
}
