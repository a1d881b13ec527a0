/** One handshake, of either side, from its first byte to its verdict. */

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import type { OnRead } from '../base/socket.ts';
import { readIntoSharedBuffer } from '../base/tls-socket.ts';
import type { ConnectionSecurity } from '../stream/connection-security.ts';
import type { TlsEvents, TlsFailure } from './tls-events.ts';
import { countFailure, handshakeFailure, handshakeTimeout, peerGone } from './tls-failure.ts';

export interface HandshakeDeps {
  readonly clock: Clock;
  /** Word for the peer in sentences. */
  readonly who: 'client' | 'server';
  /** Asked once the handshake is over. */
  readonly judge: (socket: TLSSocket) => TlsFailure | ConnectionSecurity;
}

/** Envoy's transport_socket_connect_timeout as Istio sets it for listeners. */
const HANDSHAKE_TIMEOUT_S = 15;

export class Handshake {
  readonly #socket: TLSSocket;
  readonly #raw: Socket;
  readonly #deps: HandshakeDeps;
  readonly #events: TlsEvents;
  readonly #timer: { cancel(): void };
  #settled = false;
  #onRead: OnRead | undefined;

  /** `raw` is the socket that `socket` wraps. */
  constructor(socket: TLSSocket, raw: Socket, events: TlsEvents, deps: HandshakeDeps) {
    this.#socket = socket;
    this.#raw = raw;
    this.#events = events;
    this.#deps = deps;
    this.#timer = deps.clock.setTimer(HANDSHAKE_TIMEOUT_S * 1000, () => this.#fail(handshakeTimeout(HANDSHAKE_TIMEOUT_S)));
    raw.on('error', ignore);
    socket.on('error', (error) => this.#fail(handshakeFailure(error, deps.who)));
    socket.on('close', this.#onGone);
    socket.on('end', this.#onGone);
    socket.once(deps.who === 'client' ? 'secure' : 'secureConnect', () => this.#onHandshake());
    readIntoSharedBuffer(socket, (bytes, length) => this.#onRead?.(bytes, length));
  }

  /** Nobody wants the connection any more; nobody is told. */
  giveUp(): void {
    if (this.#settle()) this.#destroy();
  }

  #onHandshake(): void {
    const verdict = this.#deps.judge(this.#socket);
    if ('kind' in verdict) return this.#fail(verdict);
    if (!this.#settle()) return;
    const { counters } = this.#events;
    counters.sslHandshake++;
    if (verdict.resumed) counters.sslSessionReused++;
    if (verdict.peer === undefined) counters.sslNoCertificate++;
    try {
      this.#onRead = this.#events.onSecure(this.#socket, verdict);
    } catch (error) {
      // A bug: it costs this connection, and is reported as what it is.
      this.#destroy();
      throw error;
    }
  }

  readonly #onGone = (): void => this.#fail(peerGone(this.#deps.who));

  #fail(failure: TlsFailure): void {
    if (!this.#settle()) return;
    this.#destroy();
    countFailure(this.#events.counters, failure);
    this.#events.onFailure(failure);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#timer.cancel();
    this.#socket.removeListener('close', this.#onGone);
    this.#socket.removeListener('end', this.#onGone);
    return true;
  }

  #destroy(): void {
    this.#socket.destroy();
    this.#raw.destroy();
  }
}

function ignore(): void {}
