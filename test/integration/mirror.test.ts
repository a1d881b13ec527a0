/** Mirroring over real sockets: the copy is the request, and nothing that the mirror does is seen by anybody else. */

import t from 'tap';
import type { ForwardAction, MirrorConfig, RouteConfig } from '../../config/runtime/route.ts';
import { renderResponseFlags } from '../../proxy/stream/response-flags.ts';
import type { ClusterStats } from '../../proxy/telemetry/stats.ts';
import { clusterOf, routeOf, startDataPath, type DataPath } from '../support/data-path.ts';
import { Proxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { destinationRule, pod, service, to, virtualService } from '../support/resources.ts';
import { eventually, type TestScope } from '../support/scope.ts';
import { withinFiveSigma } from '../support/splits.ts';
import { Upstream, type UpstreamOptions } from '../support/upstream.ts';

interface Mirrored extends DataPath {
  readonly upstream: Upstream;
  readonly mirror: Upstream;
  readonly client: RawClient;
  readonly stats: (cluster: string) => ClusterStats;
}

interface MirroredOptions {
  readonly percent?: number;
  readonly mirrors?: readonly MirrorConfig[];
  readonly route?: Partial<RouteConfig>;
  readonly rewrite?: ForwardAction['rewrite'];
  readonly upstream?: UpstreamOptions;
  readonly mirror?: UpstreamOptions;
  /** Instead of the mirror's own. */
  readonly mirrorPort?: number;
}

const mirrorTo = (cluster: string, percent = 100): MirrorConfig => ({ cluster, percent, host: cluster, port: 80, subset: '' });
const silent: UpstreamOptions = { onRequest: () => {} };

/** Clusters `upstream` and `mirror`, and one client. */
async function mirrored(t: TestScope, options: MirroredOptions = {}): Promise<Mirrored> {
  const upstream = await Upstream.start(t, options.upstream);
  const mirror = await Upstream.start(t, options.mirror);
  const forward = routeOf().action as ForwardAction;
  const mirrors = options.mirrors ?? [mirrorTo('mirror', options.percent)];
  const action: ForwardAction = { ...forward, mirrors, ...(options.rewrite !== undefined && { rewrite: options.rewrite }) };
  const path = await startDataPath(t, { upstreamPort: upstream.port, moreClusters: [clusterOf('mirror', options.mirrorPort ?? mirror.port)], routes: [{ action, ...options.route }] });
  const client = await RawClient.connect(t, path.port);
  const stats = (name: string): ClusterStats => {
    for (const { config, stats } of path.runtime.clusters()) if (config.name === name) return stats;
    throw new Error(`no cluster ${name}`);
  };
  return { ...path, upstream, mirror, client, stats };
}

const quiet = async (path: Mirrored): Promise<unknown> => eventually(() => path.stats('mirror').upstreamRqActive === 0, 'the copies to be over');

t.test('the copy', async (t) => {
  const path = await mirrored(t, { rewrite: { uri: { kind: 'prefix', from: '/', to: '/v2/' } }, route: { timeoutMs: 60_000 } });
  const { client, upstream, mirror } = path;
  const requests: readonly (readonly [what: string, bytes: string, body: string, framing: readonly [string, string] | undefined])[] = [
    ['GET', 'GET /a?b=c HTTP/1.1\r\nhost: cart:8080\r\nx-own: 1\r\nte: trailers\r\nconnection: te\r\n\r\n', '', undefined],
    ['content-length', 'POST /a HTTP/1.1\r\nhost: cart:8080\r\ncontent-length: 5\r\n\r\nhello', 'hello', ['content-length', '5']],
    ['an empty body', 'POST /a HTTP/1.1\r\nhost: cart:8080\r\ncontent-length: 0\r\n\r\n', '', ['content-length', '0']],
    ['chunked', 'POST /a HTTP/1.1\r\nhost: cart:8080\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n', 'hello', ['transfer-encoding', 'chunked']],
  ];
  for (const [what, bytes, body, framing] of requests) {
    client.send(bytes);
    t.equal((await client.response()).text, 'ok', `${what}: answered by the upstream`);
    const [own, copy] = [await upstream.next(), await mirror.next()];
    t.equal(copy.head.startLine, own.head.startLine, `${what}: rewritten as the request`);
    t.match(copy.head.startLine, / \/v2\/a/);
    t.equal((await copy.body()).toString(), body, `${what}: body`);
    if (framing !== undefined) t.equal(copy.header(framing[0]), framing[1], `${what}: framing`);
    t.equal(copy.header('host'), 'cart:8080', `${what}: authority`);
    t.ok(copy.header('x-request-id'), `${what}: has an id`);
    const proxysOwn = ['x-envoy-internal', 'x-forwarded-for'];
    t.same(copy.headers.filter(([name]) => !proxysOwn.includes(name)), own.headers, `${what}: every header of the request, its id included`);
    t.equal(copy.header('x-envoy-internal'), 'true');
    t.equal(copy.header('x-forwarded-for'), '127.0.0.1', `${what}: the proxy is its last hop`);
    t.equal(own.header('x-envoy-internal'), undefined);
    if (what === 'GET') t.equal(copy.header('te'), 'trailers');
    await quiet(path);
  }
  t.equal(mirror.connections.length, 1, 'answers are read, so one connection is enough');
  t.equal(path.streams.length, requests.length, 'copies are not logged');
  t.same(path.streams.map(({ info }) => [info.cluster?.name, renderResponseFlags(info.flags), info.attemptCount]), requests.map(() => ['upstream', '-', 1]));
  t.match(path.stats('mirror'), { upstreamRqTotal: 4, upstreamRq2xx: 4 });
});

t.test('a large body is copied as far as the buffer goes', async (t) => {
  const path = await mirrored(t);
  const { client, upstream, mirror } = path;
  const limit = 1024 * 1024;
  const body = Buffer.alloc(limit + 1, 'abcdefg');
  client.request({ method: 'POST', body: body.subarray(0, limit) });
  t.equal((await client.response()).status, 200);
  const [own, copy] = [await upstream.next(), await mirror.next()];
  t.ok((await own.body()).equals(body.subarray(0, limit)));
  t.ok((await copy.body()).equals(body.subarray(0, limit)), 'the limit itself still fits');
  client.request({ method: 'POST', body });
  t.equal((await client.response()).status, 200);
  t.ok((await (await upstream.next()).body()).equals(body), 'one byte more: the request is as before');
  await quiet(path);
  t.equal(mirror.requests.length, 1, 'and not copied');
  t.equal(path.stats('upstream').retryOrShadowAbandoned, 1);
});

t.test('percentages, several mirrors, none', async (t) => {
  const tries = 1500;
  const shares: readonly (readonly [percent: number, share: number])[] = [[0, 0], [25, 0.25], [100, 1]];
  for (const [percent, share] of shares) {
    const path = await mirrored(t, { percent });
    for (let sent = 0; sent < tries; sent += 100) {
      for (let i = 0; i < 100; i++) path.client.request();
      for (let i = 0; i < 100; i++) await path.client.response();
    }
    await quiet(path);
    const { upstreamRqTotal } = path.stats('mirror');
    t.ok(withinFiveSigma(upstreamRqTotal, tries, share), `${percent} %`, { got: upstreamRqTotal });
    t.equal(path.upstream.requests.length, tries);
  }
  const several = await mirrored(t, { mirrors: [mirrorTo('nowhere'), mirrorTo('mirror'), mirrorTo('mirror')] });
  t.equal((await several.client.exchange({ method: 'POST', body: 'hello' })).status, 200);
  for (let i = 0; i < 2; i++) t.equal((await (await several.mirror.next()).body()).toString(), 'hello', 'each mirror has its copy, an unknown one is skipped');
  t.equal(renderResponseFlags((await several.completed()).info.flags), '-');
});

t.test('a mirror in trouble is nobody else\'s', async (t) => {
  const gone = await Upstream.start(t);
  const deadPort = gone.port;
  await gone.stop();
  const rows: readonly (readonly [what: string, options: MirroredOptions])[] = [
    ['dead', { mirrorPort: deadPort }],
    ['hanging', { mirror: silent }],
    ['failing', { mirror: { onRequest: (request) => request.answer({ status: 500, body: 'no' }) } }],
    ['resetting', { mirror: { onConnection: (connection) => connection.reset() } }],
    ['garbage', { mirror: { onRequest: ({ connection }) => connection.send('what?\r\n\r\n') } }],
  ];
  for (const [what, options] of rows) {
    const path = await mirrored(t, options);
    for (let i = 0; i < 3; i++) {
      const answer = await path.client.exchange({ method: 'POST', body: 'hello' });
      t.equal(answer.status, 200, `${what}: status`);
      t.equal(answer.text, 'ok', `${what}: body`);
      const { info } = await path.completed();
      t.equal(`${renderResponseFlags(info.flags)} ${info.details}`, '- via_upstream', `${what}: log`);
    }
    t.equal(path.stats('mirror').upstreamRqTotal, 3, `${what}: copies were made`);
    t.equal(path.stats('upstream').upstreamRqTotal, 3, `${what}: and the requests are not repeated`);
    if (what !== 'hanging') await quiet(path);
  }
});

t.test('a slow mirror answers in vain', async (t) => {
  const path = await mirrored(t, { mirror: silent });
  t.equal((await path.client.exchange()).status, 200, 'answered before the mirror did');
  const copy = await path.mirror.next();
  t.equal(path.stats('mirror').upstreamRqActive, 1);
  copy.answer({ status: 503, body: 'late' });
  await quiet(path);
  t.equal((await path.client.exchange()).text, 'ok', 'and nobody sees it');
  t.equal(path.mirror.connections.length, 1, 'its connection is used again');
});

t.test('the time limit of the request holds for its copy, and meanwhile: one copy, whatever becomes of the request', async (t) => {
  const limited = await mirrored(t, { mirror: silent, route: { timeoutMs: 5000 } });
  t.equal((await limited.client.exchange()).status, 200);
  const copy = await limited.mirror.next();
  t.equal(copy.header('x-envoy-expected-rq-timeout-ms'), '5000');

  let asked = 0;
  const flaky: UpstreamOptions = { onRequest: (request) => void request.complete.then(() => request.answer({ status: ++asked < 3 ? 503 : 200 })) };
  const retry = { attempts: 2, conditions: ['5xx'], statusCodes: [], backoffBaseMs: 1, ignorePreviousHosts: true, remoteLocalities: false } as const;
  const retried = await mirrored(t, { upstream: flaky, route: { retry } });
  t.equal((await retried.client.exchange({ method: 'POST', body: 'hello' })).status, 200);
  t.equal(retried.upstream.requests.length, 3, 'tried three times');
  await quiet(retried);
  t.equal(retried.mirror.requests.length, 1, 'copied once');
  t.equal(retried.mirror.requests[0]?.header('x-envoy-attempt-count'), '1');

  const left = await mirrored(t, { upstream: silent });
  left.client.send('POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 500\r\n\r\nhello');
  await left.upstream.next();
  left.client.reset();
  t.equal((await left.completed()).info.responseCode, 0);
  t.equal(left.stats('mirror').upstreamRqTotal, 0, 'a request that was never complete is not copied');

  const abort = { name: 'fault', policy: { abort: { httpStatus: 500, percent: 100 } } };
  const faulty = await mirrored(t, { route: { filters: [abort] } });
  t.equal((await faulty.client.exchange()).status, 500);
  t.equal(faulty.stats('mirror').upstreamRqTotal, 0, 'nor is one that was aborted');

  await copy.connection.closed(60_000);
  await quiet(limited);
  t.equal(limited.stats('mirror').upstreamRqTimeout, 1);
  t.equal(limited.stats('upstream').upstreamRqTimeout, 0);
});

t.test('a VirtualService', async (t) => {
  const [v1, v2, audit] = [await Upstream.start(t, { body: 'v1' }), await Upstream.start(t, { body: 'v2' }), await Upstream.start(t, { body: 'audit' })];
  const route = (mirror: Readonly<Record<string, unknown>>): unknown => ({ route: [to('reviews', 'v1')], ...mirror });
  const proxy = await Proxy.start(t, {
    workload: 'default/client',
    snapshot: [
      pod('client'),
      ...service('reviews', { workloads: [{ port: v1.port, version: 'v1' }, { port: v2.port, version: 'v2' }] }),
      ...service('audit', { workloads: [{ port: audit.port }] }),
      destinationRule('reviews', ['v1', 'v2']),
      virtualService('reviews', {
        http: [
          { ...(route({ mirror: { host: 'reviews', subset: 'v2' }, mirrorPercentage: { value: 0 } }) as object), match: [{ uri: { prefix: '/none' } }] },
          { ...(route({ mirrors: [{ destination: { host: 'reviews', subset: 'v2' } }, { destination: { host: 'audit' }, percentage: { value: 100 } }] }) as object), match: [{ uri: { prefix: '/both' } }] },
          route({ mirror: { host: 'reviews', subset: 'v2' } }),
        ],
      }),
    ],
  });
  const get = async (path: string): Promise<string> => (await proxy.request({ host: 'reviews:9080', path, headers: { 'user-agent': path } })).text;
  t.equal(await get('/'), 'v1');
  const copy = await v2.next();
  t.equal(`${copy.path} ${copy.header('host')} ${copy.header('x-envoy-internal')}`, '/ reviews:9080 true');
  t.equal(await get('/both'), 'v1');
  t.equal((await v2.next()).path, '/both');
  t.equal((await audit.next()).path, '/both');
  t.equal(await get('/none'), 'v1');
  await proxy.logLine('/none');
  t.equal(v2.requests.length, 2, '0 % is none');
  t.equal(proxy.log.length, 3, 'one log line a request');
  await eventually(async () => (await proxy.stat('cluster.outbound|9080|v2|reviews.default.svc.cluster.local.upstream_rq_2xx')) === 2, 'the copies to be counted at their cluster');
});
