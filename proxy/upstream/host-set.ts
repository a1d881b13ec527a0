/**
 * The hosts of a cluster as its requests see them: priorities that take over from one another as hosts fail, panic when
 * too few are left, shares of localities, and within all that the balancer of the cluster's policy.
 */

import type { LoadBalancerConfig } from '../../config/runtime/cluster.ts';
import type { Random } from '../base/random.ts';
import { Uint64 } from '../base/uint64.ts';
import { xxHash64InTurn } from '../base/xxhash64.ts';
import { MAX_DRAWS, type LoadBalancer, type PickRequest } from './balancer/balancer.ts';
import { createBalancer } from './balancer/create.ts';
import type { HostSetHost } from './balancer/host-set-host.ts';
import { LocalityBalancer } from './balancer/locality.ts';
import { loadsWithout, planPriorities, type PriorityHealth } from './priority-load.ts';

export interface HostSetDeps {
  readonly random: Random;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Told of each pick that was made without regard to health. */
  readonly onPanic?: () => void;
}

/** Envoy's healthy_panic_threshold. */
const DEFAULT_PANIC_PERCENT = 50;

/** Reused by every pick that a key leads to a priority. */
const keyHash = new Uint64();

/**
 * One generation of a cluster's hosts. `healthChanged` must be called after any host's `healthy` or `warmSinceMs` changed:
 * until then loads and tables are those of before, though no sick host is picked meanwhile.
 */
export class HostSet<H extends HostSetHost> implements LoadBalancer<H> {
  readonly #config: LoadBalancerConfig;
  readonly #deps: HostSetDeps;
  /** Preferred first; at least one. */
  readonly #levels: readonly Level<H>[];
  #loads: readonly number[] = [];
  /** The balancer of the only priority while it does not panic; a plain cluster's pick costs one look at this. */
  #only: LoadBalancer<H> | undefined;
  #stale = true;

  constructor(hosts: readonly H[], config: LoadBalancerConfig, deps: HostSetDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#levels = groupByPriority(hosts).map(([priority, level]) => new Level(priority, level, config, deps));
  }

  pick(request?: PickRequest<H>): H | undefined {
    const only = this.#only;
    return only === undefined ? this.#pickByPriority(request) : only.pick(request);
  }

  healthChanged(): void {
    this.#only = undefined;
    this.#stale = true;
    for (const level of this.#levels) level.healthChanged();
  }

  #pickByPriority(request: PickRequest<H> | undefined): H | undefined {
    if (this.#stale) this.#plan();
    if (this.#only !== undefined) return this.#only.pick(request);
    const tried = request?.tried;
    const loads = this.#loadsFor(request);
    let host: H | undefined;
    for (let draws = 0; draws <= MAX_DRAWS; draws++) {
      const level = this.#drawLevel(loads, request?.hashKey);
      const picked = level.balancer.pick(request);
      if (picked === undefined) continue;
      if (level.panic) this.#deps.onPanic?.();
      if (tried?.includes(picked) !== true) return picked;
      host = picked;
    }
    return host;
  }

  #plan(): void {
    for (const level of this.#levels) level.countHealthy();
    const { loads, panic } = planPriorities(this.#levels, this.#config.panicThresholdPercent ?? DEFAULT_PANIC_PERCENT);
    for (const [i, level] of this.#levels.entries()) level.panic = panic[i] as boolean;
    const [first] = this.#levels as [Level<H>];
    this.#only = this.#levels.length === 1 && !first.panic ? first.balancer : undefined;
    this.#loads = loads;
    this.#stale = false;
  }

  #loadsFor(request: PickRequest<H> | undefined): readonly number[] {
    const tried = request?.tried;
    if (request?.avoidTriedPriorities !== true || tried === undefined) return this.#loads;
    const priorities = new Set(tried.map((host) => host.endpoint.priority ?? 0));
    return loadsWithout(this.#levels, (i) => priorities.has((this.#levels[i] as Level<H>).priority)) ?? this.#loads;
  }

  #drawLevel(loads: readonly number[], key: PickRequest<H>['hashKey']): Level<H> {
    let rest = key !== undefined && hashes(this.#config) ? xxHash64InTurn(key, keyHash).modulo(100) : Math.floor(this.#deps.random() * 100);
    for (let i = 0; i < loads.length; i++) {
      const load = loads[i] as number;
      if (rest < load) return this.#levels[i] as Level<H>;
      rest -= load;
    }
    return this.#levels[0] as Level<H>;
  }
}

/** The hosts of one priority, with a balancer that heeds health and, once it is needed, one that does not. */
class Level<H extends HostSetHost> implements PriorityHealth {
  readonly priority: number;
  /** How many there are, and how many of them were healthy when last counted. */
  readonly hosts: number;
  healthy = 0;
  panic = false;
  readonly #hosts: readonly H[];
  readonly #config: LoadBalancerConfig;
  readonly #deps: HostSetDeps;
  readonly #heedful: LoadBalancer<H>;
  #panicking: LoadBalancer<H> | undefined;

  constructor(priority: number, hosts: readonly H[], config: LoadBalancerConfig, deps: HostSetDeps) {
    this.priority = priority;
    this.hosts = hosts.length;
    this.#hosts = hosts;
    this.#config = config;
    this.#deps = deps;
    const localities = config.localityWeighted === true && !hashes(config);
    this.#heedful = localities ? new LocalityBalancer(hosts, deps.random, (local) => this.#create(local, false)) : this.#create(hosts, false);
  }

  get balancer(): LoadBalancer<H> {
    if (!this.panic) return this.#heedful;
    this.#panicking ??= this.#create(this.#hosts, true);
    return this.#panicking;
  }

  countHealthy(): void {
    let healthy = 0;
    for (const host of this.#hosts) if (host.healthy) healthy++;
    this.healthy = healthy;
  }

  healthChanged(): void {
    this.#heedful.healthChanged?.();
    this.#panicking?.healthChanged?.();
  }

  #create(hosts: readonly H[], panic: boolean): LoadBalancer<H> {
    return createBalancer(this.#config, hosts, { random: this.#deps.random, now: this.#deps.now, panic });
  }
}

/** The request's key decides the host, and which priority too; shares of localities are in the tables. */
function hashes({ policy }: LoadBalancerConfig): boolean {
  return policy === 'RING_HASH' || policy === 'MAGLEV';
}

/** In order of priority; one empty level where there are no hosts. */
function groupByPriority<H extends HostSetHost>(hosts: readonly H[]): readonly (readonly [number, readonly H[]])[] {
  const levels = new Map<number, H[]>();
  for (const host of hosts) {
    const priority = host.endpoint.priority ?? 0;
    const level = levels.get(priority);
    if (level === undefined) levels.set(priority, [host]);
    else level.push(host);
  }
  if (levels.size === 0) levels.set(0, []);
  return [...levels].toSorted(([a], [b]) => a - b);
}
