/**
 * HTTP/1 connections to one host: idle ones reused newest first, requests without one wait for the connect they caused,
 * or, where the cluster has as many connections as it may, for any that this host has or gets.
 *
 * A connection holds a permit of the cluster's breaker from the start of its connect to its end. There is a connect under
 * way for every waiter, as far as permits go; a host that has nothing at all always opens one (Envoy), so its waiters
 * never wait for other hosts alone.
 */

import type { EventClock } from '../base/event-clock.ts';
import { Fifo } from '../base/fifo.ts';
import { Http1ClientConnection, type ClientConnectionOwner } from '../codec/http1/client-connection.ts';
import type { ClusterStats, HostStats } from '../telemetry/stats.ts';
import type { CircuitBreaker, ConnectionSeeker } from './circuit-breaker.ts';
import { connect, loopbackSix, type ConnectFailure } from './connector.ts';
import type { PoolSettings } from './pool-settings.ts';
import type { UpstreamTls } from './upstream-tls.ts';

/** A request that waits for a connection. */
export interface PoolWaiter {
  /** The connection is the waiter's until its exchange has ended. Who cannot use it gives it back with `Http1Pool.onIdle`. */
  onConnection(connection: Http1ClientConnection): void;
  onConnectFailure(failure: ConnectFailure): void;
}

export interface PoolTarget {
  readonly address: string;
  readonly port: number;
  /** How the next connection is secured; undefined, or absent: in plain text. */
  readonly tls?: () => UpstreamTls | undefined;
  /** What every connection begins with (PROXY protocol). */
  readonly preamble?: Buffer | undefined;
  /** Told why a TLS handshake failed, in a plain sentence. */
  readonly onTlsFailure?: ((sentence: string) => void) | undefined;
}

/** Where a pool counts. */
export interface PoolStats {
  readonly cluster: ClusterStats;
  readonly host: HostStats;
}

const SHUTTING_DOWN: ConnectFailure = { kind: 'remote_connection_failure', reason: 'proxy is shutting down' };

export class Http1Pool implements ClientConnectionOwner, ConnectionSeeker {
  readonly #target: PoolTarget;
  readonly #settings: PoolSettings;
  readonly #clock: EventClock;
  readonly #clusterStats: ClusterStats;
  readonly #hostStats: HostStats;
  readonly #breaker: CircuitBreaker;
  readonly #idle: Http1ClientConnection[] = [];
  readonly #all: Set<Http1ClientConnection> = new Set();
  readonly #waiters: Fifo<PoolWaiter> = new Fifo();
  /** Waiters whose connect has failed and who are about to be told. */
  readonly #doomed: Fifo<PoolWaiter> = new Fifo();
  readonly #connecting: Set<() => void> = new Set();
  /** Connections made under settings that hold no more: they take no further request. */
  #outdated: WeakSet<Http1ClientConnection> | undefined;
  /** Changes with each renewal. */
  #generation = 0;
  #draining = false;
  #destroyed = false;
  /** Waiters are being given connections further up the stack. */
  #serving = false;

  constructor(target: PoolTarget, settings: PoolSettings, clock: EventClock, stats: PoolStats, breaker: CircuitBreaker) {
    this.#target = target;
    this.#settings = settings;
    this.#clock = clock;
    this.#clusterStats = stats.cluster;
    this.#hostStats = stats.host;
    this.#breaker = breaker;
  }

  /** An idle connection, or undefined: then `wait`. */
  take(): Http1ClientConnection | undefined {
    for (let newest = this.#idle.pop(); newest !== undefined; newest = this.#idle.pop()) {
      if (!isSpent(newest, this.#clock.now(), this.#settings) && !this.#hasSurplus) return newest;
      newest.close();
    }
    return undefined;
  }

  /**
   * Queues `waiter` and opens a connection for it; false when no more requests may wait (overflow), or the pool is
   * destroyed. The waiter that has waited longest gets the first connection free.
   */
  wait(waiter: PoolWaiter): boolean {
    if (this.#destroyed) return false;
    if (!this.#breaker.admitPending()) {
      this.#clusterStats.upstreamRqPendingOverflow++;
      return false;
    }
    this.#waiters.push(waiter);
    this.#clusterStats.upstreamRqPendingTotal++;
    this.#clusterStats.upstreamRqPendingActive++;
    this.#openForWaiters();
    return true;
  }

  /** Takes `waiter` out of the queue; its connect goes on and feeds the pool. */
  giveUp(waiter: PoolWaiter): void {
    if (this.#waiters.remove(waiter)) this.#countUnqueued();
    else this.#doomed.remove(waiter);
  }

  /** Connections, those under way included: what it holds permits for. */
  get connections(): number {
    return this.#all.size + this.#connecting.size;
  }

  /** Requests in the queue. */
  get waiting(): number {
    return this.#waiters.length;
  }

  /** About once a second: ends idle connections that are too old, or idle for longer than the idle timeout. */
  sweep(now: number): void {
    if (this.#idle.length === 0) return;
    for (const connection of this.#idle.filter((idle) => isSpent(idle, now, this.#settings))) {
      if (!this.#isWornOut(connection, now)) this.#clusterStats.upstreamCxIdleTimeout++;
      connection.close();
    }
    while (this.#idle.length > 0 && this.#hasSurplus) this.#idle[0]?.close();
    // Other hosts' requests wait for a permit that lies idle here. One a second, so that hosts do not take turns at
    // connecting; and not the last, which this host could open again at once.
    if (this.#breaker.sought && this.#all.size > 1) this.#idle[0]?.close();
  }

  /** The host is gone from the configuration: idle connections close now, busy ones after their response. Waiters are still served. */
  drain(): void {
    this.#draining = true;
    this.#closeIdle();
  }

  /** Connections must be made anew (other TLS settings): idle ones close now, busy ones after their response. */
  renew(): void {
    this.#generation++;
    this.#outdated = new WeakSet(this.#all);
    this.#closeIdle();
  }

  /** Ends everything at once. */
  destroy(): void {
    this.#draining = true;
    this.#destroyed = true;
    this.#doom(this.#waiters.length);
    for (const cancel of this.#connecting) {
      cancel();
      this.#countClosed();
      this.#breaker.releaseConnection();
    }
    this.#connecting.clear();
    for (const connection of [...this.#all]) connection.resetStream();
    this.#failDoomed(SHUTTING_DOWN);
  }

  // ClientConnectionOwner

  onIdle(connection: Http1ClientConnection): void {
    const now = this.#clock.now();
    if (this.#isWornOut(connection, now) || this.#hasSurplus) {
      connection.close();
      return;
    }
    connection.idleSinceMs = now;
    this.#idle.push(connection);
    if (this.#waiters.length > 0) this.#serve();
    else if (this.#draining) this.#closeIdle();
  }

  onClosed(connection: Http1ClientConnection): void {
    if (!this.#all.delete(connection)) return;
    this.#countClosed();
    this.#clusterStats.upstreamCxRxBytesTotal += connection.bytesRead;
    this.#clusterStats.upstreamCxTxBytesTotal += connection.bytesWritten;
    if (connection.cutBy === 'remote') this.#clusterStats.upstreamCxDestroyRemoteWithActiveRq++;
    else if (connection.cutBy === 'local') this.#clusterStats.upstreamCxDestroyLocalWithActiveRq++;
    if (connection.requests >= this.#settings.maxRequestsPerConnection) this.#clusterStats.upstreamCxMaxRequests++;
    else if (this.#clock.now() - connection.openedMs >= this.#settings.maxDurationMs) this.#clusterStats.upstreamCxMaxDurationReached++;
    const index = this.#idle.lastIndexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    this.#passPermitOn();
  }

  // ConnectionSeeker

  onRoom(): void {
    if (!this.#wantsMore || !this.#breaker.admitConnection(false)) return;
    this.#open();
    if (this.#wantsMore) this.#breaker.seekConnection(this);
  }

  /**
   * A reload has lowered the limit below the connections there are, and this host has more than the one it may always
   * have. (Envoy's new cluster begins with no connection at all.)
   */
  get #hasSurplus(): boolean {
    return this.#breaker.crowded && this.#all.size > 1;
  }

  /** There are waiters that no connect is under way for. */
  get #wantsMore(): boolean {
    return this.#waiters.length > this.#connecting.size;
  }

  #openForWaiters(): void {
    while (this.#wantsMore) {
      if (!this.#breaker.admitConnection(this.connections === 0)) {
        this.#clusterStats.upstreamCxOverflow++;
        this.#breaker.seekConnection(this);
        return;
      }
      this.#open();
    }
  }

  /** A connection has ended. Where it was the last one and requests wait, its permit is for the next: no other host may have it. */
  #passPermitOn(): void {
    if (this.connections === 0 && this.#waiters.length > 0) this.#open();
    else this.#breaker.releaseConnection();
    this.#openForWaiters();
  }

  /** Starts a connect; its permit has been taken. */
  #open(): void {
    let connection: Http1ClientConnection | undefined;
    const { connectTimeoutMs, keepAlive, isOwn, fromLoopbackSix } = this.#settings;
    const { address, port, tls, preamble } = this.#target;
    const generation = this.#generation;
    const localAddress = fromLoopbackSix ? loopbackSix(address) : undefined;
    const cancel = connect({ address, port, timeoutMs: connectTimeoutMs, keepAlive, isOwn, localAddress, preamble, tls: tls?.() }, this.#clock, {
      onConnect: (socket, security) => {
        this.#clock.tick();
        this.#connecting.delete(cancel);
        connection = new Http1ClientConnection(socket, this, this.#clock, security);
        this.#all.add(connection);
        if (generation !== this.#generation) this.#outdated?.add(connection);
        this.onIdle(connection);
      },
      onFailure: (failure) => {
        this.#clock.tick();
        this.#connecting.delete(cancel);
        this.#onConnectFailure(failure);
      },
      onRead: (bytes, length) => {
        try {
          connection?.onRead(bytes, length);
        } catch (error) {
          // A bug: it costs this exchange, whose request would hang otherwise, and is reported as what it is.
          connection?.abandon();
          throw error;
        }
      },
    });
    this.#connecting.add(cancel);
    // Envoy counts connections from the start of their connect.
    this.#clusterStats.upstreamCxTotal++;
    this.#clusterStats.upstreamCxActive++;
    this.#hostStats.cxTotal++;
    this.#hostStats.cxActive++;
  }

  /**
   * With the connect fail the waiters that have no other one under way: they are not left to find out one connect after
   * the other that this host cannot be reached. (Envoy fails all, those whose connect goes on included.)
   */
  #onConnectFailure(failure: ConnectFailure): void {
    this.#countClosed();
    this.#hostStats.cxConnectFail++;
    if (failure.sentence !== undefined) this.#target.onTlsFailure?.(failure.sentence);
    this.#clusterStats.upstreamCxConnectFail++;
    if (failure.kind === 'connection_timeout') this.#clusterStats.upstreamCxConnectTimeout++;
    this.#doom(this.#waiters.length - this.#connecting.size);
    this.#clusterStats.upstreamRqPendingFailureEject += this.#doomed.length;
    this.#breaker.releaseConnection();
    this.#failDoomed(failure);
  }

  /** Takes the oldest waiters out of the queue. They are told when all is in order again: they may well come back at once. */
  #doom(count: number): void {
    for (let left = count; left > 0; left--) {
      const waiter = this.#nextWaiter();
      if (waiter !== undefined) this.#doomed.push(waiter);
    }
  }

  #failDoomed(failure: ConnectFailure): void {
    for (let waiter = this.#doomed.shift(); waiter !== undefined; waiter = this.#doomed.shift()) waiter.onConnectFailure(failure);
  }

  /** A loop rather than a call for each: a waiter that cannot use its connection gives it back at once. */
  #serve(): void {
    if (this.#serving) return;
    this.#serving = true;
    try {
      while (this.#waiters.length > 0) {
        const connection = this.#idle.pop();
        if (connection === undefined) break;
        this.#nextWaiter()?.onConnection(connection);
      }
    } finally {
      this.#serving = false;
    }
    if (this.#waiters.length > 0) this.#openForWaiters();
    else if (this.#draining) this.#closeIdle();
  }

  #nextWaiter(): PoolWaiter | undefined {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) this.#countUnqueued();
    return waiter;
  }

  #countUnqueued(): void {
    this.#breaker.releasePending();
    this.#clusterStats.upstreamRqPendingActive--;
  }

  #countClosed(): void {
    this.#clusterStats.upstreamCxActive--;
    this.#hostStats.cxActive--;
  }

  #closeIdle(): void {
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  /** It has carried its requests, or lived its time. */
  #isWornOut(connection: Http1ClientConnection, now: number): boolean {
    if (this.#outdated?.has(connection) === true) return true;
    return connection.requests >= this.#settings.maxRequestsPerConnection || now - connection.openedMs >= this.#settings.maxDurationMs;
  }
}

/** An idle connection is given up this long before the upstream said it would do so: a request must not cross with its FIN. */
const HINT_MARGIN_MS = 500;

/** True once an idle connection has outlived our limits or nearly the one the upstream announced. */
function isSpent(connection: Http1ClientConnection, now: number, { idleTimeoutMs, maxDurationMs }: PoolSettings): boolean {
  const idleMs = now - connection.idleSinceMs;
  if (idleTimeoutMs > 0 && idleMs > idleTimeoutMs) return true;
  if (now - connection.openedMs >= maxDurationMs) return true;
  return connection.idleHintMs !== undefined && idleMs > Math.max(connection.idleHintMs - HINT_MARGIN_MS, connection.idleHintMs / 2);
}
