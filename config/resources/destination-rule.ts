/** DestinationRule: how this client talks to a host, and the host's subsets. */

import type { TrafficPolicy } from './traffic-policy/types.ts';

export type * from './traffic-policy/types.ts';

export interface DestinationRuleSpec {
  readonly host: string;
  readonly trafficPolicy?: TrafficPolicy;
  readonly subsets?: readonly Subset[];
  /** Default: the mesh's, normally `*`. */
  readonly exportTo?: readonly string[];
  /** Limits the rule to client workloads of its own namespace with these labels. */
  readonly workloadSelector?: { readonly matchLabels?: Readonly<Record<string, string>> };
}

export interface Subset {
  readonly name: string;
  /** Absent or empty: every endpoint. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly trafficPolicy?: TrafficPolicy;
}
