/** Asks an upstream HTTP/1.1 proxy by CONNECT to lead to somewhere else (DestinationRule `tunnel`): it is open, or refused, once. */

import type { Socket } from 'node:net';
import type { Clock, Timer } from '../base/clock.ts';
import { connectRequest, parseConnectAnswer } from './connect-request.ts';

export interface ConnectHandshakeEvents {
  /** `rest`: bytes of the tunnel that came with the answer. */
  onOpen(rest: Buffer): void;
  onRefused(reason: string): void;
}

export class ConnectHandshake {
  readonly #socket: Socket;
  readonly #events: ConnectHandshakeEvents;
  readonly #timer: Timer;
  #received: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, target: { readonly authority: string; readonly limitMs: number }, clock: Clock, events: ConnectHandshakeEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#timer = clock.setTimer(target.limitMs, () => this.#refuse('CONNECT was not answered in time'));
    socket.on('end', this.#onGone);
    socket.on('close', this.#onGone);
    socket.write(connectRequest(target.authority));
  }

  /** One read; `bytes` are reused after the call. */
  onRead(bytes: Buffer, length: number): void {
    this.#received = Buffer.concat([this.#received, bytes.subarray(0, length)]);
    const answer = parseConnectAnswer(this.#received);
    if (answer.kind === 'refused') this.#refuse(answer.reason);
    if (answer.kind !== 'open') return;
    this.cancel();
    this.#events.onOpen(answer.rest);
  }

  /** Nobody waits for the answer any more. */
  cancel(): void {
    this.#timer.cancel();
    this.#socket.removeListener('end', this.#onGone);
    this.#socket.removeListener('close', this.#onGone);
  }

  readonly #onGone = (): void => this.#refuse('the connection ended before CONNECT was answered');

  #refuse(reason: string): void {
    this.cancel();
    this.#socket.destroy();
    this.#events.onRefused(reason);
  }
}
