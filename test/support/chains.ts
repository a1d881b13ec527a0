/** Listeners with filter chains on the data path alone: chain configurations in few words, and what came of each connection. */

import type { FilterChainConfig, FilterChainMatch, NetworkConfig } from '../../config/runtime/filter-chain.ts';
import type { ListenerConfig, VirtualListenerConfig } from '../../config/runtime/listener.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import { systemClock, type Clock } from '../../proxy/base/clock.ts';
import { createEventClock } from '../../proxy/base/event-clock.ts';
import { seededRandom } from '../../proxy/base/random.ts';
import type { InterceptionMode } from '../../proxy/listener/interception.ts';
import { ProxyRuntime } from '../../proxy/server/proxy-runtime.ts';
import type { Stream } from '../../proxy/stream/stream.ts';
import type { ListenerStats } from '../../proxy/telemetry/stats.ts';
import { createSystemResolver, type Resolver } from '../../proxy/upstream/resolver.ts';
import { configOf } from './data-path.ts';
import { eventually, type TestScope } from './scope.ts';

const HTTP = { useRemoteAddress: false, numTrustedProxies: 0, pathNormalization: 'BASE' } as const;

/** Requests go by the route table `test`. */
export function httpChain(name: string, match: FilterChainMatch = {}, more: Partial<FilterChainConfig> = {}): FilterChainConfig {
  return { name, match, network: { kind: 'http', routing: { kind: 'table', table: 'test', port: 80 }, http: HTTP }, ...more };
}

export function tcpChain(name: string, cluster: string, match: FilterChainMatch = {}, more: Partial<FilterChainConfig> = {}): FilterChainConfig {
  const network: NetworkConfig = { kind: 'tcp', route: { name, destinations: [{ cluster, weight: 1, host: cluster, port: 80, subset: '' }] } };
  return { name, match, network, ...more };
}

export interface ListenerPath {
  readonly port: number;
  readonly runtime: ProxyRuntime;
  /** Served and over, or refused, in order. */
  readonly streams: readonly Stream[];
  readonly refused: readonly Stream[];
  /** The process log: message and fields. */
  readonly log: readonly string[];
  readonly stats: ListenerStats;
  /** The first refused connection that `accept` takes. */
  refusal(accept?: (stream: Stream) => boolean): Promise<Stream>;
  /** A reload to these listeners, and to these virtual ones. */
  reload(listener: Partial<ListenerConfig>, virtual?: { readonly changed: readonly VirtualListenerConfig[]; readonly removed: readonly string[] }): Promise<void>;
}

export interface ListenerPathOptions {
  readonly listener: Partial<ListenerConfig>;
  readonly config?: Partial<RuntimeConfig>;
  readonly clusters?: RuntimeConfig['clusters'];
  readonly interception?: InterceptionMode;
  readonly drainTimeMs?: number;
  /** Default: the system's. */
  readonly resolver?: Resolver;
  /** Default: the system's. */
  readonly clock?: Clock;
}

export async function startListener(t: TestScope, { listener, config, clusters, interception, drainTimeMs, resolver = createSystemResolver(4), clock = systemClock }: ListenerPathOptions): Promise<ListenerPath> {
  const streams: Stream[] = [];
  const refused: Stream[] = [];
  const log: string[] = [];
  const keep = (message: string, fields: object): void => void log.push(`${message} ${JSON.stringify(fields)}`);
  const runtime = new ProxyRuntime({
    clock: createEventClock(clock),
    random: seededRandom(7),
    resolver,
    onComplete: (stream) => streams.push(stream),
    onRefused: (stream) => refused.push(stream),
    onExplained: () => {},
    onFilterError: () => {},
    listenerLog: { isDebug: () => true, debug: keep, info: keep },
    ...(interception !== undefined && { interception }),
    ...(drainTimeMs !== undefined && { drainTimeMs }),
  });
  const base = configOf({ listener });
  const first: RuntimeConfig = { ...base, clusters: { ...base.clusters, ...clusters }, ...config };
  const bound = await runtime.start(first);
  t.teardown(() => runtime.drain(0));
  let version = 1;
  return {
    port: bound.ports['80'] ?? bound.outbound ?? bound.inbound ?? 0,
    runtime,
    streams,
    refused,
    log,
    get stats() {
      return [...runtime.listeners()][0]?.stats as ListenerStats;
    },
    refusal: (accept = () => true) => eventually(() => refused.find(accept), 'a refused connection'),
    async reload(changes, virtual) {
      const listeners = [{ ...(first.listeners[0] as ListenerConfig), ...changes }];
      const none = { changed: [], removed: [] };
      await runtime.applyDelta({ fromVersion: `${version++}`, version: `${version}`, listeners, clusters: none, routeTables: none, ...(virtual !== undefined && { virtualListeners: virtual }) });
    },
  };
}
