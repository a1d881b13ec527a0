/** From offsets in a text to lines and columns, and from paths to offsets. */

import type { Path } from '../resources/finding.ts';

export interface Position {
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units. */
  readonly column: number;
}

/**
 * Where the entries of each map and list begin, filled by a parser while it parses. The key's offset is that of the item
 * itself in a list; a value's offset is -1 where nothing is written.
 */
export type Places = Map<object, Map<string | number, readonly [key: number, value: number]>>;

/** Notes one entry. */
export function place(places: Places | undefined, container: object, step: string | number, key: number, value: number): void {
  if (places === undefined) return;
  let entries = places.get(container);
  if (entries === undefined) places.set(container, (entries = new Map()));
  entries.set(step, [key, value]);
}

/** Line and column of an offset. */
export function positionAt(text: string, offset: number): Position {
  let line = 1;
  let start = 0;
  for (let newline = text.indexOf('\n'); newline !== -1 && newline < offset; newline = text.indexOf('\n', start)) {
    line++;
    start = newline + 1;
  }
  return { line, column: offset - start + 1 };
}

/**
 * Offset that stands for a path: a scalar's own, the key of a map or list, an item of a list; for `atKey` always the
 * key. Where the path ends early, the nearest enclosing place.
 */
export function offsetOf(root: unknown, rootOffset: number, places: Places, path: Path, atKey: boolean): number {
  let node = root;
  let offset = rootOffset;
  for (const [index, step] of path.entries()) {
    const entries = isContainer(node) ? places.get(node) : undefined;
    const written = entries?.has(step) === false ? snakeCase(step) : step;
    const entry = entries?.get(written);
    if (entry === undefined) return offset;
    node = (node as Readonly<Record<string | number, unknown>>)[written];
    const wantsKey = isContainer(node) || entry[1] < 0 || (atKey && index === path.length - 1);
    offset = wantsKey ? entry[0] : entry[1];
  }
  return offset;
}

/** The other spelling that a few Istio fields have in files: `mirrorPercent` may stand there as `mirror_percent`. */
export function snakeCase(step: string | number): string | number {
  return typeof step === 'number' ? step : step.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
