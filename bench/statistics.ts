/** Median and spread of the rounds. */

import type { Metric, Sample } from './types.ts';

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}

/** Summary of one metric of one peer; undefined when no round gave it. */
export function summarise(samples: readonly Sample[], peer: string, metric: Metric): Summary | undefined {
  const values = samples.filter((sample) => sample.peer === peer && sample.metric === metric).map((sample) => sample.value);
  const sorted = values.sort((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) return undefined;
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] ?? min) + (sorted[Math.ceil(middle)] ?? max)) / 2;
  return { median, min, max, rounds: sorted.length };
}
