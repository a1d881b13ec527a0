/** A secret in files: read at once, then whenever the files change; what cannot be used leaves the last good one in place. */

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { digestOf, type SecretProblem } from './secret.ts';

/** Calls `onChange` when any of the files may have changed (rename, rewrite, swapped `..data` link). Resolves once watching. */
export type WatchFiles = (paths: readonly string[], onChange: () => void) => Promise<{ close(): void }>;

export interface SecretFilesDeps<Secret> {
  readonly paths: readonly string[];
  /** Contents in the order of `paths`. */
  readonly parse: (contents: readonly string[]) => Secret | SecretProblem;
  readonly watch: WatchFiles;
  /** There is a secret, the first or another. */
  readonly onSecret: (secret: Secret) => void;
  /** The files cannot be used; told once for each content. */
  readonly onProblem: (problem: string) => void;
}

export class SecretFiles<Secret extends object> {
  readonly #deps: SecretFilesDeps<Secret>;
  #seen = '';
  #watch: { close(): void } | undefined;
  #reading = false;
  #readAgain = false;
  #closed = false;

  constructor(deps: SecretFilesDeps<Secret>) {
    this.#deps = deps;
  }

  /** Reads before it returns; resolves once every later change will be seen. */
  async open(): Promise<void> {
    this.#take(this.#deps.paths.map(readNow));
    this.#watch = await this.#deps.watch(this.#deps.paths, () => void this.#read());
    if (this.#closed) this.#watch.close();
    else await this.#read();
  }

  close(): void {
    this.#closed = true;
    this.#watch?.close();
  }

  async #read(): Promise<void> {
    this.#readAgain = this.#reading;
    if (this.#reading) return;
    this.#reading = true;
    do {
      this.#readAgain = false;
      const contents = await Promise.all(this.#deps.paths.map((path) => readFile(path, 'utf8').catch((error: unknown) => unreadable(path, error))));
      if (!this.#closed) this.#take(contents);
    } while (this.#readAgain && !this.#closed);
    this.#reading = false;
  }

  #take(contents: readonly (string | SecretProblem)[]): void {
    const digest = digestOf(...contents.map((content) => (typeof content === 'string' ? content : content.problem)));
    if (digest === this.#seen) return;
    this.#seen = digest;
    const missing = contents.find((content) => typeof content !== 'string');
    const secret = missing ?? this.#deps.parse(contents as readonly string[]);
    if ('problem' in secret) this.#deps.onProblem(secret.problem);
    else this.#deps.onSecret(secret);
  }
}

function readNow(path: string): string | SecretProblem {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): SecretProblem {
  const { code } = error as NodeJS.ErrnoException;
  return { problem: code === 'ENOENT' ? `${path} is missing` : `${path} cannot be read (${code ?? String(error)})` };
}
