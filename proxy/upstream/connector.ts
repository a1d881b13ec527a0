/** TCP connects with a limit: a socket that reads into the shared buffer, or the failure as a value. */

import { connect as netConnect, isIP, type Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { startKeepAlive, type KeepAlive } from '../base/keep-alive.ts';
import { readBuffer } from '../base/read-buffer.ts';

/** Why there is no connection, in Envoy's words. */
export interface ConnectFailure {
  /** `own_listener`: the name or address led back to this proxy. */
  readonly kind: 'remote_connection_failure' | 'connection_timeout' | 'own_listener';
  /** `delayed connect error: Connection refused`; the log's UPSTREAM_TRANSPORT_FAILURE_REASON. */
  readonly reason: string;
}

export interface ConnectTarget {
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** Present: TCP keep-alive probes are on. */
  readonly keepAlive?: KeepAlive | undefined;
  /** For destinations that the downstream names: true for an address at which this proxy itself listens. */
  readonly isOwn?: IsOwnListener | undefined;
}

/** True where a connection would come back to this proxy. */
export type IsOwnListener = (address: string, port: number) => boolean;

export interface ConnectEvents {
  onConnect(socket: Socket): void;
  onFailure(failure: ConnectFailure): void;
  /** Bytes of an established connection; returns nothing, pausing is the socket's. */
  onRead(bytes: Buffer, length: number): void;
}

/** Starts a connect; the returned function gives it up. */
export function connect(target: ConnectTarget, clock: Clock, events: ConnectEvents): () => void {
  let settled = false;
  const socket = netConnect({
    host: target.address,
    port: target.port,
    noDelay: true,
    allowHalfOpen: true,
    ...(isIP(target.address) === 0 ? {} : { autoSelectFamily: false }),
    onread: {
      buffer: readBuffer,
      callback: (length: number, bytes: Uint8Array) => {
        events.onRead(bytes as Buffer, length);
        return true;
      },
    },
  });
  const settle = (): boolean => {
    if (settled) return false;
    settled = true;
    timer.cancel();
    socket.removeListener('error', onError);
    // An error between removal of this listener and the codec's own must not end the process.
    socket.on('error', ignore);
    return true;
  };
  const onError = (error: NodeJS.ErrnoException): void => {
    if (settle()) events.onFailure({ kind: 'remote_connection_failure', reason: failureReason(error) });
  };
  const timer = clock.setTimer(target.timeoutMs, () => {
    if (!settle()) return;
    socket.destroy();
    events.onFailure({ kind: 'connection_timeout', reason: '' });
  });
  socket.on('error', onError);
  socket.once('connect', () => {
    if (!settle()) return;
    if (target.keepAlive !== undefined) startKeepAlive(socket, target.keepAlive);
    // Names and odd spellings of addresses are told only now; nothing has been sent yet.
    if (target.isOwn?.(socket.remoteAddress ?? '', socket.remotePort ?? 0) !== true) {
      events.onConnect(socket);
      return;
    }
    socket.destroy();
    events.onFailure({ kind: 'own_listener', reason: '' });
  });
  return () => {
    if (settle()) socket.destroy();
  };
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
  EMFILE: 'Too many open files',
};

function failureReason(error: NodeJS.ErrnoException): string {
  const code = error.code ?? '';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'DNS resolution failed';
  return `delayed connect error: ${ERRNO_TEXT[code] ?? code}`;
}
