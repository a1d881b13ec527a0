/**
 * Compiles snapshots in a thread of its own, so that parsing 10,000 services never holds up a request, and hands back
 * only the difference to what serves.
 *
 * The thread keeps the parsed documents and the last configurations, which makes a one-document change cheap. For a
 * small snapshot parsing anew costs less than the thread's memory, so there it ends when idle and is started
 * again, given the serving configuration as its base, at the next change. `--keep-compiler` keeps it all the same.
 */

import { extname } from 'node:path';
import { Worker, type ResourceLimits } from 'node:worker_threads';
import type { Problem } from '../../config/runtime/problem.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Bootstrap } from '../cli/options.ts';
import type { CompileOutcome, FirstOutcome } from './compile-outcome.ts';
import type { CompilerAnswer, CompilerRequest, CompilerSetUp } from './compiler-worker.ts';
import type { ReloadTarget } from './reload.ts';

export interface CompilerDeps {
  readonly clock: Clock;
  /** Whole standard input where the paths name `-`: it can be read only once, the thread may start often. */
  readonly stdin?: string;
  /** Size of the snapshot now. */
  readonly snapshotBytes: () => number;
}

/** From this size on (bytes of YAML) the thread stays: parsing 1 MB takes about a second, keeping it about 30 MB. */
const KEEP_FROM_BYTES = 1024 * 1024;

/** A small snapshot's thread ends this long after a reload, milliseconds: who edits once often edits again. After the first load it ends at once. */
const IDLE_END_MS = 10_000;

/**
 * New objects of a small snapshot's reloads are collected after so many megabytes. Node's default lets a reload every few
 * milliseconds gather 30 MB more, and is no faster here (400 services, 1500 reloads in a row: 155 MB in all instead of 185).
 */
const RELOAD_YOUNG_MB = 4;

export class ThreadedCompiler {
  readonly #setUp: CompilerSetUp;
  readonly #deps: CompilerDeps;
  #thread: Worker | undefined;
  #idle: Timer | undefined;
  /** The one request under way; callers take turns (Reloader). */
  #waiting: ((answer: CompilerAnswer) => void) | undefined;

  /** Starts the thread at once, so that it loads its modules while the caller loads others. */
  constructor(bootstrap: Bootstrap, deps: CompilerDeps) {
    this.#setUp = { bootstrap, ...(deps.stdin === undefined ? {} : { stdin: deps.stdin }) };
    this.#deps = deps;
    this.#thread = this.#startThread({});
  }

  /** The first load. Never rejects. */
  async compile(): Promise<FirstOutcome> {
    const answer = await this.#ask({ kind: 'first' });
    this.#restAfter(0);
    if (answer.kind === 'compiled' || answer.kind === 'rejected') return answer;
    throw new Error(`compiler answered '${answer.kind}' to the first load`);
  }

  /** A later load beside what serves. Never rejects. */
  async recompile(serving: Pick<ReloadTarget, 'version' | 'config'>): Promise<CompileOutcome> {
    const version = serving.version();
    const answer = await this.#ask({ kind: 'again', version });
    // A thread started after the one that compiled what serves; only small snapshots come here, or one after a crash.
    const settled = answer.kind === 'base-needed' ? await this.#ask({ kind: 'again', version, base: serving.config() }) : answer;
    this.#restAfter(IDLE_END_MS);
    if (settled.kind === 'compiled' || settled.kind === 'base-needed') throw new Error(`compiler answered '${settled.kind}' to a reload`);
    return settled;
  }

  /** A reload is likely: the thread starts now, so that it has loaded its modules by then. */
  warm(): void {
    if (this.#thread !== undefined) return;
    this.#thread = this.#startThread(this.#reloadLimits());
    this.#thread.unref();
    this.#restAfter(IDLE_END_MS);
  }

  async close(): Promise<void> {
    this.#idle?.cancel();
    await this.#thread?.terminate();
  }

  #ask(request: CompilerRequest): Promise<CompilerAnswer> {
    this.#idle?.cancel();
    const thread = (this.#thread ??= this.#startThread(this.#reloadLimits()));
    return new Promise((resolve) => {
      this.#waiting = resolve;
      thread.ref();
      thread.postMessage(request);
    });
  }

  #startThread(resourceLimits: ResourceLimits): Worker {
    const file = new URL(`./compiler-worker${extname(import.meta.url)}`, import.meta.url);
    const thread = new Worker(file, { workerData: this.#setUp, resourceLimits });
    let failure = 'its thread ended';
    thread.on('message', (answer: CompilerAnswer) => this.#settle(thread, answer));
    thread.on('error', (error) => (failure = topOfStack(error)));
    thread.on('exit', () => {
      this.#settle(thread, { kind: 'rejected', problems: [this.#crashProblem(failure)] });
      if (this.#thread === thread) this.#thread = undefined;
    });
    return thread;
  }

  #settle(thread: Worker, answer: CompilerAnswer): void {
    // A thread that was sent to rest may still be ending while another has been asked.
    if (this.#thread !== thread) return;
    // Idle, the thread alone must not keep a process alive that has nothing else to do.
    thread.unref();
    const resolve = this.#waiting;
    this.#waiting = undefined;
    resolve?.(answer);
  }

  /** Ends the thread of a small snapshot after so many milliseconds without work, unless it was asked to stay. */
  #restAfter(delayMs: number): void {
    if (this.#setUp.bootstrap.keepCompiler === true || !this.#isSmall()) return;
    this.#idle?.cancel();
    this.#idle = this.#deps.clock.setTimer(delayMs, () => {
      const thread = this.#thread;
      this.#thread = undefined;
      void thread?.terminate();
    });
  }

  /** A large snapshot is compiled as fast as can be, the first time and every time. */
  #reloadLimits(): ResourceLimits {
    return this.#isSmall() ? { maxYoungGenerationSizeMb: RELOAD_YOUNG_MB } : {};
  }

  #isSmall(): boolean {
    return this.#deps.snapshotBytes() < KEEP_FROM_BYTES;
  }

  #crashProblem(failure: string): Problem {
    const message = `the snapshot could not be compiled: ${failure}`;
    return { severity: 'error', file: this.#setUp.bootstrap.config[0] ?? '-', line: 1, column: 1, resource: '', path: '', message };
  }
}

/** A bug, or memory that ran out: the message and where, on one line. */
function topOfStack(error: Error): string {
  const lines = (error.stack ?? error.message).split('\n').slice(0, 3);
  return lines.map((line) => line.trim()).join(' ');
}
