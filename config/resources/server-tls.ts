/** `tls` of a Gateway server and of a Sidecar ingress listener. */

import type { Report, Schema } from './schema.ts';
import { boolean, list, object, oneName, present, text } from './schema.ts';

export interface ServerTlsSettings {
  readonly httpsRedirect?: boolean;
  /** Default PASSTHROUGH. */
  readonly mode?: ServerTlsMode;
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
  /** As written; unknown and repeated names are warned about and to be passed over. */
  readonly cipherSuites?: readonly string[];
  readonly ecdhCurves?: readonly string[];
  readonly insecureSkipVerify?: boolean;
}

type ServerTlsMode = 'PASSTHROUGH' | 'SIMPLE' | 'MUTUAL' | 'AUTO_PASSTHROUGH' | 'ISTIO_MUTUAL' | 'OPTIONAL_MUTUAL';
type TlsProtocol = 'TLS_AUTO' | 'TLSV1_0' | 'TLSV1_1' | 'TLSV1_2' | 'TLSV1_3';

export interface TlsCertificate {
  readonly serverCertificate?: string;
  readonly privateKey?: string;
  /** Deprecated. */
  readonly caCertificates?: string;
}

const versions = ['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3'] as const;

/** The suites of TLS 1.2 and below that Istio lets users choose from. */
export const configurableCiphers: ReadonlySet<string> = new Set([
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
  'DES-CBC3-SHA',
]);

const certificate: Schema<TlsCertificate> = object<TlsCertificate>(
  { serverCertificate: text, privateKey: text, caCertificates: text },
  {
    check: (value, report) => {
      for (const field of ['serverCertificate', 'privateKey'] as const) {
        if ((value[field] ?? '') === '') report.error([], `needs ${field}`);
      }
      if (value.caCertificates !== undefined) report.deprecated(['caCertificates'], 'is deprecated; use tls.caCertificates');
    },
  },
);

export const serverTls: Schema<ServerTlsSettings> = object<ServerTlsSettings>(
  {
    httpsRedirect: boolean,
    mode: oneName(['PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL']),
    serverCertificate: text,
    privateKey: text,
    caCertificates: text,
    caCrl: text,
    credentialName: text,
    credentialNames: list(text, { min: 1, max: 2 }),
    tlsCertificates: list(certificate, { min: 1, max: 2 }),
    caCertCredentialName: text,
    subjectAltNames: list(text),
    verifyCertificateSpki: list(text, { check: (values, report) => checkForm(values, /^[A-Za-z0-9+/]{43}=$/, 'a base64 SHA-256 hash (44 characters)', report) }),
    verifyCertificateHash: list(text, { check: (values, report) => checkForm(values, /^(?:[0-9a-fA-F]{64}|(?:[0-9a-fA-F]{2}:){31}[0-9a-fA-F]{2})$/, 'a SHA-256 hash in 64 hexadecimal digits', report) }),
    minProtocolVersion: oneName(versions),
    maxProtocolVersion: oneName(versions),
    cipherSuites: list(text, { check: warnOfCiphers }),
    ecdhCurves: list(text),
    insecureSkipVerify: boolean,
  },
  { check: checkServerTls },
);

type Source = 'serverCertificate' | 'credentialName' | 'credentialNames' | 'tlsCertificates';

const certificateFields = ['serverCertificate', 'privateKey', 'caCertificates', 'caCrl', 'credentialName', 'credentialNames', 'tlsCertificates', 'caCertCredentialName'] as const;

/** Fields with a value; empty text is absent, as in proto. */
function given(tls: ServerTlsSettings, fields: readonly (keyof ServerTlsSettings)[]): readonly string[] {
  return present(tls, fields).filter((field) => tls[field as keyof ServerTlsSettings] !== '');
}

function checkServerTls(tls: ServerTlsSettings, report: Report): void {
  const certificates = given(tls, certificateFields);
  checkVersions(tls, report);
  switch (tls.mode ?? 'PASSTHROUGH') {
    case 'ISTIO_MUTUAL':
      if (certificates.length > 0) report.error([certificates[0]!], 'mode ISTIO_MUTUAL uses the workload certificate; remove this field');
      return;
    case 'PASSTHROUGH':
    case 'AUTO_PASSTHROUGH':
      if (certificates.length > 0) report.warning([certificates[0]!], `has no effect in mode ${tls.mode ?? 'PASSTHROUGH'}: TLS is not terminated here`);
      return;
    default:
      checkCertificates(tls, report);
  }
}

/** SIMPLE, MUTUAL and OPTIONAL_MUTUAL: one source of certificates, and a CA where clients have one. */
function checkCertificates(tls: ServerTlsSettings, report: Report): void {
  const files = given(tls, ['serverCertificate', 'privateKey']).length > 0;
  const sources = [...(files ? ['serverCertificate'] : []), ...given(tls, ['credentialName', 'credentialNames', 'tlsCertificates'])] as Source[];
  const secret = sources.includes('credentialName') || sources.includes('credentialNames');
  if (sources.length > 1) report.error([sources[1]!], `only one source of certificates may be given, got ${sources.join(' and ')}`);
  if (sources.length === 0) report.error([], `mode ${tls.mode!} needs a certificate: credentialName, or serverCertificate and privateKey`);
  if (sources.includes('serverCertificate')) checkPair(tls, report);
  if (secret && given(tls, ['caCertificates']).length > 0) report.error(['caCertificates'], 'cannot be combined with credentialName; put the CA into the secret (ca.crt)');
  if (secret && given(tls, ['caCrl']).length > 0) report.error(['caCrl'], 'cannot be combined with credentialName; put the list into the secret (ca.crl)');
  if (tls.mode === 'SIMPLE' && given(tls, ['caCrl']).length > 0) report.error(['caCrl'], 'has no meaning in mode SIMPLE: clients send no certificate');
  if (tls.mode !== 'MUTUAL' || secret || given(tls, ['caCertificates', 'caCertCredentialName']).length > 0) return;
  report.error([], 'mode MUTUAL needs caCertificates to verify clients with');
}

function checkPair(tls: ServerTlsSettings, report: Report): void {
  for (const field of ['serverCertificate', 'privateKey'] as const) {
    if (given(tls, [field]).length === 0) report.error([], `mode ${tls.mode!} needs ${field}`);
  }
}

function checkVersions(tls: ServerTlsSettings, report: Report): void {
  const { minProtocolVersion: min = 'TLS_AUTO', maxProtocolVersion: max = 'TLS_AUTO' } = tls;
  if (min !== 'TLS_AUTO' && max !== 'TLS_AUTO' && versions.indexOf(min) > versions.indexOf(max)) {
    report.error(['minProtocolVersion'], `must not be above maxProtocolVersion (${max})`);
  }
  const old = min === 'TLSV1_0' || min === 'TLSV1_1';
  if (old && (tls.cipherSuites ?? []).length === 0) {
    report.warning(['minProtocolVersion'], `${min} has no cipher suite in the default list; name cipherSuites, or use TLSV1_2`);
  }
}

/** Names that are passed over. */
export function warnOfCiphers(ciphers: readonly string[], report: Report): void {
  for (const [index, cipher] of ciphers.entries()) {
    if (!configurableCiphers.has(cipher)) report.warning([index], `${JSON.stringify(cipher)} is not a configurable cipher suite and is ignored`);
    else if (ciphers.indexOf(cipher) < index) report.warning([index], `${JSON.stringify(cipher)} is listed twice`);
  }
}

function checkForm(values: readonly string[], form: RegExp, name: string, report: Report): void {
  for (const [index, value] of values.entries()) {
    if (!form.test(value)) report.error([index], `${JSON.stringify(value)} is not ${name}`);
  }
}
