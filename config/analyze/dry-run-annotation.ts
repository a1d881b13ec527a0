/** `istio.io/dry-run` belongs on ALLOW and DENY AuthorizationPolicies only, with a boolean value; istiod refuses it elsewhere. */

import type { Resource, Snapshot } from '../load/snapshot.ts';
import type { Problem } from '../runtime/problem.ts';
import { DRY_RUN_ANNOTATION, parseDryRun } from './dry-run.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

export function analyzeDryRunAnnotation({ snapshot }: Subject): readonly Problem[] {
  return [...others(snapshot), ...snapshot.authorizationPolicies].flatMap((resource) => {
    const value = resource.metadata.annotations[DRY_RUN_ANNOTATION];
    const message = value === undefined ? undefined : annotationProblem(resource, value);
    return message === undefined ? [] : [problemAt(resource, 'error', ['metadata', 'annotations', DRY_RUN_ANNOTATION], message, 'IST0106')];
  });
}

/** Istio's other kinds. */
function others(snapshot: Snapshot): readonly Resource<unknown>[] {
  const { virtualServices, destinationRules, gateways, serviceEntries, workloadEntries, workloadGroups, sidecars } = snapshot;
  const { peerAuthentications, requestAuthentications, telemetries, proxyConfigs } = snapshot;
  return [
    ...virtualServices, ...destinationRules, ...gateways, ...serviceEntries, ...workloadEntries, ...workloadGroups, ...sidecars,
    ...peerAuthentications, ...requestAuthentications, ...telemetries, ...proxyConfigs,
  ];
}

function annotationProblem(resource: Resource<unknown>, value: string): string | undefined {
  const action = (resource.spec as { readonly action?: string }).action ?? 'ALLOW';
  if (resource.kind !== 'AuthorizationPolicy') return `${resource.kind} cannot be tried out with this annotation, only AuthorizationPolicy can`;
  if (action !== 'ALLOW' && action !== 'DENY') return `only policies with action ALLOW or DENY can be tried out, this one is ${action}`;
  return parseDryRun(value) !== undefined ? undefined : `must be "true" or "false", got ${JSON.stringify(value)}`;
}
