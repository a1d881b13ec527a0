/** The access log: one line for each completed stream. */

import type { Clock } from '../../base/clock.ts';
import type { Stream } from '../../stream/stream.ts';
import { createLineSink, type LineSinkStats } from '../line-sink.ts';
import { compileFormat, type FormatProblem } from './format.ts';

export interface AccessLog {
  /** Call once, when the stream has completed. */
  log(stream: Stream): void;
  /** Resolves when every line so far has left the process. */
  flush(): Promise<void>;
  /** Opens the file anew, after a rotation. */
  reopen(): void;
  /** Flushes and closes; waits for a stalled reader no longer than a second. */
  close(): Promise<void>;
  readonly stats: LineSinkStats;
}

export interface AccessLogOptions {
  readonly encoding: 'TEXT' | 'JSON';
  /** Istio's default for the encoding when absent. */
  readonly format?: string | undefined;
  /** `-` and `/dev/stdout` are standard output, `/dev/stderr` standard error, anything else a file. */
  readonly path: string;
  readonly clock: Clock;
  /** Other processes write to the same path. */
  readonly shared?: boolean;
}

/** The log, or what is wrong with its format or its path. */
export function createAccessLog(options: AccessLogOptions): AccessLog | FormatProblem {
  const format = compileFormat(options.encoding, options.format);
  if ('problem' in format) return format;
  const sink = createLineSink({ path: options.path, clock: options.clock, shared: options.shared ?? false });
  if ('problem' in sink) return sink;
  return {
    log: (stream) => sink.write(format(stream)),
    flush: () => sink.flush(),
    reopen: () => sink.reopen(),
    close: () => sink.close(),
    stats: sink.stats,
  };
}
