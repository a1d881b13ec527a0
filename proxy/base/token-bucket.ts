/** A rate as a bucket of tokens: refilled evenly, emptied by `take`. Time is passed in. */

export class TokenBucket {
  readonly #capacity: number;
  readonly #perMs: number;
  #tokens: number;
  #updatedMs: number;

  /** Starts full: `capacity` at once, then `perSecond`. `now` in monotonic milliseconds. */
  constructor(capacity: number, perSecond: number, now: number) {
    this.#capacity = capacity;
    this.#perMs = perSecond / 1000;
    this.#tokens = capacity;
    this.#updatedMs = now;
  }

  /** True when a token was there to take. */
  take(now: number): boolean {
    this.#tokens = Math.min(this.#capacity, this.#tokens + (now - this.#updatedMs) * this.#perMs);
    this.#updatedMs = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
