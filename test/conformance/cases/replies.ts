/** Rows 20, 50 and the reply table (A.4): everything the proxy answers itself, with its flag and its details. */

import type { Case, Expected, ExpectedLog } from '../case.ts';
import { blocked } from './hosts.ts';
import { after, chunked, emptyReply, get, post, served, upstreamReply } from './forms.ts';

function toHost(host: string, target = '/'): string {
  return `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
}

function withAfter(expected: Expected, log: ExpectedLog): Expected {
  return { ...expected, log: [log, after] };
}

const closedEarly = (upstream = 1): Expected => upstreamReply(503, 'UC', 'connection termination', 'upstream_reset_before_response_started{connection_termination}', { requests: upstream });

const denied: Expected['answers'] = [{ status: 403, headers: { 'content-type': 'text/plain', 'content-length': '6', connection: 'close' }, body: 'denied' }];

const notFound: ExpectedLog = { code: 404, flags: 'NR', details: 'route_not_found' };
const redirected: ExpectedLog = { code: 301, flags: '-', details: 'direct_response', route: 'redirect' };

export const replyCases: readonly Case[] = [
  { row: 'A.4', name: 'no route', send: toHost('narrow.test', '/other'), expect: withAfter(emptyReply(404, notFound, false), notFound) },
  { row: 'A.4', name: 'no cluster', send: toHost('missing.test'), expect: noCluster() },
  {
    row: 'A.4',
    name: 'no healthy upstream',
    send: toHost('empty.test'),
    expect: {
      answers: [{ status: 503, headers: { 'content-type': 'text/plain', 'content-length': '19' }, body: 'no healthy upstream' }],
      closes: false,
      log: [{ code: 503, flags: 'UH', details: 'no_healthy_upstream' }, after],
    },
  },
  {
    row: 'A.4',
    name: 'connect refused',
    send: toHost('refused.test'),
    expect: upstreamReply(
      503,
      'UF',
      'remote connection failure',
      'upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}',
    ),
  },
  { row: 'A.4', name: 'connect timeout', send: toHost('hanging.test'), expect: upstreamReply(503, 'UF', 'connection timeout', 'upstream_reset_before_response_started{connection_timeout}') },
  { row: 'A.4', name: 'upstream ends before its head', send: get(), upstream: [{ steps: [{ end: true }] }], expect: closedEarly() },
  { row: 'A.4', name: 'upstream resets before its head', send: get(), upstream: [{ steps: [{ reset: true }] }], expect: closedEarly() },
  { row: 'A.4', name: 'upstream ends before it has read the request', send: post(['Content-Length: 5'], 'hello'), upstream: [{ on: 'head', steps: [{ reset: true }] }], expect: closedEarly() },
  {
    row: 'A.4',
    name: 'route timeout',
    send: get('/timeout'),
    upstream: [{ steps: [{ waitMs: 2000 }] }],
    expect: {
      answers: [{ status: 504, headers: { 'content-type': 'text/plain', 'content-length': '24' }, body: 'upstream request timeout' }],
      closes: false,
      upstream: { requests: 1, dropped: true, has: [/x-envoy-expected-rq-timeout-ms: 300\r\n/i] },
      log: [{ code: 504, flags: 'UT', details: 'response_timeout' }, after],
    },
  },
  {
    row: 'A.4',
    name: 'route timeout after the head has gone down',
    send: get('/timeout'),
    upstream: [{ steps: ['HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nok', { waitMs: 2000 }] }],
    expect: { answers: [{ status: 200, cut: true }], closes: true, upstream: { requests: 1, dropped: true }, log: [{ code: 200, flags: 'UT', details: 'response_timeout' }] },
  },
  {
    row: 'A.2',
    name: 'the route timeout starts when the whole request has come',
    send: [`POST /timeout HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\n\r\nab`, { waitMs: 450 }, 'cd'],
    expect: served({ has: [/abcd/] }, { body: 'POST /timeout' }),
  },
  {
    row: 'A.4',
    name: 'redirect',
    send: get('/redirect'),
    expect: withAfter({ ...emptyReply(301, redirected, false), answers: [{ status: 301, headers: { location: 'http://app.test/elsewhere', 'content-length': '0' }, body: '' }] }, redirected),
  },
  {
    row: 'A.4',
    name: 'direct response',
    send: get('/denied'),
    expect: {
      answers: [{ status: 403, headers: { 'content-type': 'text/plain', 'content-length': '6', connection: null }, body: 'denied' }],
      closes: false,
      log: [{ code: 403, flags: '-', details: 'direct_response', route: 'denied' }, after],
    },
  },
  {
    row: 'A.4',
    name: 'direct response to HEAD',
    head: true,
    send: get('/denied').replace('GET', 'HEAD'),
    expect: { answers: [{ status: 403, headers: { 'content-length': '6' }, body: '' }], closes: false, log: [{ code: 403, flags: '-' }, after] },
  },
  { row: 'A.4', name: 'REGISTRY_ONLY, unknown host', send: toHost('nobody.test'), expect: blocked('nobody.test') },
  {
    row: 'A.4',
    name: 'a reply of the proxy has date and server, not the upstream time',
    send: get('/denied'),
    expect: {
      answers: [{ status: 403, headers: { date: /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/, server: /^(?:envoy|outrider)$/, 'x-envoy-upstream-service-time': null } }],
      closes: false,
    },
  },
  { row: 'A.4', name: 'an answer of the upstream has its time', send: get(), expect: served({}, { headers: { 'x-envoy-upstream-service-time': /^\d+$/, server: /^(?:envoy|outrider)$/ } }) },
  {
    row: 'A.4',
    name: 'the client goes before the answer',
    send: [get('/gone'), { until: 'upstream' }, { reset: true }],
    upstream: [{ steps: [{ waitMs: 300 }] }],
    expect: { answers: [], closes: true, upstream: { requests: 1, dropped: true }, log: [{ code: 0, flags: 'DC', details: 'downstream_remote_disconnect' }] },
  },
  {
    row: 'A.3',
    name: "a client's FIN behind a complete request counts as going",
    send: [get('/gone'), { until: 'upstream' }, { end: true }],
    upstream: [{ steps: [{ waitMs: 300 }] }],
    expect: { answers: [], closes: true, upstream: { requests: 1, dropped: true }, log: [{ code: 0, flags: 'DC', details: 'downstream_remote_disconnect' }] },
  },

  {
    row: 'D.2 20',
    name: 'a body nobody will read is not parsed as a request',
    send: ['POST /denied HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1000000000\r\n\r\n', get('/smuggled')],
    expect: { answers: denied, closes: true, log: [{ code: 403, flags: '-', details: 'direct_response' }] },
  },
  {
    row: 'D.2 20',
    name: 'a chunked body nobody will read is not parsed as a request',
    send: ['POST /denied HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n', `ffffff\r\n${get('/smuggled')}`],
    expect: { answers: denied, closes: true, log: [{ code: 403, flags: '-', details: 'direct_response' }] },
  },
  {
    row: 'D.2 20',
    name: 'a short body that came with its head is read, or the connection ends',
    send: 'POST /denied HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\n\r\nhello',
    expect: { answers: denied, closes: true, log: [{ code: 403, flags: '-' }] },
    or: { answers: [{ status: 403, headers: { connection: null }, body: 'denied' }], closes: false, log: [{ code: 403, flags: '-' }, after] },
  },
  {
    row: 'D.2 20',
    name: 'the upstream answers before the body is complete',
    send: [post(['Content-Length: 1000000'], 'hello'), { until: 'answer' }],
    upstream: [{ on: 'head', steps: ['HTTP/1.1 413 Payload Too Large\r\ncontent-length: 2\r\n\r\nno'] }],
    expect: { answers: [{ status: 413, headers: { connection: 'close' }, body: 'no' }], closes: true, upstream: { requests: 1, cut: true, lacks: [/after/] }, log: [{ code: 413, flags: '-' }] },
  },

  {
    row: 'D.2 50',
    name: 'the client goes in the middle of its upload',
    send: [chunked('5\r\nhello\r\n'), { until: 'upstream' }, { reset: true }],
    expect: { answers: [], closes: true, upstream: { requests: 1, cut: true }, log: [{ code: 0, flags: 'DC', details: 'downstream_remote_disconnect' }] },
  },
  {
    row: 'D.2 50',
    name: 'the client goes in the middle of the answer',
    send: [get('/gone'), { until: 'answer' }, { reset: true }],
    upstream: [{ steps: ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'] }, { steps: [{ waitMs: 10 }] }],
    expect: { answers: [{ status: 200, body: 'ok' }], closes: true, upstream: { requests: 1 }, log: [{ code: 200, flags: '-' }] },
  },

  {
    row: 'A.6',
    name: 'the keep-alive race: a GET on a reused connection is sent again',
    send: [get('/first'), { until: 'answer' }, get('/second')],
    upstream: [{ steps: ['HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1'] }, { steps: [{ end: true }] }],
    expect: {
      answers: [{ status: 200, body: '1' }, { status: 200, body: 'GET /second' }],
      closes: false,
      upstream: { requests: 3 },
      log: [{ code: 200, flags: '-' }, { code: 200, flags: '-', request: 'GET /second HTTP/1.1' }, after],
    },
    envoy: {
      reason: 'Envoy answers 503 UC, the oldest complaint of its users',
      expect: { answers: [{ status: 200, body: '1' }, { status: 503 }], closes: false, upstream: { requests: 2 }, log: [{ code: 200, flags: '-' }, { code: 503, flags: 'UC' }, after] },
    },
  },
  {
    row: 'A.6',
    name: 'the keep-alive race: a POST with a body is never sent twice',
    send: [get('/first'), { until: 'answer' }, post(['Content-Length: 5'], 'hello')],
    upstream: [{ steps: ['HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1'] }, { steps: [{ end: true }] }],
    expect: {
      answers: [{ status: 200, body: '1' }, { status: 503 }],
      closes: false,
      upstream: { requests: 2 },
      log: [{ code: 200, flags: '-' }, { code: 503, flags: 'UC', details: 'upstream_reset_before_response_started{connection_termination}' }, after],
    },
  },
  {
    row: 'A.6',
    name: 'Connection: close of the upstream ends its connection, not the client\'s',
    send: [get('/first'), { until: 'answer' }],
    upstream: [{ steps: ['HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\n1'] }],
    expect: served({ dropped: true }, { body: '1', headers: { connection: null } }),
  },
  {
    row: 'A.6',
    name: 'pipelined requests are answered in order',
    send: get('/slow') + get('/b') + get('/c'),
    upstream: [{ steps: [{ waitMs: 60 }, 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow'] }],
    expect: { answers: [{ status: 200, body: 'slow' }, { status: 200, body: 'GET /b' }, { status: 200, body: 'GET /c' }], closes: false, upstream: { requests: 3 } },
  },
  {
    row: 'A.6',
    name: 'a reply of the proxy keeps its place among pipelined requests',
    send: get('/slow') + get('/denied') + get('/c'),
    upstream: [{ steps: [{ waitMs: 60 }, 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow'] }],
    expect: { answers: [{ status: 200, body: 'slow' }, { status: 403, body: 'denied' }, { status: 200, body: 'GET /c' }], closes: false, upstream: { requests: 2 } },
    envoy: {
      reason: 'Envoy ends the connection after its own reply to a request that was pipelined behind another',
      expect: { answers: [{ status: 200, body: 'slow' }, { status: 403, body: 'denied' }], closes: true, upstream: { requests: 1 } },
    },
  },
];

function noCluster(): Expected {
  const log = { code: 503, flags: 'NC', details: 'cluster_not_found' };
  return withAfter(emptyReply(503, log, false), log);
}
