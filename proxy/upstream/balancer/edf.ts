/**
 * Earliest deadline first: each turn moves a host's deadline 1/weight further, so that weights 1 and 3 are served
 * 1101 1101 … and not merely on average (Envoy: EdfScheduler).
 */

import type { Random } from '../../base/random.ts';
import { isUp, MAX_DRAWS, scanHosts, type BalancerDeps, type BalancerHost, type LoadBalancer, type PickRequest } from './balancer.ts';

interface Entry<H> {
  readonly host: H;
  /** Weight at its last turn, when its turns were last counted from, and how many there have been since. */
  weight: number;
  start: number;
  turns: number;
  /** start + turns / weight: not a running sum, whose rounding would break ties that the weights make equal. */
  deadline: number;
  /** Ties go to the entry that was queued first. */
  order: number;
}

export class EdfBalancer<H extends BalancerHost> implements LoadBalancer<H> {
  readonly #hosts: readonly H[];
  readonly #random: Random;
  readonly #panic: boolean;
  readonly #effectiveWeight: (host: H) => number;
  /** Binary heap, nearest deadline first. */
  readonly #queue: Entry<H>[] = [];
  /** Sick hosts whose turn came; they wait here and cost a pick nothing until they are well. */
  readonly #parked: Entry<H>[] = [];
  #now = 0;
  #order = 0;

  /** `effectiveWeight` is read when a host's turn comes. Starts at a random turn, so that many proxies do not march together. */
  constructor(hosts: readonly H[], { random, panic }: Pick<BalancerDeps, 'random' | 'panic'>, effectiveWeight: (host: H) => number) {
    this.#hosts = hosts;
    this.#random = random;
    this.#panic = panic;
    this.#effectiveWeight = effectiveWeight;
    for (const host of hosts) this.#enqueue({ host, weight: 0, start: 0, turns: 0, deadline: 0, order: 0 });
    for (let skipped = Math.floor(random() * hosts.length); skipped > 0; skipped--) this.#nextTurn();
  }

  pick(request?: PickRequest<H>): H | undefined {
    const tried = request?.tried;
    let host = this.#nextTurn();
    if (tried === undefined || host === undefined) return host;
    for (let draws = 0; draws < MAX_DRAWS && host !== undefined && tried.includes(host); draws++) host = this.#nextTurn();
    return host !== undefined && tried.includes(host) ? scanHosts(this.#hosts, this.#random, tried, this.#panic) : host;
  }

  #nextTurn(): H | undefined {
    if (this.#parked.length > 0) this.#readmit();
    for (let entry = this.#queue[0]; entry !== undefined; entry = this.#queue[0]) {
      if (isUp(entry.host, this.#panic)) {
        this.#now = entry.deadline;
        this.#setDeadline(entry);
        this.#sink(entry);
        return entry.host;
      }
      this.#parked.push(this.#dequeue());
    }
    return undefined;
  }

  /** One parked host is looked at per turn; all of them when nobody else is left. */
  #readmit(): void {
    const looks = this.#queue.length === 0 ? this.#parked.length : 1;
    for (let i = 0; i < looks; i++) {
      const entry = this.#parked.shift() as Entry<H>;
      if (isUp(entry.host, this.#panic)) this.#enqueue(entry);
      else this.#parked.push(entry);
    }
  }

  #setDeadline(entry: Entry<H>): void {
    const weight = this.#effectiveWeight(entry.host);
    if (weight !== entry.weight) {
      entry.weight = weight;
      entry.start = this.#now;
      entry.turns = 0;
    }
    entry.deadline = entry.start + ++entry.turns / weight;
    entry.order = this.#order++;
  }

  #enqueue(entry: Entry<H>): void {
    // Counts from now on: a host that was parked does not make up for the turns it missed.
    entry.weight = 0;
    this.#setDeadline(entry);
    const queue = this.#queue;
    let index = queue.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(entry, queue[parent] as Entry<H>)) break;
      queue[index] = queue[parent] as Entry<H>;
      index = parent;
    }
    queue[index] = entry;
  }

  /** Takes the first entry out. */
  #dequeue(): Entry<H> {
    const first = this.#queue[0] as Entry<H>;
    const last = this.#queue.pop() as Entry<H>;
    if (last !== first) this.#sink(last);
    return first;
  }

  /** Puts `entry` in the first place and moves it down to its own. */
  #sink(entry: Entry<H>): void {
    const queue = this.#queue;
    let index = 0;
    for (let child = 1; child < queue.length; child = 2 * index + 1) {
      if (child + 1 < queue.length && isBefore(queue[child + 1] as Entry<H>, queue[child] as Entry<H>)) child++;
      if (!isBefore(queue[child] as Entry<H>, entry)) break;
      queue[index] = queue[child] as Entry<H>;
      index = child;
    }
    queue[index] = entry;
  }
}

function isBefore<H>(a: Entry<H>, b: Entry<H>): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order);
}
