/** Collects what injection has to say about a resource; paths count from the resource's root. */

import type { Finding, Path } from '../resources/finding.ts';

export class Report {
  readonly findings: Finding[] = [];

  /** The resource cannot be injected. */
  error(path: Path, message: string): void {
    this.findings.push({ severity: 'error', path, message });
  }

  /** Something that was asked for and does nothing here. */
  warning(path: Path, message: string): void {
    this.findings.push({ severity: 'warning', path, message });
  }

  /** What was left alone, and why. */
  note(path: Path, message: string): void {
    this.findings.push({ severity: 'info', path, message });
  }

  get failed(): boolean {
    return this.findings.some(({ severity }) => severity === 'error');
  }
}
