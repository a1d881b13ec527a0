/** PeerAuthentication: the mutual TLS mode that a workload's inbound side requires (istio-api.md section 8). */

import type { WorkloadSelector } from './policy-target.ts';

export type MtlsMode = 'UNSET' | 'DISABLE' | 'PERMISSIVE' | 'STRICT';

export interface MutualTls {
  /** UNSET and absent: ask the parent (port → workload → namespace → mesh → PERMISSIVE). */
  readonly mode?: MtlsMode;
}

export interface PeerAuthenticationSpec {
  readonly selector?: WorkloadSelector;
  readonly mtls?: MutualTls;
  /** Workload port (not service port), in decimal, → mode. */
  readonly portLevelMtls?: Readonly<Record<string, MutualTls>>;
}
