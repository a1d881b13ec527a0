/** One worker process as its supervisor holds it: orders in turn, answers in order, its end. */

import type { Worker as ClusterWorker } from 'node:cluster';
import { systemClock } from '../base/clock.ts';
import type { WorkerAnswer, WorkerOrder } from './worker-messages.ts';
import type { WorkerReport } from './worker-report.ts';

/** What became of an order: done, refused with the reason, or the worker ended (or did not answer) first. */
export type OrderOutcome = { readonly kind: 'done' } | { readonly kind: 'refused'; readonly message: string } | { readonly kind: 'lost' };

export class WorkerProcess {
  /** Resolves when the worker listens for orders, or has ended. */
  readonly online: Promise<void>;
  /** Resolves with how it ended, for the log. */
  readonly ended: Promise<string>;
  readonly startedAt: number = systemClock.now();
  /** As last told. */
  report: WorkerReport | undefined;
  readonly #worker: ClusterWorker;
  /** Of the orders that wait for an answer, oldest first. */
  readonly #waiting: ((outcome: OrderOutcome) => void)[] = [];
  #alive = true;

  constructor(worker: ClusterWorker) {
    this.#worker = worker;
    let online = (): void => {};
    this.online = new Promise((resolve) => (online = resolve));
    worker.on('message', (answer: WorkerAnswer) => (answer.kind === 'online' ? online() : this.#take(answer)));
    // The channel closes under a message to a worker that is just ending; its end is told below.
    worker.on('error', () => {});
    this.ended = new Promise((resolve) => {
      worker.on('exit', (code, signal) => {
        this.#alive = false;
        online();
        for (const settle of this.#waiting.splice(0)) settle({ kind: 'lost' });
        resolve(signal === null ? `exit code ${code}` : signal);
      });
    });
  }

  /** For `start`, `apply` and `report`. Resolves `lost` after `withinMs` without an answer; the answer is then waited for by nobody. */
  ask(order: Extract<WorkerOrder, { readonly kind: 'start' | 'apply' | 'report' }>, withinMs: number): Promise<OrderOutcome> {
    if (!this.#alive) return Promise.resolve({ kind: 'lost' });
    return new Promise((resolve) => {
      const timer = systemClock.setTimer(withinMs, () => resolve({ kind: 'lost' }));
      this.#waiting.push((outcome) => {
        timer.cancel();
        resolve(outcome);
      });
      this.#worker.send(order);
    });
  }

  /** For what is not answered. */
  tell(order: WorkerOrder): void {
    if (this.#alive) this.#worker.send(order);
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }

  #take(answer: Exclude<WorkerAnswer, { readonly kind: 'online' }>): void {
    if (answer.kind === 'done') this.report = answer.report;
    this.#waiting.shift()?.(answer.kind === 'done' ? { kind: 'done' } : answer);
  }
}
