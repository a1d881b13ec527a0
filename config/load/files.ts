/** Paths to texts: files, folders, links, standard input; every failure is a problem of the file it concerns. */

import { isUtf8 } from 'node:buffer';
import type { BigIntStats } from 'node:fs';
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Problem } from '../runtime/problem.ts';
import { positionAt } from './position.ts';

export interface SourceFile {
  /** As the user named it (`folder/name.yaml` inside a folder); `-` for standard input. */
  readonly name: string;
  /** Without byte order mark; every line ends in `\n`. */
  readonly text: string;
}

export interface ReadOptions {
  /** Content of standard input. */
  readonly stdin: () => Buffer;
  /** Larger files are refused. */
  readonly limitBytes: number;
}

/** 64 MiB: some 100,000 resources. */
export const defaultFileLimit = 64 * 1024 * 1024;

const snapshotFile = /\.(ya?ml|json)$/i;
const deepestFolder = 32;
/** Opening a pipe that nobody writes to would hold the thread for ever, and with it every later reload and the exit. */
const withoutWaiting = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * Files, or what is wrong with them, in the order of the paths; a folder's entries sorted by name and read recursively.
 * Hidden entries are passed over, a ConfigMap's `..data` and its versions among them; a file that several links lead to
 * is read once.
 */
export function readSources(paths: readonly string[], options: ReadOptions): readonly (SourceFile | Problem)[] {
  const reader = new SourceReader(options);
  for (const path of paths) reader.path(path);
  return reader.found;
}

/** Reads standard input to its end (blocking), at most one byte more than the limit. */
export function readStandardInput(limitBytes: number): Buffer {
  return readAll(0, 65_536, limitBytes);
}

class SourceReader {
  readonly found: (SourceFile | Problem)[] = [];
  readonly #options: ReadOptions;
  readonly #seen = new Set<string>();

  constructor(options: ReadOptions) {
    this.#options = options;
  }

  path(path: string): void {
    if (path === '-') return this.#stdin();
    const before = this.found.length;
    const folder = this.#attempt(path, () => statSync(path).isDirectory());
    if (folder === undefined) return;
    if (!folder) return this.#file(path);
    this.#folder(path, 0);
    if (this.found.length === before) this.#problem(path, 'this folder holds no .yaml, .yml or .json file', 'warning');
  }

  #stdin(): void {
    if (this.#seen.has('-')) return;
    this.#seen.add('-');
    const bytes = this.#attempt('-', this.#options.stdin);
    if (bytes !== undefined) this.#add('-', bytes);
  }

  #folder(path: string, depth: number): void {
    if (depth > deepestFolder) return this.#problem(path, `folders are nested deeper than ${deepestFolder} (a link into its own folder?)`);
    const found = this.#attempt(path, () => statSync(path, { bigint: true }));
    if (found === undefined || !this.#firstVisit(found)) return;
    const entries = this.#attempt(path, () => readdirSync(path, { withFileTypes: true })) ?? [];
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue;
      const child = join(path, entry.name);
      const isFolder = entry.isSymbolicLink() ? this.#attempt(child, () => statSync(child).isDirectory()) : entry.isDirectory();
      if (isFolder === true) this.#folder(child, depth + 1);
      else if (isFolder === false && snapshotFile.test(entry.name)) this.#file(child, withoutWaiting);
    }
  }

  /** A path that the user named may be a pipe (`/dev/stdin`, `<(…)`) and is waited for; in a folder only files are read. */
  #file(path: string, flags = constants.O_RDONLY): void {
    const bytes = this.#attempt(path, () => this.#readFirstTime(path, flags));
    if (bytes !== undefined) this.#add(path, bytes);
  }

  /** Undefined for a file that was read already. */
  #readFirstTime(path: string, flags: number): Buffer | undefined {
    const descriptor = openSync(path, flags);
    try {
      const found = fstatSync(descriptor, { bigint: true });
      if (flags === withoutWaiting && !found.isFile()) throw new Error('it is neither a file nor a folder');
      return this.#firstVisit(found) ? readAll(descriptor, Number(found.size), this.#options.limitBytes) : undefined;
    } finally {
      closeSync(descriptor);
    }
  }

  /** The same file or folder may be reached by several paths or links. */
  #firstVisit({ dev, ino }: BigIntStats): boolean {
    const identity = `${dev}:${ino}`;
    if (this.#seen.has(identity)) return false;
    this.#seen.add(identity);
    return true;
  }

  #add(name: string, bytes: Buffer): void {
    const { limitBytes } = this.#options;
    if (bytes.length > limitBytes) {
      return this.#problem(name, `this file is larger than the limit of ${Math.round(limitBytes / 1024 / 1024)} MiB; split it`);
    }
    const text = bytes.toString('utf8');
    if (!isUtf8(bytes)) {
      const { line, column } = positionAt(text, invalidOffset(bytes, text));
      this.found.push({ ...whole(name), line, column, message: 'this is not UTF-8 text; save the file as UTF-8' });
      return;
    }
    const unmarked = text.startsWith('\ufeff') ? text.slice(1) : text;
    this.found.push({ name, text: unmarked.includes('\r') ? unmarked.replaceAll('\r\n', '\n') : unmarked });
  }

  #attempt<T>(path: string, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      this.#problem(path, `cannot be read: ${reason(error)}`);
      return undefined;
    }
  }

  #problem(name: string, message: string, severity: Problem['severity'] = 'error'): void {
    this.found.push({ ...whole(name), message, severity });
  }
}

function whole(name: string): Problem {
  return { severity: 'error', file: name, line: 1, column: 1, resource: '', path: '', message: '' };
}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const known: Readonly<Record<string, string>> = {
    ENOENT: 'no such file or folder',
    EACCES: 'permission denied',
    ELOOP: 'links lead in a circle',
    EISDIR: 'it is a folder',
  };
  return known[code ?? ''] ?? message;
}

/** Reads to the end, at most one byte more than the limit: pipes and growing files have no size to trust. */
function readAll(descriptor: number, expectedBytes: number, limitBytes: number): Buffer {
  const chunks: Buffer[] = [];
  let total = 0;
  // One more than expected, so that the end shows at once.
  let size = Math.min(expectedBytes, limitBytes) + 1;
  while (total <= limitBytes) {
    const chunk = Buffer.allocUnsafe(Math.max(Math.min(size, limitBytes + 1 - total), 1));
    const count = readSome(descriptor, chunk);
    if (count === 0) break;
    chunks.push(count === chunk.length ? chunk : chunk.subarray(0, count));
    total += count;
    size = 65_536;
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/** A pipe that another process made non-blocking says EAGAIN until something arrives. */
function readSome(descriptor: number, chunk: Buffer): number {
  for (;;) {
    try {
      return readSync(descriptor, chunk);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** Offset in the decoded text of the first byte that is not UTF-8: the first replacement character that the file does not hold itself. */
function invalidOffset(bytes: Buffer, text: string): number {
  let byte = 0;
  let from = 0;
  for (let at = text.indexOf('\ufffd'); at !== -1; at = text.indexOf('\ufffd', at + 1)) {
    byte += Buffer.byteLength(text.slice(from, at));
    if (bytes[byte] !== 0xef || bytes[byte + 1] !== 0xbf || bytes[byte + 2] !== 0xbd) return at;
    from = at;
  }
  return 0;
}
