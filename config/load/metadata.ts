/** `metadata` of any resource: what a data plane reads of it, and strictness about the rest. */

import type { Finding } from '../resources/finding.ts';
import { runSchema } from '../resources/kind.ts';
import type { Metadata } from '../resources/metadata.ts';
import type { Schema } from '../resources/schema.ts';
import { anything, checked, map, object, text } from '../resources/schema.ts';
import { checkedText, dnsLabelProblem, labels } from '../resources/values.ts';

/** What Kubernetes keeps for itself in `metadata`. */
const bookkeeping = ['clusterName', 'deletionGracePeriodSeconds', 'deletionTimestamp', 'finalizers', 'generateName', 'generation', 'managedFields', 'ownerReferences', 'resourceVersion', 'selfLink', 'uid'] as const;

interface WrittenMetadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly creationTimestamp?: string;
}

const written: Schema<WrittenMetadata> = object<WrittenMetadata>(
  {
    name: checkedText(nameProblem),
    namespace: checkedText((value) => (value === '' ? undefined : dnsLabelProblem(value))),
    labels,
    annotations: map(text),
    creationTimestamp: checked(text, (value, report) => {
      if (Number.isNaN(Date.parse(value))) report.error([], `${JSON.stringify(value)} is not a time such as "2026-01-31T12:00:00Z"`);
    }),
    ...Object.fromEntries(bookkeeping.map((field) => [field, anything])),
  },
  { required: ['name'] },
);

const empty: Readonly<Record<string, string>> = Object.freeze(Object.create(null) as Record<string, string>);

/** Defaults filled in; undefined when a finding is an error. Finding paths start at `metadata`. */
export function parseMetadata(input: unknown, clusterScoped: boolean): { readonly metadata: Metadata | undefined; readonly findings: readonly Finding[] } {
  const { value, findings } = runSchema(written, input ?? {}, ['metadata']);
  if (value === undefined || findings.some((finding) => finding.severity === 'error')) return { metadata: undefined, findings };
  const created = value.creationTimestamp === undefined ? undefined : Date.parse(value.creationTimestamp);
  const metadata: Metadata = {
    name: value.name,
    namespace: clusterScoped ? '' : value.namespace || 'default',
    labels: value.labels ?? empty,
    annotations: value.annotations ?? empty,
    ...(created === undefined ? {} : { creationTimestamp: created }),
  };
  return { metadata, findings };
}

function nameProblem(name: string): string | undefined {
  if (name.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name)) return undefined;
  return `${JSON.stringify(name)} is not a resource name (lower-case letters, digits, "-" and ".", at most 253)`;
}
