/** The live clusters by name. A reload changes, adds and removes; what stays keeps connections and counters. */

import type { ClusterConfig } from '../../config/runtime/cluster.ts';
import { Cluster, type ClusterDeps } from './cluster.ts';

export class Clusters {
  readonly #clusters: Map<string, Cluster> = new Map();
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

  apply(changed: readonly ClusterConfig[], removed: readonly string[]): void {
    for (const config of changed) {
      const cluster = this.#clusters.get(config.name);
      if (cluster === undefined) this.#clusters.set(config.name, new Cluster(config, this.#deps));
      else cluster.update(config);
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
  }
}
