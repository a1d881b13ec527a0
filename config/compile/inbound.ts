/** The server side of a sidecar: which local ports it serves, and the capture listener (istio-api.md 6.2, section 13). */

import { originOf } from '../load/types.ts';
import type { ListenerConfig, RoutingConfig } from '../runtime/listener.ts';
import type { RouteTableConfig } from '../runtime/route.ts';
import { fixedCluster } from './clusters.ts';
import type { CompileContext, ConfigParts } from './context.ts';
import type { InboundPort } from './inbound-ports.ts';
import { inboundPorts } from './inbound-ports.ts';
import { ingressServices } from './ingress.ts';
import { captureListener } from './listeners.ts';
import type { InboundService } from './local-application.ts';
import { inboundTable, localCluster } from './local-application.ts';
import { INBOUND_PASSTHROUGH_CLUSTER } from './names.ts';
import { nodeAddress } from './node.ts';
import type { SidecarScope } from './sidecar-scope.ts';
import { effectivePolicy } from './traffic-policy.ts';

/** A Sidecar's ingress listeners replace what the Services say. */
export function inboundParts(context: CompileContext, scope: SidecarScope): ConfigParts {
  const { node, mesh } = context;
  const ingress = ingressServices(context, scope);
  const services = ingress?.services ?? inboundPorts(context).map((port) => portService(port, context, scope));
  const passthrough = inboundTable({ name: INBOUND_PASSTHROUGH_CLUSTER, servicePort: 0, retry: context.retries.inbound('AUTO') });
  const capture: ListenerConfig[] = node.inboundPort === 'off' ? [] : [captureListener('virtualInbound', node.inboundPort, captureRouting(services, passthrough), context)];
  // Unknown ports lead to this workload and nowhere else, whatever address a request names.
  const addressOverride = mesh.inboundPolicy === 'LOCALHOST' ? '127.0.0.1' : nodeAddress(node);
  return {
    listeners: [...capture, ...(ingress?.listeners ?? [])],
    tables: [...services.map(({ table }) => table), passthrough],
    clusters: [...services.map(({ cluster }) => cluster), { ...fixedCluster(INBOUND_PASSTHROUGH_CLUSTER, 'ORIGINAL_DST', context), addressOverride }],
  };
}

function portService({ service, port, targetPort }: InboundPort, context: CompileContext, { sidecar }: SidecarScope): InboundService {
  const origin = originOf(service.source);
  const ofRule = effectivePolicy(context.rules.ruleFor(service, 'inbound'), port.number, '', context.mesh);
  const ofSidecar = sidecar?.spec.inboundConnectionPool;
  const connectionPool = ofSidecar === undefined || sidecar === undefined ? ofRule.connectionPool : { source: sidecar.source, path: ['spec', 'inboundConnectionPool'], value: ofSidecar };
  const address = nodeAddress(context.node);
  const { host, name, namespace } = service;
  const serves = { host, name, namespace, port: port.number };
  const cluster = localCluster({ port: targetPort, address, localPort: targetPort, protocol: port.protocol, connectionPool, retryBudget: ofRule.retryBudget, origin, service: serves }, context);
  return { ports: [targetPort, port.number], table: inboundTable({ name: cluster.name, servicePort: port.number, retry: context.retries.inbound(port.protocol), origin }), cluster };
}

/** Without interception nobody knows which port was meant; where there is only one there is nothing to choose. */
function captureRouting(services: readonly InboundService[], passthrough: RouteTableConfig): RoutingConfig {
  const tables: Record<string, string> = {};
  // A local port wins over a service port of the same number: that is where the application listens.
  for (const { ports, table } of services) tables[ports[0]] ??= table.name;
  for (const { ports, table } of services) for (const port of ports) tables[port] ??= table.name;
  const [only, ...others] = services;
  return { kind: 'by-port', tables, unknown: only !== undefined && others.length === 0 ? only.table.name : passthrough.name };
}
