/** Spans between the moments a stream records, for %DURATION% and its relatives. */

import type { StreamInfo } from '../../stream/stream-info.ts';

/** Whole milliseconds, rounded down as Envoy does; -1 when one of the moments did not come. */
export function durationBetween(fromMs: number, toMs: number): number {
  return fromMs < 0 || toMs < 0 ? -1 : Math.floor(toMs - fromMs);
}

/** Envoy's time points that a stream records: downstream and upstream, first byte received, last byte received, last byte sent. */
const POINTS: Readonly<Record<string, (info: StreamInfo) => number>> = {
  DS_RX_BEG: (info) => info.startMs,
  DS_RX_END: (info) => info.requestCompleteMs,
  US_RX_BEG: (info) => info.responseHeadMs,
  DS_TX_END: (info) => info.endMs,
};

const UNITS_PER_MS: Readonly<Record<string, number>> = { ms: 1, us: 1e3, ns: 1e6 };

/** Reader for `START:END:UNIT` of %COMMON_DURATION%, whole units or -1; or what is wrong with the argument. */
export function createDurationReader(argument: string): ((info: StreamInfo) => number) | string {
  const [from = '', to = '', unit = '', ...rest] = argument.split(':');
  const fromMs = Object.hasOwn(POINTS, from) ? POINTS[from] : undefined;
  const toMs = Object.hasOwn(POINTS, to) ? POINTS[to] : undefined;
  const perMs = Object.hasOwn(UNITS_PER_MS, unit) ? UNITS_PER_MS[unit] : undefined;
  if (fromMs === undefined || toMs === undefined || perMs === undefined || rest.length > 0) {
    return `%COMMON_DURATION(${argument})%: write START:END:UNIT with ${Object.keys(POINTS).join(', ')} and ms, us or ns`;
  }
  return (info) => {
    const start = fromMs(info);
    const end = toMs(info);
    return start < 0 || end < start ? -1 : Math.floor((end - start) * perMs);
  };
}
