/** strftime patterns for %START_TIME(…)%: compiled once, always UTC as in Envoy. */

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const DAY_MS = 86_400_000;

type Field = (time: Date) => string;

const FIELDS: Readonly<Record<string, Field>> = {
  '%': () => '%',
  a: (time) => (DAYS[time.getUTCDay()] as string).slice(0, 3),
  A: (time) => DAYS[time.getUTCDay()] as string,
  b: (time) => (MONTHS[time.getUTCMonth()] as string).slice(0, 3),
  B: (time) => MONTHS[time.getUTCMonth()] as string,
  d: (time) => padded(time.getUTCDate(), 2),
  D: (time) => `${padded(time.getUTCMonth() + 1, 2)}/${padded(time.getUTCDate(), 2)}/${padded(time.getUTCFullYear() % 100, 2)}`,
  e: (time) => String(time.getUTCDate()).padStart(2, ' '),
  F: (time) => time.toISOString().slice(0, 10),
  H: (time) => padded(time.getUTCHours(), 2),
  I: (time) => padded(time.getUTCHours() % 12 || 12, 2),
  j: (time) => padded(Math.floor((time.getTime() - Date.UTC(time.getUTCFullYear(), 0, 1)) / DAY_MS) + 1, 3),
  m: (time) => padded(time.getUTCMonth() + 1, 2),
  M: (time) => padded(time.getUTCMinutes(), 2),
  p: (time) => (time.getUTCHours() < 12 ? 'AM' : 'PM'),
  R: (time) => time.toISOString().slice(11, 16),
  s: (time) => String(Math.floor(time.getTime() / 1000)),
  S: (time) => padded(time.getUTCSeconds(), 2),
  T: (time) => time.toISOString().slice(11, 19),
  y: (time) => padded(time.getUTCFullYear() % 100, 2),
  Y: (time) => String(time.getUTCFullYear()),
  z: () => '+0000',
  Z: () => 'UTC',
};

/** A conversion: digits of a second's fraction (`%3f`, `%f` = nine), seconds with a fraction (`%E3S`, `%E*S`), or one letter. */
const CONVERSION = /%(?:(\d?)f|E(\d|\*)S|([A-Za-z%]))/g;

/** What is wrong with a strftime pattern, or undefined. */
export function timeFormatProblem(pattern: string): string | undefined {
  const rest = pattern.replace(CONVERSION, (text: string, _fraction: string, _seconds: string, letter: string | undefined) =>
    letter === undefined || Object.hasOwn(FIELDS, letter) ? '' : text,
  );
  const at = rest.indexOf('%');
  return at === -1 ? undefined : `${rest.slice(at, at + 2)} is not a time conversion`;
}

/** Milliseconds since the epoch → text; an empty pattern is ISO 8601 with milliseconds, `2026-11-21T09:30:00.000Z` (Envoy). */
export function createTimeFormat(pattern: string): (epochMs: number) => string {
  if (pattern === '') return (epochMs) => new Date(epochMs).toISOString();
  const pieces: (string | Field)[] = [];
  let end = 0;
  for (const found of pattern.matchAll(CONVERSION)) {
    pieces.push(pattern.slice(end, found.index), fieldOf(found));
    end = found.index + found[0].length;
  }
  pieces.push(pattern.slice(end));
  return (epochMs) => {
    const time = new Date(epochMs);
    let text = '';
    for (const piece of pieces) text += typeof piece === 'string' ? piece : piece(time);
    return text;
  };
}

function fieldOf([text, fraction, seconds, letter]: RegExpMatchArray): Field {
  if (letter !== undefined) return FIELDS[letter] ?? (() => text);
  if (fraction !== undefined) return (time) => fractionDigits(time, fraction === '' ? 9 : Number(fraction));
  const digits = seconds === '*' ? 3 : Number(seconds);
  return (time) => `${padded(time.getUTCSeconds(), 2)}${digits === 0 ? '' : `.${fractionDigits(time, digits)}`}`;
}

/** The clock gives milliseconds; further digits are zeros. */
function fractionDigits(time: Date, digits: number): string {
  return padded(time.getUTCMilliseconds(), 3).padEnd(9, '0').slice(0, digits);
}

function padded(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}
