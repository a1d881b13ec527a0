/** Live object for one upstream address: counters, pool, and the facts telemetry prints. */

import type { EndpointConfig, WorkloadConfig } from '../../config/runtime/endpoint.ts';
import type { EventClock } from '../base/event-clock.ts';
import type { UpstreamHostView } from '../stream/stream-info.ts';
import { HostStats, type ClusterStats } from '../telemetry/stats.ts';
import type { CircuitBreaker } from './circuit-breaker.ts';
import { Http1Pool } from './http1-pool.ts';
import type { Ejection, OutlierRecord } from './ejection.ts';
import type { PoolSettings } from './pool-settings.ts';

export class Host implements UpstreamHostView {
  endpoint: EndpointConfig;
  /** `10.0.0.1:9080`, `[::1]:9080`. */
  readonly address: string;
  readonly stats: HostStats = new HostStats();
  readonly pool: Http1Pool;
  /** Load-balancing weight, at least 1. */
  weight: number;
  /** Requests under way; what least-request compares. */
  activeRequests = 0;
  healthy = true;
  /** Monotonic milliseconds when it came into the cluster; slow start counts from then. Back from an ejection it is not warmed up again (Envoy). */
  readonly warmSinceMs: number;
  /** What outlier detection knows of it; undefined where nothing is detected. */
  outlier: OutlierRecord | undefined = undefined;

  constructor(endpoint: EndpointConfig, settings: PoolSettings, clock: EventClock, clusterStats: ClusterStats, breaker: CircuitBreaker) {
    this.endpoint = endpoint;
    this.weight = endpoint.weight;
    this.address = hostAddress(endpoint);
    this.warmSinceMs = clock.now();
    this.pool = new Http1Pool(endpoint, settings, clock, { cluster: clusterStats, host: this.stats }, breaker);
  }

  /** Undefined while it is in service. */
  get ejection(): Ejection | undefined {
    return this.outlier?.ejection;
  }

  get workload(): WorkloadConfig {
    return this.endpoint.workload;
  }
}

/** The key a host lives under: its address as it is printed. */
export function hostAddress(endpoint: { readonly address: string; readonly port: number }): string {
  return endpoint.address.includes(':') ? `[${endpoint.address}]:${endpoint.port}` : `${endpoint.address}:${endpoint.port}`;
}
