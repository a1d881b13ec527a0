/** Body framing and connection options of a head: the decisions request smuggling lives on (RFC 9112 6). */

import { Seen, type FieldLines } from './field-lines.ts';
import { CODEC_ERROR, INVALID_TRANSFER_ENCODING, LENGTH_AND_CHUNKED, NOMINATED_HEADER, type ParseError } from './parse-error.ts';

/** Body lengths that are not a byte count. */
export const CHUNKED = -1;
export const UNTIL_CLOSE = -2;

const DIGITS = /^[0-9]{1,20}$/;

/** Connection options of one message. */
export interface ConnectionOptions {
  close: boolean;
  keepAlive: boolean;
  upgrade: boolean;
}

/**
 * Body length in bytes, CHUNKED, or undefined where the message names none; or the error.
 * Stricter than RFC 9112 where proxies disagree: one Content-Length line of digits, `chunked` alone as the only
 * Transfer-Encoding line, never both.
 */
export function bodyLength(fields: FieldLines): number | undefined | ParseError {
  const { contentLength, transferEncoding } = fields;
  if (transferEncoding !== undefined) {
    if (fields.transferEncodingLines !== 1 || transferEncoding.toLowerCase() !== 'chunked') return INVALID_TRANSFER_ENCODING;
    return contentLength === undefined ? CHUNKED : LENGTH_AND_CHUNKED;
  }
  if (contentLength === undefined) return undefined;
  if (fields.contentLengthLines !== 1 || !DIGITS.test(contentLength)) return CODEC_ERROR;
  const length = Number(contentLength);
  return Number.isSafeInteger(length) ? length : CODEC_ERROR;
}

/** Headers that decide who the client is: naming them in Connection would remove them on the way (D.2 row 33). */
const SECURITY_CRITICAL: ReadonlySet<string> = new Set(['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']);
/** Named in Connection but handled by the codec anyway. */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'keep-alive', 'te', 'proxy-connection', 'http2-settings', '']);

/** Reads Connection, removes the headers it nominates from `fields.items`, and says what it asked for. */
export function connectionOptions(fields: FieldLines, options: ConnectionOptions): ParseError | undefined {
  options.close = false;
  options.keepAlive = false;
  options.upgrade = false;
  const value = fields.connection;
  if (value === undefined) return undefined;
  if (value === 'keep-alive' || value === 'close') {
    options.keepAlive = value === 'keep-alive';
    options.close = !options.keepAlive;
    return undefined;
  }
  for (const part of value.toLowerCase().split(',')) {
    const token = part.trim();
    if (token === 'keep-alive') options.keepAlive = true;
    else if (token === 'close') options.close = true;
    else if (token === 'upgrade') options.upgrade = true;
    else if (token === 'host') dropHost(fields);
    else if (SECURITY_CRITICAL.has(token) || token.startsWith(':')) return NOMINATED_HEADER;
    else if (!FRAMING.has(token)) removeNominated(fields, token);
  }
  return undefined;
}

/** Value of the last Keep-Alive header and what it meant: one server says the same on every answer. */
let lastHint = '';
let lastHintMs = 0;

/** `Keep-Alive: timeout=5`: how long the peer says it keeps an idle connection, milliseconds; undefined where it does not say. */
export function keepAliveHint(fields: FieldLines): number | undefined {
  const { keepAlive } = fields;
  if (keepAlive === undefined) return undefined;
  if (keepAlive !== lastHint) {
    lastHint = keepAlive;
    const seconds = /(?:^|[,;\s])timeout\s*=\s*(\d{1,6})/i.exec(keepAlive)?.[1];
    lastHintMs = seconds === undefined ? -1 : Number(seconds) * 1000;
  }
  return lastHintMs < 0 ? undefined : lastHintMs;
}

/** TE is connection-specific but for `trailers`, which says that the recipient keeps them. */
export function acceptsTrailers(fields: FieldLines): boolean {
  return fields.te !== undefined && fields.te.toLowerCase().split(',').some((part) => part.trim() === 'trailers');
}

/** Host nominated away is Host missing: the connection manager answers 400. */
function dropHost(fields: FieldLines): void {
  fields.host = undefined;
  fields.hostLines = 0;
}

/** What is written where it was not seen: a header that was nominated away must not count as seen. */
const WRITTEN_WHEN_ABSENT: ReadonlyMap<string, number> = new Map([['x-request-id', Seen.XRequestId], ['date', Seen.Date]]);

function removeNominated(fields: FieldLines, name: string): void {
  fields.seen &= ~(WRITTEN_WHEN_ABSENT.get(name) ?? 0);
  const { items } = fields;
  for (let i = items.length - 2; i >= 0; i -= 2) if (items[i] === name) items.splice(i, 2);
}
