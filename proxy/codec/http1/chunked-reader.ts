/** Chunked transfer coding, read strictly (RFC 9112 7.1; proxy-semantics D.2 rows 9 to 12). Pure but for its own state. */

import '../../base/read-buffer.ts';
import { HEX } from './characters.ts';
import { FieldLines, HEAD_END, parseFieldLines } from './field-lines.ts';
import { CHUNK_EXTENSION_TOO_LARGE, CODEC_ERROR, HEADERS_TOO_LARGE, type ParseError } from './parse-error.ts';

/** Where the decoded bytes go. A chunk is valid only during the call. */
export interface BodySink {
  onBody(bytes: Buffer, start: number, end: number): void;
  /** `trailers` as name, value, …; undefined when there were none. */
  onBodyEnd(trailers: string[] | undefined): void;
}

/** All extensions of one body together; they are dropped, so more than this is only an attack. */
const MAX_EXTENSION_BYTES = 16 * 1024;
const MAX_TRAILER_BYTES = 60 * 1024;
/** 13 hexadecimal digits stay below 2^53. */
const MAX_SIZE_DIGITS = 13;

/** Fields that must not come late: framing, routing, identity (RFC 9110 6.5.1). */
const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  'authorization', 'proxy-authorization', 'proxy-authenticate', 'www-authenticate', 'cookie', 'set-cookie', 'content-encoding',
  'content-type', 'content-range', 'cache-control', 'expect', 'max-forwards', 'range', 'trailer', 'x-forwarded-for',
  'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-client-cert', 'x-request-id',
]);

const State = { Size: 0, Extension: 1, SizeLf: 2, Bytes: 3, BytesCr: 4, BytesLf: 5, Trailers: 6, Done: 7 } as const;

const trailerFields = new FieldLines();

export class ChunkedReader {
  #state: number = State.Size;
  #remaining = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailerText = '';
  /** Set once `read` has returned -1. */
  error: ParseError = CODEC_ERROR;

  reset(): void {
    this.#state = State.Size;
    this.#remaining = 0;
    this.#digits = 0;
    this.#extensionBytes = 0;
    this.#trailerText = '';
    this.error = CODEC_ERROR;
  }

  get done(): boolean {
    return this.#state === State.Done;
  }

  /** Feeds `bytes[start, end)`; returns the position after what was consumed (less than `end` only when done), or -1. */
  read(bytes: Buffer, start: number, end: number, sink: BodySink): number {
    let i = start;
    while (i < end) {
      switch (this.#state) {
        case State.Bytes: {
          const stop = Math.min(end, i + this.#remaining);
          sink.onBody(bytes, i, stop);
          this.#remaining -= stop - i;
          i = stop;
          if (this.#remaining === 0) this.#state = State.BytesCr;
          break;
        }
        case State.Trailers:
          i = this.#readTrailers(bytes, i, end, sink);
          if (i < 0 || this.done) return i;
          break;
        case State.Done:
          return i;
        default:
          if (!this.#readControl(bytes[i] as number)) return -1;
          i++;
      }
    }
    return i;
  }

  /** One byte of the size line or of the line end behind chunk data. */
  #readControl(byte: number): boolean {
    switch (this.#state) {
      case State.Size:
        return this.#readSize(byte);
      case State.Extension:
        return this.#readExtension(byte);
      case State.SizeLf:
        if (byte !== 0x0a) return false;
        this.#state = this.#remaining === 0 ? State.Trailers : State.Bytes;
        this.#digits = 0;
        return true;
      case State.BytesCr:
        this.#state = State.BytesLf;
        return byte === 0x0d;
      default:
        this.#state = State.Size;
        return byte === 0x0a;
    }
  }

  #readSize(byte: number): boolean {
    const digit = HEX[byte] as number;
    if (digit !== 255) {
      this.#remaining = this.#remaining * 16 + digit;
      return ++this.#digits <= MAX_SIZE_DIGITS;
    }
    if (this.#digits === 0) return false;
    if (byte === 0x0d) this.#state = State.SizeLf;
    else if (byte === 0x3b) this.#state = State.Extension;
    else return false;
    return true;
  }

  #readExtension(byte: number): boolean {
    if (byte === 0x0d) {
      this.#state = State.SizeLf;
      return true;
    }
    if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) return false;
    if (++this.#extensionBytes <= MAX_EXTENSION_BYTES) return true;
    this.error = CHUNK_EXTENSION_TOO_LARGE;
    return false;
  }

  #readTrailers(bytes: Buffer, start: number, end: number, sink: BodySink): number {
    if (this.#trailerText === '' && end - start >= 2 && bytes[start] === 0x0d && bytes[start + 1] === 0x0a) {
      this.#state = State.Done;
      sink.onBodyEnd(undefined);
      return start + 2;
    }
    const before = this.#trailerText.length;
    const text = this.#trailerText + bytes.latin1Slice(start, end);
    const close = text.startsWith('\r\n') ? -2 : text.indexOf(HEAD_END, Math.max(0, before - 3));
    if (close === -1) {
      if (text.length > MAX_TRAILER_BYTES) this.error = HEADERS_TOO_LARGE;
      this.#trailerText = text;
      return text.length > MAX_TRAILER_BYTES || /[^\r]\n|\r[^\n]/.test(text.slice(Math.max(0, before - 1))) ? -1 : end;
    }
    const stop = close + 4;
    const trailers = stop === 2 ? [] : parseTrailers(text.slice(0, stop));
    if (!Array.isArray(trailers)) {
      this.error = trailers;
      return -1;
    }
    this.#state = State.Done;
    sink.onBodyEnd(trailers.length === 0 ? undefined : trailers);
    return start + stop - before;
  }
}

/** Trailer fields without those that may not come late; or what is wrong. */
function parseTrailers(text: string): string[] | ParseError {
  if (text.length > MAX_TRAILER_BYTES) return HEADERS_TOO_LARGE;
  trailerFields.reset();
  const error = parseFieldLines({ text, bytes: Buffer.from(text, 'latin1'), base: 0 }, 0, trailerFields, false);
  if (error !== undefined) return error;
  const kept: string[] = [];
  for (let i = 0; i < trailerFields.items.length; i += 2) {
    const name = trailerFields.items[i] as string;
    if (!FORBIDDEN_TRAILERS.has(name) && !name.startsWith('x-envoy-')) kept.push(name, trailerFields.items[i + 1] as string);
  }
  return kept;
}
