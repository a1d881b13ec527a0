/**
 * Header field lines of a complete head, shared by requests, responses and trailers: strict syntax, interned names,
 * connection-specific headers taken out and kept as facts (RFC 9110 7.6.1, RFC 9112 5 and 6).
 */

import { LOWER_TOKEN, VALUE } from './characters.ts';
import { addToNameHash, HeaderKind, internHeaderName } from './header-names.ts';
import { CODEC_ERROR, INVALID_CHARACTERS, TOO_MANY_HEADERS, type ParseError } from './parse-error.ts';

/** Envoy's and Istio's limit on header lines; Host counts. */
export const MAX_HEADER_LINES = 100;

/** Bits of FieldLines.seen. */
export const Seen = {
  XForwardedProto: 1,
  XForwardedFor: 2,
  XRequestId: 4,
  Date: 8,
  Server: 16,
  EdgeControl: 32,
  UpstreamServiceTime: 64,
  Expect: 128,
  /** More than one x-request-id, x-forwarded-proto … is possible; `has` is all these bits say. */
} as const;

/** What the field lines of one head said. One object is reused for every head of the process: read it before parsing the next. */
export class FieldLines {
  /** name, value, … without connection-specific headers; content-length and host stay out of it too. */
  items: string[] = [];
  seen = 0;
  lines = 0;
  host: string | undefined = undefined;
  hostLines = 0;
  contentLength: string | undefined = undefined;
  contentLengthLines = 0;
  transferEncoding: string | undefined = undefined;
  transferEncodingLines = 0;
  /** Connection values joined by a comma, as received. */
  connection: string | undefined = undefined;
  upgrade: string | undefined = undefined;
  te: string | undefined = undefined;
  keepAlive: string | undefined = undefined;

  reset(): void {
    this.items = [];
    this.seen = 0;
    this.lines = 0;
    this.host = undefined;
    this.hostLines = 0;
    this.contentLength = undefined;
    this.contentLengthLines = 0;
    this.transferEncoding = undefined;
    this.transferEncodingLines = 0;
    this.connection = undefined;
    this.upgrade = undefined;
    this.te = undefined;
    this.keepAlive = undefined;
  }
}

/** A head as text, for cutting strings out of, and as the bytes it was made of, which are quicker to look at. */
export interface HeadText {
  readonly text: string;
  readonly bytes: Uint8Array;
  /** `text[i]` is `bytes[base + i]`. */
  readonly base: number;
}

/**
 * Parses `head` from `position` in its text to the empty line that ends it. Returns the error, or undefined.
 * `foldingAllowed`: replace an obsolete line fold by a blank (RFC 9112 5.2 permits it for responses only).
 */
export function parseFieldLines(head: HeadText, position: number, fields: FieldLines, foldingAllowed: boolean): ParseError | undefined {
  const { text, bytes, base } = head;
  const items = fields.items;
  let i = base + position;
  /** The line before went to `items`. A folded line that frames the message would mean one thing here and another elsewhere. */
  let foldable = false;
  for (;;) {
    let byte = bytes[i] as number;
    if (byte === 0x0d) return bytes[i + 1] === 0x0a ? undefined : CODEC_ERROR;
    if (byte === 0x20 || byte === 0x09) {
      if (!foldingAllowed || !foldable) return CODEC_ERROR;
      i = base + unfold(text, i - base, items);
      if (i < base) return INVALID_CHARACTERS;
      continue;
    }
    if (++fields.lines > MAX_HEADER_LINES) return TOO_MANY_HEADERS;

    const nameStart = i;
    let hash = 0;
    for (let lower = LOWER_TOKEN[byte] as number; lower !== 0; lower = LOWER_TOKEN[byte] as number) {
      hash = addToNameHash(hash, lower);
      byte = bytes[++i] as number;
    }
    if (byte !== 0x3a || i === nameStart) return isControl(byte) ? INVALID_CHARACTERS : CODEC_ERROR;
    const nameEnd = i;

    do byte = bytes[++i] as number;
    while (byte === 0x20 || byte === 0x09);
    const valueStart = i;
    while (VALUE[byte] === 1) byte = bytes[++i] as number;
    if (byte !== 0x0d || bytes[i + 1] !== 0x0a) return byte === 0x0d || byte === 0x0a ? CODEC_ERROR : INVALID_CHARACTERS;
    let valueEnd = i;
    while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1] as number)) valueEnd--;
    i += 2;

    const header = internHeaderName(bytes, nameStart, nameEnd, hash);
    const value = text.slice(valueStart - base, valueEnd - base);
    if (header.kind === HeaderKind.Other) {
      items.push(header.name, value);
      foldable = true;
      continue;
    }
    const before = items.length;
    takeKnown(header.kind, header.name, value, fields);
    foldable = items.length > before;
  }
}

/** Bytes that end a head. */
export const HEAD_END = '\r\n\r\n';

/** A control other than tab, CR and LF, or DEL: Envoy has a detail word of its own for them. */
export function isControl(byte: number): boolean {
  return byte === 0x7f || (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d);
}

function takeKnown(kind: number, name: string, value: string, fields: FieldLines): void {
  switch (kind) {
    case HeaderKind.Host:
      fields.hostLines++;
      fields.host = value;
      return;
    case HeaderKind.Connection:
      fields.connection = fields.connection === undefined ? value : `${fields.connection},${value}`;
      return;
    case HeaderKind.ContentLength:
      fields.contentLengthLines++;
      fields.contentLength = value;
      return;
    case HeaderKind.TransferEncoding:
      fields.transferEncodingLines++;
      fields.transferEncoding = value;
      return;
    case HeaderKind.Upgrade:
      fields.upgrade = fields.upgrade === undefined ? value : `${fields.upgrade},${value}`;
      return;
    case HeaderKind.Te:
      fields.te = fields.te === undefined ? value : `${fields.te},${value}`;
      return;
    case HeaderKind.KeepAlive:
      fields.keepAlive = value;
      return;
    case HeaderKind.ProxyConnection:
    case HeaderKind.Http2Settings:
      return;
    case HeaderKind.Expect:
      fields.seen |= Seen.Expect;
      break;
    case HeaderKind.XForwardedProto:
      fields.seen |= Seen.XForwardedProto;
      break;
    case HeaderKind.XForwardedFor:
      fields.seen |= Seen.XForwardedFor;
      break;
    case HeaderKind.XRequestId:
      fields.seen |= Seen.XRequestId;
      break;
    case HeaderKind.Date:
      fields.seen |= Seen.Date;
      break;
    case HeaderKind.Server:
      fields.seen |= Seen.Server;
      break;
    case HeaderKind.UpstreamServiceTime:
      fields.seen |= Seen.UpstreamServiceTime;
      break;
    default:
      fields.seen |= Seen.EdgeControl;
  }
  fields.items.push(name, value);
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09;
}

/** Appends a folded line to the last value; returns the position after it, or -1. */
function unfold(text: string, position: number, items: string[]): number {
  let i = position;
  while (VALUE[text.charCodeAt(i)] === 1) i++;
  if (text.charCodeAt(i) !== 0x0d || text.charCodeAt(i + 1) !== 0x0a) return -1;
  items[items.length - 1] += ` ${text.slice(position, i).trim()}`;
  return i + 2;
}
