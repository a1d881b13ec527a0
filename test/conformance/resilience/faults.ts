/** A.5: injected delays and aborts, what they say of themselves, and what they do not touch. */

import type { Case, Expected } from '../case.ts';
import { after } from '../cases/forms.ts';
import type { Json } from '../targets/envoy.ts';
import { programRetry, type TestHost } from '../targets/test-host.ts';
import { ask, call, counted, failed, finish, grpcHead, hang, local, localHead, refusedConnect, relayed, reply, row } from './forms.ts';

const delayMs = 250;
const always = { value: 100 };
const certain = { numerator: 1_000_000, denominator: 'MILLION' };

function faulty(name: string, fault: Json, programmed: Json, more: { readonly http?: Json; readonly route?: Json; readonly endpoints?: TestHost['endpoints'] } = {}): TestHost {
  const typed = { 'envoy.filters.http.fault': { '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault', ...programmed } };
  return {
    name,
    endpoints: more.endpoints ?? ['upstream'],
    http: [{ fault, retries: { attempts: 0 }, ...more.http }],
    envoy: { routes: [{ typed_per_filter_config: typed, route: { retry_policy: null, ...more.route } }] },
  };
}

const delay = { fixedDelay: `${delayMs}ms`, percentage: always };
const delayed = { fixed_delay: `${delayMs / 1000}s`, percentage: certain };
const abort = (httpStatus: number): Json => ({ httpStatus, percentage: always });
const aborted = (status: number): Json => ({ http_status: status, percentage: certain });

export const faultHosts: readonly TestHost[] = [
  { name: 'faultless', endpoints: ['upstream'] },
  ...[200, 400, 403, 418, 503, 555].map((status) => faulty(`abort-${status}`, { abort: abort(status) }, { abort: aborted(status) })),
  faulty('abort-grpc', { abort: { grpcStatus: 'RESOURCE_EXHAUSTED', percentage: always } }, { abort: { grpc_status: 8, percentage: certain } }),
  faulty('abort-never', { abort: { httpStatus: 503 } }, { abort: { http_status: 503, percentage: { numerator: 0, denominator: 'MILLION' } } }),
  faulty('abort-zero', { abort: { httpStatus: 503, percentage: { value: 0 } } }, { abort: { http_status: 503, percentage: { numerator: 0, denominator: 'MILLION' } } }),
  faulty('delay', { delay }, { delay: delayed }),
  faulty('delay-never', { delay: { fixedDelay: '600s' } }, { delay: { fixed_delay: '600s', percentage: { numerator: 0, denominator: 'MILLION' } } }),
  faulty('delay-long', { delay: { fixedDelay: '600s', percentage: always } }, { delay: { fixed_delay: '600s', percentage: certain } }),
  faulty('delay-abort', { delay, abort: abort(503) }, { delay: delayed, abort: aborted(503) }),
  faulty('delay-refused', { delay }, { delay: delayed }, {
    endpoints: ['refused'],
    http: { retries: { attempts: 1, retryOn: '5xx' } },
    route: { retry_policy: programRetry('5xx', 1) },
  }),
  faulty('delay-limit', { delay: { ...delay, fixedDelay: `${2 * delayMs}ms` } }, { delay: { ...delayed, fixed_delay: `${delayMs / 500}s` } }, { http: { timeout: `${delayMs}ms` }, route: { timeout: `${delayMs / 1000}s` } }),
  faulty('abort-retry', { abort: abort(503) }, { abort: aborted(503) }, { http: { retries: { attempts: 3, retryOn: '5xx' } }, route: { retry_policy: programRetry('5xx', 3) } }),
  {
    ...faulty('abort-dressed', { abort: abort(503) }, { abort: aborted(503) }, { http: { headers: { response: { set: { 'x-mine': 'set' } } } } }),
    envoy: {
      routes: [
        {
          typed_per_filter_config: { 'envoy.filters.http.fault': { '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault', abort: aborted(503) } },
          response_headers_to_add: [{ header: { key: 'x-mine', value: 'set' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
          route: { retry_policy: null },
        },
      ],
    },
  },
];

const text = 'fault filter abort';

function fault(status: number, closes = status === 400): Expected {
  return local({ status, flags: 'FI', details: 'fault_filter_abort', body: text, closes, log: { upstreamHost: '-' } });
}

function grpcFault(grpcStatus: number, closes = false): Expected {
  return local({ status: 200, flags: 'FI', details: 'fault_filter_abort', body: '', head: grpcHead(grpcStatus, text, closes), closes });
}

export const faultCases: readonly Case[] = [
  ...[200, 400, 403, 418, 503, 555].map((status) => row('A.5', `abort ${status}`, ask(`abort-${status}`), [], fault(status))),
  ...[[400, 13], [403, 7], [418, 2], [503, 14], [555, 2]].map(([status = 0, grpc = 0]) => {
    return row('A.5', `abort ${status} of a gRPC call`, call(`abort-${status}`), [], grpcFault(grpc, status === 400));
  }),
  row('A.5', 'abort of HEAD', ask('abort-503', { method: 'HEAD' }), [], { ...fault(503), answers: [{ status: 503, head: localHead(text), body: '' }] }, { head: true }),
  row('A.5', 'abort before the body has come', [ask('abort-503', { method: 'POST', headers: ['Content-Length: 10'], body: 'hello' })], [], fault(503, true)),
  row('A.5', 'abort with a gRPC status', call('abort-grpc'), [], grpcFault(8)),
  row('A.5', 'abort with a gRPC status of a request that is no gRPC call', ask('abort-grpc'), [], fault(200)),
  row('A.5', 'abort without a percentage never comes', ask('abort-never'), [], relayed(200, { requests: 1 })),
  row('A.5', 'abort of 0 percent never comes', ask('abort-zero'), [], relayed(200, { requests: 1 })),
  row('A.5', 'an abort is not retried', ask('abort-retry'), [], fault(503)),
  row('A.5', "an abort has the route's response headers", ask('abort-dressed'), [], { ...fault(503), answers: [{ status: 503, head: ['x-mine: set', ...localHead(text)], body: text }] }),
  row('A.5', 'a delay', ask('delay'), [], relayed(200, { requests: 1 }, { flags: 'DI', log: { upstreamHost: 'upstream' } })),
  row('A.5', "a delay keeps the answer's status", ask('delay'), [reply(503, [], 'no')], relayed(503, { requests: 1 }, { flags: 'DI', answer: { body: 'no' } })),
  row('A.5', 'a delay, then an ended connection', ask('delay'), [finish], failed('DI,UC', 'connection termination', { upstream: { requests: 1 } })),
  row('A.5', 'a delay, then retries exhausted', ask('delay-refused'), [], failed('DI,URX,UF', 'remote connection failure', { transport: refusedConnect, retried: true })),
  row('A.5', 'a delay holds the body back and loses none of it', ask('delay', { method: 'POST', body: 'x'.repeat(300_000) }), [], relayed(200, { requests: 1, has: [/x{300000}$/] }, { flags: 'DI' })),
  row('A.5', 'a body that comes during the delay', [ask('delay', { method: 'POST', headers: ['Content-Length: 10'], body: 'hello' }), { waitMs: delayMs / 5 }, 'world'], [], relayed(200, { requests: 1, has: [/helloworld$/] }, { flags: 'DI' })),
  row('A.5', 'a delay without a percentage never comes', ask('delay-never'), [], relayed(200, { requests: 1 })),
  row('A.5', 'a delay is no part of the route timeout', ask('delay-limit'), [], relayed(200, { requests: 1 }, { flags: 'DI' })),
  row('A.5', 'the route timeout starts behind the delay', ask('delay-limit'), [hang], local({ status: 504, flags: 'DI,UT', details: 'response_timeout', body: 'upstream request timeout', upstream: { requests: 1, each: counted(1) } })),
  row('A.5', 'a delay and an abort', ask('delay-abort'), [], local({ status: 503, flags: 'DI,FI', details: 'fault_filter_abort', body: text, log: { upstreamHost: '-' } })),
  row('A.5', 'a delay and an abort of a gRPC call', call('delay-abort'), [], local({ status: 200, flags: 'DI,FI', details: 'fault_filter_abort', body: '', head: grpcHead(14, text) })),
  row('A.5', 'the client goes during a delay', [ask('delay-long'), { waitMs: 50 }, { reset: true }], [], { answers: [], closes: true, log: [{ code: 0, flags: 'DI,DC', details: 'downstream_remote_disconnect' }] }),
  row('A.5', "the client's FIN during a delay", [ask('delay-long'), { waitMs: 50 }, { end: true }], [], { answers: [], closes: true, log: [{ code: 0, flags: 'DI,DC', details: 'downstream_remote_disconnect' }] }),
  ...['x-envoy-fault-abort-request: 500', 'x-envoy-fault-abort-grpc-request: 8', 'x-envoy-fault-delay-request: 60000', 'x-envoy-fault-throughput-response: 1'].map((line) =>
    row('A.5', `${line.slice(0, line.indexOf(':'))} does nothing, and travels upstream`, ask('abort-never', { headers: [line] }), [], relayed(200, { requests: 1, has: [new RegExp(`\\r\\n${line}\\r\\n`, 'i')] })),
  ),
  { ...row('A.5', 'a request pipelined behind a delayed one waits its turn', ask('delay') + ask('faultless', { target: '/second' }), [], { answers: [{ status: 200, body: 'GET /' }, { status: 200, body: 'GET /second' }], closes: false, upstream: { requests: 2 }, log: [{ code: 200, flags: 'DI' }, { code: 200, flags: '-' }, after] }) },
];
