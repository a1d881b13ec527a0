/** PeerAuthentications that decide nothing: an older one of the same level does, or the place is wrong (istio-api.md 8.1). */

import type { Labels } from '../compile/labels.ts';
import { isEmpty } from '../compile/labels.ts';
import { oldestFirst } from '../compile/order.ts';
import type { Resource } from '../load/snapshot.ts';
import type { PeerAuthenticationSpec } from '../resources/peer-authentication.ts';
import type { Problem } from '../runtime/problem.ts';
import { namePath, problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

type Policy = Resource<PeerAuthenticationSpec>;

export function analyzePeerAuthentications({ snapshot, rootNamespace }: Subject): readonly Problem[] {
  const ordered = oldestFirst(snapshot.peerAuthentications);
  const hasNoPlace = ({ metadata, spec }: Policy): boolean => metadata.namespace === rootNamespace && !isEmpty(spec.selector?.matchLabels);
  const heeded = ordered.filter((policy) => !hasNoPlace(policy));
  return [
    ...ordered.filter(hasNoPlace).map((policy) => problemAt(policy, 'warning', ['spec', 'selector'], `a policy with a selector in the root namespace ${rootNamespace} has no effect, as in Istio`)),
    ...heeded.flatMap((policy, index) => shadowed(policy, heeded.slice(0, index))),
  ];
}

/** Policies of one level are not merged: the oldest is all there is. */
function shadowed(policy: Policy, older: readonly Policy[]): readonly Problem[] {
  const decides = older.find((other) => other.metadata.namespace === policy.metadata.namespace && isSameSelector(other.spec.selector?.matchLabels, policy.spec.selector?.matchLabels));
  if (decides === undefined) return [];
  return [problemAt(policy, 'warning', namePath, `has no effect: ${decides.source.resource} is for the same workloads and is older (or comes first by name), and policies are not merged`)];
}

function isSameSelector(a: Labels = {}, b: Labels = {}): boolean {
  const entries = Object.entries(a);
  return entries.length === Object.keys(b).length && entries.every(([key, value]) => b[key] === value);
}
