/**
 * A second, deliberately plain reading of HTTP/1 for both ends of a test: whatever the proxy's own codec believes, the
 * bytes it wrote are read here again, names and spelling kept as sent.
 */

export type HeaderLines = readonly (readonly [name: string, value: string])[];

export interface Http1Head {
  /** Request line or status line, without its CRLF. */
  readonly startLine: string;
  /** As sent: case, order and repetition kept. */
  readonly headers: HeaderLines;
  /** The head's bytes as latin1, its empty line included. */
  readonly raw: string;
}

export interface Http1Events {
  onHead(head: Http1Head): void;
  /** Framing removed. */
  onBody(bytes: Buffer): void;
  onEnd(trailers: HeaderLines): void;
  /** Responses only: true when the message now beginning has no body whatever its head says (HEAD). */
  bodyless?(): boolean;
}

type State =
  | { readonly kind: 'head' }
  | { readonly kind: 'length'; left: number }
  | { readonly kind: 'chunk-size' }
  | { readonly kind: 'chunk-bytes'; left: number }
  | { readonly kind: 'trailers' }
  | { readonly kind: 'until-close' };

/** Every value of `name`, whatever its case, joined as a reader of the list would join them; undefined without one. */
export function headerOf(headers: HeaderLines, name: string): string | undefined {
  const values = headers.filter(([candidate]) => candidate.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
  return values.length === 0 ? undefined : values.join(', ');
}

/** Feed it bytes; it reports messages one after the other. Throws on bytes that are no HTTP/1. */
export class Http1Reader {
  readonly #kind: 'request' | 'response';
  readonly #events: Http1Events;
  #state: State = { kind: 'head' };
  #rest: Buffer = Buffer.alloc(0);

  constructor(kind: 'request' | 'response', events: Http1Events) {
    this.#kind = kind;
    this.#events = events;
  }

  push(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length > 0 && this.#step()) continue;
  }

  /** The peer sent its last byte: ends a body that is delimited by it. Returns false when a message was cut short. */
  finish(): boolean {
    if (this.#state.kind === 'until-close') this.#complete([]);
    return this.#state.kind === 'head' && this.#rest.length === 0;
  }

  /** True when it used some of the bytes. */
  #step(): boolean {
    const state = this.#state;
    switch (state.kind) {
      case 'head':
        return this.#head();
      case 'length':
        return this.#bytes(state, () => this.#complete([]));
      case 'chunk-size':
        return this.#chunkSize();
      case 'chunk-bytes':
        return this.#chunkBytes(state);
      case 'trailers':
        return this.#trailers();
      case 'until-close':
        this.#events.onBody(this.#take(this.#rest.length));
        return true;
    }
  }

  #head(): boolean {
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const raw = this.#take(end + 4).toString('latin1');
    const [startLine = '', ...lines] = raw.slice(0, -4).split('\r\n');
    const head = { startLine, headers: lines.map(splitLine), raw };
    // Asked before the head is reported: a reader of the head may at once expect the next answer.
    const bodyless = this.#kind === 'response' && (/^\S+ (1\d\d|204|304)\b/.test(startLine) || this.#events.bodyless?.() === true);
    this.#events.onHead(head);
    this.#begin(head, bodyless);
    return true;
  }

  #begin(head: Http1Head, bodyless: boolean): void {
    const length = headerOf(head.headers, 'content-length');
    if (bodyless) this.#complete([]);
    else if (/\bchunked\b/i.test(headerOf(head.headers, 'transfer-encoding') ?? '')) this.#state = { kind: 'chunk-size' };
    else if (length !== undefined) this.#state = { kind: 'length', left: Number(length) };
    else if (this.#kind === 'response') this.#state = { kind: 'until-close' };
    else this.#complete([]);
    if (this.#state.kind === 'length' && this.#state.left === 0) this.#complete([]);
  }

  #chunkSize(): boolean {
    const line = this.#line();
    if (line === undefined) return false;
    if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`chunk size line ${JSON.stringify(line)}`);
    const size = Number.parseInt(line, 16);
    this.#state = size === 0 ? { kind: 'trailers' } : { kind: 'chunk-bytes', left: size };
    return true;
  }

  #chunkBytes(state: { readonly kind: 'chunk-bytes'; left: number }): boolean {
    if (state.left > 0) return this.#bytes(state, () => {});
    const line = this.#line();
    if (line === undefined) return false;
    if (line !== '') throw new Error(`after chunk data: ${JSON.stringify(line)}`);
    this.#state = { kind: 'chunk-size' };
    return true;
  }

  #trailers(): boolean {
    if (this.#rest.subarray(0, 2).toString() === '\r\n') {
      this.#take(2);
      this.#complete([]);
      return true;
    }
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const lines = this.#take(end + 4).toString('latin1').slice(0, -4).split('\r\n');
    this.#complete(lines.map(splitLine));
    return true;
  }

  #bytes(state: { left: number }, done: () => void): boolean {
    const bytes = this.#take(Math.min(state.left, this.#rest.length));
    state.left -= bytes.length;
    this.#events.onBody(bytes);
    if (state.left === 0) done();
    return true;
  }

  #complete(trailers: HeaderLines): void {
    this.#state = { kind: 'head' };
    this.#events.onEnd(trailers);
  }

  #line(): string | undefined {
    const end = this.#rest.indexOf('\r\n');
    if (end < 0) return undefined;
    return this.#take(end + 2).toString('latin1').slice(0, -2);
  }

  #take(length: number): Buffer {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }
}

function splitLine(line: string): readonly [string, string] {
  const colon = line.indexOf(':');
  if (colon <= 0) throw new Error(`header line ${JSON.stringify(line)}`);
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}
