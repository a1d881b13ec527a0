/**
 * Security resources that would restrict traffic and are not enforced by this version. `validate` warns of each;
 * `run` must refuse a snapshot in which one applies to its workload, never serve as if it were not there.
 */

import type { Labels } from '../compile/labels.ts';
import { selects } from '../compile/labels.ts';
import type { Resource, Snapshot } from '../load/snapshot.ts';
import type { AuthorizationPolicySpec } from '../resources/authorization-policy.ts';
import type { Path } from '../resources/finding.ts';
import type { PolicyTarget } from '../resources/policy-target.ts';
import { hasTargetReference } from '../resources/policy-target.ts';
import type { RequestAuthenticationSpec } from '../resources/request-authentication.ts';
import type { Problem } from '../runtime/problem.ts';
import { DRY_RUN_ANNOTATION, parseDryRun } from './dry-run.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

/** Who asks: the workload beside which `run` would serve. */
export interface SecuredWorkload {
  readonly namespace: string;
  readonly labels: Labels;
  readonly rootNamespace: string;
}

/** A part of a resource that restricts. */
interface Restriction {
  readonly resource: Resource<unknown>;
  readonly path: Path;
  /** `verifies JSON web tokens`, … */
  readonly what: string;
}

/** Warnings of `validate`: every resource that restricts whomever it selects. */
export function analyzeUnenforcedSecurity({ snapshot }: Subject): readonly Problem[] {
  const restrictions = [
    ...snapshot.authorizationPolicies.flatMap(authorizationParts),
    ...snapshot.requestAuthentications.flatMap(requestAuthenticationParts),
  ];
  const perResource = restrictions.filter(({ resource }, index) => restrictions.findIndex((other) => other.resource === resource) === index);
  return [
    ...perResource.map(({ resource, path, what }) => ({
      ...problemAt(resource, 'warning', path, `${what}, which this version does not enforce: "outrider run" refuses to serve the workloads it selects`),
      unenforcedSecurity: true,
    })),
    ...snapshot.authorizationPolicies.flatMap(unenforcedWithoutEffect),
  ];
}

/** Errors for `run`: what restricts this workload. Empty: it may be served. */
export function securityRefusals(snapshot: Snapshot, workload: SecuredWorkload): readonly Problem[] {
  const restrictions = [
    ...authorizationFor(snapshot.authorizationPolicies, workload),
    ...snapshot.requestAuthentications.filter((policy) => concerns(policy, workload)).flatMap(requestAuthenticationParts),
  ];
  return restrictions.map(({ resource, path, what }) => {
    const message = `${what}, which this version does not enforce; refusing to serve a workload it selects as if it were not there`;
    return { ...problemAt(resource, 'error', path, message), unenforcedSecurity: true };
  });
}

/** ALLOW, DENY and CUSTOM restrict; an ALLOW policy with an empty rule lets everything through. */
function authorizationParts(policy: Resource<AuthorizationPolicySpec>): readonly Restriction[] {
  const { action = 'ALLOW' } = policy.spec;
  if (action === 'AUDIT' || isDryRun(policy) || hasTargetReference(policy.spec) || allowsAll(policy)) return [];
  return [{ resource: policy, path: ['spec'], what: `restricts access (action ${action})` }];
}

/** One ALLOW policy that lets everything through takes the force of all others: any ALLOW rule that matches allows. */
function authorizationFor(policies: readonly Resource<AuthorizationPolicySpec>[], workload: SecuredWorkload): readonly Restriction[] {
  const applying = policies.filter((policy) => concerns(policy, workload));
  const open = applying.some((policy) => allowsAll(policy) && !isDryRun(policy));
  return applying.filter((policy) => !(open && (policy.spec.action ?? 'ALLOW') === 'ALLOW')).flatMap(authorizationParts);
}

function allowsAll({ spec }: Resource<AuthorizationPolicySpec>): boolean {
  const isEmptyRule = (rule: object): boolean => Object.keys(rule).length === 0;
  return (spec.action ?? 'ALLOW') === 'ALLOW' && (spec.rules ?? []).some(isEmptyRule);
}

/** Only ALLOW and DENY can be tried out. */
function isDryRun({ metadata, spec: { action } }: Resource<AuthorizationPolicySpec>): boolean {
  return action !== 'CUSTOM' && parseDryRun(metadata.annotations[DRY_RUN_ANNOTATION] ?? '') === true;
}

function unenforcedWithoutEffect(policy: Resource<AuthorizationPolicySpec>): readonly Problem[] {
  if (hasTargetReference(policy.spec)) return [];
  if (policy.spec.action === 'AUDIT') return [problemAt(policy, 'warning', ['spec', 'action'], 'AUDIT is not enforced by this version: requests are not marked for auditing')];
  if (isDryRun(policy)) return [problemAt(policy, 'warning', ['metadata', 'annotations', DRY_RUN_ANNOTATION], 'dry-run is not enforced by this version: the policy is not evaluated and nothing is logged')];
  return [];
}

/** Without rules nothing is asked of a request; with rules a bad token is answered 401. */
function requestAuthenticationParts(policy: Resource<RequestAuthenticationSpec>): readonly Restriction[] {
  if ((policy.spec.jwtRules ?? []).length === 0 || hasTargetReference(policy.spec)) return [];
  return [{ resource: policy, path: ['spec', 'jwtRules'], what: 'verifies JSON web tokens' }];
}

/** Own namespace or root namespace, and all labels of the selector (istio-api.md 1.7). */
function concerns({ metadata, spec }: Resource<PolicyTarget>, { namespace, rootNamespace, labels }: SecuredWorkload): boolean {
  const inScope = metadata.namespace === namespace || metadata.namespace === rootNamespace;
  return inScope && !hasTargetReference(spec) && selects(spec.selector?.matchLabels, labels);
}
