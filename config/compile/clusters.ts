/** One cluster for each service port and subset, and Istio's fixed ones. */

import type { ClusterConfig } from '../runtime/cluster.ts';
import { originOf } from '../load/types.ts';
import type { Reuse } from './reuse.ts';
import type { CompileTrace } from './trace.ts';
import type { ClusterPolicies, ClusterPolicy } from './cluster-policy.ts';
import type { ClusterTls, ClusterTlsInput } from './cluster-tls.ts';
import { clusterTls, NO_TLS } from './cluster-tls.ts';
import type { CompileContext } from './context.ts';
import type { DestinationRules, EffectiveRule } from './destination-rules.ts';
import type { EndpointSource, LabelledEndpoint } from './endpoints.ts';
import { distinctEndpoints, endpointLabel, endpointsOf } from './endpoints.ts';
import type { Locality } from './locality.ts';
import type { EffectiveLocality } from './locality-setting.ts';
import { effectiveLocality } from './locality-setting.ts';
import type { MeshPort, MeshService } from './mesh-service.ts';
import { BLACK_HOLE_CLUSTER, outboundCluster, PASSTHROUGH_CLUSTER } from './names.ts';
import type { ClientPlace } from './placed-endpoints.ts';
import { placeEndpoints } from './placed-endpoints.ts';
import { isHttp } from './protocol.ts';
import type { EffectivePolicy } from './traffic-policy.ts';
import { effectivePolicy, NOTHING_SET } from './traffic-policy.ts';

export interface ClusterInput extends ClusterTlsInput {
  /** By host. */
  readonly services: ReadonlyMap<string, MeshService>;
  readonly rules: DestinationRules;
  readonly endpoints: EndpointSource;
  readonly place: ClientPlace;
  readonly policies: ClusterPolicies;
  readonly reuse: Reuse;
  readonly trace: CompileTrace | undefined;
}

/** What single clusters are made with. */
interface ClusterSources extends ClusterInput {
  readonly tls: ClusterTls;
}

/** Everything the workload may send to. An ExternalName has no cluster of its own. */
export function outboundClusters(input: ClusterInput): readonly ClusterConfig[] {
  const clusters: ClusterConfig[] = [];
  const sources: ClusterSources = { ...input, tls: clusterTls(input) };
  for (const service of input.services.values()) {
    if (service.aliasOf !== undefined) continue;
    const rule = input.rules.ruleFor(service);
    for (const port of service.ports) clusters.push(...portClusters(service, port, rule, sources));
  }
  return clusters;
}

/** PassthroughCluster (sidecars only: a gateway knows no address the downstream asked for) and BlackHoleCluster. */
export function fixedClusters(context: CompileContext): readonly ClusterConfig[] {
  const blackHole = fixedCluster(BLACK_HOLE_CLUSTER, 'STATIC', context);
  return context.node.mode === 'gateway' ? [blackHole] : [blackHole, fixedCluster(PASSTHROUGH_CLUSTER, 'ORIGINAL_DST', context)];
}

/** Nobody is ejected from them: whom they lead to is the downstream's choice. */
export function fixedCluster(name: string, discovery: ClusterConfig['discovery'], { mesh, policies }: Pick<CompileContext, 'mesh' | 'policies'>): ClusterConfig {
  const { connectionPool } = effectivePolicy(undefined, 0, '', mesh);
  return {
    name,
    discovery,
    endpoints: [],
    ...withoutBalancer(policies.of({ ...NOTHING_SET, connectionPool }), discovery),
    tls: NO_TLS,
    protocol: 'AUTO',
    service: { host: '', name, namespace: '' },
    port: 0,
    subset: '',
  };
}

function portClusters(service: MeshService, port: MeshPort, rule: EffectiveRule | undefined, input: ClusterSources): readonly ClusterConfig[] {
  const found = endpointsOf(service, port, input.endpoints);
  const distinct = distinctEndpoints(found);
  const whole = createCluster({ service, port, rule, subset: '', endpoints: distinct, all: distinct }, input);
  const subsets = (rule?.subsets ?? []).map(({ value }) => {
    const chosen = subsetEndpoints(found, value.labels, input.place.locality);
    return createCluster({ service, port, rule, subset: value.name, endpoints: distinct.length === found.length ? chosen : distinctEndpoints(chosen), all: distinct }, input);
  });
  return [whole, ...subsets];
}

/** An endpoint must carry all labels; there is no falling back to the others. */
function subsetEndpoints(endpoints: readonly LabelledEndpoint[], labels: Readonly<Record<string, string>> | undefined, own: Locality): readonly LabelledEndpoint[] {
  const wanted = Object.entries(labels ?? {});
  return endpoints.filter((candidate) => wanted.every(([key, value]) => candidate.labels[key] === value || (value !== '' && endpointLabel(candidate, key, own) === value)));
}

interface ClusterParts {
  readonly service: MeshService;
  readonly port: MeshPort;
  readonly rule: EffectiveRule | undefined;
  readonly subset: string;
  readonly endpoints: readonly LabelledEndpoint[];
  /** Of the whole service. */
  readonly all: readonly LabelledEndpoint[];
}

function createCluster({ service, port, rule, subset, endpoints, all }: ClusterParts, { mesh, endpoints: source, place, policies, reuse, trace, tls }: ClusterSources): ClusterConfig {
  const policy = effectivePolicy(rule, port.number, subset, mesh);
  const settings = policies.of(policy);
  const discovery = discoveryOf(service, port, settings.loadBalancer.policy, source.mode);
  const chosenByDownstream = discovery === 'ORIGINAL_DST' || discovery === 'DYNAMIC_DNS';
  const locality = chosenByDownstream ? undefined : effectiveLocality(policy, service, mesh);
  const placed = chosenByDownstream ? { endpoints: [], weighted: false } : placeEndpoints(endpoints, locality, place);
  const targetPort = typeof port.target === 'number' ? port.target : port.number;
  const cluster = reuse.cluster({
    name: outboundCluster(port.number, subset, service.host),
    discovery,
    endpoints: placed.endpoints,
    ...withoutBalancer(placed.weighted ? localityWeighted(settings) : settings, discovery),
    tls: tls.of({ service, port, subset, rule, policy, endpoints: all }),
    ...(policy.proxyProtocol !== undefined && { proxyProtocol: policy.proxyProtocol.value.version ?? 'V1' }),
    protocol: port.protocol,
    ...(service.headless && discovery === 'STATIC' && source.mode === 'sidecar' && { followsOriginalDestination: true as const }),
    ...(chosenByDownstream && ['NONE', 'DYNAMIC_DNS'].includes(service.resolution) && targetPort !== port.number && { portOverride: targetPort }),
    service: { host: service.host, name: service.name, namespace: service.namespace },
    port: port.number,
    subset,
    origin: originOf(service.source),
    ...(rule !== undefined && { policyOrigin: originOf(rule.resource.source) }),
  });
  if (trace !== undefined) remember(cluster, policy, locality, trace);
  return cluster;
}

function remember(cluster: ClusterConfig, policy: EffectivePolicy, locality: EffectiveLocality | undefined, { policies, localities }: CompileTrace): void {
  policies.set(cluster, policy);
  if (locality !== undefined) localities.set(cluster, locality);
}

function localityWeighted(settings: ClusterPolicy): ClusterPolicy {
  return { ...settings, loadBalancer: { ...settings.loadBalancer, localityWeighted: true } };
}

const PASSTHROUGH: ClusterConfig['loadBalancer'] = { policy: 'PASSTHROUGH', origin: 'default' };

/** Where the downstream's own destination or name is used there is nothing to balance, whatever was written (Envoy: CLUSTER_PROVIDED). */
function withoutBalancer<T extends Pick<ClusterConfig, 'loadBalancer'>>(settings: T, discovery: ClusterConfig['discovery']): T {
  if ((discovery !== 'ORIGINAL_DST' && discovery !== 'DYNAMIC_DNS') || settings.loadBalancer.policy === 'PASSTHROUGH') return settings;
  return { ...settings, loadBalancer: PASSTHROUGH };
}

/**
 * PASSTHROUGH, resolution NONE and opaque ports of headless services connect where the downstream wanted to go; a
 * gateway cannot know that. HTTP for a headless service keeps its endpoints for requests that were not intercepted.
 */
function discoveryOf({ resolution, headless }: MeshService, { protocol }: MeshPort, policy: ClusterConfig['loadBalancer']['policy'], mode: 'sidecar' | 'gateway'): ClusterConfig['discovery'] {
  if (resolution === 'DYNAMIC_DNS') return resolution;
  if (mode === 'gateway') return resolution === 'NONE' ? 'STATIC' : resolution;
  if (headless && !isHttp(protocol)) return 'ORIGINAL_DST';
  return resolution === 'NONE' || policy === 'PASSTHROUGH' ? 'ORIGINAL_DST' : resolution;
}
