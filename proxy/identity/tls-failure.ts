/** Failed handshakes as values: what OpenSSL or the peer said, in Envoy's words for the log and in plain ones for people. */

import type { TlsCounters, TlsFailure } from './tls-events.ts';

export const NOT_READY_REASON = 'TLS_error:Secret is not supplied by SDS';

export function secretNotReady(which: string): TlsFailure {
  return { kind: 'secret-not-ready', reason: NOT_READY_REASON, sentence: `secret not ready: ${which}` };
}

export function handshakeTimeout(seconds: number): TlsFailure {
  return { kind: 'timeout', reason: 'connect timeout', sentence: `TLS handshake was not over after ${seconds} s` };
}

export function peerGone(who: string): TlsFailure {
  return { kind: 'gone', reason: '', sentence: `${who} closed the connection during the TLS handshake` };
}

/** Of an error that node:tls reports before the handshake is over. */
export function handshakeFailure(error: NodeJS.ErrnoException, who: string): TlsFailure {
  const code = error.code ?? '';
  if (!code.startsWith('ERR_SSL_')) {
    return CLOSED.has(code) ? peerGone(who) : { kind: 'protocol', reason: `TLS_error:${code}`, sentence: `TLS handshake with the ${who} failed: ${error.message}` };
  }
  // OpenSSL 3.2 renamed the alerts of SSL 3.
  const name = code.slice('ERR_SSL_'.length).replace(/^SSL\/TLS_ALERT_/, 'SSLV3_ALERT_');
  if (name === 'PEER_DID_NOT_RETURN_A_CERTIFICATE') return noCertificate(who);
  return { kind: 'protocol', reason: boringReason(name), sentence: `TLS handshake with the ${who} failed: ${plainWords(name, who)}` };
}

/** A certificate is required, and the peer showed none. */
export function noCertificate(who: string): TlsFailure {
  return { kind: 'no-certificate', reason: boringReason('PEER_DID_NOT_RETURN_A_CERTIFICATE', ':peer did not provide required client certificate'), sentence: `no ${who} certificate: one is required and none was sent` };
}

/** A certificate that was refused; `detail` as Envoy words it. */
export function verifyFailed(kind: 'untrusted' | 'san' | 'hash', detail: string, sentence: string): TlsFailure {
  return { kind, reason: boringReason('CERTIFICATE_VERIFY_FAILED', `:verify cert failed: ${detail}`), sentence };
}

/** Counted as Envoy does: refused certificates are no connection errors, and a peer that just left is none either. */
export function countFailure(counters: TlsCounters, { kind }: TlsFailure): void {
  switch (kind) {
    case 'secret-not-ready':
      counters.sslSecretsNotReady++;
      return;
    case 'no-certificate':
      counters.sslFailVerifyNoCert++;
      return;
    case 'untrusted':
      counters.sslFailVerifyError++;
      return;
    case 'san':
      counters.sslFailVerifySan++;
      return;
    case 'hash':
      counters.sslFailVerifyCertHash++;
      return;
    case 'protocol':
    case 'timeout':
      counters.sslConnectionError++;
      return;
    case 'gone':
      return;
    default:
      kind satisfies never;
  }
}

const CLOSED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);

/** BoringSSL writes a reason as library 16 in the highest byte and its number below. */
const LIBRARY = 16 * 2 ** 24;

/** BoringSSL's numbers of the reasons that handshakes end with; alerts of the peer are 1000 and the alert. */
const REASONS: Readonly<Record<string, number>> = {
  BAD_DECRYPT: 101,
  CERTIFICATE_VERIFY_FAILED: 125,
  CLIENTHELLO_TLSEXT: 132,
  DECODE_ERROR: 137,
  DECRYPTION_FAILED_OR_BAD_RECORD_MAC: 139,
  DIGEST_CHECK_FAILED: 140,
  EXCESSIVE_MESSAGE_SIZE: 150,
  HTTP_REQUEST: 156,
  HTTPS_PROXY_REQUEST: 155,
  LENGTH_MISMATCH: 159,
  NO_RENEGOTIATION: 179,
  NO_SHARED_CIPHER: 184,
  PEER_DID_NOT_RETURN_A_CERTIFICATE: 192,
  UNEXPECTED_MESSAGE: 226,
  UNEXPECTED_RECORD: 227,
  UNSUPPORTED_PROTOCOL: 240,
  WRONG_VERSION_NUMBER: 247,
  NO_COMMON_SIGNATURE_ALGORITHMS: 253,
  NO_SHARED_GROUP: 266,
  UNEXPECTED_EOF_ON_READ: 294,
  SSLV3_ALERT_UNEXPECTED_MESSAGE: 1010,
  SSLV3_ALERT_BAD_RECORD_MAC: 1020,
  SSLV3_ALERT_HANDSHAKE_FAILURE: 1040,
  SSLV3_ALERT_BAD_CERTIFICATE: 1042,
  SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: 1043,
  SSLV3_ALERT_CERTIFICATE_REVOKED: 1044,
  SSLV3_ALERT_CERTIFICATE_EXPIRED: 1045,
  SSLV3_ALERT_CERTIFICATE_UNKNOWN: 1046,
  SSLV3_ALERT_ILLEGAL_PARAMETER: 1047,
  TLSV1_ALERT_UNKNOWN_CA: 1048,
  TLSV1_ALERT_ACCESS_DENIED: 1049,
  TLSV1_ALERT_DECODE_ERROR: 1050,
  TLSV1_ALERT_DECRYPT_ERROR: 1051,
  TLSV1_ALERT_PROTOCOL_VERSION: 1070,
  TLSV1_ALERT_INSUFFICIENT_SECURITY: 1071,
  TLSV1_ALERT_INTERNAL_ERROR: 1080,
  TLSV1_ALERT_USER_CANCELLED: 1090,
  TLSV1_UNRECOGNIZED_NAME: 1112,
  TLSV1_CERTIFICATE_REQUIRED: 1116,
  TLSV1_ALERT_NO_APPLICATION_PROTOCOL: 1120,
};

/** OpenSSL's names of what BoringSSL calls otherwise. */
const RENAMED: Readonly<Record<string, string>> = {
  TLSV13_ALERT_CERTIFICATE_REQUIRED: 'TLSV1_CERTIFICATE_REQUIRED',
  'TLSV1_ALERT_UNRECOGNIZED_NAME': 'TLSV1_UNRECOGNIZED_NAME',
  PACKET_LENGTH_TOO_LONG: 'ENCRYPTED_LENGTH_TOO_LONG',
  NO_SUITABLE_SIGNATURE_ALGORITHM: 'NO_COMMON_SIGNATURE_ALGORITHMS',
  NO_SUITABLE_KEY_SHARE: 'NO_SHARED_GROUP',
};

/** `detail` begins with a colon. */
function boringReason(name: string, detail = ''): string {
  const known = RENAMED[name] ?? name;
  const number = REASONS[known];
  return `TLS_error:|${number === undefined ? LIBRARY : LIBRARY + number}:SSL routines:OPENSSL_internal:${known}${detail}:TLS_error_end`;
}

const ALERT = /^(?:SSLV3|TLSV1|TLSV13)_ALERT_(.+)$/;

const PLAIN_WORDS: Readonly<Record<string, string>> = {
  HTTP_REQUEST: 'it speaks plain HTTP',
  HTTPS_PROXY_REQUEST: 'it speaks plain HTTP',
  WRONG_VERSION_NUMBER: 'its bytes are not TLS',
  UNSUPPORTED_PROTOCOL: 'it offers no TLS version that is allowed here',
  NO_SHARED_CIPHER: 'it offers no cipher that is allowed here',
  NO_APPLICATION_PROTOCOL: 'it offers no application protocol that is spoken here',
};

function plainWords(name: string, who: string): string {
  const alert = ALERT.exec(name)?.[1];
  if (alert !== undefined) return `the ${who} refused with the alert ${alert.toLowerCase().replaceAll('_', ' ')}`;
  return PLAIN_WORDS[name] ?? name.toLowerCase().replaceAll('_', ' ');
}
