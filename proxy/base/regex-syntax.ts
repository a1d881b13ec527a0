/**
 * Reads the everyday part of RE2's syntax into a tree: literals, classes, groups, choices, repeats. Whatever it does not
 * know it leaves to re2js, so it has to be right about what it accepts and may refuse anything.
 */

import { CharSet } from './char-set.ts';

export type Regex =
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'sequence'; readonly parts: readonly Regex[] }
  | { readonly kind: 'choice'; readonly options: readonly Regex[] }
  | { readonly kind: 'repeat'; readonly body: Regex; readonly min: number; readonly max: number; readonly lazy: boolean }
  | { readonly kind: 'group'; readonly body: Regex };

export interface ParsedRegex {
  readonly body: Regex;
  /** A `^` in front of everything, a `$` behind everything. */
  readonly anchoredStart: boolean;
  readonly anchoredEnd: boolean;
}

/** Any byte: RE2's dot takes all but LF, and no value matched here has an LF. */
export const ANY = CharSet.of([0, 255]);

const DIGITS = CharSet.of([0x30, 0x39]);
const WORDS = CharSet.of([0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]);
const SPACES = CharSet.of([0x09, 0x0a], [0x0c, 0x0d], [0x20, 0x20]);
const CLASSES: Readonly<Record<string, CharSet>> = {
  d: DIGITS,
  D: DIGITS.inverse(),
  w: WORDS,
  W: WORDS.inverse(),
  s: SPACES,
  S: SPACES.inverse(),
};
const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

/** `pattern`: a byte string already known to be valid RE2. Undefined when it uses more than is read here. */
export function parseRegex(pattern: string): ParsedRegex | undefined {
  const ignoreCase = pattern.startsWith('(?i)');
  let text = ignoreCase ? pattern.slice(4) : pattern;
  const anchoredStart = text.startsWith('^');
  if (anchoredStart) text = text.slice(1);
  const anchoredEnd = text.endsWith('$') && !endsInEscape(text.slice(0, -1));
  if (anchoredEnd) text = text.slice(0, -1);
  const body = new RegexReader(text, ignoreCase).read();
  // `^a|b$` anchors only one option each.
  if (body === undefined || (body.kind === 'choice' && (anchoredStart || anchoredEnd))) return undefined;
  return { body, anchoredStart, anchoredEnd };
}

/** An odd number of backslashes at the end: what follows them is escaped. */
function endsInEscape(text: string): boolean {
  const last = /\\+$/.exec(text);
  return last !== null && last[0].length % 2 === 1;
}

/** Thrown inside the reader only: the pattern uses something not read here. */
const UNKNOWN = Symbol('unknown syntax');

class RegexReader {
  readonly #text: string;
  readonly #ignoreCase: boolean;
  #at = 0;

  constructor(text: string, ignoreCase: boolean) {
    this.#text = text;
    this.#ignoreCase = ignoreCase;
  }

  read(): Regex | undefined {
    try {
      const regex = this.#choice();
      return this.#at === this.#text.length ? regex : undefined;
    } catch (reason) {
      if (reason === UNKNOWN) return undefined;
      throw reason;
    }
  }

  #choice(): Regex {
    const options = [this.#sequence()];
    while (this.#take('|')) options.push(this.#sequence());
    return options.length === 1 ? (options[0] as Regex) : { kind: 'choice', options };
  }

  #sequence(): Regex {
    const parts: Regex[] = [];
    while (this.#at < this.#text.length && !this.#sees('|') && !this.#sees(')')) parts.push(this.#repeats(this.#atom()));
    return parts.length === 1 ? (parts[0] as Regex) : { kind: 'sequence', parts };
  }

  #atom(): Regex {
    const char = this.#next();
    switch (char) {
      case '(':
        return this.#group();
      case '[':
        return this.#single(this.#bracket());
      case '.':
        return { kind: 'set', set: ANY };
      case '\\':
        return this.#single(this.#escape());
      case '^':
      case '$':
      case '*':
      case '+':
      case '?':
        throw UNKNOWN;
      default:
        return this.#single(CharSet.one(this.#byteOf(char)));
    }
  }

  #single(set: CharSet): Regex {
    return { kind: 'set', set: this.#ignoreCase ? set.folded() : set };
  }

  #group(): Regex {
    const captures = !this.#take('?:');
    if (captures && this.#sees('?')) throw UNKNOWN;
    const body = this.#choice();
    if (!this.#take(')')) throw UNKNOWN;
    return captures ? { kind: 'group', body } : body;
  }

  #repeats(body: Regex): Regex {
    const bounds = this.#bounds();
    if (bounds === undefined) return body;
    const lazy = this.#take('?');
    if (this.#sees('*') || this.#sees('+') || this.#sees('?') || this.#sees('{')) throw UNKNOWN;
    return { kind: 'repeat', body, min: bounds[0], max: bounds[1], lazy };
  }

  #bounds(): [min: number, max: number] | undefined {
    if (this.#take('*')) return [0, Infinity];
    if (this.#take('+')) return [1, Infinity];
    if (this.#take('?')) return [0, 1];
    if (!this.#sees('{')) return undefined;
    const counted = /^\{(\d+)(,?)(\d*)\}/.exec(this.#text.slice(this.#at));
    // RE2 reads any other brace as itself.
    if (counted === null) throw UNKNOWN;
    this.#at += counted[0].length;
    const min = Number(counted[1]);
    if (counted[2] === '') return [min, min];
    return [min, counted[3] === '' ? Infinity : Number(counted[3])];
  }

  /** After `\`, outside or inside a class. */
  #escape(): CharSet {
    const char = this.#next();
    const set = CLASSES[char];
    if (set !== undefined) return set;
    const control = CONTROLS[char];
    if (control !== undefined) return CharSet.one(control);
    if (/[A-Za-z0-9]/.test(char)) throw UNKNOWN;
    return CharSet.one(this.#byteOf(char));
  }

  /** After `[`. */
  #bracket(): CharSet {
    const inverted = this.#take('^');
    let set = CharSet.of();
    for (let first = true; first || !this.#sees(']'); first = false) set = set.union(this.#bracketItem());
    this.#at++;
    if (!inverted) return set;
    return (this.#ignoreCase ? set.folded() : set).inverse();
  }

  #bracketItem(): CharSet {
    if (this.#sees('[:')) throw UNKNOWN;
    const first = this.#bracketChar();
    const from = first.only();
    if (!this.#sees('-') || this.#text.charAt(this.#at + 1) === ']') return first;
    this.#at++;
    const to = this.#bracketChar().only();
    if (from === undefined || to === undefined) throw UNKNOWN;
    return CharSet.of([from, to]);
  }

  #bracketChar(): CharSet {
    const char = this.#next();
    return char === '\\' ? this.#escape() : CharSet.one(this.#byteOf(char));
  }

  #byteOf(char: string): number {
    const code = char.charCodeAt(0);
    // Case-folding beyond ASCII is left to re2js.
    if (this.#ignoreCase && code > 0x7f) throw UNKNOWN;
    return code;
  }

  #next(): string {
    if (this.#at >= this.#text.length) throw UNKNOWN;
    return this.#text.charAt(this.#at++);
  }

  #sees(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }

  #take(text: string): boolean {
    if (!this.#sees(text)) return false;
    this.#at += text.length;
    return true;
  }
}
