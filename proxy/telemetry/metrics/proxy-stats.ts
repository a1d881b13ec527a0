/** Envoy's names for the counters and gauges of clusters and listeners, derived from the fields that hold them. */

import { ClusterStats, ListenerStats } from '../stats.ts';

/** A stats object: its fields are numbers and nothing else. */
type Counts<Stats> = { readonly [Field in keyof Stats]: number };

export interface StatDefinition<Stats> {
  readonly field: keyof Stats & string;
  /** `upstream_rq_2xx`: the end of the name at /stats. */
  readonly name: string;
  /** `upstream_rq`: the end of the Prometheus name; response classes share one and differ by a label (Istio's tag rules). */
  readonly family: string;
  /** `2xx`, for a count of one response class. */
  readonly responseClass: string | undefined;
  readonly kind: 'counter' | 'gauge';
}

/** `cluster.<name>.*`, sorted by name. */
export const CLUSTER_STATS: readonly StatDefinition<ClusterStats>[] = definitionsOf(new ClusterStats());
/** `http.<prefix>.*`, sorted by name. */
export const HTTP_STATS: readonly StatDefinition<ListenerStats>[] = definitionsOf(new ListenerStats());
/** `listener.<address>.*`: the connections only. */
export const LISTENER_STATS: readonly StatDefinition<ListenerStats>[] = HTTP_STATS.filter(
  ({ name }) => name === 'downstream_cx_active' || name === 'downstream_cx_total',
);

/** Sets every counter to zero and leaves the gauges, as Envoy's /reset_counters does. */
export function resetCounters(stats: ClusterStats | ListenerStats): void {
  for (const field of Object.keys(stats)) if (kindOf(field) === 'counter') Reflect.set(stats, field, 0);
}

/** Something was counted or is open: what nobody used is left out of /stats. */
export function isUsed<Stats extends Counts<Stats>>(stats: Stats, definitions: readonly StatDefinition<Stats>[]): boolean {
  return definitions.some(({ field }) => stats[field] !== 0);
}

function definitionsOf<Stats extends object>(stats: Stats): readonly StatDefinition<Stats>[] {
  const fields = Object.keys(stats) as (keyof Stats & string)[];
  return fields.map((field) => definitionOf<Stats>(field)).sort((left, right) => (left.name < right.name ? -1 : 1));
}

function definitionOf<Stats>(field: keyof Stats & string): StatDefinition<Stats> {
  const name = field.replaceAll(/[A-Z]|\d(?=xx)/g, (mark) => `_${mark.toLowerCase()}`);
  const responseClass = /_(\dxx)$/.exec(name)?.[1];
  const family = responseClass === undefined ? name : name.slice(0, -responseClass.length - 1);
  return { field, name, family, responseClass, kind: kindOf(field) };
}

function kindOf(field: string): 'counter' | 'gauge' {
  return field.endsWith('Active') ? 'gauge' : 'counter';
}
