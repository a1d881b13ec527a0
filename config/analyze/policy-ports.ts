/** portLevelSettings for a port that the service does not have: it goes by the Service's port, not by the workload's. */

import { isWildcard } from '../compile/host-match.ts';
import { resolveHost } from '../compile/names.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';
import { trafficPoliciesOf } from './traffic-policies.ts';

export function analyzePolicyPorts({ snapshot, hosts, clusterDomain }: Subject): readonly Problem[] {
  return snapshot.destinationRules.flatMap((rule) => {
    const { namespace } = rule.metadata;
    const host = resolveHost(rule.spec.host, namespace, clusterDomain);
    const service = isWildcard(host) ? undefined : hosts.find(host, namespace);
    if (service === undefined || service.ports.length === 0) return [];
    const numbers = service.ports.map(({ number }) => number);
    return trafficPoliciesOf(rule.spec).flatMap(({ path, port }) => {
      if (port === undefined || numbers.includes(port)) return [];
      const target = service.ports.find((candidate) => candidate.target === port);
      const hint = target === undefined ? '' : `; ${port} is the targetPort of ${target.number}`;
      return [problemAt(rule, 'warning', [...path, 'port', 'number'], `has no effect: ${service.host} has no port ${port}, it has ${numbers.join(', ')}${hint}`)];
    });
  });
}
