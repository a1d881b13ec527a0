/** Sets of byte values: what one position of a regex may be. */

const SIZE = 256;

export class CharSet {
  /** One bit a character. */
  readonly #bits = new Uint32Array(SIZE / 32);

  static of(...ranges: readonly (readonly [first: number, last: number])[]): CharSet {
    const set = new CharSet();
    for (const [first, last] of ranges) for (let code = first; code <= Math.min(last, SIZE - 1); code++) set.#add(code);
    return set;
  }

  static one(code: number): CharSet {
    return CharSet.of([code, code]);
  }

  has(code: number): boolean {
    return code < SIZE && (((this.#bits[code >> 5] as number) >>> (code & 31)) & 1) === 1;
  }

  union(other: CharSet): CharSet {
    return this.#build((code) => this.has(code) || other.has(code));
  }

  inverse(): CharSet {
    return this.#build((code) => !this.has(code));
  }

  /** With every letter A–Z also in its other case. */
  folded(): CharSet {
    return this.#build((code) => this.has(code) || (isLetter(code) && this.has(code ^ 0x20)));
  }

  overlaps(other: CharSet): boolean {
    return this.#bits.some((word, i) => (word & (other.#bits[i] as number)) !== 0);
  }

  equals(other: CharSet): boolean {
    return this.#bits.every((word, i) => word === other.#bits[i]);
  }

  /** The one member, or undefined when there are more or none. */
  only(): number | undefined {
    let found: number | undefined;
    for (let code = 0; code < SIZE; code++) {
      if (!this.has(code)) continue;
      if (found !== undefined) return undefined;
      found = code;
    }
    return found;
  }

  /** As a class of a JavaScript regex; the empty set is a class that never matches. */
  source(): string {
    let source = '';
    for (let code = 0; code < SIZE; code++) {
      if (!this.has(code)) continue;
      const first = code;
      while (this.has(code + 1)) code++;
      source += first === code ? escaped(first) : `${escaped(first)}-${escaped(code)}`;
    }
    return `[${source}]`;
  }

  #add(code: number): void {
    this.#bits[code >> 5] = (this.#bits[code >> 5] as number) | (1 << (code & 31));
  }

  #build(isMember: (code: number) => boolean): CharSet {
    const set = new CharSet();
    for (let code = 0; code < SIZE; code++) if (isMember(code)) set.#add(code);
    return set;
  }
}

function isLetter(code: number): boolean {
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

function escaped(code: number): string {
  return `\\x${code.toString(16).padStart(2, '0')}`;
}
