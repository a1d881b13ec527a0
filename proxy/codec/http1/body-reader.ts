/** Body framing, read side: counted, chunked, or until the connection ends. */

import { ChunkedReader, type BodySink } from './chunked-reader.ts';
import { CHUNKED, UNTIL_CLOSE } from './framing.ts';
import type { ParseError } from './parse-error.ts';

export type { BodySink } from './chunked-reader.ts';

export class BodyReader {
  #mode = 0;
  #remaining = 0;
  #chunked: ChunkedReader | undefined;

  /** `length`: bytes, CHUNKED or UNTIL_CLOSE. */
  start(length: number): void {
    this.#mode = length;
    this.#remaining = length;
    if (length !== CHUNKED) return;
    this.#chunked ??= new ChunkedReader();
    this.#chunked.reset();
  }

  get untilClose(): boolean {
    return this.#mode === UNTIL_CLOSE;
  }

  get error(): ParseError | undefined {
    return this.#chunked?.error;
  }

  /** Feeds `bytes[start, end)`; returns the position after what belonged to the body, or -1 on bad chunk syntax. */
  read(bytes: Buffer, start: number, end: number, sink: BodySink): number {
    if (this.#mode === CHUNKED) return (this.#chunked as ChunkedReader).read(bytes, start, end, sink);
    if (this.#mode === UNTIL_CLOSE) {
      if (end > start) sink.onBody(bytes, start, end);
      return end;
    }
    const stop = Math.min(end, start + this.#remaining);
    this.#remaining -= stop - start;
    if (stop > start) sink.onBody(bytes, start, stop);
    if (this.#remaining === 0) sink.onBodyEnd(undefined);
    return stop;
  }
}
