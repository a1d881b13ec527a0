/** Whether a certificate is for a name: compared whole, never by prefix (proxy-semantics.md D.2 row 37). */

import { isIP } from 'node:net';
import type { CertificateFacts } from './peer.ts';

/** One of `wanted` is among the certificate's names: URIs byte for byte, DNS names as `dnsNameMatches`, addresses by value. */
export function hasOneOf(names: Pick<CertificateFacts, 'uris' | 'dns' | 'ips'>, wanted: readonly string[]): boolean {
  return wanted.some((name) => names.uris.includes(name) || isFor(names, name));
}

/** The certificate is for this host: an address must be among its addresses, a name among its DNS names. The common name is not looked at (RFC 9525). */
export function isFor({ dns, ips }: Pick<CertificateFacts, 'dns' | 'ips'>, host: string): boolean {
  if (isIP(host) !== 0) return ips.some((ip) => sameAddress(ip, host));
  return dns.some((pattern) => dnsNameMatches(pattern, host));
}

/** `*` stands for exactly one whole label, the first, of three or more; letters compare without case. */
export function dnsNameMatches(pattern: string, host: string): boolean {
  const wanted = withoutDot(host.toLowerCase());
  const offered = withoutDot(pattern.toLowerCase());
  if (wanted === '') return false;
  if (offered === wanted) return true;
  if (!offered.startsWith('*.')) return false;
  const rest = offered.slice(1);
  const dot = wanted.indexOf('.');
  return dot > 0 && rest.indexOf('.', 1) !== -1 && wanted.slice(dot) === rest;
}

function withoutDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

function sameAddress(one: string, other: string): boolean {
  return one === other || canonical(one) === canonical(other);
}

/** One spelling for each address, by the URL standard's host serializer. */
function canonical(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address}]`).host : address;
}
