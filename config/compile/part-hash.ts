/** Hashes of the configuration's parts, each computed once: what versions and differences are made of. */

import { createHash } from 'node:crypto';

const hashes = new WeakMap<object, string>();

/**
 * Hash of a frozen part's content. Members are hashed in the order they were made in, so equal content must be made by
 * the same code; `applyDelta` and `compile` keep to that.
 */
export function partHash(part: object): string {
  let hash = hashes.get(part);
  if (hash === undefined) hashes.set(part, (hash = createHash('sha256').update(JSON.stringify(part)).digest('base64url').slice(0, 22)));
  return hash;
}

/** Version of a whole: the hashes of its parts in order. */
export function versionOf(parts: Iterable<object>): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(partHash(part));
  return hash.digest('hex').slice(0, 16);
}

/** Freezes the value and everything in it; what is frozen already is taken to be frozen inside. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const key in value) deepFreeze(value[key]);
  return value;
}
