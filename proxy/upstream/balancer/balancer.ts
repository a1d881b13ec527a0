/** The load balancer's contract: picks one host of a fixed host set; a changed host set gets a new balancer. */

import type { Random } from '../../base/random.ts';

/** What a balancer reads of a host. `weight` stays for the balancer's life; the others may change at any time. */
export interface BalancerHost {
  /** At least 1. */
  readonly weight: number;
  /** Requests in flight now. */
  readonly activeRequests: number;
  /** False while ejected or found sick: such a host is picked in panic only. */
  readonly healthy: boolean;
}

export interface LoadBalancer<H extends BalancerHost> {
  /** A healthy host, or undefined when there is none. Absent `request`: nothing is known that would matter. */
  pick(request?: PickRequest<H>): H | undefined;
  /** To be called after a host's `healthy` or `warmSinceMs` changed, by whoever changed it; absent where nothing depends on it. */
  healthChanged?(): void;
}

/** What a balancer is given besides its hosts. */
export interface BalancerDeps {
  readonly random: Random;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** True: sick hosts are picked like healthy ones (panic). */
  readonly panic: boolean;
}

/** What a pick may depend on besides the hosts themselves. */
export interface PickRequest<H> {
  /** Hosts that earlier attempts of the same request went to: avoided as long as the priority has another healthy one. */
  readonly tried?: readonly H[] | undefined;
  /** Priorities of the hosts in `tried` are avoided as long as another one can take the request (retryRemoteLocalities). */
  readonly avoidTriedPriorities?: boolean;
  /** What consistent hashing goes by, one byte per character, or several such texts in turn; absent: a random host. */
  readonly hashKey?: string | readonly string[] | undefined;
}

/** How often a balancer draws again before it looks through the hosts one by one (Envoy: host_selection_retry_max_attempts). */
export const MAX_DRAWS = 5;

/** True for a host that may be picked at all; `panic` (see BalancerDeps) means any. */
export function isUp(host: BalancerHost, panic: boolean): boolean {
  return host.healthy || panic;
}

/** True for a host that the next attempt should go to. */
export function isEligible<H extends BalancerHost>(host: H, tried: readonly H[] | undefined, panic: boolean): boolean {
  return (host.healthy || panic) && (tried === undefined || !tried.includes(host));
}

export function drawHost<H extends BalancerHost>(hosts: readonly H[], random: Random): H {
  return hosts[Math.floor(random() * hosts.length)] as H;
}

/**
 * Looks through all hosts from a random one on, so that no host inherits the load of all sick ones: the first eligible
 * one, else the first healthy one, else undefined.
 */
export function scanHosts<H extends BalancerHost>(hosts: readonly H[], random: Random, tried: readonly H[] | undefined, panic: boolean): H | undefined {
  const start = Math.floor(random() * hosts.length);
  let healthy: H | undefined;
  for (let i = 0; i < hosts.length; i++) {
    const host = hosts[(start + i) % hosts.length] as H;
    if (!isUp(host, panic)) continue;
    if (isEligible(host, tried, panic)) return host;
    healthy ??= host;
  }
  return healthy;
}

export function hasEqualWeights(hosts: readonly BalancerHost[]): boolean {
  return hosts.every((host) => host.weight === hosts[0]?.weight);
}
