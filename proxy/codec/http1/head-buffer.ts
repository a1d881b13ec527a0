/** Finds the end of a head in what has been read, and keeps an incomplete one until the rest comes. */

import '../../base/read-buffer.ts';
import { HEAD_END, type HeadText } from './field-lines.ts';

/** How much of a read is looked at before the end of the head is searched in all of it. */
const WINDOW_BYTES = 4096;

const NOTHING = Buffer.alloc(0);

export class HeadBuffer implements HeadText {
  /** Text of the head that `take` found; a little more may follow its empty line. */
  text = '';
  bytes: Buffer = NOTHING;
  base = 0;
  /** Bytes of that head, its empty line included. */
  length = 0;
  /** The incomplete head so far. */
  partial: Buffer | undefined;
  /** Bytes of `partial` that an earlier `take` had kept already. */
  keptBefore = 0;
  readonly #skipsEmptyLines: boolean;

  /** `skipsEmptyLines`: a robust server ignores empty lines before a request line (RFC 9112 2.2). */
  constructor(skipsEmptyLines: boolean) {
    this.#skipsEmptyLines = skipsEmptyLines;
  }

  /** Position in `bytes` after the head, with `text` and `length` set; -1 when it is incomplete and kept in `partial`. */
  take(bytes: Buffer, from: number, end: number): number {
    if (this.partial !== undefined) return this.#join(this.partial, bytes, from, end);
    const start = this.#skipsEmptyLines ? afterEmptyLines(bytes, from, end) : from;
    if (start < end) {
      const window = bytes.latin1Slice(start, Math.min(end, start + WINDOW_BYTES));
      const close = window.indexOf(HEAD_END);
      if (close >= 0) return this.#found(window, bytes, start, close + 4, start + close + 4);
    }
    const far = end - start > WINDOW_BYTES ? bytes.subarray(0, end).indexOf(HEAD_END, start, 'latin1') : -1;
    if (far >= 0) return this.#found(bytes.latin1Slice(start, far + 4), bytes, start, far + 4 - start, far + 4);
    this.partial = start < end ? Buffer.from(bytes.subarray(start, end)) : undefined;
    this.keptBefore = 0;
    return -1;
  }

  clear(): void {
    this.partial = undefined;
  }

  #join(kept: Buffer, bytes: Buffer, from: number, end: number): number {
    const joined = Buffer.concat([kept, bytes.subarray(from, end)]);
    const start = this.#skipsEmptyLines ? afterEmptyLines(joined, 0, joined.length) : 0;
    const close = joined.indexOf(HEAD_END, Math.max(start, kept.length - 3), 'latin1');
    if (close < 0) {
      this.partial = joined.subarray(start);
      this.keptBefore = Math.max(0, kept.length - start);
      return -1;
    }
    this.partial = undefined;
    return this.#found(joined.latin1Slice(start, close + 4), joined, start, close + 4 - start, from + (close + 4 - kept.length));
  }

  #found(text: string, bytes: Buffer, base: number, length: number, next: number): number {
    this.text = text;
    this.bytes = bytes;
    this.base = base;
    this.length = length;
    return next;
  }
}

function afterEmptyLines(bytes: Buffer, from: number, end: number): number {
  let start = from;
  while (start + 1 < end && bytes[start] === 0x0d && bytes[start + 1] === 0x0a) start += 2;
  return start;
}
