/** Copies against real upstreams: what they look like, and that nothing that befalls them piles up or comes back. */

import t from 'tap';
import type { ClusterConfig } from '../../../../config/runtime/cluster.ts';
import type { MirrorConfig } from '../../../../config/runtime/route.ts';
import { DomainMap } from '../../../../proxy/base/domain-map.ts';
import { createEventClock, type EventClock } from '../../../../proxy/base/event-clock.ts';
import { seededRandom } from '../../../../proxy/base/random.ts';
import { Framing } from '../../../../proxy/codec/codec.ts';
import { LOST_AFTER_MS, MAX_COPIED_BYTES, MAX_COPIES, sampleMirrors, sendMirror, type MirrorCopy } from '../../../../proxy/router/mirror.ts';
import type { Runtime } from '../../../../proxy/router/runtime.ts';
import { HeaderList } from '../../../../proxy/stream/header-list.ts';
import type { Cluster } from '../../../../proxy/upstream/cluster.ts';
import { Clusters } from '../../../../proxy/upstream/clusters.ts';
import { TestClock } from '../../../support/clock.ts';
import { clusterOf } from '../../../support/data-path.ts';
import { eventually, type TestScope } from '../../../support/scope.ts';
import { withinFiveSigma } from '../../../support/splits.ts';
import { Upstream } from '../../../support/upstream.ts';

const to = (cluster: string, percent = 100): MirrorConfig => ({ cluster, percent, host: cluster, port: 80, subset: '' });

interface Bench {
  readonly cluster: Cluster;
  readonly time: TestClock;
  readonly clock: EventClock;
  readonly send: (copy?: Partial<MirrorCopy>, mirror?: MirrorConfig) => void;
}

/** Cluster `mirror` with one endpoint at `port`. Timers and time are the test's, sockets are real. */
function bench(t: TestScope, port: number, config: Partial<ClusterConfig> = {}, nodeAddress?: string): Bench {
  const time = new TestClock();
  const clock = createEventClock(time);
  const clusters = new Clusters({ clock, random: seededRandom(1), resolver: { lookup: () => Promise.reject(new Error('nothing is looked up')) } as never });
  clusters.apply([clusterOf('mirror', port, config)], []);
  t.teardown(() => clusters.destroy());
  const runtime: Runtime = { tables: new Map(), clusters, portless: new DomainMap(), nodeAddress };
  const send: Bench['send'] = (copy = {}, mirror = to('mirror')) => sendMirror(mirror, { ...copyOf(), ...copy }, { runtime, clock });
  return { cluster: clusters.get('mirror') as Cluster, time, clock, send };
}

function copyOf(): MirrorCopy {
  const headers = new HeaderList(['x-request-id', 'f1d2', 'x-envoy-attempt-count', '1']);
  return { request: { method: 'GET', path: '/a?b=c', originalPath: undefined, authority: 'cart:8080', scheme: 'http', headers }, body: [], framing: Framing.None, trailers: undefined, trailersAccepted: false, timeoutMs: undefined };
}

const idle = (cluster: Cluster): boolean => cluster.stats.upstreamRqActive === 0 && [...cluster.hosts].every((host) => host.activeRequests === 0);

t.test('one draw decides for all mirrors of a request', (t) => {
  const draws = (mirrors: readonly MirrorConfig[], count: number): number[] => {
    const random = seededRandom(11);
    const counts = [0, 0, 0];
    for (let i = 0; i < count; i++) {
      const sampled = sampleMirrors(mirrors, random);
      if (sampled === undefined) counts[2] = (counts[2] ?? 0) + 1;
      else for (const mirror of sampled) counts[mirrors.indexOf(mirror)] = (counts[mirrors.indexOf(mirror)] ?? 0) + 1;
    }
    return counts;
  };
  t.equal(sampleMirrors(undefined, () => 0), undefined);
  t.equal(sampleMirrors([to('a', 0), to('b', 0)], () => 0), undefined, '0 is never');
  t.strictSame(sampleMirrors([to('a'), to('b', 0)], () => 1 - Number.EPSILON)?.map(({ cluster }) => cluster), ['a'], '100 is always');
  t.strictSame(sampleMirrors([to('a', 0.0001)], () => 0.000_000_99)?.length, 1, 'a millionth is the finest step');
  t.equal(sampleMirrors([to('a', 0.0001)], () => 0.000_001), undefined);
  const [a = 0, b = 0, none = 0] = draws([to('a', 50), to('b', 20)], 20_000);
  t.ok(withinFiveSigma(a, 20_000, 0.5), '50 %', { got: a });
  t.ok(withinFiveSigma(b, 20_000, 0.2), '20 %', { got: b });
  t.equal(none, 20_000 - a, 'who gets one of 20 gets one of 50, too');
  t.strictSame(draws([to('a', 50), to('b', 50)], 1000).slice(0, 2).map((count, _i, [first]) => count === first), [true, true]);
  t.end();
});

t.test('the copy is the request, said to be internal', async (t) => {
  const upstream = await Upstream.start(t);
  const { cluster, send } = bench(t, upstream.port, {}, '10.0.0.9');
  const copy = copyOf();
  send(copy);
  const plain = await upstream.next();
  t.equal(plain.head.startLine, 'GET /a?b=c HTTP/1.1');
  t.same(plain.headers, [['host', 'cart:8080'], ['x-request-id', 'f1d2'], ['x-envoy-attempt-count', '1'], ['x-envoy-internal', 'true'], ['x-forwarded-for', '10.0.0.9']]);
  t.same(copy.request.headers.items, ['x-request-id', 'f1d2', 'x-envoy-attempt-count', '1'], 'what was handed over is as before');
  await eventually(() => idle(cluster), 'the answer to be read');

  const headers = new HeaderList(['x-forwarded-for', '1.1.1.1', 'x-forwarded-for', '2.2.2.2']);
  send({ request: { ...copy.request, method: 'POST', headers }, body: [Buffer.from('hel'), Buffer.from('lo')], framing: 5 });
  const sized = await upstream.next();
  t.equal((await sized.body()).toString(), 'hello');
  t.equal(sized.header('content-length'), '5');
  t.equal(sized.header('x-forwarded-for'), '1.1.1.1,2.2.2.2,10.0.0.9');
  await eventually(() => idle(cluster), 'the answer to be read');

  send({ request: { ...copy.request, method: 'POST' }, body: [Buffer.from('hel'), Buffer.from('lo')], framing: Framing.Chunked, trailers: ['x-sum', '1'] });
  const chunked = await upstream.next();
  t.equal((await chunked.body()).toString(), 'hello');
  t.equal(chunked.header('transfer-encoding'), 'chunked');
  t.same(chunked.trailers, [['x-sum', '1']]);
  await eventually(() => idle(cluster), 'the answer to be read');
  t.equal(upstream.connections.length, 1, 'one connection for all three');
  t.equal(cluster.stats.upstreamRq2xx, 3);
});

t.test('whatever answers, or does not', async (t) => {
  const big = 'x'.repeat(300_000);
  const rows: readonly (readonly [what: string, answer: string, counted: Partial<Cluster['stats']>])[] = [
    ['500', 'HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nno', { upstreamRq5xx: 1 }],
    ['100 and 200', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', { upstreamRq2xx: 1 }],
    ['a large body', `HTTP/1.1 200 OK\r\ncontent-length: ${big.length}\r\n\r\n${big}`, { upstreamRq2xx: 1 }],
    ['garbage', 'nonsense\r\n\r\n', { upstreamRq5xx: 1 }],
  ];
  for (const [what, answer, counted] of rows) {
    const upstream = await Upstream.start(t, { onRequest: ({ connection }) => connection.send(answer) });
    const { cluster, send, time } = bench(t, upstream.port);
    send({ timeoutMs: 1000 });
    await upstream.next();
    await eventually(() => idle(cluster), what);
    t.match(cluster.stats, { upstreamRqTotal: 1, ...counted }, what);
    t.equal(time.pending, 0, `${what}: its timer is gone`);
  }
  const cut = await Upstream.start(t, { onRequest: ({ connection }) => connection.send('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe') });
  const inside = bench(t, cut.port);
  inside.send();
  await cut.next();
  cut.connections[0]?.reset();
  await eventually(() => idle(inside.cluster), 'a reset inside the answer');

  const gone = await Upstream.start(t);
  const { port } = gone;
  await gone.stop();
  const refused = bench(t, port);
  refused.send({ body: [Buffer.from('x')], framing: 1 });
  await eventually(() => idle(refused.cluster), 'a refused connection');
  t.equal(refused.cluster.stats.upstreamCxConnectFail, 1);
});

t.test('nowhere to send it', (t) => {
  const { cluster, send } = bench(t, 1, { endpoints: [] });
  send({}, to('unknown'));
  t.equal(cluster.stats.upstreamCxNoneHealthy, 0);
  send();
  t.equal(cluster.stats.upstreamCxNoneHealthy, 1, 'no host');
  const passthrough = bench(t, 1, { discovery: 'ORIGINAL_DST', endpoints: [] });
  passthrough.send();
  t.equal(passthrough.cluster.stats.upstreamCxNoneHealthy, 1, 'no destination of its own');
  t.end();
});

t.test('the time limit of the request is the copy\'s own', async (t) => {
  const upstream = await Upstream.start(t, { onRequest: () => {} });
  const { cluster, time, send } = bench(t, upstream.port);
  send({ timeoutMs: 1000 });
  const request = await upstream.next();
  time.advance(999);
  t.equal(cluster.stats.upstreamRqActive, 1);
  time.advance(1);
  t.ok(idle(cluster));
  t.equal(cluster.stats.upstreamRqTimeout, 1);
  await request.connection.closed();
  t.equal(time.pending, 0);
});

t.test('the limits of the mirror\'s cluster hold for copies', async (t) => {
  const upstream = await Upstream.start(t, { onRequest: () => {} });
  const { cluster, send } = bench(t, upstream.port, { connectionPool: { maxConnections: 1, maxPendingRequests: 2 } });
  for (let i = 0; i < 5; i++) send();
  t.equal(cluster.stats.upstreamRqPendingOverflow, 3);
  t.equal(cluster.stats.upstreamRqActive, 2, 'what found no room is gone');
});

t.test('a mirror that hangs gathers only so many copies', async (t) => {
  const upstream = await Upstream.start(t, { onRequest: () => {} });
  const { cluster, time, clock, send } = bench(t, upstream.port, { connectionPool: { maxConnections: 1 } });
  const sendLater = (afterMs: number): void => {
    time.advance(afterMs);
    clock.tick();
    send();
  };
  send();
  await upstream.next();
  for (let i = 1; i < MAX_COPIES; i++) send();
  t.equal(cluster.stats.upstreamRqActive, MAX_COPIES);
  sendLater(LOST_AFTER_MS - 1);
  t.equal(cluster.stats.upstreamRqMirrorOverflow, 1, 'one more is not sent');
  t.equal(cluster.stats.upstreamRqTotal, MAX_COPIES);
  sendLater(1);
  t.equal(cluster.stats.upstreamRqMirrorOverflow, 1, 'after a minute the oldest is lost and makes room');
  t.equal(cluster.stats.upstreamRqTotal, MAX_COPIES + 1);
  t.equal(cluster.stats.upstreamRqActive, MAX_COPIES);
});

t.test('and only so many bytes', async (t) => {
  const upstream = await Upstream.start(t, { onRequest: () => {} });
  const { cluster, send } = bench(t, upstream.port, { connectionPool: { maxConnections: 1 } });
  const half = Buffer.alloc(MAX_COPIED_BYTES / 2);
  for (let i = 0; i < 3; i++) send({ body: [half], framing: half.length });
  t.equal(cluster.stats.upstreamRqActive, 2);
  t.equal(cluster.stats.upstreamRqMirrorOverflow, 1);
  send();
  t.equal(cluster.stats.upstreamRqActive, 3, 'one without a body still finds room');
});
