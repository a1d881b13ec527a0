/** What is known of one certificate: read once, kept by its fingerprint, because the same few peers come again and again. */

import { createHash, type X509Certificate } from 'node:crypto';
import type { PeerCertificate } from '../stream/connection-security.ts';
import { publicKeyInfoOf, subjectAltNamesOf } from './certificate-der.ts';

export interface CertificateFacts extends PeerCertificate {
  /** Addresses among its names. */
  readonly ips: readonly string[];
  /** Base64 SHA-256 of its public key (SubjectPublicKeyInfo). */
  readonly publicKeyHash: string;
}

/** Certificates whose facts are kept, oldest forgotten first. */
const KEPT = 1024;
const known = new Map<string, CertificateFacts>();

export function certificateFacts(certificate: X509Certificate): CertificateFacts {
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  const kept = known.get(fingerprint);
  if (kept !== undefined) return kept;
  const facts = readFacts(certificate, fingerprint);
  if (known.size >= KEPT) known.delete(known.keys().next().value as string);
  known.set(fingerprint, facts);
  return facts;
}

/** How a sentence speaks of a certificate: by the first of its names, else by its subject. */
export function certificateName({ uris, dns, ips, subject, fingerprint }: CertificateFacts): string {
  return uris[0] ?? dns[0] ?? ips[0] ?? (subject === '' ? `SHA-256 ${fingerprint}` : subject);
}

function readFacts(certificate: X509Certificate, fingerprint: string): CertificateFacts {
  const der = certificate.raw;
  return {
    ...subjectAltNamesOf(der),
    subject: rfc2253(certificate.subject),
    issuer: rfc2253(certificate.issuer),
    serial: certificate.serialNumber.toLowerCase(),
    fingerprint,
    publicKeyHash: createHash('sha256').update(publicKeyInfoOf(der) ?? '').digest('base64'),
    validFrom: Date.parse(certificate.validFrom) / 1000,
    validTo: Date.parse(certificate.validTo) / 1000,
    pem: certificate.toString(),
  };
}

/**
 * Node gives one attribute a line, most significant first, escaped as RFC 2253 asks but for what is not ASCII; that RFC writes
 * them backwards, by commas. Undefined for an empty name.
 */
function rfc2253(lines: string | undefined): string {
  if (lines === undefined || lines === '') return '';
  return lines
    .split('\n')
    .reverse()
    .map((line) => line.replaceAll(/(?<!\\) \+ /g, '+'))
    .join(',')
    .replaceAll(/[^\x20-\x7e]+/g, (characters) => [...Buffer.from(characters)].map((byte) => `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''));
}
