/** `tls` of a DestinationRule: how connections to the host are secured. */

import type { Report, Schema } from '../schema.ts';
import { boolean, list, object, oneName, present, text } from '../schema.ts';
import type { ClientTlsSettings } from './types.ts';

export const clientTls: Schema<ClientTlsSettings> = object<ClientTlsSettings>(
  {
    mode: oneName(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL']),
    clientCertificate: text,
    privateKey: text,
    caCertificates: text,
    caCrl: text,
    credentialName: text,
    subjectAltNames: list(text),
    sni: text,
    insecureSkipVerify: boolean,
  },
  { check: checkClientTls },
);

function checkClientTls(tls: ClientTlsSettings, report: Report): void {
  const files = present(tls, ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl']);
  const secret = (tls.credentialName ?? '') !== '';
  if (secret && files.length > 0) report.error(['credentialName'], `cannot be combined with ${files.join(', ')}; use the secret or the files`);
  if (tls.mode === 'MUTUAL' && !secret) {
    for (const field of ['clientCertificate', 'privateKey'] as const) {
      if ((tls[field] ?? '') === '') report.error([], `mode MUTUAL needs ${field} (or credentialName)`);
    }
  }
  if (tls.insecureSkipVerify === true) checkSkipVerify(tls, secret, report);
}

function checkSkipVerify(tls: ClientTlsSettings, secret: boolean, report: Report): void {
  const verifying = present(tls, ['caCertificates', 'subjectAltNames']);
  if (secret && tls.mode === 'SIMPLE') report.error(['insecureSkipVerify'], 'cannot be combined with credentialName in mode SIMPLE');
  if (verifying.length > 0) report.error(['insecureSkipVerify'], `cannot be combined with ${verifying.join(', ')}`);
}
