/** A.6: the limits of `connectionPool`, and what overflows. */

import type { Case, ClientStep, Expected } from '../case.ts';
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

const oneRequest = { connectionPool: { http: { http2MaxRequests: 1 } } };
const oneConnection = { tcp: { maxConnections: 1 } };

export const poolHosts: readonly TestHost[] = [
  limited('one-connection', oneConnection, { thresholds: { max_connections: 1 } }),
  limited('one-waiting', { ...oneConnection, http: { http1MaxPendingRequests: 1 } }, { thresholds: { max_connections: 1, max_pending_requests: 1 } }),
  limited('one-request', { http: { http2MaxRequests: 1 } }, { thresholds: { max_requests: 1 } }),
  limited('one-request-retry', { http: { http2MaxRequests: 1 } }, { thresholds: { max_requests: 1 } }, {
    http: [{ retries: { attempts: 3, retryOn: '5xx,reset' } }],
    envoy: { routes: [{ route: { retry_policy: programRetry('5xx,reset', 3) } }], cluster: { thresholds: { max_requests: 1 } } },
  }),
  // Subset `narrow` says nothing and has the rule's limit, of its own; `wide` replaces it.
  {
    name: 'subsets',
    endpoints: [],
    http: ['narrow', 'wide'].map((subset) => ({ match: [{ uri: { prefix: `/${subset}` } }], route: [{ destination: { host: 'subsets.test', subset } }], retries: { attempts: 0 } })),
    trafficPolicy: oneRequest,
    branches: [
      { subset: 'narrow', endpoints: ['upstream'], envoy: { thresholds: { max_requests: 1 } } },
      { subset: 'wide', endpoints: ['second'], trafficPolicy: { connectionPool: { http: { http2MaxRequests: 2 } } }, envoy: { thresholds: { max_requests: 2 } } },
    ],
    envoy: { routes: ['narrow', 'wide'].map((subset) => ({ match: { prefix: `/${subset}` }, route: { cluster: `subsets/${subset}`, retry_policy: null } })) },
  },
  // An entry for a port replaces the whole policy, limits included.
  {
    name: 'ports',
    endpoints: ['upstream'],
    trafficPolicy: { ...oneRequest, portLevelSettings: [{ port: { number: 81 }, loadBalancer: { simple: 'RANDOM' } }, { port: { number: 82 }, connectionPool: { http: { http2MaxRequests: 2 } } }] },
    branches: [{ port: 81 }, { port: 82, envoy: { thresholds: { max_requests: 2 } } }],
    envoy: { cluster: { thresholds: { max_requests: 1 } } },
  },
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
  ...branchCases(),
  row('A.6', 'maxRequestsPerConnection 1', [ask('used-once'), { until: 'answer' }, ask('used-once')], [reply(200, [], 'one'), reply(200, [], 'two')], { answers: [{ status: 200, body: 'one' }, { status: 200, body: 'two' }], closes: false, upstream: { requests: 2, connections: 2, dropped: true }, log: [{ code: 200, flags: '-' }, { code: 200, flags: '-' }, after] }),
  row('A.6', 'maxRequestsPerConnection 2', [ask('used-twice'), { until: 'answer' }, ask('used-twice'), { until: 'answer', answers: 2 }, ask('used-twice')], [reply(200, [], 'one'), reply(200, [], 'two'), reply(200, [], 'three')], { answers: [{ status: 200, body: 'one' }, { status: 200, body: 'two' }, { status: 200, body: 'three' }], closes: false, upstream: { requests: 3, connections: 2, dropped: true } }),
  row('A.6', 'maxRequestsPerConnection: the last answer of a connection goes down whole', ask('used-once'), [{ steps: ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n', { waitMs: 50 }, '2\r\nok\r\n0\r\n\r\n'] }], relayed(200, { requests: 1, dropped: true }, { answer: { body: 'okok' } })),
  row('A.6', 'idleTimeout ends an idle connection', [ask('idle'), { until: 'answer' }, { until: 'dropped' }, ask('idle')], [reply(200, [], 'one'), reply(200, [], 'two')], { answers: [{ status: 200, body: 'one' }, { status: 200, body: 'two' }], closes: false, upstream: { requests: 2, connections: 2 }, log: [{ code: 200, flags: '-' }, { code: 200, flags: '-' }, after] }),
  row('A.6', 'idleTimeout leaves a slow answer alone', ask('idle'), [{ steps: [{ waitMs: 300 }, 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow'] }], relayed(200, { requests: 1 }, { answer: { body: 'slow' } })),
  row('A.6', 'maxConnectionDuration ends an idle connection', [ask('aging'), { until: 'answer' }, { until: 'dropped' }, ask('aging')], [reply(200, [], 'one'), reply(200, [], 'two')], { answers: [{ status: 200, body: 'one' }, { status: 200, body: 'two' }], closes: false, upstream: { requests: 2, connections: 2 } }),
  row('A.6', 'maxConnectionDuration lets the answer under way finish', ask('aging'), [{ steps: [{ waitMs: 300 }, 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow'] }], relayed(200, { requests: 1, dropped: true }, { answer: { body: 'slow' } })),
];

/** Each place has a limit of its own: what is under way at one of them is nothing to the others. */
function branchCases(): Case[] {
  const subset = (name: string): string => ask('subsets', { target: `/${name}` });
  const port = (number: number): string => ask('ports').replace('ports.test', `ports.test:${number}`);
  const served = relayed(200, {});
  const busy = (...asides: readonly string[]): ClientStep[] => asides.flatMap((aside, before) => [{ aside }, { until: 'upstream', requests: before + 1 }]);
  const places: readonly (readonly [name: string, send: readonly ClientStep[], hangs: number, expect: Expected])[] = [
    ['the limit of a subset that says nothing: the rule\'s', [...busy(subset('narrow')), subset('narrow')], 1, overflow('upstream', 1)],
    ['the limit of a subset counts its own requests alone', [...busy(subset('wide'), subset('wide')), subset('narrow')], 2, served],
    ['the limit of a subset that has its own, below it', [...busy(subset('wide')), subset('wide')], 1, served],
    ['the limit of a subset that has its own, at it', [...busy(subset('wide'), subset('wide')), subset('wide')], 2, overflow('second', 2)],
    ['the limit of a port without an entry: the rule\'s', [...busy(ask('ports')), ask('ports')], 1, overflow('upstream', 1)],
    ['the limit of a port counts its own requests alone', [...busy(ask('ports')), port(82)], 1, served],
    ['no limit of a port whose entry names none', [...busy(port(81), port(81), port(81)), port(81)], 3, served],
    ['the limit of a port that has its own, at it', [...busy(port(82), port(82)), port(82)], 2, overflow('upstream', 2)],
  ];
  return places.map(([name, send, hangs, expect]) => row('A.6', name, send, Array.from({ length: hangs }, () => hang), expect));
}
