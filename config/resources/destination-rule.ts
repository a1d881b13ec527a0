/** DestinationRule: how this client talks to a host, and the host's subsets. */

import type { KindParser } from './kind.ts';
import { istioVersions, specKind } from './kind.ts';
import type { Metadata } from './metadata.ts';
import type { Report, Schema } from './schema.ts';
import { list, object } from './schema.ts';
import { checkFailover, trafficPolicy } from './traffic-policy/traffic-policy.ts';
import type { TrafficPolicy } from './traffic-policy/types.ts';
import { exportTo, hostName, labels, nameLabel, selectorLabels } from './values.ts';

export type * from './traffic-policy/types.ts';

export interface DestinationRuleSpec {
  readonly host: string;
  readonly trafficPolicy?: TrafficPolicy;
  readonly subsets?: readonly Subset[];
  /** Default: the mesh's, normally `*`. */
  readonly exportTo?: readonly string[];
  /** Limits the rule to client workloads of its own namespace with these labels. */
  readonly workloadSelector?: ClientSelector;
}

export interface Subset {
  readonly name: string;
  /** Absent or empty: every endpoint. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly trafficPolicy?: TrafficPolicy;
}

export interface ClientSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
}

const spec: Schema<DestinationRuleSpec> = object<DestinationRuleSpec>(
  {
    host: hostName(),
    trafficPolicy,
    subsets: list(object<Subset>({ name: nameLabel, labels, trafficPolicy }, { required: ['name'] }), { check: checkSubsets }),
    exportTo: exportTo({ none: false }),
    workloadSelector: object<ClientSelector>({ matchLabels: selectorLabels }),
  },
  { required: ['host'], check: checkPolicies },
);

export const destinationRule: KindParser<DestinationRuleSpec> = specKind(
  { kind: 'DestinationRule', apiVersions: istioVersions('networking', 'v1', 'v1beta1', 'v1alpha3') },
  spec,
  checkSelector,
);

function checkPolicies({ trafficPolicy: policy, subsets = [] }: DestinationRuleSpec, report: Report): void {
  if (policy !== undefined) checkFailover(policy, undefined, report, ['trafficPolicy']);
  for (const [index, { trafficPolicy: own }] of subsets.entries()) {
    if (own !== undefined) checkFailover(own, policy?.outlierDetection, report, ['subsets', index, 'trafficPolicy']);
  }
}

function checkSubsets(subsets: readonly Subset[], report: Report): void {
  const seen = new Set<string>();
  for (const [index, { name }] of subsets.entries()) {
    if (seen.has(name)) report.error([index, 'name'], `the subset ${JSON.stringify(name)} is defined twice`);
    seen.add(name);
  }
}

/** A rule for some clients of a namespace is of no use to clients of another. */
function checkSelector(rule: DestinationRuleSpec, metadata: Metadata, report: Report): void {
  if (rule.workloadSelector === undefined) return;
  if (Object.keys(rule.workloadSelector.matchLabels ?? {}).length === 0) {
    report.warning(['spec', 'workloadSelector'], 'has no labels and selects every workload of the namespace');
  }
  const wide = (rule.exportTo ?? []).findIndex((entry) => entry !== '.' && entry !== metadata.namespace);
  if (wide !== -1) report.error(['spec', 'exportTo', wide], 'with a workloadSelector only the own namespace (".") may be listed');
}
