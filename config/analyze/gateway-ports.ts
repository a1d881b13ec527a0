/** IST0162: no Service of the gateway's pods has a port that the Gateway serves. */

import { isEmpty, selects } from '../compile/labels.ts';
import type { Resource } from '../load/snapshot.ts';
import type { GatewaySpec } from '../resources/gateway.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';
import { renderLabels } from './subject.ts';

export function analyzeGatewayPorts(subject: Subject): readonly Problem[] {
  return subject.snapshot.gateways.flatMap((gateway) => {
    const ports = servicePorts(gateway, subject);
    if (ports === undefined) return [];
    return gateway.spec.servers.flatMap(({ port }, index) => {
      if (ports.has(port.number)) return [];
      const message = `no Service of the pods with labels ${renderLabels(gateway.spec.selector)} has port ${port.number}; the port cannot be reached through a Service`;
      return [problemAt(gateway, 'warning', ['spec', 'servers', index, 'port', 'number'], message, 'IST0162')];
    });
  });
}

/** Service and target ports that lead to the gateway's pods; undefined where the snapshot has no such pod or Service. */
function servicePorts(gateway: Resource<GatewaySpec>, { snapshot }: Subject): ReadonlySet<number> | undefined {
  const pods = snapshot.pods.filter((pod) => selects(gateway.spec.selector, pod.metadata.labels));
  const services = snapshot.services.filter(({ metadata, spec }) =>
    pods.some((pod) => pod.metadata.namespace === metadata.namespace && spec.selector !== undefined && !isEmpty(spec.selector) && selects(spec.selector, pod.metadata.labels)),
  );
  if (services.length === 0) return undefined;
  return new Set(services.flatMap(({ spec }) => (spec.ports ?? []).flatMap(({ port, targetPort }) => (typeof targetPort === 'number' ? [port, targetPort] : [port]))));
}
