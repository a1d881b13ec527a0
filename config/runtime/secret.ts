/** Certificates and keys from Kubernetes Secrets of the snapshot. The one place of the runtime configuration with private keys: never printed. */

import type { Origin } from './origin.ts';

export interface SecretConfig {
  /** `kubernetes://NAMESPACE/NAME`. */
  readonly name: string;
  /** PEM, leaf first; absent in a secret of authorities only. */
  readonly certificateChain?: string;
  /** PEM. */
  readonly privateKey?: string;
  /** PEM, one or more authorities. */
  readonly authorities?: string;
  /** PEM certificate revocation lists. */
  readonly revoked?: string;
  /** Base64 OCSP response to staple. */
  readonly ocspStaple?: string;
  readonly origin: Origin;
}
