/** What a cluster's configuration says about its connections, as pools and tunnels read it. One object per cluster, which a reload changes. */

import type { ClusterConfig } from '../../config/runtime/cluster.ts';
import type { KeepAlive } from '../base/keep-alive.ts';
import type { IsOwnListener } from './connector.ts';

export interface PoolSettings {
  connectTimeoutMs: number;
  /** Connections without a request close after this; 0: never. */
  idleTimeoutMs: number;
  /** Requests one connection carries before it closes; Infinity: any number. */
  maxRequestsPerConnection: number;
  /** A connection as old as this takes no more requests; Infinity: any age. */
  maxDurationMs: number;
  /** Present: TCP keep-alive probes are on. */
  keepAlive: KeepAlive | undefined;
  /** Where the downstream chooses the destination: what it may not choose. */
  isOwn: IsOwnListener | undefined;
}

export function poolSettingsOf(config: ClusterConfig, isOwn: IsOwnListener | undefined): PoolSettings {
  const pool = config.connectionPool;
  return {
    connectTimeoutMs: config.connectTimeoutMs,
    idleTimeoutMs: config.idleTimeoutMs,
    maxRequestsPerConnection: pool?.maxRequestsPerConnection ?? Infinity,
    maxDurationMs: pool?.maxConnectionDurationMs ?? Infinity,
    keepAlive: pool?.tcpKeepalive,
    isOwn,
  };
}
