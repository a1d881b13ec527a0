/** The data plane in this process: the runtime, its metrics and its access log. */

import { isIP } from 'node:net';
import type { RuntimeDelta } from '../../config/runtime/delta.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import type { ClusterView, ListenerView } from '../admin/view.ts';
import { systemClock } from '../base/clock.ts';
import { createEventClock } from '../base/event-clock.ts';
import { systemRandom } from '../base/random.ts';
import type { LogLevel } from '../cli/options.ts';
import type { SecretsView } from '../identity/secrets.ts';
import type { LineSinkStats } from '../telemetry/line-sink.ts';
import type { Logger, ProcessLog } from '../telemetry/logger.ts';
import { createIstioMetrics, type IstioMetrics, type IstioSeries } from '../telemetry/metrics/istio-metrics.ts';
import type { TcpSeries } from '../telemetry/metrics/tcp-metrics.ts';
import { resetCounters } from '../telemetry/metrics/proxy-stats.ts';
import { createSystemResolver } from '../upstream/resolver.ts';
import { AccessLogging } from './access-logging.ts';
import type { DataPlane, DataPlaneDeps } from './data-plane.ts';
import { ProxyRuntime } from './proxy-runtime.ts';

export class LocalDataPlane implements DataPlane {
  readonly #first: RuntimeConfig;
  readonly #processLog: ProcessLog;
  readonly #log: Logger;
  readonly #accessLogging: AccessLogging;
  readonly #metrics: IstioMetrics;
  readonly #runtime: ProxyRuntime;
  #started = false;
  #version: string;

  /** `shared`: one of several workers. */
  constructor(deps: DataPlaneDeps, shared = false) {
    const { config, processLog, accessLog } = deps;
    this.#first = config;
    this.#version = config.version;
    this.#processLog = processLog;
    this.#log = processLog.scoped('server');
    this.#accessLogging = new AccessLogging(accessLog, systemClock, shared);
    this.#metrics = createIstioMetrics(config.node);
    this.#runtime = this.#createRuntime(deps);
  }

  async start(adminPort: number | undefined): Promise<void> {
    const problem = this.#accessLogging.apply(this.#first.telemetry);
    if (problem !== undefined) throw new Error(`--access-log: ${problem}`);
    await this.#runtime.start(this.#first, adminPort);
    this.#started = true;
  }

  async applyDelta(delta: RuntimeDelta): Promise<void> {
    await this.#runtime.applyDelta(delta);
    this.#version = delta.version;
    if (delta.node !== undefined) this.#metrics.setNode(delta.node);
    const problem = delta.telemetry === undefined ? undefined : this.#accessLogging.apply(delta.telemetry);
    if (problem !== undefined) this.#log.error(`access log: ${problem}; the one before stays`);
  }

  version(): string {
    return this.#version;
  }

  config(): RuntimeConfig {
    return this.#started ? this.#runtime.config() : this.#first;
  }

  clusters(): Iterable<ClusterView> {
    return this.#runtime.clusters();
  }

  listeners(): Iterable<ListenerView> {
    return this.#runtime.listeners();
  }

  secrets(): SecretsView {
    return this.#runtime.secrets();
  }

  series(): Iterable<IstioSeries> {
    return this.#metrics.series();
  }

  tcpSeries(): Iterable<TcpSeries> {
    return this.#metrics.tcpSeries();
  }

  accessLogStats(): LineSinkStats | undefined {
    return this.#accessLogging.stats();
  }

  async refresh(): Promise<void> {
    // Every view reads live objects.
  }

  resetCounters(): void {
    this.#metrics.reset();
    // Hosts keep theirs: Envoy's /reset_counters does not reach them either.
    for (const { stats, outlier, answered, retried } of this.#runtime.clusters()) {
      resetCounters(stats);
      if (answered !== undefined) for (const status of answered.keys()) answered.set(status, 0);
      if (retried !== undefined) for (const status of retried.keys()) retried.set(status, 0);
      if (outlier !== undefined) resetCounters(outlier.stats);
    }
    for (const { stats } of this.#runtime.listeners()) resetCounters(stats);
  }

  reopenLogs(): void {
    this.#accessLogging.reopen();
  }

  setLogLevel(level: LogLevel): void {
    this.#processLog.setLevel(level);
  }

  drainListeners(): void {
    this.#runtime.drainListeners();
  }

  announceDrain(closeIdle: boolean): void {
    this.#runtime.announceDrain(closeIdle);
  }

  drain(deadlineMs: number): Promise<void> {
    return this.#runtime.drain(deadlineMs);
  }

  close(): Promise<void> {
    return this.#accessLogging.close();
  }

  #createRuntime({ certs, ticketSeed, interception, drainTimeMs }: DataPlaneDeps): ProxyRuntime {
    const listener = this.#processLog.scoped('listener');
    const identity = this.#processLog.scoped('identity');
    const filterLog = this.#processLog.scoped('filter');
    const why = this.#processLog.scoped('why');
    const upstream = this.#processLog.scoped('upstream');
    return new ProxyRuntime({
      clock: createEventClock(systemClock),
      random: systemRandom,
      resolver: createSystemResolver(isIP(this.#first.node.ip) === 6 ? 6 : 4),
      onComplete: (stream) => {
        this.#metrics.record(stream);
        this.#accessLogging.log(stream);
      },
      onTcpProgress: (stream) => this.#metrics.recordProgress(stream),
      certs,
      ticketSeed,
      ...(interception !== undefined && { interception }),
      ...(drainTimeMs !== undefined && { drainTimeMs }),
      listenerLog: {
        isDebug: () => ['trace', 'debug'].includes(this.#processLog.level()),
        debug: (message, fields) => listener.debug(message, fields),
        info: (message, fields) => listener.info(message, fields),
      },
      onRefused: (stream) => {
        // Istio's metrics know nothing of connections that no chain took; the listener's own counters do.
        if (stream.info.cluster !== undefined) this.#metrics.record(stream);
        this.#accessLogging.log(stream);
      },
      onSecretEvent: (level, sentence) => identity[level](sentence),
      onExplained: (sentence) => why.info(sentence),
      onUpstreamEvent: (sentence) => upstream.warn(sentence),
      onFilterError: (filter, error) => filterLog.error(`filter ${filter} threw: ${error instanceof Error ? error.stack : String(error)}`),
    });
  }
}
