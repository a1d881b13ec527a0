/** Values as they are written on a command line or in a downward-API file, each parsed to a typed value or one line of what is wrong. */

export type ParsedValue<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

export type Labels = Readonly<Record<string, string>>;

/** Kubernetes label key: optional DNS prefix, then at most 63 of [A-Za-z0-9-_.]. Begins with a letter or digit, so never `__proto__`. */
const LABEL_KEY = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?)?$/;

const DURATION_UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** setTimeout's limit (2^31 - 1 ms, 24.8 days): a longer wait would fire at once. */
const LONGEST_DURATION_MS = 2_147_483_647;

/** A whole number from `least` to `most`, decimal digits only. */
export function parseInteger(least: number, most: number): (text: string) => ParsedValue<number> {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
    return value >= least && value <= most ? valid(value) : invalid(`'${text}' is not a whole number from ${least} to ${most}`);
  };
}

/** Go's strconv.ParseBool, which Istio's agent reads its variables with; a switch that was given is `true`. */
export function parseBoolean(text: string): ParsedValue<boolean> {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return valid(true);
  return /^(?:0|f|F|false|FALSE|False)$/.test(text) ? valid(false) : invalid(`'${text}' is neither true nor false`);
}

/** One of the words, as written. */
export function parseOneOf<const T extends string>(words: readonly T[]): (text: string) => ParsedValue<T> {
  return (text) => {
    const found = words.find((word) => word === text);
    return found === undefined ? invalid(`'${text}' is not one of ${words.join(', ')}`) : valid(found);
  };
}

/** A DNS name of at most 253 characters: namespace, workload, service account, domain. */
export function parseName(text: string): ParsedValue<string> {
  const name = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(text);
  return name ? valid(text) : invalid(`'${text}' is not a name (letters, digits, '-' and '.')`);
}

/** Go's duration syntax (`45s`, `1m30s`, `1.5h`, `250ms`, `0`) to milliseconds. */
export function parseDuration(text: string): ParsedValue<number> {
  if (text === '0') return valid(0);
  if (/^\d+(\.\d+)?$/.test(text)) return invalid(`'${text}' has no unit, did you mean ${text}s?`);
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text)) return invalid(`'${text}' is not a duration such as 45s, 1m30s or 250ms`);
  let totalMs = 0;
  for (const [, amount, unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    totalMs += Number(amount) * (DURATION_UNITS_MS[unit] ?? 0);
  }
  return totalMs > LONGEST_DURATION_MS ? invalid(`'${text}' is longer than 24 days`) : valid(Math.round(totalMs));
}

/** `a=b,c=d`; a value may be empty, a key may come once. */
export function parseLabels(text: string): ParsedValue<Labels> {
  const labels: Record<string, string> = {};
  for (const pair of text.split(',')) {
    const separator = pair.indexOf('=');
    if (separator < 1) return invalid(`'${pair}' is not KEY=VALUE`);
    const problem = addLabel(labels, pair.slice(0, separator).trim(), pair.slice(separator + 1).trim());
    if (problem !== undefined) return invalid(problem);
  }
  return valid(labels);
}

/**
 * The file that a downward-API volume makes of `metadata.labels`: one `key="value"` a line, the value quoted as Go's
 * strconv.Quote does (kubernetes pkg/fieldpath FormatMap). The message begins with the line number.
 */
export function parseDownwardLabels(text: string): ParsedValue<Labels> {
  const labels: Record<string, string> = {};
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const [, key, quoted] = /^([^=]+)=(".*")\s*$/.exec(line) ?? [];
    const value = quoted === undefined ? undefined : unquote(quoted);
    if (key === undefined || value === undefined) return invalid(`${index + 1}: '${line}' is not KEY="VALUE"`);
    const problem = addLabel(labels, key, value);
    if (problem !== undefined) return invalid(`${index + 1}: ${problem}`);
  }
  return valid(labels);
}

function addLabel(labels: Record<string, string>, key: string, value: string): string | undefined {
  if (!LABEL_KEY.test(key)) return `'${key}' is not a label key`;
  if (!LABEL_VALUE.test(value)) return `'${value}' is not a label value (of ${key})`;
  if (Object.hasOwn(labels, key)) return `label '${key}' is given twice`;
  labels[key] = value;
  return undefined;
}

const ESCAPES: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\\': '\\', '"': '"' };
const ESCAPE = /\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|([abfnrtv\\"]))/g;

/** Undoes strconv.Quote; undefined where the quoting is broken. */
function unquote(quoted: string): string | undefined {
  const inner = quoted.slice(1, -1);
  const leftOver = inner.replace(ESCAPE, '');
  if (/["\\]/.test(leftOver)) return undefined;
  return inner.replace(ESCAPE, (_whole, byte?: string, short?: string, long?: string, letter?: string) => {
    if (letter !== undefined) return ESCAPES[letter] ?? '';
    const code = parseInt(byte ?? short ?? long ?? '0', 16);
    return code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code);
  });
}

function valid<T>(value: T): ParsedValue<T> {
  return { ok: true, value };
}

function invalid<T>(message: string): ParsedValue<T> {
  return { ok: false, message };
}
