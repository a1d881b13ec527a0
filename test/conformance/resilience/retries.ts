/** A.1: the default policy, what running out of retries looks like, what is sent again and when it cannot be. */

import type { Case, Expected, UpstreamTurn } from '../case.ts';
import { after } from '../cases/forms.ts';
import { programRetry, type TestHost } from '../targets/test-host.ts';
import { ask, call, counted, cut, failed, finish, garbage, hang, local, localHead, refusedConnect, relayed, reply, retried, row } from './forms.ts';

/** Longer than any test: whoever waits for it is still waiting when the row is over. */
const forEver = { istio: '86400s', envoy: { retry_back_off: { base_interval: '86400s', max_interval: '864000s' } } };

const soon = { istio: '1ms', envoy: { retry_back_off: { base_interval: '0.001s' } } };

const bufferLimit = 1_048_576;

function retrying(name: string, retryOn: string, attempts: number, more: Partial<TestHost> = {}, backOff = soon): TestHost {
  return {
    name,
    endpoints: ['upstream'],
    http: [{ retries: { attempts, retryOn, backoff: backOff.istio } }],
    ...more,
    envoy: { routes: [{ route: { retry_policy: programRetry(retryOn, attempts, backOff.envoy) } }], ...more.envoy },
  };
}

export const retryHosts: readonly TestHost[] = [
  { name: 'plain', endpoints: ['upstream'] },
  { name: 'plain-refused', endpoints: ['refused'] },
  { name: 'plain-hanging', endpoints: ['hanging'], trafficPolicy: { connectionPool: { tcp: { connectTimeout: '100ms' } } }, envoy: { cluster: { connect_timeout: '0.1s' } } },
  { name: 'half-refused', endpoints: ['refused', 'upstream'], trafficPolicy: { loadBalancer: { simple: 'ROUND_ROBIN' } }, envoy: { cluster: { lb_policy: 'ROUND_ROBIN' } } },
  { name: 'no-retries', endpoints: ['upstream'], http: [{ retries: { attempts: 0 } }], envoy: { routes: [{ route: { retry_policy: null } }] } },
  { name: 'no-retries-refused', endpoints: ['refused'], http: [{ retries: { attempts: 0 } }], envoy: { routes: [{ route: { retry_policy: null } }] } },
  // Without `retryOn` the default conditions hold, with the count written.
  { name: 'once-refused', endpoints: ['refused'], http: [{ retries: { attempts: 1 } }], envoy: { routes: [{ route: { retry_policy: { ...programRetry('connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes', 1) } } }] } },
  retrying('once', '5xx', 1),
  retrying('thrice', '5xx', 3),
  retrying('thrice-refused', '5xx', 3, { endpoints: ['refused'] }),
  retrying('two-hosts', '5xx', 3, { endpoints: ['upstream', 'second'] }),
  retrying('late', '5xx', 1, {}, forEver),
  retrying('few', '5xx', 1, { trafficPolicy: { connectionPool: { http: { maxRetries: 1 } } }, envoy: { cluster: { thresholds: { max_retries: 1 } } } }),
  retrying('budget', '5xx', 1, {
    trafficPolicy: { retryBudget: { percent: 1, minRetryConcurrency: 1 } },
    envoy: { cluster: { thresholds: { retry_budget: { budget_percent: { value: 1 }, min_retry_concurrency: 1 } } } },
  }),
  ...[['budget-long', '3600s'], ['budget-short', '0.1s']].map(([name = '', interval]) =>
    retrying(name, '5xx', 1, {
      trafficPolicy: { retryBudget: { percent: 50, minRetryConcurrency: 1, budgetInterval: interval } },
      envoy: { cluster: { thresholds: { retry_budget: { budget_percent: { value: 50 }, min_retry_concurrency: 1, budget_interval: interval } } } },
    }),
  ),
];

const controls = [
  'x-envoy-retry-on: 5xx',
  'x-envoy-retry-grpc-on: unavailable',
  'x-envoy-max-retries: 5',
  'x-envoy-retriable-status-codes: 503',
  'x-envoy-retriable-header-names: content-length',
  'x-envoy-upstream-rq-timeout-ms: 1',
  'x-envoy-upstream-rq-per-try-timeout-ms: 1',
  'x-envoy-upstream-rq-timeout-alt-response: 1',
  'x-envoy-hedge-on-per-try-timeout: true',
];

const names = controls.map((line) => line.slice(0, line.indexOf(':')));

/** What the upstream has to read of a request whose body it got in one or many pieces. */
function whole(head: RegExp, body: string): RegExp {
  return new RegExp(`${head.source}[^]*${body}$`, 'i');
}

function ratherBig(bytes: number): string {
  return 'x'.repeat(bytes);
}

const unavailable = reply(503, ['x-attempt: first'], 'no');

export const retryCases: readonly Case[] = [
  ...defaultCases(),
  ...exhaustedCases(),
  ...replayCases(),
  ...breakerCases(),
  row('A.1', 'nothing of a retried answer goes down', ask('once'), [reply(503, ['x-attempt: first'], 'no'), reply(200, ['x-attempt: second'], 'yes')], retried(2, { answer: { body: 'yes', headers: { 'x-attempt': 'second' } } })),
  row('A.1', "a retried answer's connection is not used again, even when the answer is complete", ask('once'), [unavailable], retried(2, { upstream: { connections: 2, dropped: true } })),
  row('A.1', 'a retried answer is not read to its end', ask('once'), [{ steps: ['HTTP/1.1 503 Scripted\r\ncontent-length: 1000000\r\n\r\nno'] }], retried(2, { upstream: { connections: 2, dropped: true } })),
  row('A.1', 'HEAD is retried as any other', ask('once', { method: 'HEAD' }), [{ steps: ['HTTP/1.1 503 Scripted\r\ncontent-length: 2\r\n\r\n'] }, { steps: ['HTTP/1.1 200 Scripted\r\ncontent-length: 2\r\n\r\n'] }], retried(2), { head: true }),
  row('A.1', 'a POST is retried as any other', ask('once', { method: 'POST', body: 'hello' }), [unavailable], retried(2)),
  row('A.1', 'other hosts are tried before one is tried again', ask('two-hosts'), [unavailable], retried(2, { upstream: { hosts: 'AB' } })),
  row('A.1', 'with every host tried, any is taken', ask('two-hosts'), [unavailable, unavailable, unavailable], retried(4)),
  row('A.1', 'an answer in the middle of the request is retried, too', [ask('once', { method: 'POST', headers: ['Content-Length: 10'], body: 'hello' }), { until: 'upstream', requests: 2 }, 'world'], [{ ...unavailable, on: 'head' }], retried(2, { upstream: { each: [/hello$/, /helloworld$/] } })),
  row(
    'A.1',
    'once a 100 has gone down, nothing is retried',
    [ask('once', { method: 'POST', headers: ['Expect: 100-continue', 'Content-Length: 5'] }), { until: 'answer' }, 'hello'],
    [{ on: 'head', steps: ['HTTP/1.1 100 Continue\r\n\r\n', { waitMs: 30 }, ...unavailable.steps] }],
    { answers: [{ status: 100 }, { status: 503, body: 'no' }], closes: false, upstream: { requests: 1 }, log: [{ code: 503, flags: '-', details: 'via_upstream' }, after] },
    { or: { answers: [{ status: 100 }, { status: 503, body: 'no', headers: { connection: 'close' } }], closes: true, upstream: { requests: 1 }, log: [{ code: 503, flags: '-', details: 'via_upstream' }] } },
  ),
  ...names.map((name) =>
    row('A.1', `${name} of an application is ignored and goes no further`, ask('no-retries', { headers: controls }), [unavailable], relayed(503, { requests: 1, lacks: [new RegExp(`\\r\\n${name}:`, 'i')] }, { answer: { body: 'no' } })),
  ),
  row('A.1', 'x-envoy-max-retries: 0 of an application does not switch retries off', ask('once', { headers: ['x-envoy-max-retries: 0'] }), [unavailable], retried(2)),
  row('A.1', 'x-envoy-attempt-count of an application is replaced', ask('once', { headers: ['x-envoy-attempt-count: 7'] }), [unavailable], retried(2)),
  row('A.1', 'the request id stays the same', ask('once'), [unavailable], retried(2, { upstream: { has: [/x-request-id: ([0-9a-f-]{36})\r\n[^]*x-request-id: \1\r\n/i] } })),
];

function defaultCases(): Case[] {
  const once = { requests: 1, each: counted(1) };
  return [
    row('A.1', 'by default a refused connect is retried twice', ask('plain-refused'), [], failed('URX,UF', 'remote connection failure', { transport: refusedConnect, retried: true, log: { upstreamHost: 'refused' } })),
    row('A.1', 'by default a connect that hangs is retried twice', ask('plain-hanging'), [], failed('URX,UF', 'connection timeout', { retried: true, log: { upstreamHost: 'hanging' } })),
    row('A.1', 'by default a connect refused here is retried there, and leaves no flag', [ask('half-refused'), { until: 'answer' }, ask('half-refused')], [], {
      answers: [{ status: 200 }, { status: 200 }],
      closes: false,
      upstream: { requests: 2, has: [/x-envoy-attempt-count: 2\r\n/i] },
      log: [{ code: 200, flags: '-', details: 'via_upstream', upstreamHost: 'upstream' }, { code: 200, flags: '-', details: 'via_upstream', upstreamHost: 'upstream' }, after],
    }),
    row('A.1', 'by default a 503 is not retried', ask('plain'), [unavailable], relayed(503, once, { answer: { body: 'no' } })),
    row('A.1', 'by default a connection that ends is not retried', ask('plain'), [finish], failed('UC', 'connection termination', { upstream: once })),
    row('A.1', 'by default grpc-status unavailable in the head is retried', call('plain'), [reply(200, ['content-type: application/grpc', 'grpc-status: 14'])], retried(2)),
    row('A.1', 'by default grpc-status cancelled in the head is retried', call('plain'), [reply(200, ['content-type: application/grpc', 'grpc-status: 1'])], retried(2)),
    row('A.1', 'grpc-status in real trailers comes too late', call('plain'), [{ steps: ['HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\ntrailer: grpc-status\r\n\r\n0\r\ngrpc-status: 14\r\n\r\n'] }], relayed(200, once)),
    row('A.1', 'attempts 0: a refused connect is final', ask('no-retries-refused'), [], failed('UF', 'remote connection failure', { transport: refusedConnect })),
    row('A.1', 'attempts without retryOn: the default conditions', ask('once-refused'), [], failed('URX,UF', 'remote connection failure', { transport: refusedConnect, retried: true })),
  ];
}

function exhaustedCases(): Case[] {
  const four = { requests: 4, each: counted(4) };
  const times = (turn: UpstreamTurn): UpstreamTurn[] => [turn, turn, turn, turn];
  return [
    row('A.1', 'retries exhausted on answers: the last one goes down', ask('thrice'), [...times(unavailable).slice(1), reply(503, ['x-attempt: last'], 'still no')], relayed(503, four, { flags: 'URX', answer: { body: 'still no', headers: { 'x-attempt': 'last' } }, log: { upstreamHost: 'upstream' } })),
    row('A.1', 'retries exhausted on ended connections', ask('thrice'), times(finish), failed('URX,UC', 'connection termination', { retried: true, upstream: four, log: { upstreamHost: 'upstream' } })),
    row('A.1', 'retries exhausted on reset connections', ask('thrice'), times(cut), failed('URX,UC', 'connection termination', { retried: true, upstream: four })),
    row('A.1', 'retries exhausted on garbage', ask('thrice'), times(garbage), failed('URX,UPE', 'protocol error', { retried: true, upstream: four, status: 502 })),
    row('A.1', 'retries exhausted on refused connects', ask('thrice-refused'), [], failed('URX,UF', 'remote connection failure', { transport: refusedConnect, retried: true, log: { upstreamHost: 'refused' } })),
    row('A.1', 'answers first, an ended connection last', ask('thrice'), [unavailable, unavailable, unavailable, finish], failed('URX,UC', 'connection termination', { retried: true, upstream: four })),
    row('A.1', 'ended connections first, an answer last', ask('thrice'), [finish, cut, garbage, unavailable], relayed(503, four, { flags: 'URX', answer: { body: 'no' } })),
    row('A.1', 'an answer that is not retriable ends the retries without URX', ask('thrice'), [unavailable, reply(404, [], 'gone')], relayed(404, { requests: 2 }, { answer: { body: 'gone' } })),
    row('A.1', 'HEAD after retries were exhausted', ask('thrice', { method: 'HEAD' }), times(finish), headOf(failed('URX,UC', 'connection termination', { retried: true, upstream: four })), { head: true }),
  ];
}

function replayCases(): Case[] {
  const chunked = ['Transfer-Encoding: chunked'];
  const limit = ratherBig(bufferLimit);
  return [
    row('A.1', 'a body with a length is sent again', ask('once', { method: 'POST', body: 'hello' }), [unavailable], retried(2, { upstream: { each: [whole(/content-length: 5\r\n/, 'hello'), whole(/content-length: 5\r\n/, 'hello')] } })),
    row('A.1', 'a chunked body is sent again', ask('once', { method: 'POST', headers: chunked, body: '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n' }), [unavailable], retried(2, { upstream: { each: [/transfer-encoding: chunked\r\n[^]*hello[^]* world\r\n0\r\n\r\n$/i, /transfer-encoding: chunked\r\n[^]*hello[^]* world\r\n0\r\n\r\n$/i] } })),
    row('A.1', 'a body of exactly the buffer limit is sent again', ask('once', { method: 'POST', body: limit }), [unavailable], retried(2, { upstream: { each: [/x{1000}$/, /x{1000}$/] } })),
    row('A.1', 'a body beyond the buffer limit is not sent again, and that is no exhausted retry', ask('once', { method: 'POST', body: `${limit}x` }), [unavailable], relayed(503, { requests: 1 }, { answer: { body: 'no' } })),
    row('A.1', 'the connection ends behind a body beyond the buffer limit', ask('once', { method: 'POST', body: `${limit}x` }), [finish], failed('UC', 'connection termination', { upstream: { requests: 1 } })),
    row(
      'A.1',
      'a body that passes the buffer limit while the proxy waits to retry',
      [ask('late', { method: 'POST', headers: [`Content-Length: ${2 * bufferLimit}`], body: 'x' }), { until: 'dropped' }, { repeat: 'x', times: bufferLimit }],
      [{ ...unavailable, on: 'head' }],
      local({ status: 507, flags: '-', details: 'request_payload_exceeded_retry_buffer_limit', body: 'exceeded request buffer limit while retrying upstream', upstream: { requests: 1 }, closes: true }),
    ),
    row('A.1', 'the client goes while the proxy waits to retry', [ask('late'), { until: 'dropped' }, { reset: true }], [unavailable], { answers: [], closes: true, upstream: { requests: 1 }, log: [{ code: 0, flags: 'DC', details: 'downstream_remote_disconnect' }] }),
  ];
}

function breakerCases(): Case[] {
  return [
    row('A.1', 'maxRetries reached: the answer goes down as it came', [{ aside: ask('few') }, { until: 'upstream', requests: 2 }, ask('few')], [unavailable, hang, unavailable], relayed(503, { requests: 3 }, { flags: 'UO', answer: { body: 'no', headers: { 'x-envoy-overloaded': null, 'x-attempt': 'first' } }, log: { upstreamHost: 'upstream' } })),
    row('A.1', 'maxRetries reached: an ended connection is answered', [{ aside: ask('few') }, { until: 'upstream', requests: 2 }, ask('few')], [unavailable, hang, finish], failed('UO,UC', 'connection termination', { upstream: { requests: 3 } })),
    row('A.1', 'maxRetries comes free with the end of a retry', [ask('few'), { until: 'answer' }, ask('few')], [unavailable, reply(200, [], 'one'), unavailable, reply(200, [], 'two')], {
      answers: [{ status: 200, body: 'one' }, { status: 200, body: 'two' }],
      closes: false,
      upstream: { requests: 4 },
    }),
    row('A.1', 'retryBudget reached: the answer goes down as it came', [{ aside: ask('budget') }, { until: 'upstream', requests: 2 }, ask('budget')], [unavailable, hang, unavailable], relayed(503, { requests: 3 }, { flags: 'UO', answer: { body: 'no', headers: { 'x-envoy-overloaded': null } } })),
    // One retry is under way all the time; half of what is under way would be one as well.
    row('A.1', 'retryBudget with an interval: a share of what was sent in it, ended or not', [{ aside: ask('budget-long') }, { until: 'upstream', requests: 2 }, ask('budget-long'), { until: 'answer' }, ask('budget-long')], [unavailable, hang, reply(200, [], 'one'), unavailable, reply(200, [], 'two')], {
      answers: [{ status: 200, body: 'one' }, { status: 200, body: 'two' }],
      closes: false,
      upstream: { requests: 5 },
    }),
    row('A.1', 'retryBudget with an interval: what is under way for longer does not count', [...[1, 2, 3, 4].flatMap((requests) => [{ aside: ask('budget-short') }, { until: 'upstream', requests } as const]), { waitMs: 200 }, { aside: ask('budget-short') }, { until: 'upstream', requests: 6 }, { waitMs: 200 }, ask('budget-short')], [hang, hang, hang, hang, unavailable, hang, unavailable], relayed(503, { requests: 7 }, { flags: 'UO', answer: { body: 'no' } })),
  ];
}

/** The same head, and no body behind it. */
function headOf(expected: Expected): Expected {
  return { ...expected, answers: expected.answers.map((answer) => ({ ...answer, body: '', head: answer.head ?? localHead('') })) };
}
