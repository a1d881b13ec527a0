/**
 * Reads of one socket into a buffer of its own, so that what was read can be written on without a copy. Touches private
 * parts of net; where they are missing, reads go on into the shared buffer.
 */

import type { Socket } from 'node:net';

/** libuv's stream handle, as far as reading needs it. */
interface ReadableHandle {
  useUserBuffer?: (buffer: Uint8Array) => void;
}

/**
 * From now on the bytes of each read are in `buffer`, whatever buffer the socket's callback is given. False: they are not,
 * because the socket does not read into a given buffer at all, or this Node keeps its parts elsewhere.
 */
export function readInto(socket: Socket, buffer: Buffer): boolean {
  const handle = (socket as unknown as { _handle?: ReadableHandle | null })._handle;
  if (typeof handle?.useUserBuffer !== 'function' || !hasGivenBuffer(socket)) return false;
  handle.useUserBuffer(buffer);
  return true;
}

/** Only where net itself expects reads in a buffer that it was given. */
function hasGivenBuffer(socket: Socket): boolean {
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'kBuffer');
  return key !== undefined && (socket as unknown as Record<symbol, unknown>)[key] instanceof Uint8Array;
}
