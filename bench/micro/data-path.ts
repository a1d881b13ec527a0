/**
 * The data path without a kernel: one request and its answer through codec, routing, filters, pool and telemetry on fake
 * sockets, nanoseconds each. It shows what our own code costs, free of the noise of system calls.
 */

import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { createEventClock } from '../../proxy/base/event-clock.ts';
import { systemRandom } from '../../proxy/base/random.ts';
import { Http1ClientConnection } from '../../proxy/codec/http1/client-connection.ts';
import { HttpListener } from '../../proxy/http/http-listener.ts';
import { DomainMap } from '../../proxy/base/domain-map.ts';
import { createLiveRoute } from '../../proxy/router/live-route.ts';
import { RouteTable } from '../../proxy/router/route-table.ts';
import { Clusters } from '../../proxy/upstream/clusters.ts';
import { createIstioMetrics } from '../../proxy/telemetry/metrics/istio-metrics.ts';
import type { Stream } from '../../proxy/stream/stream.ts';
import { configOf } from '../../test/support/data-path.ts';

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

/** Nanoseconds for one request and answer, with or without the standard metrics. */
export function dataPathNs(withMetrics: boolean, iterations: number): number {
  const config = configOf({ upstreamPort: 1 });
  const clock = createEventClock();
  const clusters = new Clusters({ clock, random: systemRandom, resolver: () => Promise.resolve([]) });
  clusters.apply(Object.values(config.clusters), []);
  const tables = new Map(Object.values(config.routeTables).map((table) => [table.name, new RouteTable(table, (route, virtualHost) => createLiveRoute(route, virtualHost, () => undefined))]));
  const metrics = createIstioMetrics(config.node);
  const onComplete = withMetrics ? (stream: Stream) => metrics.record(stream) : () => {};
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
  return ((performance.now() - started) * 1e6) / iterations;
}
