/** The part of a resource that every kind shares. */

import type { Finding } from './finding.ts';
import { runSchema } from './kind.ts';
import type { Schema, Shape } from './schema.ts';
import { anything, checked, map, object, text } from './schema.ts';
import { dnsLabelProblem, checkedText, labels } from './values.ts';

/** Kubernetes object metadata, as far as a data plane reads it. Everything else `kubectl get` prints there is dropped. */
export interface Metadata {
  readonly name: string;
  /** `default` where the file does not say; empty for a cluster-scoped kind (Namespace). */
  readonly namespace: string;
  /** Without prototype: any label key is safe to look up. */
  readonly labels: Readonly<Record<string, string>>;
  /** Without prototype. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch; absent in most files (then order falls back to name, namespace: istio-api.md 1.6). */
  readonly creationTimestamp?: number;
}

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
  } as Shape<WrittenMetadata>,
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
