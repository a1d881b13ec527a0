/** One authorization rule: `from`, `to`, `when`, each checked as istiod does. */

import type { Report, Schema } from '../schema.ts';
import { checked, list, object } from '../schema.ts';
import { checkedText, subnet } from '../values.ts';
import { condition, portProblem } from './condition.ts';
import { pathTemplateProblem } from './path-template.ts';
import type { AuthorizationRule, Operation, Source } from './types.ts';

function emptyProblem(value: string): string | undefined {
  return value === '' ? 'an empty value is not allowed' : undefined;
}

const value = checkedText(emptyProblem);

/** Values in the forms `abc`, `abc*`, `*abc`, `*` (istio-api.md 10.6); a `*` elsewhere is legal and compared literally. */
const stringForms: Schema<string> = checked(value, (form, report) => {
  const inner = form.startsWith('*') ? form.slice(1) : form.replace(/\*$/, '');
  if (inner.includes('*')) report.warning([], `${JSON.stringify(form)}: only one "*", at the start or the end, is a wildcard; this one is compared literally`);
});

const path: Schema<string> = checked(value, (text, report) => {
  const problem = pathTemplateProblem(text);
  if (problem !== undefined) report.error([], problem);
});

const serviceAccount = checkedText((text) => {
  if (text.includes('*')) return `${JSON.stringify(text)}: service accounts have no wildcards`;
  const parts = text.split('/');
  const valid = parts.length <= 2 && parts.every((part) => /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(part)) && text.length <= 320;
  return valid ? undefined : `${JSON.stringify(text)} is not a service account ("name" or "namespace/name")`;
});

const source: Schema<Source> = object<Source>(
  {
    principals: list(stringForms),
    notPrincipals: list(stringForms),
    requestPrincipals: list(stringForms),
    notRequestPrincipals: list(stringForms),
    namespaces: list(value),
    notNamespaces: list(value),
    serviceAccounts: list(serviceAccount, { max: 16 }),
    notServiceAccounts: list(serviceAccount, { max: 16 }),
    trustDomains: list(stringForms),
    notTrustDomains: list(stringForms),
    ipBlocks: list(subnet),
    notIpBlocks: list(subnet),
    remoteIpBlocks: list(subnet),
    notRemoteIpBlocks: list(subnet),
  },
  { check: checkSource },
);

const operation: Schema<Operation> = object<Operation>(
  {
    hosts: list(stringForms),
    notHosts: list(stringForms),
    ports: list(checkedText(portProblem)),
    notPorts: list(checkedText(portProblem)),
    methods: list(stringForms),
    notMethods: list(stringForms),
    paths: list(path),
    notPaths: list(path),
  },
  { check: (message, report) => checkNotEmpty(message, report) },
);

const from = object<{ readonly source: Source }>({ source }, { required: ['source'] });
const to = object<{ readonly operation: Operation }>({ operation }, { required: ['operation'] });

export const authorizationRule: Schema<AuthorizationRule> = object<AuthorizationRule>({
  from: list(from, { min: 1, max: 512 }),
  to: list(to, { min: 1 }),
  when: list(condition),
});

function checkSource(message: Source, report: Report): void {
  checkNotEmpty(message, report);
  const accounts = (['serviceAccounts', 'notServiceAccounts'] as const).find((field) => message[field] !== undefined);
  if (accounts === undefined) return;
  for (const field of ['principals', 'notPrincipals', 'namespaces', 'notNamespaces'] as const) {
    if (message[field] !== undefined) report.error([field], `cannot be combined with ${accounts}`);
  }
}

function checkNotEmpty(message: Source | Operation, report: Report): void {
  const values = Object.values(message) as readonly (readonly string[] | undefined)[];
  if (values.every((entries) => entries === undefined || entries.length === 0)) report.error([], 'must not be empty: it would match everything; leave it out to say so');
}
