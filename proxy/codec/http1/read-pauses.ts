/** Why a connection is not read just now: several reasons may hold at once, and reading goes on when the last is gone. */

import type { Socket } from 'node:net';
import type { SocketWriter } from '../../base/socket.ts';

/** Silence of the peer before the kernel asks it whether it is still there. */
const KEEP_ALIVE_MS = 60_000;
const EMPTY = Buffer.alloc(0);

export const Pause = {
  /** Whoever takes the request's body is full. */
  Backpressure: 1,
  /** Too many requests wait behind the one being answered. */
  Pipeline: 2,
} as const;

export class ReadPauses {
  readonly #socket: Socket;
  #reasons = 0;
  /** The kernel watches over the peer. */
  #keptAlive = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get any(): boolean {
    return this.#reasons !== 0;
  }

  has(reason: number): boolean {
    return (this.#reasons & reason) !== 0;
  }

  add(reason: number): void {
    if (this.#reasons === 0 && !this.#socket.destroyed) this.#socket.pause();
    this.#reasons |= reason;
  }

  /** True when that made the connection readable again. */
  remove(reason: number): boolean {
    if (this.#reasons === 0) return false;
    this.#reasons &= ~reason;
    if (this.#reasons !== 0) return false;
    this.#socket.resume();
    return true;
  }

  /**
   * Called about once a second during a pause. A socket that is not read does not tell that its peer has gone: an empty
   * write learns of a reset, and keep-alive probes draw one from a peer that has gone without. The socket then closes.
   */
  probe(writer: SocketWriter): void {
    if (!this.#keptAlive) this.#socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#keptAlive = true;
    if (!writer.pending) writer.write(EMPTY);
  }

  /** Reads whatever still comes, to discard it. */
  clear(): void {
    this.#reasons = 0;
    this.#socket.resume();
  }
}
