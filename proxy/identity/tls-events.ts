/** What the two sides of TLS tell whoever asked for it: the connection is secure, or why it is not. Exactly one of the two, once. */

import type { Socket } from 'node:net';
import type { OnRead } from '../base/socket.ts';
import type { ConnectionSecurity } from '../stream/connection-security.ts';

export interface TlsEvents {
  /** Where the outcome is counted: the listener's or the cluster's own stats. */
  readonly counters: TlsCounters;
  /**
   * The handshake is over and the peer verified. `socket` (a TLSSocket) replaces the raw one: write to it through SocketWriter, close it with
   * `end` or `destroy` (with `end` the peer is told by close_notify that nothing is missing). The returned function is called with each read's plain
   * bytes, in the shared buffer; after a `pause` up to two records (32 KiB) may still come.
   */
  onSecure(socket: Socket, security: ConnectionSecurity): OnRead;
  /** There is no secure connection, and the sockets are destroyed. */
  onFailure(failure: TlsFailure): void;
}

/** Why TLS did not come about. */
export interface TlsFailure {
  /**
   * `gone`: the peer closed during the handshake. `protocol`: bytes that are not TLS, no common version or cipher, an alert of the peer.
   * The last four are refusals of the peer's certificate.
   */
  readonly kind: 'secret-not-ready' | 'timeout' | 'gone' | 'protocol' | 'no-certificate' | 'untrusted' | 'san' | 'hash';
  /** Envoy's words, for DOWNSTREAM_/UPSTREAM_TRANSPORT_FAILURE_REASON: `TLS_error:|268435612:SSL routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end`. Empty where the peer just left. */
  readonly reason: string;
  /** One plain sentence for the process log, saying which check failed: `certificate of spiffe://… expired at 2026-01-01T00:00:00Z`. */
  readonly sentence: string;
}

/** Envoy's `ssl.*` of a listener or cluster, and how often a secret was missing. */
export interface TlsCounters {
  sslHandshake: number;
  sslConnectionError: number;
  sslFailVerifyNoCert: number;
  sslFailVerifyError: number;
  sslFailVerifySan: number;
  sslFailVerifyCertHash: number;
  sslSessionReused: number;
  /** Handshakes that succeeded without a certificate of the peer. */
  sslNoCertificate: number;
  /** `server_ssl_socket_factory.downstream_context_secrets_not_ready`, `client_ssl_socket_factory.upstream_context_secrets_not_ready`. */
  sslSecretsNotReady: number;
}
