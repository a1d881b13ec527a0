/**
 * The data path without a kernel: one request and its answer through codec, routing, filters, pool and telemetry on fake
 * sockets, nanoseconds each. It shows what our own code costs, free of the noise of system calls.
 */

import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { DEFAULT_RETRY } from '../../config/runtime/retry.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { createEventClock } from '../../proxy/base/event-clock.ts';
import { systemRandom } from '../../proxy/base/random.ts';
import { Http1ClientConnection } from '../../proxy/codec/http1/client-connection.ts';
import { HttpListener } from '../../proxy/http/http-listener.ts';
import { DomainMap } from '../../proxy/base/domain-map.ts';
import { createLiveRoute } from '../../proxy/router/live-route.ts';
import { RouteTable } from '../../proxy/router/route-table.ts';
import { Clusters } from '../../proxy/upstream/clusters.ts';
import { createAccessLog } from '../../proxy/telemetry/access-log/access-log.ts';
import { createIstioMetrics } from '../../proxy/telemetry/metrics/istio-metrics.ts';
import type { Stream } from '../../proxy/stream/stream.ts';
import { configOf, type DataPathOptions } from '../../test/support/data-path.ts';

class FakeSocket extends EventEmitter {
  readonly destroyed = false;
  readonly writableLength = 0;
  readonly localAddress = '127.0.0.1';
  readonly remoteAddress = '127.0.0.1';
  readonly localPort = 1;
  readonly remotePort = 2;
  write(): boolean {
    return true;
  }
  setNoDelay(): void {}
  pause(): void {}
  resume(): void {}
}

const REQUEST = Buffer.from('GET /productpage?u=normal HTTP/1.1\r\nHost: reviews:9080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nCookie: session=abcdef0123456789\r\n\r\n');
const RESPONSE = Buffer.from(`HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\nConnection: keep-alive\r\n\r\n${'x'.repeat(1024)}`);

/** Everything a route and a cluster can ask for that does nothing while all is well. */
const POLICIES: DataPathOptions = {
  routes: [{ timeoutMs: 10_000, retry: { ...DEFAULT_RETRY, conditions: ['5xx', 'reset', 'connect-failure'], perTryTimeoutMs: 2000 } }],
  cluster: {
    connectionPool: { maxConnections: 100, maxPendingRequests: 100, maxRequests: 1000, retryBudget: { percent: 20, minRetryConcurrency: 3, intervalMs: 0 } },
    outlierDetection: {
      consecutive5xx: 5, consecutiveGateway: 3, consecutiveLocalOrigin: 5, splitLocalOrigin: false, intervalMs: 10_000, baseEjectionTimeMs: 30_000,
      maxEjectionTimeMs: 300_000, maxEjectionPercent: 50, origin: 'default',
    },
  },
};

/** Prints the data path alone, with policies, with the standard metrics, and with metrics and the access log written to /dev/null. */
export function printDataPath(iterations = 200_000): void {
  const metrics = createIstioMetrics(configOf({}).node);
  const log = createAccessLog({ encoding: 'TEXT', path: '/dev/null', clock: systemClock });
  if ('problem' in log) throw new Error(log.problem);
  const rows: readonly (readonly [name: string, onComplete: (stream: Stream) => void, options?: DataPathOptions])[] = [
    ['request and answer', () => {}],
    ['… with every policy, idle', () => {}, POLICIES],
    ['… with metrics', (stream) => metrics.record(stream)],
    ['… with metrics and access log', (stream) => (metrics.record(stream), log.log(stream))],
  ];
  for (const [, onComplete, options] of rows) dataPathNs(onComplete, iterations, options);
  for (const [name, onComplete, options] of rows) {
    const runs = Array.from({ length: 5 }, () => dataPathNs(onComplete, iterations, options)).sort((a, b) => a - b);
    process.stdout.write(`${(runs[2] ?? 0).toFixed(0).padStart(9)} ${(runs[0] ?? 0).toFixed(0).padStart(9)} ${(runs[4] ?? 0).toFixed(0).padStart(9)} ${''.padStart(9)}  ${name}\n`);
  }
  void log.close();
}

/** Nanoseconds for one request and answer; `onComplete` is who observes the streams. */
export function dataPathNs(onComplete: (stream: Stream) => void, iterations: number, options: DataPathOptions = {}): number {
  const config = configOf({ upstreamPort: 1, ...options });
  const clock = createEventClock();
  const clusters = new Clusters({ clock, random: systemRandom, resolver: () => Promise.resolve([]) });
  clusters.apply(Object.values(config.clusters), []);
  const tables = new Map(Object.values(config.routeTables).map((table) => [table.name, new RouteTable(table, (route, virtualHost) => createLiveRoute(route, virtualHost, () => undefined))]));
  const listener = new HttpListener(config.listeners[0] as (typeof config.listeners)[0], { tables, clusters, portless: new DomainMap() }, { clock, random: systemRandom, onComplete, onExplained: () => {}, isOwnListener: () => false });
  const downstream = listener.accept(new FakeSocket() as unknown as Socket);
  const [host] = [...(clusters.get('upstream')?.hosts ?? [])];
  const upstream = new Http1ClientConnection(new FakeSocket() as unknown as Socket, host?.pool as NonNullable<typeof host>['pool'], clock);
  host?.pool.onIdle(upstream);
  const started = performance.now();
  for (let i = 0; i < iterations; i++) {
    downstream.onRead(REQUEST, REQUEST.length);
    upstream.onRead(RESPONSE, RESPONSE.length);
  }
  const ns = ((performance.now() - started) * 1e6) / iterations;
  clusters.destroy();
  return ns;
}
