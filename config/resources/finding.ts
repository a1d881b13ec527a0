/** What a resource's own rules found wrong with it, before the loader adds file, line and column. */

import type { Severity } from '../runtime/problem.ts';

/** Keys and indexes from the resource's root, e.g. `['spec', 'http', 0, 'timeout']`. */
export type Path = readonly (string | number)[];

export interface Finding {
  readonly severity: Severity;
  readonly path: Path;
  /** One line: what is wrong and what to do. */
  readonly message: string;
  readonly code?: string;
  /** The problem is the key, not its value (unknown or deprecated field): the position shown is the key's. */
  readonly atKey?: boolean;
  /** See Problem.unenforcedSecurity. */
  readonly unenforcedSecurity?: boolean;
}

/** `spec.http[0].match[0].headers["x.y"].exact` */
export function renderPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (!/^[\w-]+$/.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text;
}
