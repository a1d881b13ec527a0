/** The body of a request as far as it has come, kept so that it can be sent again (retry) or to others too (mirror). */

/**
 * What is kept of one request's body at the most, bytes: Envoy's per-connection buffer limit, which Istio leaves as it
 * is. A longer body is neither retried nor mirrored.
 */
export const REQUEST_BUFFER_LIMIT_BYTES = 1024 * 1024;

export class RequestBuffer {
  readonly chunks: Buffer[] = [];
  bytes = 0;

  /** Copies the bytes, which lie in a buffer that is reused; false when they would pass the limit: then nothing is kept. */
  append(bytes: Buffer, start: number, end: number): boolean {
    if (this.bytes + end - start > REQUEST_BUFFER_LIMIT_BYTES) return false;
    this.bytes += end - start;
    this.chunks.push(Buffer.from(bytes.subarray(start, end)));
    return true;
  }

  /** Takes over chunks that are copies already; their sender has seen to the limit. */
  adopt(chunks: readonly Buffer[]): void {
    for (const chunk of chunks) {
      this.bytes += chunk.length;
      this.chunks.push(chunk);
    }
  }
}
