/** What lies behind routes and clusters, kept while compiling for whoever wants to explain them. */

import type { ClusterConfig } from '../runtime/cluster.ts';
import type { RouteConfig } from '../runtime/route.ts';
import type { HttpRule } from './http-rule.ts';
import type { EffectiveLocality } from './locality-setting.ts';
import type { EffectivePolicy } from './traffic-policy.ts';

/** The resources' fields that this version does not act on are here too. */
export interface CompileTrace {
  readonly routes: Map<RouteConfig, TracedRoute>;
  readonly policies: Map<ClusterConfig, EffectivePolicy>;
  /** Of clusters whose endpoints are not used alike. */
  readonly localities: Map<ClusterConfig, EffectiveLocality>;
}

export interface TracedRoute {
  readonly rule: HttpRule;
  /** Its place in the VirtualService: `http[0]`, with `.match[1]` where the rule has several. */
  readonly label: string;
}
