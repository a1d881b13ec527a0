/** IST0130: a rule of a VirtualService that no request can reach; IST0131: a match that an earlier one covers. */

import type { Resource } from '../load/snapshot.ts';
import type { Path } from '../resources/finding.ts';
import type { HttpMatchRequest, HttpRoute, VirtualServiceSpec } from '../resources/virtual-service.ts';
import type { Problem } from '../runtime/problem.ts';
import { matchCovers } from './match-covers.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

/** Every match is compared with every earlier one; lists beyond this are compared for equality only. */
const MAX_COMPARED = 2000;

export function analyzeUnreachableRules({ snapshot }: Subject): readonly Problem[] {
  return snapshot.virtualServices.flatMap((virtualService) => [
    ...unreachable(virtualService, 'http', virtualService.spec.http ?? []),
    ...unreachable(virtualService, 'tls', virtualService.spec.tls ?? []),
    ...unreachable(virtualService, 'tcp', virtualService.spec.tcp ?? []),
  ]);
}

interface Rule {
  readonly name?: string;
  readonly match?: readonly object[];
}

interface Earlier {
  readonly rule: string;
  readonly match: object;
}

function unreachable(virtualService: Resource<VirtualServiceSpec>, kind: 'http' | 'tls' | 'tcp', rules: readonly Rule[]): readonly Problem[] {
  const problems: Problem[] = [];
  const earlier: Earlier[] = [];
  const byText = new Map<string, Earlier>();
  let catchAll: string | undefined;
  for (const [index, rule] of rules.entries()) {
    const name = rule.name === undefined ? `${kind}[${index}]` : JSON.stringify(rule.name);
    const base: Path = ['spec', kind, index];
    if (catchAll !== undefined) {
      problems.push(problemAt(virtualService, 'warning', base, `is never reached: ${catchAll} takes every request`, 'IST0130'));
      continue;
    }
    const covered = (rule.match ?? []).map((match) => byText.get(keyOf(match)) ?? covering(match, kind, earlier));
    problems.push(...coveredProblems(virtualService, base, covered));
    for (const match of rule.match ?? []) {
      earlier.push({ rule: name, match });
      if (!byText.has(keyOf(match))) byText.set(keyOf(match), { rule: name, match });
    }
    if (takesAll(rule, kind)) catchAll = name;
  }
  return problems;
}

/** All matches covered: the rule is unreachable; some: those matches are without effect. */
function coveredProblems(virtualService: Resource<VirtualServiceSpec>, base: Path, covered: readonly (Earlier | undefined)[]): readonly Problem[] {
  if (covered.length > 0 && covered.every((earlier) => earlier !== undefined)) {
    const names = [...new Set(covered.map((earlier) => earlier!.rule))].join(', ');
    return [problemAt(virtualService, 'warning', base, `is never reached: ${names} takes all that it matches`, 'IST0130')];
  }
  return covered.flatMap((earlier, index) => {
    if (earlier === undefined) return [];
    return [problemAt(virtualService, 'info', [...base, 'match', index], `has no effect: ${earlier.rule} takes all that it matches`, 'IST0131')];
  });
}

function covering(match: object, kind: string, earlier: readonly Earlier[]): Earlier | undefined {
  if (kind !== 'http' || earlier.length > MAX_COMPARED) return undefined;
  return earlier.find((candidate) => matchCovers(candidate.match as HttpMatchRequest, match as HttpMatchRequest));
}

/** Names do not matter. */
function keyOf(match: object): string {
  return JSON.stringify({ ...match, name: undefined });
}

/** No match at all, or one without any condition (http: a path of `/` or `.*` is none). */
function takesAll(rule: Rule, kind: string): boolean {
  const matches = rule.match ?? [];
  if (matches.length === 0) return true;
  return kind === 'http' && ((rule as HttpRoute).match ?? []).some((match) => matchCovers(match, {}));
}
