/** PeerAuthentication: the mutual TLS mode that a workload's inbound side requires (istio-api.md section 8). */

import type { KindParser } from './kind.ts';
import { istioVersions, specKind } from './kind.ts';
import type { WorkloadSelector } from './policy-target.ts';
import { workloadSelector } from './policy-target.ts';
import type { Report, Schema } from './schema.ts';
import { map, object, oneName } from './schema.ts';

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

const mutualTls: Schema<MutualTls> = object<MutualTls>({ mode: oneName(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT']) });

const spec: Schema<PeerAuthenticationSpec> = object<PeerAuthenticationSpec>(
  { selector: workloadSelector, mtls: mutualTls, portLevelMtls: map(mutualTls) },
  { check: checkPorts },
);

export const peerAuthentication: KindParser<PeerAuthenticationSpec> = specKind(
  { kind: 'PeerAuthentication', apiVersions: istioVersions('security', 'v1', 'v1beta1') },
  spec,
);

function checkPorts(policy: PeerAuthenticationSpec, report: Report): void {
  const ports = policy.portLevelMtls;
  if (ports === undefined) return;
  if (Object.keys(ports).length === 0) report.error(['portLevelMtls'], 'must not be empty');
  if (Object.keys(policy.selector?.matchLabels ?? {}).length === 0) {
    report.error(['portLevelMtls'], 'needs a selector with labels: port modes are for one workload');
  }
  for (const port of Object.keys(ports)) {
    const valid = /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535;
    if (!valid) report.error(['portLevelMtls', port], `${JSON.stringify(port)} is not a workload port from 1 to 65535`);
  }
}
