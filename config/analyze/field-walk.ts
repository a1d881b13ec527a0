/** Values under a pattern such as `http[].route[].headers` or `portLevelMtls{}.mode`, each with its concrete path. */

import type { Path } from '../resources/finding.ts';

export interface FoundValue {
  readonly path: Path;
  readonly value: unknown;
}

/** `name[]` stands for every entry of a list, `name{}` for every entry of a map. Absent fields yield nothing. */
export function valuesAt(root: unknown, pattern: string): readonly FoundValue[] {
  let found: readonly FoundValue[] = [{ path: [], value: root }];
  for (const step of pattern.split('.')) {
    if (found.length === 0) return found;
    found = found.flatMap((parent) => children(parent, step));
  }
  return found;
}

function children({ path, value }: FoundValue, step: string): readonly FoundValue[] {
  const name = step.replace(/(?:\[\]|\{\})$/, '');
  const child = member(value, name);
  if (child === undefined || child === null) return [];
  const at: Path = [...path, name];
  if (step.endsWith('[]')) return Array.isArray(child) ? child.map((entry: unknown, index) => ({ path: [...at, index], value: entry })) : [];
  if (step.endsWith('{}')) return Object.entries(child).map(([key, entry]) => ({ path: [...at, key], value: entry as unknown }));
  return [{ path: at, value: child }];
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}
