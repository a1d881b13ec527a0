/** ROUND_ROBIN: hosts in turn, in exact proportion to their weights, from a random start. */

import { hasEqualWeights, isEligible, isUp, type BalancerDeps, type BalancerHost, type LoadBalancer, type PickRequest } from './balancer.ts';
import { EdfBalancer } from './edf.ts';

export function createRoundRobin<H extends BalancerHost>(hosts: readonly H[], deps: BalancerDeps): LoadBalancer<H> {
  return hasEqualWeights(hosts) ? new Rotation(hosts, deps) : new EdfBalancer(hosts, deps, (host) => host.weight);
}

/** Equal weights need no schedule: the next index is the next turn. */
class Rotation<H extends BalancerHost> implements LoadBalancer<H> {
  readonly #hosts: readonly H[];
  readonly #panic: boolean;
  #next: number;

  constructor(hosts: readonly H[], { random, panic }: BalancerDeps) {
    this.#hosts = hosts;
    this.#panic = panic;
    this.#next = Math.floor(random() * hosts.length);
  }

  /** A host that stands in for a sick one takes its own turn by that, so the others keep equal shares. */
  pick(request?: PickRequest<H>): H | undefined {
    const tried = request?.tried;
    const { length } = this.#hosts;
    let up = -1;
    for (let i = 0; i < length; i++) {
      const turn = (this.#next + i) % length;
      const host = this.#hosts[turn] as H;
      if (isEligible(host, tried, this.#panic)) return this.#take(turn);
      if (up === -1 && isUp(host, this.#panic)) up = turn;
    }
    return up === -1 ? undefined : this.#take(up);
  }

  #take(turn: number): H {
    this.#next = turn + 1 === this.#hosts.length ? 0 : turn + 1;
    return this.#hosts[turn] as H;
  }
}
