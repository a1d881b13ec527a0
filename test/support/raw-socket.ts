/** One TCP connection of a test with everything that happened on it on record, whichever side opened it. */

import type { Socket } from 'node:net';
import { eventually, inTime } from './scope.ts';

/** How a connection ended as this side saw it. */
export type Ending = 'ended' | 'reset';

/** Bytes kept for assertions; what comes after is counted but not held. */
const KEPT_BYTES = 4 * 1024 * 1024;

export class RawSocket {
  readonly socket: Socket;
  /** All bytes that arrived, kept or not. */
  bytesReceived = 0;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #ending: Ending | undefined;
  /** Resolves once the peer has closed or reset the connection; never, if it does not. */
  readonly peerGone: Promise<Ending>;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => this.#record(bytes));
    this.peerGone = new Promise((resolve) => {
      const over = (ending: Ending): void => {
        this.#ending ??= ending;
        resolve(this.#ending);
      };
      socket.on('end', () => over('ended'));
      socket.on('error', () => over('reset'));
      socket.on('close', () => over('ended'));
    });
  }

  /** What arrived so far (its first 4 MiB). */
  get received(): Buffer {
    if (this.#kept.length > 1) this.#kept = [Buffer.concat(this.#kept)];
    return this.#kept[0] ?? Buffer.alloc(0);
  }

  /** `received` as latin1, one character a byte. */
  get text(): string {
    return this.received.toString('latin1');
  }

  /** The first bytes, quoted, for messages: cheap, however much arrived. */
  get beginning(): string {
    return JSON.stringify((this.#kept[0] ?? Buffer.alloc(0)).toString('latin1', 0, 300));
  }

  /** Undefined while the peer may still send. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Strings are latin1, so that any byte can be written as an escape. */
  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Sends FIN: no more from this side, which goes on reading. */
  end(): void {
    this.socket.end();
  }

  /** Sends RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Stops reading: the peer's writes pile up in the kernel and then in the peer. */
  stall(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** `peerGone` with a deadline. */
  async closed(limitMs?: number): Promise<Ending> {
    return inTime(this.peerGone, `the peer to close the connection; received so far ${this.beginning}`, limitMs);
  }

  /** Waits until the bytes received contain `part`, and returns all of them. */
  async until(part: string, limitMs?: number): Promise<string> {
    await eventually(() => this.text.includes(part), `${JSON.stringify(part)} to arrive; got ${JSON.stringify(this.text.slice(0, 300))}`, limitMs);
    return this.text;
  }

  /** Resolves when nothing has arrived for `forMs`; with the bytes so far. */
  async quiet(forMs = 150): Promise<string> {
    for (let before = -1; before !== this.bytesReceived; ) {
      before = this.bytesReceived;
      await new Promise((resolve) => setTimeout(resolve, forMs));
    }
    return this.text;
  }

  #record(bytes: Buffer): void {
    this.bytesReceived += bytes.length;
    if (this.#keptBytes >= KEPT_BYTES) return;
    this.#kept.push(bytes);
    this.#keptBytes += bytes.length;
  }
}
