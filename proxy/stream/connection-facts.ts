/** What is known of a downstream connection once it has been accepted, looked at and secured. Types only. */

import type { ConnectionSecurity } from './connection-security.ts';
import type { DownstreamAddresses } from './stream-info.ts';

/** An address with its port, as a downstream dialled or named it. */
export interface Destination {
  /** IP address or host name. */
  readonly address: string;
  readonly port: number;
}

/**
 * `localAddress` is where the connection was going, `remoteAddress` who opened it: the kernel's original destination and the
 * PROXY protocol's addresses stand here in place of the socket's own (Envoy: `%DOWNSTREAM_LOCAL_ADDRESS%`).
 */
export interface ConnectionFacts extends DownstreamAddresses {
  /** Of `remoteAddress`, without port. */
  readonly remoteIp: string;
  /** Present for a redirected connection: where it was going. */
  readonly originalDestination: Destination | undefined;
  /** TLS that this proxy terminated. */
  readonly security: ConnectionSecurity | undefined;
  /** SNI of the ClientHello, lower case, whether TLS is terminated or passed through. */
  readonly requestedServerName: string | undefined;
  /** The chain that took the connection. */
  readonly filterChain: string | undefined;
  /** When it was accepted: wall clock and monotonic milliseconds. */
  readonly startTimeMs: number;
  readonly startMs: number;
}
