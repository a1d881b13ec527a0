/** One look at the snapshot's paths: which files there are and in what state, and which directories tell of a change. */

import { lstat, readdir, readlink, realpath, stat } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** What was seen. */
export interface Scan {
  /** State of each file by absolute path: device, inode, size, modification and change time; `missing` for a path that is not there. */
  readonly files: ReadonlyMap<string, string>;
  /** Directories to watch, by absolute path. */
  readonly directories: ReadonlyMap<string, WatchedDirectory>;
  /** Of all files together. */
  readonly totalBytes: number;
}

export interface WatchedDirectory {
  /** Changes when the directory is replaced by another of the same name. */
  readonly identity: string;
  /** Entry names that matter; undefined: all. Names that begin with `..` always matter (a ConfigMap's `..data`). */
  readonly names: ReadonlySet<string> | undefined;
}

const SNAPSHOT_FILE = /\.(ya?ml|json)$/i;

/** Bounds the work of a link that points into its own folder. */
const DEEPEST_FOLDER = 32;

/** Stat calls in flight together: Node's thread pool has four threads, more only cost memory. */
const STATS_AT_ONCE = 32;

/** A file that a folder is read for, or a ConfigMap's `..data`. */
export function isSnapshotName(name: string): boolean {
  return SNAPSHOT_FILE.test(name) || name.startsWith('..');
}

/** Never rejects: what cannot be read counts as missing. `-` is passed over. */
export async function scanPaths(paths: readonly string[]): Promise<Scan> {
  const collector = new ScanCollector();
  for (const path of paths) {
    if (path !== '-') await scanPath(resolve(path), collector);
  }
  return collector.finish();
}

/** True when both looks saw the same files in the same state. */
export function sameFiles(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  if (one.size !== other.size) return false;
  for (const [path, state] of one) {
    if (other.get(path) !== state) return false;
  }
  return true;
}

async function scanPath(path: string, into: ScanCollector): Promise<void> {
  await watchWayTo(path, into);
  const found = await statOf(path);
  if (found === undefined) return into.missing(path);
  if (found.isDirectory()) return scanFolder(path, found, into, 0);
  into.file(path, found);
}

/** The directory that holds the path, and that of every link on the way, so that a swap of any of them is seen. */
async function watchWayTo(path: string, into: ScanCollector): Promise<void> {
  const parent = dirname(path);
  const parentStat = await statOf(parent);
  if (parentStat === undefined) return parent === path ? undefined : watchWayTo(parent, into);
  into.watch(parent, parentStat, basename(path));
  await watchLinkTarget(path, into);
}

async function watchLinkTarget(path: string, into: ScanCollector): Promise<void> {
  const target = await linkTarget(path);
  if (target === undefined) return;
  for (const place of [target, await realpath(path).catch(() => target)]) {
    const parent = dirname(place);
    const parentStat = await statOf(parent);
    if (parentStat !== undefined) into.watch(parent, parentStat, basename(place));
  }
}

async function scanFolder(path: string, found: BigIntStats, into: ScanCollector, depth: number): Promise<void> {
  into.watch(path, found, undefined);
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const visible = entries.filter((entry) => !entry.name.startsWith('.'));
  for (let start = 0; start < visible.length; start += STATS_AT_ONCE) {
    const batch = visible.slice(start, start + STATS_AT_ONCE);
    await Promise.all(
      batch.map(async (entry) => {
        const child = join(path, entry.name);
        if (entry.isFile() && !SNAPSHOT_FILE.test(entry.name)) return;
        const childStat = await statOf(child);
        if (childStat === undefined) return into.missing(child);
        if (entry.isSymbolicLink()) await watchLinkTarget(child, into);
        if (childStat.isDirectory()) return depth < DEEPEST_FOLDER ? scanFolder(child, childStat, into, depth + 1) : undefined;
        if (SNAPSHOT_FILE.test(entry.name)) into.file(child, childStat);
      }),
    );
  }
}

async function linkTarget(path: string): Promise<string | undefined> {
  const own = await lstat(path).catch(() => undefined);
  if (own === undefined || !own.isSymbolicLink()) return undefined;
  const target = await readlink(path).catch(() => undefined);
  return target === undefined ? undefined : resolve(dirname(path), target);
}

function statOf(path: string): Promise<BigIntStats | undefined> {
  return stat(path, { bigint: true }).catch(() => undefined);
}

class ScanCollector {
  readonly #files = new Map<string, string>();
  readonly #directories = new Map<string, { identity: string; names: Set<string> | undefined }>();
  #totalBytes = 0;

  file(path: string, found: BigIntStats): void {
    this.#files.set(path, `${found.dev} ${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`);
    this.#totalBytes += Number(found.size);
  }

  missing(path: string): void {
    this.#files.set(path, 'missing');
  }

  /** With a name: that entry matters too; without: all do. */
  watch(path: string, found: BigIntStats, name: string | undefined): void {
    const known = this.#directories.get(path);
    if (known === undefined) {
      // The birth time tells a directory from a new one that was given the freed inode number.
      const identity = `${found.dev}:${found.ino}:${found.birthtimeNs}`;
      this.#directories.set(path, { identity, names: name === undefined ? undefined : new Set([name]) });
    } else if (name === undefined) {
      known.names = undefined;
    } else {
      known.names?.add(name);
    }
  }

  finish(): Scan {
    return { files: this.#files, directories: this.#directories, totalBytes: this.#totalBytes };
  }
}
