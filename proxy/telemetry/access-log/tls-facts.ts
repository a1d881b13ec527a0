/** What the operators for TLS read: who the two ends of a connection are, by their certificates, and what they agreed on. */

import type { ConnectionSecurity, PeerCertificate } from '../../stream/connection-security.ts';
import type { StreamInfo } from '../../stream/stream-info.ts';

/** Undefined: plain text, no certificate, or nothing of the kind in it. */
export type TlsReader = (info: StreamInfo) => string | undefined;
type Reader<T> = (from: T) => string | undefined;

const downstream = (read: Reader<ConnectionSecurity>): TlsReader => of((info) => info.downstreamSecurity, read);
const upstream = (read: Reader<ConnectionSecurity>): TlsReader => of((info) => info.upstreamSecurity, read);
const downstreamPeer = (read: Reader<PeerCertificate>): TlsReader => of((info) => info.downstreamSecurity?.peer, read);
const downstreamLocal = (read: Reader<PeerCertificate>): TlsReader => of((info) => info.downstreamSecurity?.local, read);
const upstreamPeer = (read: Reader<PeerCertificate>): TlsReader => of((info) => info.upstreamSecurity?.peer, read);
const upstreamLocal = (read: Reader<PeerCertificate>): TlsReader => of((info) => info.upstreamSecurity?.local, read);

/** By operator. Most of the text was chosen by a peer or by who signed its certificate: it needs escaping. */
export const TLS_READERS: Readonly<Record<string, TlsReader>> = {
  DOWNSTREAM_LOCAL_DNS_SAN: downstreamLocal(dnsNames),
  DOWNSTREAM_LOCAL_SUBJECT: downstreamLocal(({ subject }) => subject),
  DOWNSTREAM_LOCAL_URI_SAN: downstreamLocal(uris),
  DOWNSTREAM_PEER_CERT: downstreamPeer(urlEncodedPem),
  DOWNSTREAM_PEER_DNS_SAN: downstreamPeer(dnsNames),
  DOWNSTREAM_PEER_FINGERPRINT_256: downstreamPeer(({ fingerprint }) => fingerprint),
  DOWNSTREAM_PEER_ISSUER: downstreamPeer(({ issuer }) => issuer),
  DOWNSTREAM_PEER_SERIAL: downstreamPeer(({ serial }) => serial),
  DOWNSTREAM_PEER_SUBJECT: downstreamPeer(({ subject }) => subject),
  DOWNSTREAM_PEER_URI_SAN: downstreamPeer(uris),
  DOWNSTREAM_TLS_CIPHER: downstream(({ cipher }) => cipher),
  DOWNSTREAM_TLS_VERSION: downstream(({ version }) => version),
  UPSTREAM_LOCAL_DNS_SAN: upstreamLocal(dnsNames),
  UPSTREAM_LOCAL_URI_SAN: upstreamLocal(uris),
  UPSTREAM_PEER_CERT: upstreamPeer(urlEncodedPem),
  UPSTREAM_PEER_DNS_SAN: upstreamPeer(dnsNames),
  UPSTREAM_PEER_ISSUER: upstreamPeer(({ issuer }) => issuer),
  UPSTREAM_PEER_SUBJECT: upstreamPeer(({ subject }) => subject),
  UPSTREAM_PEER_URI_SAN: upstreamPeer(uris),
  UPSTREAM_TLS_CIPHER: upstream(({ cipher }) => cipher),
  UPSTREAM_TLS_VERSION: upstream(({ version }) => version),
};

/** Limits of the downstream's certificate, milliseconds since the epoch; undefined where it showed none. */
export const TLS_TIMES: Readonly<Record<string, (info: StreamInfo) => number | undefined>> = {
  DOWNSTREAM_PEER_CERT_V_START: ({ downstreamSecurity: security }) => toMs(security?.peer?.validFrom),
  DOWNSTREAM_PEER_CERT_V_END: ({ downstreamSecurity: security }) => toMs(security?.peer?.validTo),
};

function of<T>(from: (info: StreamInfo) => T | undefined, read: Reader<T>): TlsReader {
  return (info) => {
    const found = from(info);
    return found === undefined ? undefined : read(found) || undefined;
  };
}

function uris(certificate: PeerCertificate): string {
  return certificate.uris.join(',');
}

function dnsNames(certificate: PeerCertificate): string {
  return certificate.dns.join(',');
}

function urlEncodedPem({ pem }: PeerCertificate): string {
  return pem.replaceAll(/[\n +/=]/g, encodeURIComponent);
}

function toMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}
