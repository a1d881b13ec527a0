/** AuthorizationPolicy: who may call a workload, and how (istio-api.md section 10). */

import { checkCustom, checkHttpOnlyDeny } from './authorization-policy/action-rules.ts';
import { authorizationRule } from './authorization-policy/rule.ts';
import type { AuthorizationPolicySpec } from './authorization-policy/types.ts';
import type { KindParser } from './kind.ts';
import { istioVersions, specKind } from './kind.ts';
import { checkPolicyTarget, policyTargetShape } from './policy-target.ts';
import type { Report, Schema } from './schema.ts';
import { list, object, oneName, text } from './schema.ts';
import { all } from './values.ts';

export type * from './authorization-policy/types.ts';

const provider = object<{ readonly name?: string }>({ name: text });

const spec: Schema<AuthorizationPolicySpec> = object<AuthorizationPolicySpec>(
  {
    ...policyTargetShape,
    action: oneName(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM']),
    provider,
    rules: list(authorizationRule, { max: 512 }),
  },
  { check: all(checkPolicyTarget, checkAction, checkCustom, checkHttpOnlyDeny) },
);

export const authorizationPolicy: KindParser<AuthorizationPolicySpec> = specKind(
  { kind: 'AuthorizationPolicy', apiVersions: istioVersions('security', 'v1', 'v1beta1') },
  spec,
);

/** An empty list of rules counts as none: protobuf does not tell them apart. */
function checkAction(policy: AuthorizationPolicySpec, report: Report): void {
  const { action = 'ALLOW', rules = [] } = policy;
  if (rules.length === 0 && (action === 'DENY' || action === 'CUSTOM')) {
    report.error(['action'], `${action} without rules never applies; add the empty rule {} to apply it to every request`);
  }
  if (action === 'CUSTOM' && (policy.provider?.name ?? '') === '') report.error(['provider'], 'CUSTOM needs provider.name, one of the mesh configuration\'s extensionProviders');
  if (action !== 'CUSTOM' && policy.provider !== undefined) report.error(['provider'], `is only for action CUSTOM, this one is ${action}`);
}
