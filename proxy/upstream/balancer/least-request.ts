/**
 * LEAST_REQUEST: the less busy of two hosts drawn at random; with unequal weights, turns by weight over load
 * (Envoy: LeastRequestLoadBalancer, choice_count 2, active_request_bias 1).
 */

import type { Random } from '../../base/random.ts';
import { drawHost, hasEqualWeights, isEligible, isUp, MAX_DRAWS, scanHosts, type BalancerDeps, type BalancerHost, type LoadBalancer, type PickRequest } from './balancer.ts';
import { EdfBalancer } from './edf.ts';

export function createLeastRequest<H extends BalancerHost>(hosts: readonly H[], deps: BalancerDeps): LoadBalancer<H> {
  return hasEqualWeights(hosts) ? new TwoChoices(hosts, deps) : new EdfBalancer(hosts, deps, weightUnderLoad);
}

/** Envoy: active_request_bias 1. */
export function weightUnderLoad(host: BalancerHost): number {
  return host.weight / (host.activeRequests + 1);
}

class TwoChoices<H extends BalancerHost> implements LoadBalancer<H> {
  readonly #hosts: readonly H[];
  readonly #random: Random;
  readonly #panic: boolean;

  constructor(hosts: readonly H[], { random, panic }: BalancerDeps) {
    this.#hosts = hosts;
    this.#random = random;
    this.#panic = panic;
  }

  pick(request?: PickRequest<H>): H | undefined {
    const tried = request?.tried;
    const hosts = this.#hosts;
    if (hosts.length < 2) return hosts[0] !== undefined && isUp(hosts[0], this.#panic) ? hosts[0] : undefined;
    const first = this.#draw(tried);
    const second = this.#draw(tried);
    if (first === undefined || second === undefined) return first ?? second ?? scanHosts(hosts, this.#random, tried, this.#panic);
    return second.activeRequests < first.activeRequests ? second : first;
  }

  #draw(tried: readonly H[] | undefined): H | undefined {
    for (let draws = 0; draws <= MAX_DRAWS; draws++) {
      const host = drawHost(this.#hosts, this.#random);
      if (isEligible(host, tried, this.#panic)) return host;
    }
    return undefined;
  }
}
