/** HTTP/1 connections to one host: idle ones reused newest first, requests without one wait for the connect they caused. */

import type { Socket } from 'node:net';
import type { EventClock } from '../base/event-clock.ts';
import { Fifo } from '../base/fifo.ts';
import { Http1ClientConnection, type ClientConnectionOwner } from '../codec/http1/client-connection.ts';
import type { ClusterStats, HostStats } from '../telemetry/stats.ts';
import { connect, type ConnectFailure, type IsOwnListener } from './connector.ts';

/** A request that waits for a connection. */
export interface PoolWaiter {
  onConnection(connection: Http1ClientConnection): void;
  onConnectFailure(failure: ConnectFailure): void;
}

export interface PoolTarget {
  readonly address: string;
  readonly port: number;
}

/** Settings that a reload may change under a living pool. */
export interface PoolSettings {
  connectTimeoutMs: number;
  idleTimeoutMs: number;
  /** Where the downstream chooses the destination: what it may not choose. */
  isOwn: IsOwnListener | undefined;
}

export class Http1Pool implements ClientConnectionOwner {
  readonly #target: PoolTarget;
  readonly #settings: PoolSettings;
  readonly #clock: EventClock;
  readonly #clusterStats: ClusterStats;
  readonly #hostStats: HostStats;
  readonly #idle: Http1ClientConnection[] = [];
  readonly #all: Set<Http1ClientConnection> = new Set();
  readonly #waiters: Fifo<PoolWaiter> = new Fifo();
  readonly #connecting: Set<() => void> = new Set();
  #draining = false;

  constructor(target: PoolTarget, settings: PoolSettings, clock: EventClock, clusterStats: ClusterStats, hostStats: HostStats) {
    this.#target = target;
    this.#settings = settings;
    this.#clock = clock;
    this.#clusterStats = clusterStats;
    this.#hostStats = hostStats;
  }

  /** An idle connection, or undefined: then `wait`. */
  take(): Http1ClientConnection | undefined {
    for (let newest = this.#idle.pop(); newest !== undefined; newest = this.#idle.pop()) {
      if (!isSpent(newest, this.#clock.now(), this.#settings.idleTimeoutMs)) return newest;
      newest.close();
    }
    return undefined;
  }

  /**
   * Queues `waiter` and opens a connection for it; false when no more requests may wait (overflow). The waiter that has
   * waited longest gets the first one free.
   */
  wait(waiter: PoolWaiter): boolean {
    this.#waiters.push(waiter);
    this.#clusterStats.upstreamRqPendingTotal++;
    this.#clusterStats.upstreamRqPendingActive++;
    this.#open();
    return true;
  }

  /** Takes `waiter` out of the queue; its connect goes on and feeds the pool. */
  giveUp(waiter: PoolWaiter): void {
    if (this.#waiters.remove(waiter)) this.#clusterStats.upstreamRqPendingActive--;
  }

  get empty(): boolean {
    return this.#all.size === 0 && this.#connecting.size === 0 && this.#waiters.length === 0;
  }

  /** Ends idle connections that have been so for longer than the idle timeout. */
  sweep(now: number): void {
    if (this.#idle.length === 0) return;
    for (const connection of this.#idle.filter((idle) => isSpent(idle, now, this.#settings.idleTimeoutMs))) {
      this.#clusterStats.upstreamCxIdleTimeout++;
      connection.close();
    }
  }

  /** The host is gone from the configuration: idle connections close now, busy ones after their response. */
  drain(): void {
    this.#draining = true;
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  /** Ends everything at once. */
  destroy(): void {
    this.#draining = true;
    for (const cancel of this.#connecting) cancel();
    this.#connecting.clear();
    for (const connection of [...this.#all]) connection.resetStream();
    for (let waiter = this.#nextWaiter(); waiter !== undefined; waiter = this.#nextWaiter()) {
      waiter.onConnectFailure({ kind: 'remote_connection_failure', reason: 'proxy is shutting down' });
    }
  }

  onIdle(connection: Http1ClientConnection): void {
    const waiter = this.#nextWaiter();
    if (waiter !== undefined) {
      waiter.onConnection(connection);
      return;
    }
    if (this.#draining) {
      connection.close();
      return;
    }
    connection.idleSinceMs = this.#clock.now();
    this.#idle.push(connection);
  }

  onClosed(connection: Http1ClientConnection): void {
    if (!this.#all.delete(connection)) return;
    this.#clusterStats.upstreamCxActive--;
    this.#hostStats.cxActive--;
    this.#clusterStats.upstreamCxRxBytesTotal += connection.bytesRead;
    this.#clusterStats.upstreamCxTxBytesTotal += connection.bytesWritten;
    const index = this.#idle.lastIndexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  #open(): void {
    let connection: Http1ClientConnection | undefined;
    const cancel = connect(
      { address: this.#target.address, port: this.#target.port, timeoutMs: this.#settings.connectTimeoutMs, isOwn: this.#settings.isOwn },
      this.#clock,
      {
        onConnect: (socket) => {
          this.#clock.tick();
          this.#connecting.delete(cancel);
          connection = this.#adopt(socket);
          this.onIdle(connection);
        },
        onFailure: (failure) => {
          this.#clock.tick();
          this.#connecting.delete(cancel);
          this.#countFailure(failure);
          this.#nextWaiter()?.onConnectFailure(failure);
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
      },
    );
    this.#connecting.add(cancel);
  }

  #adopt(socket: Socket): Http1ClientConnection {
    const connection = new Http1ClientConnection(socket, this, this.#clock);
    this.#all.add(connection);
    this.#clusterStats.upstreamCxTotal++;
    this.#clusterStats.upstreamCxActive++;
    this.#hostStats.cxTotal++;
    this.#hostStats.cxActive++;
    return connection;
  }

  #nextWaiter(): PoolWaiter | undefined {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) this.#clusterStats.upstreamRqPendingActive--;
    return waiter;
  }

  #countFailure(failure: ConnectFailure): void {
    this.#hostStats.cxConnectFail++;
    if (failure.kind === 'connection_timeout') this.#clusterStats.upstreamCxConnectTimeout++;
    this.#clusterStats.upstreamCxConnectFail++;
  }
}

/** An idle connection is given up this long before the upstream said it would do so: a request must not cross with its FIN. */
const HINT_MARGIN_MS = 500;

/** True once an idle connection has outlived our limit (0 = none) or nearly the one the upstream announced. */
function isSpent(connection: Http1ClientConnection, now: number, idleTimeoutMs: number): boolean {
  const idleMs = now - connection.idleSinceMs;
  if (idleTimeoutMs > 0 && idleMs > idleTimeoutMs) return true;
  return connection.idleHintMs !== undefined && idleMs > Math.max(connection.idleHintMs - HINT_MARGIN_MS, connection.idleHintMs / 2);
}
