/**
 * Watches the files and folders of a snapshot and says when they may have changed.
 *
 * A watch on a file dies with the first ConfigMap swap or editor save by rename, so directories are watched, the
 * parents of the paths included: a deleted and re-created folder is seen. Events only wake a look at the files'
 * inode, size and times; equal looks say nothing. A slow poll finds what the platform does not report (network and
 * container mounts) and what happened while a watch was being set up. Contents are compared by the reader (the
 * compiler's thread), which reads them anyway: hashing 10 MB here would stall the event loop.
 */

import { watch, type FSWatcher } from 'node:fs';
import { basename } from 'node:path';
import type { Clock, Timer } from '../../proxy/base/clock.ts';
import { isSnapshotName, sameFiles, scanPaths, type Scan, type WatchedDirectory } from './watch-scan.ts';

export interface WatchDeps {
  readonly clock: Clock;
  /** Something differs from the last look. Not called for what the first look saw. */
  readonly onChange: () => void;
  /** At the first event in a burst that is about a file of a snapshot's kind: `onChange` is likely to follow. */
  readonly onStir?: () => void;
  /** The first directory that cannot be watched (inotify limit …): changes in it and its like are found by the poll only. */
  readonly onUnwatchable: (directory: string, reason: string) => void;
}

export interface WatchTiming {
  /** A look waits until events have been silent for this long, milliseconds … */
  readonly quietMs: number;
  /** … but not longer than this after the first one, so that a flood of writes still reloads. */
  readonly longestWaitMs: number;
  /** Between looks without any event; stretched where a look takes more than a fiftieth of it. */
  readonly pollMs: number;
}

export const DEFAULT_WATCH_TIMING: WatchTiming = { quietMs: 100, longestWaitMs: 500, pollMs: 5000 };

/** A look whose files took this share of the poll interval is repeated less often: polling costs 2 % of a core at most. */
const POLL_COST_FACTOR = 50;

/** Setting up watches and looking again repeats while new directories appear, this often at most; the poll does the rest. */
const MOST_LOOKS_IN_A_ROW = 5;

export interface SnapshotWatch {
  /** Size of all files at the last look. */
  totalBytes(): number;
  close(): void;
}

/**
 * Resolves when the first look is done: every later change is reported. `-` (standard input) is not watched.
 * Paths may be missing now and come later.
 */
export async function watchSnapshot(
  paths: readonly string[],
  deps: WatchDeps,
  timing: WatchTiming = DEFAULT_WATCH_TIMING,
): Promise<SnapshotWatch> {
  const watcher = new PathWatcher(paths.filter((path) => path !== '-'), deps, timing);
  await watcher.open();
  return watcher;
}

class PathWatcher implements SnapshotWatch {
  readonly #paths: readonly string[];
  readonly #deps: WatchDeps;
  readonly #timing: WatchTiming;
  readonly #watches = new Map<string, DirectoryWatch>();
  #last: Scan | undefined;
  #lookTimer: Timer | undefined;
  #pollTimer: Timer | undefined;
  /** When the first event of the present burst came. */
  #burstSince: number | undefined;
  /** `onStir` was called in this burst. */
  #stirred = false;
  #looking = false;
  #lookAgain = false;
  #toldUnwatchable = false;
  #closed = false;

  constructor(paths: readonly string[], deps: WatchDeps, timing: WatchTiming) {
    this.#paths = paths;
    this.#deps = deps;
    this.#timing = timing;
  }

  async open(): Promise<void> {
    if (this.#paths.length === 0) return;
    const started = this.#deps.clock.now();
    this.#last = await this.#scanAndWatch();
    this.#schedulePoll(this.#deps.clock.now() - started);
  }

  totalBytes(): number {
    return this.#last?.totalBytes ?? 0;
  }

  close(): void {
    this.#closed = true;
    this.#lookTimer?.cancel();
    this.#pollTimer?.cancel();
    for (const watched of this.#watches.values()) watched.close();
    this.#watches.clear();
  }

  #wake(name?: string | null): void {
    if (this.#closed) return;
    const now = this.#deps.clock.now();
    if (!this.#stirred && typeof name === 'string' && isSnapshotName(name)) {
      this.#stirred = true;
      this.#deps.onStir?.();
    }
    this.#burstSince ??= now;
    const latest = this.#burstSince + this.#timing.longestWaitMs;
    const delayMs = Math.max(0, Math.min(this.#timing.quietMs, latest - now));
    this.#lookTimer?.cancel();
    this.#lookTimer = this.#deps.clock.setTimer(delayMs, () => {
      this.#burstSince = undefined;
      this.#stirred = false;
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    if (this.#looking) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = true;
    const started = this.#deps.clock.now();
    do {
      this.#lookAgain = false;
      const scan = await this.#scanAndWatch();
      if (this.#closed) return;
      const changed = this.#last === undefined || !sameFiles(scan.files, this.#last.files);
      this.#last = scan;
      if (changed) this.#deps.onChange();
    } while (this.#lookAgain);
    this.#looking = false;
    this.#schedulePoll(this.#deps.clock.now() - started);
  }

  #schedulePoll(lookMs: number): void {
    if (this.#closed) return;
    this.#pollTimer?.cancel();
    const delayMs = Math.max(this.#timing.pollMs, lookMs * POLL_COST_FACTOR);
    this.#pollTimer = this.#deps.clock.setTimer(delayMs, () => void this.#look());
  }

  /** What changed between a scan and the watch set up after it would be missed, so a new watch means another scan. */
  async #scanAndWatch(): Promise<Scan> {
    let scan = await scanPaths(this.#paths);
    for (let looks = 1; looks < MOST_LOOKS_IN_A_ROW && this.#arm(scan); looks++) {
      scan = await scanPaths(this.#paths);
    }
    return scan;
  }

  /** True when a directory is watched that was not before. */
  #arm(scan: Scan): boolean {
    if (this.#closed) return false;
    for (const [path, watched] of this.#watches) {
      if (scan.directories.get(path)?.identity === watched.identity) continue;
      watched.close();
      this.#watches.delete(path);
    }
    let added = false;
    for (const [path, directory] of scan.directories) {
      const known = this.#watches.get(path);
      if (known !== undefined) known.names = directory.names;
      else added = this.#watchDirectory(path, directory) || added;
    }
    return added;
  }

  #watchDirectory(path: string, directory: WatchedDirectory): boolean {
    const watched = new DirectoryWatch(path, directory, { event: (name) => this.#wake(name), lost: () => this.#forget(path, watched) });
    const failure = watched.open();
    if (failure === undefined) {
      this.#watches.set(path, watched);
      return true;
    }
    if (!this.#toldUnwatchable) this.#deps.onUnwatchable(path, failure);
    this.#toldUnwatchable = true;
    return false;
  }

  /** The watch ended by itself (directory deleted or moved away); the next look sets up another where there is one. */
  #forget(path: string, watched: DirectoryWatch): void {
    if (this.#watches.get(path) !== watched) return;
    watched.close();
    this.#watches.delete(path);
    this.#wake();
  }
}

interface DirectoryEvents {
  event(name: string | null): void;
  lost(): void;
}

class DirectoryWatch {
  readonly identity: string;
  names: ReadonlySet<string> | undefined;
  readonly #path: string;
  readonly #events: DirectoryEvents;
  #watcher: FSWatcher | undefined;

  constructor(path: string, directory: WatchedDirectory, events: DirectoryEvents) {
    this.#path = path;
    this.identity = directory.identity;
    this.names = directory.names;
    this.#events = events;
  }

  /** Why the directory cannot be watched, or undefined. */
  open(): string | undefined {
    try {
      this.#watcher = watch(this.#path, { persistent: false }, (kind, name) => this.#observe(kind, name));
      this.#watcher.on('error', () => this.#events.lost());
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #observe(kind: string, name: string | null): void {
    // Linux reports the end of the watched directory as a rename of its own name; an entry of that name costs one new watch.
    if (kind === 'rename' && name === basename(this.#path)) return this.#events.lost();
    const matters = name === null || this.names === undefined || this.names.has(name) || name.startsWith('..');
    if (matters) this.#events.event(name);
  }
}
