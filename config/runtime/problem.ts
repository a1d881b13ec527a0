/** Configuration problems: values that are collected, never thrown, and printed one a line. */

export type Severity = 'error' | 'warning' | 'info';

export interface Problem {
  readonly severity: Severity;
  /** File as the user named it, `-` for standard input. */
  readonly file: string;
  /** 1-based; 1 where a problem concerns the whole file. */
  readonly line: number;
  readonly column: number;
  /** `Kind namespace/name`; empty for a problem of the file itself (YAML syntax, size). */
  readonly resource: string;
  /** `spec.http[0].retries.attempts`; empty for the whole resource. */
  readonly path: string;
  /** What is wrong and what to do, one line. */
  readonly message: string;
  /** `istioctl analyze` code, e.g. `IST0101`, where one exists. */
  readonly code?: string;
  /**
   * Marks a security resource that would restrict traffic and is not enforced by this version: `validate` prints the
   * warning, `run` refuses a snapshot in which such a resource applies to its workload.
   */
  readonly unenforcedSecurity?: boolean;
}

/** `file:line:column: Kind namespace/name: path: message [IST0101]`, `warning: ` or `info: ` before the message. */
export function renderProblem(problem: Problem): string {
  const where = `${problem.file}:${problem.line}:${problem.column}: `;
  const resource = problem.resource === '' ? '' : `${problem.resource}: `;
  const path = problem.path === '' ? '' : `${problem.path}: `;
  const severity = problem.severity === 'error' ? '' : `${problem.severity}: `;
  const code = problem.code === undefined ? '' : ` [${problem.code}]`;
  return `${where}${resource}${path}${severity}${problem.message}${code}`;
}
