/** Retries of one request: how many are left, and its permit of the cluster's retry breaker. Made when the first one is asked for. */

import { ResponseFlag } from '../stream/response-flags.ts';
import type { StreamInfo } from '../stream/stream-info.ts';
import type { Cluster } from '../upstream/cluster.ts';
import { decideRetry } from './retry.ts';
import type { RetryPolicy } from './retry-policy.ts';

export class RetryGate {
  readonly #cluster: Cluster;
  #left: number;
  /** Held from the decision for a retry to the decision about its outcome (Envoy). */
  #holdsPermit = false;

  constructor(policy: RetryPolicy, cluster: Cluster) {
    this.#cluster = cluster;
    this.#left = policy.config.attempts;
  }

  /** True when the retry asked for may be made; then a permit is held. Else the flag that says why not is set on `info`. */
  pass(info: StreamInfo): boolean {
    const { breaker, stats } = this.#cluster;
    this.release();
    switch (decideRetry(true, this.#left, breaker.retries < breaker.retryLimit)) {
      case 'exhausted':
        stats.upstreamRqRetryLimitExceeded++;
        info.flags |= ResponseFlag.UpstreamRetryLimitExceeded;
        return false;
      case 'overflow':
        this.#left--;
        stats.upstreamRqRetryOverflow++;
        info.flags |= ResponseFlag.UpstreamOverflow;
        return false;
      default:
        this.#left--;
        this.#holdsPermit = breaker.admitRetry();
        stats.upstreamRqRetry++;
        return true;
    }
  }

  release(): void {
    if (!this.#holdsPermit) return;
    this.#holdsPermit = false;
    this.#cluster.breaker.releaseRetry();
  }
}
