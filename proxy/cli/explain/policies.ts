/** Every policy that applies to a request, with the values in force and where they were written. */

import type { CompileTrace } from '../../../config/compile/trace.ts';
import type { Snapshot } from '../../../config/load/types.ts';
import type { ClusterConfig } from '../../../config/runtime/cluster.ts';
import type { RouteConfig } from '../../../config/runtime/route.ts';
import { clusterPolicies, type ClusterPolicy } from './cluster-policies.ts';
import type { ExplainedPolicy, PolicyName } from './explanation.ts';
import { routePolicies } from './route-policies.ts';

export interface Decided {
  readonly route: RouteConfig | undefined;
  /** Of the destination with the largest weight. */
  readonly cluster: ClusterConfig | undefined;
}

/** The four that depend on which destination is picked. */
export function explainClusterPolicies(cluster: ClusterConfig | undefined, { policies, localities }: CompileTrace): Record<ClusterPolicy, ExplainedPolicy> {
  return cluster === undefined ? clusterPolicies(undefined, undefined, undefined) : clusterPolicies(cluster, policies.get(cluster), localities.get(cluster));
}

export function explainPolicies({ route, cluster }: Decided, snapshot: Snapshot, trace: CompileTrace): Readonly<Record<PolicyName, ExplainedPolicy>> {
  const rule = route === undefined ? undefined : trace.routes.get(route)?.rule;
  return { ...routePolicies(route, rule, snapshot), ...explainClusterPolicies(cluster, trace) };
}
