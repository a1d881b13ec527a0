/** The server side of a sidecar: which local ports it serves, and the capture listener (istio-api.md 6.2, 8.2, section 13). */

import { originOf } from '../load/types.ts';
import type { FilterChainConfig } from '../runtime/filter-chain.ts';
import type { ListenerConfig } from '../runtime/listener.ts';
import { fixedCluster } from './clusters.ts';
import type { CompileContext, ConfigParts } from './context.ts';
import { clusterRoute, httpNetwork, loopChain, sidecarHttp, tcpNetwork } from './filter-chains.ts';
import { inboundChains } from './inbound-chains.ts';
import type { InboundPort } from './inbound-ports.ts';
import { inboundPorts } from './inbound-ports.ts';
import { directChains, inboundRouting, tlsRequiredTable, type InboundTables } from './inbound-routing.ts';
import { ingressServices } from './ingress.ts';
import { captureListener } from './listeners.ts';
import type { InboundService } from './local-application.ts';
import { inboundTable, localCluster, serviceChains } from './local-application.ts';
import { inboundTls } from './mesh-tls.ts';
import type { MeshSettings } from './mesh.ts';
import { BLACK_HOLE_CLUSTER, INBOUND_PASSTHROUGH_CLUSTER } from './names.ts';
import { nodeAddress } from './node.ts';
import { isHttp } from './protocol.ts';
import type { SidecarScope } from './sidecar-scope.ts';
import { effectivePolicy } from './traffic-policy.ts';

/** A Sidecar's ingress listeners replace what the Services say. */
export function inboundParts(context: CompileContext, scope: SidecarScope): ConfigParts {
  const { node, mesh } = context;
  const ingress = ingressServices(context, scope);
  const services = ingress?.services ?? inboundPorts(context).map((port) => portService(port, context, scope));
  const passthrough = inboundTable({ name: INBOUND_PASSTHROUGH_CLUSTER, servicePort: 0, retry: context.retries.inbound('AUTO') });
  const capture = node.inboundPort === 'off' ? [] : [inboundCapture(node.inboundPort, { services, passthrough }, context)];
  const tables = [...services.flatMap(({ table }) => table ?? []), passthrough];
  // Unknown ports lead to this workload and nowhere else, whatever address a request names.
  const unknown = { ...fixedCluster(INBOUND_PASSTHROUGH_CLUSTER, 'ORIGINAL_DST', context), addressOverride: applicationAddress(context), ...(keepsAddress(mesh) && { followsOriginalDestination: true as const }) };
  return {
    listeners: [...capture, ...(ingress?.listeners ?? [])],
    tables: [...tables, ...tlsRequiredTable(capture)],
    clusters: [...services.map(({ cluster }) => cluster), unknown],
  };
}

function portService({ service, port, targetPort, protocol }: InboundPort, context: CompileContext, { sidecar }: SidecarScope): InboundService {
  const origin = originOf(service.source);
  const ofRule = effectivePolicy(context.rules.ruleFor(service, 'inbound'), port.number, '', context.mesh);
  const ofSidecar = sidecar?.spec.inboundConnectionPool;
  const connectionPool = ofSidecar === undefined || sidecar === undefined ? ofRule.connectionPool : { source: sidecar.source, path: ['spec', 'inboundConnectionPool'], value: ofSidecar };
  const address = applicationAddress(context);
  const { host, name, namespace } = service;
  const serves = { host, name, namespace, port: port.number };
  const cluster = localCluster({ port: targetPort, address, localPort: targetPort, keepsAddress: keepsAddress(context.mesh), protocol: port.protocol, connectionPool, retryBudget: ofRule.retryBudget, origin, service: serves }, context);
  const table = isHttp(port.protocol) ? inboundTable({ name: cluster.name, servicePort: port.number, retry: context.retries.inbound(port.protocol), origin }) : undefined;
  return { ports: [targetPort, port.number], protocol, table, cluster };
}

/** MeshConfig `inboundTrafficPolicy`: the application as others address it, or what it has on loopback. */
function applicationAddress({ node, mesh }: CompileContext): string {
  return mesh.inboundPolicy === 'LOCALHOST' ? '127.0.0.1' : nodeAddress(node);
}

function keepsAddress({ inboundPolicy }: MeshSettings): boolean {
  return inboundPolicy === 'PASSTHROUGH';
}

function inboundCapture(port: number, content: InboundTables, context: CompileContext): ListenerConfig {
  const { mesh } = context;
  const chains = [...loopChains(context), ...content.services.flatMap((service) => serviceChains(service, context)), ...passthroughChains(content, context)];
  const timeout = mesh.detectionTimeoutMs === 0 ? {} : { detectionTimeoutMs: mesh.detectionTimeoutMs };
  const direct = directChains(content, context);
  return captureListener({ name: 'virtualInbound', port, routing: inboundRouting(content, context), chains, ...(direct !== undefined && { direct }), ...timeout }, context);
}

/** Connections on their way to the proxy's own ports would come back for ever. */
function loopChains({ node }: CompileContext): readonly FilterChainConfig[] {
  const ports = [node.inboundPort, node.outboundPort].filter((port): port is number => port !== 'off' && port !== 0);
  return ports.map((port, index) => loopChain(index === 0 ? 'virtualInbound-blackhole' : `virtualInbound-blackhole-${port}`, port, BLACK_HOLE_CLUSTER));
}

/** Ports that no service has go to the application as they are: with the workload's mode, or with their own. */
function passthroughChains({ services, passthrough }: InboundTables, context: CompileContext): readonly FilterChainConfig[] {
  const { node, mesh, peerAuthentications } = context;
  const served = new Set(services.map(({ ports: [local] }) => local));
  const http = httpNetwork(passthrough.name, 80, sidecarHttp(mesh));
  const tcp = tcpNetwork(clusterRoute(INBOUND_PASSTHROUGH_CLUSTER));
  const tls = inboundTls(node.trustDomain, mesh);
  const ports = peerAuthentications.portsOf(node).filter((port) => !served.has(port));
  return [undefined, ...ports].flatMap((destinationPort) => {
    const target = { name: destinationPort === undefined ? 'virtualInbound-catchall' : `0.0.0.0_${destinationPort}`, ...(destinationPort !== undefined && { destinationPort }), speaks: 'AUTO' as const, http, tcp };
    return inboundChains(target, peerAuthentications.modeOf(node, destinationPort), tls);
  });
}
