/** A worker process: the data plane that its supervisor asks for, on listeners shared with the other workers. */

import type { ExitCode } from '../cli/command.ts';
import { systemClock } from '../base/clock.ts';
import { createProcessLog, type ProcessLog } from '../telemetry/logger.ts';
import { surviveBugs } from './bugs.ts';
import { LocalDataPlane } from './local-data-plane.ts';
import type { WorkerAnswer, WorkerOrder } from './worker-messages.ts';
import { reportOf } from './worker-report.ts';

/** Resolves when the supervisor had it drained. A supervisor that is gone ends it at once (node:cluster does that). */
export function runWorker(): Promise<ExitCode> {
  // A terminal sends its signals to the whole group; what they mean is for the supervisor to say.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2']) process.on(signal, () => {});
  return new Promise((resolve) => {
    const worker = new Worker(() => resolve(0));
    process.on('message', (order: WorkerOrder) => worker.obey(order));
    answer({ kind: 'online' });
  });
}

class Worker {
  readonly #onDrained: () => void;
  #processLog: ProcessLog | undefined;
  #dataPlane: LocalDataPlane | undefined;
  /** Starts and deltas are applied one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(onDrained: () => void) {
    this.#onDrained = onDrained;
  }

  obey(order: WorkerOrder): void {
    switch (order.kind) {
      case 'start':
        return this.#inTurn(() => this.#start(order));
      case 'apply':
        return this.#inTurn(() => this.#dataPlane?.applyDelta(order.delta));
      case 'report':
        return this.#inTurn(() => undefined);
      case 'drain':
        return void this.#drain(order.deadlineMs);
      case 'announce-drain':
        return this.#dataPlane?.announceDrain(order.closeIdle);
      case 'drain-listeners':
        return this.#dataPlane?.drainListeners();
      case 'reset-counters':
        return this.#dataPlane?.resetCounters();
      case 'reopen-logs':
        return this.#dataPlane?.reopenLogs();
      case 'log-level':
        return void this.#processLog?.setLevel(order.level);
    }
  }

  /** Does it when what was asked before is done, and answers. */
  #inTurn(act: () => Promise<void> | undefined): void {
    this.#turn = this.#turn.then(async () => {
      try {
        await act();
        if (this.#dataPlane !== undefined) answer({ kind: 'done', report: reportOf(this.#dataPlane) });
      } catch (error) {
        answer({ kind: 'refused', message: error instanceof Error ? error.message : String(error) });
      }
    });
  }

  async #start({ logLevel, adminPort, ...given }: Extract<WorkerOrder, { readonly kind: 'start' }>): Promise<void> {
    const processLog = createProcessLog({ level: logLevel, clock: systemClock });
    const dataPlane = new LocalDataPlane({ ...given, processLog }, true);
    await dataPlane.start(adminPort);
    surviveBugs(processLog.scoped('worker'), systemClock);
    this.#processLog = processLog;
    this.#dataPlane = dataPlane;
  }

  async #drain(deadlineMs: number): Promise<void> {
    await this.#dataPlane?.drain(deadlineMs);
    await this.#dataPlane?.close();
    await this.#processLog?.close();
    this.#onDrained();
  }
}

function answer(message: WorkerAnswer): void {
  process.send?.(message);
}
