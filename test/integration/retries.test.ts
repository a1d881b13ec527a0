/** Attempts through the data path with real sockets: what is sent again, to whom, under which permits, and how it ends. */

import { randomBytes } from 'node:crypto';
import t from 'tap';
import type { ClusterConfig } from '../../config/runtime/cluster.ts';
import { DEFAULT_RETRY, type RetryConfig } from '../../config/runtime/retry.ts';
import { Cluster } from '../../proxy/upstream/cluster.ts';
import { renderResponseFlags } from '../../proxy/stream/response-flags.ts';
import { clusterOf, type DataPath, type DataPathOptions, startDataPath } from '../support/data-path.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { eventually, type TestScope } from '../support/scope.ts';
import { Upstream, type UpstreamRequest } from '../support/upstream.ts';

const RETRY: RetryConfig = { ...DEFAULT_RETRY, conditions: ['5xx'], backoffBaseMs: 1 };

/** Answers each request by the next of `turns`, the last one for all that follow, once the request is complete. */
function inTurn(...turns: ((seen: UpstreamRequest) => void)[]): (seen: UpstreamRequest) => void {
  let turn = 0;
  return (seen) => {
    const act = turns[Math.min(turn++, turns.length - 1)];
    void seen.complete.then(() => act?.(seen));
  };
}

const answer = (status: number, body = `${status}`) => (seen: UpstreamRequest): void => seen.answer({ status, body });

interface Scene {
  readonly proxy: DataPath;
  readonly upstream: Upstream;
}

async function scene(t: TestScope, act: (seen: UpstreamRequest) => void, retry: Partial<RetryConfig> | null = {}, options: DataPathOptions & { readonly timeoutMs?: number } = {}): Promise<Scene> {
  const upstream = await Upstream.start(t, { onRequest: act });
  const { timeoutMs, ...rest } = options;
  const route = { retry: retry === null ? null : { ...RETRY, ...retry }, ...(timeoutMs !== undefined && { timeoutMs }) };
  const proxy = await startDataPath(t, { upstreamPort: upstream.port, routes: [route], ...rest });
  return { proxy, upstream };
}

/** Flags, details and attempts of the next completed stream. */
async function outcome(proxy: DataPath): Promise<string> {
  const { info } = await proxy.completed();
  return `${info.responseCode} ${renderResponseFlags(info.flags)} ${info.details} ${info.attemptCount}`;
}

/** Everything that a request may hold is given back. */
function nothingHeld({ runtime }: DataPath): unknown {
  return [...runtime.clusters()].map((cluster) => {
    if (!(cluster instanceof Cluster)) throw new TypeError('a live cluster');
    const { breaker, stats } = cluster;
    return [breaker.requests, breaker.retries, breaker.pending, stats.upstreamRqActive, stats.upstreamRqPendingActive];
  });
}
const NOTHING = [[0, 0, 0, 0, 0]];

t.test('an answer worth a retry is dropped, its connection closed, the body sent again whole', async (t) => {
  const body = randomBytes(300_000);
  for (const chunked of [false, true]) {
    const { proxy, upstream } = await scene(t, inTurn(answer(503), answer(500), answer(200, 'done')));
    const client = await RawClient.connect(t, proxy.port);
    const framed = chunked ? [`Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n`, body, '\r\n0\r\n\r\n'] : [`Content-Length: ${body.length}\r\n\r\n`, body];
    for (const part of ['POST / HTTP/1.1\r\nHost: a\r\n', ...framed]) client.send(part);
    t.match(await client.response(), { status: 200, text: 'done' });
    for (const attempt of ['1', '2', '3']) {
      const seen = await upstream.next();
      t.equal(seen.header('x-envoy-attempt-count'), attempt);
      t.equal(seen.headers.filter(([name]) => name.toLowerCase() === 'x-envoy-attempt-count').length, 1);
      t.ok(body.equals(await seen.body()), `attempt ${attempt} has the whole body`);
      if (attempt !== '3') t.ok(await seen.connection.closed());
    }
    t.equal(upstream.connections.length, 3);
    t.equal(await outcome(proxy), '200 - via_upstream 3');
    t.strictSame(nothingHeld(proxy), NOTHING);
  }
});

t.test('a retry succeeds when nothing asks for another one, whatever the status', async (t) => {
  const rows: [statuses: number[], retries: number, successes: number][] = [[[409, 200], 1, 1], [[409, 500], 1, 1], [[409, 409], 1, 0], [[200], 0, 0]];
  for (const [statuses, retries, successes] of rows) {
    const { proxy } = await scene(t, inTurn(...statuses.map((status) => answer(status))), { conditions: ['retriable-4xx'], attempts: 1 });
    t.equal((await request(t, proxy.port)).status, statuses.at(-1));
    const [cluster] = [...proxy.runtime.clusters()];
    t.match(cluster?.stats, { upstreamRqRetry: retries, upstreamRqRetrySuccess: successes }, statuses.join());
  }
});

t.test('answers that are given up for a retry are counted by status; what never answered is not', async (t) => {
  const rows: [turns: ((seen: UpstreamRequest) => void)[], counted: [number, number][] | undefined, last: number][] = [
    [[answer(200)], undefined, 200],
    [[answer(503), answer(200)], [[503, 1]], 200],
    [[answer(503), answer(502), answer(503)], [[503, 1], [502, 1]], 503],
    [[(seen) => seen.connection.reset(), answer(200)], undefined, 200],
  ];
  for (const [turns, counted, last] of rows) {
    const { proxy } = await scene(t, inTurn(...turns), { attempts: 2 });
    await request(t, proxy.port);
    const [cluster] = [...proxy.runtime.clusters()];
    t.strictSame(cluster?.retried && [...cluster.retried], counted);
    t.strictSame([...(cluster?.answered ?? [])], [[last, 1]], 'one that is passed on');
  }
});

t.test('an answer without a body leaves its connection to the next attempt', async (t) => {
  const { proxy, upstream } = await scene(t, inTurn(answer(503, ''), answer(200)));
  t.equal((await request(t, proxy.port)).status, 200);
  t.equal(upstream.connections.length, 1);
});

t.test('the last answer goes down with URX; headers of the attempts before do not', async (t) => {
  let count = 0;
  const { proxy } = await scene(t, (seen) => void seen.complete.then(() => seen.answer({ status: 503, headers: { 'x-answer': String(++count) }, body: 'no' })), { attempts: 3 });
  const reply = await request(t, proxy.port);
  t.match(reply, { status: 503, text: 'no' });
  t.equal(reply.header('x-answer'), '4');
  t.equal(await outcome(proxy), '503 URX via_upstream 4');
  t.strictSame(nothingHeld(proxy), NOTHING);
  t.match(proxy.explanations.at(-1), /^503 for GET .* passed on what .* answered last; 4 tries: .*; its retries are used up/);
});

t.test('a body that began to arrive before the upstream gave up goes on to the next attempt', async (t) => {
  const { proxy, upstream } = await scene(t, (seen) => {
    if (seen.header('x-envoy-attempt-count') === '1') seen.answer({ status: 503, body: 'early' });
    else void seen.complete.then(() => seen.answer({ body: 'ok' }));
  });
  const client = await RawClient.connect(t, proxy.port);
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabcde');
  await upstream.next();
  const second = await upstream.next();
  client.send('fghij');
  t.match(await client.response(), { status: 200, text: 'ok' });
  t.equal((await second.body()).toString(), 'abcdefghij');
});

t.test('answers in place of the upstream count as its cluster answers, too', async (t) => {
  const hang = (): void => {};
  const refused = { cluster: { endpoints: [] } };
  for (const [what, { proxy }, status] of [
    ['the route timeout', await scene(t, hang, null, { timeoutMs: 40 }), 504],
    ['the last try that took too long', await scene(t, hang, { perTryTimeoutMs: 40, attempts: 1 }), 504],
    ['no host', await scene(t, hang, null, refused), 503],
  ] as const) {
    t.equal((await request(t, proxy.port)).status, status, what);
    const [cluster] = [...proxy.runtime.clusters()];
    t.match(cluster?.stats, { upstreamRqCompleted: 1, upstreamRq5xx: 1 }, what);
    t.strictSame([...(cluster?.answered ?? [])], [[status, 1]], what);
  }
});

t.test('a body past the buffer is neither retried nor marked as exhausted', async (t) => {
  const { proxy, upstream } = await scene(t, inTurn(answer(503, 'first'), answer(200)));
  const reply = await request(t, proxy.port, { method: 'POST', body: Buffer.alloc(1024 * 1024 + 1) });
  t.match(reply, { status: 503, text: 'first' });
  t.equal((await (await upstream.next()).body()).length, 1024 * 1024 + 1, 'it went up whole');
  t.equal(await outcome(proxy), '503 - via_upstream 1');
});

t.test('a body that outgrows the buffer between two attempts is answered 507', async (t) => {
  const { proxy, upstream } = await scene(t, (seen) => seen.answer({ status: 503, body: 'early' }), { backoffBaseMs: 60_000 });
  const client = await RawClient.connect(t, proxy.port);
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\nabc');
  await upstream.next();
  client.send(Buffer.alloc(1_500_000));
  const reply = await client.response();
  t.match(reply, { status: 507, text: 'exceeded request buffer limit while retrying upstream' });
  t.equal(reply.header('connection'), 'close');
  t.equal(await outcome(proxy), '507 - request_payload_exceeded_retry_buffer_limit 1');
  t.strictSame(nothingHeld(proxy), NOTHING);
});

t.test('a connect that fails loses nothing of a body that came early, with the default policy too', async (t) => {
  const good = await Upstream.start(t, { onRequest: (seen) => void seen.complete.then(() => seen.answer({ body: 'ok' })) });
  const dead = clusterOf('upstream', 1).endpoints;
  const alive = clusterOf('upstream', good.port).endpoints;
  const proxy = await startDataPath(t, { cluster: { endpoints: [...dead, ...alive], loadBalancer: { policy: 'ROUND_ROBIN', origin: 'default' } } });
  const body = randomBytes(200_000);
  for (let i = 0; i < 4; i++) {
    t.match(await request(t, proxy.port, { method: 'POST', body }), { status: 200, text: 'ok' });
    t.ok(body.equals(await (await good.next()).body()));
  }
  const outcomes = await Promise.all([1, 2, 3, 4].map(() => outcome(proxy)));
  t.ok(outcomes.every((one) => /^200 - via_upstream [12]$/.test(one)), outcomes.join());
  t.ok(outcomes.some((one) => one.endsWith(' 2')), 'the dead host was tried, too');
});

t.test('hosts tried before are avoided', async (t) => {
  const hosts = await Promise.all([1, 2, 3].map(() => Upstream.start(t, { onRequest: inTurn(answer(503)) })));
  const endpoints = hosts.flatMap(({ port }) => clusterOf('upstream', port).endpoints);
  const proxy = await startDataPath(t, { cluster: { endpoints, loadBalancer: { policy: 'RANDOM', origin: 'default' } }, routes: [{ retry: RETRY }] });
  for (let i = 0; i < 10; i++) t.equal((await request(t, proxy.port)).status, 503);
  await eventually(() => hosts.every(({ requests }) => requests.length === 10), 'each host to see each request once');
});

t.test('an upstream that dies before it answers', async (t) => {
  const rows: [policy: Partial<RetryConfig> | null, expected: string, text: RegExp][] = [
    [{ conditions: ['reset'], attempts: 1 }, '503 URX,UC upstream_reset_before_response_started{connection_termination} 2', /before headers\. retried and the latest reset reason: connection termination$/],
    [{ conditions: ['connect-failure', 'reset-before-request'] }, '503 UC upstream_reset_before_response_started{connection_termination} 1', /before headers\. reset reason: connection termination$/],
    [null, '503 UC upstream_reset_before_response_started{connection_termination} 1', /before headers\. reset reason: connection termination$/],
  ];
  for (const [policy, expected, text] of rows) {
    const { proxy } = await scene(t, inTurn((seen) => seen.connection.reset()), policy);
    t.match(await request(t, proxy.port), { status: 503, text });
    t.equal(await outcome(proxy), expected);
  }
});

t.test('per-try timeout: tried again, then final; not looked at once an answer has begun', async (t) => {
  const hang = (): void => {};
  const again = await scene(t, inTurn(hang, answer(200, 'second')), { perTryTimeoutMs: 60 }, { timeoutMs: 20_000 });
  t.match(await request(t, again.proxy.port), { status: 200, text: 'second' });
  const first = await again.upstream.next();
  t.equal(first.header('x-envoy-expected-rq-timeout-ms'), '60');
  await first.connection.closed();
  t.equal(await outcome(again.proxy), '200 - via_upstream 2');

  const final = await scene(t, inTurn(hang), { perTryTimeoutMs: 40, attempts: 1 });
  t.match(await request(t, final.proxy.port), { status: 504, text: 'upstream request timeout' });
  t.equal(await outcome(final.proxy), '504 URX,UT upstream_per_try_timeout 2');

  const unasked = await scene(t, inTurn(hang), { conditions: ['connect-failure'], perTryTimeoutMs: 40 });
  t.equal((await request(t, unasked.proxy.port)).status, 504);
  t.equal(await outcome(unasked.proxy), '504 UT upstream_per_try_timeout 1');

  const begun = await scene(t, (seen) => seen.connection.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab'), { perTryTimeoutMs: 40 });
  const client = await RawClient.connect(t, begun.proxy.port);
  client.request();
  await client.until('ab');
  const seen = await begun.upstream.next();
  await new Promise((resolve) => setTimeout(resolve, 120));
  seen.connection.send('cd');
  t.match(await client.response(), { status: 200, text: 'abcd' });
  for (const { proxy } of [again, final, unasked, begun]) t.strictSame(nothingHeld(proxy), NOTHING);
});

t.test('the route timeout ends attempts, back-offs and answers alike', async (t) => {
  const hanging = await scene(t, inTurn(() => {}), {}, { timeoutMs: 60 });
  t.match(await request(t, hanging.proxy.port), { status: 504, text: 'upstream request timeout' });
  t.equal(await outcome(hanging.proxy), '504 UT response_timeout 1', 'final: it is not tried again');

  const waiting = await scene(t, inTurn(answer(503)), { backoffBaseMs: 60_000, attempts: 5 }, { timeoutMs: 150 });
  t.equal((await request(t, waiting.proxy.port)).status, 504);
  t.match(await outcome(waiting.proxy), /^504 UT response_timeout /);

  const begun = await scene(t, (seen) => seen.connection.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab'), {}, { timeoutMs: 60 });
  const client = await RawClient.connect(t, begun.proxy.port);
  client.request();
  t.equal(await client.closed(), 'ended');
  t.match(client.text, /ab$/);
  t.equal(await outcome(begun.proxy), '200 UT response_timeout 1');
  for (const { proxy } of [hanging, waiting, begun]) t.strictSame(nothingHeld(proxy), NOTHING);
});

t.test('a downstream that leaves between two attempts takes everything with it', async (t) => {
  const { proxy, upstream } = await scene(t, inTurn(answer(503)), { backoffBaseMs: 60_000 });
  const client = await RawClient.connect(t, proxy.port);
  client.request();
  await (await upstream.next()).connection.closed();
  client.end();
  t.equal(await outcome(proxy), '0 DC downstream_remote_disconnect 1');
  t.strictSame(nothingHeld(proxy), NOTHING);
});

t.test('an interim answer that went down ends all retries', async (t) => {
  const { proxy, upstream } = await scene(t, (seen) => {
    seen.connection.send('HTTP/1.1 100 Continue\r\n\r\n');
    void seen.complete.then(() => seen.answer({ status: 503, body: 'no' }));
  });
  const client = await RawClient.connect(t, proxy.port);
  client.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
  await client.until('100 Continue');
  client.send('hi');
  await client.until('\r\n\r\nno');
  t.equal(upstream.requests.length, 1);
  t.equal(await outcome(proxy), '503 - via_upstream 1');
});

t.test('breaker and budget: a retry without room is not made, the answer goes down as it came', async (t) => {
  const limited = (connectionPool: ClusterConfig['connectionPool']): DataPathOptions => ({ cluster: connectionPool === undefined ? {} : { connectionPool } });
  const { proxy, upstream } = await scene(t, inTurn(answer(503)), { backoffBaseMs: 60_000 }, limited({ maxRetries: 1 }));
  const held = await RawClient.connect(t, proxy.port);
  held.request();
  await (await upstream.next()).connection.closed();
  const reply = await request(t, proxy.port);
  t.match(reply, { status: 503, text: '503' });
  t.equal(reply.header('x-envoy-overloaded'), undefined);
  t.equal(await outcome(proxy), '503 UO via_upstream 1');
  held.end();
  t.equal(await outcome(proxy), '0 DC downstream_remote_disconnect 1');
  t.strictSame(nothingHeld(proxy), NOTHING);

  const none = await scene(t, inTurn(answer(503)), {}, limited({ maxRetries: 100, retryBudget: { percent: 0, minRetryConcurrency: 0, intervalMs: 0 } }));
  t.equal((await request(t, none.proxy.port)).status, 503);
  t.equal(await outcome(none.proxy), '503 UO via_upstream 1', 'the budget replaces the limit');
});

t.test('requests past the limit overflow, and no permit is lost', async (t) => {
  const { proxy, upstream } = await scene(t, (seen) => void seen, null, { cluster: { connectionPool: { maxRequests: 2 } } });
  const clients = await Promise.all([1, 2].map(() => RawClient.connect(t, proxy.port)));
  for (const client of clients) client.request();
  const seen = [await upstream.next(), await upstream.next()];
  const over = await request(t, proxy.port);
  t.match(over, { status: 503, text: 'upstream connect error or disconnect/reset before headers. reset reason: overflow' });
  t.equal(over.header('x-envoy-overloaded'), 'true');
  t.equal(await outcome(proxy), '503 UO upstream_reset_before_response_started{overflow} 1');
  for (const one of seen) one.answer({ body: 'ok' });
  for (const client of clients) t.equal((await client.response()).status, 200);
  t.strictSame(nothingHeld(proxy), NOTHING);
  for (let i = 0; i < 10; i++) {
    const client = await RawClient.connect(t, proxy.port);
    client.request();
    (await upstream.next()).answer();
    t.equal((await client.response()).status, 200, 'there is room again');
  }
});

t.test('grpc-timeout bounds a gRPC request and travels on as what is left to wait', async (t) => {
  const { proxy, upstream } = await scene(t, inTurn(() => {}), null);
  const reply = await request(t, proxy.port, { method: 'POST', body: 'x', headers: { 'content-type': 'application/grpc', 'grpc-timeout': '50m' } });
  t.equal(reply.status, 200);
  t.equal(reply.header('grpc-status'), '14');
  t.equal(reply.header('grpc-message'), 'upstream request timeout');
  t.equal((await upstream.next()).header('grpc-timeout'), '50m');
});
