/**
 * JSON text to a value, strictly (RFC 8259), with what `JSON.parse` lacks: duplicate keys are errors, nesting is bounded
 * before anything recursive sees it, errors and values have offsets.
 */

import type { Places } from './position.ts';
import { place } from './position.ts';

/** Deeper nesting than this is refused, in JSON and in YAML: no resource of any kind comes near. */
export const maxDepth = 100;

export type JsonResult = { readonly value: unknown } | { readonly offset: number; readonly message: string };

/** Parses the whole text. */
export function parseJson(text: string, places?: Places): JsonResult {
  const reader = new JsonReader(text, places);
  try {
    return { value: reader.document() };
  } catch (error) {
    if (error instanceof JsonError) return { offset: error.offset, message: error.message };
    throw error;
  }
}

/** Thrown inside this file only: unwinding a recursive descent by hand would hide the grammar. */
class JsonError extends Error {
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
const word = /true|false|null/y;

class JsonReader {
  readonly #text: string;
  readonly #places: Places | undefined;
  #at = 0;
  #depth = 0;

  constructor(text: string, places: Places | undefined) {
    this.#text = text;
    this.#places = places;
  }

  document(): unknown {
    this.#space();
    const value = this.#value();
    this.#space();
    if (this.#at < this.#text.length) throw this.#unexpected('the end of the document');
    return value;
  }

  #value(): unknown {
    const char = this.#text.charCodeAt(this.#at);
    if (char === 0x7b) return this.#nested(() => this.#object());
    if (char === 0x5b) return this.#nested(() => this.#array());
    if (char === 0x22) return this.#string();
    const token = this.#match(number) ?? this.#match(word);
    if (token === undefined) throw this.#unexpected('a value');
    return token === 'true' ? true : token === 'false' ? false : token === 'null' ? null : Number(token);
  }

  #nested<T>(parse: () => T): T {
    if (++this.#depth > maxDepth) throw new JsonError(this.#at, `is nested deeper than ${maxDepth} levels`);
    const value = parse();
    this.#depth--;
    return value;
  }

  #object(): object {
    const object = Object.create(null) as Record<string, unknown>;
    this.#at++;
    this.#space();
    if (this.#take(0x7d)) return object;
    for (;;) {
      this.#entry(object);
      this.#space();
      if (this.#take(0x7d)) return object;
      if (!this.#take(0x2c)) throw this.#unexpected('"," or "}"');
      this.#space();
    }
  }

  #entry(object: Record<string, unknown>): void {
    const keyAt = this.#at;
    if (this.#text.charCodeAt(keyAt) !== 0x22) throw this.#unexpected('a key in double quotes');
    const key = this.#string();
    if (key === '__proto__') throw new JsonError(keyAt, 'the key "__proto__" is refused');
    if (key in object) throw new JsonError(keyAt, `the key ${JSON.stringify(key)} is written twice in one map`);
    this.#space();
    if (!this.#take(0x3a)) throw this.#unexpected('":"');
    this.#space();
    const valueAt = this.#at;
    object[key] = this.#value();
    place(this.#places, object, key, keyAt, valueAt);
  }

  #array(): unknown[] {
    const array: unknown[] = [];
    this.#at++;
    this.#space();
    if (this.#take(0x5d)) return array;
    for (;;) {
      const itemAt = this.#at;
      array.push(this.#value());
      place(this.#places, array, array.length - 1, itemAt, itemAt);
      this.#space();
      if (this.#take(0x5d)) return array;
      if (!this.#take(0x2c)) throw this.#unexpected('"," or "]"');
      this.#space();
    }
  }

  #string(): string {
    const start = this.#at;
    const end = stringEnd(this.#text, start);
    if (end === -1) throw new JsonError(start, 'this text has no closing quote');
    this.#at = end;
    const raw = this.#text.slice(start, end);
    try {
      return JSON.parse(raw) as string;
    } catch {
      throw new JsonError(start, 'this text holds a control character or an invalid escape');
    }
  }

  #space(): void {
    for (;;) {
      const char = this.#text.charCodeAt(this.#at);
      if (char !== 0x20 && char !== 0x0a && char !== 0x0d && char !== 0x09) return;
      this.#at++;
    }
  }

  #take(char: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== char) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const token = pattern.exec(this.#text)?.[0];
    if (token !== undefined) this.#at += token.length;
    return token;
  }

  #unexpected(wanted: string): JsonError {
    const found = this.#at >= this.#text.length ? 'the end of the file' : JSON.stringify(this.#text[this.#at]);
    return new JsonError(this.#at, `expected ${wanted}, found ${found}`);
  }
}

/** Offset after the closing quote of the string that starts here, or -1. */
export function stringEnd(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return -1;
}
