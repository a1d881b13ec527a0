/** The application beside a sidecar as the data path reaches it: one cluster and one route table for each local port. */

import type { ClusterConfig } from '../runtime/cluster.ts';
import type { FilterChainConfig } from '../runtime/filter-chain.ts';
import type { Origin } from '../runtime/origin.ts';
import type { RetryConfig } from '../runtime/retry.ts';
import type { RouteTableConfig } from '../runtime/route.ts';
import type { ServerTlsConfig } from '../runtime/tls.ts';
import { NO_TLS } from './cluster-tls.ts';
import type { CompileContext } from './context.ts';
import { clusterRoute, httpNetwork, sidecarHttp, tcpNetwork } from './filter-chains.ts';
import { inboundChains } from './inbound-chains.ts';
import type { InboundTarget } from './inbound-chains.ts';
import { inboundTls } from './mesh-tls.ts';
import { inboundCluster, listenerName } from './names.ts';
import type { NodeOptions } from './node.ts';
import type { PeerMode } from './peer-authentication.ts';
import { MATCH_ALL } from './route-match.ts';
import type { Protocol } from './protocol.ts';
import { isDeclaredHttp } from './protocol.ts';
import type { EffectivePolicy } from './traffic-policy.ts';
import { NOTHING_SET } from './traffic-policy.ts';

/** One local port with what leads to it. */
export interface InboundService {
  /** Ports a request may have been meant for: first the local one, then the service's. */
  readonly ports: readonly [local: number, ...others: readonly number[]];
  /** What clients speak, once TLS is terminated. */
  readonly protocol: Protocol;
  /** Undefined where requests are not told apart. */
  readonly table: RouteTableConfig | undefined;
  readonly cluster: ClusterConfig;
  /** TLS of clients outside the mesh, which a Sidecar terminates on this port. */
  readonly ownTls?: ServerTlsConfig;
}

/** How the port is reached through the capture listener, or (`ofPort` false) by a listener of its own. */
export function serviceChains(service: InboundService, context: CompileContext, ofPort = true): readonly FilterChainConfig[] {
  const { ports: [port], protocol, table, cluster, ownTls } = service;
  const { node, mesh, peerAuthentications } = context;
  const { origin, connectionPool } = cluster;
  const idleTimeoutMs = connectionPool?.tcpIdleTimeoutMs;
  const written = { ...(origin !== undefined && { origin }) };
  const tcp = tcpNetwork(clusterRoute(cluster.name, { port: cluster.port, ...(idleTimeoutMs !== undefined && { idleTimeoutMs }), ...written }));
  const http = table === undefined ? tcp : httpNetwork(table.name, port, sidecarHttp(mesh));
  const target = { name: listenerName('0.0.0.0', port), ...(ofPort && { destinationPort: port }), speaks: speaks(protocol), http, tcp, ...(ownTls !== undefined && { ownTls }), ...written };
  const { mode } = peerAuthentications.modeOf(node, port);
  return inboundChains(target, { mode: isHeardAtOnce(mode, target.speaks, node) ? 'DISABLE' : mode }, inboundTls(node.trustDomain, mesh));
}

/** Without a certificate there is no mutual TLS to wait for, and a server of a declared port may be the one that speaks first. */
function isHeardAtOnce(mode: PeerMode['mode'], speaks: InboundTarget['speaks'], { hasIdentity }: NodeOptions): boolean {
  return mode === 'PERMISSIVE' && speaks === 'TCP' && hasIdentity !== true;
}

function speaks(protocol: Protocol): InboundTarget['speaks'] {
  if (protocol === 'AUTO') return 'AUTO';
  return isDeclaredHttp(protocol) ? 'HTTP' : 'TCP';
}

export interface InboundTable {
  /** Of the table and of the cluster it leads to. */
  readonly name: string;
  /** 0: unknown. */
  readonly servicePort: number;
  readonly retry: RetryConfig | null;
  readonly origin?: Origin;
}

/** One virtual host for every Host: VirtualServices do not apply to inbound requests. */
export function inboundTable({ name, servicePort, retry, origin }: InboundTable): RouteTableConfig {
  const from = origin === undefined ? {} : { origin };
  const destination = { cluster: name, weight: 1, host: '', port: servicePort, subset: '' };
  const route = { name: 'default', match: MATCH_ALL, action: { kind: 'forward' as const, destinations: [destination] }, retry, filters: [], index: -1, ...from };
  return { name, virtualHosts: [{ name: `inbound|http|${servicePort}`, domains: ['*'], routes: [route], virtualService: null, ...from }] };
}

export interface LocalApplication {
  /** Port that names the cluster. */
  readonly port: number;
  readonly address: string;
  /** Port the application listens on. */
  readonly localPort: number;
  /** Redirected connections go to the address of the workload that they came for; `address` is for others. */
  readonly keepsAddress?: boolean;
  readonly protocol: ClusterConfig['protocol'];
  readonly connectionPool: EffectivePolicy['connectionPool'];
  readonly retryBudget?: EffectivePolicy['retryBudget'];
  readonly origin: Origin;
  /** The service whose port this is; a Sidecar's ingress port has none. */
  readonly service?: { readonly host: string; readonly name: string; readonly namespace: string; readonly port: number };
}

/** The application beside this proxy; only connectionPool settings reach it (istio-api.md 3.6). */
export function localCluster(application: LocalApplication, { policies, workload, reuse, trace }: CompileContext): ClusterConfig {
  const { port, address, localPort, keepsAddress = false, protocol, connectionPool, retryBudget, origin, service } = application;
  const policy: EffectivePolicy = { ...NOTHING_SET, connectionPool, retryBudget };
  const cluster = reuse.cluster({
    name: inboundCluster(port),
    discovery: 'STATIC',
    endpoints: [{ address, port: localPort, weight: 1, locality: '', workload, tlsMode: 'disabled' }],
    ...policies.of(policy),
    tls: NO_TLS,
    protocol,
    ...(keepsAddress && { followsOriginalDestination: true as const }),
    service: { host: service?.host ?? '', name: service?.name ?? '', namespace: service?.namespace ?? '' },
    port: service?.port ?? port,
    subset: '',
    origin,
  });
  trace?.policies.set(cluster, policy);
  return cluster;
}
