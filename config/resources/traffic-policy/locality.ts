/** `localityLbSetting` and `zoneAwareLbSetting`, in DestinationRule and MeshConfig. */

import type { Report, Schema } from '../schema.ts';
import { boolean, integer, list, map, object, text } from '../schema.ts';
import type { LocalityFailover, LocalityLbSetting, ZoneAwareLbSetting } from './types.ts';

type Distribute = NonNullable<LocalityLbSetting['distribute']>[number];

const failover: Schema<LocalityFailover> = object<LocalityFailover>({ from: text, to: text }, { check: checkFailover });

const distribute: Schema<Distribute> = object<Distribute>(
  { from: text, to: map(integer(1, 100)) },
  {
    check: ({ to = {} }, report) => {
      checkLocalities(Object.keys(to), (index, message) => report.error(['to', Object.keys(to)[index]!], message));
      const total = Object.values(to).reduce((sum, weight) => sum + weight, 0);
      if (total !== 100) report.error(['to'], `the weights must sum to 100, they sum to ${total}`);
    },
  },
);

export const localityLbSetting: Schema<LocalityLbSetting> = object<LocalityLbSetting>(
  { enabled: boolean, distribute: list(distribute), failover: list(failover), failoverPriority: list(text) },
  {
    check: (value, report) => {
      const froms = (value.distribute ?? []).map((entry) => entry.from ?? '');
      checkLocalities(froms, (index, message) => report.error(['distribute', index, 'from'], message));
      if (froms.length > 0 && (value.failover ?? []).length > 0) report.error(['failover'], 'cannot be combined with distribute');
      checkPriority(value, report);
    },
  },
);

export const zoneAwareLbSetting: Schema<ZoneAwareLbSetting> = object<ZoneAwareLbSetting>(
  { enabled: boolean, failover: list(failover), failoverPriority: list(text), minClusterSize: integer(1, 0xff_ff_ff_ff) },
  { check: checkPriority },
);

function checkFailover(value: LocalityFailover, report: Report): void {
  if (value.from === value.to) report.error(['to'], `must differ from from (${JSON.stringify(value.from ?? '')})`);
  for (const side of ['from', 'to'] as const) {
    const region = value[side] ?? '';
    if (region.includes('/')) report.error([side], `${JSON.stringify(region)}: only a region may be given, without "/"`);
    if (region.includes('*')) report.error([side], `${JSON.stringify(region)}: a region must not have a wildcard`);
  }
}

const topologyLabels = ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone', 'topology.istio.io/subzone'];

function checkPriority(value: { readonly failover?: readonly unknown[]; readonly failoverPriority?: readonly string[] }, report: Report): void {
  for (const [index, entry] of (value.failoverPriority ?? []).entries()) {
    if (entry === '' || entry.startsWith('=')) report.error(['failoverPriority', index], 'a label key must not be empty');
    if ((value.failover ?? []).length > 0 && topologyLabels.includes(entry)) {
      report.error(['failoverPriority', index], `${entry} cannot be combined with failover, which orders by region itself`);
    }
  }
}

/** `region/zone/subzone`, a `*` only at the end; none may lie within an earlier one (a narrow one before the wildcard over it is how to write exceptions). */
function checkLocalities(localities: readonly string[], refuse: (index: number, message: string) => void): void {
  for (const [index, locality] of localities.entries()) {
    const problem = localityProblem(locality);
    const rival = localities.slice(0, index).find((earlier) => isWithin(locality, earlier));
    if (problem !== undefined) refuse(index, problem);
    else if (rival !== undefined) refuse(index, `${JSON.stringify(locality)} overlaps with ${JSON.stringify(rival)}`);
  }
}

function localityProblem(locality: string): string | undefined {
  const shown = JSON.stringify(locality);
  if (segmentsOf(locality).includes('')) return `${shown} is not region, region/zone or region/zone/subzone`;
  if (locality.slice(0, -1).includes('*')) return `${shown}: a wildcard is only allowed at the end`;
  return undefined;
}

/**
 * Istio's notion: the same, or below it, or it below a whole wildcard segment. A region after one of its zones counts
 * as well, and `us-*` does not cover `us-west`.
 */
function isWithin(locality: string, earlier: string): boolean {
  const [inner, outer] = [segmentsOf(locality), segmentsOf(earlier)];
  for (const [i, segment] of outer.entries()) {
    if (segment === '*') return true;
    if (inner[i] === undefined) return true;
    if (inner[i] !== segment) return false;
  }
  return true;
}

/** Three at most: a subzone may hold further slashes. */
function segmentsOf(locality: string): readonly string[] {
  const [region = '', zone, ...subzone] = locality.split('/');
  return [region, ...(zone === undefined ? [] : [zone]), ...(subzone.length === 0 ? [] : [subzone.join('/')])];
}
