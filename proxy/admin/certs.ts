/** /certs: the certificates in use, as Envoy prints them; never a key. */

import type { CertificateView } from '../identity/secrets.ts';
import { jsonAnswer, type AdminPage } from './page.ts';
import type { AdminView } from './view.ts';

export function certsPage(view: AdminView): AdminPage {
  return { path: '/certs', help: 'print certificates in use', answer: () => jsonAnswer({ certificates: certificateEntries(view) }) };
}

/** One entry for each secret: what is shown to peers, and what theirs are measured by. */
function certificateEntries(view: AdminView): readonly object[] {
  const { certificates = [], nowSeconds = 0 } = view.secrets?.() ?? {};
  const names = new Set(certificates.map(({ name }) => name));
  return [...names].map((name) => {
    const details = (use: CertificateView['use']): readonly object[] =>
      certificates.filter((certificate) => certificate.name === name && certificate.use === use).map((certificate) => certificateDetails(certificate, nowSeconds));
    return { ca_cert: details('authority'), cert_chain: details('identity') };
  });
}

/** envoy.admin.v3.CertificateDetails; a 64-bit number is a string in its JSON. */
function certificateDetails({ path, serial, uris, dns, ips, validFrom, validTo }: CertificateView, nowSeconds: number): object {
  return {
    path,
    serial_number: serial,
    subject_alt_names: [...uris.map((uri) => ({ uri })), ...dns.map((name) => ({ dns: name })), ...ips.map((ip) => ({ ip_address: ip }))],
    days_until_expiration: `${Math.max(0, Math.floor((validTo - nowSeconds) / 86_400))}`,
    valid_from: isoSeconds(validFrom),
    expiration_time: isoSeconds(validTo),
  };
}

function isoSeconds(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
