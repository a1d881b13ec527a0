/** Why a connection is not read just now: several reasons may hold at once, and reading goes on when the last is gone. */

import type { Socket } from 'node:net';

export const Pause = {
  /** Whoever takes the request's body is full. */
  Backpressure: 1,
  /** Too many requests wait behind the one being answered. */
  Pipeline: 2,
} as const;

export class ReadPauses {
  readonly #socket: Socket;
  #reasons = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
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

  /** Reads whatever still comes, to discard it. */
  clear(): void {
    this.#reasons = 0;
    this.#socket.resume();
  }
}
