/** Bodies through one real proxy: as they come, chunked or counted, empty, and 100 MB both ways in a few megabytes of memory. */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage, RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import t from 'tap';
import type { Test } from 'tap';
import { Proxy } from '../support/proxy.ts';
import { pod, service } from '../support/resources.ts';
import { eventually, inTime } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

const MEGABYTE = 1024 * 1024;
const LARGE = 100 * MEGABYTE;
/** What the process may grow by while 100 MB pass through it. */
const GROWTH_LIMIT = 40 * MEGABYTE;

async function startServer(t: Test, listener: RequestListener): Promise<number> {
  const server = createServer({ requestTimeout: 0 }, listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function startProxy(t: Test, port: number): Promise<Proxy> {
  const proxy = await Proxy.start(t, { snapshot: [pod('client'), ...service('store', { workloads: [{ port }] })], workload: 'default/client' });
  return proxy;
}

/** Pieces of sizes that fit nothing, each different, `total` bytes in all. */
function* pieces(total: number): Generator<Buffer> {
  const piece = Buffer.alloc(61_001);
  for (let sent = 0, index = 0; sent < total; index++) {
    piece.fill(index % 251);
    const size = Math.min(piece.length - (index % 7) * 1000, total - sent);
    // A copy: the stream holds on to what it was given.
    yield Buffer.from(piece.subarray(0, size));
    sent += size;
  }
}

async function digest(body: AsyncIterable<Buffer>): Promise<{ readonly bytes: number; readonly hash: string }> {
  const hash = createHash('sha1');
  let bytes = 0;
  for await (const chunk of body) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, hash: hash.digest('hex') };
}

function open(proxy: Proxy, method: string, path: string, headers: Readonly<Record<string, string | number>> = {}): ClientRequest {
  return httpRequest({ host: '127.0.0.1', port: proxy.outbound, method, path, agent: false, headers: { host: 'store:9080', ...headers } });
}

async function answered(request: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

/** Highest resident size of the proxy while `work` lasts, beyond what it was before; bytes. */
async function growthDuring(proxy: Proxy, work: () => Promise<void>): Promise<number> {
  const resident = async (): Promise<number> => Number((JSON.parse(await proxy.admin('/memory')) as { readonly rss: string }).rss);
  const before = await resident();
  let highest = before;
  let done = false;
  const watching = (async (): Promise<void> => {
    while (!done) {
      highest = Math.max(highest, await resident());
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  try {
    await work();
  } finally {
    done = true;
    await watching;
  }
  return highest - before;
}

t.test('100 MB', async (t) => {
  const expected = await digest(Readable.from(pieces(LARGE)));
  const port = await startServer(t, (request, response) => {
    if (request.url === '/up') {
      void digest(request).then((seen) => response.end(JSON.stringify({ ...seen, length: request.headers['content-length'] ?? null, encoding: request.headers['transfer-encoding'] ?? null })));
      return;
    }
    if (request.url === '/echo') {
      response.writeHead(200);
      request.pipe(response);
      return;
    }
    if (request.url === '/down-counted') response.setHeader('content-length', LARGE);
    void pipeline(Readable.from(pieces(LARGE)), response).catch(() => {});
  });
  const proxy = await startProxy(t, port);
  const upload = async (headers: Readonly<Record<string, string | number>>): Promise<Readonly<Record<string, unknown>>> => {
    const request = open(proxy, 'POST', '/up', headers);
    const response = answered(request);
    await pipeline(Readable.from(pieces(LARGE)), request);
    const chunks = await (await response).toArray();
    return JSON.parse(Buffer.concat(chunks).toString()) as Readonly<Record<string, unknown>>;
  };
  const download = async (path: string): Promise<{ readonly bytes: number; readonly hash: string }> => {
    const request = open(proxy, 'GET', path);
    request.end();
    return digest(await answered(request));
  };
  // A first round, so that what is measured is not the heap growing to its working size.
  await upload({ 'content-length': LARGE });

  await t.test('up, counted', async (t) => {
    const growth = await growthDuring(proxy, async () => {
      t.match(await upload({ 'content-length': LARGE }), { ...expected, length: String(LARGE), encoding: null });
    });
    t.ok(growth < GROWTH_LIMIT, 'in little memory', { growth });
  });
  await t.test('up, chunked', async (t) => {
    const growth = await growthDuring(proxy, async () => {
      t.match(await upload({ 'transfer-encoding': 'chunked' }), { ...expected, length: null, encoding: 'chunked' });
    });
    t.ok(growth < GROWTH_LIMIT, 'in little memory', { growth });
  });
  for (const path of ['/down-counted', '/down-chunked']) {
    await t.test(path, async (t) => {
      const growth = await growthDuring(proxy, async () => {
      t.match(await download(path), expected);
    });
      t.ok(growth < GROWTH_LIMIT, 'in little memory', { growth });
    });
  }
  await t.test('up and down at once', async (t) => {
    const growth = await growthDuring(proxy, async () => {
      const request = open(proxy, 'POST', '/echo', { 'transfer-encoding': 'chunked' });
      const echoed = answered(request).then(digest);
      await pipeline(Readable.from(pieces(LARGE)), request);
      t.match(await echoed, expected);
    });
    t.ok(growth < GROWTH_LIMIT, 'in little memory', { growth });
  });
  await t.test('ten slow readers', async (t) => {
    const growth = await growthDuring(proxy, async () => {
      const responses = await Promise.all(Array.from({ length: 10 }, () => {
        const request = open(proxy, 'GET', '/down-counted');
        request.on('error', () => {});
        request.end();
        return answered(request);
      }));
      await new Promise((resolve) => setTimeout(resolve, 500));
      for (const response of responses) response.destroy();
    });
    t.ok(growth < GROWTH_LIMIT, 'what nobody reads is not read from the upstream', { growth });
    await eventually(async () => (await proxy.stat('cluster.outbound|9080||store.default.svc.cluster.local.upstream_rq_active')) === 0, 'requests of clients that left to end');
  });
});

t.test('as it comes', async (t) => {
  const upstream = await Upstream.start(t, { onRequest: () => {} });
  const proxy = await startProxy(t, upstream.port);

  await t.test('a chunk is passed on before the next one is there, both ways', async (t) => {
    const client = await proxy.connect();
    client.send('POST /stream HTTP/1.1\r\nHost: store:9080\r\nTransfer-Encoding: chunked\r\n\r\n');
    const seen = await upstream.next();
    t.equal(seen.ended, false, 'the head alone');
    for (const piece of ['one', 'two', 'three']) {
      const before = seen.bodyBytes;
      client.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      await eventually(() => seen.bodyBytes === before + piece.length, `${piece} to arrive`);
    }
    seen.connection.send('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
    for (const piece of ['uno', 'dos', 'tres']) {
      seen.connection.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      await client.until(piece);
    }
    t.equal(seen.ended, false, 'the answer may come before the request has ended');
    client.send('0\r\n\r\n');
    t.equal((await seen.body()).toString(), 'onetwothree');
    seen.connection.send('0\r\n\r\n');
    t.equal((await client.response()).text, 'unodostres');
  });

  await t.test('server-sent events, until the upstream closes', async (t) => {
    const client = await proxy.connect();
    client.request({ host: 'store:9080', path: '/events' });
    const seen = await upstream.next();
    seen.connection.send('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n');
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      seen.connection.send(event);
      await client.until(event);
    }
    seen.connection.end();
    t.equal((await client.response()).text, 'data: 1\n\ndata: 2\n\n');
  });

  await t.test('a byte at a time', async (t) => {
    const client = await proxy.connect();
    for (const byte of 'POST /slow HTTP/1.1\r\nHost: store:9080\r\nContent-Length: 3\r\n\r\nabc') {
      client.send(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const seen = await upstream.next();
    t.equal((await seen.body()).toString(), 'abc');
    for (const byte of 'HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n') {
      seen.connection.send(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const response = await client.response();
    t.same([response.status, response.text], [201, 'xyz']);
  });

  const empty: readonly (readonly [name: string, head: string, wanted: Readonly<Record<string, string | undefined>>])[] = [
    ['POST without any framing', 'POST /a HTTP/1.1\r\nHost: store:9080\r\n\r\n', { 'transfer-encoding': undefined }],
    ['POST of length 0', 'POST /b HTTP/1.1\r\nHost: store:9080\r\nContent-Length: 0\r\n\r\n', { 'content-length': '0', 'transfer-encoding': undefined }],
    ['POST of no chunks', 'POST /c HTTP/1.1\r\nHost: store:9080\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', { 'content-length': undefined, 'transfer-encoding': 'chunked' }],
    ['GET without any framing', 'GET /d HTTP/1.1\r\nHost: store:9080\r\n\r\n', { 'content-length': undefined, 'transfer-encoding': undefined }],
    ['DELETE with a body', 'DELETE /e HTTP/1.1\r\nHost: store:9080\r\nContent-Length: 1\r\n\r\nx', { 'content-length': '1' }],
  ];
  for (const [name, head, wanted] of empty) {
    await t.test(name, async (t) => {
      const client = await proxy.connect();
      client.send(head);
      const seen = await upstream.next();
      await inTime(seen.complete, 'the end of the request');
      for (const [header, value] of Object.entries(wanted)) t.equal(seen.header(header), value, header);
      t.equal(seen.bodyBytes, head.endsWith('x') ? 1 : 0);
      seen.answer({ status: 200, body: '' });
      const response = await client.response();
      t.same([response.status, response.text, response.header('content-length')], [200, '', '0']);
    });
  }
});
