/** A value together with the place in a resource it was read from. */

import { originOf } from '../load/types.ts';
import type { ResourceSource } from '../load/types.ts';
import type { Path } from '../resources/finding.ts';
import { renderPath } from '../resources/finding.ts';
import type { Origin } from '../runtime/origin.ts';
import type { Problem, Severity } from '../runtime/problem.ts';

/** Where a value stands: the resource, and the path to the value in it. */
export interface Place {
  readonly source: ResourceSource;
  readonly path: Path;
}

export interface Located<T> extends Place {
  readonly value: T;
}

export function originAt({ source, path }: Place): Origin {
  return originOf(source, path);
}

export function below({ source, path }: Place, ...steps: Path): Place {
  return { source, path: [...path, ...steps] };
}

/** A problem that only the compile step can see. */
export function problemAt({ source, path }: Place, severity: Severity, message: string): Problem {
  const { line, column } = source.locate(path);
  return { severity, file: source.file, line, column, resource: source.resource, path: renderPath(path), message };
}
