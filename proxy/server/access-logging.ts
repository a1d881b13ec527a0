/** Which access log is written, and its change by a reload. */

import type { TelemetryConfig } from '../../config/runtime/runtime-config.ts';
import type { Clock } from '../base/clock.ts';
import type { Bootstrap } from '../cli/options.ts';
import type { Stream } from '../stream/stream.ts';
import { createAccessLog, type AccessLog } from '../telemetry/access-log/access-log.ts';
import type { LineSinkStats } from '../telemetry/line-sink.ts';

export interface AccessLogChoice {
  /** `-` is standard output; undefined: no log. */
  readonly path: string | undefined;
  readonly encoding: 'TEXT' | 'JSON';
  /** Absent: Istio's default for the encoding. */
  readonly format?: string;
}

/**
 * Flag, then mesh configuration, then standard output. A flag that names only the format keeps the mesh's path, and
 * the other way round; an empty MeshConfig.accessLogFile turns the log off, as in Istio.
 */
export function chooseAccessLog(flags: Bootstrap['accessLog'], mesh: TelemetryConfig['accessLog']): AccessLogChoice {
  const written = flags.path ?? mesh.path ?? '-';
  const path = written === 'off' || written === '' ? undefined : written;
  switch (flags.format) {
    case undefined:
      return { path, encoding: mesh.encoding, ...(mesh.format === undefined ? {} : { format: mesh.format }) };
    case 'text':
      return { path, encoding: 'TEXT' };
    case 'json':
      return { path, encoding: 'JSON' };
    default:
      return { path, encoding: 'TEXT', format: flags.format };
  }
}

/** The access log that is current; none when switched off. */
export class AccessLogging {
  readonly #flags: Bootstrap['accessLog'];
  readonly #clock: Clock;
  readonly #shared: boolean;
  /** Logs that a reload replaced and that still write their last lines. */
  readonly #retiring = new Set<Promise<void>>();
  #choice: AccessLogChoice | undefined;
  #log: AccessLog | undefined;

  /** `shared`: other worker processes write to the same path. */
  constructor(flags: Bootstrap['accessLog'], clock: Clock, shared = false) {
    this.#flags = flags;
    this.#clock = clock;
    this.#shared = shared;
  }

  /** Opens what flags and mesh configuration ask for; with a problem (format, path) the log before it stays. */
  apply(telemetry: TelemetryConfig): string | undefined {
    const choice = chooseAccessLog(this.#flags, telemetry.accessLog);
    if (JSON.stringify(choice) === JSON.stringify(this.#choice)) return undefined;
    const { path, encoding, format } = choice;
    const next = path === undefined ? undefined : createAccessLog({ path, encoding, format, clock: this.#clock, shared: this.#shared });
    if (next !== undefined && 'problem' in next) return next.problem;
    if (this.#log !== undefined) this.#retire(this.#log);
    this.#choice = choice;
    this.#log = next;
    return undefined;
  }

  /** One completed stream. */
  log(stream: Stream): void {
    this.#log?.log(stream);
  }

  /** Counters of the log that is current. */
  stats(): LineSinkStats | undefined {
    return this.#log?.stats;
  }

  /** After a rotation. */
  reopen(): void {
    this.#log?.reopen();
  }

  /** Resolves when the last line has left the process: also that of a log which a reload replaced a moment ago. */
  async close(): Promise<void> {
    await Promise.all([this.#log?.close(), ...this.#retiring]);
  }

  #retire(log: AccessLog): void {
    const closing = log.close().finally(() => this.#retiring.delete(closing));
    this.#retiring.add(closing);
  }
}
