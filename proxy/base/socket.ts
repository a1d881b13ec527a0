/**
 * The one file that touches private parts of net (tls-socket.ts: of tls); where one is missing, the public way does the same work.
 * Accepting: handles become sockets that read into the shared buffer, without the stream that `net.Server` would make
 * first (a third of a short connection's cost). Writing: bytes go to the handle, past the stream's queue and its tick.
 */

import { createServer, Socket, type Server } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { readBuffer } from './read-buffer.ts';
import { encryptedQueueOf } from './tls-socket.ts';

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
  const server = createServer({ allowHalfOpen: true }, (socket) => adoptPlain(socket, adopt));
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
  socket.read(0);
}

function adoptPlain(socket: Socket, adopt: Adopt): void {
  const onRead = adopt(socket);
  socket.on('data', (chunk: Buffer) => onRead(chunk, chunk.length));
}

/** The system's number of an open socket; undefined on systems without, and once it is closed. */
export function socketDescriptor(socket: Socket): number | undefined {
  const descriptor = (socket as unknown as { _handle?: { readonly fd?: number } | null })._handle?.fd;
  return descriptor === undefined || descriptor < 0 ? undefined : descriptor;
}

/** Ends a connection in the middle of what it carries, so that its peer knows: by RST, for TLS without close_notify. */
export function abort(socket: Socket): void {
  if ((socket as Partial<TLSSocket>).encrypted === true) socket.destroy();
  else socket.resetAndDestroy();
}

/** libuv's stream handle, as far as writing needs it. */
interface StreamHandle {
  /** 0 or an error where nothing is left to wait for; from Node 26 on, the request of a write that the kernel did not take whole. */
  writeBuffer(request: WriteRequest | null, bytes: Buffer): number | WriteRequest;
  readonly writeQueueSize: number;
}

interface WriteRequest {
  handle: unknown;
  /** Called as a method of the request. */
  oncomplete: (this: WriteRequest, status: number) => void;
  /** As net has it: not over when the call returned. */
  async: boolean;
  /** Ours: who counts it. */
  writer?: SocketWriter;
  bytes: number;
  buffer: Buffer | undefined;
  /** Node 26: the outcome of a write that was over before anyone could listen. */
  writeStatus?: number | null;
}

/** Makes what net's own writes hand to the handle: a request, or null from Node 26 on. Known once one has been seen. */
let newRequest: (() => WriteRequest | null) | undefined;

/** The write side of an established socket. */
export class SocketWriter {
  readonly #socket: Socket;
  readonly #onDrain: () => void;
  readonly #handle: StreamHandle | undefined;
  /** Of a TLS socket: encrypted bytes that the kernel has not taken. Its writes go the public way, which costs the same there. */
  readonly #encryptedQueue: (() => number) | undefined;
  /** Writes that the kernel has not taken yet; for TLS those that are not reported as done. */
  #queued = 0;
  /** TLS: writes that wait for the one under way. */
  #behind = 0;
  /** TLS: `write` said that not everything has left. */
  #drainOwed = false;

  /** `onDrain` is called when everything written has left, after `write` said that it has not. */
  constructor(socket: Socket, onDrain: () => void) {
    this.#socket = socket;
    this.#onDrain = onDrain;
    this.#encryptedQueue = encryptedQueueOf(socket);
    if (this.#encryptedQueue !== undefined) return;
    this.#handle = directHandle(socket);
    socket.on('drain', onDrain);
  }

  /** TLS: a connection ends with `end`, which tells the peer that nothing is missing (close_notify, RFC 8446 6.1); a bare FIN could be an attacker's. */
  get secure(): boolean {
    return this.#encryptedQueue !== undefined;
  }

  /** Bytes wait in this process because the peer or the kernel does not take them. */
  get pending(): boolean {
    if (this.#encryptedQueue !== undefined) return this.#behind > 0 || this.#encryptedQueue() > 0;
    return this.#queued > 0 || this.#socket.writableLength > 0;
  }

  /** True when `bytes` have been taken and may be reused; false when they belong to the socket until the drain. */
  write(bytes: Buffer): boolean {
    if (this.#encryptedQueue !== undefined) return this.#writeEncrypted(bytes);
    const handle = this.#handle;
    if (handle === undefined || newRequest === undefined || this.#socket.destroyed) {
      if (!this.#socket.destroyed) this.#socket.write(bytes);
      return this.#socket.writableLength === 0;
    }
    const given = newRequest();
    if (given !== null) this.#await(given, handle, bytes);
    const result = handle.writeBuffer(given, bytes);
    if (typeof result !== 'number') return this.#awaitReturned(result, handle, bytes);
    if (result !== 0) {
      this.#socket.destroy();
      return true;
    }
    if (given === null || handle.writeQueueSize === 0) return true;
    this.#count(given);
    return false;
  }

  /** An idle TLS engine encrypts within the call, a busy one keeps what it is given: a copy. */
  #writeEncrypted(bytes: Buffer): boolean {
    const socket = this.#socket;
    if (socket.destroyed) return true;
    const busy = this.#queued > 0 || socket.writableLength > 0;
    this.#queued++;
    if (busy) this.#behind++;
    socket.write(busy ? Buffer.from(bytes) : bytes, this.#onEncrypted);
    if (!this.pending) return true;
    this.#drainOwed = true;
    return false;
  }

  readonly #onEncrypted = (): void => {
    this.#queued--;
    if (this.#queued > 0 || this.#socket.destroyed) return;
    this.#behind = 0;
    if (!this.#drainOwed) return;
    this.#drainOwed = false;
    this.#onDrain();
  };

  #await(request: WriteRequest, handle: StreamHandle, bytes: Buffer): void {
    request.handle = handle;
    request.async = false;
    request.bytes = 0;
    request.oncomplete = SocketWriter.#onComplete;
    request.writer = this;
    request.buffer = bytes;
  }

  #count(request: WriteRequest): void {
    request.async = true;
    this.#queued++;
  }

  #awaitReturned(request: WriteRequest, handle: StreamHandle, bytes: Buffer): boolean {
    const status = request.writeStatus;
    if (typeof status === 'number') {
      if (status !== 0) this.#socket.destroy();
      return true;
    }
    this.#await(request, handle, bytes);
    // Taken whole, or refused because the socket is closed: its end is reported elsewhere.
    if (handle.writeQueueSize === 0) return true;
    this.#count(request);
    return false;
  }

  /**
   * libuv tries twice before it waits. What the kernel takes whole only the second time is reported here as well, although
   * `write` has said that it is gone: such a report counts for nothing.
   */
  static #onComplete(this: WriteRequest, status: number): void {
    const { writer } = this;
    if (writer === undefined || !this.async) return;
    writer.#queued--;
    if (status < 0) writer.#socket.destroy();
    else if (writer.#queued === 0) writer.#onDrain();
  }
}

/** The handle to write to, or undefined where this Node keeps its parts elsewhere. Learns the request class on the way. */
function directHandle(socket: Socket): StreamHandle | undefined {
  const handle = (socket as unknown as { _handle?: Partial<StreamHandle> | null })._handle;
  if (handle === undefined || handle === null) return undefined;
  if (typeof handle.writeBuffer !== 'function' || typeof handle.writeQueueSize !== 'number') return undefined;
  if (newRequest === undefined) learnRequest(handle as StreamHandle);
  return handle as StreamHandle;
}

/** Watches the first public write of this socket for the request that net makes. */
function learnRequest(handle: StreamHandle): void {
  const { writeBuffer } = handle;
  handle.writeBuffer = function (this: StreamHandle, request, bytes) {
    delete (handle as { writeBuffer?: unknown }).writeBuffer;
    newRequest ??= request === null ? () => null : requestsLike(request);
    return writeBuffer.call(this, request, bytes);
  };
}

function requestsLike(request: WriteRequest): () => WriteRequest {
  const RequestClass = request.constructor as new () => WriteRequest;
  return () => new RequestClass();
}
