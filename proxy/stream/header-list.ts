/** Ordered header list with lower-case names: one flat array, no object per header. */

export class HeaderList {
  /** name, value, name, value, … Names are lower case. Values are latin1 strings, one character a byte. */
  readonly items: string[];

  constructor(items: string[] = []) {
    this.items = items;
  }

  /** First value of `name` (lower case), or undefined. */
  get(name: string): string | undefined {
    const items = this.items;
    for (let i = 0; i < items.length; i += 2) if (items[i] === name) return items[i + 1];
    return undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Every value of `name`, in order. */
  getAll(name: string): string[] {
    const values: string[] = [];
    const items = this.items;
    for (let i = 0; i < items.length; i += 2) if (items[i] === name) values.push(items[i + 1] as string);
    return values;
  }

  /** Appends one more line. */
  add(name: string, value: string): void {
    this.items.push(name, value);
  }

  /** Replaces the first line of `name` and drops the others; appends when there is none. */
  set(name: string, value: string): void {
    const items = this.items;
    for (let i = 0; i < items.length; i += 2) {
      if (items[i] !== name) continue;
      items[i + 1] = value;
      this.#removeFrom(name, i + 2);
      return;
    }
    items.push(name, value);
  }

  remove(name: string): void {
    this.#removeFrom(name, 0);
  }

  clone(): HeaderList {
    return new HeaderList(this.items.slice());
  }

  #removeFrom(name: string, start: number): void {
    const items = this.items;
    let kept = start;
    for (let i = start; i < items.length; i += 2) {
      if (items[i] === name) continue;
      items[kept] = items[i] as string;
      items[kept + 1] = items[i + 1] as string;
      kept += 2;
    }
    items.length = kept;
  }
}
