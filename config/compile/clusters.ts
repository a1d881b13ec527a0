/** One cluster for each service port and subset, and Istio's fixed ones. */

import type { ClusterConfig } from '../runtime/cluster.ts';
import type { EndpointConfig } from '../runtime/endpoint.ts';
import { originOf } from '../load/types.ts';
import type { Reuse } from './reuse.ts';
import type { CompileTrace } from './trace.ts';
import type { DestinationRules, EffectiveRule } from './destination-rules.ts';
import type { EndpointSource, LabelledEndpoint } from './endpoints.ts';
import { endpointsOf } from './endpoints.ts';
import { selects } from './labels.ts';
import type { MeshSettings } from './mesh.ts';
import type { MeshPort, MeshService } from './mesh-service.ts';
import { BLACK_HOLE_CLUSTER, outboundCluster, PASSTHROUGH_CLUSTER } from './names.ts';
import { clusterPolicy, effectivePolicy } from './traffic-policy.ts';

export interface ClusterInput {
  /** By host. */
  readonly services: ReadonlyMap<string, MeshService>;
  readonly rules: DestinationRules;
  readonly endpoints: EndpointSource;
  readonly mesh: MeshSettings;
  readonly reuse: Reuse;
  readonly trace: CompileTrace | undefined;
}

/** Everything the workload may send to. An ExternalName has no cluster of its own. */
export function outboundClusters(input: ClusterInput): readonly ClusterConfig[] {
  const clusters: ClusterConfig[] = [];
  for (const service of input.services.values()) {
    if (service.aliasOf !== undefined) continue;
    const rule = input.rules.ruleFor(service);
    for (const port of service.ports) clusters.push(...portClusters(service, port, rule, input));
  }
  return clusters;
}

/** PassthroughCluster (sidecars only: a gateway knows no address the downstream asked for) and BlackHoleCluster. */
export function fixedClusters(mesh: MeshSettings, mode: 'sidecar' | 'gateway'): readonly ClusterConfig[] {
  const blackHole = fixedCluster(BLACK_HOLE_CLUSTER, 'STATIC', mesh);
  return mode === 'gateway' ? [blackHole] : [blackHole, fixedCluster(PASSTHROUGH_CLUSTER, 'ORIGINAL_DST', mesh)];
}

export function fixedCluster(name: string, discovery: ClusterConfig['discovery'], mesh: MeshSettings): ClusterConfig {
  const policy = effectivePolicy(undefined, 0, '', mesh);
  const settings = clusterPolicy(policy, { external: true }, mesh);
  return {
    name,
    discovery,
    endpoints: [],
    ...withoutBalancer(settings, discovery),
    protocol: 'AUTO',
    service: { host: '', name, namespace: '' },
    port: 0,
    subset: '',
  };
}

function portClusters(service: MeshService, port: MeshPort, rule: EffectiveRule | undefined, input: ClusterInput): readonly ClusterConfig[] {
  const endpoints = endpointsOf(service, port, input.endpoints);
  const whole = createCluster({ service, port, rule, subset: '', endpoints: endpoints.map(({ endpoint }) => endpoint) }, input);
  const subsets = (rule?.subsets ?? []).map(({ value }) => {
    return createCluster({ service, port, rule, subset: value.name, endpoints: subsetEndpoints(endpoints, value.labels) }, input);
  });
  return [whole, ...subsets];
}

/** An endpoint must carry all labels; there is no falling back to the others. */
function subsetEndpoints(endpoints: readonly LabelledEndpoint[], labels: Readonly<Record<string, string>> | undefined): readonly EndpointConfig[] {
  return endpoints.filter((candidate) => selects(labels, candidate.labels)).map(({ endpoint }) => endpoint);
}

interface ClusterParts {
  readonly service: MeshService;
  readonly port: MeshPort;
  readonly rule: EffectiveRule | undefined;
  readonly subset: string;
  readonly endpoints: readonly EndpointConfig[];
}

function createCluster({ service, port, rule, subset, endpoints }: ClusterParts, { mesh, endpoints: source, reuse, trace }: ClusterInput): ClusterConfig {
  const policy = effectivePolicy(rule, port.number, subset, mesh);
  const settings = clusterPolicy(policy, service, mesh);
  const discovery = discoveryOf(service, settings.loadBalancer.policy, source.mode);
  const targetPort = typeof port.target === 'number' ? port.target : port.number;
  const cluster = reuse.cluster({
    name: outboundCluster(port.number, subset, service.host),
    discovery,
    endpoints: discovery === 'ORIGINAL_DST' ? [] : endpoints,
    ...withoutBalancer(settings, discovery),
    protocol: port.protocol,
    ...(discovery === 'ORIGINAL_DST' && targetPort !== port.number && { portOverride: targetPort }),
    service: { host: service.host, name: service.name, namespace: service.namespace },
    port: port.number,
    subset,
    origin: originOf(service.source),
    ...(rule !== undefined && { policyOrigin: originOf(rule.resource.source) }),
  });
  trace?.policies.set(cluster, policy);
  return cluster;
}

/** Where the downstream's own destination is used there is nothing to balance, whatever was written (Envoy: CLUSTER_PROVIDED). */
function withoutBalancer<T extends Pick<ClusterConfig, 'loadBalancer'>>(settings: T, discovery: ClusterConfig['discovery']): T {
  if (discovery !== 'ORIGINAL_DST' || settings.loadBalancer.policy === 'PASSTHROUGH') return settings;
  return { ...settings, loadBalancer: { policy: 'PASSTHROUGH', origin: 'default' } };
}

/** PASSTHROUGH and resolution NONE connect where the downstream wanted to go; a gateway cannot know that. */
function discoveryOf({ resolution }: MeshService, policy: ClusterConfig['loadBalancer']['policy'], mode: 'sidecar' | 'gateway'): ClusterConfig['discovery'] {
  if (mode === 'gateway') return resolution === 'NONE' ? 'STATIC' : resolution;
  return resolution === 'NONE' || policy === 'PASSTHROUGH' ? 'ORIGINAL_DST' : resolution;
}
