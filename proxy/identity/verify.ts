/** Whether a peer's certificate is one that a configuration lets in: a pure decision, each refusal with the check that failed. */

import { hasOneOf, isFor } from './name-match.ts';
import { certificateName, type CertificateFacts } from './peer.ts';
import { trustDomainOf } from './spiffe.ts';
import type { TlsFailure } from './tls-events.ts';
import { noCertificate, verifyFailed } from './tls-failure.ts';

export interface PeerRules {
  /** Word for the peer in sentences. */
  readonly who: 'client' | 'server';
  readonly required: boolean;
  /** Its chain must lead to a trusted authority and be valid now. */
  readonly chain: boolean;
  /** One of these must be among its names. */
  readonly subjectAltNames?: readonly string[] | undefined;
  /** It must be for this host. */
  readonly host?: string | undefined;
  /** Trust domains that its SPIFFE identity may be of. */
  readonly trustDomains?: readonly string[] | undefined;
  /** Base64 SHA-256 of public keys, hexadecimal SHA-256 of certificates: one must match where there are any. */
  readonly publicKeyHashes?: readonly string[] | undefined;
  readonly certificateHashes?: readonly string[] | undefined;
}

/** `chainError`: OpenSSL's verdict on the chain. `now`: seconds since the epoch. Undefined: let in. */
export function refusePeer(rules: PeerRules, peer: CertificateFacts | undefined, chainError: string | undefined, now: number): TlsFailure | undefined {
  if (peer === undefined) return rules.required ? noCertificate(rules.who) : undefined;
  return (rules.chain ? refuseChain(rules, peer, chainError, now) : undefined) ?? refuseTrustDomain(rules, peer) ?? refuseNames(rules, peer) ?? refuseHashes(rules, peer);
}

/** A resumed session brings the verdict of its first handshake along; time has gone on since. */
function refuseChain({ who }: PeerRules, peer: CertificateFacts, chainError: string | undefined, now: number): TlsFailure | undefined {
  const of = `${who} certificate of ${certificateName(peer)}`;
  if (chainError !== undefined && chainError !== 'CERT_HAS_EXPIRED') {
    return verifyFailed('untrusted', `${AT_LEAF}${CHAIN_ENVOY[chainError] ?? words(chainError)}`, chainSentence(of, peer, chainError));
  }
  if (chainError === undefined && now < peer.validTo) return undefined;
  const expired = now >= peer.validTo ? `${of} expired at ${isoTime(peer.validTo)}` : `${of}: a certificate between it and its authority (issuer ${peer.issuer}) has expired`;
  return verifyFailed('untrusted', `${AT_LEAF}certificate has expired`, expired);
}

function chainSentence(of: string, peer: CertificateFacts, chainError: string): string {
  switch (chainError) {
    case 'CERT_NOT_YET_VALID':
      return `${of} is valid only from ${isoTime(peer.validFrom)}`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return `${of} is from an unknown authority (issuer ${peer.issuer === '' ? 'without a name' : peer.issuer})`;
    case 'CERT_REVOKED':
      return `${of}, serial ${peer.serial}, is revoked`;
    case 'UNABLE_TO_GET_CRL':
      return `${of}: there is no revocation list of its issuer ${peer.issuer}`;
    case 'CRL_HAS_EXPIRED':
      return `${of}: the revocation list of its issuer ${peer.issuer} has expired`;
    case 'INVALID_PURPOSE':
      return `${of} is not for this use (key usage or extended key usage)`;
    case 'INVALID_CA':
      return `${of}: its issuer ${peer.issuer} is no authority (basic constraints)`;
    default:
      return `${of} does not verify: ${words(chainError)}`;
  }
}

function refuseTrustDomain({ trustDomains, who }: PeerRules, peer: CertificateFacts): TlsFailure | undefined {
  if (trustDomains === undefined) return undefined;
  const identities = peer.uris.filter((uri) => uri.startsWith('spiffe:'));
  const wanted = `wanted one of ${list(trustDomains)}`;
  if (identities.length === 0) return verifyFailed('untrusted', 'no SPIFFE identity in the certificate', `${who} certificate of ${certificateName(peer)} has no SPIFFE identity, ${wanted} as its trust domain`);
  const foreign = identities.find((uri) => !trustDomains.includes(trustDomainOf(uri) ?? ''));
  // X509-SVID section 2: which of two would be the client's is anybody's guess.
  if (foreign === undefined) return peer.uris.length === 1 ? undefined : verifyFailed('untrusted', 'more than one URI in the certificate', `${who} certificate has more than one URI: ${list(peer.uris)}; an identity stands alone`);
  return verifyFailed('untrusted', 'no trust bundle found for trust domain', `${who} identity ${foreign} is of trust domain ${trustDomainOf(foreign) ?? '(malformed)'}, ${wanted}`);
}

function refuseNames({ subjectAltNames, host, who }: PeerRules, peer: CertificateFacts): TlsFailure | undefined {
  const detail = `SAN matcher, certificate SANs are [${[...peer.uris, ...peer.dns, ...peer.ips].join(', ')}]`;
  if (subjectAltNames !== undefined && !hasOneOf(peer, subjectAltNames)) {
    return verifyFailed('san', detail, `wrong subject alternative name in the ${who} certificate: got ${names(peer)}, wanted one of ${list(subjectAltNames)}`);
  }
  if (host !== undefined && !isFor(peer, host)) {
    return verifyFailed('san', detail, `wrong subject alternative name in the ${who} certificate: got ${names(peer)}, wanted ${host}`);
  }
  return undefined;
}

function refuseHashes({ publicKeyHashes = [], certificateHashes = [], who }: PeerRules, peer: CertificateFacts): TlsFailure | undefined {
  if (publicKeyHashes.length === 0 && certificateHashes.length === 0) return undefined;
  const wanted = certificateHashes.map((hash) => hash.replaceAll(':', '').toLowerCase());
  if (publicKeyHashes.includes(peer.publicKeyHash) || wanted.includes(peer.fingerprint)) return undefined;
  return verifyFailed('hash', 'cert hash and spki', `${who} certificate of ${certificateName(peer)} has none of the configured hashes: got SHA-256 ${peer.fingerprint}, public key ${peer.publicKeyHash}`);
}

/** Node does not tell at which depth; it is the leaf almost always. */
const AT_LEAF = 'X509_verify_cert: certificate verification error at depth 0: ';

/** How BoringSSL words what is not just its name. */
const CHAIN_ENVOY: Readonly<Record<string, string>> = {
  CERT_NOT_YET_VALID: 'certificate is not yet valid',
  CERT_REVOKED: 'certificate revoked',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self signed certificate',
  INVALID_PURPOSE: 'unsupported certificate purpose',
  SELF_SIGNED_CERT_IN_CHAIN: 'self signed certificate in certificate chain',
  UNABLE_TO_GET_ISSUER_CERT: 'unable to get issuer certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unable to get local issuer certificate',
  UNABLE_TO_GET_CRL: 'unable to get certificate CRL',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unable to get local issuer certificate',
};

/** Lists in sentences are cut after this many. */
const MOST_LISTED = 8;

function list(items: readonly string[]): string {
  const rest = items.length - MOST_LISTED;
  return rest > 0 ? `${items.slice(0, MOST_LISTED).join(', ')} and ${rest} more` : items.join(', ');
}

function names({ uris, dns, ips }: CertificateFacts): string {
  const all = [...uris, ...dns, ...ips];
  return all.length === 0 ? 'none' : list(all);
}

function words(code: string): string {
  return code.toLowerCase().replaceAll('_', ' ');
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
