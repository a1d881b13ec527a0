/** Options of `outrider certs`, apart from the command so that help need not load the X.509 library. */

import type { FlagSpec } from './flags.ts';

export const CERTS_FLAGS: readonly (FlagSpec & { readonly help: string })[] = [
  { name: 'out', value: 'DIR', help: 'folder to write to; its root-cert.pem and root-key.pem are used again by a later call' },
  { name: 'trust-domain', value: 'DOMAIN', help: 'of identities given as NAMESPACE/ACCOUNT (default cluster.local)' },
  { name: 'days', value: 'N', help: 'how long the certificates are valid (default 365)' },
  { name: 'ttl', value: 'DURATION', help: 'the same as a duration: 90s, 30m, 24h, 7d' },
  { name: 'rsa', help: 'RSA keys of 2048 bits instead of ECDSA P-256' },
  { name: 'json', help: 'print what was written as JSON' },
];
