/** One proxy: its data plane, the servers beside it and the reloads, their start order and stop order. */

import type { FirstOutcome } from './compile-outcome.ts';
import type { AppProbeDeps } from '../admin/app-probe/app-probes.ts';
import type { TelemetryView } from '../admin/view.ts';
import { systemClock } from '../base/clock.ts';
import type { CommandContext } from '../cli/command.ts';
import type { Bootstrap } from '../cli/options.ts';
import { readVersion } from '../cli/version.ts';
import type { Logger, ProcessLog } from '../telemetry/logger.ts';
import { ServerView } from './admin-view.ts';
import { surviveBugs } from './bugs.ts';
import type { DataPlane } from './data-plane.ts';
import { decideDeparture } from './departure.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Loading } from './loading.ts';
import { servingPorts, writeReadyFile, type ServingPorts } from './ready-file.ts';
import { Reloader } from './reload.ts';
import { SideServers } from './side-servers.ts';

export interface ServerDeps {
  readonly bootstrap: Bootstrap;
  readonly loading: Loading;
  readonly problems: FirstOutcome['problems'];
  readonly dataPlane: DataPlane;
  readonly processLog: ProcessLog;
  readonly lifecycle: Lifecycle;
  readonly context: CommandContext;
}

export class Server {
  readonly #deps: ServerDeps;
  readonly #log: Logger;
  readonly #reloader: Reloader;
  readonly #view: ServerView;
  readonly #sideServers: SideServers;
  /** The ready JSON as last told. */
  #announced = '';

  constructor(deps: ServerDeps) {
    const { bootstrap, loading, dataPlane, processLog, problems } = deps;
    this.#deps = deps;
    this.#log = processLog.scoped('server');
    this.#reloader = new Reloader({
      target: dataPlane,
      compiler: loading.compiler,
      clock: systemClock,
      log: processLog.scoped('config'),
      problems,
      snapshotPath: bootstrap.config[0] ?? '-',
      onApplied: () => this.#announce(),
    });
    this.#view = this.#createView();
    this.#sideServers = new SideServers({ plan: bootstrap.ports, bind: bootstrap.bothFamilies === true ? '::' : bootstrap.bind, view: this.#view, telemetry: telemetryOf(dataPlane), appProbes: this.#appProbes() });
  }

  /**
   * Side servers first, so that a probe is answered 503 and not refused, then the data plane, then the word that it is
   * ready. Rejects with a message for the user when a port or a file cannot be had.
   */
  async start(): Promise<void> {
    const { dataPlane, lifecycle } = this.#deps;
    await this.#sideServers.start();
    await dataPlane.start(this.#sideServers.ports().admin);
    surviveBugs(this.#log, systemClock);
    this.#view.serving();
    this.#announce();
    lifecycle.onReload((cause) => void this.#reloader.reload(cause));
  }

  reopenLogs(): void {
    this.#deps.dataPlane.reopenLogs();
  }

  /** Readiness fails first, then (with exitWhenIdle: once it may leave) nothing new is accepted; resolves when what was in flight has ended or was cut. */
  async drain(cause: string): Promise<void> {
    const { bootstrap, dataPlane, lifecycle } = this.#deps;
    this.#view.draining();
    this.#log.info(`draining for up to ${bootstrap.drainTimeMs / 1000} s (${cause})`);
    const askedAt = systemClock.now();
    if (bootstrap.exitWhenIdle !== undefined) await Promise.race([this.#untilIdle(bootstrap.exitWhenIdle, askedAt), lifecycle.stopping]);
    this.#reloader.close();
    const cut = lifecycle.stopping.then(() => dataPlane.drain(0));
    const leftMs = Math.max(0, bootstrap.drainTimeMs - (systemClock.now() - askedAt));
    await Promise.race([dataPlane.drain(leftMs), cut]);
  }

  /** After the drain: what was written is flushed, what is open is closed. */
  async close(): Promise<void> {
    const { loading, dataPlane, processLog } = this.#deps;
    await loading.close();
    await this.#sideServers.close();
    await dataPlane.close();
    this.#log.info('stopped');
    await processLog.close();
  }

  /** Serves on, see departure.ts. */
  async #untilIdle({ minimumDrainMs }: { readonly minimumDrainMs: number }, askedAt: number): Promise<void> {
    const { bootstrap, dataPlane } = this.#deps;
    const policy = { minimumDrainMs, drainTimeMs: bootstrap.drainTimeMs };
    for (;;) {
      await dataPlane.refresh();
      const departure = decideDeparture({ elapsedMs: systemClock.now() - askedAt, activeConnections: activeConnections(dataPlane) }, policy);
      if (departure.kind === 'leave') return this.#log.info(`leaving: ${departure.reason}`);
      dataPlane.announceDrain(departure.closeIdle);
      await new Promise<void>((resolve) => systemClock.setTimer(departure.lookAgainInMs, resolve));
    }
  }

  #createView(): ServerView {
    const { bootstrap, dataPlane, processLog, lifecycle } = this.#deps;
    return new ServerView({
      clock: systemClock,
      live: dataPlane,
      reloads: this.#reloader,
      levels: {
        level: () => processLog.level(),
        setLevel: (level) => {
          const known = processLog.setLevel(level);
          if (known) dataPlane.setLogLevel(processLog.level());
          return known;
        },
      },
      options: { ...bootstrap },
      actions: {
        drainListeners: () => dataPlane.drainListeners(),
        quit: () => lifecycle.drain('POST /quitquitquit'),
        resetCounters: () => dataPlane.resetCounters(),
      },
    });
  }

  #appProbes(): AppProbeDeps | undefined {
    const { bootstrap, dataPlane, processLog } = this.#deps;
    const { appProbes } = bootstrap;
    if (appProbes === undefined) return undefined;
    const log = processLog.scoped('probes');
    return { probes: appProbes, address: () => dataPlane.config().node.ip, report: (sentence) => log.warn(sentence) };
  }

  /** The ready line once; the ready file whenever a port was bound or freed. */
  #announce(): void {
    const { bootstrap, context, dataPlane } = this.#deps;
    const ports = servingPorts(dataPlane.listeners(), this.#sideServers.ports());
    const text = JSON.stringify(ports);
    if (text === this.#announced) return;
    if (bootstrap.readyFile !== undefined) this.#writeReadyFile(bootstrap.readyFile, ports);
    if (this.#announced === '') context.stdout(`outrider ready ${text}\n`);
    else this.#log.info(`ports are now ${text}`);
    this.#announced = text;
  }

  #writeReadyFile(path: string, ports: ServingPorts): void {
    try {
      writeReadyFile(path, ports);
    } catch (error) {
      // Whoever waits for the file would wait for ever; afterwards it would only be out of date.
      if (this.#announced === '') throw error;
      this.#log.error(`--ready-file: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

function activeConnections(dataPlane: DataPlane): number {
  let active = 0;
  for (const { stats } of dataPlane.listeners()) active += stats.downstreamCxActive;
  return active;
}

function telemetryOf(dataPlane: DataPlane): TelemetryView {
  return {
    istio: { series: () => dataPlane.series(), tcpSeries: () => dataPlane.tcpSeries() },
    version: readVersion(),
    get accessLog() {
      return dataPlane.accessLogStats();
    },
  };
}
