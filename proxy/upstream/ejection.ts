/** What outlier detection keeps on a host: types only, so that host and detector both may know them. */

import type { EjectionCause, FailureCounts } from './outlier-decision.ts';

/** A failure this side saw, no answer having come. */
export type LocalOriginFailure = 'connect_failure' | 'connect_timeout' | 'reset' | 'timeout';

/** Why a host is out of service, since when and until when; plain data. */
export interface Ejection {
  readonly cause: EjectionCause;
  /** Errors in a row that led to it. */
  readonly count: number;
  /** The last of them: a status, or the failure without an answer. */
  readonly last: number | LocalOriginFailure;
  /** Wall clock, milliseconds since the epoch. */
  readonly sinceMs: number;
  /** Wall clock; the host returns at the first sweep from then on. */
  readonly untilMs: number;
  readonly durationMs: number;
  /** The base time counts so many times: 1 at the first ejection, one more for each that follows closely. */
  readonly multiplier: number;
}

/** What outlier detection keeps of one host; it hangs on the host, so that an answer costs no look-up. */
export interface OutlierRecord {
  readonly counts: FailureCounts;
  ejection: Ejection | undefined;
  /** Monotonic milliseconds. */
  ejectedAtMs: number;
  multiplier: number;
}
