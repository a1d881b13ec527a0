/** Oldest first: the order in which Istio processes and prefers resources (istio-api.md 1.6). */

import type { Resource } from '../load/types.ts';

/** By creation time, then name, then namespace; a resource without a time (most files) comes after those with one. */
export function oldestFirst<T>(resources: readonly Resource<T>[]): readonly Resource<T>[] {
  return [...resources].sort(compareAge);
}

export function compareAge(a: Resource<unknown>, b: Resource<unknown>): number {
  const timeA = a.metadata.creationTimestamp ?? Infinity;
  const timeB = b.metadata.creationTimestamp ?? Infinity;
  if (timeA !== timeB) return timeA - timeB;
  return compareText(a.metadata.name, b.metadata.name) || compareText(a.metadata.namespace, b.metadata.namespace);
}

/** By code unit, so that the order does not depend on the machine's locale. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
