/** `when` entries of AuthorizationPolicy: known keys and what their values must be (istio-api.md 10.5). */

import type { Report, Schema } from '../schema.ts';
import { list, object, text } from '../schema.ts';
import { suggestion } from '../suggest.ts';
import { subnetProblem } from '../values.ts';
import type { Condition } from './types.ts';

type ValueRule = (value: string) => string | undefined;

const anyValue: ValueRule = () => undefined;

/** Keys without brackets and the rule for one value. */
const plainKeys: Readonly<Record<string, ValueRule>> = {
  'source.ip': subnetProblem,
  'remote.ip': subnetProblem,
  'source.namespace': anyValue,
  'source.principal': anyValue,
  'source.serviceAccount': anyValue,
  'source.trustDomain': anyValue,
  'request.auth.principal': anyValue,
  'request.auth.audiences': anyValue,
  'request.auth.presenter': anyValue,
  'destination.ip': subnetProblem,
  'destination.port': portProblem,
  'connection.sni': anyValue,
};

/** Keys that end in `[name]`. */
const bracketKeys = ['request.headers', 'request.auth.claims', 'experimental.envoy.filters.'];

const retiredKeys: Readonly<Record<string, string>> = {
  'destination.namespace': 'use metadata.namespace of the policy instead',
  'destination.labels': 'use the policy\'s selector instead',
  'destination.name': 'use the policy\'s selector instead',
  'destination.user': 'use the policy\'s selector instead',
};

export const condition: Schema<Condition> = object<Condition>({ key: text, values: list(text), notValues: list(text) }, { required: ['key'], check: checkCondition });

/** A decimal port; 0 is accepted and never matches. */
export function portProblem(value: string): string | undefined {
  return /^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? undefined : `${JSON.stringify(value)} is not a port`;
}

function checkCondition(entry: Condition, report: Report): void {
  const count = (entry.values ?? []).length + (entry.notValues ?? []).length;
  if (count === 0) report.error([], `needs values or notValues for ${JSON.stringify(entry.key)}`);
  const problem = keyProblem(entry.key);
  if (problem !== undefined) report.error(['key'], problem);
  const rule = Object.hasOwn(plainKeys, entry.key) ? plainKeys[entry.key]! : anyValue;
  for (const field of ['values', 'notValues'] as const) {
    for (const [index, value] of (entry[field] ?? []).entries()) {
      const wrong = value === '' ? 'an empty value is not allowed' : rule(value);
      if (wrong !== undefined) report.error([field, index], wrong);
    }
  }
}

function keyProblem(key: string): string | undefined {
  if (Object.hasOwn(plainKeys, key)) return undefined;
  const bracketKey = bracketKeys.find((prefix) => key.startsWith(prefix));
  if (bracketKey !== undefined) {
    const open = key.indexOf('[');
    return key.endsWith(']') && open > 0 && open < key.length - 2 ? undefined : `${JSON.stringify(key)} must have the form ${bracketKey}[name]`;
  }
  const base = key.replace(/\[.*$/, '');
  if (Object.hasOwn(retiredKeys, base)) return `${JSON.stringify(base)} is no longer supported: ${retiredKeys[base]}`;
  return `${JSON.stringify(key)} is not a condition key${suggestion(key, [...Object.keys(plainKeys), 'request.headers[name]', 'request.auth.claims[name]'])}`;
}
