/** Reads Istio's text access log back into fields, and compares lines with what a row expects. */

import type { ExpectedLog } from '../case.ts';
import type { Backends } from '../targets/target.ts';

export interface LogLine {
  readonly text: string;
  /** Start of the request, ms since the epoch. */
  readonly startMs: number;
  readonly request: string;
  readonly code: number;
  readonly flags: string;
  readonly details: string;
  readonly userAgent: string;
  readonly authority: string;
  /** `address:port`, or `-`. */
  readonly upstreamHost: string;
  readonly route: string;
  /** Port of the client's end. */
  readonly clientPort: number;
}

/** A quoted column; the proxies escape (or cannot let in) a quote, so a column ends at the first bare one. */
const quoted = String.raw`"((?:[^"\\]|\\.)*)"`;

const columns = new RegExp(
  String.raw`^\[(\S+)\] ${quoted} (\d+) (\S+) (\S+) (\S+) ${quoted} (\d+) (\d+) (\S+) (\S+) ${quoted} ${quoted} ${quoted} ${quoted} ${quoted} (\S+) (\S+) (\S+) (\S+) (\S+) (\S+)$`,
);

/** Undefined when the line does not have exactly the columns of the format. */
export function parseLogLine(text: string): LogLine | undefined {
  const field = columns.exec(text);
  if (field === null) return undefined;
  const at = (index: number): string => field[index] ?? '';
  return {
    text,
    startMs: Date.parse(at(1)),
    request: at(2),
    code: Number(at(3)),
    flags: at(4),
    details: at(5),
    userAgent: at(13),
    authority: at(15),
    upstreamHost: at(16),
    clientPort: Number(at(20).split(':').at(-1)),
    route: at(22),
  };
}

/** Differences between the lines of one connection and the expected ones, in order. */
export function logDifferences(lines: readonly LogLine[], expected: readonly ExpectedLog[], backends: Backends): string[] {
  const found = lines.length === expected.length ? [] : [`${lines.length} log lines, expected ${expected.length}: ${lines.map((line) => line.text).join(' ⏎ ')}`];
  expected.forEach((wanted, index) => {
    const line = lines[index];
    if (line !== undefined) found.push(...compareLine(line, wanted, backends));
  });
  return found;
}

function compareLine(line: LogLine, wanted: ExpectedLog, backends: Backends): string[] {
  const found: string[] = [];
  for (const key of ['code', 'flags', 'details', 'request', 'authority', 'route', 'userAgent', 'upstreamHost'] as const) {
    const value = wanted[key];
    if (value === undefined) continue;
    const got = key === 'upstreamHost' ? nameOf(line.upstreamHost, backends) : line[key];
    const fits = value instanceof RegExp ? value.test(String(got)) : value === got;
    if (!fits) found.push(`log ${key}: ${got}, expected ${String(value)}`);
  }
  return found;
}

function nameOf(address: string, backends: Backends): string {
  const named = Object.entries(backends).find(([, port]) => address === `127.0.0.1:${port}`);
  return named?.[0] ?? address;
}
