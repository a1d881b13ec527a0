/** The application beside a sidecar as the data path reaches it: one cluster and one route table for each local port. */

import type { ClusterConfig } from '../runtime/cluster.ts';
import type { Origin } from '../runtime/origin.ts';
import type { RetryConfig } from '../runtime/retry.ts';
import type { RouteTableConfig } from '../runtime/route.ts';
import type { CompileContext } from './context.ts';
import { inboundCluster } from './names.ts';
import { MATCH_ALL } from './route-match.ts';
import type { EffectivePolicy } from './traffic-policy.ts';
import { NOTHING_SET } from './traffic-policy.ts';

/** One local port with the route table that leads to it. */
export interface InboundService {
  /** Ports a request may have been meant for: first the local one, then the service's. */
  readonly ports: readonly [local: number, ...others: readonly number[]];
  readonly table: RouteTableConfig;
  readonly cluster: ClusterConfig;
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
  readonly protocol: ClusterConfig['protocol'];
  readonly connectionPool: EffectivePolicy['connectionPool'];
  readonly retryBudget?: EffectivePolicy['retryBudget'];
  readonly origin: Origin;
  /** The service whose port this is; a Sidecar's ingress port has none. */
  readonly service?: { readonly host: string; readonly name: string; readonly namespace: string; readonly port: number };
}

/** The application beside this proxy; only connectionPool settings reach it (istio-api.md 3.6). */
export function localCluster(application: LocalApplication, { policies, workload, reuse, trace }: CompileContext): ClusterConfig {
  const { port, address, localPort, protocol, connectionPool, retryBudget, origin, service } = application;
  const policy: EffectivePolicy = { ...NOTHING_SET, connectionPool, retryBudget };
  const cluster = reuse.cluster({
    name: inboundCluster(port),
    discovery: 'STATIC',
    endpoints: [{ address, port: localPort, weight: 1, locality: '', workload, tlsMode: 'disabled' }],
    ...policies.of(policy, { external: true }),
    protocol,
    service: { host: service?.host ?? '', name: service?.name ?? '', namespace: service?.namespace ?? '' },
    port: service?.port ?? port,
    subset: '',
    origin,
  });
  trace?.policies.set(cluster, policy);
  return cluster;
}
