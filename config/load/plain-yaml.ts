/**
 * The YAML that Kubernetes manifests are written in, read quickly: block maps and lists, one-line plain and quoted
 * scalars, `|` blocks, one-line flow lists and maps. Some 15 times faster than a full parser, which decides how long a
 * mesh of 20,000 documents takes to load. Anything else (anchors, tags, multi-line scalars, escapes, tabs, every kind of
 * mistake) is declined, and `yaml.ts` asks the full parser: this file never reports an error and must only be right
 * where it answers. A property test holds it to that against the full parser.
 */

import { maxDepth } from './json.ts';
import { chomp, declined, keyText, resolve, unquote, withoutTrailingSpaces } from './plain-scalar.ts';
import type { Places } from './position.ts';
import { place } from './position.ts';

/** The value and the offset of its first character, or undefined: ask the full parser. */
export function parsePlainYaml(text: string, places?: Places): { readonly value: unknown; readonly offset: number } | undefined {
  // Characters YAML forbids or treats as line ends or marks; rare enough to leave to the full parser.
  if (/[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/.test(text)) return undefined;
  try {
    return new PlainReader(text, places).document();
  } catch (error) {
    if (error === declined) return undefined;
    throw error;
  }
}

const plainKey = /[A-Za-z0-9_./$][\w./$@~+-]*(?=:(?: |\n|$))/y;
const quotedKey = /(?:"[^"\\\n]*"|'[^'\n]*')(?=:(?: |\n|$))/y;
const singleQuoted = /'(?:[^'\n]|'')*'/y;
/** With JSON's escapes, which mean the same in YAML. */
const doubleQuoted = /"(?:[^"\\\n]|\\["\\/bfnrtu])*"/y;
const restOfLine = / *(?:(?<= )#[^\n]*)?(?=\n|$)/y;
const literalHeader = /\|([-+]?) *(?=\n|$)/y;
const flowPlain = /(?:[A-Za-z0-9_./]|-(?=[A-Za-z0-9_./-]))[\w./@+=*~-]*/y;

class PlainReader {
  readonly #text: string;
  readonly #places: Places | undefined;
  /** The content line under the cursor: its indentation, first character and end. */
  #indent = 0;
  #start = 0;
  #end = 0;
  #atEnd = false;
  /** Where the following line begins. */
  #next = 0;
  #depth = 0;

  constructor(text: string, places: Places | undefined) {
    this.#text = text;
    this.#places = places;
  }

  document(): { readonly value: unknown; readonly offset: number } {
    this.#advance();
    if (!this.#atEnd && this.#text.startsWith('---', this.#start) && this.#indent === 0) this.#marker();
    if (this.#atEnd) return { value: null, offset: 0 };
    const offset = this.#start;
    const value = this.#block();
    if (!this.#atEnd) throw declined;
    return { value, offset };
  }

  #marker(): void {
    if (!this.#lineEndsAt(this.#start + 3)) throw declined;
    this.#advance();
  }

  /** To the next line with content. */
  #advance(): void {
    for (;;) {
      if (this.#next >= this.#text.length) {
        this.#atEnd = true;
        this.#indent = -1;
        return;
      }
      const lineStart = this.#next;
      const newline = this.#text.indexOf('\n', lineStart);
      this.#end = newline === -1 ? this.#text.length : newline;
      this.#next = this.#end + 1;
      this.#start = this.#skip(lineStart);
      this.#indent = this.#start - lineStart;
      const first = this.#text[this.#start];
      if (this.#start === this.#end || first === '#') continue;
      if (first === '\t' || first === '%' || (this.#indent === 0 && this.#text.startsWith('...', this.#start))) throw declined;
      return;
    }
  }

  /** The map or list that begins at the cursor. */
  #block(): unknown {
    return this.#deeper(() => (this.#atDash() ? this.#sequence(this.#indent) : this.#mapping(this.#indent)));
  }

  #atDash(): boolean {
    return this.#dashAt(this.#start);
  }

  #dashAt(at: number): boolean {
    if (this.#text[at] !== '-') return false;
    const after = this.#text[at + 1];
    return after === ' ' || after === '\n' || after === undefined;
  }

  #sequence(indent: number): unknown[] {
    const items: unknown[] = [];
    while (!this.#atEnd && this.#indent === indent && this.#atDash()) {
      let at = this.#skip(this.#start + 1);
      if (at >= this.#end || this.#text[at] === '#') {
        at = this.#start;
        this.#advance();
        if (this.#indent > indent) at = this.#start;
        items.push(this.#indent > indent ? this.#block() : null);
      } else {
        items.push(this.#item(at, indent));
      }
      place(this.#places, items, items.length - 1, at, at);
    }
    if (this.#indent > indent) throw declined;
    return items;
  }

  /** What follows `- ` on its line: a map or list whose indentation is where it starts, or a value. */
  #item(at: number, indent: number): unknown {
    const nested = this.#dashAt(at) || this.#keyAt(at) !== undefined;
    if (!nested) return this.#inline(at, indent);
    this.#indent = at - (this.#start - this.#indent);
    this.#start = at;
    return this.#block();
  }

  #mapping(indent: number): object {
    const map = Object.create(null) as Record<string, unknown>;
    while (!this.#atEnd && this.#indent === indent && !this.#atDash()) {
      const keyAt = this.#start;
      const token = this.#keyAt(keyAt);
      if (token === undefined) throw declined;
      const key = keyText(token);
      if (key in map || key === '__proto__') throw declined;
      const at = this.#skip(keyAt + token.length + 1);
      const empty = at >= this.#end || this.#text[at] === '#';
      map[key] = empty ? this.#below(indent) : this.#inline(at, indent);
      place(this.#places, map, key, keyAt, empty ? -1 : at);
    }
    if (this.#indent > indent || (this.#indent === indent && !this.#atEnd)) throw declined;
    return map;
  }

  #keyAt(at: number): string | undefined {
    const first = this.#text[at];
    const pattern = first === '"' || first === "'" ? quotedKey : plainKey;
    pattern.lastIndex = at;
    return pattern.exec(this.#text)?.[0];
  }

  /** What a key without value on its line has below; a list may stand at the key's own indentation. */
  #below(indent: number): unknown {
    this.#advance();
    if (this.#indent > indent) return this.#block();
    return this.#indent === indent && this.#atDash() ? this.#block() : null;
  }

  #deeper<T>(parse: () => T): T {
    if (++this.#depth > maxDepth) throw declined;
    const value = parse();
    this.#depth--;
    return value;
  }

  /** A value on the key's or dash's own line; the next content line must not be indented further (it would continue it). */
  #inline(at: number, indent: number): unknown {
    const value = this.#text[at] === '|' ? this.#literal(at, indent) : this.#oneLine(at);
    this.#advance();
    if (this.#indent > indent) throw declined;
    return value;
  }

  #oneLine(at: number): unknown {
    const first = this.#text[at]!;
    if (first === '"' || first === "'") {
      const token = this.#match(first === '"' ? doubleQuoted : singleQuoted, at);
      if (token === undefined || !this.#lineEndsAt(at + token.length)) throw declined;
      return unquote(token);
    }
    if (first === '[' || first === '{') {
      const [value, end] = this.#flow(at);
      if (!this.#lineEndsAt(end)) throw declined;
      return value;
    }
    return this.#plain(at);
  }

  #plain(at: number): unknown {
    if (/[-?:,\]}#&*!>%@`]/.test(this.#text[at]!) && !this.#signedNumber(at)) throw declined;
    const rest = this.#text.slice(at, this.#end);
    const comment = rest.indexOf(' #');
    const token = withoutTrailingSpaces(comment === -1 ? rest : rest.slice(0, comment));
    if (token.includes(': ') || token.endsWith(':') || token.includes('\t')) throw declined;
    return resolve(token);
  }

  #signedNumber(at: number): boolean {
    return this.#text[at] === '-' && /[0-9.]/.test(this.#text[at + 1] ?? '');
  }

  /** A `|` block: leaves the cursor so that the next advance goes to the line after it. */
  #literal(at: number, indent: number): string {
    const header = this.#match(literalHeader, at);
    if (header === undefined) throw declined;
    const lines: string[] = [];
    let blockIndent = -1;
    while (this.#next < this.#text.length) {
      const newline = this.#text.indexOf('\n', this.#next);
      const end = newline === -1 ? this.#text.length : newline;
      const line = this.#text.slice(this.#next, end);
      const lineIndent = this.#skip(this.#next) - this.#next;
      const blank = lineIndent === line.length;
      if (blockIndent === -1 && !blank) blockIndent = lineIndent;
      if (!blank && lineIndent < blockIndent) break;
      if (!blank && lineIndent <= indent) throw declined;
      if (blank && blockIndent === -1 && line !== '') throw declined;
      lines.push(line.slice(Math.min(blockIndent === -1 ? 0 : blockIndent, line.length)));
      this.#next = end + 1;
    }
    return chomp(lines, header.includes('-') ? '-' : header.includes('+') ? '+' : '');
  }

  /** A list or map in brackets, on one line; the value and the offset after it. */
  #flow(at: number): readonly [unknown, number] {
    const first = this.#text[at];
    if (first === '[' || first === '{') return this.#deeper(() => (first === '[' ? this.#flowList(at) : this.#flowMap(at)));
    if (first === '"' || first === "'") {
      const token = this.#match(first === '"' ? doubleQuoted : singleQuoted, at);
      if (token === undefined) throw declined;
      return [unquote(token), at + token.length];
    }
    const token = this.#match(flowPlain, at);
    if (token === undefined) throw declined;
    return [resolve(token), at + token.length];
  }

  #flowList(open: number): readonly [unknown[], number] {
    const items: unknown[] = [];
    let at = this.#skip(open + 1);
    if (this.#text[at] === ']') return [items, at + 1];
    for (;;) {
      const [value, end] = this.#flow(at);
      items.push(value);
      place(this.#places, items, items.length - 1, at, at);
      at = this.#skip(end);
      if (this.#text[at] === ']') return [items, at + 1];
      if (this.#text[at] !== ',') throw declined;
      at = this.#skip(at + 1);
    }
  }

  #flowMap(open: number): readonly [object, number] {
    const map = Object.create(null) as Record<string, unknown>;
    let at = this.#skip(open + 1);
    if (this.#text[at] === '}') return [map, at + 1];
    for (;;) {
      const token = this.#keyAt(at);
      if (token === undefined) throw declined;
      const key = keyText(token);
      if (key in map || key === '__proto__') throw declined;
      const valueAt = this.#skip(at + token.length + 1);
      const [value, end] = this.#flow(valueAt);
      map[key] = value;
      place(this.#places, map, key, at, valueAt);
      at = this.#skip(end);
      if (this.#text[at] === '}') return [map, at + 1];
      if (this.#text[at] !== ',') throw declined;
      at = this.#skip(at + 1);
    }
  }

  /** Past the spaces. */
  #skip(at: number): number {
    let end = at;
    while (this.#text.charCodeAt(end) === 0x20) end++;
    return end;
  }

  #match(pattern: RegExp, at: number): string | undefined {
    pattern.lastIndex = at;
    return pattern.exec(this.#text)?.[0];
  }

  #lineEndsAt(at: number): boolean {
    restOfLine.lastIndex = at;
    return restOfLine.test(this.#text);
  }
}
