/** IST0174: a DestinationRule for a host that nobody declares has no effect. */

import { isWildcard } from '../compile/host-match.ts';
import { resolveHost } from '../compile/names.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

export function analyzeDestinationRuleHosts(subject: Subject): readonly Problem[] {
  const { hosts, clusterDomain, snapshot } = subject;
  return snapshot.destinationRules.flatMap((rule) => {
    const { namespace } = rule.metadata;
    const host = resolveHost(rule.spec.host, namespace, clusterDomain);
    const known = isWildcard(host) ? hosts.overlapsAny(host) : hosts.find(host, namespace) !== undefined || hosts.has(host);
    if (known) return [];
    const near = hosts.nearest(host, namespace);
    const hint = near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`;
    return [problemAt(rule, 'warning', ['spec', 'host'], `${host} is no known Service or ServiceEntry, so this rule has no effect${hint}`, 'IST0174')];
  });
}
