/** Problems that analyzers report, placed in the resource they concern. */

import type { Resource } from '../load/snapshot.ts';
import type { Path } from '../resources/finding.ts';
import { renderPath } from '../resources/finding.ts';
import type { Problem, Severity } from '../runtime/problem.ts';

/** `code` is istioctl's, without one where it has none. `path` starts at the resource's root: `['spec', 'http', 0]`. */
export function problemAt(resource: Resource<unknown>, severity: Severity, path: Path, message: string, code?: string): Problem {
  const { source } = resource;
  const { line, column } = source.locate(path);
  const problem: Problem = { severity, file: source.file, line, column, resource: source.resource, path: renderPath(path), message };
  return code === undefined ? problem : { ...problem, code };
}

/** Where a resource's name is written: for problems of the resource as a whole. */
export const namePath: Path = ['metadata', 'name'];
