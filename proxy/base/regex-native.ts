/**
 * Regexes that JavaScript's backtracking engine can run in linear time, by proof: at every point the next character
 * alone decides where to go, so a choice taken wrongly fails at once and never reads on.
 *
 * The proof is Brüggemann-Klein's strong one-unambiguity: each set in the expression is a position; from the start, and
 * from each position, no two of the positions that may come next overlap, and none can be reached in two ways.
 */

import type { CharSet } from './char-set.ts';
import type { Regex } from './regex-syntax.ts';

/** Counted repeats are written out for the proof; larger expressions are left to re2js. */
const MAX_POSITIONS = 200;

interface Facts {
  readonly nullable: boolean;
  /** Positions that can come first and last, each as often as there are ways to get there. */
  readonly first: readonly number[];
  readonly last: readonly number[];
}

const EMPTY: Facts = { nullable: true, first: [], last: [] };

/** True when a backtracking engine takes linear time on the regex, anchored at its start. */
export function isDeterministic(regex: Regex): boolean {
  const proof = new Proof();
  const facts = proof.visit(regex);
  return facts !== undefined && proof.holds(facts.first);
}

/** Most characters a match can have; Infinity where a repeat has no upper bound. */
export function maxLength(regex: Regex): number {
  switch (regex.kind) {
    case 'set':
      return 1;
    case 'group':
      return maxLength(regex.body);
    case 'repeat':
      return regex.max === 0 ? 0 : maxLength(regex.body) * regex.max;
    case 'choice':
      return Math.max(...regex.options.map(maxLength));
    case 'sequence':
      return regex.parts.reduce((sum, part) => sum + maxLength(part), 0);
  }
}

export function isNullable(regex: Regex): boolean {
  switch (regex.kind) {
    case 'set':
      return false;
    case 'group':
      return isNullable(regex.body);
    case 'repeat':
      return regex.min === 0 || isNullable(regex.body);
    case 'choice':
      return regex.options.some(isNullable);
    case 'sequence':
      return regex.parts.every(isNullable);
  }
}

/** In a loop JavaScript forgets a group's earlier rounds and RE2 does not, so captures in loops are not alike. */
export function hasLoopedGroup(regex: Regex, inLoop = false): boolean {
  switch (regex.kind) {
    case 'set':
      return false;
    case 'group':
      return inLoop || hasLoopedGroup(regex.body, inLoop);
    case 'repeat':
      return hasLoopedGroup(regex.body, inLoop || regex.max > 1);
    case 'choice':
      return regex.options.some((option) => hasLoopedGroup(option, inLoop));
    case 'sequence':
      return regex.parts.some((part) => hasLoopedGroup(part, inLoop));
  }
}

/** The same regex in JavaScript's syntax, for byte strings. */
export function nativeSource(regex: Regex): string {
  switch (regex.kind) {
    case 'set':
      return regex.set.source();
    case 'group':
      return `(${nativeSource(regex.body)})`;
    case 'repeat': {
      const max = regex.max === Infinity ? '' : String(regex.max);
      return `(?:${nativeSource(regex.body)}){${regex.min},${max}}${regex.lazy ? '?' : ''}`;
    }
    case 'choice':
      return `(?:${regex.options.map(nativeSource).join('|')})`;
    case 'sequence':
      return regex.parts.map(nativeSource).join('');
  }
}

/** Glushkov's construction; `visit` answers undefined as soon as the proof cannot succeed. */
class Proof {
  readonly #sets: CharSet[] = [];
  /** Per position, those that may follow it, once per way. */
  readonly #follow: number[][] = [];

  holds(first: readonly number[]): boolean {
    return this.#areApart(first) && this.#follow.every((next) => this.#areApart(next));
  }

  visit(regex: Regex): Facts | undefined {
    switch (regex.kind) {
      case 'set':
        return this.#position(regex.set);
      case 'group':
        return this.visit(regex.body);
      case 'sequence':
        return this.#sequence(regex.parts);
      case 'choice':
        return this.#choice(regex.options);
      case 'repeat':
        return this.#repeat(regex);
    }
  }

  #areApart(positions: readonly number[]): boolean {
    return positions.every((one, i) => positions.slice(i + 1).every((other) => !(this.#sets[one] as CharSet).overlaps(this.#sets[other] as CharSet)));
  }

  #position(set: CharSet): Facts | undefined {
    const position = this.#sets.push(set) - 1;
    this.#follow.push([]);
    return position >= MAX_POSITIONS ? undefined : { nullable: false, first: [position], last: [position] };
  }

  #sequence(parts: readonly Regex[]): Facts | undefined {
    let facts: Facts | undefined = EMPTY;
    for (const part of parts) facts = this.#join(facts, this.visit(part));
    return facts;
  }

  #join(left: Facts | undefined, right: Facts | undefined): Facts | undefined {
    if (left === undefined || right === undefined) return undefined;
    this.#connect(left.last, right.first);
    return {
      nullable: left.nullable && right.nullable,
      first: left.nullable ? [...left.first, ...right.first] : left.first,
      last: right.nullable ? [...left.last, ...right.last] : right.last,
    };
  }

  #connect(from: readonly number[], to: readonly number[]): void {
    for (const position of from) this.#follow[position]?.push(...to);
  }

  #choice(options: readonly Regex[]): Facts | undefined {
    const all: Facts[] = [];
    for (const option of options) {
      const facts = this.visit(option);
      if (facts === undefined) return undefined;
      all.push(facts);
    }
    // Two options that may be empty are two ways to read nothing.
    if (all.filter(({ nullable }) => nullable).length > 1) return undefined;
    return { nullable: all.some(({ nullable }) => nullable), first: all.flatMap(({ first }) => first), last: all.flatMap(({ last }) => last) };
  }

  /** Written out: `min` copies, then a loop, or as many optional copies as the bounds allow. */
  #repeat({ body, min, max }: Regex & { readonly kind: 'repeat' }): Facts | undefined {
    // A body that may be empty can be repeated in endless ways without reading anything.
    if (isNullable(body)) return undefined;
    const optional = max === Infinity ? undefined : max - min;
    if (min + (optional ?? 0) > MAX_POSITIONS) return undefined;
    let facts: Facts | undefined = EMPTY;
    const copies = optional === undefined && min > 0 ? min - 1 : min;
    for (let i = 0; i < copies; i++) facts = this.#join(facts, this.visit(body));
    if (optional === undefined) return this.#join(facts, this.#loop(body, min === 0));
    return this.#join(facts, this.#optionalCopies(body, optional));
  }

  #loop(body: Regex, mayBeEmpty: boolean): Facts | undefined {
    const facts = this.visit(body);
    if (facts === undefined) return undefined;
    this.#connect(facts.last, facts.first);
    return { ...facts, nullable: mayBeEmpty };
  }

  /** `(body(body(body)?)?)?` */
  #optionalCopies(body: Regex, count: number): Facts | undefined {
    let rest: Facts | undefined = EMPTY;
    for (let i = 0; i < count; i++) {
      const joined: Facts | undefined = this.#join(this.visit(body), rest);
      rest = joined === undefined ? undefined : { ...joined, nullable: true };
    }
    return rest;
  }
}
