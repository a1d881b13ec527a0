/**
 * Combinators for resource schemas, over zod strict objects.
 *
 * A kind's file declares itself like this (`kind.ts` runs it):
 *
 *     const http = object<HttpThing>({ name: text, timeout: duration({ minMs: 1 }), mode: oneName(['A', 'B']) },
 *       { required: ['name'], check: (thing, report) => {
 *           if (thing.timeout !== undefined && thing.mode === 'B') report.error(['timeout'], 'not allowed with mode B');
 *           if (thing.old !== undefined) report.deprecated(['old'], 'use name instead');
 *       } });
 *     export const thing: KindParser<ThingSpec> = specKind({ kind: 'Thing', apiVersions: [...], spec: http });
 *
 * - The shape must name every field of the TypeScript type, so type and schema cannot drift apart.
 * - Fields are optional unless listed in `required`; `null` counts as absent (proto JSON); unknown fields are errors
 *   with a "did you mean". Maps come out without prototype, so any user key is safe to look up.
 * - `check` sees one message whose fields have the right types (a value out of range may still be there; it has been
 *   reported) and adds problems with paths relative to that message. Warnings do not make the resource unusable.
 */

import * as z from 'zod';
import type { Severity } from '../runtime/problem.ts';
import type { Path } from './finding.ts';
import { suggestion } from './suggest.ts';

export type * from './messages.ts';

export type Schema<T> = z.ZodType<T>;

/** Where a `check` reports; paths are relative to the checked value. */
export interface Report {
  /** Default code IST0106. */
  error(path: Path, message: string, code?: string): void;
  /** Default code IST0133. */
  warning(path: Path, message: string, code?: string): void;
  /** A deprecated field, IST0133 unless Istio says otherwise; the position is the field's name. */
  deprecated(path: Path, message: string, code?: string): void;
  /** A field that is valid but that this version does not act on; no code: istiod has no such message. */
  notEnforced(path: Path, message: string, options?: { readonly security?: boolean }): void;
}

export type Check<T> = (value: T, report: Report) => void;

/** Carried in a zod issue's `params`; read back by `findings` in kind.ts. */
export interface IssueDetails {
  readonly severity: Severity;
  readonly code?: string;
  readonly atKey?: boolean;
  readonly unenforcedSecurity?: boolean;
}

type RequiredKeys<T> = { [K in keyof T]-?: object extends Pick<T, K> ? never : K }[keyof T];

/** One schema for each field, the optional ones included. */
export type Shape<T> = { readonly [K in keyof T]-?: Schema<Exclude<T[K], undefined>> };

export interface ObjectOptions<T> {
  readonly required?: readonly RequiredKeys<T>[];
  readonly check?: Check<T>;
  /** Other spellings of fields that Istio takes, e.g. `{ mirror_percent: 'mirrorPercent' }`. */
  readonly aliases?: Readonly<Record<string, keyof T & string>>;
}

/** A message: unknown fields are errors. */
export function object<T>(shape: Shape<T>, options: ObjectOptions<T> = {}): Schema<T> {
  const fields = optionalFields(shape, options.required ?? []);
  const known = Object.keys(shape);
  const strict = z.strictObject(fields, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? unknownFields(issue, known) : expected('a map', issue)),
  });
  return finish(strict, shape, options);
}

/** A Kubernetes object of which a data plane reads a part: other fields are left alone (the API server checks them). */
export function openObject<T>(shape: Shape<T>, options: ObjectOptions<T> = {}): Schema<T> {
  const fields = optionalFields(shape, options.required ?? []);
  const open = z.object(fields, { error: (issue) => expected('a map', issue) });
  return finish(open, shape, options);
}

/** A list; `null` entries are errors. */
export function list<T>(item: Schema<T>, options: { readonly min?: number; readonly max?: number; readonly check?: Check<readonly T[]> } = {}): Schema<readonly T[]> {
  const { min = 0, max = Infinity, check } = options;
  const base = z.array(item, { error: (issue) => expected('a list', issue) });
  return checked<readonly T[]>(base, (value, report) => {
    if (value.length < min) report.error([], min === 1 ? 'must not be empty' : `must have at least ${min} entries`);
    if (value.length > max) report.error([], `must have at most ${max} entries, has ${value.length}`);
    check?.(value, report);
  });
}

/** A map with free keys; comes out without prototype. `key` and `value` report problems of one entry. */
export function map<T>(value: Schema<T>, check?: Check<Readonly<Record<string, T>>>): Schema<Readonly<Record<string, T>>> {
  const entries = z.unknown().transform((input, context) => {
    if (typeof input !== 'object' || input === null || Array.isArray(input)) {
      context.issues.push({ code: 'custom', message: expected('a map', { input }), input, continue: false });
      return z.NEVER;
    }
    return parseEntries(value, input as Readonly<Record<string, unknown>>, context.issues);
  });
  return check === undefined ? entries : checked(entries as Schema<Readonly<Record<string, T>>>, check);
}

/** Adds rules to a schema. */
export function checked<T>(schema: Schema<T>, check: Check<T>): Schema<T> {
  return schema.check((context) => check(context.value, reportInto(context.issues)));
}

/** Any text. Numbers and booleans must be quoted, as for Kubernetes. */
export const text: Schema<string> = z.string({ error: (issue) => expected('text', issue) });

export const boolean: Schema<boolean> = z.boolean({ error: (issue) => expected('true or false', issue) });

/** Whole number, inclusive bounds. */
export function integer(min: number, max: number): Schema<number> {
  const form = max >= 0xff_ff_ff_ff ? `a whole number of at least ${min}` : `a whole number from ${min} to ${max}`;
  const base = z.number({ error: (issue) => expected(form, issue) });
  return checked<number>(base, (value, report) => {
    if (!Number.isInteger(value) || value < min || value > max) report.error([], `must be ${form}, got ${value}`);
  });
}

export const uint32: Schema<number> = integer(0, 0xff_ff_ff_ff);
export const int32: Schema<number> = integer(-0x80_00_00_00, 0x7f_ff_ff_ff);
export const portNumber: Schema<number> = integer(1, 65_535);

/** Any finite number, inclusive bounds. */
export function decimal(min: number, max: number): Schema<number> {
  const form = max === Infinity ? `a number of at least ${min}` : `a number from ${min} to ${max}`;
  const base = z.number({ error: (issue) => expected(form, issue) });
  return checked<number>(base, (value, report) => {
    if (!Number.isFinite(value) || value < min || value > max) report.error([], `must be ${form}, got ${value}`);
  });
}

/** An enum by name, in exactly this case. */
export function oneName<const T extends string>(names: readonly T[]): Schema<T> {
  return z.custom<T>((input) => (names as readonly unknown[]).includes(input), {
    error: ({ input }) => {
      if (typeof input !== 'string') return expected(`one of ${names.join(', ')}`, { input });
      return `${JSON.stringify(input)} is not known${suggestion(input, names)}`;
    },
  });
}

/** Kubernetes int-or-string, as written. */
export const intOrString: Schema<number | string> = z.union([z.number(), z.string()], {
  error: (issue) => expected('a number or text', issue),
});

/** Anything; for opaque parts. */
export const anything: Schema<unknown> = z.unknown();

/** Members of `names` that are present; for oneofs: `present(value, ['a', 'b']).length > 1`. */
export function present<T extends object>(value: T, names: readonly (keyof T & string)[]): readonly string[] {
  return names.filter((name) => value[name] !== undefined);
}

/** Reports two members of a oneof at the second one's name. */
export function oneOf<T extends object>(value: T, names: readonly (keyof T & string)[], report: Report): void {
  const found = present(value, names);
  if (found.length < 2) return;
  report.error([found[1]!], `only one of ${names.join(', ')} may be set, got ${found.join(' and ')}`);
}

/** `must be text, got the number 5 (put it in quotes)`. */
export function expected(form: string, issue: { readonly input?: unknown }): string {
  const { input } = issue;
  if (input === undefined) return `is required: ${form}`;
  return `must be ${form}, got ${describe(input)}${advice(form, input)}`;
}

function describe(input: unknown): string {
  if (typeof input === 'number' || typeof input === 'boolean') return `the ${typeof input} ${input}`;
  if (input === null) return 'nothing (null)';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'object') return 'a map';
  if (typeof input === 'string') return `the text ${JSON.stringify(input.length > 60 ? `${input.slice(0, 60)}…` : input)}`;
  return typeof input;
}

/** Why YAML read the value otherwise than meant. */
function advice(form: string, input: unknown): string {
  if (form === 'text' && (typeof input === 'number' || typeof input === 'boolean')) return ' (put it in quotes)';
  if (typeof input !== 'string') return '';
  if (form === 'true or false' && /^(?:y|yes|n|no|on|off)$/i.test(input)) return ' (this is YAML 1.2: only true and false are booleans)';
  if (form === 'true or false' && /^(?:true|false)$/i.test(input)) return ' (write it without quotes, in lower case)';
  if (/number/.test(form) && /^[-+]?\d+(?:\.\d+)?$/.test(input)) return ' (write it without quotes)';
  if (/number/.test(form) && /^0[0-7]+$/.test(input)) return ' (YAML 1.2 octal is 0o17)';
  return '';
}

function unknownFields(issue: { readonly keys?: unknown }, known: readonly string[]): string {
  const keys = issue.keys as readonly string[];
  return keys.map((key) => `unknown field ${JSON.stringify(key)}${suggestion(key, known)}`).join('\n');
}

function optionalFields<T>(shape: Shape<T>, required: readonly (keyof T)[]): Record<string, z.ZodType> {
  const fields: Record<string, z.ZodType> = {};
  for (const key of Object.keys(shape) as (keyof T & string)[]) {
    fields[key] = required.includes(key) ? shape[key] : z.optional(shape[key]);
  }
  return fields;
}

/** Nulls of known fields dropped and aliases renamed before, rules after. */
function finish<T>(schema: z.ZodType, shape: Shape<T>, options: ObjectOptions<T>): Schema<T> {
  const aliases = options.aliases ?? {};
  const prepared = z.preprocess((input) => prepare(input, shape, aliases), schema as Schema<T>);
  return options.check === undefined ? prepared : checked(prepared, options.check);
}

function prepare(input: unknown, shape: object, aliases: Readonly<Record<string, string>>): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  const source = input as Readonly<Record<string, unknown>>;
  let copy: Record<string, unknown> | undefined;
  for (const key of Object.keys(source)) {
    const alias = Object.hasOwn(aliases, key) ? aliases[key] : undefined;
    // Both spellings at once: the alias stays and is refused as an unknown field.
    const renamed = alias !== undefined && !Object.hasOwn(source, alias);
    const dropped = source[key] === null && (alias !== undefined || Object.hasOwn(shape, key));
    if (!dropped && !renamed) continue;
    copy ??= { ...source };
    delete copy[key];
    if (renamed && !dropped) copy[alias] = source[key];
  }
  return copy ?? input;
}

function parseEntries<T>(schema: Schema<T>, input: Readonly<Record<string, unknown>>, issues: z.core.$ZodRawIssue[]): Readonly<Record<string, T>> {
  const output = Object.create(null) as Record<string, T>;
  for (const key of Object.keys(input)) {
    const result = runRaw(schema, input[key]);
    output[key] = result.value as T;
    for (const issue of result.issues) issues.push({ ...issue, path: [key, ...(issue.path ?? [])] });
  }
  return output;
}

/**
 * Runs a schema and keeps value and raw issues side by side: unlike `safeParse`, a value with mere warnings (or with
 * problems in one corner) is not lost. `_zod.run` is zod's documented seam for libraries built on it.
 */
export function runRaw(schema: Schema<unknown>, input: unknown): { readonly value: unknown; readonly issues: readonly z.core.$ZodRawIssue[] } {
  const result = schema._zod.run({ value: input, issues: [] }, { async: false });
  if (result instanceof Promise) throw new Error('resource schemas are synchronous');
  return result;
}

/** A Report that adds to a list of zod issues. */
export function reportInto(issues: z.core.$ZodRawIssue[]): Report {
  const add = (path: Path, message: string, details: IssueDetails): void => {
    issues.push({ code: 'custom', input: undefined, path: [...path], message, params: { ...details }, continue: true });
  };
  return {
    error: (path, message, code = 'IST0106') => add(path, message, { severity: 'error', code }),
    warning: (path, message, code = 'IST0133') => add(path, message, { severity: 'warning', code }),
    deprecated: (path, message, code = 'IST0133') => add(path, message, { severity: 'warning', code, atKey: true }),
    notEnforced: (path, message, { security = false } = {}) =>
      add(path, message, { severity: 'warning', atKey: true, ...(security && { unenforcedSecurity: true }) }),
  };
}
