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
    const label = entry.split('=', 1)[0]!;
    if (label === '') report.error(['failoverPriority', index], 'a label key must not be empty');
    if ((value.failover ?? []).length > 0 && topologyLabels.includes(label)) {
      report.error(['failoverPriority', index], `${label} cannot be combined with failover, which orders by region itself`);
    }
  }
}

/** `region/zone/subzone`, a `*` only at the end; two of one list must not cover each other. */
function checkLocalities(localities: readonly string[], refuse: (index: number, message: string) => void): void {
  for (const [index, locality] of localities.entries()) {
    const problem = localityProblem(locality);
    const rival = localities.slice(0, index).find((earlier) => overlap(earlier, locality));
    if (problem !== undefined) refuse(index, problem);
    else if (rival !== undefined) refuse(index, `${JSON.stringify(locality)} overlaps with ${JSON.stringify(rival)}`);
  }
}

function localityProblem(locality: string): string | undefined {
  const segments = locality.split('/');
  const shown = JSON.stringify(locality);
  if (segments.length > 3 || segments.includes('')) return `${shown} is not region, region/zone or region/zone/subzone`;
  if (locality.slice(0, -1).includes('*')) return `${shown}: a wildcard is only allowed at the end`;
  return undefined;
}

function overlap(one: string, other: string): boolean {
  const [a, b] = [one.split('/'), other.split('/')];
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [left, right] = [a[i]!, b[i]!];
    if (left === right) continue;
    if (left.endsWith('*')) return right.startsWith(left.slice(0, -1));
    return right.endsWith('*') && left.startsWith(right.slice(0, -1));
  }
  return true;
}
