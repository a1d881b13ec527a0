/** Live object for one upstream address: counters, pools, and the facts telemetry prints. */

import type { EndpointConfig, WorkloadConfig } from '../../config/runtime/endpoint.ts';
import { authorityHost } from '../base/authority.ts';
import type { EventClock } from '../base/event-clock.ts';
import { isUnixAddress, unixName } from '../base/unix-address.ts';
import type { DownstreamAddresses, UpstreamHostView } from '../stream/stream-info.ts';
import { HostStats, type ClusterStats } from '../telemetry/stats.ts';
import type { CircuitBreaker } from './circuit-breaker.ts';
import { Http1Pool } from './http1-pool.ts';
import type { Ejection, OutlierRecord } from './ejection.ts';
import type { PoolSettings } from './pool-settings.ts';
import { proxyHeader } from './proxy-header.ts';
import { tlsTo, type UpstreamProtocol, type UpstreamTls } from './upstream-tls.ts';

export class Host implements UpstreamHostView {
  endpoint: EndpointConfig;
  /** `10.0.0.1:9080`, `[::1]:9080`, `/run/api.sock`. */
  readonly address: string;
  readonly stats: HostStats = new HostStats();
  /** Connections that any request may use. */
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

  readonly #deps: HostDeps;
  /** Of connections that are for some requests only: by the PROXY header they begin with and the host name they are secured for. */
  #pools: Map<string, Http1Pool> | undefined;

  constructor(endpoint: EndpointConfig, deps: HostDeps) {
    this.endpoint = endpoint;
    this.weight = endpoint.weight;
    this.address = hostAddress(endpoint);
    this.warmSinceMs = deps.clock.now();
    this.#deps = deps;
    this.pool = this.#createPool(undefined, undefined);
  }

  /** The pool for a request with this authority, on behalf of that downstream connection. */
  poolFor(authority: string, downstream: DownstreamAddresses | undefined): Http1Pool {
    const { poolsByHost, proxyProtocol } = this.#deps.settings;
    if (!poolsByHost && proxyProtocol === undefined) return this.pool;
    const host = poolsByHost ? authorityHost(authority) : undefined;
    const preamble = proxyProtocol === undefined || downstream === undefined ? undefined : proxyHeader(proxyProtocol, downstream);
    const key = `${preamble?.toString('latin1') ?? ''} ${host ?? ''}`;
    const pools = (this.#pools ??= new Map<string, Http1Pool>());
    let pool = pools.get(key);
    if (pool === undefined) {
      pool = this.#createPool(host, preamble);
      pools.set(key, pool);
    }
    return pool;
  }

  /** About once a second. */
  sweep(now: number): void {
    this.pool.sweep(now);
    const pools = this.#pools;
    if (pools === undefined) return;
    for (const [key, pool] of pools) {
      pool.sweep(now);
      if (pool.connections === 0 && pool.waiting === 0) pools.delete(key);
    }
  }

  /** It is gone from the configuration. */
  drain(): void {
    for (const pool of this.#everyPool()) pool.drain();
  }

  /** Its connections must be made anew: other TLS settings. */
  renew(): void {
    for (const pool of this.#everyPool()) pool.renew();
  }

  destroy(): void {
    for (const pool of this.#everyPool()) pool.destroy();
  }

  /** Undefined while it is in service. */
  get ejection(): Ejection | undefined {
    return this.outlier?.ejection;
  }

  get workload(): WorkloadConfig {
    return this.endpoint.workload;
  }

  /** What secures a connection to it; undefined: plain text. */
  tls(host: string | undefined, protocol: UpstreamProtocol): UpstreamTls | undefined {
    const { settings, stats } = this.#deps;
    if (settings.tls === undefined && settings.requiresTls) throw new TypeError(`${this.address} is to be reached over TLS, and nothing here can make it`);
    return settings.tls === undefined ? undefined : tlsTo(this.endpoint, settings.tls, stats, { host, protocol });
  }

  #everyPool(): readonly Http1Pool[] {
    return [this.pool, ...(this.#pools?.values() ?? [])];
  }

  #createPool(name: string | undefined, preamble: Buffer | undefined): Http1Pool {
    const { settings, clock, stats, breaker, onTlsFailure } = this.#deps;
    const { address, port } = this.endpoint;
    const target = { address, port, preamble, tls: () => this.tls(name, 'http/1.1'), onTlsFailure: (sentence: string) => onTlsFailure?.(this.address, sentence) };
    return new Http1Pool(target, settings, clock, { cluster: stats, host: this.stats }, breaker);
  }
}

/** What the hosts of a cluster share. */
export interface HostDeps {
  readonly settings: PoolSettings;
  readonly clock: EventClock;
  readonly stats: ClusterStats;
  readonly breaker: CircuitBreaker;
  /** Told why a TLS handshake with `address` failed. */
  readonly onTlsFailure?: ((address: string, sentence: string) => void) | undefined;
}

/** The key a host lives under: its address as it is printed. */
export function hostAddress(endpoint: { readonly address: string; readonly port: number }): string {
  if (isUnixAddress(endpoint.address)) return unixName(endpoint.address);
  return endpoint.address.includes(':') ? `[${endpoint.address}]:${endpoint.port}` : `${endpoint.address}:${endpoint.port}`;
}
