/** What is known of TLS connections, without any. */

import type { ConnectionSecurity, PeerCertificate } from '../../proxy/stream/connection-security.ts';

export function certificate(changes: Partial<PeerCertificate> = {}): PeerCertificate {
  return {
    uris: [], dns: [], subject: '', issuer: 'O=cluster.local', serial: '12a299', fingerprint: '0dff5fe2', validFrom: 1_795_276_808, validTo: 1_797_004_808,
    pem: '-----BEGIN CERTIFICATE-----\nMII+/w==\n-----END CERTIFICATE-----\n', ...changes,
  };
}

export function tls(changes: Partial<ConnectionSecurity> = {}): ConnectionSecurity {
  return { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', serverName: undefined, alpn: 'istio', mutual: false, peer: undefined, local: undefined, resumed: false, ...changes };
}

/** Both sides known by one URI. */
export function mutualTls(peer: string, local: string): ConnectionSecurity {
  return tls({ mutual: true, peer: certificate({ uris: [peer] }), local: certificate({ uris: [local] }) });
}
