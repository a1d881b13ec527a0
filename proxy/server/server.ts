/** One proxy process: its parts, their start order and stop order. */

import type { RuntimeDelta } from '../../config/runtime/delta.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import { systemClock } from '../base/clock.ts';
import { createEventClock } from '../base/event-clock.ts';
import { systemRandom } from '../base/random.ts';
import type { TelemetryView } from '../admin/view.ts';
import type { CommandContext } from '../cli/command.ts';
import type { Bootstrap } from '../cli/options.ts';
import { readVersion } from '../cli/version.ts';
import { createProcessLog, type Logger, type ProcessLog } from '../telemetry/logger.ts';
import { createIstioMetrics, type IstioMetrics } from '../telemetry/metrics/istio-metrics.ts';
import { resetCounters } from '../telemetry/metrics/proxy-stats.ts';
import { systemResolver } from '../upstream/resolver.ts';
import { AccessLogging } from './access-logging.ts';
import { ServerView } from './admin-view.ts';
import { surviveBugs } from './bugs.ts';
import type { FirstOutcome } from './compile-outcome.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Loading } from './loading.ts';
import { ProxyRuntime } from './proxy-runtime.ts';
import { servingPorts, writeReadyFile } from './ready-file.ts';
import { Reloader } from './reload.ts';
import { SideServers } from './side-servers.ts';

export interface ServerDeps {
  readonly bootstrap: Bootstrap;
  readonly loading: Loading;
  readonly lifecycle: Lifecycle;
  readonly context: CommandContext;
}

export class Server {
  readonly #deps: ServerDeps;
  readonly #config: RuntimeConfig;
  readonly #processLog: ProcessLog;
  readonly #log: Logger;
  readonly #accessLogging: AccessLogging;
  readonly #metrics: IstioMetrics;
  readonly #runtime: ProxyRuntime;
  readonly #reloader: Reloader;
  readonly #view: ServerView;
  readonly #sideServers: SideServers;
  #live = false;
  #version: string;
  /** The ready JSON as last told. */
  #announced = '';

  constructor(deps: ServerDeps, { config, problems }: Extract<FirstOutcome, { readonly kind: 'compiled' }>) {
    const { bootstrap, loading } = deps;
    this.#deps = deps;
    this.#config = config;
    this.#version = config.version;
    this.#processLog = createProcessLog({ level: bootstrap.logLevel, clock: systemClock });
    this.#log = this.#processLog.scoped('server');
    this.#accessLogging = new AccessLogging(bootstrap.accessLog, systemClock);
    this.#metrics = createIstioMetrics(config.node);
    this.#runtime = this.#createRuntime();
    this.#reloader = new Reloader({
      target: { version: () => this.#version, config: () => this.#serving(), applyDelta: (delta) => this.#apply(delta) },
      compiler: loading.compiler,
      clock: systemClock,
      log: this.#processLog.scoped('config'),
      problems,
      snapshotPath: bootstrap.config[0] ?? '-',
      onApplied: (delta) => this.#applied(delta),
    });
    this.#view = this.#createView();
    this.#sideServers = new SideServers({ plan: bootstrap.ports, bind: bootstrap.bind, view: this.#view, telemetry: this.#telemetry() });
  }

  /**
   * Side servers first, so that a probe is answered 503 and not refused, then the data path, then the word that it is
   * ready. Rejects with a message for the user when a port or a file cannot be had.
   */
  async start(): Promise<void> {
    const { bootstrap, lifecycle } = this.#deps;
    const problem = this.#accessLogging.apply(this.#config.telemetry);
    if (problem !== undefined) throw new Error(`--access-log: ${problem}`);
    await this.#sideServers.start();
    await this.#runtime.start(this.#config);
    this.#live = true;
    surviveBugs(this.#log, systemClock);
    this.#view.serving();
    this.#announce();
    if (bootstrap.certs !== undefined) this.#log.warn('--certs has no effect: this version speaks plain text only');
    lifecycle.onReload((cause) => void this.#reloader.reload(cause));
  }

  reopenLogs(): void {
    this.#accessLogging.reopen();
  }

  /** Readiness fails first, then nothing new is accepted; resolves when what was in flight has ended or was cut. */
  async drain(cause: string): Promise<void> {
    const { drainTimeMs } = this.#deps.bootstrap;
    this.#view.draining();
    this.#log.info(`draining for up to ${drainTimeMs / 1000} s (${cause})`);
    this.#reloader.close();
    const cut = this.#deps.lifecycle.stopping.then(() => this.#runtime.drain(0));
    await Promise.race([this.#runtime.drain(drainTimeMs), cut]);
  }

  /** After the drain: what was written is flushed, what is open is closed. */
  async close(): Promise<void> {
    await this.#deps.loading.close();
    await this.#sideServers.close();
    await this.#accessLogging.close();
    this.#log.info('stopped');
    await this.#processLog.close();
  }

  #createRuntime(): ProxyRuntime {
    const log = this.#processLog.scoped('filter');
    const why = this.#processLog.scoped('why');
    return new ProxyRuntime({
      clock: createEventClock(systemClock),
      random: systemRandom,
      resolver: systemResolver,
      onComplete: (stream) => {
        this.#metrics.record(stream);
        this.#accessLogging.log(stream);
      },
      onExplained: (sentence) => why.info(sentence),
      onFilterError: (filter, error) => log.error(`filter ${filter} threw: ${error instanceof Error ? error.stack : String(error)}`),
    });
  }

  #createView(): ServerView {
    const { bootstrap, lifecycle } = this.#deps;
    return new ServerView({
      clock: systemClock,
      live: {
        config: () => this.#serving(),
        clusters: () => this.#runtime.clusters(),
        listeners: () => this.#runtime.listeners(),
      },
      reloads: this.#reloader,
      levels: this.#processLog,
      options: { ...bootstrap },
      actions: {
        drainListeners: () => this.#runtime.drainListeners(),
        quit: () => lifecycle.drain('POST /quitquitquit'),
        resetCounters: () => this.#resetCounters(),
      },
    });
  }

  #telemetry(): TelemetryView {
    const logging = this.#accessLogging;
    return {
      istio: this.#metrics,
      version: readVersion(),
      get accessLog() {
        return logging.stats();
      },
    };
  }

  /** What serves; while listeners are being bound, what will. */
  #serving(): RuntimeConfig {
    return this.#live ? this.#runtime.config() : this.#config;
  }

  async #apply(delta: RuntimeDelta): Promise<void> {
    await this.#runtime.applyDelta(delta);
    this.#version = delta.version;
  }

  #applied({ node, telemetry }: RuntimeDelta): void {
    if (node !== undefined) this.#metrics.setNode(node);
    const problem = telemetry === undefined ? undefined : this.#accessLogging.apply(telemetry);
    if (problem !== undefined) this.#log.error(`access log: ${problem}; the one before stays`);
    this.#announce();
  }

  /** The ready line once; the ready file whenever a port was bound or freed. */
  #announce(): void {
    const { bootstrap, context } = this.#deps;
    const ports = servingPorts(this.#runtime.listeners(), this.#sideServers.ports());
    const text = JSON.stringify(ports);
    if (text === this.#announced) return;
    if (bootstrap.readyFile !== undefined) this.#writeReadyFile(bootstrap.readyFile, ports);
    if (this.#announced === '') context.stdout(`outrider ready ${text}\n`);
    else this.#log.info(`ports are now ${text}`);
    this.#announced = text;
  }

  #writeReadyFile(path: string, ports: Parameters<typeof writeReadyFile>[1]): void {
    try {
      writeReadyFile(path, ports);
    } catch (error) {
      // Whoever waits for the file would wait for ever; afterwards it would only be out of date.
      if (this.#announced === '') throw error;
      this.#log.error(`--ready-file: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #resetCounters(): void {
    this.#metrics.reset();
    // Hosts keep theirs: Envoy's /reset_counters does not reach them either.
    for (const { stats } of this.#runtime.clusters()) resetCounters(stats);
    for (const { stats } of this.#runtime.listeners()) resetCounters(stats);
  }
}
