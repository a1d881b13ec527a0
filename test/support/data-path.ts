/** The data path alone, in this process: a runtime configuration in, a bound port and the completed streams out. */

import type { ClusterConfig } from '../../config/runtime/cluster.ts';
import type { ListenerConfig } from '../../config/runtime/listener.ts';
import type { RouteConfig, RouteTableConfig } from '../../config/runtime/route.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import type { Clock } from '../../proxy/base/clock.ts';
import { createEventClock } from '../../proxy/base/event-clock.ts';
import { ProxyRuntime } from '../../proxy/server/proxy-runtime.ts';
import type { Stream } from '../../proxy/stream/stream.ts';
import { createSystemResolver, type Resolver } from '../../proxy/upstream/resolver.ts';
import { seededRandom } from '../../proxy/base/random.ts';
import type { TestScope } from './scope.ts';
import { eventually } from './scope.ts';

export interface DataPathOptions {
  /** Port of the one endpoint of cluster `upstream`. */
  readonly upstreamPort?: number;
  readonly cluster?: Partial<ClusterConfig>;
  /** Besides `upstream`. */
  readonly moreClusters?: readonly ClusterConfig[];
  /** Replaces the one route, which forwards everything to cluster `upstream`. */
  readonly routes?: readonly Partial<RouteConfig>[];
  readonly listener?: Partial<ListenerConfig>;
  /** Default: the system's. */
  readonly resolver?: Resolver;
  /** Default: the system's; sockets are real whatever it says. */
  readonly clock?: Clock;
}

export interface DataPath {
  readonly port: number;
  readonly runtime: ProxyRuntime;
  /** In order of completion. */
  readonly streams: readonly Stream[];
  /** Sentences for the process log. */
  readonly explanations: readonly string[];
  /** Sentences about failing hosts and full limits. */
  readonly events: readonly string[];
  /** The next completed stream that was not taken before. */
  completed(): Promise<Stream>;
}

export function routeOf(route: Partial<RouteConfig> = {}): RouteConfig {
  const forward = { kind: 'forward', destinations: [{ cluster: 'upstream', weight: 1, host: 'upstream', port: 80, subset: '' }] } as const;
  return { name: 'default', match: { headers: [], query: [] }, action: forward, filters: [], index: 0, ...route };
}

export function clusterOf(name: string, port: number, cluster: Partial<ClusterConfig> = {}): ClusterConfig {
  return {
    name,
    discovery: 'STATIC',
    endpoints: [{ address: '127.0.0.1', port, weight: 1, locality: '', workload: {}, tlsMode: 'disabled' }],
    loadBalancer: { policy: 'LEAST_REQUEST', origin: 'default' },
    connectTimeoutMs: 10_000,
    connectTimeoutOrigin: 'default',
    idleTimeoutMs: 3_600_000,
    protocol: 'HTTP',
    tls: { mode: 'AUTO', origin: 'default' },
    service: { host: name, name, namespace: 'default' },
    port: 80,
    subset: '',
    ...cluster,
  };
}

export function configOf(options: DataPathOptions): RuntimeConfig {
  const table: RouteTableConfig = {
    name: 'test',
    virtualHosts: [{ name: 'all', domains: ['*'], virtualService: null, routes: (options.routes ?? [{}]).map(routeOf) }],
  };
  const listener: ListenerConfig = {
    name: 'test',
    direction: 'outbound',
    bind: { address: '127.0.0.1', port: 0 },
    routing: { kind: 'table', table: 'test', port: 80 },
    http: { useRemoteAddress: false, numTrustedProxies: 0, pathNormalization: 'BASE' },
    declaredPort: 80,
    ...options.listener,
  };
  const node = {
    mode: 'sidecar', namespace: 'default', name: 'test', ip: '127.0.0.1', serviceAccount: 'default', labels: {}, clusterDomain: 'cluster.local',
    trustDomain: 'cluster.local', rootNamespace: 'istio-system', workload: {},
  } as const;
  return {
    version: '1',
    node,
    listeners: [listener],
    virtualListeners: {},
    secrets: {},
    routeTables: { test: table },
    clusters: Object.fromEntries([clusterOf('upstream', options.upstreamPort ?? 1, options.cluster), ...(options.moreClusters ?? [])].map((cluster) => [cluster.name, cluster])),
    telemetry: { accessLog: { encoding: 'TEXT' } },
  };
}

/** Starts the data path; it is destroyed with the test. */
export async function startDataPath(t: TestScope, options: DataPathOptions): Promise<DataPath> {
  const streams: Stream[] = [];
  const explanations: string[] = [];
  const events: string[] = [];
  const runtime = new ProxyRuntime({
    clock: createEventClock(options.clock),
    random: seededRandom(7),
    resolver: options.resolver ?? createSystemResolver(4),
    onComplete: (stream) => streams.push(stream),
    onExplained: (sentence) => explanations.push(sentence),
    onUpstreamEvent: (sentence) => events.push(sentence),
    onFilterError: (filter, error) => {
      throw new Error(`filter ${filter} threw`, { cause: error });
    },
  });
  const bound = await runtime.start(configOf(options));
  t.teardown(() => runtime.drain(0));
  let taken = 0;
  return {
    port: bound.ports['80'] ?? bound.outbound ?? 0,
    runtime,
    streams,
    explanations,
    events,
    completed: () => {
      const wanted = taken++;
      return eventually(() => streams[wanted], `stream ${wanted + 1} to complete`);
    },
  };
}
