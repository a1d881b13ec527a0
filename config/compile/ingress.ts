/** Sidecar `ingress`: local ports as the resource lists them, bound as written where captureMode is NONE (istio-api.md 6.2). */

import { isIP } from 'node:net';
import { isUnixAddress } from '../../proxy/base/unix-address.ts';
import type { IstioIngressListener } from '../resources/sidecar.ts';
import type { ConnectionPoolSettings } from '../resources/traffic-policy/types.ts';
import type { ListenerConfig } from '../runtime/listener.ts';
import type { ServerTlsConfig } from '../runtime/tls.ts';
import type { CompileContext } from './context.ts';
import type { InboundPort } from './inbound-ports.ts';
import { inboundPorts } from './inbound-ports.ts';
import { boundListener } from './listeners.ts';
import type { InboundService } from './local-application.ts';
import { inboundTable, localCluster, serviceChains } from './local-application.ts';
import type { Located, Place } from './located.ts';
import { below, originAt, problemAt } from './located.ts';
import { UNKNOWN_TABLE } from './names.ts';
import { nodeAddress } from './node.ts';
import type { Protocol } from './protocol.ts';
import { isDeclaredHttp, isHttp, writtenProtocol } from './protocol.ts';
import type { SidecarScope } from './sidecar-scope.ts';
import type { EffectivePolicy } from './traffic-policy.ts';
import { effectivePolicy } from './traffic-policy.ts';
import { fileServerTls } from './written-server-tls.ts';

export interface IngressServices {
  readonly services: readonly InboundService[];
  readonly listeners: readonly ListenerConfig[];
}

/** Undefined where the Sidecar has no ingress: the Services then say what there is. */
export function ingressServices(context: CompileContext, { sidecar }: SidecarScope): IngressServices | undefined {
  const written = sidecar?.spec.ingress ?? [];
  if (sidecar === undefined || written.length === 0) return undefined;
  // What named ports lack is nothing to report here: the listed ports are what is served.
  const behind = inboundPorts({ ...context, report: () => {} });
  const services: InboundService[] = [];
  const listeners: ListenerConfig[] = [];
  for (const [index, listener] of written.entries()) {
    const protocol = writtenProtocol(listener.port.protocol);
    if (protocol === undefined) continue;
    const place = { source: sidecar.source, path: ['spec', 'ingress', index] };
    const policy = servicePolicy(behind.find(({ targetPort }) => targetPort === listener.port.number), context);
    const pool = ingressPool(listener, sidecar.spec.inboundConnectionPool, place) ?? policy.connectionPool;
    const ownTls = ingressTls(listener, place, context);
    const service = ingressService(listener, { place, protocol: ownTls === undefined ? protocol : terminated(listener), pool, budget: policy.retryBudget, ownTls }, context);
    if (service === undefined) continue;
    services.push(service);
    if (listener.captureMode !== 'NONE') continue;
    listeners.push(boundIngress(service, listener.bind ?? nodeAddress(context.node), place, context));
  }
  return { services, listeners };
}

/** Plain HTTP needs no chains to be told apart, unless there is TLS to take. */
function boundIngress(service: InboundService, address: string, place: Place, context: CompileContext): ListenerConfig {
  const { ports: [port], protocol, table, ownTls } = service;
  const routing = { kind: 'table', table: table?.name ?? UNKNOWN_TABLE, port } as const;
  const listener = boundListener({ direction: 'inbound', address, port, routing, origin: originAt(place) }, context);
  const { mode } = context.peerAuthentications.modeOf(context.node, port);
  const takesTls = ownTls !== undefined || mode === 'STRICT' || (mode === 'PERMISSIVE' && context.node.hasIdentity === true);
  return isDeclaredHttp(protocol) && !takesTls ? listener : { ...listener, chains: serviceChains(service, context, false) };
}

interface IngressDetails {
  readonly place: Place;
  readonly protocol: Protocol;
  readonly pool: EffectivePolicy['connectionPool'];
  readonly budget: EffectivePolicy['retryBudget'];
  readonly ownTls: ServerTlsConfig | undefined;
}

/** Clients outside the mesh: only on a port that takes no mutual TLS, where the two could not be told apart. */
function ingressTls({ tls, port }: IstioIngressListener, place: Place, context: CompileContext): ServerTlsConfig | undefined {
  if (tls === undefined) return undefined;
  const { node, mesh, peerAuthentications } = context;
  const { mode } = peerAuthentications.modeOf(node, port.number);
  if (mode !== 'DISABLE') {
    context.report(problemAt(below(place, 'tls'), 'warning', `has no effect while the mutual TLS mode of port ${port.number} is ${mode}, as in Istio; a PeerAuthentication with mode DISABLE for the port makes room for it`));
    return undefined;
  }
  return fileServerTls({ settings: tls, kind: isHttps(port) ? 'http' : 'tcp', mesh, origin: originAt(below(place, 'tls')) });
}

/** What is inside. */
function terminated({ port }: IstioIngressListener): Protocol {
  return isHttps(port) ? 'HTTP' : 'TCP';
}

function isHttps({ protocol = '' }: IstioIngressListener['port']): boolean {
  return protocol.toUpperCase() === 'HTTPS';
}

/** Of the service that the port belongs to, if it is one's; else what the mesh says. */
function servicePolicy(behind: InboundPort | undefined, { rules, mesh }: CompileContext): EffectivePolicy {
  if (behind === undefined) return effectivePolicy(undefined, 0, '', mesh);
  return effectivePolicy(rules.ruleFor(behind.service, 'inbound'), behind.port.number, '', mesh);
}

function ingressService(listener: IstioIngressListener, { place, protocol, pool, budget, ownTls }: IngressDetails, context: CompileContext): InboundService | undefined {
  const { number } = listener.port;
  const target = defaultEndpoint(listener, context);
  if (target === undefined) return undefined;
  const origin = originAt(place);
  const cluster = localCluster({ port: number, ...target, protocol, connectionPool: pool, retryBudget: budget, origin }, context);
  const table = isHttp(protocol) ? inboundTable({ name: cluster.name, servicePort: number, retry: context.retries.inbound(protocol), origin }) : undefined;
  return { ports: [number], protocol, table, cluster, ...(ownTls !== undefined && { ownTls }) };
}

/** `127.0.0.1:p`, `[::1]:p`; `0.0.0.0:p` and `[::]:p` mean the instance's address; absent: the same port there; or a unix socket. */
function defaultEndpoint({ defaultEndpoint: written, port }: IstioIngressListener, { node }: CompileContext): { readonly address: string; readonly localPort: number; readonly keepsAddress?: true } | undefined {
  if (written === undefined || written === '') return { address: nodeAddress(node), localPort: port.number, keepsAddress: true };
  if (isUnixAddress(written)) return { address: written, localPort: 0 };
  const [, bracketed, plain, number] = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(written) ?? [];
  const address = bracketed ?? plain ?? '';
  if (number === undefined || isIP(address) === 0) return undefined;
  return { address: address === '0.0.0.0' || address === '::' ? nodeAddress(node) : address, localPort: Number(number) };
}

/** The listener's own settings, else the Sidecar's. */
function ingressPool({ connectionPool }: IstioIngressListener, ofSidecar: ConnectionPoolSettings | undefined, place: Place): Located<ConnectionPoolSettings> | undefined {
  if (connectionPool !== undefined) return { ...below(place, 'connectionPool'), value: connectionPool };
  return ofSidecar === undefined ? undefined : { source: place.source, path: ['spec', 'inboundConnectionPool'], value: ofSidecar };
}
