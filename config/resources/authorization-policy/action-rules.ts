/** What AuthorizationPolicy rules may hold for a given action. */

import type { Report } from '../schema.ts';
import type { AuthorizationPolicySpec, AuthorizationRule, Source } from './types.ts';

/** CUSTOM runs before authentication, so it cannot ask who the peer is (istio-api.md 10.1). */
const identityFields = [
  'namespaces', 'notNamespaces', 'serviceAccounts', 'notServiceAccounts', 'trustDomains', 'notTrustDomains',
  'principals', 'notPrincipals', 'requestPrincipals', 'notRequestPrincipals',
] as const satisfies readonly (keyof Source)[];

const identityKeys = ['source.namespace', 'source.serviceAccount', 'source.trustDomain', 'source.principal'];

const httpOnlySourceFields = ['requestPrincipals', 'notRequestPrincipals'] as const satisfies readonly (keyof Source)[];

export function checkCustom(policy: AuthorizationPolicySpec, report: Report): void {
  if (policy.action !== 'CUSTOM') return;
  for (const [index, rule] of (policy.rules ?? []).entries()) {
    for (const [entry, { source }] of (rule.from ?? []).entries()) {
      for (const field of identityFields) {
        if (source[field] !== undefined) report.error(['rules', index, 'from', entry, 'source', field], 'cannot be used with action CUSTOM');
      }
    }
    for (const [entry, { key }] of (rule.when ?? []).entries()) {
      if (identityKeys.includes(key) || key.startsWith('request.auth.')) report.error(['rules', index, 'when', entry, 'key'], `${JSON.stringify(key)} cannot be used with action CUSTOM`);
    }
  }
}

/** On TCP ports HTTP conditions are left out of a DENY rule, which widens it to everything (istio-api.md 10.7). */
export function checkHttpOnlyDeny(policy: AuthorizationPolicySpec, report: Report): void {
  if (policy.action !== 'DENY') return;
  for (const [index, rule] of (policy.rules ?? []).entries()) {
    if (deniesAllTcp(rule)) report.warning(['rules', index], 'has HTTP conditions only, so it denies all TCP traffic in its scope; add operation.ports');
  }
}

function deniesAllTcp(rule: AuthorizationRule): boolean {
  const tcpInFrom = (rule.from ?? []).some(({ source }) => Object.keys(source).some((field) => !httpOnlySourceFields.some((name) => name === field)));
  const tcpInTo = (rule.to ?? []).some(({ operation }) => operation.ports !== undefined || operation.notPorts !== undefined);
  return (rule.from !== undefined && rule.to === undefined && !tcpInFrom) || (rule.to !== undefined && !tcpInTo);
}
