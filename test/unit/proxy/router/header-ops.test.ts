/** Header operations. The order of effects and the values of operators were recorded from Envoy 1.40. */

import { hostname } from 'node:os';
import t from 'tap';
import type { HeaderOpsConfig } from '../../../../config/runtime/route.ts';
import { createHeaderOps } from '../../../../proxy/router/header-ops.ts';
import { HeaderList } from '../../../../proxy/stream/header-list.ts';
import { StreamInfo } from '../../../../proxy/stream/stream-info.ts';
import type { Stream } from '../../../../proxy/stream/stream.ts';

function streamOf(headers: readonly string[] = []): Stream {
  const info = new StreamInfo();
  info.startTimeMs = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  info.startMs = 100;
  info.downstream = { remoteAddress: '10.1.2.3:4567', localAddress: '[fd00::1]:9080' };
  const request = { method: 'GET', path: '/ops?a=1&b', originalPath: undefined, authority: 'h.com:80', scheme: 'http', headers: new HeaderList([...headers]) };
  return { request, response: undefined, info, direction: 'outbound', route: undefined };
}

function applied(config: Partial<HeaderOpsConfig>, headers: readonly string[], stream: Stream = streamOf()): readonly string[] {
  const list = new HeaderList([...headers]);
  createHeaderOps({ remove: [], set: [], add: [], ...config })?.(list, stream);
  return list.items;
}

t.test('remove, then set, then add', (t) => {
  t.equal(createHeaderOps({ remove: [], set: [], add: [] }), undefined, 'nothing to do costs nothing');
  t.strictSame(applied({ remove: ['b', 'none'] }, ['a', '1', 'b', '2', 'c', '3', 'b', '4']), ['a', '1', 'c', '3']);
  t.strictSame(applied({ set: [['x-a', '2']], add: [['x-a', '1'], ['x-a', '3'], ['x-gone', 'new']], remove: ['x-gone'] }, ['x-a', 'in', 'x-gone', '1']), ['x-a', '2', 'x-a', '1', 'x-a', '3', 'x-gone', 'new']);
  t.strictSame(applied({ set: [['x', 'é'], ['y', '100%%']] }, ['x', '1', 'z', '2', 'x', '3']), ['x', '\u00c3\u00a9', 'z', '2', 'y', '100%']);
  t.end();
});

t.test('operators see the headers before any value is written', (t) => {
  const stream = streamOf(['x-a', '1', 'x-a', '2', 'x-b', 'q']);
  createHeaderOps({ remove: [], set: [['x-a', 'new'], ['x-b', '%REQ(x-b)%-%REQ(x-a)%']], add: [] })?.(stream.request.headers, stream);
  t.strictSame(stream.request.headers.items, ['x-a', 'new', 'x-b', 'q-1']);
  const removed = streamOf(['x-a', '1']);
  createHeaderOps({ remove: ['x-a'], set: [], add: [['x-b', '<%REQ(x-a)%>']] })?.(removed.request.headers, removed);
  t.strictSame(removed.request.headers.items, ['x-b', '<>'], 'but after the removals');
  t.end();
});

t.test('a name from the configuration cannot end the line it is written into', (t) => {
  const stream = streamOf();
  stream.info.routeName = 'a\r\nb\u010d\u010ac';
  const [, value] = applied({ set: [['x', '%ROUTE_NAME%']] }, [], stream);
  t.equal(Buffer.from(value as string, 'latin1').toString('utf8'), 'ab\u010d\u010ac', 'line breaks go, other characters are written as UTF-8');
  t.notMatch(Buffer.from(value as string, 'latin1').toString('latin1'), /[\r\n]/);
  t.end();
});

t.test('a value that comes out empty changes nothing', (t) => {
  t.strictSame(applied({ set: [['x-have', '%REQ(none)%']], add: [['x-new', '%REQ(none)%'], ['x-mix', 'a%REQ(none)%b'], ['x-empty', '']] }, ['x-have', 'old']), ['x-have', 'old', 'x-mix', 'ab']);
  t.end();
});

t.test('operators', (t) => {
  const request = streamOf(['user-agent', 'curl/8', 'x-dup', 'a', 'x-dup', 'b']);
  const answered = streamOf(['user-agent', 'curl/8']);
  answered.response = { status: 404, headers: new HeaderList(['x-up', '1']) };
  answered.info.details = 'via_upstream';
  answered.info.cluster = { name: 'outbound|80||a', service: { host: 'a', name: 'a', namespace: 'default' } };
  answered.info.host = { address: '10.9.9.9:80', workload: {} };
  answered.info.upstreamConnection = { localAddress: '10.0.0.1:5555' };
  answered.info.routeName = 'r';
  answered.info.attemptCount = 2;
  answered.info.responseHeadMs = 112.7;
  answered.info.bytesReceived = 7;
  process.env['OUTRIDER_HEADER_TEST'] = 'set';

  const table: readonly (readonly [format: string, onRequest: string | undefined, onResponse: string | undefined])[] = [
    ['%REQ(x-none)%', undefined, undefined],
    ['%REQ(X-None?User-Agent)%', 'curl/8', 'curl/8'],
    ['%REQ(X-None?x-nope)%', undefined, undefined],
    ['%REQ(host)%', 'h.com:80', 'h.com:80'],
    ['%REQ(:AUTHORITY)%', 'h.com:80', 'h.com:80'],
    ['%REQ(:path)%', '/ops?a=1&b', '/ops?a=1&b'],
    ['%REQ(:method)% %REQ(:scheme)%', 'GET http', 'GET http'],
    ['%REQ(x-dup)%', 'a', undefined],
    ['%REQ(user-agent):3%', 'cur', 'cur'],
    ['%RESP(x-up)%', undefined, '1'],
    ['%RESP(x-none?x-up)%', undefined, '1'],
    ['%RESP(:status)%', undefined, '404'],
    ['%PROTOCOL%', 'HTTP/1.1', 'HTTP/1.1'],
    ['%RESPONSE_CODE%', '0', '404'],
    ['%RESPONSE_FLAGS%', '-', '-'],
    ['%RESPONSE_CODE_DETAILS%', undefined, 'via_upstream'],
    ['%UPSTREAM_HOST%', undefined, '10.9.9.9:80'],
    ['%UPSTREAM_REMOTE_ADDRESS%', undefined, '10.9.9.9:80'],
    ['%UPSTREAM_LOCAL_ADDRESS%', undefined, '10.0.0.1:5555'],
    ['%UPSTREAM_CLUSTER%', undefined, 'outbound|80||a'],
    ['%UPSTREAM_CLUSTER_RAW%', undefined, 'outbound|80||a'],
    ['%UPSTREAM_REQUEST_ATTEMPT_COUNT%', '1', '2'],
    ['%START_TIME%', '2026-01-02T03:04:05.006Z', '2026-01-02T03:04:05.006Z'],
    ['%START_TIME(%Y/%m/%d %s.%3f)%', '2026/01/02 1767323045.006', '2026/01/02 1767323045.006'],
    ['%DOWNSTREAM_REMOTE_ADDRESS%', '10.1.2.3:4567', '10.1.2.3:4567'],
    ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', '10.1.2.3', '10.1.2.3'],
    ['%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%', '10.1.2.3:4567', '10.1.2.3:4567'],
    ['%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%', '10.1.2.3', '10.1.2.3'],
    ['%DOWNSTREAM_REMOTE_PORT%', '4567', '4567'],
    ['%DOWNSTREAM_LOCAL_ADDRESS%', '[fd00::1]:9080', '[fd00::1]:9080'],
    ['%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%', 'fd00::1', 'fd00::1'],
    ['%DOWNSTREAM_LOCAL_PORT%', '9080', '9080'],
    ['%DOWNSTREAM_PEER_URI_SAN%%DOWNSTREAM_TLS_VERSION%', undefined, undefined],
    ['%REQUESTED_SERVER_NAME%', undefined, undefined],
    ['%ROUTE_NAME%', undefined, 'r'],
    ['%VIRTUAL_CLUSTER_NAME%', undefined, undefined],
    ['%DURATION%', '0', '12'],
    ['%BYTES_RECEIVED% %BYTES_SENT%', '0 0', '7 0'],
    ['%QUERY_PARAM(a)%', '1', '1'],
    ['%QUERY_PARAM(z)%', undefined, undefined],
    ['%HOSTNAME%', hostname(), hostname()],
    ['%ENVIRONMENT(OUTRIDER_HEADER_TEST)%', 'set', 'set'],
    ['%ENVIRONMENT(OUTRIDER_HEADER_NONE)%', '-', '-'],
  ];
  for (const [format, onRequest, onResponse] of table) {
    t.strictSame(applied({ set: [['x', format]] }, [], request), onRequest === undefined ? [] : ['x', onRequest], `${format} on the request`);
    t.strictSame(applied({ set: [['x', format]] }, [], answered), onResponse === undefined ? [] : ['x', onResponse], `${format} on the response`);
  }
  t.end();
});

t.test('nothing that ends a line gets out', (t) => {
  t.strictSame(applied({ set: [['x', '%REQ(bad)%']] }, [], streamOf(['bad', 'a\r\nset-cookie: b\0'])), ['x', 'aset-cookie: b']);
  t.throws(() => createHeaderOps({ remove: [], set: [['x', '%NOPE%']], add: [] }), /x: %NOPE%/);
  t.end();
});
