/** Key material as immutable values: parsed whole or refused with the reason. */

import { createHash, createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { certificateFacts, certificateName, type CertificateFacts } from './peer.ts';

/** A certificate with its chain and key. */
export interface IdentitySecret {
  /** For `/certs`: file or secret. */
  readonly path: string;
  /** PEM, leaf first. */
  readonly certificateChain: string;
  /** PEM. */
  readonly privateKey: string;
  /** In the chain's order; the first is shown to peers. */
  readonly certificates: readonly [CertificateFacts, ...CertificateFacts[]];
  /** DER. */
  readonly ocspStaple?: Buffer;
  /** Hexadecimal SHA-256 of all of it. */
  readonly digest: string;
}

/** Authorities that peers may descend from. */
export interface TrustSecret {
  readonly path: string;
  /** PEM. */
  readonly authorities: string;
  /** PEM revocation lists. */
  readonly revoked?: string;
  readonly certificates: readonly CertificateFacts[];
  readonly digest: string;
}

export interface SecretProblem {
  /** Why it was refused; no key material. */
  readonly problem: string;
}

export function parseIdentity(path: string, certificateChain: string, privateKey: string, ocspStaple?: string): IdentitySecret | SecretProblem {
  const chain = parseCertificates(certificateChain);
  if ('problem' in chain) return chain;
  const key = parseKey(privateKey);
  if ('problem' in key) return key;
  const [leaf] = chain;
  if (!leaf.checkPrivateKey(key)) return { problem: `the private key is not that of the certificate of ${certificateName(certificateFacts(leaf))}` };
  const unusable = whyUnusable({ cert: certificateChain, key: privateKey });
  if (unusable !== undefined) return { problem: unusable };
  return {
    path,
    certificateChain,
    privateKey,
    certificates: [certificateFacts(leaf), ...chain.slice(1).map(certificateFacts)],
    ...(ocspStaple === undefined ? {} : { ocspStaple: Buffer.from(ocspStaple, 'base64') }),
    digest: digestOf(certificateChain, privateKey, ocspStaple ?? ''),
  };
}

export function parseTrust(path: string, authorities: string, revoked?: string): TrustSecret | SecretProblem {
  const certificates = parseCertificates(authorities);
  if ('problem' in certificates) return certificates;
  const unusable = whyUnusable({ ca: authorities, ...(revoked === undefined ? {} : { crl: revoked }) });
  if (unusable !== undefined) return { problem: unusable };
  return {
    path,
    authorities,
    ...(revoked === undefined ? {} : { revoked }),
    certificates: certificates.map(certificateFacts),
    digest: digestOf(authorities, revoked ?? ''),
  };
}

/** Parts are kept apart by their lengths. */
export function digestOf(...parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex');
}

const CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;

function parseCertificates(pem: string): [X509Certificate, ...X509Certificate[]] | SecretProblem {
  const [first, ...rest] = pem.match(CERTIFICATE) ?? [];
  if (first === undefined) return { problem: pem.trim() === '' ? 'the certificate is empty' : 'there is no PEM certificate' };
  try {
    return [new X509Certificate(first), ...rest.map((block) => new X509Certificate(block))];
  } catch (error) {
    return { problem: `a certificate cannot be read: ${opensslWords(error)}` };
  }
}

function parseKey(pem: string): KeyObject | SecretProblem {
  if (pem.trim() === '') return { problem: 'the private key is empty' };
  try {
    return createPrivateKey(pem);
  } catch (error) {
    const isEncrypted = (error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE';
    return { problem: isEncrypted ? 'the private key is encrypted, and nobody can enter its passphrase here' : `the private key cannot be read: ${opensslWords(error)}` };
  }
}

/** What OpenSSL would say at the first handshake is known now. */
function whyUnusable(options: Parameters<typeof createSecureContext>[0]): string | undefined {
  try {
    createSecureContext({ ca: [], ...options });
    return undefined;
  } catch (error) {
    return `OpenSSL does not take it: ${opensslWords(error)}`;
  }
}

/** `error:0480006C:PEM routines::no start line` → `no start line`. */
function opensslWords(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split(':').findLast((part) => part.trim() !== '')?.trim() ?? message;
}
