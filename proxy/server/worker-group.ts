/**
 * The data plane in several worker processes (`--concurrency`), on the same listening sockets. This process accepts and
 * hands connections over in turn.
 *
 * Node has no threads that share sockets and counters as Envoy's do, so these are per process: upstream connection
 * pools and their idle connections, load-balancer state (round-robin position, requests in flight per host), outlier
 * detection (each worker counts and ejects for itself), and the buffer of the access log. The limits of a
 * DestinationRule are divided among the workers (worker-share.ts says how). Configuration, ports, readiness and the admin
 * server are one: this process forwards nothing, compiles once, sends every worker the same delta, and adds their
 * counters up.
 *
 * A worker that ends by itself is replaced, at once the first time and later and later when that goes on.
 */

import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { applyDelta } from '../../config/compile/diff.ts';
import type { RuntimeDelta } from '../../config/runtime/delta.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import type { ClusterView, ListenerView } from '../admin/view.ts';
import { systemClock, type Timer } from '../base/clock.ts';
import type { Bootstrap, LogLevel } from '../cli/options.ts';
import type { SecretsView } from '../identity/secrets.ts';
import type { LineSinkStats } from '../telemetry/line-sink.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { IstioSeries } from '../telemetry/metrics/istio-metrics.ts';
import type { TcpSeries } from '../telemetry/metrics/tcp-metrics.ts';
import type { DataPlane, DataPlaneDeps } from './data-plane.ts';
import { PinnedPorts } from './pinned-ports.ts';
import { WORKER_VARIABLE, type WorkerOrder } from './worker-messages.ts';
import { WorkerProcess, type OrderOutcome } from './worker-process.ts';
import { mergeReports, type MergedReport } from './worker-report.ts';
import { shareOfConfig, shareOfDelta } from './worker-share.ts';

/** First wait before a worker that ended young is replaced, doubled each time. */
const FIRST_BACKOFF_MS = 1000;
const LONGEST_BACKOFF_MS = 30_000;
/** A worker that lived this long is replaced at once. */
const STABLE_MS = 60_000;
/** Reading modules, taking the configuration, binding. */
const START_WITHIN_MS = 60_000;
const APPLY_WITHIN_MS = 30_000;
/** A worker that is busy for longer is summed up as it last told. */
const REPORT_WITHIN_MS = 2000;
/** A worker that has not ended this long after its drain should have is killed. */
const KILL_AFTER_MS = 5000;

export class WorkerGroup implements DataPlane {
  readonly #size: number;
  readonly #accessLog: Bootstrap['accessLog'];
  readonly #certs: string | undefined;
  /** A client that comes back may meet another worker: its session is known there too. */
  readonly #ticketSeed = randomBytes(32);
  readonly #capture: Pick<DataPlaneDeps, 'interception' | 'drainTimeMs'>;
  readonly #log: Logger;
  readonly #ports = new PinnedPorts();
  readonly #workers: Set<WorkerProcess> = new Set();
  readonly #replacements: Set<Timer> = new Set();
  #config: RuntimeConfig;
  #adminPort: number | undefined;
  #logLevel: LogLevel;
  #merged: MergedReport;
  /** Starts and deltas one after the other, so that no worker misses a delta while it starts. */
  #turn: Promise<unknown> = Promise.resolve();
  #youngDeaths = 0;
  #ending = false;

  constructor({ config, processLog, accessLog, certs, interception, drainTimeMs }: DataPlaneDeps, size: number) {
    this.#size = size;
    this.#accessLog = accessLog;
    this.#certs = certs;
    this.#capture = { interception, drainTimeMs };
    this.#log = processLog.scoped('workers');
    this.#logLevel = processLog.level();
    this.#config = config;
    this.#merged = mergeReports([], config);
  }

  async start(adminPort: number | undefined): Promise<void> {
    this.#adminPort = adminPort;
    // A mesh's connections are few and long: left to the kernel, one worker takes a dozen that come together.
    cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.setupPrimary({ serialization: 'advanced' });
    // The first finds out whether everything can be bound; the others share what it got.
    await this.#inTurn(() => this.#startWorker());
    await Promise.all(Array.from({ length: this.#size - 1 }, () => this.#startWorker()));
    this.#merge();
  }

  applyDelta(delta: RuntimeDelta): Promise<void> {
    return this.#inTurn(async () => {
      const shared = shareOfDelta(delta, this.#size);
      const pinned = delta.listeners === undefined ? shared : { ...shared, listeners: await this.#ports.pin(delta.listeners) };
      const [first, ...rest] = this.#workers;
      const outcome = await first?.ask({ kind: 'apply', delta: pinned }, APPLY_WITHIN_MS);
      // What the first cannot bind, nobody can.
      if (outcome?.kind === 'refused') throw new Error(outcome.message);
      await Promise.all(rest.map(async (worker) => this.#keepOnlyIf(worker, await worker.ask({ kind: 'apply', delta: pinned }, APPLY_WITHIN_MS))));
      if (first !== undefined && outcome !== undefined) this.#keepOnlyIf(first, outcome);
      this.#config = applyDelta(this.#config, delta);
      this.#merge();
    });
  }

  version(): string {
    return this.#config.version;
  }

  config(): RuntimeConfig {
    return this.#config;
  }

  clusters(): Iterable<ClusterView> {
    return this.#merged.clusters;
  }

  listeners(): Iterable<ListenerView> {
    return this.#merged.listeners;
  }

  secrets(): SecretsView {
    return this.#merged.secrets;
  }

  series(): Iterable<IstioSeries> {
    return this.#merged.series;
  }

  tcpSeries(): Iterable<TcpSeries> {
    return this.#merged.tcpSeries;
  }

  accessLogStats(): LineSinkStats | undefined {
    return this.#merged.accessLog;
  }

  async refresh(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.ask({ kind: 'report' }, REPORT_WITHIN_MS)));
    this.#merge();
  }

  resetCounters(): void {
    this.#tellAll({ kind: 'reset-counters' });
  }

  reopenLogs(): void {
    this.#tellAll({ kind: 'reopen-logs' });
  }

  setLogLevel(level: LogLevel): void {
    this.#logLevel = level;
    this.#tellAll({ kind: 'log-level', level });
  }

  drainListeners(): void {
    this.#tellAll({ kind: 'drain-listeners' });
  }

  announceDrain(closeIdle: boolean): void {
    this.#tellAll({ kind: 'announce-drain', closeIdle });
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#ending = true;
    for (const timer of this.#replacements) timer.cancel();
    const leaving = [...this.#workers];
    this.#tellAll({ kind: 'drain', deadlineMs });
    const limit = systemClock.setTimer(deadlineMs + KILL_AFTER_MS, () => leaving.forEach((worker) => worker.kill()));
    await Promise.all(leaving.map((worker) => worker.ended));
    limit.cancel();
  }

  async close(): Promise<void> {
    // Workers flush what they wrote before they end.
  }

  /** Rejects when the worker cannot bind or open what it is told to. */
  async #startWorker(): Promise<void> {
    const worker = new WorkerProcess(cluster.fork({ [WORKER_VARIABLE]: '1' }));
    await worker.online;
    const config = { ...shareOfConfig(this.#config, this.#size), listeners: await this.#ports.pin(this.#config.listeners) };
    const outcome = await worker.ask({ kind: 'start', config, accessLog: this.#accessLog, certs: this.#certs, ticketSeed: this.#ticketSeed, ...this.#capture, logLevel: this.#logLevel, adminPort: this.#adminPort }, START_WITHIN_MS);
    if (outcome.kind !== 'done') {
      worker.kill();
      throw new Error(outcome.kind === 'refused' ? outcome.message : `a worker ended before it served (${await worker.ended})`);
    }
    this.#workers.add(worker);
    void worker.ended.then((how) => this.#onEnd(worker, how));
  }

  #onEnd(worker: WorkerProcess, how: string): void {
    this.#workers.delete(worker);
    if (this.#ending) return;
    const stable = systemClock.now() - worker.startedAt >= STABLE_MS;
    if (stable) this.#youngDeaths = 0;
    this.#log.error(`a worker ended by itself (${how})`);
    this.#replace();
  }

  #replace(): void {
    const delayMs = this.#youngDeaths === 0 ? 0 : Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.#youngDeaths - 1));
    this.#youngDeaths += 1;
    const timer = systemClock.setTimer(delayMs, () => {
      this.#replacements.delete(timer);
      void this.#inTurn(() => this.#startWorker()).then(
        () => this.#log.info('a worker was replaced'),
        (error: unknown) => {
          this.#log.error(`a worker could not be replaced: ${String(error)}`);
          if (!this.#ending) this.#replace();
        },
      );
    });
    this.#replacements.add(timer);
  }

  /** A worker that did not take what the others serve is ended; its replacement starts with it. */
  #keepOnlyIf(worker: WorkerProcess, outcome: OrderOutcome): void {
    if (outcome.kind === 'done') return;
    if (outcome.kind === 'refused') this.#log.error(`a worker refused what another took: ${outcome.message}`);
    worker.kill();
  }

  #tellAll(order: WorkerOrder): void {
    for (const worker of this.#workers) worker.tell(order);
  }

  #merge(): void {
    const reports = [...this.#workers].flatMap(({ report }) => report ?? []);
    this.#merged = mergeReports(reports, this.#config);
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act, act);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}
