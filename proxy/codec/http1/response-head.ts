/** Response heads from an upstream we do not trust: anything doubtful is a protocol error, 502 (proxy-semantics A.4, D.2 rows 17 to 19). */

import { VALUE } from './characters.ts';
import { FieldLines, parseFieldLines, type HeadText } from './field-lines.ts';
import { bodyLength, CHUNKED, connectionOptions, UNTIL_CLOSE, type ConnectionOptions } from './framing.ts';
import { CODEC_ERROR, type ParseError } from './parse-error.ts';

/** Envoy's limit for an upstream's head. */
export const MAX_RESPONSE_HEAD_BYTES = 80 * 1024;

/** A parsed response head. One object is reused: read it before the next head is parsed. */
export class ParsedResponse {
  status = 0;
  readonly fields: FieldLines = new FieldLines();
  /** Bytes, CHUNKED, UNTIL_CLOSE, or 0 for none. */
  bodyLength = 0;
  /** Content-Length as a number where one was sent (an answer to HEAD has one and no body). */
  declaredLength: number | undefined = undefined;
  /** The connection may carry another request after this answer. */
  reusable = false;
  readonly connection: ConnectionOptions = { close: false, keepAlive: false, upgrade: false };
}

/** Parses a complete head that answers a request of `method`. */
export function parseResponseHead(head: HeadText, method: string, response: ParsedResponse): ParseError | undefined {
  const { text } = head;
  response.fields.reset();
  const minor = text.charCodeAt(7);
  if (!text.startsWith('HTTP/1.') || (minor !== 0x31 && minor !== 0x30) || text.charCodeAt(8) !== 0x20) return CODEC_ERROR;
  const status = parseStatus(text);
  if (status < 100 || status > 599) return CODEC_ERROR;
  response.status = status;

  let i = 12;
  if (text.charCodeAt(i) === 0x20) while (VALUE[text.charCodeAt(i)] === 1) i++;
  if (text.charCodeAt(i) !== 0x0d || text.charCodeAt(i + 1) !== 0x0a) return CODEC_ERROR;
  const fieldError = parseFieldLines(head, i + 2, response.fields, true);
  if (fieldError !== undefined) return fieldError;

  const length = bodyLength(response.fields);
  if (typeof length === 'object') return length;
  // A forged nomination from an upstream harms nobody but itself: its error is no reason to refuse the answer.
  connectionOptions(response.fields, response.connection);
  const { close, keepAlive } = response.connection;
  response.reusable = !close && (minor === 0x31 || keepAlive);
  return frame(status, method, length, response);
}

function frame(status: number, method: string, length: number | undefined, response: ParsedResponse): ParseError | undefined {
  response.declaredLength = length !== undefined && length >= 0 ? length : undefined;
  if (status < 200) return length === undefined ? setLength(response, 0) : CODEC_ERROR;
  if (status === 204) return length === undefined || length === 0 ? setLength(response, 0) : CODEC_ERROR;
  if (status === 304 || method === 'HEAD') return setLength(response, 0);
  if (length === undefined) {
    response.reusable = false;
    return setLength(response, UNTIL_CLOSE);
  }
  return setLength(response, length === CHUNKED ? CHUNKED : length);
}

function setLength(response: ParsedResponse, length: number): undefined {
  response.bodyLength = length;
  return undefined;
}

function parseStatus(text: string): number {
  const hundreds = text.charCodeAt(9) - 0x30;
  const tens = text.charCodeAt(10) - 0x30;
  const ones = text.charCodeAt(11) - 0x30;
  if (hundreds < 0 || hundreds > 9 || tens < 0 || tens > 9 || ones < 0 || ones > 9) return 0;
  return hundreds * 100 + tens * 10 + ones;
}
