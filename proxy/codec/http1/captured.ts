/** A connection captured on its way to somewhere else: where it was going, and whether it speaks HTTP. */

import type { OriginalDestination } from '../codec.ts';

/** `10.0.0.1:5432` or `[fd00::5]:5432`, as the target of a CONNECT that the head parser has accepted. */
export function capturedDestination(authority: string): OriginalDestination {
  const colon = authority.lastIndexOf(':');
  const address = authority.slice(0, colon);
  return { address: address.startsWith('[') ? address.slice(1, -1) : address, port: Number(authority.slice(colon + 1)) };
}

/** An HTTP/1 request line begins with upper-case letters and a blank; what is so far is enough to rule it out or not. */
export function looksLikeHttp(bytes: Buffer, from: number, end: number): boolean {
  const limit = Math.min(end, from + 16);
  for (let i = from; i < limit; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x20) return i > from;
    if (byte < 0x41 || byte > 0x5a) return false;
  }
  return limit < from + 16;
}
