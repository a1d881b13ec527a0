/** The live clusters by name. A reload changes, adds and removes; what stays keeps connections and counters. */

import type { ClusterConfig } from '../../config/runtime/cluster.ts';
import type { Timer } from '../base/clock.ts';
import { Cluster, type ClusterDeps } from './cluster.ts';

/** How long a change may wait for names to be looked up. */
const WARM_LIMIT_MS = 1000;

export class Clusters {
  readonly #clusters: Map<string, Cluster> = new Map();
  /** Made by `warm`, not yet applied. */
  readonly #warmed: Map<ClusterConfig, Cluster> = new Map();
  readonly #deps: ClusterDeps;

  constructor(deps: ClusterDeps) {
    this.#deps = deps;
  }

  get(name: string): Cluster | undefined {
    return this.#clusters.get(name);
  }

  all(): Iterable<Cluster> {
    return this.#clusters.values();
  }

  /**
   * Makes the new clusters that `apply` is about to be given, and waits until their names are looked up: the first request
   * to one must not find it empty. A name that takes longer than the limit is waited for no more.
   */
  async warm(changed: readonly ClusterConfig[]): Promise<void> {
    this.#forgetWarmed();
    const named = changed.filter(({ name, discovery }) => (discovery === 'DNS' || discovery === 'DNS_ROUND_ROBIN') && !this.#clusters.has(name));
    if (named.length === 0) return;
    const warming = named.map((config) => {
      const cluster = new Cluster(config, this.#deps);
      this.#warmed.set(config, cluster);
      return cluster.warm;
    });
    let limit: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      limit = this.#deps.clock.setTimer(WARM_LIMIT_MS, resolve);
    });
    await Promise.race([Promise.all(warming), late]);
    limit?.cancel();
  }

  apply(changed: readonly ClusterConfig[], removed: readonly string[]): void {
    for (const config of changed) {
      const cluster = this.#clusters.get(config.name);
      if (cluster === undefined) this.#clusters.set(config.name, this.#warmed.get(config) ?? new Cluster(config, this.#deps));
      else cluster.update(config);
      this.#warmed.delete(config);
    }
    for (const name of removed) {
      this.#clusters.get(name)?.drain();
      this.#clusters.delete(name);
    }
  }

  sweep(now: number): void {
    for (const cluster of this.#clusters.values()) cluster.sweep(now);
  }

  destroy(): void {
    for (const cluster of this.#clusters.values()) cluster.destroy();
    this.#clusters.clear();
    this.#forgetWarmed();
  }

  /** Of a change that was never applied. */
  #forgetWarmed(): void {
    for (const cluster of this.#warmed.values()) cluster.destroy();
    this.#warmed.clear();
  }
}
