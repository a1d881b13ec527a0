/** What carries the traffic, as the server around it sees it: in this process, or in worker processes. */

import type { RuntimeDelta } from '../../config/runtime/delta.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import type { ClusterView, ListenerView } from '../admin/view.ts';
import type { Bootstrap, LogLevel } from '../cli/options.ts';
import type { SecretsView } from '../identity/secrets.ts';
import type { InterceptionMode } from '../listener/interception.ts';
import type { LineSinkStats } from '../telemetry/line-sink.ts';
import type { ProcessLog } from '../telemetry/logger.ts';
import type { IstioSeries } from '../telemetry/metrics/istio-metrics.ts';
import type { TcpSeries } from '../telemetry/metrics/tcp-metrics.ts';

export interface DataPlaneDeps {
  /** Served from the start on. */
  readonly config: RuntimeConfig;
  readonly processLog: ProcessLog;
  readonly accessLog: Bootstrap['accessLog'];
  /** Folder of the workload's certificate (`--certs`); absent: it has none. */
  readonly certs?: string | undefined;
  /** Where session tickets are shared with other processes: what their keys are made from. */
  readonly ticketSeed?: Uint8Array | undefined;
  /** `--interception`; absent: auto. */
  readonly interception?: InterceptionMode | undefined;
  /** `--drain-time`, milliseconds; absent: Istio's 45 s. */
  readonly drainTimeMs?: number | undefined;
}

export interface DataPlane {
  /**
   * Binds every listener. Rejects with a message for the user when a port or the access log cannot be had. No pass-through
   * leads to `adminPort`: the admin server trusts loopback, and so would trust whoever reaches the outbound port.
   */
  start(adminPort: number | undefined): Promise<void>;
  /** Rejects, with everything as before, when a listener cannot be bound. */
  applyDelta(delta: RuntimeDelta): Promise<void>;
  /** Of what serves; before the start, of what will. */
  version(): string;
  config(): RuntimeConfig;
  clusters(): Iterable<ClusterView>;
  listeners(): Iterable<ListenerView>;
  /** Certificates in use; never keys. */
  secrets(): SecretsView;
  /** Istio's standard metrics of requests and of TCP connections. */
  series(): Iterable<IstioSeries>;
  tcpSeries(): Iterable<TcpSeries>;
  /** Of the access log; undefined where it is off. */
  accessLogStats(): LineSinkStats | undefined;
  /** Brings the views above up to date where they are told by other processes. */
  refresh(): Promise<void>;
  /** Counters to zero, gauges as they are. */
  resetCounters(): void;
  reopenLogs(): void;
  setLogLevel(level: LogLevel): void;
  /** Stops accepting; what is busy goes on. */
  drainListeners(): void;
  /** Goes on accepting, but every connection ends with its next answer; `closeIdle`: at once where it waits for a request. */
  announceDrain(closeIdle: boolean): void;
  /** Stops accepting, resolves when what was in flight has ended or, after so many milliseconds, was cut. Again with less: sooner. */
  drain(deadlineMs: number): Promise<void>;
  /** After the drain: flushes what was written. */
  close(): Promise<void>;
}
