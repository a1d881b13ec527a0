/** Why a message was refused by the codec: the reply it gets and the detail string Envoy logs. */

export interface ParseError {
  readonly status: number;
  /** `response_code_details`. */
  readonly details: string;
}

function parseError(status: number, details: string): ParseError {
  return { status, details };
}

export const CODEC_ERROR: ParseError = parseError(400, 'http1.codec_error');
export const INVALID_CHARACTERS: ParseError = parseError(400, 'http1.invalid_characters');
export const INVALID_SCHEME: ParseError = parseError(400, 'http1.invalid_scheme');
export const INVALID_AUTHORITY: ParseError = parseError(400, 'http.invalid_authority');
export const LENGTH_AND_CHUNKED: ParseError = parseError(400, 'http1.content_length_and_chunked_not_allowed');
export const INVALID_TRANSFER_ENCODING: ParseError = parseError(501, 'http1.invalid_transfer_encoding');
export const HEADERS_TOO_LARGE: ParseError = parseError(431, 'http1.headers_too_large');
export const HEADER_TIMEOUT: ParseError = parseError(408, 'request_header_timeout');
export const TOO_MANY_HEADERS: ParseError = parseError(431, 'http1.too_many_headers');
/** HTTP/1.0, HTTP/0.9 and one-digit versions other than 1.1 (Envoy without accept_http_10). */
export const LOW_VERSION: ParseError = parseError(426, 'low_version');
/** Connection names a header that decides who the client is, or a pseudo-header (proxy-semantics D.2 row 33). */
export const NOMINATED_HEADER: ParseError = parseError(400, 'http1.connection_header_rejected');
export const CHUNK_EXTENSION_TOO_LARGE: ParseError = parseError(400, 'http1.chunk_extension_too_large');
