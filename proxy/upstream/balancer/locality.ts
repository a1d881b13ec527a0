/**
 * Locality-weighted balancing: a locality in turn by its weight, less as its hosts fail, then a host of it
 * (Envoy: locality_weighted_lb_config; Istio: localityLbSetting.distribute).
 */

import type { Random } from '../../base/random.ts';
import { availableShare } from '../priority-load.ts';
import { MAX_DRAWS, scanHosts, type BalancerHost, type LoadBalancer, type PickRequest } from './balancer.ts';
import { EdfBalancer } from './edf.ts';
import type { HostSetHost } from './host-set-host.ts';

export class LocalityBalancer<H extends HostSetHost> implements LoadBalancer<H> {
  readonly #hosts: readonly H[];
  readonly #random: Random;
  readonly #localities: readonly Locality<H>[];
  #turns: EdfBalancer<Locality<H>>;
  /** Of all hosts: for when no locality with a weight has a healthy one. */
  readonly #anywhere: LoadBalancer<H>;

  /** `createBalancer` makes the balancer within a locality. */
  constructor(hosts: readonly H[], random: Random, createBalancer: (hosts: readonly H[]) => LoadBalancer<H>) {
    this.#hosts = hosts;
    this.#random = random;
    this.#localities = groupByLocality(hosts).map((local) => new Locality(local, createBalancer(local)));
    this.#turns = this.#schedule();
    this.#anywhere = createBalancer(hosts);
  }

  pick(request?: PickRequest<H>): H | undefined {
    const tried = request?.tried;
    for (let draws = 0; draws <= MAX_DRAWS; draws++) {
      const locality = this.#turns.pick();
      if (locality === undefined) return this.#anywhere.pick(request);
      const host = locality.balancer.pick(request);
      if (host !== undefined && tried?.includes(host) !== true) return host;
    }
    return scanHosts(this.#hosts, this.#random, tried, false);
  }

  healthChanged(): void {
    for (const locality of this.#localities) locality.healthChanged();
    this.#turns = this.#schedule();
    this.#anywhere.healthChanged?.();
  }

  #schedule(): EdfBalancer<Locality<H>> {
    const open = this.#localities.filter((locality) => locality.weight > 0);
    return new EdfBalancer(open, { random: this.#random, panic: false }, (locality) => locality.weight);
  }
}

/** A locality takes turns like a host. */
class Locality<H extends HostSetHost> implements BalancerHost {
  readonly activeRequests = 0;
  readonly healthy = true;
  readonly balancer: LoadBalancer<H>;
  readonly #hosts: readonly H[];
  readonly #fullWeight: number;
  /** × min(1, 1.4 × healthy share). */
  weight = 0;

  constructor(hosts: readonly H[], balancer: LoadBalancer<H>) {
    this.#hosts = hosts;
    this.#fullWeight = hosts[0]?.endpoint.localityWeight ?? 0;
    this.balancer = balancer;
    this.#weigh();
  }

  healthChanged(): void {
    this.#weigh();
    this.balancer.healthChanged?.();
  }

  #weigh(): void {
    const healthy = this.#hosts.filter((host) => host.healthy).length;
    this.weight = this.#fullWeight * availableShare({ hosts: this.#hosts.length, healthy });
  }
}

function groupByLocality<H extends HostSetHost>(hosts: readonly H[]): readonly (readonly H[])[] {
  const localities = new Map<string, H[]>();
  for (const host of hosts) {
    const local = localities.get(host.endpoint.locality);
    if (local === undefined) localities.set(host.endpoint.locality, [host]);
    else local.push(host);
  }
  return [...localities.values()];
}
