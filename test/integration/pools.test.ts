/** Circuit-breaking pools with real upstreams: each limit, what overflows, and that nothing of it is lost. */

import t, { type Test } from 'tap';
import type { ClusterConfig, ConnectionPoolConfig } from '../../config/runtime/cluster.ts';
import { Cluster } from '../../proxy/upstream/cluster.ts';
import { renderResponseFlags } from '../../proxy/stream/response-flags.ts';
import { clusterOf, routeOf, startDataPath, type DataPath } from '../support/data-path.ts';
import { RawClient, type RawResponse } from '../support/raw-client.ts';
import { eventually } from '../support/scope.ts';
import { Upstream, type UpstreamRequest } from '../support/upstream.ts';

const BY_HAND = { onRequest: () => {} };

async function dataPathOf(t: Test, upstream: Upstream, connectionPool: ConnectionPoolConfig, more: Partial<ClusterConfig> = {}): Promise<DataPath> {
  return startDataPath(t, { upstreamPort: upstream.port, cluster: { connectionPool, ...more }, routes: [{ retry: null }] });
}

function clusterNamed({ runtime }: DataPath, name = 'upstream'): Cluster {
  for (const cluster of runtime.clusters()) if (cluster instanceof Cluster && cluster.name === name) return cluster;
  throw new Error(`no cluster ${name}`);
}

/** Sends one request on a connection of its own; the answer is waited for by whoever needs it. */
async function send(t: Test, proxy: DataPath, path: string): Promise<{ readonly client: RawClient; readonly answer: Promise<RawResponse> }> {
  const client = await RawClient.connect(t, proxy.port);
  client.request({ path });
  const answer = client.response();
  answer.catch(() => {});
  return { client, answer };
}

async function replace(proxy: DataPath, cluster: ClusterConfig): Promise<void> {
  const { version } = proxy.runtime.config();
  await proxy.runtime.applyDelta({ fromVersion: version, version: `${version}+`, clusters: { changed: [cluster], removed: [] }, routeTables: { changed: [], removed: [] } });
}

t.test('connections are limited, then waiting requests, then there is an overflow', async (t) => {
  const upstream = await Upstream.start(t, BY_HAND);
  const proxy = await dataPathOf(t, upstream, { maxConnections: 2, maxPendingRequests: 1 });
  const cluster = clusterNamed(proxy);
  const first = await send(t, proxy, '/1');
  const one = await upstream.next();
  const second = await send(t, proxy, '/2');
  await upstream.next();
  const third = await send(t, proxy, '/3');
  await eventually(() => cluster.breaker.pending === 1, 'the third to wait');

  const overflow = await (await send(t, proxy, '/4')).answer;
  t.equal(overflow.status, 503);
  t.equal(overflow.header('x-envoy-overloaded'), 'true');
  t.equal(overflow.text, 'upstream connect error or disconnect/reset before headers. reset reason: overflow');
  const { info } = await proxy.completed();
  t.equal(renderResponseFlags(info.flags), 'UO');
  t.equal(info.details, 'upstream_reset_before_response_started{overflow}');
  t.equal(info.host, undefined, 'it never had a host');

  one.answer();
  t.equal((await first.answer).status, 200);
  const served = await upstream.next();
  t.equal(served.path, '/3');
  t.equal(served.connection, one.connection, 'on the connection that became free');
  served.answer();
  upstream.requests[1]?.answer();
  t.equal((await second.answer).status, 200);
  t.equal((await third.answer).status, 200);
  t.equal(upstream.connections.length, 2);
  t.match(cluster.stats, { upstreamRqPendingOverflow: 1, upstreamCxOverflow: 1, upstreamRqPendingActive: 0 });
  t.match(cluster.breaker, { connections: 2, pending: 0, requests: 0 });
});

t.test('a limit that is lowered holds for the connections there are: a host keeps the one it may always have', async (t) => {
  const upstream = await Upstream.start(t, BY_HAND);
  const proxy = await dataPathOf(t, upstream, {});
  const { breaker } = clusterNamed(proxy);
  const busy = [await send(t, proxy, '/1'), await send(t, proxy, '/2'), await send(t, proxy, '/3'), await send(t, proxy, '/4')];
  for (let i = 0; i < 4; i++) await upstream.next();
  for (const i of [0, 1]) upstream.requests[i]?.answer();
  await eventually(() => breaker.requests === 2, 'two connections to be idle');
  await replace(proxy, clusterOf('upstream', upstream.port, { connectionPool: { maxConnections: 1 } }));
  const fifth = await send(t, proxy, '/5');
  await eventually(() => breaker.connections === 2, 'the idle ones to be closed');
  t.equal(breaker.pending, 1, 'and the fifth waits');
  for (const i of [2, 3]) upstream.requests[i]?.answer();
  const served = await upstream.next();
  t.equal(served.path, '/5');
  t.equal(breaker.connections, 1);
  served.answer();
  for (const { answer } of [...busy, fifth]) t.equal((await answer).status, 200);
  t.equal(upstream.connections.length, 4, 'none was opened for it');
  t.match(breaker, { connections: 1, pending: 0, requests: 0 });
});

t.test('connections that end under a request are counted by the side that ended them', async (t) => {
  const upstream = await Upstream.start(t, BY_HAND);
  const proxy = await dataPathOf(t, upstream, {});
  const { stats } = clusterNamed(proxy);
  const cut = [
    (request: UpstreamRequest) => request.connection.reset(),
    (request: UpstreamRequest) => request.connection.end(),
    (request: UpstreamRequest) => (request.connection.send('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart'), request.connection.end()),
  ];
  for (const end of cut) {
    await send(t, proxy, '/');
    end(await upstream.next());
    await proxy.completed();
  }
  t.match(stats, { upstreamCxDestroyRemoteWithActiveRq: 3, upstreamCxDestroyLocalWithActiveRq: 0 });
  const garbled = await send(t, proxy, '/');
  (await upstream.next()).connection.send('garbage\r\n\r\n');
  t.equal((await garbled.answer).status, 502);
  const left = await send(t, proxy, '/');
  await upstream.next();
  left.client.reset();
  await eventually(() => stats.upstreamCxDestroyLocalWithActiveRq === 2, 'both to be counted');
  const fine = await send(t, proxy, '/');
  const last = await upstream.next();
  last.answer();
  t.equal((await fine.answer).status, 200);
  last.connection.end();
  await eventually(() => stats.upstreamCxActive === 0, 'the idle connection to end');
  t.match(stats, { upstreamCxDestroyRemoteWithActiveRq: 3, upstreamCxDestroyLocalWithActiveRq: 2 });
});

t.test('requests under way are limited, however many connections there are', async (t) => {
  const upstream = await Upstream.start(t, BY_HAND);
  const proxy = await dataPathOf(t, upstream, { maxRequests: 1 });
  const cluster = clusterNamed(proxy);
  const first = await send(t, proxy, '/1');
  const one = await upstream.next();
  const refused = await (await send(t, proxy, '/2')).answer;
  t.equal(refused.status, 503);
  t.equal(renderResponseFlags((await proxy.completed()).info.flags), 'UO');
  one.answer();
  t.equal((await first.answer).status, 200);
  const third = await send(t, proxy, '/3');
  (await upstream.next()).answer();
  t.equal((await third.answer).status, 200, 'the place is free again');
  t.equal(cluster.breaker.requests, 0);
});

t.test('a client that leaves gives up its place in the queue, or its connection', async (t) => {
  const upstream = await Upstream.start(t, BY_HAND);
  const proxy = await dataPathOf(t, upstream, { maxConnections: 1, maxPendingRequests: 1 });
  const { breaker } = clusterNamed(proxy);
  const first = await send(t, proxy, '/1');
  await upstream.next();
  const second = await send(t, proxy, '/2');
  await eventually(() => breaker.pending === 1, 'the second to wait');
  second.client.reset();
  await eventually(() => breaker.pending === 0, 'its place to be free');
  const third = await send(t, proxy, '/3');
  await eventually(() => breaker.pending === 1, 'the third to wait');
  first.client.reset();
  const request = await upstream.next();
  t.equal(request.path, '/3');
  request.answer();
  t.equal((await third.answer).status, 200);
  t.equal(upstream.connections.length, 2, 'the connection of the one that left was cut and another one opened');
  t.match(breaker, { connections: 1, pending: 0, requests: 0 });
});

t.test('one request per connection, and the upstream is not told', async (t) => {
  const upstream = await Upstream.start(t);
  const proxy = await dataPathOf(t, upstream, { maxRequestsPerConnection: 1 });
  const client = await RawClient.connect(t, proxy.port);
  for (let i = 0; i < 3; i++) t.equal((await client.exchange()).status, 200);
  t.equal(upstream.connections.length, 3);
  t.notOk(upstream.requests.some((request) => request.header('connection') !== undefined), 'as in Envoy: no connection: close');
  for (const connection of upstream.connections) await connection.closed();
  t.equal(clusterNamed(proxy).stats.upstreamCxMaxRequests, 3);
});

t.test('a connection that is too old takes no more requests', async (t) => {
  const upstream = await Upstream.start(t);
  const proxy = await dataPathOf(t, upstream, { maxConnectionDurationMs: 1 });
  const cluster = clusterNamed(proxy);
  const client = await RawClient.connect(t, proxy.port);
  t.equal((await client.exchange()).status, 200);
  await eventually(() => cluster.breaker.connections === 0, 'the connection to end');
  await upstream.connections[0]?.closed();
  t.equal((await client.exchange()).status, 200);
  t.equal(upstream.connections.length, 2);
  t.ok(cluster.stats.upstreamCxMaxDurationReached > 0);
});

t.test('clusters (subsets, ports) have limits of their own', async (t) => {
  const upstream = await Upstream.start(t, BY_HAND);
  const proxy = await startDataPath(t, {
    upstreamPort: upstream.port,
    cluster: { connectionPool: { maxConnections: 1, maxPendingRequests: 1 } },
    moreClusters: [clusterOf('v2', upstream.port, { connectionPool: { maxConnections: 1, maxPendingRequests: 1 } })],
    routes: [
      { retry: null, match: { headers: [], query: [], path: { kind: 'prefix', value: '/v2' } }, action: { kind: 'forward', destinations: [{ cluster: 'v2', weight: 1, host: 'v2', port: 80, subset: '' }] } },
      { retry: null },
    ],
  });
  await send(t, proxy, '/v1');
  await upstream.next();
  await send(t, proxy, '/v1');
  await eventually(() => clusterNamed(proxy).breaker.pending === 1, 'the queue to be full');
  const other = await send(t, proxy, '/v2');
  (await upstream.next()).answer();
  t.equal((await other.answer).status, 200);
});

t.test('a reload raises a limit: who waits is served at once', async (t) => {
  const upstream = await Upstream.start(t, BY_HAND);
  const proxy = await dataPathOf(t, upstream, { maxConnections: 1 });
  await send(t, proxy, '/1');
  await upstream.next();
  const second = await send(t, proxy, '/2');
  await eventually(() => clusterNamed(proxy).breaker.pending === 1, 'the second to wait');
  await replace(proxy, clusterOf('upstream', upstream.port, { connectionPool: { maxConnections: 2 } }));
  const request = await upstream.next();
  t.equal(request.path, '/2');
  request.answer();
  t.equal((await second.answer).status, 200);
});

t.test('a reload takes the host away: who waits for it is still served by it', async (t) => {
  const [before, after] = [await Upstream.start(t, BY_HAND), await Upstream.start(t, { body: 'after' })];
  const proxy = await dataPathOf(t, before, { maxConnections: 1 });
  const cluster = clusterNamed(proxy);
  const first = await send(t, proxy, '/1');
  const one = await before.next();
  const second = await send(t, proxy, '/2');
  await eventually(() => cluster.breaker.pending === 1, 'the second to wait');
  await replace(proxy, clusterOf('upstream', after.port, { connectionPool: { maxConnections: 1 } }));
  const third = await send(t, proxy, '/3');
  t.equal((await third.answer).text, 'after', 'the new host may always open its first');
  one.answer();
  (await before.next()).answer();
  t.equal((await first.answer).status, 200);
  t.equal((await second.answer).status, 200);
  await eventually(() => cluster.breaker.connections === 1, 'the connections of the old host to end');
});

t.test('many at once through few connections: all are answered, never more than allowed, nothing is left', async (t) => {
  let busy = 0;
  let most = 0;
  const upstream = await Upstream.start(t, {
    onRequest: (request) => {
      most = Math.max(most, ++busy);
      setImmediate(() => {
        busy--;
        request.answer();
      });
    },
  });
  const proxy = await dataPathOf(t, upstream, { maxConnections: 3, maxRequests: 3 });
  const { breaker } = clusterNamed(proxy);
  const statuses = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const client = await RawClient.connect(t, proxy.port);
      const answers: number[] = [];
      for (let i = 0; i < 10; i++) answers.push((await client.exchange()).status);
      return answers;
    }),
  );
  t.strictSame([...new Set(statuses.flat())], [200]);
  t.equal(upstream.connections.length, 3);
  t.ok(most <= 3, `${most} at once`);
  t.match(breaker, { connections: 3, pending: 0, requests: 0, retries: 0 });
});

t.test('connections that are not HTTP count as well', async (t) => {
  const far = await Upstream.start(t, { onConnection: () => {} });
  const passthrough = clusterOf('PassthroughCluster', 1, { discovery: 'ORIGINAL_DST', endpoints: [], connectionPool: { maxConnections: 1 } });
  const proxy = await startDataPath(t, {
    listener: { routing: { kind: 'by-port', tables: {}, unknown: 'test' } },
    moreClusters: [passthrough],
    routes: [routeOf({ action: { kind: 'forward', destinations: [{ cluster: passthrough.name, weight: 1, host: '', port: 0, subset: '' }] } })],
  });
  const tunnel = async (first: string): Promise<RawClient> => {
    const client = await RawClient.connect(t, proxy.port);
    client.send(`CONNECT 127.0.0.1:${far.port} HTTP/1.1\r\nHost: a:1\r\n\r\n`);
    await client.until('200 OK');
    client.send(`\x16${first}`);
    return client;
  };
  const first = await tunnel('first');
  await eventually(() => far.text.includes('first'), 'the first to be connected');
  const second = await tunnel('second');
  await second.closed();
  t.equal(renderResponseFlags((await proxy.completed()).info.flags), 'UO');
  first.reset();
  await eventually(() => clusterNamed(proxy, passthrough.name).breaker.connections === 0, 'its permit to be given back');
  await tunnel('third');
  await eventually(() => far.text.includes('third'), 'the third to be connected');
});
