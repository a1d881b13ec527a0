/** Automatic mutual TLS, endpoint by endpoint: who gets it, and why the others do not (istio-api.md 8.3). */

import type { ClusterConfig } from '../../../config/runtime/cluster.ts';

/** One for each endpoint, in their order; undefined where all are reached alike: another mode, or no certificate of our own. */
export function explainAutoTls({ tls, endpoints }: ClusterConfig): readonly string[] | undefined {
  if (tls.mode !== 'AUTO' || tls.identity === undefined) return undefined;
  return endpoints.map(({ tlsMode }) => (tlsMode === 'istio' ? 'mutual TLS' : 'plain text: no sidecar there, or one that takes no mutual TLS'));
}
