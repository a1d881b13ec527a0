/** Certificates for laptops and tests: an authority of one's own, and what it signs. The one file that knows the X.509 library. */

import { createPrivateKey, KeyObject, randomBytes, webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  type Extension,
  type JsonGeneralNames,
} from '@peculiar/x509';

export type KeyType = 'ecdsa-p256' | 'rsa-2048';

/** PEM. */
export interface CertificatePair {
  /** Leaf first; with the authority behind it where that is not the root. */
  readonly certificateChain: string;
  readonly privateKey: string;
}

export interface CertificateRequest {
  readonly keyType?: KeyType;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** RFC 4514, `CN=shop.example.com`; empty where absent, as in Istio's workload certificates. */
  readonly subject?: string;
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  readonly ips?: readonly string[];
  /** Extended key usages; both where absent. */
  readonly uses?: readonly ('server' | 'client')[];
  /** May sign others. */
  readonly authority?: boolean;
}

type Keys = webcrypto.CryptoKeyPair;

const ALGORITHMS = {
  'ecdsa-p256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'rsa-2048': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
} as const;

cryptoProvider.set(webcrypto);

/** A root: signed by itself. */
export async function createAuthority(request: CertificateRequest & { readonly subject: string }): Promise<CertificatePair> {
  const keys = await createKeys(request.keyType);
  return create({ ...request, authority: true }, keys, { subject: request.subject, keys, chain: '' });
}

/** Signed by `authority`, whose own certificate is put behind it unless that is a root. Rejects where the authority's key does not match its certificate. */
export async function issueCertificate(authority: CertificatePair, request: CertificateRequest): Promise<CertificatePair> {
  const issuer = new X509Certificate(authority.certificateChain);
  const keys = await importKeys(authority.privateKey, issuer);
  const chain = issuer.subject === issuer.issuer ? '' : authority.certificateChain;
  return create(request, await createKeys(request.keyType), { subject: issuer.subject, keys, chain });
}

interface Issuer {
  readonly subject: string;
  readonly keys: Keys;
  readonly chain: string;
}

async function create(request: CertificateRequest, keys: Keys, issuer: Issuer): Promise<CertificatePair> {
  const { notBefore, notAfter, subject = '' } = request;
  const certificate = await X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject,
    issuer: issuer.subject,
    notBefore,
    notAfter,
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: { name: issuer.keys.privateKey.algorithm.name, hash: 'SHA-256' },
    extensions: await extensionsOf(request, keys, issuer),
  });
  return { certificateChain: `${certificate.toString('pem')}\n${issuer.chain}`, privateKey: KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }) as string };
}

async function extensionsOf({ authority = false, uses = ['server', 'client'], subject = '', ...names }: CertificateRequest, keys: Keys, issuer: Issuer): Promise<Extension[]> {
  const usages = authority ? KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign : KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment;
  const extensions: Extension[] = [
    new BasicConstraintsExtension(authority, undefined, true),
    new KeyUsagesExtension(usages, true),
    await SubjectKeyIdentifierExtension.create(keys.publicKey),
    await AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
  ];
  if (!authority) extensions.push(new ExtendedKeyUsageExtension(uses.map((use) => (use === 'server' ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth))));
  const list = generalNames(names);
  // RFC 5280 4.1.2.6: critical where the subject is empty.
  if (list.length > 0) extensions.push(new SubjectAlternativeNameExtension(list, subject === ''));
  return extensions;
}

function generalNames({ uris = [], dns = [], ips = [] }: Pick<CertificateRequest, 'uris' | 'dns' | 'ips'>): JsonGeneralNames {
  return [
    ...uris.map((value) => ({ type: 'url' as const, value })),
    ...dns.map((value) => ({ type: 'dns' as const, value })),
    ...ips.map((value) => ({ type: 'ip' as const, value })),
  ];
}

async function createKeys(keyType: KeyType = 'ecdsa-p256'): Promise<Keys> {
  return webcrypto.subtle.generateKey(ALGORITHMS[keyType], true, ['sign', 'verify']);
}

async function importKeys(privateKey: string, certificate: X509Certificate): Promise<Keys> {
  const key = createPrivateKey(privateKey);
  const algorithm = ALGORITHMS[key.asymmetricKeyType === 'rsa' ? 'rsa-2048' : 'ecdsa-p256'];
  return {
    privateKey: await webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), algorithm, false, ['sign']),
    publicKey: await certificate.publicKey.export(algorithm, ['verify'], webcrypto),
  };
}

/** 127 random bits, positive and never zero (RFC 5280 4.1.2.2). */
function randomSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40;
  return bytes.toString('hex');
}
