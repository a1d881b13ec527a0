/** ProxyConfig: settings of the proxy process itself, for the workloads of a namespace. */

import type { WorkloadSelector } from './policy-target.ts';

export interface ProxyConfigSpec {
  readonly selector?: WorkloadSelector;
  /** Worker count; 0 = one per core. */
  readonly concurrency?: number;
  readonly environmentVariables?: Readonly<Record<string, string>>;
  readonly image?: { readonly imageType?: string };
}
