/** TLS of listeners and clusters, and where its certificates come from. References only: keys stay in `secret.ts` and in files. */

import type { Origin } from './origin.ts';

/**
 * Where a certificate with its key, or a set of trusted authorities, is found. What a reference leads to may be missing
 * for now: then handshakes that need it fail and everything else goes on (Envoy: secrets not ready).
 */
export type SecretReference =
  /** This workload's own: `--certs` (`cert-chain.pem`, `key.pem`, `root-cert.pem`). */
  | { readonly kind: 'workload' }
  /** RuntimeConfig.secrets, by name. */
  | { readonly kind: 'secret'; readonly name: string }
  /** Files of this machine, watched. Trust: only `authorities` (and `revoked`); identity: `certificate` and `key`. */
  | { readonly kind: 'files'; readonly certificate?: string; readonly key?: string; readonly authorities?: string; readonly revoked?: string };

/** Whom a peer's certificate must descend from. */
export type TrustReference = SecretReference | { readonly kind: 'system' };

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

export interface TlsParameters {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL names, for TLS 1.2 and below; absent: Istio's list for the mesh, OpenSSL's default at gateways. */
  readonly cipherSuites?: readonly string[];
  /** ecdhCurves, OpenSSL names. */
  readonly curves?: readonly string[];
}

/** How a filter chain terminates TLS. */
export interface ServerTlsConfig extends TlsParameters {
  /** For logs and `explain`. */
  readonly mode: 'SIMPLE' | 'MUTUAL' | 'OPTIONAL_MUTUAL' | 'ISTIO_MUTUAL';
  /** One, or an RSA and an ECDSA one. */
  readonly identities: readonly SecretReference[];
  readonly clientCertificate: 'none' | 'optional' | 'required';
  /** Present unless clientCertificate is `none`. */
  readonly trust?: TrustReference;
  /** One of them must be in the client's certificate; absent: any. */
  readonly subjectAltNames?: readonly string[];
  /** Base64 SHA-256 of the client's public key, hexadecimal SHA-256 of its certificate: one of either list must match. */
  readonly publicKeyHashes?: readonly string[];
  readonly certificateHashes?: readonly string[];
  /** Trust domains that a client's SPIFFE identity may be of; absent: not looked at. */
  readonly trustDomains?: readonly string[];
  /** A client whose certificate does not verify is let in all the same (insecureSkipVerify). */
  readonly acceptUnverified?: boolean;
  /** Offered, in order of preference. */
  readonly alpn: readonly string[];
  readonly origin?: Origin;
}

/** How connections to a cluster's hosts are secured (DestinationRule `tls`, istio-api.md 3.8 and 8.3). */
export interface ClientTlsConfig extends Partial<TlsParameters> {
  /**
   * AUTO: ISTIO_MUTUAL to endpoints whose `tlsMode` is `istio`, plain text to the others (auto mTLS). The members below
   * then say what ISTIO_MUTUAL means.
   */
  readonly mode: 'DISABLE' | 'SIMPLE' | 'MUTUAL' | 'ISTIO_MUTUAL' | 'AUTO';
  readonly origin: Origin | 'default';
  /** MUTUAL and ISTIO_MUTUAL: whose certificate is shown. AUTO without one: the workload has none, so everything is sent in plain text. */
  readonly identity?: SecretReference;
  /** Absent: the server's chain is not verified (insecureSkipVerify). */
  readonly trust?: TrustReference;
  /** Server name sent. Absent: the request's own host (auto SNI), none for plain TCP. */
  readonly sni?: string;
  /** One of them must be in the server's certificate, exactly. Absent: with `checkHost` the request's host, else any. */
  readonly subjectAltNames?: readonly string[];
  /** The certificate must be for the request's host (auto SAN validation; DNS wildcards allowed). */
  readonly checkHost?: boolean;
  /** Offered; absent: by the request's protocol (ISTIO_MUTUAL: `istio-http/1.1` …; else `http/1.1`). */
  readonly alpn?: readonly string[];
}
