/** The parsed input: every supported resource, typed, with its source, and the problems found on the way; types only. */

import type { Origin } from '../runtime/origin.ts';
import type { AuthorizationPolicySpec } from '../resources/authorization-policy.ts';
import type { ConfigMapBody } from '../resources/config-map.ts';
import type { DestinationRuleSpec } from '../resources/destination-rule.ts';
import type { EndpointSliceBody, EndpointsBody } from '../resources/endpoint-slice.ts';
import type { GatewaySpec } from '../resources/gateway.ts';
import type { MeshConfigSpec } from '../resources/mesh-config.ts';
import type { Metadata } from '../resources/metadata.ts';
import type { PeerAuthenticationSpec } from '../resources/peer-authentication.ts';
import type { PodBody } from '../resources/pod.ts';
import type { ProxyConfigSpec } from '../resources/proxy-config.ts';
import type { RequestAuthenticationSpec } from '../resources/request-authentication.ts';
import type { SecretBody } from '../resources/secret.ts';
import type { ServiceSpec } from '../resources/service.ts';
import type { ServiceEntrySpec } from '../resources/service-entry.ts';
import type { SidecarSpec } from '../resources/sidecar.ts';
import type { TelemetrySpec } from '../resources/telemetry.ts';
import type { VirtualServiceSpec } from '../resources/virtual-service.ts';
import type { WorkloadEntrySpec } from '../resources/workload-entry.ts';
import type { WorkloadGroupSpec } from '../resources/workload-group.ts';
import type { Problem } from '../runtime/problem.ts';

/** One resource: metadata, its typed body, and where each part of it stands. */
export interface Resource<Spec> {
  readonly kind: string;
  readonly metadata: Metadata;
  readonly spec: Spec;
  readonly source: ResourceSource;
}

export interface ResourceSource {
  /** `Kind namespace/name`. */
  readonly resource: string;
  readonly file: string;
  /** Line of the resource's first key, 1-based. */
  readonly line: number;
  /**
   * Position of a path inside the resource (`['spec','http',0,'route']`); the nearest enclosing node where the path
   * itself is absent. Cheap to hold: it may re-parse the document on first use.
   */
  locate(path: readonly (string | number)[]): { readonly line: number; readonly column: number };
}

/** `origin(resource.source, ['spec','http',0])`. */
export function originOf(source: ResourceSource, path: readonly (string | number)[] = []): Origin {
  const line = path.length === 0 ? source.line : source.locate(path).line;
  return { resource: source.resource, file: source.file, line };
}

export interface Snapshot {
  readonly virtualServices: readonly Resource<VirtualServiceSpec>[];
  readonly destinationRules: readonly Resource<DestinationRuleSpec>[];
  readonly gateways: readonly Resource<GatewaySpec>[];
  readonly serviceEntries: readonly Resource<ServiceEntrySpec>[];
  readonly workloadEntries: readonly Resource<WorkloadEntrySpec>[];
  readonly workloadGroups: readonly Resource<WorkloadGroupSpec>[];
  readonly sidecars: readonly Resource<SidecarSpec>[];
  readonly peerAuthentications: readonly Resource<PeerAuthenticationSpec>[];
  readonly requestAuthentications: readonly Resource<RequestAuthenticationSpec>[];
  readonly authorizationPolicies: readonly Resource<AuthorizationPolicySpec>[];
  readonly telemetries: readonly Resource<TelemetrySpec>[];
  readonly proxyConfigs: readonly Resource<ProxyConfigSpec>[];
  readonly services: readonly Resource<ServiceSpec>[];
  readonly endpointSlices: readonly Resource<EndpointSliceBody>[];
  readonly endpoints: readonly Resource<EndpointsBody>[];
  readonly pods: readonly Resource<PodBody>[];
  /** Name and labels only. */
  readonly namespaces: readonly Resource<Record<string, never>>[];
  /** Name and labels only: where Pods are. */
  readonly nodes: readonly Resource<Record<string, never>>[];
  readonly secrets: readonly Resource<SecretBody>[];
  /** Those with authorities (`ca.crt`) only. */
  readonly configMaps: readonly Resource<ConfigMapBody>[];
  /** ConfigMap istio-system/istio, key `mesh`; at most one. */
  readonly meshConfig: Resource<MeshConfigSpec> | undefined;
  /** Kinds that are not for a data plane, by kind: how many were skipped. */
  readonly skipped: Readonly<Record<string, number>>;
  /** In file, line order. */
  readonly problems: readonly Problem[];
}
