/** Gateway: ports, hosts and certificates that a gateway workload serves. */

export interface GatewaySpec {
  /** Labels of the workloads, in any namespace; absent or empty = every workload. */
  readonly selector?: Readonly<Record<string, string>>;
  readonly servers: readonly Server[];
}

export interface Server {
  readonly port: Port;
  /** IP address or unix socket. */
  readonly bind?: string;
  /** `[namespace/]dns`, as written. */
  readonly hosts: readonly string[];
  readonly tls?: ServerTlsSettings;
  readonly name?: string;
  readonly defaultEndpoint?: string;
}

/** Gateway server or Sidecar listener port. */
export interface Port {
  readonly number: number;
  /** Upper case, one of Istio's protocols; absent where a Sidecar egress port leaves it to sniffing. */
  readonly protocol?: string;
  readonly name?: string;
  /** Deprecated. */
  readonly targetPort?: number;
}

export interface ServerTlsSettings {
  readonly httpsRedirect?: boolean;
  /** Default PASSTHROUGH. */
  readonly mode?: 'PASSTHROUGH' | 'SIMPLE' | 'MUTUAL' | 'AUTO_PASSTHROUGH' | 'ISTIO_MUTUAL' | 'OPTIONAL_MUTUAL';
  readonly serverCertificate?: string;
  readonly privateKey?: string;
  readonly caCertificates?: string;
  readonly caCrl?: string;
  readonly credentialName?: string;
  readonly credentialNames?: readonly string[];
  readonly tlsCertificates?: readonly TlsCertificate[];
  readonly caCertCredentialName?: string;
  readonly subjectAltNames?: readonly string[];
  readonly verifyCertificateSpki?: readonly string[];
  readonly verifyCertificateHash?: readonly string[];
  readonly minProtocolVersion?: TlsProtocol;
  readonly maxProtocolVersion?: TlsProtocol;
  readonly cipherSuites?: readonly string[];
  readonly ecdhCurves?: readonly string[];
  readonly insecureSkipVerify?: boolean;
}

export type TlsProtocol = 'TLS_AUTO' | 'TLSV1_0' | 'TLSV1_1' | 'TLSV1_2' | 'TLSV1_3';

export interface TlsCertificate {
  readonly serverCertificate?: string;
  readonly privateKey?: string;
  /** Deprecated. */
  readonly caCertificates?: string;
}
