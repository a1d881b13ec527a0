/** The root of an earlier `outrider certs`: used again, or refused with the reason. */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { CertificatePair } from '../identity/local-ca.ts';

export interface KnownAuthority {
  readonly pair: CertificatePair;
  /** Milliseconds since the epoch. */
  readonly validToMs: number;
}

/** Undefined where there is none yet; throws where what is there cannot sign. */
export function readAuthority(certificatePath: string, keyPath: string, now: number): KnownAuthority | undefined {
  const certificateChain = readIfThere(certificatePath);
  const privateKey = readIfThere(keyPath);
  if (certificateChain === undefined && privateKey === undefined) return undefined;
  if (privateKey === undefined) throw new Error(`${keyPath} is missing beside ${certificatePath}: nothing can be signed by that root; remove both to begin anew`);
  if (certificateChain === undefined) throw new Error(`${certificatePath} is missing beside ${keyPath}; remove both to begin anew`);
  const certificate = parsed(certificatePath, () => new X509Certificate(certificateChain));
  const key = parsed(keyPath, () => createPrivateKey(privateKey));
  if (!certificate.checkPrivateKey(key)) throw new Error(`${keyPath} is not the key of ${certificatePath}`);
  if (!certificate.ca) throw new Error(`${certificatePath} is not a certificate of an authority`);
  const validToMs = Date.parse(certificate.validTo);
  if (validToMs <= now) throw new Error(`${certificatePath} expired at ${new Date(validToMs).toISOString()}; remove it and its key to begin anew`);
  return { pair: { certificateChain, privateKey }, validToMs };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function parsed<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw new Error(`${path} cannot be read as PEM; remove it to begin anew`);
  }
}
