/** What a cluster's configuration says about its connections, as pools and tunnels read it. One object per cluster, which a reload changes. */

import type { ClusterConfig } from '../../config/runtime/cluster.ts';
import type { KeepAlive } from '../base/keep-alive.ts';
import type { ClientTls } from '../identity/client-tls.ts';
import type { IsOwnListener } from './connector.ts';
import { dependsOnHost } from './upstream-tls.ts';

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
  /** Secures connections, where the endpoint is to be reached so; undefined: all in plain text. */
  tls: ClientTls | undefined;
  /** Whatever happens, nothing is sent in plain text. */
  requiresTls: boolean;
  /** Requests for different hosts must not share a connection: each has its own server name or expected certificate. */
  poolsByHost: boolean;
  /** Connections begin with the address of one downstream connection, and so are for its requests alone. */
  proxyProtocol: 'V1' | 'V2' | undefined;
  /** Connections come from 127.0.0.6 or ::6: interception leaves those alone (Istio's inbound bind address). */
  fromLoopbackSix: boolean;
}

/** What a cluster's settings need beyond its configuration. */
export interface PoolDeps {
  readonly isOwn: IsOwnListener | undefined;
  readonly tls: ClientTls | undefined;
}

export function poolSettingsOf(config: ClusterConfig, { isOwn, tls }: PoolDeps): PoolSettings {
  const pool = config.connectionPool;
  return {
    connectTimeoutMs: config.connectTimeoutMs,
    idleTimeoutMs: config.idleTimeoutMs,
    maxRequestsPerConnection: pool?.maxRequestsPerConnection ?? Infinity,
    maxDurationMs: pool?.maxConnectionDurationMs ?? Infinity,
    keepAlive: pool?.tcpKeepalive,
    isOwn,
    tls,
    requiresTls: !['DISABLE', 'AUTO'].includes(config.tls.mode),
    poolsByHost: tls !== undefined && dependsOnHost(tls.config),
    proxyProtocol: config.proxyProtocol,
    fromLoopbackSix: config.fromLoopbackSix === true,
  };
}
