/** Authorities and certificates for tests, and the folders that `--certs` reads. */

import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, issueCertificate, type CertificatePair, type CertificateRequest } from '../../proxy/identity/local-ca.ts';
import type { TestScope } from './scope.ts';

const HOUR_MS = 3_600_000;

/** An authority that signs what a test wants. */
export class TestAuthority {
  readonly pair: CertificatePair;

  private constructor(pair: CertificatePair) {
    this.pair = pair;
  }

  /** `signedBy`: an intermediate of that one. */
  static async create(name = 'test CA', signedBy?: TestAuthority): Promise<TestAuthority> {
    const request = { subject: `O=tests,CN=${name}`, ...validity() };
    return new TestAuthority(signedBy === undefined ? await createAuthority(request) : await issueCertificate(signedBy.pair, { ...request, authority: true }));
  }

  /** PEM. */
  get root(): string {
    return this.pair.certificateChain;
  }

  issue(request: Partial<CertificateRequest> = {}): Promise<CertificatePair> {
    return issueCertificate(this.pair, { ...validity(), ...request });
  }

  /** `namespace/account` of cluster.local. */
  workload(name: string, request: Partial<CertificateRequest> = {}): Promise<CertificatePair> {
    const [namespace, account] = name.split('/');
    return this.issue({ uris: [`spiffe://cluster.local/ns/${namespace}/sa/${account}`], ...request });
  }
}

/** From an hour ago for so many hours from now; negative: it has expired. */
export function validity(hours = 24): { readonly notBefore: Date; readonly notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - (hours < 0 ? 24 * HOUR_MS : HOUR_MS)), notAfter: new Date(now + hours * HOUR_MS) };
}

/** A folder of the test's own, gone after it. */
export function testFolder(t: TestScope): string {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-certs-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes what `--certs` reads, each file by rename. */
export function writeWorkload(folder: string, pair: CertificatePair, root: string): void {
  mkdirSync(folder, { recursive: true });
  replaceFile(join(folder, 'root-cert.pem'), root);
  replaceFile(join(folder, 'key.pem'), pair.privateKey);
  replaceFile(join(folder, 'cert-chain.pem'), pair.certificateChain);
}

export function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}
