/** Resources of which one per workload is used: IST0110/IST0111 for Sidecar, IST0159/IST0160 for Telemetry. */

import type { Labels } from '../compile/labels.ts';
import { isEmpty } from '../compile/labels.ts';
import type { Resource } from '../load/snapshot.ts';
import { hasTargetReference } from '../resources/policy-target.ts';
import type { Problem } from '../runtime/problem.ts';
import { namePath, problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';
import { selectWorkloads } from './subject.ts';

export function analyzeSidecarSelectors(subject: Subject): readonly Problem[] {
  const selectorOf = (resource: Resource<{ readonly workloadSelector?: { readonly labels?: Labels } }>): Labels => resource.spec.workloadSelector?.labels ?? {};
  return analyzeOnePerWorkload(subject, { resources: subject.snapshot.sidecars, selectorOf, overlapCode: 'IST0110', repeatedCode: 'IST0111' });
}

export function analyzeTelemetrySelectors(subject: Subject): readonly Problem[] {
  const resources = subject.snapshot.telemetries.filter((telemetry) => !hasTargetReference(telemetry.spec));
  const selectorOf = (resource: (typeof resources)[number]): Labels => resource.spec.selector?.matchLabels ?? {};
  return analyzeOnePerWorkload(subject, { resources, selectorOf, overlapCode: 'IST0159', repeatedCode: 'IST0160' });
}

interface OnePerWorkload<T> {
  readonly resources: readonly Resource<T>[];
  readonly selectorOf: (resource: Resource<T>) => Labels;
  readonly overlapCode: string;
  readonly repeatedCode: string;
}

function analyzeOnePerWorkload<T>(subject: Subject, rule: OnePerWorkload<T>): readonly Problem[] {
  const selecting = rule.resources.filter((resource) => !isEmpty(rule.selectorOf(resource)));
  const general = rule.resources.filter((resource) => isEmpty(rule.selectorOf(resource)));
  return [...repeated(general, rule.repeatedCode), ...overlapping(selecting, subject, rule)];
}

function repeated<T>(resources: readonly Resource<T>[], code: string): readonly Problem[] {
  return resources.flatMap((resource) => {
    const others = resources.filter((other) => other !== resource && other.metadata.namespace === resource.metadata.namespace);
    if (others.length === 0) return [];
    const message = `${names(others)} in namespace ${resource.metadata.namespace} has no selector either, and only the oldest is used`;
    return [problemAt(resource, 'error', namePath, message, code)];
  });
}

function overlapping<T>(resources: readonly Resource<T>[], subject: Subject, { selectorOf, overlapCode }: OnePerWorkload<T>): readonly Problem[] {
  const selected = new Map<string, Resource<T>[]>();
  for (const resource of resources) {
    for (const workload of selectWorkloads(subject, resource.metadata.namespace, selectorOf(resource))) {
      selected.set(workload.resource, [...(selected.get(workload.resource) ?? []), resource]);
    }
  }
  return resources.flatMap((resource) => {
    const shared = [...selected].find(([, owners]) => owners.length > 1 && owners.includes(resource));
    if (shared === undefined) return [];
    const [workload, owners] = shared;
    const message = `${names(owners.filter((other) => other !== resource))} selects ${workload} too, and only the oldest is used`;
    return [problemAt(resource, 'error', namePath, message, overlapCode)];
  });
}

function names(resources: readonly Resource<unknown>[]): string {
  return resources.map((resource) => resource.source.resource).join(', ');
}
