/** What every compile step shares: the snapshot, who it is compiled for, and a place for problems. */

import type { Snapshot } from '../load/types.ts';
import type { ClusterConfig } from '../runtime/cluster.ts';
import type { WorkloadConfig } from '../runtime/endpoint.ts';
import type { ListenerConfig, VirtualListenerConfig } from '../runtime/listener.ts';
import type { Problem } from '../runtime/problem.ts';
import type { RouteTableConfig } from '../runtime/route.ts';
import type { SecretConfig } from '../runtime/secret.ts';
import type { ClusterPolicies } from './cluster-policy.ts';
import type { DestinationRules } from './destination-rules.ts';
import type { EndpointSource } from './endpoints.ts';
import type { HashPolicies } from './hash-policy.ts';
import type { MeshSettings } from './mesh.ts';
import type { MeshService } from './mesh-service.ts';
import type { NodeOptions } from './node.ts';
import type { PeerAuthentications } from './peer-authentication.ts';
import type { ClientPlace } from './placed-endpoints.ts';
import type { DefaultRetries } from './retry.ts';
import type { CompileTrace } from './trace.ts';
import type { Reuse } from './reuse.ts';
import type { PreparedVirtualService } from './virtual-services.ts';

export interface CompileContext {
  readonly snapshot: Snapshot;
  readonly node: NodeOptions;
  /** The node as metrics name it. */
  readonly workload: WorkloadConfig;
  readonly mesh: MeshSettings;
  /** Every service there is, Kubernetes first, oldest first. */
  readonly allServices: readonly MeshService[];
  /** Those exported to the node's namespace, in the same order. */
  readonly visibleServices: readonly MeshService[];
  /** Exported to the node's namespace, oldest first. */
  readonly virtualServices: readonly PreparedVirtualService[];
  readonly rules: DestinationRules;
  readonly endpoints: EndpointSource;
  /** Where this proxy is. */
  readonly place: ClientPlace;
  readonly policies: ClusterPolicies;
  readonly peerAuthentications: PeerAuthentications;
  readonly retries: DefaultRetries;
  readonly hashPolicies: HashPolicies;
  readonly reuse: Reuse;
  /** Kept only where somebody asks: it holds on to everything a compilation goes through. */
  readonly trace: CompileTrace | undefined;
  report(problem: Problem): void;
}

/** What one side of the proxy (outbound, inbound, gateway) adds to the configuration. */
export interface ConfigParts {
  readonly listeners: readonly ListenerConfig[];
  readonly tables: readonly RouteTableConfig[];
  readonly clusters: readonly ClusterConfig[];
  readonly virtualListeners?: readonly VirtualListenerConfig[];
  readonly secrets?: readonly SecretConfig[];
}
