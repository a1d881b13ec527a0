/** The difference between two configurations, and a configuration made from another and a difference. */

import type { ClusterConfig } from '../runtime/cluster.ts';
import type { RuntimeDelta } from '../runtime/delta.ts';
import type { RouteTableConfig, VirtualHostConfig } from '../runtime/route.ts';
import type { RuntimeConfig } from '../runtime/runtime-config.ts';
import { deepFreeze, isSameContent } from './part-hash.ts';

type TableDelta = RuntimeDelta['routeTables']['changed'][number];

/** Parts that `after` shares with `before` (see `compile`) are told apart at once, the others by content. */
export function diff(before: RuntimeConfig, after: RuntimeConfig): RuntimeDelta {
  const tables = Object.values(after.routeTables).flatMap((table) => tableDelta(before.routeTables[table.name], table));
  return {
    fromVersion: before.version,
    version: after.version,
    ...(!isSameContent(before.node, after.node) && { node: after.node }),
    ...(!isSameContent(before.telemetry, after.telemetry) && { telemetry: after.telemetry }),
    ...(!isSameContent(before.listeners, after.listeners) && { listeners: after.listeners }),
    ...partDelta('virtualListeners', before, after),
    ...partDelta('secrets', before, after),
    clusters: {
      changed: Object.values(after.clusters).filter((cluster) => !isSameContent(before.clusters[cluster.name], cluster)),
      removed: Object.keys(before.clusters).filter((name) => after.clusters[name] === undefined),
    },
    routeTables: { changed: tables, removed: Object.keys(before.routeTables).filter((name) => after.routeTables[name] === undefined) },
  };
}

/** `applyDelta(a, diff(a, b))` equals `b`. Parts that did not change are shared with `config`. */
export function applyDelta(config: RuntimeConfig, delta: RuntimeDelta): RuntimeConfig {
  const clusters = new Map(Object.entries(config.clusters));
  for (const name of delta.clusters.removed) clusters.delete(name);
  for (const cluster of delta.clusters.changed) clusters.set(cluster.name, cluster);
  const tables = new Map(Object.entries(config.routeTables));
  for (const name of delta.routeTables.removed) tables.delete(name);
  for (const change of delta.routeTables.changed) tables.set(change.name, patchTable(tables.get(change.name), change));
  return deepFreeze({
    version: delta.version,
    node: delta.node ?? config.node,
    listeners: delta.listeners ?? config.listeners,
    virtualListeners: patchPart(config.virtualListeners, delta.virtualListeners),
    secrets: patchPart(config.secrets, delta.secrets),
    routeTables: sorted(tables),
    clusters: sorted<ClusterConfig>(clusters),
    telemetry: delta.telemetry ?? config.telemetry,
  });
}

/** Nothing where nothing changed. */
function partDelta(part: 'virtualListeners' | 'secrets', before: RuntimeConfig, after: RuntimeConfig): Pick<RuntimeDelta, 'virtualListeners' | 'secrets'> {
  const changed = Object.values(after[part]).filter((value) => !isSameContent(before[part][value.name], value));
  const removed = Object.keys(before[part]).filter((name) => after[part][name] === undefined);
  return changed.length + removed.length === 0 ? {} : { [part]: { changed, removed } };
}

function patchPart<T extends { readonly name: string }>(before: Readonly<Record<string, T>>, delta: { readonly changed: readonly T[]; readonly removed: readonly string[] } | undefined): Readonly<Record<string, T>> {
  if (delta === undefined) return before;
  const parts = new Map(Object.entries(before));
  for (const name of delta.removed) parts.delete(name);
  for (const part of delta.changed) parts.set(part.name, part);
  return sorted(parts);
}

function tableDelta(before: RouteTableConfig | undefined, after: RouteTableConfig): readonly TableDelta[] {
  if (before === after) return [];
  const old = new Map(before?.virtualHosts.map((virtualHost) => [virtualHost.name, virtualHost]));
  const changed = after.virtualHosts.filter((virtualHost) => !isSameContent(old.get(virtualHost.name), virtualHost));
  const kept = new Set(after.virtualHosts.map(({ name }) => name));
  const removed = [...old.keys()].filter((name) => !kept.has(name));
  const isNew = before === undefined;
  return isNew || changed.length + removed.length > 0 ? [{ name: after.name, changed, removed }] : [];
}

function patchTable(before: RouteTableConfig | undefined, { name, changed, removed }: TableDelta): RouteTableConfig {
  const virtualHosts = new Map(before?.virtualHosts.map((virtualHost) => [virtualHost.name, virtualHost]));
  for (const gone of removed) virtualHosts.delete(gone);
  for (const virtualHost of changed) virtualHosts.set(virtualHost.name, virtualHost);
  return { name, virtualHosts: [...virtualHosts.values()].sort(byPlace) };
}

/** By name, the catch-all last: the order in which `compile` writes them. */
function byPlace(a: VirtualHostConfig, b: VirtualHostConfig): number {
  const lastA = isGeneratedCatchAll(a);
  const lastB = isGeneratedCatchAll(b);
  if (lastA !== lastB) return lastA ? 1 : -1;
  return a.name < b.name ? -1 : 1;
}

function isGeneratedCatchAll({ name }: VirtualHostConfig): boolean {
  return name === 'allow_any' || name === 'block_all';
}

function sorted<T>(parts: ReadonlyMap<string, T>): Readonly<Record<string, T>> {
  return Object.fromEntries([...parts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
