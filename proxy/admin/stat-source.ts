/** Everything the stats pages print, in a shape that each of their formats can walk. */

import type { Stat } from '../telemetry/metrics/proxy-stats.ts';
import { CLUSTER_STATS, HTTP_STATS, isUsed, LISTENER_STATS, OUTLIER_STATS } from '../telemetry/metrics/proxy-stats.ts';
import { BREAKER_STATS } from './breaker-stats.ts';
import { expirationGroup, rotationGroup, type SecretStat } from './secret-stats.ts';
import { statusStats } from './status-stats.ts';
import type { StatGroup, ViewStat } from './view-stat.ts';
import type { AdminView, ClusterView, ListenerView, TelemetryView } from './view.ts';

/** A stat there is one of. */
export interface Scalar {
  /** `server.uptime`. */
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly value: number;
}

export interface StatSource {
  /** Only clusters that were used: of 10,000 a workload talks to a dozen. */
  readonly clusters: StatGroup<ClusterView>;
  readonly http: StatGroup<ListenerView>;
  readonly listeners: StatGroup<ListenerView>;
  readonly certificates: StatGroup<SecretStat>;
  readonly secrets: StatGroup<SecretStat>;
  readonly scalars: readonly Scalar[];
}

const CLUSTER_VIEW_STATS: readonly ViewStat<ClusterView>[] = [
  ...CLUSTER_STATS.map((stat) => ({ ...stat, read: (view: ClusterView) => stat.read(view.stats) })),
  ...OUTLIER_STATS.map((stat) => ({ ...stat, read: ({ outlier }: ClusterView) => (outlier === undefined ? undefined : stat.read(outlier.stats)) })),
  ...BREAKER_STATS,
  gauge('membership_healthy', ({ hosts }) => count(hosts, (host) => host.healthy !== false)),
  gauge('membership_total', ({ hosts }) => count(hosts, () => true)),
].sort(byName);

const HTTP_VIEW_STATS: readonly Stat<ListenerView>[] = HTTP_STATS.map((stat) => ({ ...stat, read: ({ stats }) => stat.read(stats) }));
const LISTENER_VIEW_STATS: readonly Stat<ListenerView>[] = LISTENER_STATS.map((stat) => ({ ...stat, read: ({ stats }) => stat.read(stats) }));

/** Reads what there is now; values are read when they are printed. */
export function createStatSource(view: AdminView, telemetry: TelemetryView): StatSource {
  const clusters: ClusterView[] = [];
  let known = 0;
  for (const cluster of view.clusters()) {
    known++;
    if (isUsed(cluster.stats, CLUSTER_STATS)) clusters.push(cluster);
  }
  const entities = [...view.listeners()];
  const secrets = view.secrets?.();
  return {
    clusters: { scope: 'cluster', label: 'cluster_name', entities: clusters, nameOf: ({ config }) => config.name, stats: clusterStats(clusters) },
    http: { scope: 'http', label: 'http_conn_manager_prefix', entities, nameOf: httpPrefix, stats: HTTP_VIEW_STATS },
    listeners: { scope: 'listener', label: 'listener_address', entities, nameOf: listenerAddress, stats: LISTENER_VIEW_STATS },
    certificates: expirationGroup(secrets),
    secrets: rotationGroup(secrets),
    scalars: scalars(view, telemetry, { clusters: known, listeners: entities.length }),
  };
}

/** Those by status have names that only the answers know. */
function clusterStats(clusters: readonly ClusterView[]): readonly ViewStat<ClusterView>[] {
  const statuses = statusStats(clusters);
  return statuses.length === 0 ? CLUSTER_VIEW_STATS : [...CLUSTER_VIEW_STATS, ...statuses].sort(byName);
}

function scalars(view: AdminView, { accessLog }: TelemetryView, active: { readonly clusters: number; readonly listeners: number }): readonly Scalar[] {
  const { accepted, rejected } = view.configStatus();
  const { heapUsed, heapTotal, rss } = process.memoryUsage();
  const log: readonly Scalar[] = accessLog === undefined ? [] : [
    { name: 'filesystem.reopen_failed', kind: 'counter', value: accessLog.reopenFailures },
    { name: 'filesystem.write_buffered', kind: 'counter', value: accessLog.linesWritten },
    { name: 'filesystem.write_dropped', kind: 'counter', value: accessLog.linesDropped },
    { name: 'filesystem.write_failed', kind: 'counter', value: accessLog.writeFailures },
  ];
  return [
    { name: 'cluster_manager.active_clusters', kind: 'gauge', value: active.clusters },
    { name: 'cluster_manager.cds.update_rejected', kind: 'counter', value: rejected },
    { name: 'cluster_manager.cds.update_success', kind: 'counter', value: accepted },
    ...log,
    { name: 'listener_manager.total_listeners_active', kind: 'gauge', value: active.listeners },
    { name: 'server.live', kind: 'gauge', value: view.state() === 'LIVE' ? 1 : 0 },
    { name: 'server.memory_allocated', kind: 'gauge', value: heapUsed },
    { name: 'server.memory_heap_size', kind: 'gauge', value: heapTotal },
    { name: 'server.memory_physical_size', kind: 'gauge', value: rss },
    { name: 'server.state', kind: 'gauge', value: ENVOY_STATES[view.state()] },
    { name: 'server.uptime', kind: 'gauge', value: Math.floor(view.uptimeMs() / 1000) },
  ];
}

/** Numbers of Envoy's ServerInfo.State. */
const ENVOY_STATES = { LIVE: 0, DRAINING: 1, PRE_INITIALIZING: 2 } as const;

/** `outbound_0.0.0.0_15001`, Istio's stat prefix; a gateway's listeners count as outbound there too. */
function httpPrefix(listener: ListenerView): string {
  return `${listener.config.direction === 'inbound' ? 'inbound' : 'outbound'}_${listenerAddress(listener)}`;
}

/** `0.0.0.0_15001`; colons of an IPv6 address become `_`, as in Envoy's names. */
function listenerAddress({ boundAddress, boundPort }: ListenerView): string {
  const address = boundAddress.includes(':') ? `[${boundAddress}]` : boundAddress;
  return `${address}_${boundPort}`.replaceAll(':', '_');
}

function byName(left: { readonly name: string }, right: { readonly name: string }): number {
  return left.name < right.name ? -1 : 1;
}

function gauge(name: string, read: (view: ClusterView) => number): Stat<ClusterView> {
  return { name, family: name, responseClass: undefined, kind: 'gauge', read };
}

function count<Item>(items: Iterable<Item>, counts: (item: Item) => boolean): number {
  let total = 0;
  for (const item of items) if (counts(item)) total++;
  return total;
}
