/** The compiler's thread: one request at a time in, one answer out. */

import { getPriority, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import type { Bootstrap } from '../cli/options.ts';
import type { CompileOutcome, FirstOutcome } from './compile-outcome.ts';
import { SnapshotCompiler, type BaseNeeded } from './snapshot-compiler.ts';

/** Given when the thread starts. */
export interface CompilerSetUp {
  readonly bootstrap: Bootstrap;
  readonly stdin?: string;
}

export type CompilerRequest =
  | { readonly kind: 'first' }
  /** `version` serves now; `base` is its configuration, sent when asked for. */
  | { readonly kind: 'again'; readonly version: string; readonly base?: RuntimeConfig };

export type CompilerAnswer = FirstOutcome | CompileOutcome | BaseNeeded;

/** Reloads give way to requests when both want the same core; the first load, which requests wait for, does not. */
const RELOAD_NICENESS = 5;

if (parentPort !== null) {
  const port = parentPort;
  const { bootstrap, stdin } = workerData as CompilerSetUp;
  const compiler = new SnapshotCompiler(bootstrap, stdin);
  port.on('message', (request: CompilerRequest) => port.postMessage(answer(compiler, request)));
}

function answer(compiler: SnapshotCompiler, request: CompilerRequest): CompilerAnswer {
  if (request.kind === 'first') return compiler.compile();
  giveWay();
  return compiler.recompile(request.version, request.base);
}

/** On Linux a priority belongs to the thread that asks for it; elsewhere it would be the whole process's. */
function giveWay(): void {
  if (process.platform !== 'linux') return;
  try {
    if (getPriority() < RELOAD_NICENESS) setPriority(RELOAD_NICENESS);
  } catch {
    // Not permitted in this container: reloads then compete as equals.
  }
}
