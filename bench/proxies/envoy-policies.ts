/** What Istio's control plane programs into Envoy's routes and clusters for each set of policies of snapshots/policies.ts. */

import { benchHost, benchPort, hashHeader, mirrorHost } from '../config.ts';
import type { PolicyName } from '../types.ts';

type Json = Readonly<Record<string, unknown>>;

const benchCluster = `outbound|${benchPort}||${benchHost}`;
const mirrorCluster = `outbound|${benchPort}||${mirrorHost}`;
const maxThreshold = 4_294_967_295;

/** The routes of the bench service's virtual host; `plain` has Istio's defaults alone. */
export function policyRoutes(policy: PolicyName): Json[] {
  switch (policy) {
    case 'retries-idle':
      return [route(configuredRetries)];
    case 'mirror':
      return [route({ ...defaultRetries, request_mirror_policies: [mirrorPolicy] })];
    case 'consistent-hash':
      // Istio leaves the previous-hosts predicate out where a hash decides the host.
      return [route({ ...defaultRetries, retry_policy: { ...retryPolicy, retry_host_predicate: [] }, hash_policy: [{ header: { header_name: hashHeader } }] })];
    case 'all-policies':
      return [route(defaultRetries, [{ name: 'end-user', string_match: { exact: 'jason' } }]), route(configuredRetries)];
    default:
      return [route(defaultRetries)];
  }
}

/** The bench service's cluster on `ports`, and the mirror's where there is one. */
export function policyClusters(policy: PolicyName, ports: readonly number[]): Json[] {
  const plain = cluster(benchCluster, ports);
  switch (policy) {
    case 'breakers':
      return [{ ...plain, ...connectionPool }];
    case 'outlier':
      return [{ ...plain, ...outlierDetection }];
    case 'mirror':
      return [plain, cluster(mirrorCluster, ports.slice(0, 1))];
    case 'consistent-hash':
      return [{ ...plain, lb_policy: 'RING_HASH', ring_hash_lb_config: { minimum_ring_size: 1024 } }];
    case 'all-policies':
      return [{ ...plain, ...connectionPool, ...outlierDetection }];
    default:
      return [plain];
  }
}

const retryPolicy = {
  retry_on: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes',
  num_retries: 2,
  host_selection_retry_max_attempts: 5,
  retry_host_predicate: [typed('envoy.retry_host_predicates.previous_hosts', 'retry.host.previous_hosts.v3.PreviousHostsPredicate', {})],
};

const defaultRetries = { timeout: '0s', max_grpc_timeout: '0s', retry_policy: retryPolicy };

const configuredRetries = {
  timeout: '10s',
  max_grpc_timeout: '10s',
  retry_policy: { ...retryPolicy, retry_on: '5xx,reset,connect-failure', num_retries: 3, per_try_timeout: '2s' },
};

const mirrorPolicy = {
  cluster: mirrorCluster,
  runtime_fraction: { default_value: { numerator: 1_000_000, denominator: 'MILLION' } },
  trace_sampled: false,
  disable_shadow_host_suffix_append: true,
};

const connectionPool = {
  connect_timeout: '5s',
  upstream_connection_options: { tcp_keepalive: { keepalive_time: 300, keepalive_interval: 75 } },
  circuit_breakers: thresholds({
    max_connections: 1000,
    max_pending_requests: 1000,
    max_requests: 1000,
    retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: 3 },
  }),
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      common_http_protocol_options: { idle_timeout: '60s', max_requests_per_connection: 1_000_000 },
      explicit_http_config: { http_protocol_options: {} },
    },
  },
};

const outlierDetection = {
  outlier_detection: {
    consecutive_5xx: 5,
    enforcing_consecutive_5xx: 100,
    consecutive_gateway_failure: 3,
    enforcing_consecutive_gateway_failure: 100,
    enforcing_success_rate: 0,
    interval: '10s',
    base_ejection_time: '30s',
    max_ejection_percent: 50,
  },
  common_lb_config: { healthy_panic_threshold: { value: 0 } },
};

function route(action: Json, headers?: readonly Json[]): Json {
  return { name: 'default', match: { prefix: '/', case_sensitive: true, ...(headers === undefined ? {} : { headers }) }, route: { cluster: benchCluster, ...action } };
}

function cluster(name: string, ports: readonly number[]): Json {
  const endpoints = ports.map((port) => ({ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }));
  return {
    name,
    type: 'STATIC',
    connect_timeout: '10s',
    lb_policy: 'LEAST_REQUEST',
    circuit_breakers: thresholds({ max_connections: maxThreshold, max_pending_requests: maxThreshold, max_requests: maxThreshold }),
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] },
  };
}

function thresholds(limits: Json): Json {
  return { thresholds: [{ max_retries: maxThreshold, ...limits, track_remaining: true }] };
}

function typed(name: string, type: string, config: Json): Json {
  return { name, typed_config: { '@type': `type.googleapis.com/envoy.extensions.${type}`, ...config } };
}
