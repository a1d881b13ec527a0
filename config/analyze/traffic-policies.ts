/** Every traffic policy a DestinationRule holds: its own, its subsets', and the port levels of each. */

import type { DestinationRuleSpec, PortTrafficPolicy, TrafficPolicy } from '../resources/destination-rule.ts';
import type { Path } from '../resources/finding.ts';

export interface PlacedTrafficPolicy {
  readonly policy: TrafficPolicy | PortTrafficPolicy;
  readonly path: Path;
  /** Set for an entry of portLevelSettings. */
  readonly port?: number;
}

export function trafficPoliciesOf(spec: DestinationRuleSpec): readonly PlacedTrafficPolicy[] {
  return [
    ...withPorts(spec.trafficPolicy, ['spec', 'trafficPolicy']),
    ...(spec.subsets ?? []).flatMap((subset, index) => withPorts(subset.trafficPolicy, ['spec', 'subsets', index, 'trafficPolicy'])),
  ];
}

function withPorts(policy: TrafficPolicy | undefined, path: Path): readonly PlacedTrafficPolicy[] {
  if (policy === undefined) return [];
  const ports = (policy.portLevelSettings ?? []).map((entry, index) => ({ policy: entry, path: [...path, 'portLevelSettings', index], port: entry.port.number }));
  return [{ policy, path }, ...ports];
}
