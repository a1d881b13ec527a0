/** `tls` of a Gateway server or a Sidecar ingress listener → how TLS is terminated (istio-api.md 4.3, 6.2). */

import type { ServerTlsSettings } from '../resources/server-tls.ts';
import type { Origin } from '../runtime/origin.ts';
import type { SecretReference, ServerTlsConfig, TlsParameters, TlsVersion, TrustReference } from '../runtime/tls.ts';
import { OFFERED_HTTP, OFFERED_TCP } from './application-protocols.ts';
import { configurable, tlsParameters } from './mesh-tls.ts';
import type { MeshSettings } from './mesh.ts';

export interface FileTls {
  readonly settings: ServerTlsSettings;
  /** What is spoken inside. */
  readonly kind: 'http' | 'tcp';
  readonly mesh: MeshSettings;
  readonly origin: Origin;
}

export interface WrittenTls extends FileTls {
  readonly identities: readonly SecretReference[];
  /** Absent: clients are not asked for a certificate, whatever the mode. */
  readonly trust: TrustReference | undefined;
}

/** With certificates from files. Undefined for the modes that leave TLS to somebody else. */
export function fileServerTls(tls: FileTls): ServerTlsConfig | undefined {
  return writtenServerTls({ ...tls, identities: fileIdentities(tls.settings), trust: fileAuthorities(tls.settings) });
}

/** SIMPLE, MUTUAL and OPTIONAL_MUTUAL; undefined for the other modes. */
export function writtenServerTls({ settings, kind, mesh, origin, identities, trust }: WrittenTls): ServerTlsConfig | undefined {
  const { mode = 'PASSTHROUGH', insecureSkipVerify = false } = settings;
  if (mode !== 'SIMPLE' && mode !== 'MUTUAL' && mode !== 'OPTIONAL_MUTUAL') return undefined;
  const asked = mode !== 'SIMPLE' && trust !== undefined;
  return {
    mode,
    ...serverTlsParameters(settings, mesh),
    identities,
    clientCertificate: asked ? CLIENT_CERTIFICATE[mode] : 'none',
    ...(asked && { trust }),
    ...clientRules(settings),
    ...(insecureSkipVerify && { acceptUnverified: true }),
    alpn: kind === 'http' ? OFFERED_HTTP : OFFERED_TCP,
    origin,
  };
}

/** What is asked of a client's certificate besides its authority. */
export function clientRules({ subjectAltNames = [], verifyCertificateSpki = [], verifyCertificateHash = [] }: ServerTlsSettings): Pick<ServerTlsConfig, 'subjectAltNames' | 'publicKeyHashes' | 'certificateHashes'> {
  return {
    ...(subjectAltNames.length > 0 && { subjectAltNames }),
    ...(verifyCertificateSpki.length > 0 && { publicKeyHashes: verifyCertificateSpki }),
    ...(verifyCertificateHash.length > 0 && { certificateHashes: verifyCertificateHash.map((hash) => hash.replaceAll(':', '').toLowerCase()) }),
  };
}

const CLIENT_CERTIFICATE = { MUTUAL: 'required', OPTIONAL_MUTUAL: 'optional' } as const;

const VERSIONS: Readonly<Record<string, TlsVersion>> = { TLSV1_0: 'TLSv1', TLSV1_1: 'TLSv1.1', TLSV1_2: 'TLSv1.2', TLSV1_3: 'TLSv1.3' };

/** What is written wins over the mesh's; unknown and repeated ciphers have been warned about and are passed over. */
export function serverTlsParameters({ minProtocolVersion = 'TLS_AUTO', maxProtocolVersion = 'TLS_AUTO', cipherSuites = [], ecdhCurves = [] }: ServerTlsSettings, { tlsDefaults }: MeshSettings): TlsParameters {
  const defaults = tlsParameters(tlsDefaults);
  const suites = configurable(cipherSuites);
  return {
    ...defaults,
    minVersion: VERSIONS[minProtocolVersion] ?? defaults.minVersion,
    maxVersion: VERSIONS[maxProtocolVersion] ?? defaults.maxVersion,
    ...(suites.length > 0 && { cipherSuites: suites }),
    ...(ecdhCurves.length > 0 && { curves: ecdhCurves }),
  };
}

/** The server's certificate with its key, or one of each kind of key. */
export function fileIdentities({ serverCertificate, privateKey, tlsCertificates = [] }: ServerTlsSettings): readonly SecretReference[] {
  const pairs = tlsCertificates.length > 0 ? tlsCertificates : [{ ...(serverCertificate !== undefined && { serverCertificate }), ...(privateKey !== undefined && { privateKey }) }];
  return pairs.map(({ serverCertificate: certificate, privateKey: key }) => ({ kind: 'files', ...(certificate !== undefined && { certificate }), ...(key !== undefined && { key }) }));
}

/** Whom clients' certificates must descend from. */
export function fileAuthorities({ caCertificates: authorities = '', caCrl: revoked = '' }: ServerTlsSettings): TrustReference {
  return { kind: 'files', authorities, ...(revoked !== '' && { revoked }) };
}
