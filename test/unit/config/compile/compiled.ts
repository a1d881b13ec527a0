/** Resources in, runtime configuration out: what the compile tests look at. */

import { compile } from '../../../../config/compile/index.ts';
import type { Compilation } from '../../../../config/compile/index.ts';
import type { NodeOptions } from '../../../../config/compile/node.ts';
import type { Snapshot } from '../../../../config/load/types.ts';
import { renderProblem } from '../../../../config/runtime/problem.ts';
import type { ClusterConfig } from '../../../../config/runtime/cluster.ts';
import type { FilterChainConfig, NetworkConfig } from '../../../../config/runtime/filter-chain.ts';
import type { RouteConfig, VirtualHostConfig } from '../../../../config/runtime/route.ts';
import type { RuntimeConfig } from '../../../../config/runtime/runtime-config.ts';
import { snapshotOf } from '../../../support/findings.ts';
import { istio, renderResources } from '../../../support/resources.ts';
import type { ResourceObject } from '../../../support/resources.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A sidecar of `client` in namespace `default`. */
export const CLIENT: NodeOptions = {
  mode: 'sidecar',
  namespace: 'default',
  name: 'client',
  ip: '10.9.9.9',
  serviceAccount: 'client',
  labels: { app: 'client', version: 'v1' },
  clusterDomain: 'cluster.local',
  trustDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  bindAddress: '0.0.0.0',
  outboundPort: 15001,
  inboundPort: 15006,
  portMap: {},
};

/** A gateway with Istio's usual label, in its usual namespace. */
export const GATEWAY: NodeOptions = { ...CLIENT, mode: 'gateway', namespace: 'istio-system', name: 'ingress', labels: { istio: 'ingressgateway' } };

/** Throws where the resources do not load without errors, so that no test passes for the wrong reason. */
export function snapshotFrom(resources: readonly ResourceObject[]): Snapshot {
  const snapshot = snapshotOf(renderResources(resources));
  const errors = snapshot.problems.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(errors.map(renderProblem).join('\n'));
  return snapshot;
}

export function compilation(resources: readonly ResourceObject[], node: Partial<NodeOptions> = {}): Compilation {
  return compile(snapshotFrom(resources), { ...CLIENT, ...node });
}

export function compiled(resources: readonly ResourceObject[], node: Partial<NodeOptions> = {}): RuntimeConfig {
  return compilation(resources, node).config;
}

/** A Kubernetes Service without endpoints: `kube('reviews', { ports: [{ name: 'http', port: 80 }] })`. */
export function kube(name: string, spec: Fields = {}, metadata: Fields = {}): ResourceObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, ...metadata }, spec: { ports: [{ name: 'http', port: 80 }], ...spec } };
}

export function pods(name: string, ip: string, labels: Readonly<Record<string, string>> = { app: name }, more: Fields = {}): ResourceObject {
  const { spec = {}, status = {}, namespace = 'default' } = more as { spec?: Fields; status?: Fields; namespace?: string };
  const body = { spec: { containers: [{ name: 'app' }], ...spec }, status: { podIP: ip, phase: 'Running', ...status } };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels }, ...body };
}

/** An EndpointSlice of `service`; `labels` besides the one that names it. */
export function slice(service: string, endpoints: readonly Fields[], ports: readonly Fields[], metadata: Fields = {}): ResourceObject {
  const { labels = {}, ...rest } = metadata as { labels?: Readonly<Record<string, string>> };
  const body = { addressType: 'IPv4', endpoints, ports };
  const named = { name: `${service}-${JSON.stringify(endpoints).length}-${JSON.stringify(ports).length}`, namespace: 'default', labels: { 'kubernetes.io/service-name': service, ...labels } };
  return { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { ...named, ...rest }, ...body };
}

export function mesh(config: Fields): ResourceObject {
  const data = { mesh: JSON.stringify(config) };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data } as ResourceObject;
}

export function entry(name: string, spec: Fields, namespace = 'default'): ResourceObject {
  return istio('ServiceEntry', name, spec, namespace);
}

export function virtualHost(config: RuntimeConfig, table: string | number, name: string): VirtualHostConfig | undefined {
  return config.routeTables[table]?.virtualHosts.find((candidate) => candidate.name === name);
}

/** Virtual host whose domain is exactly `host`. */
export function hostOf(config: RuntimeConfig, table: string | number, host: string): VirtualHostConfig | undefined {
  return config.routeTables[table]?.virtualHosts.find(({ domains }) => domains.includes(host));
}

export function routesOf(config: RuntimeConfig, table: string | number, host: string): readonly RouteConfig[] {
  return hostOf(config, table, host)?.routes ?? [];
}

/** Cluster names that a route forwards to, with `*weight` where there are several; else what it does instead. */
export function actionOf(route: RouteConfig | undefined): string {
  if (route === undefined) return 'none';
  const { action } = route;
  if (action.kind !== 'forward') return `${action.kind} ${action.status}`;
  const several = action.destinations.length > 1;
  return action.destinations.map(({ cluster, weight }) => (several ? `${cluster}*${weight}` : cluster)).join(' ');
}

export function cluster(config: RuntimeConfig, name: string): ClusterConfig {
  const found = config.clusters[name];
  if (found === undefined) throw new Error(`no cluster ${name} among ${Object.keys(config.clusters).join(', ')}`);
  return found;
}

/** `10.0.0.1:80 10.0.0.2:80` */
export function addresses(config: RuntimeConfig, name: string): string {
  return cluster(config, name).endpoints.map(({ address, port }) => `${address}:${port}`).join(' ');
}

/** `10.0.0.0/8 a.example plain http/1.1,h2c → http 80`, one for each chain; the one that takes the rest begins with `else`. */
export function chainsOf(listener: { readonly chains?: readonly FilterChainConfig[]; readonly defaultChain?: FilterChainConfig } | undefined): readonly string[] {
  const { chains = [], defaultChain } = listener ?? {};
  return [...chains.map(chainText), ...(defaultChain === undefined ? [] : [`else ${chainText(defaultChain)}`])];
}

function chainText({ match, tls, network }: FilterChainConfig): string {
  const { destinationPort, destinationRanges = [], serverNames = [], transport = '', applicationProtocols = [] } = match;
  const conditions = [destinationPort === undefined ? '' : `:${destinationPort}`, destinationRanges.join(), serverNames.join(), transport, applicationProtocols.join()].filter((part) => part !== '');
  return [...conditions, '→', ...(tls === undefined ? [] : [tls.mode]), networkText(network)].join(' ');
}

function networkText(network: NetworkConfig): string {
  if (network.kind === 'close') return `close ${network.cluster ?? ''}`;
  if (network.kind === 'http') return `http ${network.routing.kind === 'table' ? network.routing.table : network.routing.kind}`;
  const several = network.route.destinations.length > 1;
  return `tcp ${network.route.destinations.map(({ cluster: name, weight }) => (several ? `${name}*${weight}` : name)).join(' ')}`;
}

/** Name → chains, of the virtual listeners. */
export function virtualListeners(config: RuntimeConfig): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(Object.values(config.virtualListeners).map((listener) => [listener.name, chainsOf(listener)]));
}
