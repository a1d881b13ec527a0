/** How the security, telemetry and proxy configuration kinds say which workloads they concern (istio-api.md 1.7). */

import type { Report, Schema } from './schema.ts';
import { list, object, oneOf, text } from './schema.ts';
import { selectorLabels } from './values.ts';

/** All labels must be present and equal; absent or empty = every workload in scope. */
export interface WorkloadSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
}

/** Only for Kubernetes Gateway API gateways and waypoints: a policy that carries one never concerns a sidecar or a classic gateway. */
export interface PolicyTargetReference {
  /** Empty or `core`: Kubernetes' own. */
  readonly group?: string;
  readonly kind: string;
  readonly name: string;
  /** Always empty: references stay in their namespace. */
  readonly namespace?: string;
}

/** At most one of the three. */
export interface PolicyTarget {
  readonly selector?: WorkloadSelector;
  readonly targetRef?: PolicyTargetReference;
  readonly targetRefs?: readonly PolicyTargetReference[];
}

/** What `targetRef` may name: kind → group. */
const targetGroups: Readonly<Record<string, string>> = {
  Service: 'core',
  ServiceEntry: 'networking.istio.io',
  Gateway: 'gateway.networking.k8s.io',
  GatewayClass: 'gateway.networking.k8s.io',
};

export const workloadSelector: Schema<WorkloadSelector> = object<WorkloadSelector>({ matchLabels: selectorLabels }, {
  check: (selector, report) => {
    if (Object.keys(selector.matchLabels ?? {}).length === 0) report.warning([], 'a selector without labels selects every workload in scope; leave it out to say so');
  },
});

const policyTargetReference: Schema<PolicyTargetReference> = object<PolicyTargetReference>(
  { group: text, kind: text, name: text, namespace: text },
  {
    required: ['kind', 'name'],
    check: (reference, report) => {
      if (reference.name === '') report.error(['name'], 'must not be empty');
      if ((reference.namespace ?? '') !== '') report.error(['namespace'], 'must not be set: a policy cannot target another namespace');
      const group = Object.hasOwn(targetGroups, reference.kind) ? targetGroups[reference.kind] : undefined;
      const given = reference.group === undefined || reference.group === '' ? 'core' : reference.group;
      if (group !== given) report.error(['kind'], `a policy cannot target ${given}/${reference.kind}; possible: ${targetNames()}`);
    },
  },
);

/** The members that PolicyTarget adds to a kind's shape. */
export const policyTargetShape = {
  selector: workloadSelector,
  targetRef: policyTargetReference,
  targetRefs: list(policyTargetReference, { max: 16 }),
} as const;

/** One way of targeting only; says that a targetRef resource is ignored here. */
export function checkPolicyTarget(target: PolicyTarget, report: Report): void {
  oneOf(target, ['selector', 'targetRef', 'targetRefs'], report);
  if (!hasTargetReference(target)) return;
  const field = target.targetRef === undefined ? 'targetRefs' : 'targetRef';
  report.notEnforced([field], 'concerns Kubernetes Gateway API gateways and waypoints only: sidecars and classic gateways ignore this resource, as in Istio; use selector');
}

/** True for a resource that sidecars and classic gateways ignore. */
export function hasTargetReference(target: PolicyTarget): boolean {
  return target.targetRef !== undefined || (target.targetRefs ?? []).length > 0;
}

function targetNames(): string {
  return Object.entries(targetGroups).map(([kind, group]) => `${group}/${kind}`).join(', ');
}
