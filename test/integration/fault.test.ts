/** Fault injection over real sockets: what client, upstream, log and counters see of it; and Istio's own samples, unmodified. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { FaultPolicy } from '../../filters/http/fault.ts';
import { renderResponseFlags } from '../../proxy/stream/response-flags.ts';
import type { ListenerStats } from '../../proxy/telemetry/stats.ts';
import type { DataPath, DataPathOptions } from '../support/data-path.ts';
import { startDataPath } from '../support/data-path.ts';
import { EchoMesh } from '../support/echo-mesh.ts';
import { RawClient, type RequestOptions } from '../support/raw-client.ts';
import { destinationRule, workloads } from '../support/resources.ts';
import { eventually, type TestScope } from '../support/scope.ts';
import { shared } from '../support/shared.ts';
import { Upstream, type UpstreamOptions } from '../support/upstream.ts';

interface Faulty extends DataPath {
  readonly upstream: Upstream;
  readonly stats: ListenerStats;
}

/** A data path with one route that has this fault. */
async function faulty(t: TestScope, fault: FaultPolicy, options: Partial<DataPathOptions> & { readonly answers?: UpstreamOptions; readonly timeoutMs?: number } = {}): Promise<Faulty> {
  const upstream = await Upstream.start(t, options.answers);
  const limit = options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs };
  const path = await startDataPath(t, { upstreamPort: upstream.port, routes: [{ filters: [{ name: 'fault', policy: fault }], ...limit }], ...options });
  const [listener] = path.runtime.listeners();
  if (listener === undefined) throw new Error('no listener');
  return { ...path, upstream, stats: listener.stats };
}

const always = (fixedDelayMs: number): FaultPolicy => ({ delay: { fixedDelayMs, percent: 100 } });
const ended = async (path: DataPath): Promise<string> => {
  const { info } = await path.completed();
  return `${info.responseCode} ${renderResponseFlags(info.flags)} ${info.details}`;
};

t.test('what an abort looks like', async (t) => {
  const http = { httpStatus: 403, percent: 100 };
  const grpc = { grpcStatus: 5, percent: 100 };
  const call: RequestOptions = { method: 'POST', headers: { 'content-type': 'application/grpc' }, body: '' };
  const trailersOnly = (status: string): Readonly<Record<string, string | undefined>> => ({ 'content-type': 'application/grpc', 'grpc-status': status, 'grpc-message': 'fault filter abort', 'content-length': '0' });
  const text = { 'content-type': 'text/plain', 'content-length': '18', 'grpc-status': undefined, connection: undefined };
  const rows: readonly (readonly [what: string, abort: FaultPolicy['abort'], request: RequestOptions, status: number, headers: Readonly<Record<string, string | undefined>>, body: string])[] = [
    ['a status', http, {}, 403, text, 'fault filter abort'],
    ['a status without a name', { httpStatus: 555, percent: 100 }, {}, 555, text, 'fault filter abort'],
    ['HEAD', http, { method: 'HEAD' }, 403, text, ''],
    ['a body that is here already', http, { method: 'POST', body: 'hello' }, 403, { ...text, connection: 'close' }, 'fault filter abort'],
    ['a status for a gRPC call', http, call, 200, trailersOnly('7'), ''],
    ['a gRPC status', grpc, call, 200, trailersOnly('5'), ''],
    ['a gRPC status for a plain request', grpc, {}, 200, text, 'fault filter abort'],
  ];
  for (const [what, abort, request, status, headers, body] of rows) {
    const path = await faulty(t, abort === undefined ? {} : { abort });
    const client = await RawClient.connect(t, path.port);
    const answer = await client.exchange(request);
    t.equal(answer.status, status, `${what}: status`);
    for (const [name, value] of Object.entries(headers)) t.equal(answer.header(name), value, `${what}: ${name}`);
    t.equal(answer.text, body, `${what}: body`);
    t.equal(answer.header('x-envoy-upstream-service-time'), undefined, `${what}: no upstream`);
    t.equal(await ended(path), `${status} FI fault_filter_abort`, `${what}: log`);
    if (headers['connection'] === 'close') await client.closed();
    else t.equal((await client.exchange(request)).status, status, `${what}: the connection goes on`);
    t.equal(path.upstream.connections.length, 0, `${what}: nothing went up`);
    t.equal(path.stats.faultAbortsInjected, headers['connection'] === 'close' ? 1 : 2, `${what}: counted`);
    t.equal(path.stats.faultActiveFaults, 0);
  }
});

t.test('what was aborted, refused or left is logged for where it was going', async (t) => {
  const responseOps = { headers: { response: { remove: [], set: [['x-to', 'upstream']], add: [] } } } as const;
  const destination = { cluster: 'upstream', weight: 1, host: 'upstream', port: 80, subset: '', ...responseOps };
  const action = { kind: 'forward', destinations: [destination] } as const;
  const aborted = await faulty(t, { abort: { httpStatus: 503, percent: 100 } }, { routes: [{ action, filters: [{ name: 'fault', policy: { abort: { httpStatus: 503, percent: 100 } } }] }] });
  const client = await RawClient.connect(t, aborted.port);
  t.equal((await client.exchange()).header('x-to'), 'upstream', 'with the header rules of that destination');
  t.equal((await aborted.completed()).info.cluster?.name, 'upstream', 'aborted');
  t.equal((await client.exchange({ headers: { connection: 'upgrade', upgrade: 'foo' } })).status, 403);
  t.equal((await aborted.completed()).info.cluster?.name, 'upstream', 'refused');

  const delayed = await faulty(t, always(60_000));
  const leaving = await RawClient.connect(t, delayed.port);
  leaving.send('GET / HTTP/1.1\r\nhost: upstream\r\n\r\n');
  await eventually(() => delayed.stats.faultActiveFaults === 1, 'the delay to begin');
  leaving.reset();
  t.equal((await delayed.completed()).info.cluster?.name, 'upstream', 'left during the delay');
});

t.test('a delay', async (t) => {
  t.test('holds the request, and is not the upstream\'s time', async (t) => {
    const path = await faulty(t, always(300), { timeoutMs: 10_000 });
    const client = await RawClient.connect(t, path.port);
    const answer = await client.exchange({ method: 'POST', body: 'hello' });
    t.equal(answer.status, 200);
    const { info } = await path.completed();
    t.equal(renderResponseFlags(info.flags), 'DI');
    t.equal(info.details, 'via_upstream');
    const tookMs = info.endMs - info.startMs;
    t.ok(tookMs >= 300, 'it took at least that long', { tookMs });
    const serviceMs = Number(answer.header('x-envoy-upstream-service-time'));
    t.ok(serviceMs <= tookMs - 300, 'x-envoy-upstream-service-time begins after it', { tookMs, serviceMs });
    const request = await path.upstream.next();
    t.equal(request.header('x-envoy-expected-rq-timeout-ms'), '10000', 'the whole of the timeout is left');
    t.equal((await request.body()).toString(), 'hello');
    t.match(path.stats, { faultDelaysInjected: 1, faultAbortsInjected: 0, faultActiveFaults: 0 });
  });

  t.test('does not count towards the route timeout', async (t) => {
    const path = await faulty(t, always(200), { timeoutMs: 100, answers: { onRequest: () => {} } });
    const client = await RawClient.connect(t, path.port);
    t.equal((await client.exchange()).status, 504);
    const { info } = await path.completed();
    t.same(renderResponseFlags(info.flags).split(',').sort(), ['DI', 'UT']);
    t.ok(info.endMs - info.startMs >= 300, 'delay and timeout, one after the other', { tookMs: info.endMs - info.startMs });
    t.equal(path.upstream.requests.length, 1);
  });

  t.test('may be followed by an abort', async (t) => {
    const path = await faulty(t, { ...always(100), abort: { httpStatus: 418, percent: 100 } });
    const client = await RawClient.connect(t, path.port);
    const answer = await client.exchange();
    t.equal(answer.status, 418);
    t.equal(await ended(path), '418 DI,FI fault_filter_abort');
    t.ok((path.streams[0]?.info.endMs ?? 0) - (path.streams[0]?.info.startMs ?? 0) >= 100);
    t.equal((await client.exchange()).status, 418, 'the connection goes on');
    t.equal(path.upstream.connections.length, 0);
  });

  t.test('ends with the client', async (t) => {
    const path = await faulty(t, always(3_600_000));
    const leaving: readonly (readonly [what: string, request: string])[] = [
      ['after a whole request', 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'],
      ['after a whole body', 'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello'],
      ['inside the body', 'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 500\r\n\r\nhello'],
    ];
    for (const [what, request] of leaving) {
      const client = await RawClient.connect(t, path.port);
      client.send(request);
      await eventually(() => path.stats.faultActiveFaults === 1, `${what}: the fault to begin`);
      client.reset();
      t.equal(await ended(path), '0 DI,DC downstream_remote_disconnect', what);
      t.equal(path.stats.faultActiveFaults, 0, `${what}: over`);
    }
    t.equal(path.stats.faultDelaysInjected, 3);
    t.equal(path.upstream.connections.length, 0, 'nothing went up');
  });

  t.test('holds a large upload back', async (t) => {
    let unsent = 0;
    const onRequest: UpstreamOptions['onRequest'] = (request) => {
      unsent = client.socket.writableLength;
      void request.complete.then(() => request.answer());
    };
    const path = await faulty(t, always(300), { answers: { onRequest } });
    const client = await RawClient.connect(t, path.port);
    const piece = Buffer.alloc(1024 * 1024, 'x');
    const pieces = 64;
    client.send(`POST / HTTP/1.1\r\nhost: h\r\ncontent-length: ${pieces * piece.length}\r\n\r\n`);
    for (let i = 0; i < pieces; i++) client.send(piece);
    const request = await path.upstream.next();
    t.equal((await request.body()).length, pieces * piece.length);
    t.ok(unsent > 0, 'when it went on, the client had not been able to send all of it', { unsent });
    t.equal((await client.response()).status, 200);
    t.equal(await ended(path), '200 DI via_upstream');
  });

  t.test('and an abort in the midst of an upload closes the connection', async (t) => {
    const path = await faulty(t, { ...always(100), abort: { httpStatus: 503, percent: 100 } });
    const client = await RawClient.connect(t, path.port);
    client.send('POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\nhello');
    const answer = await client.response();
    t.equal(answer.status, 503);
    t.equal(answer.header('connection'), 'close');
    await client.closed();
    t.equal(await ended(path), '503 DI,FI fault_filter_abort');
  });
});

t.test('a fault stands before CORS: a preflight is aborted, too', async (t) => {
  const upstream = await Upstream.start(t);
  const cors = { allowOrigins: [{ kind: 'exact', value: 'http://a.com' }], unmatchedPreflights: 'FORWARD' };
  const fault: FaultPolicy = { abort: { httpStatus: 500, percent: 100 } };
  const path = await startDataPath(t, { upstreamPort: upstream.port, routes: [{ filters: [{ name: 'cors', policy: cors }, { name: 'fault', policy: fault }] }] });
  const client = await RawClient.connect(t, path.port);
  const answer = await client.exchange({ method: 'OPTIONS', headers: { origin: 'http://a.com', 'access-control-request-method': 'PUT' } });
  t.equal(answer.status, 500);
  t.equal(answer.header('access-control-allow-origin'), undefined);
});

const samples = shared('istio-samples', 'samples', 'bookinfo');

t.test("Istio's samples", { skip: samples.missing }, async (t) => {
  const sample = (...path: readonly string[]): string => readFileSync(join(samples.path, ...path), 'utf8');
  const networking = (name: string): string => sample('networking', `${name}.yaml`);
  const names = ['details-v1', 'ratings-v1'];
  const mesh = await EchoMesh.start(t, { upstreams: names, workload: 'default/reviews-v2' });
  const running = names.map((name) => workloads(name.slice(0, -3), { portName: 'http', workloads: [{ port: mesh.port(name), version: 'v1' }] }));
  const bookinfo = [sample('platform', 'kube', 'bookinfo.yaml'), running];
  const base = [...bookinfo, networking('destination-rule-all')];
  const ratings = (endUser?: string): RequestOptions => ({ host: 'ratings:9080', path: '/ratings/0', headers: endUser === undefined ? {} : { 'end-user': endUser } });
  const aborted = (status: number): { readonly status: number; readonly text: string; readonly log: Readonly<Record<string, unknown>> } => ({
    status,
    text: 'fault filter abort',
    log: { response_code: status, response_flags: 'FI', response_code_details: 'fault_filter_abort', upstream_host: null },
  });
  const unharmed = { by: 'ratings-v1', log: { response_flags: '-' } };

  // Seven seconds, as the sample says; the rest is played meanwhile, so it outlives two reloads as well.
  const status = await mesh.load([...base, networking('virtual-service-ratings-test-delay')]);
  t.equal(status.lastAttempt, 'accepted', 'virtual-service-ratings-test-delay is accepted');
  const jason = await mesh.proxy.connect(await mesh.entry());
  const beganMs = performance.now();
  jason.request({ ...ratings('jason'), headers: { 'end-user': 'jason', 'user-agent': 'delayed-jason' } });
  const prefix = `http.outbound_127.0.0.1_${await mesh.entry()}.fault`;
  await eventually(async () => (await mesh.proxy.stat(`${prefix}.active_faults`)) === 1, 'the delay to begin');
  await mesh.play(t, [
    { name: 'virtual-service-ratings-test-delay: nobody else waits', snapshot: [...base, networking('virtual-service-ratings-test-delay')], ask: [[ratings(), unharmed], [ratings('Jason'), unharmed], [ratings('jasonx'), unharmed]] },
    { name: 'virtual-service-ratings-test-abort: jason alone', snapshot: [...base, networking('virtual-service-ratings-test-abort')], ask: [[ratings(), unharmed], [ratings('jason'), aborted(500)], [ratings('Jason'), unharmed]] },
    { name: 'fault-injection-details-v1: everybody, and no other service', snapshot: [...bookinfo, destinationRule('ratings', ['v1']), networking('fault-injection-details-v1')], ask: [[{ host: 'details:9080', path: '/details/0' }, aborted(555)], [ratings('jason'), unharmed]] },
  ]);
  const answer = await jason.response(60_000);
  const tookMs = performance.now() - beganMs;
  t.equal(answer.header('x-by'), 'ratings-v1', 'jason is served in the end');
  t.ok(tookMs >= 7000, 'after seven seconds', { tookMs });
  t.match(await mesh.logged('delayed-jason'), { response_code: 200, response_flags: 'DI', response_code_details: 'via_upstream' });

  t.equal(await mesh.proxy.stat(`${prefix}.delays_injected`), 1);
  t.equal(await mesh.proxy.stat(`${prefix}.aborts_injected`), 2);
  t.equal(await mesh.proxy.stat(`${prefix}.active_faults`), 0);
  const text = await mesh.proxy.admin('/stats/prometheus');
  for (const line of ['envoy_http_fault_aborts_injected', 'envoy_http_fault_delays_injected', 'envoy_http_fault_faults_overflow', 'envoy_http_fault_response_rl_injected', 'envoy_http_fault_active_faults']) {
    t.match(text, new RegExp(`^${line}\\{.*http_conn_manager_prefix="outbound_127\\.0\\.0\\.1_\\d+"`, 'm'), line);
  }
});
