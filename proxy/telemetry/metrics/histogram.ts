/** Histograms as slices of one array of numbers: an observation is a short search and two additions. */

/** Envoy's default bounds, which Istio uses for milliseconds and bytes alike. */
export const BUCKET_BOUNDS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000,
];

/** Numbers of one histogram: the sum, then a count for each bound and one for what exceeds them all. */
export const HISTOGRAM_SIZE = BUCKET_BOUNDS.length + 2;

/** Counts `value` in the histogram that begins at `start`. */
export function observe(cells: Float64Array, start: number, value: number): void {
  let bucket = 0;
  while (bucket < BUCKET_BOUNDS.length && value > (BUCKET_BOUNDS[bucket] as number)) bucket++;
  cells[start] = (cells[start] as number) + value;
  const at = start + 1 + bucket;
  cells[at] = (cells[at] as number) + 1;
}

/** What a histogram holds, for printing. */
export interface HistogramView {
  readonly sum: number;
  readonly count: number;
  /** Observations at or below each bound. */
  readonly cumulative: readonly number[];
}

export function viewHistogram(cells: Float64Array, start: number): HistogramView {
  const cumulative: number[] = [];
  let count = 0;
  for (let bucket = 0; bucket < BUCKET_BOUNDS.length; bucket++) {
    count += cells[start + 1 + bucket] as number;
    cumulative.push(count);
  }
  count += cells[start + 1 + BUCKET_BOUNDS.length] as number;
  return { sum: cells[start] as number, count, cumulative };
}

/**
 * The value below which `percent` of the observations lie, interpolated within its bucket; the highest bound for what
 * exceeds it, NaN without observations.
 */
export function quantileOf(view: HistogramView, percent: number): number {
  if (view.count === 0) return Number.NaN;
  const rank = (view.count * percent) / 100;
  const bucket = view.cumulative.findIndex((upTo) => upTo > 0 && upTo >= rank);
  if (bucket < 0) return BUCKET_BOUNDS.at(-1) as number;
  const below = bucket === 0 ? 0 : (view.cumulative[bucket - 1] as number);
  const within = (view.cumulative[bucket] as number) - below;
  const low = bucket === 0 ? 0 : (BUCKET_BOUNDS[bucket - 1] as number);
  return low + ((BUCKET_BOUNDS[bucket] as number) - low) * Math.min(1, Math.max(0, (rank - below) / within));
}
