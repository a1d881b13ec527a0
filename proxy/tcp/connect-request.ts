/** A tunnel through an upstream HTTP/1.1 proxy: the CONNECT that asks for it and the answer (RFC 9110 9.3.6; DestinationRule `tunnel`). */

/** An answer whose head is longer is not taken for one. */
const HEAD_LIMIT_BYTES = 16 * 1024;

export type ConnectAnswer =
  | { readonly kind: 'more' }
  /** Bytes behind the head belong to the tunnel. */
  | { readonly kind: 'open'; readonly rest: Buffer }
  /** Nothing is tunnelled. */
  | { readonly kind: 'refused'; readonly reason: string };

/** `authority`: `example.com:443`. */
export function connectRequest(authority: string): Buffer {
  return Buffer.from(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
}

/** `bytes`: everything received so far. Interim answers (1xx) are passed over. */
export function parseConnectAnswer(bytes: Buffer): ConnectAnswer {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return bytes.length > HEAD_LIMIT_BYTES ? { kind: 'refused', reason: 'the answer to CONNECT has no end' } : { kind: 'more' };
  const [, digits] = /^HTTP\/1\.[01] (\d{3})(?: |\r|$)/.exec(bytes.toString('latin1', 0, Math.min(end, 64))) ?? [];
  const status = Number(digits ?? 0);
  const rest = bytes.subarray(end + 4);
  if (status >= 200 && status < 300) return { kind: 'open', rest };
  if (status >= 100 && status < 200 && status !== 101) return parseConnectAnswer(rest);
  return { kind: 'refused', reason: digits === undefined ? 'the answer to CONNECT is not HTTP/1.1' : `CONNECT was answered ${status}` };
}
