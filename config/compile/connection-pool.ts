/** DestinationRule `connectionPool` and `retryBudget` → the limits of a cluster; what is unset is not limited (istio-api.md 3.6). */

import type { ConnectionPoolSettings, HttpSettings, RetryBudget, TcpKeepalive, TcpSettings } from '../resources/traffic-policy/types.ts';
import type { ConnectionPoolConfig, RetryBudgetConfig } from '../runtime/cluster.ts';
import type { Origin } from '../runtime/origin.ts';
import type { Located } from './located.ts';
import { originAt } from './located.ts';
import type { MeshSettings } from './mesh.ts';
import { isSet } from './unset.ts';

const DEFAULT_BUDGET_PERCENT = 20;
const DEFAULT_MIN_RETRY_CONCURRENCY = 3;

/** Undefined where nothing is limited. */
export function connectionPoolConfig(pool: Located<ConnectionPoolSettings> | undefined, budget: Located<RetryBudget> | undefined, mesh: MeshSettings): ConnectionPoolConfig | undefined {
  const { tcp = {}, http = {} } = pool?.value ?? {};
  const limits = { ...tcpLimits(tcp, mesh), ...httpLimits(http) };
  const isLimited = Object.keys(limits).length > 0;
  if (!isLimited && budget === undefined) return undefined;
  const origin = isLimited ? poolOrigin(pool, mesh) : undefined;
  return { ...limits, ...(budget !== undefined && { retryBudget: retryBudgetConfig(budget) }), ...(origin !== undefined && { origin }) };
}

function tcpLimits(tcp: TcpSettings, mesh: MeshSettings): ConnectionPoolConfig {
  const tcpKeepalive = keepalive(mesh.tcpKeepalive, tcp.tcpKeepalive);
  return {
    ...(isSet(tcp.maxConnections) && { maxConnections: tcp.maxConnections }),
    ...(isSet(tcp.maxConnectionDuration) && { maxConnectionDurationMs: tcp.maxConnectionDuration }),
    ...(tcpKeepalive !== undefined && { tcpKeepalive }),
    // 0 is a value here: tunnels then never idle out.
    ...(tcp.idleTimeout !== undefined && { tcpIdleTimeoutMs: tcp.idleTimeout }),
  };
}

function httpLimits(http: HttpSettings): ConnectionPoolConfig {
  return {
    ...(isSet(http.http1MaxPendingRequests) && { maxPendingRequests: http.http1MaxPendingRequests }),
    ...(isSet(http.http2MaxRequests) && { maxRequests: http.http2MaxRequests }),
    ...(isSet(http.maxRetries) && { maxRetries: http.maxRetries }),
    ...(isSet(http.maxRequestsPerConnection) && { maxRequestsPerConnection: http.maxRequestsPerConnection }),
    ...(isSet(http.maxConcurrentStreams) && { maxConcurrentStreams: http.maxConcurrentStreams }),
  };
}

/** Either switches probes on; a rule's single settings win over the mesh's. */
function keepalive(ofMesh: TcpKeepalive | undefined, ofRule: TcpKeepalive | undefined): ConnectionPoolConfig['tcpKeepalive'] {
  if (ofMesh === undefined && ofRule === undefined) return undefined;
  const probes = isSet(ofRule?.probes) ? ofRule.probes : ofMesh?.probes;
  const time = ofRule?.time ?? ofMesh?.time;
  const interval = ofRule?.interval ?? ofMesh?.interval;
  return { ...(isSet(probes) && { probes }), ...(isSet(time) && { timeMs: time }), ...(isSet(interval) && { intervalMs: interval }) };
}

/** The mesh's keep-alive is all there is where no block was written. */
function poolOrigin(pool: Located<ConnectionPoolSettings> | undefined, mesh: MeshSettings): Origin | undefined {
  const place = pool ?? mesh.placeOf('tcpKeepalive');
  return place === undefined ? undefined : originAt(place);
}

function retryBudgetConfig(budget: Located<RetryBudget>): RetryBudgetConfig {
  const { percent = DEFAULT_BUDGET_PERCENT, minRetryConcurrency, budgetInterval = 0 } = budget.value;
  return {
    percent,
    minRetryConcurrency: isSet(minRetryConcurrency) ? minRetryConcurrency : DEFAULT_MIN_RETRY_CONCURRENCY,
    intervalMs: budgetInterval,
    origin: originAt(budget),
  };
}
