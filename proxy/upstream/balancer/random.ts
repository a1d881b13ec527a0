/** RANDOM: every healthy host equally likely, whatever its weight (Envoy: RandomLoadBalancer). */

import type { Random } from '../../base/random.ts';
import { drawHost, isEligible, MAX_DRAWS, scanHosts, type BalancerHost, type LoadBalancer } from './balancer.ts';

export function createRandomBalancer<H extends BalancerHost>(hosts: readonly H[], random: Random): LoadBalancer<H> {
  return { pick: (request) => pickRandom(hosts, random, request?.tried) };
}

function pickRandom<H extends BalancerHost>(hosts: readonly H[], random: Random, tried: readonly H[] | undefined): H | undefined {
  if (hosts.length === 0) return undefined;
  for (let draws = 0; draws <= MAX_DRAWS; draws++) {
    const host = drawHost(hosts, random);
    if (isEligible(host, tried)) return host;
  }
  return scanHosts(hosts, random, tried);
}
