/** Whether key material can be used at all, told where it is written; values are never repeated. Whoever uses it checks again. */

import { createPrivateKey, X509Certificate } from 'node:crypto';

/** PEM. */
export interface CertificatePair {
  readonly certificate: string;
  readonly key: string;
}

export interface MaterialFault {
  readonly part: 'certificate' | 'key' | 'authorities' | 'revoked';
  /** Ends a sentence that begins with the place. */
  readonly message: string;
}

const CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;

/** Chain and key are readable and belong together. */
export function pairFault({ certificate, key }: CertificatePair): MaterialFault | undefined {
  const chain = readChain(certificate);
  if (typeof chain === 'string') return { part: 'certificate', message: chain };
  try {
    const privateKey = createPrivateKey(key);
    return chain.checkPrivateKey(privateKey) ? undefined : { part: 'key', message: 'the private key is not that of the certificate' };
  } catch (error) {
    const encrypted = (error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE';
    return { part: 'key', message: encrypted ? 'the private key is encrypted, and nobody can enter its passphrase' : 'is not a private key in PEM' };
  }
}

export function authoritiesFault(authorities: string, revoked: string | undefined): MaterialFault | undefined {
  const chain = readChain(authorities);
  if (typeof chain === 'string') return { part: 'authorities', message: chain };
  const isList = revoked === undefined || /-----BEGIN X509 CRL-----[\s\S]*-----END X509 CRL-----/.test(revoked);
  return isList ? undefined : { part: 'revoked', message: 'is not a revocation list in PEM' };
}

/** The first certificate, or why there is none. */
function readChain(pem: string): X509Certificate | string {
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) return 'has no certificate in PEM';
  let first: X509Certificate | undefined;
  for (const [index, block] of blocks.entries()) {
    try {
      const certificate = new X509Certificate(block);
      first ??= certificate;
    } catch {
      return blocks.length === 1 ? 'has a certificate that cannot be read' : `has a certificate (the ${index + 1}. of ${blocks.length}) that cannot be read`;
    }
  }
  return first as X509Certificate;
}
