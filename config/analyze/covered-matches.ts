/**
 * IST0131: a match of an HTTP rule that an earlier one covers (`/api/v1` after `/api`); IST0130: a rule all of whose
 * matches are. Repeated matches and rules after a catch-all are found where the VirtualService is parsed.
 */

import type { Resource } from '../load/snapshot.ts';
import type { Path } from '../resources/finding.ts';
import type { HttpMatchRequest, VirtualServiceSpec } from '../resources/virtual-service.ts';
import type { Problem } from '../runtime/problem.ts';
import { matchCovers } from './match-covers.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

/** Every match is compared with every earlier one: a million comparisons and a half, some 50 ms. */
const MAX_COMPARED = 2000;

export function analyzeCoveredMatches({ snapshot }: Subject): readonly Problem[] {
  return snapshot.virtualServices.flatMap(coveredIn);
}

interface Earlier {
  /** `http[2]`, or the rule's name. */
  readonly rule: string;
  readonly match: HttpMatchRequest;
}

function coveredIn(virtualService: Resource<VirtualServiceSpec>): readonly Problem[] {
  const problems: Problem[] = [];
  const earlier: Earlier[] = [];
  for (const [index, { name, match: matches = [] }] of (virtualService.spec.http ?? []).entries()) {
    if (matches.length === 0 || matches.some((match) => matchCovers(match, {})) || earlier.length > MAX_COMPARED) break;
    const covering = matches.map((match) => earlier.find((candidate) => matchCovers(candidate.match, match) && !matchCovers(match, candidate.match)));
    problems.push(...problemsOf(virtualService, ['spec', 'http', index], covering));
    earlier.push(...matches.map((match) => ({ rule: name === undefined ? `http[${index}]` : JSON.stringify(name), match })));
  }
  return problems;
}

function problemsOf(virtualService: Resource<VirtualServiceSpec>, path: Path, covering: readonly (Earlier | undefined)[]): readonly Problem[] {
  const found = covering.filter((earlier) => earlier !== undefined);
  if (found.length === covering.length) {
    const names = [...new Set(found.map(({ rule }) => rule))].join(', ');
    return [problemAt(virtualService, 'warning', path, `is never reached: ${names} takes all that it matches; move it up`, 'IST0130')];
  }
  return covering.flatMap((earlier, index) => {
    if (earlier === undefined) return [];
    return [problemAt(virtualService, 'info', [...path, 'match', index], `has no effect: ${earlier.rule} takes all that it matches`, 'IST0131')];
  });
}
