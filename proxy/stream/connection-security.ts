/** What is known of a connection's TLS once its handshake has been verified: for logs, metrics, headers and policy. Types only. */

export interface PeerCertificate {
  /** URI SANs, in order; a mesh identity is `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`. */
  readonly uris: readonly string[];
  /** DNS SANs, in order. */
  readonly dns: readonly string[];
  /** RFC 2253: `CN=client,O=Example`. */
  readonly subject: string;
  readonly issuer: string;
  /** Hexadecimal, lower case. */
  readonly serial: string;
  /** SHA-256 of the DER, hexadecimal, lower case. */
  readonly fingerprint: string;
  /** Seconds since the epoch. */
  readonly validFrom: number;
  readonly validTo: number;
  readonly pem: string;
}

export interface ConnectionSecurity {
  /** `TLSv1.3`. */
  readonly version: string;
  /** OpenSSL name. */
  readonly cipher: string;
  /** SNI, lower case. */
  readonly serverName: string | undefined;
  /** Negotiated. */
  readonly alpn: string | undefined;
  /** True where both sides showed a certificate and the peer's was verified. */
  readonly mutual: boolean;
  /** The peer's; undefined where none was asked for or shown. */
  readonly peer: PeerCertificate | undefined;
  /** Our own. */
  readonly local: PeerCertificate | undefined;
  /** The session was resumed. */
  readonly resumed: boolean;
}
