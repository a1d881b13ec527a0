/** Every policy that applies to a request, with the values in force and where they were written. */

import type { CompileTrace } from '../../../config/compile/trace.ts';
import type { Snapshot } from '../../../config/load/types.ts';
import type { ClusterConfig } from '../../../config/runtime/cluster.ts';
import type { RouteConfig } from '../../../config/runtime/route.ts';
import { clusterPolicies } from './cluster-policies.ts';
import type { ExplainedPolicy, PolicyName } from './explanation.ts';
import { routePolicies } from './route-policies.ts';

export interface Decided {
  readonly route: RouteConfig | undefined;
  /** Of the destination with the largest weight. */
  readonly cluster: ClusterConfig | undefined;
}

export function explainPolicies({ route, cluster }: Decided, snapshot: Snapshot, trace: CompileTrace): Readonly<Record<PolicyName, ExplainedPolicy>> {
  const rule = route === undefined ? undefined : trace.routes.get(route)?.rule;
  const policy = cluster === undefined ? undefined : trace.policies.get(cluster);
  const locality = cluster === undefined ? undefined : trace.localities.get(cluster);
  return { ...routePolicies(route, rule, snapshot), ...clusterPolicies(cluster, policy, locality) };
}
