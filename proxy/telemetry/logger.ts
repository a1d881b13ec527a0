/**
 * The process log: one line of text per event on standard error, its level changeable while running.
 * Ours rather than pino: pino took 16 to 28 ms to load where the whole start has a budget of 150, and its speed under
 * load does not matter here, for no line is written on the path of a request.
 */

import type { Clock } from '../base/clock.ts';
import { createLineSink, type LineSink } from './line-sink.ts';

/** From most to least; `critical` and `off` leave nothing, for nothing here is worse than an error that is survived. */
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'critical', 'off'] as const;
export type LogLevel = (typeof LEVELS)[number];

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** The log of the process: makes the loggers of its parts and holds the level they share. */
export interface ProcessLog {
  /** `scope` is the part of the proxy that speaks: `config`, `listener`, … */
  scoped(scope: string): Logger;
  level(): LogLevel;
  /** False, and nothing changed, when there is no such level. `warning` is understood as `warn`. */
  setLevel(level: string): boolean;
  /** Resolves when every line so far has left the process. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface ProcessLogOptions {
  readonly level: LogLevel;
  readonly clock: Clock;
  /** Standard error when absent. */
  readonly sink?: LineSink;
}

/** A burst of lines leaves in one write; a single one hardly waits. */
const FLUSH_DELAY_MS = 5;

export function createProcessLog(options: ProcessLogOptions): ProcessLog {
  const { clock } = options;
  const sink = options.sink ?? standardError(clock);
  let level: LogLevel = options.level;
  let threshold = LEVELS.indexOf(level);

  const write = (scope: string, of: LogLevel, message: string, fields: LogFields | undefined): void => {
    if (LEVELS.indexOf(of) < threshold) return;
    sink.write(renderLine(clock.wallTime(), of, scope, message, fields));
  };

  return {
    scoped: (scope) => ({
      debug: (message, fields) => write(scope, 'debug', message, fields),
      info: (message, fields) => write(scope, 'info', message, fields),
      warn: (message, fields) => write(scope, 'warn', message, fields),
      error: (message, fields) => write(scope, 'error', message, fields),
    }),
    level: () => level,
    setLevel(name) {
      const known = parseLevel(name);
      if (known === undefined) return false;
      level = known;
      threshold = LEVELS.indexOf(known);
      return true;
    },
    flush: () => sink.flush(),
    close: () => sink.close(),
  };
}

function standardError(clock: Clock): LineSink {
  const sink = createLineSink({ path: '/dev/stderr', clock, flushDelayMs: FLUSH_DELAY_MS });
  if ('problem' in sink) throw new Error(sink.problem);
  return sink;
}

function parseLevel(name: string): LogLevel | undefined {
  const wanted = name === 'warning' ? 'warn' : name;
  return LEVELS.find((level) => level === wanted);
}

/** `2026-11-21T08:49:01.007Z info config snapshot loaded version=ab12 services=4`. */
function renderLine(wallTime: number, level: LogLevel, scope: string, message: string, fields: LogFields | undefined): string {
  let line = `${new Date(wallTime).toISOString()} ${level} ${scope} ${oneLine(message)}`;
  for (const [key, value] of Object.entries(fields ?? {})) {
    if (value !== undefined) line += ` ${key}=${renderValue(value)}`;
  }
  return `${line}\n`;
}

/** Controls are escaped: a message may quote a peer or a file, and one event stays one line. */
function oneLine(text: string): string {
  return text.replaceAll(/[\0-\x1f\x7f-\x9f\u2028\u2029]/g, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function renderValue(value: string | number | boolean): string {
  if (typeof value !== 'string') return `${value}`;
  return /^[^\s"=]+$/.test(value) ? oneLine(value) : oneLine(JSON.stringify(value));
}
