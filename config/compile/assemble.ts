/** Parts → one frozen RuntimeConfig with its version, sharing with the configuration before what did not change. */

import type { ClusterConfig } from '../runtime/cluster.ts';
import type { VirtualListenerConfig } from '../runtime/listener.ts';
import type { RouteTableConfig } from '../runtime/route.ts';
import type { NodeConfig, RuntimeConfig, TelemetryConfig } from '../runtime/runtime-config.ts';
import type { SecretConfig } from '../runtime/secret.ts';
import type { ConfigParts } from './context.ts';
import { compareText } from './order.ts';
import { deepFreeze, versionOf } from './part-hash.ts';
import { reused } from './reuse.ts';

export interface ConfigContent {
  readonly node: NodeConfig;
  readonly telemetry: TelemetryConfig;
  /** Outbound, inbound, gateway. */
  readonly sides: readonly ConfigParts[];
}

export function assembleConfig({ node, telemetry, sides }: ConfigContent, previous: RuntimeConfig | undefined): RuntimeConfig {
  const tables = sides.flatMap((side) => side.tables).map((table) => reusedTable(previous?.routeTables[table.name], table));
  const content = {
    node: reused(previous?.node, node),
    listeners: reused(previous?.listeners, sides.flatMap((side) => side.listeners)),
    virtualListeners: byName<VirtualListenerConfig>(sides.flatMap((side) => side.virtualListeners ?? [])),
    secrets: byName<SecretConfig>(sides.flatMap((side) => side.secrets ?? []).map((secret) => reused(previous?.secrets[secret.name], secret))),
    routeTables: byName<RouteTableConfig>(tables),
    clusters: byName<ClusterConfig>(sides.flatMap((side) => side.clusters)),
    telemetry: reused(previous?.telemetry, telemetry),
  };
  deepFreeze(content);
  return Object.freeze({ version: configVersion(content), ...content });
}

/** Over every part but the version itself. */
function configVersion({ node, listeners, virtualListeners, secrets, routeTables, clusters, telemetry }: Omit<RuntimeConfig, 'version'>): string {
  const tables = Object.values(routeTables).flatMap(({ name, virtualHosts }) => [{ name }, ...virtualHosts]);
  return versionOf([node, listeners, ...Object.values(virtualListeners), ...Object.values(secrets), ...tables, ...Object.values(clusters), telemetry]);
}

/** The old table where every virtual host is the old one. */
function reusedTable(before: RouteTableConfig | undefined, now: RouteTableConfig): RouteTableConfig {
  if (before?.virtualHosts.length !== now.virtualHosts.length) return now;
  return before.virtualHosts.every((virtualHost, index) => virtualHost === now.virtualHosts[index]) ? before : now;
}

function byName<T extends { readonly name: string }>(parts: readonly T[]): Readonly<Record<string, T>> {
  return Object.fromEntries(parts.map((part) => [part.name, part] as const).sort(([a], [b]) => compareText(a, b)));
}
