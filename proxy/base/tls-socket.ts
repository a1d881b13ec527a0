/**
 * The one file that touches private parts of tls; where one is missing, the public way does the same work, or a check
 * that cannot be made counts as failed. Looked at on Node 20, 22, 24 and 26.
 */

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { readBuffer } from './read-buffer.ts';

/** What a TLSSocket's engine (TLSWrap) has. */
interface TlsHandle {
  useUserBuffer?: (buffer: Uint8Array) => void;
  verifyError?: () => { readonly code?: string; readonly message?: string } | null | undefined;
  /** The connection below, with the bytes that the kernel has not taken. */
  readonly _parent?: { readonly writeQueueSize?: number };
}

/** Where net keeps the buffer that a socket reads into, and who is told: `onread`, which tls ignores for a socket that is already connected. */
interface ReaderSlots {
  readonly buffer: symbol;
  readonly callback: symbol;
}

/**
 * Plain bytes of `socket` go to `onRead` in the shared buffer instead of a slab of their own for each read. To be called
 * before anything was read. As the engine decrypts what it holds, up to two records more may come after a `pause`.
 */
export function readIntoSharedBuffer(socket: TLSSocket, onRead: (bytes: Buffer, length: number) => void): void {
  const slots = readerSlotsOf(socket);
  const handle = handleOf(socket);
  if (slots === undefined || typeof handle?.useUserBuffer !== 'function') {
    socket.on('data', (chunk: Buffer) => onRead(chunk, chunk.length));
    return;
  }
  const holder = socket as unknown as Record<symbol, unknown>;
  holder[slots.buffer] = readBuffer;
  holder[slots.callback] = (length: number): boolean => {
    onRead(readBuffer, length);
    return true;
  };
  handle.useUserBuffer(readBuffer);
}

/** OpenSSL's name of what is wrong with the peer's chain (`CERT_HAS_EXPIRED`), undefined where it verified or none was shown. */
export function chainErrorOf(socket: TLSSocket): string | undefined {
  const handle = handleOf(socket);
  if (typeof handle?.verifyError !== 'function') return 'UNVERIFIABLE';
  const error = handle.verifyError();
  if (error === null || error === undefined) return undefined;
  return error.code ?? error.message ?? 'UNSPECIFIED';
}

/** Of an established TLS socket: how many encrypted bytes wait for the kernel. Undefined for a plain socket. */
export function encryptedQueueOf(socket: Socket): (() => number) | undefined {
  if ((socket as Partial<TLSSocket>).encrypted !== true) return undefined;
  const below = handleOf(socket)?._parent;
  if (typeof below?.writeQueueSize === 'number') return () => below.writeQueueSize ?? 0;
  return () => socket.writableLength;
}

function handleOf(socket: Socket): TlsHandle | undefined {
  return (socket as unknown as { _handle?: TlsHandle | null })._handle ?? undefined;
}

/** The same for all sockets; undefined where this Node keeps them elsewhere, null until looked for. */
let slots: ReaderSlots | undefined | null = null;

function readerSlotsOf(socket: TLSSocket): ReaderSlots | undefined {
  if (slots !== null) return slots;
  const named = (name: string): symbol | undefined => Object.getOwnPropertySymbols(socket).find(({ description }) => description === name);
  const buffer = named('kBuffer');
  const callback = named('kBufferCb');
  slots = buffer === undefined || callback === undefined ? undefined : { buffer, callback };
  return slots;
}
