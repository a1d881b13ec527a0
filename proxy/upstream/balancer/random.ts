/** RANDOM: every healthy host equally likely, whatever its weight (Envoy: RandomLoadBalancer). */

import { drawHost, isEligible, MAX_DRAWS, scanHosts, type BalancerDeps, type BalancerHost, type LoadBalancer } from './balancer.ts';

export function createRandomBalancer<H extends BalancerHost>(hosts: readonly H[], deps: BalancerDeps): LoadBalancer<H> {
  return { pick: (request) => pickRandom(hosts, deps, request?.tried) };
}

/** The whole of it; also what a hashing balancer does without a key. */
export function pickRandom<H extends BalancerHost>(hosts: readonly H[], { random, panic }: BalancerDeps, tried: readonly H[] | undefined): H | undefined {
  if (hosts.length === 0) return undefined;
  for (let draws = 0; draws <= MAX_DRAWS; draws++) {
    const host = drawHost(hosts, random);
    if (isEligible(host, tried, panic)) return host;
  }
  return scanHosts(hosts, random, tried, panic);
}
