/** Request heads: request line, Host, framing (RFC 9112 3 to 6), as strict as proxy-semantics D.2 asks. */

import { HOST, TARGET, TOKEN } from './characters.ts';
import { FieldLines, isControl, parseFieldLines, type HeadText } from './field-lines.ts';
import { acceptsTrailers, bodyLength, connectionOptions, type ConnectionOptions } from './framing.ts';
import {
  CODEC_ERROR,
  HEADERS_TOO_LARGE,
  INVALID_AUTHORITY,
  INVALID_CHARACTERS,
  INVALID_SCHEME,
  LOW_VERSION,
  type ParseError,
} from './parse-error.ts';

/** Envoy's max_request_headers_kb of 60: the head's bytes, request line included. */
export const MAX_REQUEST_HEAD_BYTES = 60 * 1024;

/** The methods Envoy's HTTP/1 codec knows; any other is 400, case-sensitively (proxy-semantics A.11). */
const METHODS: ReadonlySet<string> = new Set(
  (
    'ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE MSEARCH NOTIFY OPTIONS ' +
    'PATCH POST PROPFIND PROPPATCH PURGE PUT REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE'
  ).split(' '),
);

/** A parsed request head. One object is reused: read it before the next head is parsed. */
export class ParsedRequest {
  method = '';
  /** Origin-form path with query, `*`, or what stood there where it is neither; for CONNECT empty. */
  path = '';
  /** Lower case, port included; empty where the request names none. */
  authority = '';
  /** `http` or `https` of an absolute-form target, else empty. */
  scheme = '';
  readonly fields: FieldLines = new FieldLines();
  /** Bytes, CHUNKED, or 0 for none. */
  bodyLength = 0;
  /** The message named a length or an encoding (a body of 0 bytes counts). */
  framed = false;
  readonly connection: ConnectionOptions = { close: false, keepAlive: false, upgrade: false };
  trailersAccepted = false;
}

/** Parses a complete head. Returns the error, or undefined. */
export function parseRequestHead(head: HeadText, request: ParsedRequest): ParseError | undefined {
  const { text } = head;
  request.fields.reset();
  request.authority = '';
  request.scheme = '';

  const methodEnd = text.indexOf(' ');
  const method = methodEnd === 3 && text.startsWith('GET') ? 'GET' : text.slice(0, Math.max(methodEnd, 0));
  if (method !== 'GET' && !METHODS.has(method)) return startsWithControl(text) ? INVALID_CHARACTERS : CODEC_ERROR;
  request.method = method;

  const targetStart = methodEnd + 1;
  let i = targetStart;
  while (TARGET[text.charCodeAt(i)] === 1) i++;
  if (isControl(text.charCodeAt(i))) return INVALID_CHARACTERS;
  if (i === targetStart) return CODEC_ERROR;
  const target = text.slice(targetStart, i);
  const versionError = text.startsWith(' HTTP/1.1\r\n', i) ? undefined : classifyVersion(text, i, target);
  if (versionError !== undefined) return versionError;

  const fieldError = parseFieldLines(head, i + 11, request.fields, false);
  if (fieldError !== undefined) return fieldError;
  const length = bodyLength(request.fields);
  if (typeof length === 'object') return length;
  request.framed = length !== undefined;
  request.bodyLength = length ?? 0;
  const connectionError = connectionOptions(request.fields, request.connection);
  if (connectionError !== undefined) return connectionError;
  request.trailersAccepted = acceptsTrailers(request.fields);
  return parseTarget(target, request);
}

/**
 * What is wrong with the first bytes of a head that is not complete yet, so that garbage (a TLS hello, a bare line
 * feed) is refused at once and not when the header timeout ends. `bytes[start, end)` is new; `previous` the byte before it.
 */
export function precheck(bytes: Buffer, start: number, end: number, previous: number): ParseError | undefined {
  let before = previous;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x0a ? before !== 0x0d : before === 0x0d) return CODEC_ERROR;
    if (byte === 0) return CODEC_ERROR;
    before = byte;
  }
  return undefined;
}

/** A request line whose first token can be no method. */
export function precheckMethod(bytes: Buffer, start: number, end: number): ParseError | undefined {
  const limit = Math.min(end, start + 32);
  for (let i = start; i < limit; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x20 && i > start) return undefined;
    if (TOKEN[byte] !== 1) return CODEC_ERROR;
  }
  return limit === start + 32 ? CODEC_ERROR : undefined;
}

/** What is wrong with an incomplete head whose first `checked` bytes have been looked at before. */
export function checkPartialHead(partial: Buffer, checked: number): ParseError | undefined {
  if (partial.length > MAX_REQUEST_HEAD_BYTES) return HEADERS_TOO_LARGE;
  const previous = checked === 0 ? 0 : (partial[checked - 1] as number);
  return precheck(partial, checked, partial.length, previous) ?? precheckMethod(partial, partial[0] === 0x0d ? 1 : 0, partial.length);
}

/** A control before the first blank: no method has one. */
function startsWithControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    if (byte === 0x20 || byte === 0x0d) return false;
    if (isControl(byte)) return true;
  }
  return false;
}

function classifyVersion(text: string, position: number, target: string): ParseError {
  const lineEnd = text.indexOf('\r\n', position);
  const rest = text.slice(position, lineEnd < 0 ? undefined : lineEnd);
  if (rest === '') return target.startsWith('/') ? LOW_VERSION : CODEC_ERROR;
  return /^ HTTP\/[0-9]\.[0-9]$/.test(rest) ? LOW_VERSION : CODEC_ERROR;
}

function parseTarget(target: string, request: ParsedRequest): ParseError | undefined {
  const { fields } = request;
  if (fields.hostLines > 1) return INVALID_AUTHORITY;
  if (fields.host !== undefined && fields.hostLines === 1) {
    const authority = parseAuthority(fields.host);
    if (authority === undefined && target.charCodeAt(0) === 0x2f) return INVALID_AUTHORITY;
    request.authority = authority ?? '';
  }
  if (target.charCodeAt(0) === 0x2f && request.method !== 'CONNECT') {
    request.path = target;
    return undefined;
  }
  if (request.method === 'CONNECT') return parseConnectTarget(target, request);
  if (target === '*') {
    request.path = target;
    return undefined;
  }
  return parseAbsoluteForm(target, request);
}

function parseConnectTarget(target: string, request: ParsedRequest): ParseError | undefined {
  const authority = parseAuthority(target);
  if (authority === undefined || !/:[0-9]+$/.test(authority)) return CODEC_ERROR;
  request.authority = authority;
  request.path = '';
  return undefined;
}

function parseAbsoluteForm(target: string, request: ParsedRequest): ParseError | undefined {
  const parts = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(.*)$/.exec(target);
  if (parts === null) return CODEC_ERROR;
  const scheme = (parts[1] as string).toLowerCase();
  if (scheme !== 'http' && scheme !== 'https') return INVALID_SCHEME;
  const written = parts[2] as string;
  const authority = parseAuthority(written.slice(written.lastIndexOf('@') + 1));
  if (authority === undefined) return INVALID_AUTHORITY;
  const rest = parts[3] as string;
  request.scheme = scheme;
  request.authority = authority;
  request.path = rest === '' ? '/' : rest;
  return undefined;
}

/** Hosts seen before, so that a busy host costs one lookup; cleared when hostile variety fills it. */
const authorities = new Map<string, string | undefined>();
const AUTHORITY_CACHE_LIMIT = 1024;

/** Lower-case authority, or undefined where it is none (RFC 9110 4.2.1; empty, userinfo, bad port or character). */
export function parseAuthority(text: string): string | undefined {
  const cached = authorities.get(text);
  if (cached !== undefined) return cached;
  if (!isAuthority(text)) return undefined;
  if (authorities.size >= AUTHORITY_CACHE_LIMIT) authorities.clear();
  // Copied: a slice would keep the head it was cut from alive.
  const key = Buffer.from(text, 'latin1').toString('latin1');
  const lower = key.toLowerCase();
  if (key.length <= 255) authorities.set(key, lower);
  return lower;
}

function isAuthority(text: string): boolean {
  let i = 0;
  if (text.charCodeAt(0) === 0x5b) {
    i = text.indexOf(']') + 1;
    if (i === 0 || !/^\[[0-9A-Fa-f:.]+\]$/.test(text.slice(0, i))) return false;
  } else {
    while (HOST[text.charCodeAt(i)] === 1) i++;
    if (i === 0) return false;
  }
  if (i === text.length) return true;
  if (text.charCodeAt(i) !== 0x3a) return false;
  const port = text.slice(i + 1);
  return /^[0-9]{1,5}$/.test(port) && Number(port) <= 65535;
}
