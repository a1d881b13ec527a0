/** What a cluster does about failing hosts and full limits, told to the process log: ejections at once, overflow now and then. */

import type { ClusterConfig } from '../../config/runtime/cluster.ts';
import type { ClusterStats } from '../telemetry/stats.ts';
import { outlierSentence } from './ejection-words.ts';
import type { OutlierEvent } from './outlier-detector.ts';
import { overflowCounts, overflowsOf } from './overflows.ts';

/** Limits do their work many times a second under load; they are told of at most this often. */
const OVERFLOW_EVERY_MS = 10_000;
const TLS_EVERY_MS = 1000;

export class ClusterReport {
  readonly #report: (sentence: string) => void;
  /** The last refusal to eject that was not told yet, and how many there were. */
  #kept: (() => string) | undefined;
  #timesKept = 0;
  /** Counts of overflow that were told. */
  #told: readonly number[] = [];
  #nextMs = -Infinity;
  #nextTlsMs = -Infinity;

  constructor(report: (sentence: string) => void) {
    this.#report = report;
  }

  onOutlier(event: OutlierEvent, cluster: string): void {
    const render = (): string => outlierSentence(event, cluster);
    if (event.kind !== 'kept') {
      this.#report(render());
      return;
    }
    this.#kept = render;
    this.#timesKept++;
  }

  /** Requests fail one after the other for the same reason: the first is told, then one now and then. */
  onTlsFailure(cluster: string, address: string, sentence: string, nowMs: number): void {
    if (nowMs < this.#nextTlsMs) return;
    this.#nextTlsMs = nowMs + TLS_EVERY_MS;
    this.#report(`TLS handshake with ${address} of ${cluster} failed: ${sentence}`);
  }

  /** About once a second. Whoever counts an overflow does nothing for it; here the counters are compared. */
  sweep(config: ClusterConfig, stats: ClusterStats, nowMs: number): void {
    if (nowMs < this.#nextMs) return;
    const sentences = [...this.#freshOverflows(config, stats), ...this.#freshlyKept()];
    if (sentences.length > 0) this.#nextMs = nowMs + OVERFLOW_EVERY_MS;
    for (const sentence of sentences) this.#report(sentence);
  }

  #freshOverflows(config: ClusterConfig, stats: ClusterStats): readonly string[] {
    const counts = overflowCounts(stats);
    const told = this.#told;
    this.#told = counts;
    // Lower than before: counters were set back (/reset_counters), so all of it is new.
    const fresh = counts.map((count, i) => (count < (told[i] ?? 0) ? count : count - (told[i] ?? 0)));
    return overflowsOf(config, fresh).map(({ sentence }) => `overflow at ${config.name}: ${sentence}`);
  }

  #freshlyKept(): readonly string[] {
    const kept = this.#kept;
    if (kept === undefined) return [];
    const times = this.#timesKept;
    this.#kept = undefined;
    this.#timesKept = 0;
    return [times === 1 ? kept() : `${kept()}; ${times} times since this was last told`];
  }
}
