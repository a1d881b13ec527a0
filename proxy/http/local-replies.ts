/** Local replies the connection manager gives, and their bytes (proxy-semantics A.3, A.4). */

import { HeaderList } from '../stream/header-list.ts';
import type { LocalReply } from '../stream/local-reply.ts';
import { ResponseFlag } from '../stream/response-flags.ts';
import type { ResponseHead } from '../stream/stream.ts';

export const MISSING_HOST: LocalReply = { status: 400, body: '', flags: 0, details: 'missing_host_header', close: true };
export const ABSOLUTE_PATH_REJECTED: LocalReply = { status: 404, body: '', flags: 0, details: 'absolute_path_rejected' };
export const PATH_NORMALIZATION_FAILED: LocalReply = { status: 400, body: '', flags: 0, details: 'path_normalization_failed', close: true };
export const ROUTE_NOT_FOUND: LocalReply = { status: 404, body: '', flags: ResponseFlag.NoRoute, details: 'route_not_found' };
/** The connection's server name led to one server of the port, the host is another's (RFC 9110 section 15.5.20): a new connection finds it. */
export const MISDIRECTED: LocalReply = { status: 421, body: '', flags: ResponseFlag.NoRoute, details: 'misdirected_request', close: true };
export const CONNECT_NOT_FOUND: LocalReply = { ...ROUTE_NOT_FOUND, close: true };
export const UPGRADE_FAILED: LocalReply = { status: 403, body: '', flags: 0, details: 'upgrade_failed', close: true };
export const INTERNAL_ERROR: LocalReply = { status: 500, body: '', flags: 0, details: 'internal_error', close: true };

/** HTTP status → gRPC status of the proxy's own replies (proxy-semantics A.4). */
const GRPC_STATUS: Readonly<Record<number, number>> = { 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14 };

export interface LocalResponse {
  readonly head: ResponseHead;
  readonly body: Buffer | undefined;
}

/** `application/grpc`, with or without a suffix such as `+proto`; grpc-web is another protocol. */
export function isGrpc(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/grpc(?:$|[+;])/i.test(contentType);
}

/** The response that carries `reply`; a gRPC request gets HTTP 200 with grpc-status and grpc-message. */
export function localResponse(reply: LocalReply, grpc: boolean): LocalResponse {
  const headers = new HeaderList(reply.headers === undefined ? [] : [...reply.headers]);
  if (grpc) {
    headers.add('content-type', 'application/grpc');
    headers.add('grpc-status', String(reply.grpcStatus ?? GRPC_STATUS[reply.status] ?? 2));
    if (reply.body !== '') headers.add('grpc-message', encodeGrpcMessage(reply.body));
    return { head: { status: 200, headers }, body: undefined };
  }
  const body = reply.bytes ?? (reply.body === '' ? undefined : Buffer.from(reply.body, 'utf8'));
  if (body !== undefined && !headers.has('content-type')) headers.add('content-type', 'text/plain');
  return { head: { status: reply.status, headers }, body };
}

/** Percent-encoding of the gRPC wire format: everything outside 0x20 to 0x7e, and `%`. */
function encodeGrpcMessage(message: string): string {
  let text = '';
  for (const byte of Buffer.from(message, 'utf8')) {
    text += byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}
