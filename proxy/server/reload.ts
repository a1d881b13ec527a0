/**
 * Reloads one at a time: compile off the event loop, apply the difference in one step, or keep the last good
 * configuration and remember why. Causes that arrive during a reload lead to exactly one more, since the running one
 * may have read the files before they changed.
 */

import { renderProblem, type Problem } from '../../config/runtime/problem.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import type { RuntimeDelta } from '../../config/runtime/delta.ts';
import type { ConfigStatus } from '../admin/view.ts';
import type { Clock } from '../base/clock.ts';
import type { CompileOutcome } from './compile-outcome.ts';

/** What serves: the part of ProxyRuntime that a reload touches. */
export interface ReloadTarget {
  /** Of what serves. */
  version(): string;
  /** What serves, whole; asked for only where needed, as it may have to be put together. */
  config(): RuntimeConfig;
  /** Rejects, with the old configuration still serving, when a listener cannot be bound. */
  applyDelta(delta: RuntimeDelta): Promise<unknown>;
}

export interface SnapshotCompiler {
  /** Reads the snapshot again and compares it with what serves. Never rejects. */
  recompile(serving: Pick<ReloadTarget, 'version' | 'config'>): Promise<CompileOutcome>;
}

export interface ReloadLog {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export interface ReloaderDeps {
  readonly target: ReloadTarget;
  readonly compiler: SnapshotCompiler;
  readonly clock: Clock;
  readonly log: ReloadLog;
  /** Problems (warnings) of the load that serves at first. */
  readonly problems: readonly Problem[];
  /** The snapshot's first path: where a problem is reported that no line of a file has. */
  readonly snapshotPath: string;
  /** After a change was applied. */
  readonly onApplied: (delta: RuntimeDelta) => void;
}

/** Lines of problems logged for one load; `/config_status` has them all. */
const MOST_LOGGED_PROBLEMS = 20;

export class Reloader {
  readonly #deps: ReloaderDeps;
  #status: ConfigStatus;
  /** Warnings of what serves, so that a reload logs only the new ones. */
  #knownWarnings: ReadonlySet<string>;
  #running: Promise<ConfigStatus> | undefined;
  #next: Promise<ConfigStatus> | undefined;
  #closed = false;

  constructor(deps: ReloaderDeps) {
    this.#deps = deps;
    const now = this.#isoTime();
    this.#status = {
      version: deps.target.version(),
      loadedAt: now,
      lastAttemptAt: now,
      lastAttempt: 'accepted',
      accepted: 1,
      rejected: 0,
      problems: deps.problems,
    };
    this.#knownWarnings = new Set();
    this.#logWarnings(deps.problems);
  }

  status(): ConfigStatus {
    return this.#status;
  }

  /** Resolves with the outcome of a reload that began after this call. `cause` is for the log: `SIGHUP`, `files changed`. */
  reload(cause: string): Promise<ConfigStatus> {
    if (this.#running === undefined) return this.#start(cause);
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.#start(cause);
    });
    return this.#next;
  }

  /** A reload under way is not applied any more. */
  close(): void {
    this.#closed = true;
  }

  #start(cause: string): Promise<ConfigStatus> {
    if (this.#closed) return Promise.resolve(this.#status);
    const running = this.#attempt(cause).finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #attempt(cause: string): Promise<ConfigStatus> {
    const { clock, compiler, target } = this.#deps;
    const started = clock.now();
    const outcome = await compiler.recompile(target);
    if (this.#closed) return this.#status;
    switch (outcome.kind) {
      case 'rejected':
        return this.#reject(cause, outcome.problems);
      case 'unchanged':
        return this.#accept(cause, outcome.problems, 'no change for this workload');
      case 'changed':
        return this.#apply(cause, outcome.delta, outcome.problems, started);
    }
  }

  async #apply(cause: string, delta: RuntimeDelta, problems: readonly Problem[], started: number): Promise<ConfigStatus> {
    try {
      await this.#deps.target.applyDelta(delta);
    } catch (error) {
      return this.#reject(cause, [...problems, bindProblem(this.#deps.snapshotPath, error)]);
    }
    const tookMs = Math.round(this.#deps.clock.now() - started);
    const status = this.#accept(cause, problems, `${renderDelta(delta)} in ${tookMs} ms`);
    this.#deps.onApplied(delta);
    return status;
  }

  #accept(cause: string, problems: readonly Problem[], what: string): ConfigStatus {
    const recovered = this.#status.lastAttempt === 'rejected';
    const now = this.#isoTime();
    this.#status = {
      ...this.#status,
      version: this.#deps.target.version(),
      loadedAt: now,
      lastAttemptAt: now,
      lastAttempt: 'accepted',
      accepted: this.#status.accepted + 1,
      problems,
    };
    this.#deps.log.info(`reload (${cause}): ${recovered ? 'the snapshot is good again: ' : ''}${what}`);
    this.#logWarnings(problems);
    return this.#status;
  }

  #reject(cause: string, problems: readonly Problem[]): ConfigStatus {
    this.#status = {
      ...this.#status,
      lastAttemptAt: this.#isoTime(),
      lastAttempt: 'rejected',
      rejected: this.#status.rejected + 1,
      problems,
    };
    const errors = problems.filter((problem) => problem.severity === 'error');
    const count = `${errors.length} ${errors.length === 1 ? 'error' : 'errors'}`;
    this.#deps.log.error(`reload (${cause}): rejected with ${count}, version ${this.#status.version} goes on serving`);
    logSome(errors.map(renderProblem), (line) => this.#deps.log.error(line));
    return this.#status;
  }

  #logWarnings(problems: readonly Problem[]): void {
    const warnings = problems.filter((problem) => problem.severity === 'warning').map(renderProblem);
    const fresh = warnings.filter((line) => !this.#knownWarnings.has(line));
    this.#knownWarnings = new Set(warnings);
    logSome(fresh, (line) => this.#deps.log.warn(line));
  }

  #isoTime(): string {
    return new Date(this.#deps.clock.wallTime()).toISOString();
  }
}

function logSome(lines: readonly string[], write: (line: string) => void): void {
  for (const line of lines.slice(0, MOST_LOGGED_PROBLEMS)) write(line);
  const left = lines.length - MOST_LOGGED_PROBLEMS;
  if (left > 0) write(`and ${left} more, see /config_status`);
}

function bindProblem(file: string, error: unknown): Problem {
  const message = error instanceof Error ? error.message : String(error);
  return { severity: 'error', file, line: 1, column: 1, resource: '', path: '', message };
}

function renderDelta(delta: RuntimeDelta): string {
  const { clusters, routeTables, secrets, virtualListeners } = delta;
  const virtualHosts = routeTables.changed.reduce((sum, table) => sum + table.changed.length + table.removed.length, 0);
  const parts = [
    delta.listeners === undefined ? '' : 'listeners',
    counted(partsChanged(virtualListeners), 'virtual listener'),
    counted(partsChanged(secrets), 'secret'),
    counted(partsChanged(clusters), 'cluster'),
    counted(virtualHosts, 'virtual host'),
    counted(routeTables.removed.length, 'route table'),
    delta.telemetry === undefined ? '' : 'telemetry',
    delta.node === undefined ? '' : 'node',
  ].filter((part) => part !== '');
  return `version ${delta.version}, changed: ${parts.join(', ')}`;
}

function partsChanged(delta: { readonly changed: readonly unknown[]; readonly removed: readonly unknown[] } | undefined): number {
  return delta === undefined ? 0 : delta.changed.length + delta.removed.length;
}

function counted(count: number, what: string): string {
  if (count === 0) return '';
  return count === 1 ? `1 ${what}` : `${count} ${what}s`;
}
