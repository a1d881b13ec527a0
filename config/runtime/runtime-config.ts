/** What the data path needs and nothing else: plain, frozen, JSON-able. `config/compile` makes it, `proxy/server/assemble` reads it. */

import type { ClusterConfig } from './cluster.ts';
import type { WorkloadConfig } from './endpoint.ts';
import type { ListenerConfig, VirtualListenerConfig } from './listener.ts';
import type { RouteTableConfig } from './route.ts';
import type { SecretConfig } from './secret.ts';

export interface RuntimeConfig {
  /** Stable hash of the content; equal snapshots have equal versions. */
  readonly version: string;
  readonly node: NodeConfig;
  readonly listeners: readonly ListenerConfig[];
  /** By VirtualListenerConfig.name; a sidecar's outbound side. */
  readonly virtualListeners: Readonly<Record<string, VirtualListenerConfig>>;
  /** By SecretConfig.name. */
  readonly secrets: Readonly<Record<string, SecretConfig>>;
  /** By RouteTableConfig.name. */
  readonly routeTables: Readonly<Record<string, RouteTableConfig>>;
  /** By ClusterConfig.name. */
  readonly clusters: Readonly<Record<string, ClusterConfig>>;
  readonly telemetry: TelemetryConfig;
}

/** Who this proxy is. */
export interface NodeConfig {
  readonly mode: 'sidecar' | 'gateway';
  readonly namespace: string;
  readonly name: string;
  readonly ip: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly clusterDomain: string;
  readonly trustDomain: string;
  readonly rootNamespace: string;
  /** `region/zone/subzone`, as far as known: what nearness of endpoints is measured from. Absent: unknown. */
  readonly locality?: string;
  /** This workload as metrics name it. */
  readonly workload: WorkloadConfig;
}

export interface TelemetryConfig {
  /** From MeshConfig.accessLogFile/Encoding/Format; a command-line flag wins over it. */
  readonly accessLog: { readonly encoding: 'TEXT' | 'JSON'; readonly format?: string; readonly path?: string };
}
