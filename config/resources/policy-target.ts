/** How the security, telemetry and proxy configuration kinds say which workloads they concern (istio-api.md 1.7). */

/** All labels must be present and equal; absent or empty = every workload in scope. */
export interface WorkloadSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
}

/** Only for Kubernetes Gateway API gateways and waypoints: a policy that carries one never concerns a sidecar or a classic gateway. */
export interface PolicyTargetReference {
  readonly group?: string;
  readonly kind: string;
  readonly name: string;
}

/** At most one of the three. */
export interface PolicyTarget {
  readonly selector?: WorkloadSelector;
  readonly targetRef?: PolicyTargetReference;
  readonly targetRefs?: readonly PolicyTargetReference[];
}
