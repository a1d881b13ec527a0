/** One column of the stats pages. */

import type { Stat } from '../telemetry/metrics/proxy-stats.ts';

/** A stat that some entities may not have: undefined for those. */
export interface ViewStat<Entity> extends Omit<Stat<Entity>, 'read'> {
  /** Of answers of one status, Istio's tag `response_code`. */
  readonly responseCode?: number | undefined;
  readonly read: (entity: Entity) => number | undefined;
}
