/** Which service ports the workload is behind, and the local port of each. */

import type { CompileContext } from './context.ts';
import { isEmpty, selects } from './labels.ts';
import { problemAt } from './located.ts';
import type { MeshPort, MeshService } from './mesh-service.ts';
import type { Protocol } from './protocol.ts';
import { isHttp } from './protocol.ts';
import { namedPort } from './workloads.ts';

export interface InboundPort {
  readonly service: MeshService;
  readonly port: MeshPort;
  /** Where the local application listens. */
  readonly targetPort: number;
  /** What the first (oldest) service that leads there says is spoken. */
  readonly protocol: Protocol;
}

/** One for each local port: of services that share one the first names it, before all the first that routes HTTP to it. */
export function inboundPorts(context: CompileContext): readonly InboundPort[] {
  const byTarget = new Map<number, InboundPort>();
  for (const service of context.allServices) {
    if (!isBehind(service, context)) continue;
    for (const port of service.ports) {
      const targetPort = localPort(service, port, context);
      if (targetPort === undefined) continue;
      const known = byTarget.get(targetPort);
      if (known === undefined) byTarget.set(targetPort, { service, port, targetPort, protocol: port.protocol });
      else if (isHttp(port.protocol) && !isHttp(known.port.protocol)) byTarget.set(targetPort, { service, port, targetPort, protocol: known.protocol });
    }
  }
  return [...byTarget.values()];
}

/** By selector, or because an endpoint says so. */
export function isBehind(service: MeshService, { node, endpoints }: CompileContext): boolean {
  if (service.namespace !== node.namespace) return false;
  const selector = selectorOf(service);
  if (selector.some((labels) => !isEmpty(labels) && selects(labels, node.labels))) return true;
  if (service.declared.kind === 'ServiceEntry') return service.declared.entries.some(({ spec }) => spec.endpoints?.some(({ address }) => isOwnAddress(address, node.ip)) === true);
  const addresses = endpoints.addresses.of(service) ?? [];
  return addresses.some(({ podName, address }) => (podName === undefined ? isOwnAddress(address, node.ip) : podName === node.name));
}

function selectorOf({ declared }: MeshService): readonly Readonly<Record<string, string>>[] {
  if (declared.kind === 'Service') return declared.spec.selector === undefined ? [] : [declared.spec.selector];
  return declared.entries.flatMap(({ spec }) => (spec.workloadSelector?.labels === undefined ? [] : [spec.workloadSelector.labels]));
}

/** A loopback address is everybody's, so it says nothing about who is there. */
function isOwnAddress(address: string | undefined, own: string): boolean {
  return own !== '' && address === own && own !== '::1' && !own.startsWith('127.');
}

/** A named targetPort is a container port of the node's Pod, or what a slice says about the node, else about anybody. */
function localPort(service: MeshService, port: MeshPort, context: CompileContext): number | undefined {
  if (typeof port.target === 'number') return port.target;
  const { node, endpoints } = context;
  const pod = endpoints.workloads.pod(node.namespace, node.name);
  const byContainer = pod === undefined ? undefined : namedPort(pod, port.target);
  if (byContainer !== undefined) return byContainer;
  const addresses = endpoints.addresses.of(service) ?? [];
  const own = addresses.find(({ podName }) => podName === node.name) ?? addresses[0];
  const bySlice = own?.ports.find(({ name }) => name === port.name)?.number;
  if (bySlice === undefined) context.report(unknownTarget(service, port, context));
  return bySlice;
}

function unknownTarget({ source, declared }: MeshService, port: MeshPort, { node }: CompileContext) {
  const index = declared.kind === 'Service' ? (declared.spec.ports ?? []).findIndex(({ port: number }) => number === port.number) : -1;
  const path = index === -1 ? ['spec', 'ports'] : ['spec', 'ports', index, 'targetPort'];
  return problemAt({ source, path }, 'warning', `no container of ${node.namespace}/${node.name} has a port named ${String(port.target)}, so port ${port.number} is not served here`);
}
