/** Snapshot + who it is for → runtime configuration: the compile steps in order. */

import type { Snapshot } from '../load/types.ts';
import type { Problem } from '../runtime/problem.ts';
import type { RuntimeConfig } from '../runtime/runtime-config.ts';
import { assembleConfig } from './assemble.ts';
import { clientPlace } from './client-place.ts';
import { clusterPolicies } from './cluster-policy.ts';
import type { CompileContext, ConfigParts } from './context.ts';
import { indexDestinationRules } from './destination-rules.ts';
import { endpointSource } from './endpoints.ts';
import { gatewayParts } from './gateway.ts';
import { hashPolicies } from './hash-policy.ts';
import { inboundParts } from './inbound.ts';
import { renderLocality } from './locality.ts';
import { meshSettings } from './mesh.ts';
import type { NodeOptions } from './node.ts';
import { nodeConfig } from './node.ts';
import { outboundParts } from './outbound.ts';
import { peerAuthentications } from './peer-authentication.ts';
import { defaultRetries } from './retry.ts';
import { createReuse } from './reuse.ts';
import { usedSecrets } from './secrets.ts';
import { meshServices } from './services.ts';
import type { ScopeInput } from './sidecar-scope.ts';
import { sidecarScope } from './sidecar-scope.ts';
import { telemetryConfig } from './telemetry.ts';
import type { CompileTrace } from './trace.ts';
import { meshVirtualServices, visibleVirtualServices } from './virtual-services.ts';
import { isExportedTo } from './visibility.ts';
import { indexWorkloads } from './workloads.ts';

export interface Compilation {
  /** Deep-frozen, JSON-able; parts in an order that depends on content alone. */
  readonly config: RuntimeConfig;
  /** What only this step can see; the resources' own problems are in the snapshot. */
  readonly problems: readonly Problem[];
}

/** `previous`, the configuration compiled before, makes a reload cheaper and changes nothing else: equal parts are shared with it. */
export function compile(snapshot: Snapshot, node: NodeOptions, previous?: RuntimeConfig): Compilation {
  return compileParts(snapshot, node, { previous });
}

/** As `compile`, with what lies behind each route and cluster. */
export function compileWithTrace(snapshot: Snapshot, node: NodeOptions): Compilation & { readonly trace: CompileTrace } {
  const trace: CompileTrace = { routes: new Map(), policies: new Map(), localities: new Map() };
  return { ...compileParts(snapshot, node, { trace }), trace };
}

interface CompileExtras {
  readonly previous?: RuntimeConfig | undefined;
  readonly trace?: CompileTrace;
}

function compileParts(snapshot: Snapshot, node: NodeOptions, { previous, trace }: CompileExtras): Compilation {
  const problems: Problem[] = [];
  const context = { ...createContext(snapshot, node), reuse: createReuse(previous), trace, report: (problem: Problem) => void problems.push(problem) };
  const parts = node.mode === 'gateway' ? [gatewayParts(context)] : sidecarParts(context);
  const sides = [...parts, { listeners: [], tables: [], clusters: [], secrets: usedSecrets(parts, context) }];
  const config = assembleConfig({ node: nodeConfig(node, renderLocality(context.place.locality)), telemetry: telemetryConfig(snapshot.meshConfig), sides }, previous);
  return { config, problems };
}

function createContext(snapshot: Snapshot, node: NodeOptions): Omit<CompileContext, 'reuse' | 'trace' | 'report'> {
  const mesh = meshSettings(snapshot.meshConfig);
  const { namespace, labels, rootNamespace, clusterDomain, trustDomain, mode } = node;
  const peers = peerAuthentications(snapshot.peerAuthentications, rootNamespace);
  const allServices = meshServices(snapshot, mesh, clusterDomain);
  const workloads = indexWorkloads(snapshot);
  const nodeName = workloads.pod(namespace, node.name)?.spec.spec.nodeName;
  const rules = indexDestinationRules(snapshot.destinationRules, { namespace, labels, rootNamespace, clusterDomain, defaultExportTo: mesh.destinationRuleExportTo });
  return {
    snapshot,
    node,
    workload: nodeConfig(node).workload,
    mesh,
    allServices,
    visibleServices: allServices.filter((service) => isExportedTo(service.exportTo, service.namespace, namespace)),
    virtualServices: visibleVirtualServices({ snapshot, mesh, clusterDomain, namespace }),
    rules,
    endpoints: endpointSource(snapshot, workloads, { nodeName, mode, trustDomain, peerAuthentications: peers }),
    place: clientPlace(snapshot, workloads, node),
    policies: clusterPolicies(mesh),
    peerAuthentications: peers,
    retries: defaultRetries(mesh),
    hashPolicies: hashPolicies({ rules, mesh, mode }),
  };
}

function sidecarParts(context: CompileContext): readonly ConfigParts[] {
  const { snapshot, node, mesh, visibleServices } = context;
  const { namespace, labels, rootNamespace } = node;
  const virtualServices = meshVirtualServices(context.virtualServices, mesh, namespace);
  const input: ScopeInput = { sidecars: snapshot.sidecars, namespace, labels, rootNamespace, mesh, visibleServices, virtualServices };
  const scope = sidecarScope(input);
  return [outboundParts(context, scope), inboundParts(context, scope)];
}
