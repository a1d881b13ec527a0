/** The identities that `outrider certs` is called with: whom a certificate is for, and which folder it goes to. */

import { isIP } from 'node:net';
import { parseSpiffe, renderSpiffe, trustDomainOf } from '../identity/spiffe.ts';

export interface CertificateIdentity {
  /** As it stands in the certificate. */
  readonly name: string;
  /** Below `--out`: `NAMESPACE/ACCOUNT`, or the first DNS name. */
  readonly folder: string;
  /** Empty for workloads, as Istio's are. */
  readonly subject: string;
  readonly uris: readonly string[];
  readonly dns: readonly string[];
  readonly ips: readonly string[];
}

/** Kubernetes: DNS-1123 labels and subdomains. */
const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*$/;

/** RFC 5280, ub-common-name. */
const LONGEST_COMMON_NAME = 64;

/** The identity, or a line about what is wrong with it. */
export function parseCertificateIdentity(word: string, trustDomain: string): CertificateIdentity | string {
  if (word.startsWith('dns:')) return gatewayIdentity(word, word.slice('dns:'.length).toLowerCase().split(','));
  if (word.startsWith('spiffe://')) return spiffeIdentity(word, word);
  const [namespace = '', serviceAccount, ...more] = word.split('/');
  if (serviceAccount === undefined || more.length > 0) return `'${word}' is no identity: NAMESPACE/ACCOUNT, spiffe://… or dns:NAME[,NAME]`;
  const uri = renderSpiffe({ trustDomain, namespace, serviceAccount });
  return trustDomainOf(uri) === trustDomain ? spiffeIdentity(word, uri) : `--trust-domain: '${trustDomain}' is no trust domain: lower-case letters, digits, '.', '-' and '_'`;
}

function spiffeIdentity(word: string, uri: string): CertificateIdentity | string {
  const identity = parseSpiffe(uri);
  if (identity === undefined) return `'${word}' is not of the form spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`;
  const { namespace, serviceAccount } = identity;
  if (!LABEL.test(namespace)) return `'${word}': '${namespace}' is no Kubernetes namespace`;
  if (!SUBDOMAIN.test(serviceAccount)) return `'${word}': '${serviceAccount}' is no Kubernetes service account`;
  return { name: uri, folder: `${namespace}/${serviceAccount}`, subject: '', uris: [uri], dns: [], ips: [] };
}

function gatewayIdentity(word: string, names: readonly string[]): CertificateIdentity | string {
  const wrong = names.find((name) => isIP(name) === 0 && !SUBDOMAIN.test(name.startsWith('*.') ? name.slice(2) : name));
  if (wrong !== undefined) return `'${word}': '${wrong}' is neither a DNS name nor an IP address`;
  const dns = names.filter((name) => isIP(name) === 0);
  const [first = ''] = names;
  const folder = first.startsWith('*.') ? `wildcard${first.slice(1)}` : first.replaceAll(':', '-');
  return { name: names.join(','), folder, subject: first.length > LONGEST_COMMON_NAME ? '' : `CN=${first}`, uris: [], dns, ips: names.filter((name) => isIP(name) !== 0) };
}
