/** What loading and analyzing YAML text says, one rendered problem each: what tables of broken input compare with. */

import { analyze } from '../../config/analyze/index.ts';
import type { Snapshot } from '../../config/load/snapshot.ts';
import { loadSnapshot } from '../../config/load/snapshot.ts';
import type { Problem } from '../../config/runtime/problem.ts';
import { renderProblem } from '../../config/runtime/problem.ts';

/** The text as standard input: its file is `-`. */
export function snapshotOf(text: string): Snapshot {
  return loadSnapshot(['-'], { stdin: () => text });
}

/** Without the file: `3:5: Kind namespace/name: path: message [code]`. */
export function rendered(problems: readonly Problem[]): readonly string[] {
  return problems.map((problem) => renderProblem(problem).replace(/^-:/, ''));
}

/** What the kinds' own schemas say. */
export function loadFindings(text: string): readonly string[] {
  return rendered(snapshotOf(text).problems);
}

/**
 * What the analyzers say about a text that loads cleanly, in line order; `codes` leaves only those (an empty string
 * stands for none). Throws where the text does not load, so that no table passes for the wrong reason.
 */
export function analysisFindings(text: string, codes?: readonly string[]): readonly string[] {
  const snapshot = snapshotOf(text);
  const broken = snapshot.problems.filter((problem) => problem.severity === 'error');
  if (broken.length > 0) throw new Error(`the text does not load: ${rendered(broken).join('; ')}`);
  const problems = analyze(snapshot).filter(({ code = '' }) => codes === undefined || codes.includes(code));
  return rendered([...problems].sort((a, b) => a.line - b.line || a.column - b.column));
}
