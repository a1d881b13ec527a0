/** The configuration's parts as values: content hashes, equality, freezing. */

import { hash } from 'node:crypto';

const hashes = new WeakMap<object, string>();

/**
 * Version of a whole: the hashes of its parts in order. A frozen part is hashed once in its life, so a reload that
 * reuses parts pays for the new ones only. Equal content must be made with its members in the same order.
 */
export function versionOf(parts: Iterable<object>): string {
  let all = '';
  for (const part of parts) all += partHash(part);
  return hash('sha256', all, 'hex').slice(0, 16);
}

/** True for equal plain data; members that are undefined count as present. */
export function isSameContent(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) return Array.isArray(a) && Array.isArray(b) && isSameList(a, b);
  return isSameRecord(a as Members, b as Members);
}

/** Freezes the value and everything in it; what is frozen already is taken to be frozen inside. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const key in value) deepFreeze(value[key]);
  return value;
}

type Members = Readonly<Record<string, unknown>>;

function partHash(part: object): string {
  let known = hashes.get(part);
  if (known === undefined) hashes.set(part, (known = hash('sha256', JSON.stringify(part), 'base64url')));
  return known;
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!isSameContent(a[i], b[i])) return false;
  return true;
}

function isSameRecord(a: Members, b: Members): boolean {
  let rest = 0;
  for (const _ in b) rest++;
  for (const key in a) {
    if (!Object.hasOwn(b, key) || !isSameContent(a[key], b[key])) return false;
    rest--;
  }
  return rest === 0;
}
