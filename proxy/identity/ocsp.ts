/** OCSP stapling (RFC 6066): what node:tls asks a tls.Server for, and nothing but that. */

import { createServer, type Server } from 'node:tls';
import type { IdentitySecret } from './secret.ts';

/**
 * A server that is never bound and answers with the staple. Undefined where there is none, and where there are two
 * certificates: node does not tell which of them is shown.
 */
export function ocspResponder(identities: readonly IdentitySecret[]): Server | undefined {
  const [identity] = identities;
  const staple = identity?.ocspStaple;
  if (identity === undefined || staple === undefined || identities.length > 1) return undefined;
  const server = createServer({ cert: identity.certificateChain, key: identity.privateKey, ca: [] });
  server.on('OCSPRequest', (_certificate, _issuer, answer: (error: Error | null, response: Buffer) => void) => answer(null, staple));
  return server;
}
