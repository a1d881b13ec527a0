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
  /** Absent: what Istio programs for a service of which nothing is said. */
  readonly envoy?: {
    /** One per entry of `http`; what is absent is filled in as `programRoute` says. */
    readonly routes?: readonly Json[];
    readonly cluster?: Json;
  };
}

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
    virtualHosts: [...hosts.map((host) => virtualHost(`${host.name}.test`, (host.envoy?.routes ?? [{}]).map((route) => programRoute(host, route)))), blockAll],
    clusters: scenes.flatMap(({ hosts: own, backends }) => own.map((host) => programCluster(host, backends))),
  };
}

function describe({ name, endpoints, http, trafficPolicy }: TestHost, backends: Backends): Json[] {
  const host = `${name}.test`;
  const described: Json[] = [
    resource('ServiceEntry', name, {
      hosts: [host],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: [{ name: 'http', number: 80, protocol: 'HTTP' }],
      endpoints: endpoints.map((endpoint) => ({ address: '127.0.0.1', ports: { http: backends[endpoint] } })),
    }),
  ];
  if (http !== undefined) {
    const routes = http.map((entry) => ('directResponse' in entry || 'redirect' in entry || 'route' in entry ? entry : { ...entry, route: [{ destination: { host } }] }));
    described.push(resource('VirtualService', name, { hosts: [host], http: routes }));
  }
  if (trafficPolicy !== undefined) described.push(resource('DestinationRule', name, { host, trafficPolicy }));
  return described;
}

function resource(kind: string, name: string, spec: Json): Json {
  return { apiVersion: 'networking.istio.io/v1', kind, metadata: { name, namespace: 'default' }, spec };
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
