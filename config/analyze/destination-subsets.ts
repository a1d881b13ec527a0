/** IST0101: a destination names a subset that no DestinationRule for its host defines. */

import { mostSpecific } from '../compile/host-match.ts';
import { resolveHost } from '../compile/names.ts';
import type { Resource } from '../load/snapshot.ts';
import type { DestinationRuleSpec } from '../resources/destination-rule.ts';
import { suggestion } from '../resources/suggest.ts';
import type { Problem } from '../runtime/problem.ts';
import { destinationsOf } from './destinations.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

export function analyzeDestinationSubsets(subject: Subject): readonly Problem[] {
  // A rule with errors of its own may be the one that defines them.
  if ([...subject.broken].some((resource) => resource.startsWith('DestinationRule '))) return [];
  const subsets = subsetsByHost(subject);
  return subject.snapshot.virtualServices.flatMap((virtualService) =>
    destinationsOf(virtualService.spec).flatMap(({ destination, path }) => {
      if (destination.subset === undefined || destination.subset === '') return [];
      const host = resolveHost(destination.host, virtualService.metadata.namespace, subject.clusterDomain);
      const known = mostSpecific(subsets, host);
      if (known?.has(destination.subset) === true) return [];
      const message = unknownSubset(destination.subset, host, known);
      return [problemAt(virtualService, 'error', [...path, 'subset'], message, 'IST0101')];
    }),
  );
}

/** Of all namespaces together, as istioctl does: which rule a client uses depends on the client. */
function subsetsByHost({ snapshot, clusterDomain }: Subject): ReadonlyMap<string, ReadonlySet<string>> {
  const byHost = new Map<string, Set<string>>();
  for (const rule of snapshot.destinationRules) {
    const host = hostOf(rule, clusterDomain);
    const names = byHost.get(host) ?? new Set<string>();
    for (const { name } of rule.spec.subsets ?? []) names.add(name);
    byHost.set(host, names);
  }
  return byHost;
}

function hostOf({ metadata, spec }: Resource<DestinationRuleSpec>, clusterDomain: string): string {
  return resolveHost(spec.host, metadata.namespace, clusterDomain);
}

function unknownSubset(subset: string, host: string, known: ReadonlySet<string> | undefined): string {
  const shown = `subset ${JSON.stringify(subset)} of ${host}`;
  if (known === undefined) return `${shown} is not defined: no DestinationRule has this host`;
  return `${shown} is not defined by its DestinationRule${suggestion(subset, [...known])}`;
}
