/** Which locality setting a cluster follows: the rule's, else the service's trafficDistribution, else the mesh's (istio-api.md 3.5). */

import type { LocalityLbSetting } from '../resources/traffic-policy/types.ts';
import type { Origin } from '../runtime/origin.ts';
import { below, originAt } from './located.ts';
import { HOSTNAME_LABEL, NETWORK_LABEL, REGION_LABEL, SUBZONE_LABEL, ZONE_LABEL } from './locality.ts';
import type { MeshSettings } from './mesh.ts';
import type { MeshService } from './mesh-service.ts';
import type { EffectivePolicy } from './traffic-policy.ts';

export interface EffectiveLocality {
  readonly setting: LocalityLbSetting;
  /** Nearer endpoints are preferred: endpoints may be ejected, or the service asks for it whatever happens. */
  readonly failover: boolean;
  /** Where the setting was written. */
  origin(): Origin | 'default';
}

/** What `trafficDistribution` asks for, in the words of a locality setting. */
const DISTRIBUTIONS: Readonly<Record<NonNullable<MeshService['distribution']>['prefer'], LocalityLbSetting>> = {
  'same-zone': { failoverPriority: [NETWORK_LABEL, REGION_LABEL, ZONE_LABEL] },
  'same-node': { failoverPriority: [NETWORK_LABEL, REGION_LABEL, ZONE_LABEL, SUBZONE_LABEL, HOSTNAME_LABEL] },
};

/** Undefined where endpoints of all localities are used alike. */
export function effectiveLocality({ loadBalancer, outlierDetection }: EffectivePolicy, { distribution, source }: MeshService, mesh: MeshSettings): EffectiveLocality | undefined {
  const failover = outlierDetection !== undefined;
  const ofRule = loadBalancer?.value.localityLbSetting;
  if (loadBalancer !== undefined && ofRule !== undefined) {
    return ofRule.enabled === false ? undefined : { setting: ofRule, failover, origin: () => originAt(below(loadBalancer, 'localityLbSetting')) };
  }
  if (distribution !== undefined) return { setting: DISTRIBUTIONS[distribution.prefer], failover: true, origin: () => originAt({ source, path: distribution.path }) };
  const ofMesh = mesh.localityLbSetting;
  if (ofMesh.enabled === false || (!failover && (ofMesh.distribute ?? []).length === 0)) return undefined;
  return { setting: ofMesh, failover, origin: () => meshOrigin(mesh) };
}

function meshOrigin(mesh: MeshSettings): Origin | 'default' {
  const place = mesh.placeOf('localityLbSetting');
  return place === undefined ? 'default' : originAt(place);
}
