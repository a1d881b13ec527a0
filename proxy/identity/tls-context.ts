/** OpenSSL contexts: what all handshakes of one configuration with one generation of secrets share. */

import { constants, createHash, hkdfSync } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { TlsParameters, TlsVersion } from '../../config/runtime/tls.ts';
import type { IdentitySecret, TrustSecret } from './secret.ts';

/** AES-128 first, as Envoy prefers it where the processor has AES. */
const TLS13_SUITES = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
/** For TLS 1.2 and below where nothing is configured: forward secrecy and authenticated encryption only. */
const DEFAULT_SUITES =
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384';
/** Those that TLS 1.0 and 1.1 have besides. */
const LEGACY_SUITES = 'ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:AES128-SHA:AES256-SHA';
const DEFAULT_CURVES = 'X25519:P-256:P-384';
/** Seconds; Envoy's default. */
const SESSION_LIFETIME_S = 7200;
const OLD_VERSIONS: ReadonlySet<TlsVersion> = new Set(['TLSv1', 'TLSv1.1']);

export interface ServerContextParts {
  readonly parameters: TlsParameters;
  readonly identities: readonly IdentitySecret[];
  readonly trust: TrustSecret | undefined;
  /** Digest of everything that decides whether a peer is let in: a session of other rules is not resumed. */
  readonly digest: string;
  /** Same in all worker processes. */
  readonly ticketSeed: Uint8Array;
}

/** Throws what OpenSSL does not take of the parameters (no known cipher among them …). */
export function createServerContext({ parameters, identities, trust, digest, ticketSeed }: ServerContextParts): SecureContext {
  return createSecureContext({
    ...parameterOptions(parameters),
    ...trustOptions(trust),
    cert: identities.map(({ certificateChain }) => certificateChain),
    key: identities.map(({ privateKey }) => privateKey),
    secureOptions: constants.SSL_OP_CIPHER_SERVER_PREFERENCE | constants.SSL_OP_NO_RENEGOTIATION,
    sessionIdContext: digest.slice(0, 32),
    sessionTimeout: SESSION_LIFETIME_S,
    ticketKeys: Buffer.from(hkdfSync('sha256', ticketSeed, Buffer.from(digest, 'hex'), 'outrider session tickets', 48)),
  });
}

/** `trust` undefined: the chain is not looked at. */
export function createClientContext(parameters: TlsParameters, identity: IdentitySecret | undefined, trust: TrustSecret | undefined): SecureContext {
  return createSecureContext({
    ...parameterOptions(parameters),
    ...trustOptions(trust),
    ...(identity === undefined ? {} : { cert: identity.certificateChain, key: identity.privateKey }),
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  });
}

/** ALPN's list on the wire (RFC 7301): one conversion instead of one a connection. */
export function protocolList(names: readonly string[]): Buffer | undefined {
  const usable = names.filter((name) => name.length > 0 && name.length < 256);
  if (usable.length === 0) return undefined;
  return Buffer.concat(usable.map((name) => Buffer.concat([Buffer.from([name.length]), Buffer.from(name, 'latin1')])));
}

/** Digest of configuration and secrets, hexadecimal. */
export function contextDigest(configuration: object, secrets: readonly ({ readonly digest: string } | undefined)[]): string {
  const hash = createHash('sha256').update(JSON.stringify(configuration));
  for (const secret of secrets) hash.update(` ${secret?.digest ?? '-'}`);
  return hash.digest('hex');
}

function parameterOptions({ minVersion, maxVersion, cipherSuites, curves }: TlsParameters): SecureContextOptions {
  const isOld = OLD_VERSIONS.has(minVersion);
  const chosen = cipherSuites === undefined || cipherSuites.length === 0 ? (isOld ? `${DEFAULT_SUITES}:${LEGACY_SUITES}` : DEFAULT_SUITES) : cipherSuites.join(':');
  return {
    minVersion,
    maxVersion,
    // OpenSSL 3 allows TLS 1.0 and 1.1 at its lowest security level only.
    ciphers: `${TLS13_SUITES}:${chosen}${isOld ? ':@SECLEVEL=0' : ''}`,
    ecdhCurve: curves?.filter(hasCurve).join(':') || DEFAULT_CURVES,
  };
}

const knownCurves = new Map<string, boolean>();

/** Whether this OpenSSL has the curve: one unknown name would spoil the whole list (X25519MLKEM768 came with Node 24). */
function hasCurve(name: string): boolean {
  let known = knownCurves.get(name);
  if (known === undefined) {
    try {
      createSecureContext({ ca: [], ecdhCurve: name });
      known = true;
    } catch {
      known = false;
    }
    knownCurves.set(name, known);
  }
  return known;
}

/** An empty list, since without any Node would load its own authorities. */
function trustOptions(trust: TrustSecret | undefined): SecureContextOptions {
  if (trust === undefined) return { ca: [] };
  return { ca: trust.authorities, ...(trust.revoked === undefined ? {} : { crl: trust.revoked }) };
}
