/**
 * The one file that touches private parts of net: accepted handles become sockets that read into the shared buffer,
 * without the stream that `net.Server` would make first (a third of a short connection's cost). Where the private part
 * is missing, plain `'connection'` and `'data'` events do the same work.
 */

import { createServer, Socket, type Server } from 'node:net';
import { readBuffer } from '../base/read-buffer.ts';

/** Called for each read with bytes that are reused after the call. */
export type OnRead = (bytes: Buffer, length: number) => void;

/** Adopts an accepted socket; returns who takes its bytes. */
export type Adopt = (socket: Socket) => OnRead;

/** The part of libuv's listening handle that is replaced. */
interface ListeningHandle {
  onconnection?: (status: number, client: object | undefined) => void;
}

/** Options of `new Socket` that @types/node does not list. */
type SocketOptions = ConstructorParameters<typeof Socket>[0] & { handle: object; onread: { buffer: Uint8Array; callback: (length: number) => boolean } };

/** A server that hands every accepted connection to `adopt`. `onAcceptError` is told errno names such as EMFILE. */
export function createAcceptor(adopt: Adopt, onAcceptError: (code: string) => void): Server {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => adoptPlain(socket, adopt));
  server.on('listening', () => replaceOnConnection(server, adopt, onAcceptError));
  return server;
}

function replaceOnConnection(server: Server, adopt: Adopt, onAcceptError: (code: string) => void): void {
  const handle = (server as unknown as { _handle?: ListeningHandle })._handle;
  if (handle === undefined || handle === null || typeof handle.onconnection !== 'function') return;
  handle.onconnection = (status, client) => {
    if (status !== 0 || client === undefined) {
      onAcceptError(String(status));
      return;
    }
    adoptHandle(client, adopt);
  };
}

function adoptHandle(handle: object, adopt: Adopt): void {
  let onRead: OnRead | undefined;
  const options: SocketOptions = {
    handle,
    allowHalfOpen: true,
    readable: true,
    writable: true,
    onread: {
      buffer: readBuffer,
      callback: (length) => {
        onRead?.(readBuffer, length);
        // Pausing is done on the socket itself, so a callback never asks for it.
        return true;
      },
    },
  };
  const socket = new Socket(options);
  onRead = adopt(socket);
  socket.setNoDelay(true);
  socket.read(0);
}

function adoptPlain(socket: Socket, adopt: Adopt): void {
  const onRead = adopt(socket);
  socket.on('data', (chunk: Buffer) => onRead(chunk, chunk.length));
}
