/** TCP connections under way: what they have carried so far is told from time to time, since many of them do not end for days. */

import type { Stream } from '../stream/stream.ts';

/** Istio's tcp_reporting_duration. */
const REPORT_MS = 5000;

export class LiveConnections {
  readonly #report: (stream: Stream) => void;
  readonly #live: Map<Stream, () => boolean> = new Map();
  #reportedMs = -Infinity;

  /** `report` is told of each connection every five seconds, but not of its end. */
  constructor(report: (stream: Stream) => void) {
    this.#report = report;
  }

  /** `update` brings the stream's bytes and upstream up to date; false: it has none yet, so there is nothing to tell. */
  add(stream: Stream, update: () => boolean): void {
    this.#live.set(stream, update);
  }

  remove(stream: Stream): void {
    this.#live.delete(stream);
  }

  /** About once a second. */
  sweep(now: number): void {
    if (now - this.#reportedMs < REPORT_MS) return;
    this.#reportedMs = now;
    for (const [stream, update] of this.#live) if (update()) this.#report(stream);
  }
}
