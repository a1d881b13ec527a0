/** The bootstrap of a sidecar's outbound HTTP listener as Istio programs it: one service, Istio's default policies or those of the bench. */

import { benchHost, benchPort } from '../config.ts';
import type { PeerPlan, PolicyName } from '../types.ts';
import { policyClusters, policyRoutes } from './envoy-policies.ts';

export interface EnvoyShape {
  /** `plain`: the router alone (the default). `sidecar`: with the stock filters of an Istio sidecar (gRPC statistics, fault, CORS). */
  readonly filters?: 'plain' | 'sidecar';
  /** Present: all the upstream's ports are hosts, and this much is configured. Absent: one host, Istio's defaults. */
  readonly policy?: PolicyName;
  /** Headers added and removed, as a RouteConfiguration has them. */
  readonly headers?: Json;
}

type Json = Readonly<Record<string, unknown>>;

const istioLogFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

/** The bootstrap as JSON, which Envoy reads as YAML. */
export function envoyBootstrap(plan: PeerPlan, shape: EnvoyShape = {}): string {
  const { policy = 'plain' } = shape;
  const listener = {
    name: 'outbound',
    traffic_direction: 'OUTBOUND',
    address: socketAddress(plan.listenPort),
    filter_chains: [{ filters: [typed(...connectionManagerType, connectionManager(plan, shape))] }],
  };
  return bootstrapOf(listener, policyClusters(policy, shape.policy === undefined ? [plan.upstreamPort] : plan.upstreamPorts));
}

/** One listener and its clusters, with what Istio's own bootstrap sets. */
export function bootstrapOf(listener: Json, clusters: readonly Json[]): string {
  const runtime = { 're2.max_program_size.error_level': 32_768, 'envoy.reloadable_features.http_reject_path_with_fragment': false };
  return JSON.stringify({ layered_runtime: { layers: [{ name: 'istio bootstrap', static_layer: runtime }] }, static_resources: { listeners: [listener], clusters } });
}

/** The only filter of a chain, by its name and the folder and name of its type. */
export const connectionManagerType = ['envoy.filters.network.http_connection_manager', 'filters.network.http_connection_manager.v3.HttpConnectionManager'] as const;

/** The HTTP filter of an outbound listener. */
export function connectionManager(plan: Pick<PeerPlan, 'accessLog'>, { filters, policy = 'plain', headers = {} }: EnvoyShape): Json {
  return {
    stat_prefix: 'outbound',
    codec_type: 'AUTO',
    use_remote_address: false,
    normalize_path: true,
    path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
    stream_idle_timeout: '0s',
    proxy_100_continue: true,
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    access_log: plan.accessLog === undefined ? [] : [fileLog(plan.accessLog)],
    route_config: { name: String(benchPort), validate_clusters: false, virtual_hosts: [virtualHost(policy)], ...headers },
    http_filters: [...(filters === 'sidecar' ? sidecarFilters() : []), typed('envoy.filters.http.router', 'filters.http.router.v3.Router', {})],
  };
}

function virtualHost(policy: PolicyName): Json {
  return {
    name: `${benchHost}:${benchPort}`,
    domains: [benchHost, `${benchHost}:${benchPort}`, 'bench', `bench:${benchPort}`],
    include_request_attempt_count: true,
    routes: policyRoutes(policy),
  };
}

function sidecarFilters(): Json[] {
  return [
    typed('envoy.filters.http.grpc_stats', 'filters.http.grpc_stats.v3.FilterConfig', {}),
    typed('envoy.filters.http.fault', 'filters.http.fault.v3.HTTPFault', {}),
    typed('envoy.filters.http.cors', 'filters.http.cors.v3.Cors', {}),
  ];
}

function fileLog(path: string): Json {
  const log_format = { text_format_source: { inline_string: istioLogFormat } };
  return typed('envoy.access_loggers.file', 'access_loggers.file.v3.FileAccessLog', { path, log_format });
}

/** On loopback. */
export function socketAddress(port: number): Json {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

export function typed(name: string, type: string, config: Json): Json {
  return { name, typed_config: { '@type': `type.googleapis.com/envoy.extensions.${type}`, ...config } };
}
