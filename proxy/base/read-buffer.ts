/**
 * One read buffer for every socket of the process. A read callback runs to its end before the next read is made, so a
 * shared buffer is safe as long as whoever keeps bytes past the callback copies them. It saves the 64 KiB slab that a
 * 'data' event would allocate per read.
 */

/** Bytes one read may deliver. */
export const READ_BUFFER_BYTES = 65536;

export const readBuffer: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

declare global {
  // Present on every Buffer of every supported Node; @types/node leaves the encoding-specific ones out.
  interface Buffer {
    latin1Slice(start?: number, end?: number): string;
    latin1Write(text: string, offset?: number): number;
  }
}
