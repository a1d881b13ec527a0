/** A.6: the limits of `connectionPool`, and what overflows. */

import type { Case, Expected } from '../case.ts';
import { after } from '../cases/forms.ts';
import type { Json } from '../targets/envoy.ts';
import { programRetry, type TestHost } from '../targets/test-host.ts';
import { ask, call, grpcHead, hang, local, localHead, relayed, reply, row } from './forms.ts';

function limited(name: string, connectionPool: Json, cluster: Json, more: Partial<TestHost> = {}): TestHost {
  return {
    name,
    endpoints: ['upstream'],
    http: [{ retries: { attempts: 0 } }],
    trafficPolicy: { connectionPool },
    ...more,
    envoy: { routes: [{ route: { retry_policy: null } }], cluster, ...more.envoy },
  };
}

function options(common: Json): Json {
  const type = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return { typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': { '@type': type, common_http_protocol_options: common, explicit_http_config: { http_protocol_options: {} } } } };
}

const oneConnection = { tcp: { maxConnections: 1 } };

export const poolHosts: readonly TestHost[] = [
  limited('one-connection', oneConnection, { thresholds: { max_connections: 1 } }),
  limited('one-waiting', { ...oneConnection, http: { http1MaxPendingRequests: 1 } }, { thresholds: { max_connections: 1, max_pending_requests: 1 } }),
  limited('one-request', { http: { http2MaxRequests: 1 } }, { thresholds: { max_requests: 1 } }),
  limited('one-request-retry', { http: { http2MaxRequests: 1 } }, { thresholds: { max_requests: 1 } }, {
    http: [{ retries: { attempts: 3, retryOn: '5xx,reset' } }],
    envoy: { routes: [{ route: { retry_policy: programRetry('5xx,reset', 3) } }], cluster: { thresholds: { max_requests: 1 } } },
  }),
  limited('used-once', { http: { maxRequestsPerConnection: 1 } }, options({ max_requests_per_connection: 1 })),
  limited('used-twice', { http: { maxRequestsPerConnection: 2 } }, options({ max_requests_per_connection: 2 })),
  limited('idle', { http: { idleTimeout: '100ms' } }, options({ idle_timeout: '0.1s' })),
  limited('aging', { tcp: { maxConnectionDuration: '100ms' } }, options({ max_connection_duration: '0.1s' })),
];

const resetText = 'upstream connect error or disconnect/reset before headers. reset reason: overflow';
const details = 'upstream_reset_before_response_started{overflow}';

function overflow(upstreamHost: string, requests: number): Expected {
  const head = ['x-envoy-overloaded: true', ...localHead(resetText)];
  return local({ status: 503, flags: 'UO', details, body: resetText, head, upstream: { requests }, log: { upstreamHost } });
}

export const poolCases: readonly Case[] = [
  row('A.6', 'maxConnections: the next request waits its turn', [{ aside: ask('one-connection', { target: '/aside' }) }, { until: 'upstream' }, ask('one-connection', { target: '/main' })], [{ steps: [{ waitMs: 100 }, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'] }], relayed(200, { requests: 2, connections: 1, each: [/^GET \/aside /, /^GET \/main /] }, { answer: { body: 'GET /main' } })),
  row('A.6', 'maxConnections: a request that waits can be given up', [{ aside: ask('one-connection') }, { until: 'upstream' }, ask('one-connection'), { waitMs: 50 }, { reset: true }], [hang], { answers: [], closes: true, upstream: { requests: 1 }, log: [{ code: 0, flags: 'DC', details: 'downstream_remote_disconnect' }] }),
  row('A.6', 'http1MaxPendingRequests reached', [{ aside: ask('one-waiting') }, { until: 'upstream' }, { aside: ask('one-waiting') }, { waitMs: 100 }, ask('one-waiting')], [hang], overflow('-', 1)),
  row('A.6', 'http1MaxPendingRequests reached, to HEAD', [{ aside: ask('one-waiting') }, { until: 'upstream' }, { aside: ask('one-waiting') }, { waitMs: 100 }, ask('one-waiting', { method: 'HEAD' })], [hang], { ...overflow('-', 1), answers: [{ status: 503, head: ['x-envoy-overloaded: true', ...localHead(resetText)], body: '' }] }, { head: true }),
  row('A.6', 'http1MaxPendingRequests: one that waits is served', [{ aside: ask('one-waiting') }, { until: 'upstream' }, ask('one-waiting')], [{ steps: [{ waitMs: 100 }, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'] }], relayed(200, { requests: 2, connections: 1 })),
  row('A.6', 'http2MaxRequests reached', [{ aside: ask('one-request') }, { until: 'upstream' }, ask('one-request')], [hang], overflow('upstream', 1)),
  row('A.6', 'http2MaxRequests reached by a gRPC call', [{ aside: ask('one-request') }, { until: 'upstream' }, call('one-request')], [hang], local({ status: 200, flags: 'UO', details, body: '', head: ['x-envoy-overloaded: true', ...grpcHead(14, resetText)], upstream: { requests: 1 } })),
  row('A.6', 'http2MaxRequests comes free with the answer', [ask('one-request'), { until: 'answer' }, ask('one-request')], [reply(200, [], 'one'), reply(200, [], 'two')], { answers: [{ status: 200, body: 'one' }, { status: 200, body: 'two' }], closes: false, upstream: { requests: 2, connections: 1 } }),
  row('A.6', 'an overflow is never retried', [{ aside: ask('one-request-retry') }, { until: 'upstream' }, ask('one-request-retry')], [hang], overflow('upstream', 1)),
  row('A.6', 'maxRequestsPerConnection 1', [ask('used-once'), { until: 'answer' }, ask('used-once')], [reply(200, [], 'one'), reply(200, [], 'two')], { answers: [{ status: 200, body: 'one' }, { status: 200, body: 'two' }], closes: false, upstream: { requests: 2, connections: 2, dropped: true }, log: [{ code: 200, flags: '-' }, { code: 200, flags: '-' }, after] }),
  row('A.6', 'maxRequestsPerConnection 2', [ask('used-twice'), { until: 'answer' }, ask('used-twice'), { until: 'answer', answers: 2 }, ask('used-twice')], [reply(200, [], 'one'), reply(200, [], 'two'), reply(200, [], 'three')], { answers: [{ status: 200, body: 'one' }, { status: 200, body: 'two' }, { status: 200, body: 'three' }], closes: false, upstream: { requests: 3, connections: 2, dropped: true } }),
  row('A.6', 'maxRequestsPerConnection: the last answer of a connection goes down whole', ask('used-once'), [{ steps: ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n', { waitMs: 50 }, '2\r\nok\r\n0\r\n\r\n'] }], relayed(200, { requests: 1, dropped: true }, { answer: { body: 'okok' } })),
  row('A.6', 'idleTimeout ends an idle connection', [ask('idle'), { until: 'answer' }, { until: 'dropped' }, ask('idle')], [reply(200, [], 'one'), reply(200, [], 'two')], { answers: [{ status: 200, body: 'one' }, { status: 200, body: 'two' }], closes: false, upstream: { requests: 2, connections: 2 }, log: [{ code: 200, flags: '-' }, { code: 200, flags: '-' }, after] }),
  row('A.6', 'idleTimeout leaves a slow answer alone', ask('idle'), [{ steps: [{ waitMs: 300 }, 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow'] }], relayed(200, { requests: 1 }, { answer: { body: 'slow' } })),
  row('A.6', 'maxConnectionDuration ends an idle connection', [ask('aging'), { until: 'answer' }, { until: 'dropped' }, ask('aging')], [reply(200, [], 'one'), reply(200, [], 'two')], { answers: [{ status: 200, body: 'one' }, { status: 200, body: 'two' }], closes: false, upstream: { requests: 2, connections: 2 } }),
  row('A.6', 'maxConnectionDuration lets the answer under way finish', ask('aging'), [{ steps: [{ waitMs: 300 }, 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow'] }], relayed(200, { requests: 1, dropped: true }, { answer: { body: 'slow' } })),
];
