/** Slow start around a balancer: while a host warms up, turns go by weights that grow with its age; after that nothing is left of it. */

import type { WarmupConfig } from '../../../config/runtime/cluster.ts';
import { warmupFactor } from '../slow-start.ts';
import type { BalancerDeps, LoadBalancer, PickRequest } from './balancer.ts';
import { EdfBalancer } from './edf.ts';
import type { HostSetHost } from './host-set-host.ts';

export class SlowStartBalancer<H extends HostSetHost> implements LoadBalancer<H> {
  readonly #hosts: readonly H[];
  readonly #warmup: WarmupConfig;
  readonly #deps: BalancerDeps;
  readonly #fullWeight: (host: H) => number;
  readonly #steady: LoadBalancer<H>;
  #warming: LoadBalancer<H> | undefined;
  /** When the last host is warm, monotonic milliseconds. */
  #warmAtMs = 0;

  /** `steady` balances when all are warm, `fullWeight` is what a warm host would weigh by the same policy. */
  constructor(hosts: readonly H[], warmup: WarmupConfig, deps: BalancerDeps, fullWeight: (host: H) => number, steady: LoadBalancer<H>) {
    this.#hosts = hosts;
    this.#warmup = warmup;
    this.#deps = deps;
    this.#fullWeight = fullWeight;
    this.#steady = steady;
    this.healthChanged();
  }

  pick(request?: PickRequest<H>): H | undefined {
    if (this.#warming === undefined) return this.#steady.pick(request);
    if (this.#deps.now() < this.#warmAtMs) return this.#warming.pick(request);
    this.#warming = undefined;
    return this.#steady.pick(request);
  }

  healthChanged(): void {
    this.#warmAtMs = this.#hosts.reduce((latest, { warmSinceMs }) => Math.max(latest, warmSinceMs + this.#warmup.durationMs), -Infinity);
    if (this.#deps.now() >= this.#warmAtMs) return;
    this.#warming ??= new EdfBalancer(this.#hosts, this.#deps, (host) => this.#weightNow(host));
  }

  /** A sick host, which only panic picks, does not warm up. */
  #weightNow(host: H): number {
    const weight = this.#fullWeight(host);
    return host.healthy ? weight * warmupFactor(this.#deps.now() - host.warmSinceMs, this.#warmup) : weight;
  }
}
