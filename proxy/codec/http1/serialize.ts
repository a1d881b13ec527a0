/** Heads to HTTP/1.1 text. Framing is always the codec's: a length or encoding among the headers is not written. */

import { STATUS_CODES } from 'node:http';
import { Framing } from '../codec.ts';

const STATUS_LINES: readonly string[] = Array.from({ length: 600 }, (_, status) => `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`);

export function statusLine(status: number): string {
  return STATUS_LINES[status] ?? `HTTP/1.1 ${status} Unknown\r\n`;
}

/** `method target HTTP/1.1`, host, headers, framing, empty line. */
export function requestHeadText(method: string, target: string, authority: string, items: readonly string[], framing: number, trailers: boolean): string {
  let text = `${method} ${target} HTTP/1.1\r\nhost: ${authority}\r\n`;
  text += fieldText(items);
  if (trailers) text += 'te: trailers\r\n';
  return text + framingText(framing);
}

/** Status line, headers, framing, optional `connection: close`, empty line. */
export function responseHeadText(status: number, items: readonly string[], framing: number, close: boolean): string {
  const text = statusLine(status) + fieldText(items);
  return (close ? `${text}connection: close\r\n` : text) + framingText(framing);
}

/** Header lines without those that frame the message. */
export function fieldText(items: readonly string[]): string {
  let text = '';
  for (let i = 0; i < items.length; i += 2) {
    const name = items[i] as string;
    if (isFraming(name)) continue;
    text += `${name}: ${items[i + 1] as string}\r\n`;
  }
  return text;
}

function framingText(framing: number): string {
  if (framing >= 0) return `content-length: ${framing}\r\n\r\n`;
  return framing === Framing.Chunked ? 'transfer-encoding: chunked\r\n\r\n' : '\r\n';
}

function isFraming(name: string): boolean {
  switch (name.length) {
    case 10:
      return name === 'connection';
    case 14:
      return name === 'content-length';
    case 17:
      return name === 'transfer-encoding';
    default:
      return false;
  }
}

/** The whole reply to a message the codec refused: reason phrase as body, connection closed (proxy-semantics A.3). */
export function codecErrorText(error: { readonly status: number; readonly details: string }, date: string): string {
  const body = error.details === 'request_header_timeout' ? 'request header timeout' : (STATUS_CODES[error.status] ?? '');
  return `${statusLine(error.status)}content-length: ${body.length}\r\ncontent-type: text/plain\r\nserver: ${SERVER_NAME}\r\ndate: ${date}\r\nconnection: close\r\n\r\n${body}`;
}

/** What `server` says on every response (interface.md). */
export const SERVER_NAME = 'outrider';
