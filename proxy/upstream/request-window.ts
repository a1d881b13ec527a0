/** How many requests began within the last interval: a sliding window in tenths of it. */

/** Envoy's number of slots. The one under way counts whole, so between nine tenths of the interval and all of it is looked back on. */
const SLOTS = 10;

export class RequestWindow {
  readonly intervalMs: number;
  readonly #counts: Uint32Array = new Uint32Array(SLOTS);
  /** Number of the newest slot since the clock's zero. */
  #newest = 0;
  #total = 0;

  constructor(intervalMs: number) {
    this.intervalMs = intervalMs;
  }

  /** One more request, now. */
  add(nowMs: number): void {
    this.#moveTo(nowMs);
    const at = this.#newest % SLOTS;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#total++;
  }

  count(nowMs: number): number {
    this.#moveTo(nowMs);
    return this.#total;
  }

  /** Forgets the slots that have left the window. */
  #moveTo(nowMs: number): void {
    const slot = Math.floor((nowMs / this.intervalMs) * SLOTS);
    if (slot <= this.#newest) return;
    for (let next = Math.max(this.#newest + 1, slot - SLOTS + 1); next <= slot; next++) {
      const at = next % SLOTS;
      this.#total -= this.#counts[at] ?? 0;
      this.#counts[at] = 0;
    }
    this.#newest = slot;
  }
}
