/** A worker's counters as it tells them, and the counters of all workers as one proxy's. */

import type { ClusterConfig } from '../../config/runtime/cluster.ts';
import type { EndpointConfig } from '../../config/runtime/endpoint.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import type { ClusterView, HostView, ListenerView } from '../admin/view.ts';
import type { SecretsView } from '../identity/secrets.ts';
import type { LineSinkStats } from '../telemetry/line-sink.ts';
import type { IstioSeries } from '../telemetry/metrics/istio-metrics.ts';
import type { TcpSeries } from '../telemetry/metrics/tcp-metrics.ts';
import { ClusterStats, HostStats, ListenerStats, OutlierStats } from '../telemetry/stats.ts';
import { mergeBreakers, type BreakerView } from '../upstream/breaker-view.ts';
import type { DataPlane } from './data-plane.ts';

/** Plain data. */
export interface WorkerReport {
  /** Clusters that were used; of 10,000 a workload talks to a dozen. */
  readonly clusters: readonly ClusterReport[];
  readonly listeners: readonly { readonly name: string; readonly boundAddress: string; readonly boundPort: number; readonly stats: ListenerStats }[];
  readonly series: readonly IstioSeries[];
  readonly tcpSeries: readonly TcpSeries[];
  readonly accessLog: LineSinkStats | undefined;
  readonly secrets: SecretsView;
}

export interface ClusterReport {
  readonly name: string;
  readonly stats: ClusterStats;
  readonly hosts: readonly HostView[];
  readonly breaker: BreakerView | undefined;
  readonly outlier: OutlierStats | undefined;
  readonly answered?: Map<number, number> | undefined;
  readonly retried?: Map<number, number> | undefined;
}

export interface MergedReport {
  readonly clusters: readonly ClusterView[];
  readonly listeners: readonly ListenerView[];
  readonly series: readonly IstioSeries[];
  readonly tcpSeries: readonly TcpSeries[];
  readonly accessLog: LineSinkStats | undefined;
  readonly secrets: SecretsView;
}

export function reportOf(dataPlane: DataPlane): WorkerReport {
  const used = [...dataPlane.clusters()].filter(({ stats }) => isUsed(stats));
  return {
    clusters: used.map(clusterReport),
    listeners: [...dataPlane.listeners()].map(({ config, boundAddress, boundPort, stats }) => ({ name: config.name, boundAddress, boundPort, stats })),
    series: [...dataPlane.series()],
    tcpSeries: [...dataPlane.tcpSeries()],
    accessLog: dataPlane.accessLogStats(),
    secrets: dataPlane.secrets(),
  };
}

/** Counters and gauges are sums; what nobody used is listed from the configuration with zeros. */
export function mergeReports(reports: readonly WorkerReport[], config: RuntimeConfig): MergedReport {
  return {
    clusters: mergeClusters(reports, Object.values(config.clusters)),
    listeners: mergeListeners(reports, config),
    series: mergeSeries(reports.flatMap(({ series }) => series)),
    tcpSeries: mergeSeries(reports.flatMap(({ tcpSeries }) => tcpSeries)),
    accessLog: mergeAccessLogs(reports),
    // Every process reads the same files: one tells for all.
    secrets: reports[0]?.secrets ?? { certificates: [], nowSeconds: 0, rotationsFailed: {} },
  };
}

/** Whatever is counted begins with one of these; membership changes in every process, used or not. Asked of 10,000 clusters between two requests. */
function isUsed({ upstreamRqTotal, upstreamCxTotal, upstreamRqPendingTotal, upstreamCxNoneHealthy }: ClusterStats): boolean {
  return upstreamRqTotal + upstreamCxTotal + upstreamRqPendingTotal + upstreamCxNoneHealthy > 0;
}

function clusterReport({ config, stats, hosts, breakerView, outlier, answered, retried }: ClusterView): ClusterReport {
  return { name: config.name, stats, hosts: [...hosts].map(hostReport), breaker: breakerView, outlier: outlier?.stats, answered, retried };
}

function hostReport({ endpoint, address, stats, healthy, ejection }: HostView): HostView {
  return { endpoint, address, stats, ejection, ...(healthy === undefined ? {} : { healthy }) };
}

function mergeClusters(reports: readonly WorkerReport[], configs: readonly ClusterConfig[]): readonly ClusterView[] {
  const reported = new Map<string, ClusterReport[]>();
  for (const cluster of reports.flatMap(({ clusters }) => clusters)) {
    const same = reported.get(cluster.name);
    if (same === undefined) reported.set(cluster.name, [cluster]);
    else same.push(cluster);
  }
  return configs.map((config) => mergeCluster(config, reported.get(config.name) ?? []));
}

function mergeCluster(config: ClusterConfig, reported: readonly ClusterReport[]): ClusterView {
  const stats = new ClusterStats();
  for (const part of reported) add(stats, part.stats);
  // Every process counts the same changes.
  stats.membershipChange = Math.max(0, ...reported.map((part) => part.stats.membershipChange));
  const hosts = reported.length > 0 ? mergeHosts(reported.flatMap((part) => part.hosts)) : config.endpoints.map(unusedHost);
  const outlier = mergeOutlierStats(reported.flatMap((part) => part.outlier ?? []), hosts);
  const answered = mergeStatuses(reported.flatMap((part) => part.answered ?? []));
  const retried = mergeStatuses(reported.flatMap((part) => part.retried ?? []));
  return { config, stats, hosts, breakerView: mergeBreakers(reported.flatMap((part) => part.breaker ?? [])), outlier, answered, retried };
}

function mergeStatuses(reported: readonly ReadonlyMap<number, number>[]): Map<number, number> | undefined {
  if (reported.length === 0) return undefined;
  const sum = new Map<number, number>();
  for (const [status, count] of reported.flatMap((part) => [...part])) sum.set(status, (sum.get(status) ?? 0) + count);
  return sum;
}

/** Each worker ejects by itself, so a host may be out of service in several: as a gauge it counts once. */
function mergeOutlierStats(reported: readonly OutlierStats[], hosts: readonly HostView[]): ClusterView['outlier'] {
  if (reported.length === 0) return undefined;
  const stats = new OutlierStats();
  for (const part of reported) add(stats, part);
  stats.ejectionsActive = hosts.filter(({ ejection }) => ejection !== undefined).length;
  return { stats };
}

function mergeHosts(reported: readonly HostView[]): readonly HostView[] {
  const byAddress = new Map<string, HostView[]>();
  for (const host of reported) {
    const same = byAddress.get(host.address);
    if (same === undefined) byAddress.set(host.address, [host]);
    else same.push(host);
  }
  return Array.from(byAddress.values(), mergeHost);
}

/** Out of service where one worker says so; until the last of them takes it back. */
function mergeHost(parts: readonly HostView[]): HostView {
  const stats = new HostStats();
  for (const part of parts) add(stats, part.stats);
  const [first] = parts as [HostView];
  const ejections = parts.flatMap(({ ejection }) => ejection ?? []).toSorted((a, b) => b.untilMs - a.untilMs);
  if (ejections[0] === undefined) return { ...first, stats };
  return { ...first, stats, healthy: false, ejection: ejections[0], ejectedBy: { workers: ejections.length, of: parts.length } };
}

function unusedHost(endpoint: EndpointConfig): HostView {
  const address = endpoint.address.includes(':') ? `[${endpoint.address}]` : endpoint.address;
  return { endpoint, address: `${address}:${endpoint.port}`, stats: new HostStats() };
}

function mergeListeners(reports: readonly WorkerReport[], { listeners }: RuntimeConfig): readonly ListenerView[] {
  return listeners.flatMap((config) => {
    const reported = reports.flatMap((report) => report.listeners).filter(({ name }) => name === config.name);
    const [first] = reported;
    if (first === undefined) return [];
    const stats = new ListenerStats();
    for (const part of reported) add(stats, part.stats);
    return [{ config, boundAddress: first.boundAddress, boundPort: first.boundPort, stats }];
  });
}

function mergeSeries(reported: readonly (IstioSeries | TcpSeries)[]): readonly IstioSeries[] {
  const merged = new Map<string, IstioSeries>();
  for (const { labelValues, cells } of reported) {
    const key = labelValues.join('\0');
    const sum = merged.get(key)?.cells;
    if (sum === undefined) merged.set(key, { labelValues, cells: Float64Array.from(cells) });
    else for (const [index, count] of cells.entries()) sum[index] = (sum[index] ?? 0) + count;
  }
  return [...merged.values()];
}

function mergeAccessLogs(reports: readonly WorkerReport[]): LineSinkStats | undefined {
  const written = reports.flatMap(({ accessLog }) => accessLog ?? []);
  if (written.length === 0) return undefined;
  const sum: LineSinkStats = { linesWritten: 0, linesDropped: 0, writeFailures: 0, reopenFailures: 0 };
  for (const part of written) add(sum, part);
  return sum;
}

/** Adds every number of `part` to the same field of `sum`. */
function add<Stats extends object>(sum: Stats, part: Stats): void {
  for (const [field, count] of Object.entries(part)) Reflect.set(sum, field, Reflect.get(sum, field) + count);
}
