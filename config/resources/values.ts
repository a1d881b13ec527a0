/** Value formats that many resources share: durations, names, addresses, regexes, and the small messages built of them. */

import { isIP } from 'node:net';
import * as z from 'zod';
import { regexProblem as syntaxProblem } from '../../proxy/base/re2.ts';
import type { Destination, PercentMessage, PortSelector, StringMatch } from './messages.ts';
import type { Check, Report, Schema } from './schema.ts';
import { checked, decimal, expected, list, map, object, oneOf, portNumber, text } from './schema.ts';

const durationUnits: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, 'µs': 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const durationForm = 'a duration such as "500ms", "5s", "1m30s" or "1h"';

/** Milliseconds of a Go duration (`1h2m3.5s`); undefined where the text is none. */
export function parseDuration(value: string): number | undefined {
  if (value === '0') return 0;
  if (!/^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h)(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))*$/.test(value)) return undefined;
  let total = 0;
  for (const [, amount, unit] of value.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) total += Number(amount) * durationUnits[unit!]!;
  // Decimal fractions such as 0.3s must come out as whole milliseconds; nothing finer than a nanosecond exists.
  const rounded = Math.round(total * 1e6) / 1e6;
  return value.startsWith('-') ? -rounded : rounded;
}

/** A duration as text, parsed to milliseconds. Default: anything from 0; `minMs: 1` also refuses fractions of a millisecond, as Istio does. */
export function duration(options: { readonly minMs?: number; readonly wholeSeconds?: boolean } = {}): Schema<number> {
  const { minMs = 0, wholeSeconds = false } = options;
  return z.string({ error: (issue) => expected(durationForm, issue) }).transform((value, context) => {
    const ms = parseDuration(value);
    const problem = ms === undefined ? `${JSON.stringify(value)} is not ${durationForm}` : durationProblem(ms, minMs, wholeSeconds);
    if (problem === undefined) return ms!;
    context.issues.push({ code: 'custom', message: problem, input: value, continue: false });
    return z.NEVER;
  });
}

function durationProblem(ms: number, minMs: number, wholeSeconds: boolean): string | undefined {
  if (ms < minMs) return minMs === 0 ? 'must not be negative' : `must be at least ${minMs}ms${ms === 0 ? ' (leave the field out for none)' : ''}`;
  // protobuf's Duration ends at about 10,000 years.
  if (ms > 315_576_000_000_000) return 'must be at most 315576000000s';
  if (wholeSeconds && ms % 1000 !== 0) return 'must be whole seconds';
  return minMs >= 1 && !Number.isInteger(ms) ? 'must be whole milliseconds' : undefined;
}

/** Why a regex is refused (RE2 syntax, 1024 characters), or undefined. */
export function regexProblem(pattern: string): string | undefined {
  if (pattern.length > 1024) return `must be at most 1024 characters, has ${pattern.length}`;
  const problem = syntaxProblem(pattern)?.replace(/^error parsing regexp: /, '');
  return problem === undefined ? undefined : `is not an RE2 regular expression (no look-around, no back-references): ${problem}`;
}

const regexText: Schema<string> = checked(text, (value, report) => {
  const problem = regexProblem(value);
  if (problem !== undefined) report.error([], problem);
});

/** RE2 text, not empty. */
export const regex: Schema<string> = checked(regexText, (value, report) => {
  if (value === '') report.error([], 'must not be empty');
});

/** `emptyPrefix`: only `uri` may have one. `optional`: `{}` is allowed and means "present". */
export function stringMatch(options: { readonly emptyPrefix?: boolean; readonly optional?: boolean; readonly presenceStar?: boolean } = {}): Schema<StringMatch> {
  const { emptyPrefix = false, optional = false, presenceStar = false } = options;
  const regexField = presenceStar ? presenceRegex : regex;
  return object<StringMatch>({ exact: text, prefix: text, regex: regexField }, {
    check: (value, report) => {
      oneOf(value, ['exact', 'prefix', 'regex'], report);
      if (value.prefix === '' && !emptyPrefix) report.error(['prefix'], 'must not be empty');
      if (!optional && Object.keys(value).length === 0) report.error([], 'needs one of exact, prefix, regex');
    },
  });
}

/** `*` alone is no RE2, but Istio reads it as "present" on headers and query parameters. */
const presenceRegex: Schema<string> = checked(text, (value, report) => {
  if (value === '*') return;
  const problem = value === '' ? 'must not be empty' : regexProblem(value);
  if (problem !== undefined) report.error([], problem);
});

/** Share in percent, 0..100. */
export const percent: Schema<PercentMessage> = object<PercentMessage>({ value: decimal(0, 100) });

export const dnsLabelPattern = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Why text is no DNS label (RFC 1123, lower case, 63 characters), or undefined. */
export function dnsLabelProblem(value: string): string | undefined {
  if (dnsLabelPattern.test(value)) return undefined;
  return `${JSON.stringify(value)} is not a DNS label (lower-case letters, digits and "-", at most 63)`;
}

export const dnsLabel: Schema<string> = checkedText(dnsLabelProblem);

/** Istio's own labels (subset and port names) may have capitals. */
export function nameLabelProblem(value: string): string | undefined {
  if (dnsLabelPattern.test(value.toLowerCase())) return undefined;
  return `${JSON.stringify(value)} is not a name of letters, digits and "-", at most 63`;
}

export const nameLabel: Schema<string> = checkedText(nameLabelProblem);

/**
 * Why text is no host name; letters of either case, a trailing dot refused; wildcard only as the whole left-most label,
 * or with `partial` as its beginning.
 */
export function hostProblem(host: string, options: { readonly wildcard?: boolean; readonly partial?: boolean; readonly ip?: boolean } = {}): string | undefined {
  const { wildcard = true, partial = false, ip = true } = options;
  const shown = JSON.stringify(host);
  if (host === '') return 'must not be empty';
  if (isIP(host) !== 0) return ip ? undefined : `${shown} is an IP address, a host name is needed`;
  if (/^[^:]+:\d+$/.test(host)) return `${shown} must not have a port`;
  const name = host === '*' ? '' : host.replace(partial ? /^\*[.-]?/ : /^\*\./, '');
  if (host.includes('*') && !wildcard) return `${shown} must not have a wildcard`;
  if (name.includes('*')) return `${shown}: a wildcard is only allowed as the whole left-most label ("*.example.com") or alone`;
  if (host === '*') return undefined;
  if (host.length > 255) return `${shown} is longer than 255 characters`;
  const bad = name.split('.').find((label) => !/^[a-zA-Z0-9_]([-a-zA-Z0-9_]{0,61}[a-zA-Z0-9_])?$/.test(label));
  return bad === undefined ? undefined : `${shown} is not a host name: label ${JSON.stringify(bad)} is not valid`;
}

/**
 * A host or wildcard of a VirtualService, DestinationRule or ServiceEntry, with a rule of the kind's own. Istio takes
 * `*foo.com` there and warns (it refuses it in Gateways and Sidecars): it covers `barfoo.com` too.
 */
export function hostName(problemOf: (value: string) => string | undefined = () => undefined): Schema<string> {
  return checked(text, (value, report) => {
    const problem = problemOf(value) ?? hostProblem(value, { partial: true });
    if (problem !== undefined) report.error([], problem);
    else if (/^\*[^.]/.test(value)) report.warning([], `${JSON.stringify(value)} is a partial wildcard: it covers every name with this ending; write "*.${value.replace(/^\*-?/, '')}" for the names under a domain`);
  });
}

/** Text that a rule accepts or explains. */
export function checkedText(problemOf: (value: string) => string | undefined): Schema<string> {
  return checked(text, (value, report) => {
    const problem = problemOf(value);
    if (problem !== undefined) report.error([], problem);
  });
}

const qualifiedName = /^([a-z0-9A-Z]([-a-z0-9A-Z.]{0,251}[a-z0-9A-Z])?\/)?[a-zA-Z0-9]([-_.a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/;
const labelValue = /^([a-zA-Z0-9]([-_.a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)?$/;

/** Kubernetes label keys and values. */
export const labels: Schema<Readonly<Record<string, string>>> = map(text, (value, report) => {
  for (const [key, label] of Object.entries(value)) {
    if (!qualifiedName.test(key)) report.error([key], `${JSON.stringify(key)} is not a label name`);
    if (!labelValue.test(label)) report.error([key], `${JSON.stringify(label)} is not a label value (letters, digits, "-", "_", ".", at most 63)`);
  }
});

/** Labels a selector compares: no wildcards (they would be compared literally), no empty key. */
export const selectorLabels: Schema<Readonly<Record<string, string>>> = map(text, (value, report) => {
  for (const [key, label] of Object.entries(value)) {
    if (key === '') report.error([key], 'an empty key selects nothing');
    if (key.includes('*') || label.includes('*')) report.error([key], 'wildcards are not supported in a selector');
    if (label.length > 63) report.error([key], 'a label value has at most 63 characters');
  }
});

/** RFC 9110 token; HTTP/2 pseudo names (`:authority`) are for the caller to allow. */
export function headerNameProblem(name: string): string | undefined {
  if (name === '') return 'a header name must not be empty';
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) ? undefined : `${JSON.stringify(name)} is not a header name`;
}

/**
 * Why text cannot stand in a request line, a Host or a Location: a blank or a line break would end it there, and what
 * follows would be read as another header or another request.
 */
export function targetTextProblem(value: string): string | undefined {
  return /[\0-\x20\x7f]/.test(value) ? 'must not contain blanks, line breaks or other control characters; write %20 for a blank' : undefined;
}

/** Part of a path, URL or authority that is written into a message; may be empty. */
export const targetText: Schema<string> = checkedText(targetTextProblem);

/** Why text is neither an IP address nor a CIDR block, or undefined. */
export function subnetProblem(value: string): string | undefined {
  const [address = '', bits, ...rest] = value.split('/');
  const family = isIP(address);
  const max = family === 4 ? 32 : 128;
  const valid = family !== 0 && rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= max));
  return valid ? undefined : `${JSON.stringify(value)} is neither an IP address nor a CIDR block such as "10.1.0.0/16"`;
}

export const subnet: Schema<string> = checkedText(subnetProblem);
export const ipAddress: Schema<string> = checkedText((value) => (isIP(value) === 0 ? `${JSON.stringify(value)} is not an IP address` : undefined));

export const portSelector: Schema<PortSelector> = object<PortSelector>({ number: portNumber }, { required: ['number'] });

const destinationHost = checkedText((host) => {
  if (host === '*') return 'a destination cannot be "*"';
  return hostProblem(host, { wildcard: true });
});

export const destination: Schema<Destination> = object<Destination>({ host: destinationHost, subset: nameLabel, port: portSelector }, { required: ['host'] });

/** `*` or `.` or `~` or namespace names (istio-api.md 1.5). `none`: whether `~` is allowed (services only). */
export function exportTo(options: { readonly none: boolean }): Schema<readonly string[]> {
  return list(text, { check: (value, report) => checkExportTo(value, report, options.none) });
}

function checkExportTo(value: readonly string[], report: Report, none: boolean): void {
  const seen = new Set<string>();
  for (const [index, entry] of value.entries()) {
    if (seen.has(entry)) report.error([index], `${JSON.stringify(entry)} is listed twice`);
    seen.add(entry);
    if (entry === '~' && !none) report.error([index], '"~" (nobody) is not allowed here');
    if (entry === '*' || entry === '.' || entry === '~') continue;
    const problem = dnsLabelProblem(entry);
    if (problem !== undefined) report.error([index], `${problem}; allowed are "*", ".", and namespace names`);
  }
  for (const alone of ['*', '~']) {
    if (seen.has(alone) && seen.size > 1) report.error([value.indexOf(alone)], `${JSON.stringify(alone)} must be the only entry`);
  }
}

/** Joins checks of one message. */
export function all<T>(...checks: readonly Check<T>[]): Check<T> {
  return (value, report) => {
    for (const check of checks) check(value, report);
  };
}
