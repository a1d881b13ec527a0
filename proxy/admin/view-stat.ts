/** One column of the stats pages. */

import type { Stat } from '../telemetry/metrics/proxy-stats.ts';

/** A stat that some entities may not have: undefined for those. */
export interface ViewStat<Entity> extends Omit<Stat<Entity>, 'read'> {
  /** Of answers of one status, Istio's tag `response_code`. */
  readonly responseCode?: number | undefined;
  readonly read: (entity: Entity) => number | undefined;
}

/** Objects of one sort with the stats that each of them has. */
export interface StatGroup<Entity> {
  /** First word of the names: `cluster`, `http`, `listener`. */
  readonly scope: string;
  /** Prometheus label that holds the entity's name (Istio's tag names). */
  readonly label: string;
  readonly entities: readonly Entity[];
  readonly nameOf: (entity: Entity) => string;
  readonly stats: readonly ViewStat<Entity>[];
}
