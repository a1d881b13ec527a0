/** How a kind declares itself to the loader, and how its schema is run. */

import * as z from 'zod';
import type { Finding, Path } from './finding.ts';
import type { Metadata } from './metadata.ts';
import type { IssueDetails, Report, Schema } from './schema.ts';
import { reportInto, runRaw } from './schema.ts';
import { suggestion } from './suggest.ts';

/** One kind: its names, and how its document becomes a typed body. Each kind's file exports one; `index.ts` lists them. */
export interface KindParser<Body> {
  readonly kind: string;
  /** Every served version, e.g. `networking.istio.io/v1`; `v1` for the core group. */
  readonly apiVersions: readonly string[];
  /** Has no namespace (Namespace). Default false. */
  readonly clusterScoped?: boolean;
  /** Pure; never throws for any JSON value. */
  parse(document: Readonly<Record<string, unknown>>, metadata: Metadata): Parsed<Body>;
}

export interface Parsed<Body> {
  /** Undefined when a finding is an error. */
  readonly body: Body | undefined;
  /** Paths start at the document's root (`['spec', …]`). */
  readonly findings: readonly Finding[];
}

/** A rule over the whole body that needs the metadata too; paths start at the document's root (`['spec', …]`, `['metadata', …]`). */
export type BodyCheck<Body> = (body: Body, metadata: Metadata, report: Report) => void;

interface KindNames {
  readonly kind: string;
  readonly apiVersions: readonly string[];
  readonly clusterScoped?: boolean;
}

/** A kind whose body is the field `spec`, as all of Istio's are. `status` and every other top-level field but the usual three is refused. */
export function specKind<Spec>(names: KindNames, spec: Schema<Spec>, check?: BodyCheck<Spec>): KindParser<Spec> {
  return {
    ...names,
    parse(document, metadata) {
      const { value, findings } = runSchema(spec, document['spec'] ?? {}, ['spec']);
      return settle(value, [...unknownTopLevel(document), ...findings, ...checkBody(value, metadata, check)]);
    },
  };
}

/** A kind whose fields stand at the top level (EndpointSlice, Secret, ConfigMap …): the schema sees the whole document. */
export function documentKind<Body>(names: KindNames, schema: Schema<Body>, check?: BodyCheck<Body>): KindParser<Body> {
  return {
    ...names,
    parse(document, metadata) {
      const { value, findings } = runSchema(schema, document, []);
      return settle(value, [...findings, ...checkBody(value, metadata, check)]);
    },
  };
}

/** `istioVersions('networking', 'v1', 'v1beta1')` → `['networking.istio.io/v1', …]` */
export function istioVersions(group: 'networking' | 'security' | 'telemetry', ...versions: readonly string[]): readonly string[] {
  return versions.map((version) => `${group}.istio.io/${version}`);
}

/**
 * Runs a schema; findings carry paths below `base`. The value is undefined where a type was wrong, and present (to be
 * checked further) where a value is merely not allowed.
 */
export function runSchema<T>(schema: Schema<T>, input: unknown, base: Path): { readonly value: T | undefined; readonly findings: readonly Finding[] } {
  const { value, issues } = runRaw(schema, input);
  const usable = issues.every((issue) => issue.continue === true);
  return { value: usable ? (value as T) : undefined, findings: issues.flatMap((issue) => toFindings(issue, base)) };
}

function checkBody<Body>(body: Body | undefined, metadata: Metadata, check: BodyCheck<Body> | undefined): readonly Finding[] {
  if (body === undefined || check === undefined) return [];
  const issues: z.core.$ZodRawIssue[] = [];
  check(body, metadata, reportInto(issues));
  return issues.flatMap((issue) => toFindings(issue, []));
}

/** Unknown fields come as one issue for all of a map's; each becomes its own finding. */
function toFindings(raw: z.core.$ZodRawIssue, base: Path): readonly Finding[] {
  const issue = z.core.util.finalizeIssue(raw, undefined, z.config());
  const path = [...base, ...(issue.path as Path)];
  if (issue.code === 'unrecognized_keys') {
    const messages = issue.message.split('\n');
    return issue.keys.map((key, i) => ({ severity: 'error', path: [...path, key], message: messages[i] ?? issue.message, code: 'IST0106', atKey: true }));
  }
  const details = issue.code === 'custom' ? (issue.params as IssueDetails | undefined) : undefined;
  const facts: IssueDetails = details ?? { severity: 'error', code: 'IST0106' };
  return [{ ...facts, path, message: issue.message }];
}

function settle<T>(value: T | undefined, findings: readonly Finding[]): Parsed<T> {
  return { body: findings.some((finding) => finding.severity === 'error') ? undefined : value, findings };
}

const topLevelFields = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];

function unknownTopLevel(document: Readonly<Record<string, unknown>>): readonly Finding[] {
  const unknown = Object.keys(document).filter((key) => !topLevelFields.includes(key));
  return unknown.map((key) => ({
    severity: 'error',
    path: [key],
    message: `unknown field ${JSON.stringify(key)}${suggestion(key, topLevelFields)}`,
    code: 'IST0106',
    atKey: true,
  }));
}
