/** ROUND_ROBIN: hosts in turn, in exact proportion to their weights, from a random start. */

import type { Random } from '../../base/random.ts';
import { hasEqualWeights, isEligible, type BalancerHost, type LoadBalancer, type PickRequest } from './balancer.ts';
import { EdfBalancer } from './edf.ts';

export function createRoundRobin<H extends BalancerHost>(hosts: readonly H[], random: Random): LoadBalancer<H> {
  return hasEqualWeights(hosts) ? new Rotation(hosts, random) : new EdfBalancer(hosts, random, (host) => host.weight);
}

/** Equal weights need no schedule: the next index is the next turn. */
class Rotation<H extends BalancerHost> implements LoadBalancer<H> {
  readonly #hosts: readonly H[];
  #next: number;

  constructor(hosts: readonly H[], random: Random) {
    this.#hosts = hosts;
    this.#next = Math.floor(random() * hosts.length);
  }

  /** A host that stands in for a sick one takes its own turn by that, so the others keep equal shares. */
  pick(request?: PickRequest<H>): H | undefined {
    const tried = request?.tried;
    const { length } = this.#hosts;
    let healthy = -1;
    for (let i = 0; i < length; i++) {
      const turn = (this.#next + i) % length;
      const host = this.#hosts[turn] as H;
      if (isEligible(host, tried)) return this.#take(turn);
      if (healthy === -1 && host.healthy) healthy = turn;
    }
    return healthy === -1 ? undefined : this.#take(healthy);
  }

  #take(turn: number): H {
    this.#next = turn + 1 === this.#hosts.length ? 0 : turn + 1;
    return this.#hosts[turn] as H;
  }
}
