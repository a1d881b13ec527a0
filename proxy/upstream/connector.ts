/** Connects with a limit, TLS handshake included: a socket that reads into the shared buffer, or the failure as a value. */

import { connect as netConnect, isIP, type Socket } from 'node:net';
import type { Clock, Timer } from '../base/clock.ts';
import { startKeepAlive, type KeepAlive } from '../base/keep-alive.ts';
import { readBuffer } from '../base/read-buffer.ts';
import { isUnixAddress, unixPath } from '../base/unix-address.ts';
import type { ConnectionSecurity } from '../stream/connection-security.ts';
import type { UpstreamTls } from './upstream-tls.ts';

/** Why there is no connection, in Envoy's words. */
export interface ConnectFailure {
  /** `own_listener`: the name or address led back to this proxy. */
  readonly kind: 'remote_connection_failure' | 'connection_timeout' | 'own_listener';
  /** `delayed connect error: Connection refused`; the log's UPSTREAM_TRANSPORT_FAILURE_REASON. */
  readonly reason: string;
  /** One plain sentence of which check of a TLS handshake failed; absent for other failures. */
  readonly sentence?: string;
}

export interface ConnectTarget {
  /** IP address, host name or unix socket; the last has no port. */
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** Present: TCP keep-alive probes are on. */
  readonly keepAlive?: KeepAlive | undefined;
  /** For destinations that the downstream names: true for an address at which this proxy itself listens. */
  readonly isOwn?: IsOwnListener | undefined;
  /** Present: nothing is sent before the handshake is over and the host's certificate verified; the limit covers it (Envoy). */
  readonly tls?: UpstreamTls | undefined;
  /** Sent first, before a TLS handshake (PROXY protocol). */
  readonly preamble?: Buffer | undefined;
  /** Source address, where it is not the system's choice. */
  readonly localAddress?: string | undefined;
}

/** True where a connection would come back to this proxy. */
export type IsOwnListener = (address: string, port: number) => boolean;

export interface ConnectEvents {
  /** `security`: of a TLS connection. */
  onConnect(socket: Socket, security: ConnectionSecurity | undefined): void;
  onFailure(failure: ConnectFailure): void;
  /** Bytes of an established connection; returns nothing, pausing is the socket's. */
  onRead(bytes: Buffer, length: number): void;
}

/** Starts a connect; the returned function gives it up. */
export function connect(target: ConnectTarget, clock: Clock, events: ConnectEvents): () => void {
  const connecting = new Connecting(target, clock, events);
  return () => connecting.cancel();
}

class Connecting {
  readonly #target: ConnectTarget;
  readonly #events: ConnectEvents;
  readonly #socket: Socket;
  readonly #timer: Timer;
  readonly #onError = (error: NodeJS.ErrnoException): void => this.#fail({ kind: 'remote_connection_failure', reason: failureReason(error) });
  #cancelTls: (() => void) | undefined;
  #settled = false;

  constructor(target: ConnectTarget, clock: Clock, events: ConnectEvents) {
    this.#target = target;
    this.#events = events;
    this.#socket = open(target, events);
    this.#timer = clock.setTimer(target.timeoutMs, () => this.#fail({ kind: 'connection_timeout', reason: '' }));
    this.#socket.on('error', this.#onError);
    this.#socket.once('connect', () => this.#onConnect());
  }

  cancel(): void {
    if (!this.#settle()) return;
    this.#cancelTls?.();
    this.#socket.destroy();
  }

  #onConnect(): void {
    if (this.#settled) return;
    const socket = this.#socket;
    const { keepAlive, isOwn, tls, preamble } = this.#target;
    if (keepAlive !== undefined) startKeepAlive(socket, keepAlive);
    // Names and odd spellings of addresses are told only now; nothing has been sent yet.
    if (isOwn?.(socket.remoteAddress ?? '', socket.remotePort ?? 0) === true) {
      this.#fail({ kind: 'own_listener', reason: '' });
      return;
    }
    if (preamble !== undefined) socket.write(preamble);
    if (tls === undefined) this.#succeed(socket, undefined);
    else this.#secure(tls);
  }

  #secure({ context, request, counters }: UpstreamTls): void {
    this.#cancelTls = context.secure(this.#socket, request, {
      counters,
      onSecure: (socket, security) => {
        this.#succeed(socket, security);
        return (bytes, length) => this.#events.onRead(bytes, length);
      },
      onFailure: ({ kind, reason, sentence }) => {
        this.#cancelTls = undefined;
        this.#fail(kind === 'timeout' ? { kind: 'connection_timeout', reason: '' } : { kind: 'remote_connection_failure', reason, sentence });
      },
    });
  }

  #succeed(socket: Socket, security: ConnectionSecurity | undefined): void {
    if (!this.#settle()) return;
    this.#events.onConnect(socket, security);
  }

  #fail(failure: ConnectFailure): void {
    if (!this.#settle()) return;
    this.#cancelTls?.();
    this.#socket.destroy();
    this.#events.onFailure(failure);
  }

  /** True the first time. */
  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#timer.cancel();
    this.#socket.removeListener('error', this.#onError);
    // An error between removal of this listener and the codec's own must not end the process.
    this.#socket.on('error', ignore);
    return true;
  }
}

function open({ address, port, localAddress }: ConnectTarget, events: ConnectEvents): Socket {
  const peer = isUnixAddress(address)
    ? { path: unixPath(address) }
    : { host: address, port, noDelay: true, ...(isIP(address) === 0 ? {} : { autoSelectFamily: false }), ...(localAddress === undefined ? {} : { localAddress }) };
  return netConnect({
    ...peer,
    allowHalfOpen: true,
    onread: {
      buffer: readBuffer,
      callback: (length: number, bytes: Uint8Array) => {
        events.onRead(bytes as Buffer, length);
        return true;
      },
    },
  });
}

/** Source address that interception rules let pass, of the family of `address`. */
export function loopbackSix(address: string): string {
  return isIP(address) === 6 ? '::6' : '127.0.0.6';
}

function ignore(): void {}

const ERRNO_TEXT: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EHOSTUNREACH: 'No route to host',
  ENETUNREACH: 'Network is unreachable',
  ETIMEDOUT: 'Connection timed out',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  EACCES: 'Permission denied',
  ENOENT: 'No such file or directory',
  EMFILE: 'Too many open files',
};

function failureReason(error: NodeJS.ErrnoException): string {
  const code = error.code ?? '';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'DNS resolution failed';
  return `delayed connect error: ${ERRNO_TEXT[code] ?? code}`;
}
