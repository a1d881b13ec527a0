/** HTTP/1.1 through the data path with real sockets: framing, order, back-pressure, aborts, the keep-alive race, timeouts. */

import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import t from 'tap';
import { clusterOf, routeOf, startDataPath } from '../support/data-path.ts';
import { exchangeUntilClose, RawClient, request } from '../support/raw-client.ts';
import { eventually } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

t.test('a request and its answer, with the headers of a sidecar', async (t) => {
  const upstream = await Upstream.start(t, { body: 'hello' });
  const proxy = await startDataPath(t, { upstreamPort: upstream.port });
  const answer = await request(t, proxy.port, { path: '/a/../b?c=d', host: 'Reviews:9080', headers: { 'X-Custom': 'v', Connection: 'X-Hop', 'X-Hop': '1', 'x-envoy-retry-on': '5xx', 'x-envoy-internal': 'true' } });
  t.equal(answer.status, 200);
  t.equal(answer.text, 'hello');
  t.equal(answer.header('server'), 'outrider');
  t.match(answer.header('date'), /GMT$/);
  t.match(answer.header('x-envoy-upstream-service-time'), /^\d+$/);

  const seen = await upstream.next();
  t.equal(seen.path, '/b?c=d', 'one canonical path');
  t.equal(seen.header('host'), 'reviews:9080');
  t.equal(seen.header('x-custom'), 'v');
  t.equal(seen.header('x-forwarded-proto'), 'http');
  t.match(seen.header('x-request-id'), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  t.equal(seen.header('x-envoy-attempt-count'), '1');
  for (const gone of ['x-hop', 'connection', 'x-envoy-retry-on', 'x-envoy-internal']) t.equal(seen.header(gone), undefined, `${gone} is removed`);

  const { info } = await proxy.completed();
  t.match(info, { responseCode: 200, flags: 0, details: 'via_upstream', bytesSent: 5, routeName: 'default', attemptCount: 1 });
  t.equal(info.host?.address, `127.0.0.1:${upstream.port}`);
});

t.test('keep-alive: one upstream connection, many requests', async (t) => {
  const upstream = await Upstream.start(t);
  const proxy = await startDataPath(t, { upstreamPort: upstream.port });
  const client = await RawClient.connect(t, proxy.port);
  for (let i = 0; i < 20; i++) {
    t.equal((await client.exchange({ path: `/${i}` })).status, 200);
    const { info } = await proxy.completed();
    t.ok(info.upstreamServiceTimeMs <= Math.floor(info.endMs - info.startMs), 'the upstream took no longer than the whole');
  }
  t.equal(upstream.connections.length, 1);
  t.equal(client.ending, undefined);
});

t.test('pipelined requests are answered in order', async (t) => {
  const upstream = await Upstream.start(t, { onRequest: (seen) => void seen.complete.then(() => setTimeout(() => seen.answer({ body: seen.path }), seen.path === '/0' ? 80 : 1)) });
  const proxy = await startDataPath(t, { upstreamPort: upstream.port });
  const client = await RawClient.connect(t, proxy.port);
  for (let i = 0; i < 10; i++) client.request({ path: `/${i}`, ...(i % 3 === 1 ? { method: 'POST', body: 'x'.repeat(i * 1000) } : {}) });
  for (let i = 0; i < 10; i++) t.equal((await client.response()).text, `/${i}`);
});

t.test('bodies arrive as they were sent', async (t) => {
  const upstream = await Upstream.start(t, { onRequest: (seen) => void seen.body().then((body) => seen.answer({ body: createHash('md5').update(body).digest('hex') })) });
  const proxy = await startDataPath(t, { upstreamPort: upstream.port });
  for (const size of [0, 1, 1000, 65_535, 65_536, 65_537, 1_000_000]) {
    const body = randomBytes(size);
    const answer = await request(t, proxy.port, { method: 'POST', body });
    t.equal(answer.text, createHash('md5').update(body).digest('hex'), `${size} bytes with content-length`);
    t.equal((await proxy.completed()).info.bytesReceived, size);
  }
  const client = await RawClient.connect(t, proxy.port);
  client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n');
  await new Promise((resolve) => setTimeout(resolve, 30));
  client.send('2\r\nde\r\n0\r\nX-Sum: 5\r\nContent-Length: 9\r\n\r\n');
  const last = upstream.requests[7] ?? (await eventually(() => upstream.requests[7], 'the chunked request'));
  t.equal((await client.response()).text, createHash('md5').update('abcde').digest('hex'));
  t.equal(last.header('transfer-encoding'), 'chunked');
  t.same(last.trailers, [['X-Sum'.toLowerCase(), '5']], 'a trailer is relayed, a forbidden one is not');
});

t.test('answers: chunked, without length, empty, HEAD, 204, 304, trailers', async (t) => {
  const answers: Record<string, string> = {
    '/chunked': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-End: 1\r\n\r\n',
    '/close': 'HTTP/1.1 200 OK\r\n\r\nuntil the end',
    '/old': 'HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold',
    '/empty': 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    '/204': 'HTTP/1.1 204 No Content\r\n\r\n',
    '/304': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: x\r\n\r\n',
    '/head': 'HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n',
  };
  const upstream = await Upstream.start(t, {
    onRequest: (seen) => {
      seen.connection.send(answers[seen.path] ?? '');
      if (seen.path === '/close') seen.connection.end();
    },
  });
  const proxy = await startDataPath(t, { upstreamPort: upstream.port });
  const client = await RawClient.connect(t, proxy.port);
  const chunked = await client.exchange({ path: '/chunked' });
  t.same([chunked.text, chunked.header('transfer-encoding'), chunked.trailers], ['abcde', 'chunked', [['x-end', '1']]]);
  const untilClose = await client.exchange({ path: '/close' });
  t.same([untilClose.text, untilClose.header('transfer-encoding')], ['until the end', 'chunked']);
  t.equal((await client.exchange({ path: '/old' })).text, 'old');
  t.equal((await client.exchange({ path: '/empty' })).header('content-length'), '0');
  const noContent = await client.exchange({ path: '/204' });
  t.same([noContent.status, noContent.header('content-length'), noContent.header('transfer-encoding')], [204, undefined, undefined]);
  const notModified = await client.exchange({ path: '/304' });
  t.same([notModified.status, notModified.header('content-length'), notModified.header('etag')], [304, '7', 'x']);
  const head = await client.exchange({ path: '/head', method: 'HEAD' });
  t.same([head.status, head.header('content-length'), head.text], [200, '42', '']);
  t.equal((await client.exchange({ path: '/empty' })).status, 200, 'the connection is in step after all of them');
});

t.test('Expect: 100-continue goes up, the first 1xx comes down, the rest is swallowed', async (t) => {
  const upstream = await Upstream.start(t, { onRequest: () => {} });
  const proxy = await startDataPath(t, { upstreamPort: upstream.port });
  const client = await RawClient.connect(t, proxy.port);
  client.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n');
  const seen = await upstream.next();
  t.equal(seen.header('expect'), '100-continue');
  t.equal(await client.quiet(60), '', 'the proxy does not answer 100 by itself');
  seen.connection.send('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n');
  t.equal((await client.response()).status, 100);
  client.send('body');
  t.equal((await seen.body()).toString(), 'body');
  seen.answer({ body: 'done' });
  const answer = await client.response();
  t.same([answer.status, answer.text], [200, 'done']);
});

t.test('back-pressure: neither a slow reader nor a slow upstream makes memory grow', async (t) => {
  const chunk = Buffer.alloc(1 << 20, 'x');
  let written = 0;
  let asked = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      asked += 1;
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n');
      const pump = (): void => {
        do written += chunk.length;
        while (socket.write(chunk) && written < 1 << 30);
      };
      socket.on('drain', pump);
      pump();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const proxy = await startDataPath(t, { upstreamPort: (server.address() as { port: number }).port });
  const clients = await Promise.all(Array.from({ length: 5 }, () => RawClient.connect(t, proxy.port)));
  const before = process.memoryUsage().rss;
  for (const client of clients) {
    client.stall();
    client.request();
  }
  let last = 0;
  let still = 0;
  // Each of the five has been asked, and for a fifth of a second nothing more went out.
  await eventually(() => ((still = written === last ? still + 1 : 0), (last = written), asked === 5 && still > 20), 'the upstream to stop writing', 10_000);
  const grown = process.memoryUsage().rss - before;
  t.ok(grown < 150 * 1024 * 1024, `five stalled downloads of 1 GiB grew memory by ${Math.round(grown / 1e6)} MB`);
  for (const client of clients) client.socket.destroy();
  await eventually(() => proxy.streams.length === 5 || undefined, 'all streams to complete');
  t.ok(proxy.streams.every(({ info }) => info.responseCode === 200), 'the code that was sent is the code logged');

  const slow = await Upstream.start(t, { onConnection: (connection) => connection.stall() });
  const uploads = await startDataPath(t, { upstreamPort: slow.port });
  const client = await RawClient.connect(t, uploads.port);
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n');
  let stuck = 0;
  for (let i = 0; i < 200 && stuck < 20; i++) {
    if (client.socket.writableLength < 1 << 20) client.send(chunk);
    else stuck++;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  t.equal(stuck, 20, 'the downstream is not read any further');
});

t.test('a downstream that leaves is propagated upstream at once', async (t) => {
  const upstream = await Upstream.start(t, { onRequest: () => {} });
  const proxy = await startDataPath(t, { upstreamPort: upstream.port });
  for (const leave of ['end', 'reset'] as const) {
    const client = await RawClient.connect(t, proxy.port);
    client.request();
    const seen = await upstream.next();
    client[leave]();
    await seen.connection.closed();
    const { info } = await proxy.completed();
    t.match(info, { responseCode: 0, details: 'downstream_remote_disconnect', bytesSent: 0 }, leave);
    t.equal(info.downstreamRemoteAddress.startsWith('127.0.0.1:'), true, 'the line can still name the peer');
    t.match(info.upstreamLocalAddress, /^127\.0\.0\.1:\d+$/, 'and the connection that was cut');
  }
});

t.test('the keep-alive race is replayed and never seen by a GET', async (t) => {
  const upstream = await Upstream.start(t, {
    // Answers the first request of a connection and cuts the connection as soon as the second arrives.
    onRequest: (seen) => {
      if (upstream.requests.filter(({ connection }) => connection === seen.connection).length === 1) seen.answer();
      else seen.connection.reset();
    },
  });
  const proxy = await startDataPath(t, { upstreamPort: upstream.port });
  const client = await RawClient.connect(t, proxy.port);
  for (let i = 0; i < 10; i++) t.equal((await client.exchange()).status, 200, `GET ${i}`);
  t.equal((await client.exchange({ method: 'POST', body: 'x' })).status, 503, 'a POST whose body went out is not sent again');
  const last = proxy.streams.at(-1);
  t.match(last?.info, { details: 'upstream_reset_before_response_started{connection_termination}' });
});

t.test('an idle connection whose end has arrived is not used', async (t) => {
  const upstream = await Upstream.start(t);
  const proxy = await startDataPath(t, { upstreamPort: upstream.port });
  t.equal((await request(t, proxy.port)).status, 200);
  upstream.connections[0]?.end();
  await upstream.connections[0]?.closed();
  t.equal((await request(t, proxy.port, { method: 'POST', body: 'x' })).status, 200);
  t.equal(upstream.connections.length, 2);
});

t.test('an idle connection is given up before the upstream said it would be', async (t) => {
  const upstream = await Upstream.start(t, { onRequest: (seen) => seen.answer({ headers: { 'Keep-Alive': 'timeout=1' } }) });
  const proxy = await startDataPath(t, { upstreamPort: upstream.port });
  const client = await RawClient.connect(t, proxy.port);
  await client.exchange();
  t.equal((await client.exchange()).header('keep-alive'), undefined, 'the hint is for us, not for the downstream');
  t.equal(upstream.connections.length, 1);
  await new Promise((resolve) => setTimeout(resolve, 600));
  await client.exchange();
  t.equal(upstream.connections.length, 2);
});

t.test('a direct response of 204 has no length', async (t) => {
  const proxy = await startDataPath(t, { routes: [{ action: { kind: 'direct', status: 204, body: 'dropped' } }] });
  const client = await RawClient.connect(t, proxy.port);
  const first = await client.exchange();
  t.same([first.status, first.text, first.header('content-length')], [204, '', undefined]);
  t.equal((await client.exchange()).status, 204);
});

t.test('failures of the upstream', async (t) => {
  const dead = await startDataPath(t, { upstreamPort: 1 });
  const refused = await request(t, dead.port);
  t.equal(refused.text, 'upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure');
  t.equal((await dead.completed()).info.details, 'upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}');

  const upstream = await Upstream.start(t, { onRequest: () => {} });
  const proxy = await startDataPath(t, { upstreamPort: upstream.port });
  const limited = await startDataPath(t, { upstreamPort: upstream.port, routes: [{ timeoutMs: 80 }] });
  const cut = await RawClient.connect(t, proxy.port);
  cut.request();
  (await upstream.next()).connection.reset();
  t.match(await cut.response(), { status: 503, text: /reset reason: connection termination$/ });

  const slow = await RawClient.connect(t, limited.port);
  slow.request();
  const timedOut = await slow.response();
  t.same([timedOut.status, timedOut.text], [504, 'upstream request timeout']);
  const seen = await upstream.next();
  await seen.connection.closed();
  t.equal(seen.header('x-envoy-expected-rq-timeout-ms'), '80');

  const half = await RawClient.connect(t, proxy.port);
  half.request();
  const begun = await upstream.next();
  begun.connection.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
  await half.until('abc');
  begun.connection.end();
  t.equal(await half.closed(), 'ended');
  t.match(half.text, /abc$/, 'the answer is cut where the upstream cut it');
  const broken = proxy.streams.find(({ info }) => info.details.startsWith('upstream_reset_after'));
  t.match(broken?.info, { responseCode: 200, details: 'upstream_reset_after_response_started{protocol_error}' });

  const garbage = await RawClient.connect(t, proxy.port);
  garbage.request();
  (await upstream.next()).connection.send('SSH-2.0-OpenSSH\r\n\r\n');
  t.match(await garbage.response(), { status: 502, text: /reset reason: protocol error$/ });
});

t.test('no healthy upstream, unknown cluster, no route', async (t) => {
  const none = await startDataPath(t, { cluster: { endpoints: [] } });
  t.match(await request(t, none.port), { status: 503, text: 'no healthy upstream' });
  const action = { kind: 'forward', destinations: [{ cluster: 'nowhere', weight: 1, host: 'x', port: 80, subset: '' }] } as const;
  const unknown = await startDataPath(t, { routes: [{ action }] });
  t.match(await request(t, unknown.port), { status: 503, text: '' });
  t.equal((await unknown.completed()).info.details, 'cluster_not_found');
  const miss = await startDataPath(t, { routes: [{ match: { path: { kind: 'exact', value: '/only' }, headers: [], query: [] } }] });
  t.match(await request(t, miss.port), { status: 404, text: '' });
  const { info } = await miss.completed();
  t.equal(info.details, 'route_not_found');
  t.match(miss.explanations[0], /^404 for GET localhost\/: no route of all matches; tried default: .*only/);
  t.match(unknown.explanations[0], /^503 for .* does not exist: nowhere$/);
  t.match(none.explanations[0], /route default chose upstream, which has no endpoint/);
});

t.test('an answer before the end of the request closes; the body is never taken for a request', async (t) => {
  const proxy = await startDataPath(t, { routes: [{ action: { kind: 'direct', status: 403, body: 'no' } }] });
  const text = await exchangeUntilClose(t, proxy.port, `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`);
  t.match(text, /^HTTP\/1\.1 403 [\s\S]*connection: close[\s\S]*no$/);
  t.equal(text.split('HTTP/1.1').length, 2, 'one answer');
  t.equal(proxy.streams.length, 1);
  const client = await RawClient.connect(t, proxy.port);
  t.equal((await client.exchange()).header('connection'), undefined, 'without a body the connection stays');
  t.equal((await client.exchange()).status, 403);
});

t.test('a body held back for a connect that fails does not hold back the next request', async (t) => {
  const proxy = await startDataPath(t, { upstreamPort: 1 });
  const client = await RawClient.connect(t, proxy.port);
  for (let i = 0; i < 3; i++) t.equal((await client.exchange({ method: 'POST', body: 'x'.repeat(2000) })).status, 503);
});

t.test('gauges return to zero', async (t) => {
  const upstream = await Upstream.start(t);
  const proxy = await startDataPath(t, { upstreamPort: upstream.port });
  await Promise.all(Array.from({ length: 50 }, (_, i) => request(t, proxy.port, i % 2 === 0 ? {} : { method: 'POST', body: 'x'.repeat(5000) })));
  const [cluster] = [...proxy.runtime.clusters()];
  const [listener] = [...proxy.runtime.listeners()];
  await eventually(() => (listener?.stats.downstreamCxActive === 0 ? true : undefined), 'connections to close');
  t.match(cluster?.stats, { upstreamRqActive: 0, upstreamRqPendingActive: 0, upstreamRqTotal: 50, upstreamRq2xx: 50 });
  t.match(listener?.stats, { downstreamRqActive: 0, downstreamRqTotal: 50, downstreamRqCompleted: 50, downstreamRq2xx: 50 });
  for (const host of cluster?.hosts ?? []) t.equal(host.stats.rqActive, 0);
});

t.test('CONNECT stands for a captured connection', async (t) => {
  const upstream = await Upstream.start(t, { body: 'by http' });
  const raw = await Upstream.start(t, { onConnection: (connection) => void connection.until('ping').then(() => connection.send('pong')) });
  const proxy = await startDataPath(t, {
    upstreamPort: upstream.port,
    listener: { routing: { kind: 'by-port', tables: { 9080: 'test' }, unknown: 'none' } },
  });
  const client = await RawClient.connect(t, proxy.port);
  client.send('CONNECT reviews:9080 HTTP/1.1\r\nHost: reviews:9080\r\n\r\nGET /x HTTP/1.1\r\nHost: reviews\r\n\r\n');
  await client.until('by http');
  t.match(client.text, /^HTTP\/1\.1 200 OK\r\n\r\nHTTP\/1\.1 200/);
  t.equal((await upstream.next()).path, '/x', 'HTTP is routed by the port of CONNECT');

  const refused = await RawClient.connect(t, proxy.port);
  refused.send(`CONNECT 127.0.0.1:${raw.port} HTTP/1.1\r\nHost: a:1\r\n\r\n`);
  await refused.until('200 OK');
  refused.send('\x16ping');
  t.equal(await refused.closed(), 'ended', 'where unknown hosts are not let through, other protocols are not either');

  const passthrough = clusterOf('PassthroughCluster', 1, { discovery: 'ORIGINAL_DST', endpoints: [] });
  const destinations = [{ cluster: passthrough.name, weight: 1, host: '', port: 0, subset: '' }];
  const allowAny = { name: 'allow_any', domains: ['*'], virtualService: null, routes: [routeOf({ action: { kind: 'forward', destinations } })] };
  const tables = { changed: [{ name: 'none', changed: [allowAny], removed: [] }], removed: [] };
  await proxy.runtime.applyDelta({ fromVersion: '1', version: '2', clusters: { changed: [passthrough], removed: [] }, routeTables: tables });
  const tunnel = await RawClient.connect(t, proxy.port);
  tunnel.send(`CONNECT 127.0.0.1:${raw.port} HTTP/1.1\r\nHost: a:1\r\n\r\n`);
  await tunnel.until('200 OK');
  tunnel.send('\x16ping');
  await tunnel.until('pong');
  tunnel.end();
  await raw.connections[0]?.closed();
  raw.connections[0]?.end();
  await tunnel.closed();
  const streams = await eventually(() => (proxy.streams.length === 3 ? proxy.streams : undefined), 'three streams');
  t.match(streams[2]?.info, { bytesReceived: 5, bytesSent: 4, responseCode: 200, cluster: { name: 'PassthroughCluster' } });

  const loop = await RawClient.connect(t, proxy.port);
  loop.send(`CONNECT 127.0.0.1:${proxy.port} HTTP/1.1\r\nHost: a:1\r\n\r\n`);
  await loop.until('200 OK');
  loop.send('\x16ping');
  t.equal(await loop.closed(), 'ended', 'a way back to ourselves is refused');
});
