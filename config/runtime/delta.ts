/**
 * The difference between two runtime configurations: what a reload sends to the data path, so that one changed
 * document in a mesh of 10,000 services costs one virtual host and not the whole configuration.
 */

import type { ClusterConfig } from './cluster.ts';
import type { ListenerConfig, VirtualListenerConfig } from './listener.ts';
import type { VirtualHostConfig } from './route.ts';
import type { NodeConfig, TelemetryConfig } from './runtime-config.ts';
import type { SecretConfig } from './secret.ts';

export interface RuntimeDelta {
  readonly fromVersion: string;
  readonly version: string;
  /** Present only when changed. */
  readonly node?: NodeConfig;
  readonly telemetry?: TelemetryConfig;
  readonly listeners?: readonly ListenerConfig[];
  readonly virtualListeners?: { readonly changed: readonly VirtualListenerConfig[]; readonly removed: readonly string[] };
  readonly secrets?: { readonly changed: readonly SecretConfig[]; readonly removed: readonly string[] };
  readonly clusters: { readonly changed: readonly ClusterConfig[]; readonly removed: readonly string[] };
  readonly routeTables: {
    /** Tables new or changed: their changed virtual hosts and the names of those gone. */
    readonly changed: readonly { readonly name: string; readonly changed: readonly VirtualHostConfig[]; readonly removed: readonly string[] }[];
    readonly removed: readonly string[];
  };
}
