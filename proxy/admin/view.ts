/** What the admin server may read of the running proxy: read-only, implemented by `proxy/server`. */

import type { Problem } from '../../config/runtime/problem.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import type { ClusterConfig } from '../../config/runtime/cluster.ts';
import type { ListenerConfig } from '../../config/runtime/listener.ts';
import type { EndpointConfig } from '../../config/runtime/endpoint.ts';
import type { SecretsView } from '../identity/secrets.ts';
import type { LineSinkStats } from '../telemetry/line-sink.ts';
import type { IstioSeriesSource } from '../telemetry/metrics/istio-metrics.ts';
import type { ClusterStats, HostStats, ListenerStats, OutlierStats } from '../telemetry/stats.ts';
import type { BreakerView } from '../upstream/breaker-view.ts';
import type { Ejection } from '../upstream/ejection.ts';

export interface AdminView {
  /** Awaited before each page, where the views below are told by worker processes. */
  refresh?(): Promise<void>;
  state(): 'PRE_INITIALIZING' | 'LIVE' | 'DRAINING';
  runtimeConfig(): RuntimeConfig;
  clusters(): Iterable<ClusterView>;
  listeners(): Iterable<ListenerView>;
  /** Certificates in use; absent: none. Never keys. */
  secrets?(): SecretsView;
  configStatus(): ConfigStatus;
  /** Milliseconds since start. */
  uptimeMs(): number;
  /** Command-line options as parsed, for /server_info. */
  options(): Readonly<Record<string, unknown>>;
  reload(): Promise<ConfigStatus>;
  drainListeners(): void;
  quit(): void;
  setHealthy(healthy: boolean): void;
  logLevel(): string;
  setLogLevel(level: string): boolean;
  /** Sets counters (not gauges) to zero, those of Istio's metrics included. */
  resetCounters(): void;
}

export interface ClusterView {
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly hosts: Iterable<HostView>;
  /** Absent where nobody used the cluster. */
  readonly breakerView?: BreakerView | undefined;
  /** Present where outlier detection is at work. */
  readonly outlier?: { readonly stats: OutlierStats } | undefined;
  /** Answers that were passed on, and failures that ended a request, by status; absent where there was none. */
  readonly answered?: Map<number, number> | undefined;
  /** Answers that were given up for another try, by status; absent where there was none. */
  readonly retried?: Map<number, number> | undefined;
}

export interface HostView {
  readonly endpoint: EndpointConfig;
  /** `10.0.0.1:9080`. */
  readonly address: string;
  readonly stats: HostStats;
  /** Absent means healthy. */
  readonly healthy?: boolean;
  /** Present while outlier detection keeps it out of service. */
  readonly ejection?: Ejection | undefined;
  /** In how many of how many worker processes it is ejected; absent where there is one process. */
  readonly ejectedBy?: { readonly workers: number; readonly of: number };
}

export interface ListenerView {
  readonly config: ListenerConfig;
  readonly boundAddress: string;
  readonly boundPort: number;
  readonly stats: ListenerStats;
}

export interface ConfigStatus {
  /** Version that serves now. */
  readonly version: string;
  /** ISO time of the last successful load. */
  readonly loadedAt: string;
  /** ISO time of the last attempt. */
  readonly lastAttemptAt: string;
  readonly lastAttempt: 'accepted' | 'rejected';
  readonly accepted: number;
  readonly rejected: number;
  /** Problems of the last attempt. */
  readonly problems: readonly Problem[];
}

/** Telemetry that the stats pages print beside what AdminView lists. */
export interface TelemetryView {
  readonly istio: IstioSeriesSource;
  /** Of this proxy, `0.1.0`: the tag of `istio_build`, and in /server_info. */
  readonly version: string;
  /** Of the access log, where there is one. */
  readonly accessLog?: LineSinkStats | undefined;
}
