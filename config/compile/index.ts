/** Snapshot + who it is for → runtime configuration: the compile steps in order. */

import type { Snapshot } from '../load/types.ts';
import type { ClusterConfig } from '../runtime/cluster.ts';
import type { ListenerConfig } from '../runtime/listener.ts';
import type { Problem } from '../runtime/problem.ts';
import type { RouteTableConfig } from '../runtime/route.ts';
import type { RuntimeConfig } from '../runtime/runtime-config.ts';
import type { CompileContext, CompileTrace, ConfigParts } from './context.ts';
import { indexDestinationRules } from './destination-rules.ts';
import { endpointSource } from './endpoints.ts';
import { gatewayParts } from './gateway.ts';
import { inboundParts } from './inbound.ts';
import { meshSettings } from './mesh.ts';
import type { NodeOptions } from './node.ts';
import { nodeConfig } from './node.ts';
import { compareText } from './order.ts';
import { outboundParts } from './outbound.ts';
import { deepFreeze, versionOf } from './part-hash.ts';
import { meshServices } from './services.ts';
import type { ScopeInput } from './sidecar-scope.ts';
import { sidecarScope } from './sidecar-scope.ts';
import { telemetryConfig } from './telemetry.ts';
import { meshVirtualServices, visibleVirtualServices } from './virtual-services.ts';
import { isExportedTo } from './visibility.ts';
import { indexWorkloads } from './workloads.ts';

export interface Compilation {
  /** Deep-frozen, JSON-able; parts in an order that depends on content alone. */
  readonly config: RuntimeConfig;
  /** What only this step can see; the resources' own problems are in the snapshot. */
  readonly problems: readonly Problem[];
}

export function compile(snapshot: Snapshot, node: NodeOptions): Compilation {
  const { config, problems } = compileWithTrace(snapshot, node);
  return { config, problems };
}

/** As `compile`, with what lies behind each route and cluster. */
export function compileWithTrace(snapshot: Snapshot, node: NodeOptions): Compilation & { readonly trace: CompileTrace } {
  const problems: Problem[] = [];
  const context = createContext(snapshot, node, (problem) => problems.push(problem));
  const parts = node.mode === 'gateway' ? [gatewayParts(context)] : sidecarParts(context);
  return { config: assembleConfig(parts, context), problems, trace: context.trace };
}

function createContext(snapshot: Snapshot, node: NodeOptions, report: (problem: Problem) => void): CompileContext {
  const mesh = meshSettings(snapshot.meshConfig);
  const { namespace, labels, rootNamespace, clusterDomain, mode } = node;
  const allServices = meshServices(snapshot, mesh, clusterDomain);
  const workloads = indexWorkloads(snapshot);
  const nodeName = workloads.pod(namespace, node.name)?.spec.spec.nodeName;
  return {
    snapshot,
    node,
    workload: nodeConfig(node).workload,
    mesh,
    allServices,
    visibleServices: allServices.filter((service) => isExportedTo(service.exportTo, service.namespace, namespace)),
    virtualServices: visibleVirtualServices({ snapshot, mesh, clusterDomain, namespace }),
    rules: indexDestinationRules(snapshot.destinationRules, { namespace, labels, rootNamespace, clusterDomain, defaultExportTo: mesh.destinationRuleExportTo }),
    endpoints: endpointSource(snapshot, workloads, { nodeName, mode }),
    trace: { rules: new Map(), policies: new Map() },
    report,
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

function assembleConfig(parts: readonly ConfigParts[], { snapshot, node }: CompileContext): RuntimeConfig {
  const content = {
    node: nodeConfig(node),
    listeners: parts.flatMap(({ listeners }) => listeners),
    routeTables: byName(parts.flatMap(({ tables }) => tables)),
    clusters: byName(parts.flatMap(({ clusters }) => clusters)),
    telemetry: telemetryConfig(snapshot.meshConfig),
  };
  deepFreeze(content);
  return Object.freeze({ version: configVersion(content), ...content });
}

/** Over every part but the version itself. */
export function configVersion({ node, listeners, routeTables, clusters, telemetry }: Omit<RuntimeConfig, 'version'>): string {
  const tables = Object.values(routeTables).flatMap(({ name, virtualHosts }) => [{ name }, ...virtualHosts]);
  return versionOf([node, listeners, ...tables, ...Object.values(clusters), telemetry]);
}

function byName<T extends RouteTableConfig | ClusterConfig | ListenerConfig>(parts: readonly T[]): Readonly<Record<string, T>> {
  const entries = parts.map((part) => [part.name, part] as const).sort(([a], [b]) => compareText(a, b));
  return Object.fromEntries(entries);
}
