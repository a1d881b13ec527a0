/**
 * The first load, begun before the data path's modules are read: the compiler's thread and the main thread start up
 * side by side. Watching begins before the files are read, so that no change in between is missed.
 */

import { watchSnapshot, type SnapshotWatch } from '../../config/load/watch.ts';
import { systemClock } from '../base/clock.ts';
import type { Bootstrap } from '../cli/options.ts';
import type { FirstOutcome } from './compile-outcome.ts';
import { ThreadedCompiler } from './compiler.ts';

export interface Loading {
  readonly compiler: ThreadedCompiler;
  readonly watch: SnapshotWatch;
  readonly outcome: FirstOutcome;
  close(): Promise<void>;
}

export interface LoadingEvents {
  /** Files differ from what was first read. */
  onChange(): void;
  onUnwatchable(directory: string, reason: string): void;
}

/** The loader refuses files above 64 MiB; reading standard input ends as soon as it is certain to be refused. */
const STDIN_LIMIT_BYTES = 64 * 1024 * 1024;

export async function startLoading(bootstrap: Bootstrap, events: LoadingEvents): Promise<Loading> {
  const stdin = bootstrap.config.includes('-') ? await readStdin() : undefined;
  const size = { bytes: (): number => 0 };
  const compiler = new ThreadedCompiler(bootstrap, { clock: systemClock, snapshotBytes: () => size.bytes(), ...(stdin === undefined ? {} : { stdin }) });
  const watch = await watchSnapshot(bootstrap.config, { clock: systemClock, onStir: () => compiler.warm(), ...events });
  size.bytes = () => (stdin?.length ?? 0) + watch.totalBytes();
  const close = async (): Promise<void> => {
    watch.close();
    await compiler.close();
  };
  return { compiler, watch, outcome: await compiler.compile(), close };
}

/** Without blocking: signals are answered while the other end of the pipe takes its time. */
async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    total += chunk.length;
    if (total > STDIN_LIMIT_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}
