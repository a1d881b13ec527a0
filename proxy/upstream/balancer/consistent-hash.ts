/**
 * RING_HASH and MAGLEV around their tables: the request's key decides the host, and the tables follow health
 * (Envoy: ThreadAwareLoadBalancerBase; only healthy hosts are in a table).
 */

import { Uint64 } from '../../base/uint64.ts';
import { xxHash64InTurn } from '../../base/xxhash64.ts';
import { isEligible, isUp, MAX_DRAWS, type BalancerDeps, type LoadBalancer, type PickRequest } from './balancer.ts';
import type { HashTable, HostShare } from './hash-table.ts';
import type { HostSetHost } from './host-set-host.ts';

/** The first change of health rebuilds the table at the next pick, further ones within this time only after it (Envoy: update_merge_window). */
const MERGE_WINDOW_MS = 1000;

export interface HashOptions {
  readonly createTable: (hosts: readonly HostShare[]) => HashTable;
  /** Hosts have their share of their locality's share, by `localityWeight`. */
  readonly byLocality: boolean;
}

/** Reused by every pick: nothing in here waits or calls back. */
const position = new Uint64();

export class ConsistentHashBalancer<H extends HostSetHost> implements LoadBalancer<H> {
  readonly #hosts: readonly H[];
  readonly #options: HashOptions;
  readonly #deps: BalancerDeps;
  /** The hosts the table was built from. */
  #members: readonly H[] = [];
  #table: HashTable | undefined;
  #stale = true;
  #builtMs = 0;

  /** The table is built at the first pick. */
  constructor(hosts: readonly H[], options: HashOptions, deps: BalancerDeps) {
    this.#hosts = hosts;
    this.#options = options;
    this.#deps = deps;
  }

  pick(request?: PickRequest<H>): H | undefined {
    if (this.#stale) this.#rebuildWhenDue();
    const { random, panic } = this.#deps;
    const key = request?.hashKey;
    if (key === undefined) position.set(random() * 4_294_967_296, random() * 4_294_967_296);
    else xxHash64InTurn(key, position);
    const tried = request?.tried;
    if (this.#table === undefined) return this.#search(tried);
    const host = this.#members[this.#table.hostAt(position, 0)] as H;
    return isEligible(host, tried, panic) ? host : this.#pickAnother(this.#table, tried);
  }

  healthChanged(): void {
    // In panic nobody asks for health.
    if (!this.#deps.panic) this.#stale = true;
  }

  /** Until a sick host is out of the table, and for a retry that avoids hosts: where the same key leads next. */
  #pickAnother(table: HashTable, tried: readonly H[] | undefined): H | undefined {
    for (let attempt = 1; attempt <= MAX_DRAWS; attempt++) {
      const host = this.#members[table.hostAt(position, attempt)] as H;
      if (isEligible(host, tried, this.#deps.panic)) return host;
    }
    return this.#search(tried);
  }

  /** All hosts one by one, from one on that the key decides. */
  #search(tried: readonly H[] | undefined): H | undefined {
    const hosts = this.#hosts;
    if (hosts.length === 0) return undefined;
    const start = position.modulo(hosts.length);
    let up: H | undefined;
    for (let i = 0; i < hosts.length; i++) {
      const host = hosts[(start + i) % hosts.length] as H;
      if (isEligible(host, tried, this.#deps.panic)) return host;
      if (up === undefined && isUp(host, this.#deps.panic)) up = host;
    }
    return up;
  }

  #rebuildWhenDue(): void {
    const now = this.#deps.now();
    if (this.#table !== undefined && now - this.#builtMs < MERGE_WINDOW_MS) return;
    const up = this.#hosts.filter((host) => isUp(host, this.#deps.panic));
    const shares = this.#options.byLocality ? sharesByLocality(up, this.#hosts) : sharesOf(up, 1);
    this.#members = shares.map(({ host }) => host);
    this.#table = shares.length === 0 ? undefined : this.#options.createTable(shares);
    this.#builtMs = now;
    this.#stale = false;
  }
}

interface Member<H> extends HostShare {
  readonly host: H;
}

/** In the order of Envoy's arithmetic, whose rounding decides a point here and there. */
function sharesOf<H extends HostSetHost>(hosts: readonly H[], whole: number): Member<H>[] {
  const total = hosts.reduce((sum, { weight }) => sum + weight, 0);
  return hosts.map((host) => ({ host, address: host.address, share: (host.weight * whole) / total }));
}

/** A locality without weight has no share; where none of those with one has a host, all hosts share alike. */
function sharesByLocality<H extends HostSetHost>(up: readonly H[], all: readonly H[]): Member<H>[] {
  const weights = new Map<string, number>();
  for (const { endpoint } of all) weights.set(endpoint.locality, endpoint.localityWeight ?? 0);
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  const shares: Member<H>[] = [];
  for (const [locality, weight] of weights) {
    if (weight === 0) continue;
    const local = up.filter(({ endpoint }) => endpoint.locality === locality);
    shares.push(...sharesOf(local, weight / total));
  }
  return shares.length === 0 ? sharesOf(up, 1) : shares;
}
