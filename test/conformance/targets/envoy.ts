/** The real Envoy with the table's routes, as Istio's control plane would program a sidecar's outbound listener. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { envoy } from '../../support/programs.ts';
import { freePort } from './backends.ts';
import { startTarget, type StoppableTarget } from './process.ts';
import { connectTimeoutMs, routeTimeoutMs, type Backends } from './target.ts';

export type Json = Readonly<Record<string, unknown>>;

const logFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

/** Routes and clusters in Envoy's own words. */
export interface EnvoyPlan {
  readonly virtualHosts: readonly Json[];
  readonly clusters: readonly Json[];
  /** Settings of the connection manager besides Istio's. */
  readonly manager?: Json;
}

/** `plan` is by default the table of attacks'. */
export async function startEnvoy(folder: string, backends: Backends, plan: EnvoyPlan = attackPlan(backends)): Promise<StoppableTarget> {
  const port = await freePort();
  const logFile = join(folder, 'envoy-access.log');
  const config = join(folder, 'envoy.yaml');
  writeFileSync(config, JSON.stringify(bootstrap(port, logFile, plan)));
  const args = ['-c', config, '--concurrency', '1', '--log-level', 'error', '--disable-hot-restart', '--file-flush-interval-msec', '50'];
  return startTarget({ backends, command: envoy().path, args, port, logFile });
}

/** Refuses hosts nobody declares, as REGISTRY_ONLY does. */
export const blockAll: Json = { name: 'block_all', domains: ['*'], routes: [{ name: 'block_all', match: { prefix: '/' }, direct_response: { status: 502 } }] };

function attackPlan(backends: Backends): EnvoyPlan {
  const clusters = [
    cluster('app', [backends.upstream]),
    cluster('refused', [backends.refused]),
    cluster('hanging', [backends.hanging], `${connectTimeoutMs / 1000}s`),
    cluster('empty', []),
  ];
  return { virtualHosts: virtualHosts(), clusters };
}

function bootstrap(port: number, logFile: string, plan: EnvoyPlan): Json {
  const settings = { ...connectionManager(logFile, plan.virtualHosts), ...plan.manager };
  const manager = typed('envoy.filters.network.http_connection_manager', 'filters.network.http_connection_manager.v3.HttpConnectionManager', settings);
  const listener = { name: 'outbound', traffic_direction: 'OUTBOUND', address: socketAddress(port), filter_chains: [{ filters: [manager] }] };
  const runtime = { 're2.max_program_size.error_level': 32_768, 'envoy.reloadable_features.http_reject_path_with_fragment': false };
  return { layered_runtime: { layers: [{ name: 'istio bootstrap', static_layer: runtime }] }, static_resources: { listeners: [listener], clusters: plan.clusters } };
}

function connectionManager(logFile: string, hosts: readonly Json[]): Json {
  const accessLog = { path: logFile, log_format: { text_format_source: { inline_string: logFormat } } };
  return {
    stat_prefix: 'outbound',
    codec_type: 'AUTO',
    use_remote_address: false,
    normalize_path: true,
    path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
    stream_idle_timeout: '0s',
    // Only shortens the second that Envoy waits for the client's FIN after an answer with `connection: close`.
    delayed_close_timeout: '0.05s',
    proxy_100_continue: true,
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    access_log: [typed('envoy.access_loggers.file', 'access_loggers.file.v3.FileAccessLog', accessLog)],
    route_config: { name: '80', validate_clusters: false, virtual_hosts: hosts },
    http_filters: [
      typed('envoy.filters.http.fault', 'filters.http.fault.v3.HTTPFault', {}),
      typed('envoy.filters.http.router', 'filters.http.router.v3.Router', {}),
    ],
  };
}

function virtualHosts(): Json[] {
  const simple = ['refused', 'hanging', 'empty', 'missing'].map((name) => virtualHost(`${name}.test`, [route(name, '/', name)]));
  return [
    virtualHost('app.test', [
      route('timeout', '/timeout', 'app', `${routeTimeoutMs / 1000}s`),
      { name: 'redirect', match: { path: '/redirect' }, redirect: { path_redirect: '/elsewhere' } },
      { name: 'move', match: { prefix: '/move/' }, redirect: { host_redirect: 'other.test' } },
      { name: 'denied', match: { path: '/denied' }, direct_response: { status: 403, body: { inline_string: 'denied' } } },
      route('default', '/', 'app'),
    ]),
    virtualHost('narrow.test', [{ ...route('only', '/', 'app'), match: { path: '/only' } }]),
    ...simple,
    blockAll,
  ];
}

export function virtualHost(host: string, routes: readonly Json[]): Json {
  return { name: `${host}:80`, domains: [host, `${host}:80`], include_request_attempt_count: true, routes };
}

function route(name: string, prefix: string, target: string, timeout = '0s'): Json {
  return { name, match: { prefix, case_sensitive: true }, route: { cluster: target, timeout, max_grpc_timeout: timeout } };
}

export function cluster(name: string, ports: readonly number[], connectTimeout = '10s'): Json {
  const endpoints = [{ lb_endpoints: ports.map((port) => ({ endpoint: { address: socketAddress(port) } })) }];
  return { name, type: 'STATIC', connect_timeout: connectTimeout, lb_policy: 'LEAST_REQUEST', load_assignment: { cluster_name: name, endpoints } };
}

function socketAddress(port: number): Json {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

export function typed(name: string, type: string, config: Json): Json {
  return { name, typed_config: { '@type': `type.googleapis.com/envoy.extensions.${type}`, ...config } };
}
