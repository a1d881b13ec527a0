/** A running proxy as the admin server sees it, made up. */

import type { ClusterConfig } from '../../config/runtime/cluster.ts';
import type { ListenerConfig } from '../../config/runtime/listener.ts';
import type { Problem } from '../../config/runtime/problem.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import type { AdminView, ClusterView, ConfigStatus, HostView, ListenerView } from '../../proxy/admin/view.ts';
import { ClusterStats, HostStats, ListenerStats } from '../../proxy/telemetry/stats.ts';
import { REVIEWS_V1 } from './completed-stream.ts';

export function clusterConfig(name: string, changes: Partial<ClusterConfig> = {}): ClusterConfig {
  return {
    name,
    discovery: 'STATIC',
    endpoints: [{ address: '10.0.0.1', port: 9080, weight: 1, locality: 'eu/a/r1', workload: REVIEWS_V1, tlsMode: 'disabled' }],
    loadBalancer: { policy: 'LEAST_REQUEST', origin: 'default' },
    connectTimeoutMs: 10_000,
    connectTimeoutOrigin: 'default',
    idleTimeoutMs: 3_600_000,
    protocol: 'HTTP',
    tls: { mode: 'DISABLE', origin: 'default' },
    service: { host: 'reviews.default.svc.cluster.local', name: 'reviews', namespace: 'default' },
    port: 9080,
    subset: '',
    ...changes,
  };
}

export function clusterView(config: ClusterConfig): ClusterView {
  const hosts: HostView[] = config.endpoints.map((endpoint) => ({ endpoint, address: `${endpoint.address}:${endpoint.port}`, stats: new HostStats() }));
  return { config, stats: new ClusterStats(), hosts };
}

export function listenerView(name: string, direction: ListenerConfig['direction'], address: string, port: number): ListenerView {
  const config: ListenerConfig = {
    name,
    direction,
    bind: { address, port },
    routing: { kind: 'table', table: '80', port: 80 },
    http: { useRemoteAddress: false, numTrustedProxies: 0, pathNormalization: 'BASE' },
  };
  return { config, boundAddress: address, boundPort: port, stats: new ListenerStats() };
}

export class FakeAdminView implements AdminView {
  current: ReturnType<AdminView['state']> = 'LIVE';
  config: RuntimeConfig;
  clusterViews: ClusterView[] = [];
  listenerViews: ListenerView[] = [];
  level = 'info';
  lastAttempt: ConfigStatus['lastAttempt'] = 'accepted';
  problems: Problem[] = [];
  /** What was asked for, in order. */
  readonly done: string[] = [];

  constructor(clusters: readonly ClusterConfig[] = []) {
    this.clusterViews = clusters.map(clusterView);
    this.config = {
      version: 'f00d',
      node: {
        mode: 'sidecar', namespace: 'default', name: 'productpage-1', ip: '10.0.0.9', serviceAccount: 'sa', labels: { app: 'productpage' },
        clusterDomain: 'cluster.local', trustDomain: 'cluster.local', rootNamespace: 'istio-system', workload: { name: 'productpage-v1', canonicalService: 'productpage' },
      },
      listeners: [],
      virtualListeners: {},
      secrets: {},
      routeTables: {},
      clusters: Object.fromEntries(clusters.map((cluster) => [cluster.name, cluster])),
      telemetry: { accessLog: { encoding: 'TEXT' } },
    };
  }

  state(): ReturnType<AdminView['state']> {
    return this.current;
  }

  runtimeConfig(): RuntimeConfig {
    return this.config;
  }

  clusters(): Iterable<ClusterView> {
    return this.clusterViews;
  }

  listeners(): Iterable<ListenerView> {
    return this.listenerViews;
  }

  configStatus(): ConfigStatus {
    const at = '2026-11-21T08:49:01.007Z';
    return { version: 'f00d', loadedAt: at, lastAttemptAt: at, lastAttempt: this.lastAttempt, accepted: 3, rejected: 1, problems: this.problems };
  }

  uptimeMs(): number {
    return 12_900;
  }

  options(): Readonly<Record<string, unknown>> {
    return { config: ['mesh.yaml'], mode: 'sidecar' };
  }

  async reload(): Promise<ConfigStatus> {
    this.done.push('reload');
    return this.configStatus();
  }

  drainListeners(): void {
    this.done.push('drain');
  }

  quit(): void {
    this.done.push('quit');
  }

  setHealthy(healthy: boolean): void {
    this.done.push(`healthy ${healthy}`);
    this.current = healthy ? 'LIVE' : 'DRAINING';
  }

  logLevel(): string {
    return this.level;
  }

  setLogLevel(level: string): boolean {
    if (!['debug', 'warn', 'info'].includes(level)) return false;
    this.level = level;
    return true;
  }

  resetCounters(): void {
    this.done.push('reset');
  }
}
