/**
 * x-forwarded-client-cert (XFCC): the certificate that a client showed, told to whoever stands behind this proxy. Keys, their order
 * and their form are Envoy's (http_conn_man/headers); a value that could be read as several is in quotes, as that page asks and
 * Envoy forgets.
 */

import type { HttpListenerConfig } from '../../config/runtime/listener.ts';
import type { ConnectionSecurity, PeerCertificate } from '../stream/connection-security.ts';
import type { HeaderList } from '../stream/header-list.ts';

/** Of each connection that carried a request: the text is the same for all of them. */
const elements: WeakMap<ConnectionSecurity, string> = new WeakMap();

/**
 * Writes the header for a client that showed a certificate. A gateway says what it knows and nothing else (SANITIZE_SET); a sidecar
 * adds to what came, since only the mesh reaches it (APPEND_FORWARD). `received`: values of the header as they came, in order.
 */
export function writeClientCert(headers: HeaderList, security: ConnectionSecurity, received: readonly string[], { useRemoteAddress }: HttpListenerConfig): void {
  const { peer } = security;
  if (peer === undefined) return;
  let element = elements.get(security);
  if (element === undefined) {
    element = renderElement(peer, security.local, useRemoteAddress);
    elements.set(security, element);
  }
  headers.add('x-forwarded-client-cert', useRemoteAddress || received.length === 0 ? element : `${received.join(',')},${element}`);
}

function renderElement(peer: PeerCertificate, local: PeerCertificate | undefined, withCertificate: boolean): string {
  const parts = (local?.uris ?? []).map((uri) => `By=${plainValue(uri)}`);
  parts.push(`Hash=${peer.fingerprint}`);
  if (withCertificate) parts.push(`Cert="${urlEncodedPem(peer)}"`);
  parts.push(`Subject="${peer.subject}"`);
  // Present without a name, too.
  if (peer.uris.length === 0) parts.push('URI=');
  for (const uri of peer.uris) parts.push(`URI=${plainValue(uri)}`);
  for (const name of peer.dns) parts.push(`DNS=${plainValue(name)}`);
  return parts.join(';');
}

/** Names are whatever the authority signed: a separator in one must not begin another key, nor a line break another header. */
function plainValue(name: string): string {
  const visible = name.replaceAll(/[^\x21-\x7e]/g, (character) => [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''));
  return /[,;"]/.test(visible) ? `"${visible.replaceAll(/["\\]/g, '\\$&')}"` : visible;
}

function urlEncodedPem({ pem }: PeerCertificate): string {
  return pem.replaceAll(/[\n +/=]/g, encodeURIComponent);
}
