/**
 * IST0127: a selector selects no workload. Only said where the snapshot knows workloads in the selector's scope: a
 * folder of policies without Pods is no mistake.
 */

import type { Labels } from '../compile/labels.ts';
import { isEmpty } from '../compile/labels.ts';
import type { Resource, Snapshot } from '../load/snapshot.ts';
import type { Path } from '../resources/finding.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';
import { renderLabels, selectWorkloads } from './subject.ts';

interface Selector {
  readonly resource: Resource<unknown>;
  readonly path: Path;
  readonly labels: Labels | undefined;
  /** Selects in every namespace. */
  readonly everywhere: boolean;
}

export function analyzeSelectedWorkloads(subject: Subject): readonly Problem[] {
  return selectorsOf(subject.snapshot, subject.rootNamespace).flatMap(({ resource, path, labels, everywhere }) => {
    if (labels === undefined || isEmpty(labels)) return [];
    const namespace = everywhere ? undefined : resource.metadata.namespace;
    const known = selectWorkloads(subject, namespace, {});
    if (known.length === 0 || selectWorkloads(subject, namespace, labels).length > 0) return [];
    const where = namespace === undefined ? 'in any namespace' : `in namespace ${namespace}`;
    return [problemAt(resource, 'warning', path, `no workload ${where} has the labels ${renderLabels(labels)}`, 'IST0127')];
  });
}

function selectorsOf(snapshot: Snapshot, rootNamespace: string): readonly Selector[] {
  const isRoot = (resource: Resource<unknown>): boolean => resource.metadata.namespace === rootNamespace;
  const policies = [snapshot.authorizationPolicies, snapshot.requestAuthentications, snapshot.telemetries, snapshot.proxyConfigs] as readonly (readonly Resource<{
    readonly selector?: { readonly matchLabels?: Labels };
  }>[])[];
  return [
    ...policies.flat().map((resource) => ({ resource, path: ['spec', 'selector'], labels: resource.spec.selector?.matchLabels, everywhere: isRoot(resource) })),
    ...snapshot.peerAuthentications.map((resource) => ({ resource, path: ['spec', 'selector'], labels: resource.spec.selector?.matchLabels, everywhere: false })),
    ...snapshot.sidecars.map((resource) => ({ resource, path: ['spec', 'workloadSelector'], labels: resource.spec.workloadSelector?.labels, everywhere: false })),
    ...snapshot.serviceEntries.map((resource) => ({ resource, path: ['spec', 'workloadSelector'], labels: resource.spec.workloadSelector?.labels, everywhere: false })),
    ...snapshot.destinationRules.map((resource) => ({ resource, path: ['spec', 'workloadSelector'], labels: resource.spec.workloadSelector?.matchLabels, everywhere: false })),
    ...snapshot.gateways.map((resource) => ({ resource, path: ['spec', 'selector'], labels: resource.spec.selector, everywhere: true })),
  ];
}
