/**
 * IST0173: a subset's labels select none of its host's workloads. Said only where the snapshot knows workloads of the
 * host: without Pods nothing can be told.
 */

import type { Labels } from '../compile/labels.ts';
import { isEmpty, selects } from '../compile/labels.ts';
import type { MeshService } from '../compile/mesh-service.ts';
import { resolveHost } from '../compile/names.ts';
import type { Resource } from '../load/snapshot.ts';
import type { DestinationRuleSpec } from '../resources/destination-rule.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';
import { renderLabels, selectWorkloads } from './subject.ts';

export function analyzeSubsetWorkloads(subject: Subject): readonly Problem[] {
  return subject.snapshot.destinationRules.flatMap((rule) => checkRule(rule, subject));
}

function checkRule(rule: Resource<DestinationRuleSpec>, subject: Subject): readonly Problem[] {
  const { namespace } = rule.metadata;
  const service = subject.hosts.find(resolveHost(rule.spec.host, namespace, subject.clusterDomain), namespace);
  if (service === undefined) return [];
  const workloads = workloadsOf(service, subject);
  if (workloads.length === 0) return [];
  return (rule.spec.subsets ?? []).flatMap(({ name, labels = {} }, index) => {
    if (isEmpty(labels) || workloads.some((workload) => selects(labels, workload))) return [];
    const message = `subset ${JSON.stringify(name)} selects no workload of ${service.host}: none has the labels ${renderLabels(labels)}`;
    return [problemAt(rule, 'error', ['spec', 'subsets', index, 'labels'], message, 'IST0173')];
  });
}

/** Label sets of the workloads behind a host. */
function workloadsOf({ declared, namespace }: MeshService, subject: Subject): readonly Labels[] {
  if (declared.kind === 'Service') return selected(declared.spec.selector, namespace, subject);
  return declared.entries.flatMap((entry) => [
    ...(entry.spec.endpoints ?? []).map((endpoint) => endpoint.labels ?? {}),
    ...selected(entry.spec.workloadSelector?.labels, namespace, subject),
  ]);
}

function selected(selector: Labels | undefined, namespace: string, subject: Subject): readonly Labels[] {
  if (selector === undefined || isEmpty(selector)) return [];
  return selectWorkloads(subject, namespace, selector).map(({ labels }) => labels);
}
