/** Hosts with a policy, said twice: as an Istio user writes it, and as Istio's control plane programs Envoy for it. */

import { blockAll, cluster, virtualHost, type EnvoyPlan, type Json } from './envoy.ts';
import { mesh } from './outrider.ts';
import type { Backends } from './target.ts';

/** Served as `<name>.test`, port 80. */
export interface TestHost {
  readonly name: string;
  readonly endpoints: readonly (keyof Backends)[];
  /** `spec.http` of its VirtualService, with a `route` to itself where an entry says no other action; absent: it has none. */
  readonly http?: readonly Json[];
  /** Of its DestinationRule; absent: it has none. */
  readonly trafficPolicy?: Json;
  /** More destinations than the host itself. */
  readonly branches?: readonly Branch[];
  /** Absent: what Istio programs for a service of which nothing is said. */
  readonly envoy?: {
    /** One per entry of `http`; what is absent is filled in as `programRoute` says. */
    readonly routes?: readonly Json[];
    readonly cluster?: Json;
  };
}

/** A subset of a host, or another port of all its endpoints: in Envoy a cluster of its own, `<name>/<subset or port>`. */
export type Branch = { readonly envoy?: Json } & ({ readonly subset: string; readonly endpoints: readonly (keyof Backends)[]; readonly trafficPolicy?: Json } | { readonly port: number });

/** Hosts, and what is behind their endpoints. */
export interface Scene {
  readonly hosts: readonly TestHost[];
  readonly backends: Backends;
}

/** What Istio programs where nothing is said about retries. */
export const defaultRetry: Json = programRetry('connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes', 2);

/** A retry policy with everything that Istio adds by itself. */
export function programRetry(retryOn: string, retries: number, more: Json = {}): Json {
  const predicate = 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate';
  return {
    retry_on: retryOn,
    num_retries: retries,
    host_selection_retry_max_attempts: 5,
    retry_host_predicate: [{ name: 'envoy.retry_host_predicates.previous_hosts', typed_config: { '@type': predicate } }],
    ...more,
  };
}

/** The Istio resources of the hosts; every other host is refused (REGISTRY_ONLY). */
export function renderSnapshot(scenes: readonly Scene[]): string {
  const resources = scenes.flatMap(({ hosts, backends }) => hosts.flatMap((host) => describe(host, backends)));
  return [mesh, ...resources.map((each) => `${JSON.stringify(each)}\n`)].join('---\n');
}

export function planEnvoy(scenes: readonly Scene[]): EnvoyPlan {
  const hosts = scenes.flatMap((scene) => scene.hosts);
  return {
    virtualHosts: [...hosts.flatMap(programHosts), blockAll],
    clusters: scenes.flatMap(({ hosts: own, backends }) => own.flatMap((host) => [programCluster(host, backends), ...branchClusters(host, backends)])),
  };
}

function describe({ name, endpoints, http, trafficPolicy, branches = [] }: TestHost, backends: Backends): Json[] {
  const host = `${name}.test`;
  const described: Json[] = [
    resource('ServiceEntry', name, {
      hosts: [host],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: [80, ...portsOf(branches)].map((number) => ({ name: `http-${number}`, number, protocol: 'HTTP' })),
      endpoints: [...endpoints.map((endpoint) => place([80, ...portsOf(branches)], backends[endpoint])), ...branches.flatMap((branch) => subsetPlaces(branch, backends))],
    }),
  ];
  if (http !== undefined) {
    const routes = http.map((entry) => ('directResponse' in entry || 'redirect' in entry || 'route' in entry ? entry : { ...entry, route: [{ destination: { host } }] }));
    described.push(resource('VirtualService', name, { hosts: [host], http: routes }));
  }
  const subsets = branches.flatMap((branch) => ('subset' in branch ? [{ name: branch.subset, labels: { subset: branch.subset }, ...(branch.trafficPolicy !== undefined && { trafficPolicy: branch.trafficPolicy }) }] : []));
  if (trafficPolicy !== undefined || subsets.length > 0) described.push(resource('DestinationRule', name, { host, trafficPolicy, subsets }));
  return described;
}

function portsOf(branches: readonly Branch[]): readonly number[] {
  return branches.flatMap((branch) => ('port' in branch ? [branch.port] : []));
}

function place(ports: readonly number[], port: number): Json {
  return { address: '127.0.0.1', ports: Object.fromEntries(ports.map((number) => [`http-${number}`, port])) };
}

function subsetPlaces(branch: Branch, backends: Backends): Json[] {
  return 'port' in branch ? [] : branch.endpoints.map((endpoint) => ({ ...place([80], backends[endpoint]), labels: { subset: branch.subset } }));
}

function resource(kind: string, name: string, spec: Json): Json {
  return { apiVersion: 'networking.istio.io/v1', kind, metadata: { name, namespace: 'default' }, spec };
}

/** One for the host, one for each further port of it. */
function programHosts(host: TestHost): Json[] {
  const { name, branches = [], envoy } = host;
  const routes = envoy?.routes ?? [{}];
  const program = (domain: string, cluster: string): Json => virtualHost(domain, routes.map((route) => programRoute({ ...host, name: cluster }, route)));
  return [program(`${name}.test`, name), ...portsOf(branches).map((port) => ({ ...program(`${name}.test:${port}`, `${name}/${port}`), domains: [`${name}.test:${port}`] }))];
}

function branchClusters({ name, endpoints, branches = [] }: TestHost, backends: Backends): Json[] {
  return branches.map((branch) => {
    const place = 'port' in branch ? { name: `${name}/${branch.port}`, endpoints } : { name: `${name}/${branch.subset}`, endpoints: branch.endpoints };
    return programCluster({ ...place, envoy: { cluster: branch.envoy ?? {} } }, backends);
  });
}

/** Fills in the match, and for a route its cluster, no timeout and the default retries; `retry_policy: null` means none. */
function programRoute({ name }: TestHost, route: Json): Json {
  const whole = { name: 'default', match: { prefix: '/', case_sensitive: true }, ...route };
  if ('direct_response' in whole || 'redirect' in whole) return whole;
  const action: Json = { cluster: name, timeout: '0s', retry_policy: defaultRetry, ...(route['route'] as Json | undefined) };
  const { retry_policy: retries, ...rest } = action;
  return { ...whole, route: { ...rest, max_grpc_timeout: action['timeout'], ...(retries === null ? {} : { retry_policy: retries }) } };
}

const unlimited = 4_294_967_295;

/** Every threshold at its largest, as Istio leaves them; `thresholds` of a host's own are written over those. */
function programCluster({ name, endpoints, envoy }: TestHost, backends: Backends): Json {
  const { thresholds, ...own } = { ...envoy?.cluster };
  const limits = { max_connections: unlimited, max_pending_requests: unlimited, max_requests: unlimited, max_retries: unlimited, track_remaining: true, ...(thresholds as Json | undefined) };
  const plain = cluster(name, endpoints.map((endpoint) => backends[endpoint]));
  return { ...plain, circuit_breakers: { thresholds: [limits] }, ...own };
}
