/** A.2: route, per-try and connect timeouts, what the upstream is told of them, and grpc-timeout. */

import type { Case, Expected, ExpectedUpstream } from '../case.ts';
import { after } from '../cases/forms.ts';
import { programRetry, type TestHost } from '../targets/test-host.ts';
import { ask, call, counted, failed, grpcHead, hang, local, localHead, relayed, reply, retried, row } from './forms.ts';

/** Short where the time is to pass; long where it must not, however slow the machine is. */
const shortMs = 250;
const longMs = 20_000;

function timed(name: string, policy: { readonly timeoutMs?: number; readonly perTryMs?: number; readonly attempts?: number; readonly retryOn?: string }, more: Partial<TestHost> = {}): TestHost {
  const { timeoutMs = 0, perTryMs, attempts = 0, retryOn = '5xx' } = policy;
  const perTry = perTryMs === undefined ? {} : { perTryTimeout: `${perTryMs}ms` };
  const retries = attempts === 0 ? { attempts } : { attempts, retryOn, backoff: '1ms', ...perTry };
  const programmed = { retry_back_off: { base_interval: '0.001s' }, ...(perTryMs === undefined ? {} : { per_try_timeout: `${perTryMs / 1000}s` }) };
  return {
    name,
    endpoints: ['upstream'],
    http: [{ ...(timeoutMs === 0 ? {} : { timeout: `${timeoutMs}ms` }), retries }],
    ...more,
    envoy: { routes: [{ route: { timeout: `${timeoutMs / 1000}s`, retry_policy: attempts === 0 ? null : programRetry(retryOn, attempts, programmed) } }], ...more.envoy },
  };
}

export const timeoutHosts: readonly TestHost[] = [
  timed('limit-short', { timeoutMs: shortMs }),
  timed('limit-long', { timeoutMs: longMs }),
  timed('limit-retry', { timeoutMs: 2 * shortMs, attempts: 3 }),
  { ...timed('limit-connect', { timeoutMs: shortMs }), endpoints: ['hanging'], trafficPolicy: { connectionPool: { tcp: { connectTimeout: `${longMs}ms` } } }, envoy: limitConnect() },
];

export const tryHosts: readonly TestHost[] = [
  timed('try-final', { perTryMs: shortMs, attempts: 1, retryOn: 'retriable-4xx' }),
  timed('try-again', { perTryMs: shortMs, attempts: 1 }),
  timed('try-long', { perTryMs: longMs, attempts: 1 }),
  timed('try-equal', { timeoutMs: shortMs, perTryMs: shortMs, attempts: 3 }),
  timed('try-beyond', { timeoutMs: shortMs, perTryMs: longMs, attempts: 3 }),
  timed('try-within', { timeoutMs: longMs, perTryMs: shortMs, attempts: 1 }),
  { ...timed('try-connect', { perTryMs: shortMs / 5, attempts: 1 }), endpoints: ['hanging'], trafficPolicy: { connectionPool: { tcp: { connectTimeout: `${shortMs}ms` } } }, envoy: tryConnect() },
];

/** For gRPC calls. */
export const callHosts: readonly TestHost[] = [
  { name: 'grpc-unlimited', endpoints: ['upstream'] },
  timed('grpc-limit-short', { timeoutMs: shortMs }),
  timed('grpc-limit-long', { timeoutMs: longMs }),
  timed('grpc-try', { perTryMs: shortMs, attempts: 1, retryOn: 'retriable-4xx' }),
];

function limitConnect(): NonNullable<TestHost['envoy']> {
  return { routes: [{ route: { timeout: `${shortMs / 1000}s`, retry_policy: null } }], cluster: { connect_timeout: `${longMs / 1000}s` } };
}

function tryConnect(): NonNullable<TestHost['envoy']> {
  const retries = programRetry('5xx', 1, { retry_back_off: { base_interval: '0.001s' }, per_try_timeout: `${shortMs / 5000}s` });
  return { routes: [{ route: { retry_policy: retries } }], cluster: { connect_timeout: `${shortMs / 1000}s` } };
}

const text = 'upstream request timeout';
const late = reply(200, [], 'late');

function routeTimeout(upstream: ExpectedUpstream, upstreamHost?: string): Expected {
  return local({ status: 504, flags: 'UT', details: 'response_timeout', body: text, upstream, log: upstreamHost === undefined ? {} : { upstreamHost } });
}

function tryTimeout(flags: string, upstream: ExpectedUpstream): Expected {
  return local({ status: 504, flags, details: 'upstream_per_try_timeout', body: text, upstream });
}

const told = (value: string): RegExp => new RegExp(`\\r\\nx-envoy-expected-rq-timeout-ms: ${value}\\r\\n`, 'i');
const notTold = /\r\nx-envoy-expected-rq-timeout-ms:/i;
const grpcReply = (upstream: ExpectedUpstream): Expected => local({ status: 200, flags: 'UT', details: 'response_timeout', body: '', head: grpcHead(14, text), upstream });

export const timeoutCases: readonly Case[] = [
  row('A.2', 'the route timeout, byte for byte', ask('limit-short'), [hang], routeTimeout({ requests: 1, dropped: true, has: [told(String(shortMs))] }, 'upstream')),
  row('A.2', 'an answer in time', ask('limit-long'), [reply(200, [], 'in time')], relayed(200, { requests: 1, has: [told(String(longMs))] }, { answer: { body: 'in time' } })),
  row('A.2', 'HEAD: the same head, no body', ask('limit-short', { method: 'HEAD' }), [hang], { ...routeTimeout({ requests: 1 }), answers: [{ status: 504, head: localHead(text), body: '' }] }, { head: true }),
  row('A.2', 'the connect is within the route timeout', ask('limit-connect'), [], local({ status: 504, flags: 'UT', details: 'response_timeout', body: text, log: { upstreamHost: 'hanging' } })),
  row('A.2', 'retries are within the route timeout', ask('limit-retry'), [reply(503), hang], routeTimeout({ requests: 2, each: counted(2) })),
  row('A.2', 'the route timeout is never retried', ask('limit-retry'), [hang], routeTimeout({ requests: 1, dropped: true })),
  row('A.2', 'after the head the answer is cut', ask('limit-short'), [{ steps: ['HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nok'] }], { answers: [{ status: 200, cut: true, body: 'ok' }], closes: true, upstream: { requests: 1, dropped: true }, log: [{ code: 200, flags: 'UT', details: 'response_timeout' }] }),
  row('A.2', 'a chunked answer is cut, too', ask('limit-short'), [{ steps: ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n'] }], { answers: [{ status: 200, cut: true, body: 'ok' }], closes: true, upstream: { requests: 1, dropped: true }, log: [{ code: 200, flags: 'UT', details: 'response_timeout' }] }),
  row('A.2', 'the clock starts with the end of the request', [ask('limit-short', { method: 'POST', headers: ['Content-Length: 4'], body: 'ab' }), { waitMs: 2 * shortMs }, 'cd'], [hang], routeTimeout({ requests: 1, has: [/abcd/] })),
  row('A.2', 'the connect timeout', ask('plain-hanging'), [], failed('URX,UF', 'connection timeout', { retried: true })),
  { ...row('A.2', 'after a timeout the connection goes on', [ask('limit-short'), { until: 'answer' }, ask('limit-short')], [hang, late], { answers: [{ status: 504 }, { status: 200, body: 'late' }], closes: false, upstream: { requests: 2 }, log: [{ code: 504, flags: 'UT' }, { code: 200, flags: '-' }, after] }) },
];

export const tryCases: readonly Case[] = [
  row('A.2', 'a per-try timeout that nothing retries', ask('try-final'), [hang], tryTimeout('UT', { requests: 1, dropped: true, has: [told(String(shortMs))] })),
  row('A.2', 'a per-try timeout retried to exhaustion', ask('try-again'), [hang, hang], tryTimeout('URX,UT', { requests: 2, each: counted(2), connections: 2, dropped: true })),
  row('A.2', 'each try is told the per-try limit', ask('try-long'), [reply(503)], retried(2, { upstream: { each: [told(String(longMs)), told(String(longMs))] } })),
  row('A.2', 'a per-try timeout equal to the route timeout is ignored', ask('try-equal'), [hang], routeTimeout({ requests: 1, has: [told(String(shortMs))] })),
  row('A.2', 'a per-try timeout beyond the route timeout is ignored', ask('try-beyond'), [hang], routeTimeout({ requests: 1, has: [told(String(shortMs))] })),
  row('A.2', 'a per-try timeout within the route timeout', ask('try-within'), [hang, hang], tryTimeout('URX,UT', { requests: 2, has: [told(String(shortMs))] })),
  row('A.2', 'once the head went down there is no per-try timeout', ask('try-again'), [{ steps: ['HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok', { waitMs: 2 * shortMs }, 'ok'] }], relayed(200, { requests: 1 }, { answer: { body: 'okok' } })),
  row('A.2', 'the per-try clock starts with the end of the request', [ask('try-final', { method: 'POST', headers: ['Content-Length: 4'], body: 'ab' }), { waitMs: 2 * shortMs }, 'cd'], [hang], tryTimeout('UT', { requests: 1, has: [/abcd/] })),
  row('A.2', 'the connect is not within the try: its clock starts when there is a connection', ask('try-connect'), [], failed('URX,UF', 'connection timeout', { retried: true })),
];

export const callCases: readonly Case[] = [
  row('A.2', 'without a limit the upstream is told none', ask('grpc-unlimited'), [late], relayed(200, { requests: 1, lacks: [notTold, /\r\ngrpc-timeout:/i] })),
  row('A.2', 'the route timeout of a gRPC call', call('grpc-limit-short'), [hang], grpcReply({ requests: 1, has: [told(String(shortMs)), new RegExp(`\\r\\ngrpc-timeout: ${shortMs}m\\r\\n`, 'i')] })),
  row('A.2', 'grpc-timeout is capped by the route', call('grpc-limit-short', { headers: ['grpc-timeout: 1H'] }), [hang], grpcReply({ requests: 1, has: [new RegExp(`\\r\\ngrpc-timeout: ${shortMs}m\\r\\n`, 'i')] })),
  row('A.2', 'grpc-timeout below the route timeout holds', call('grpc-limit-long', { headers: [`grpc-timeout: ${shortMs}m`] }), [hang], grpcReply({ requests: 1, has: [told(String(shortMs)), new RegExp(`\\r\\ngrpc-timeout: ${shortMs}m\\r\\n`, 'i')] })),
  row('A.2', 'grpc-timeout without a route timeout holds', call('grpc-unlimited', { headers: [`grpc-timeout: ${shortMs * 1000}u`] }), [hang], grpcReply({ requests: 1, has: [told(String(shortMs)), new RegExp(`\\r\\ngrpc-timeout: ${shortMs}m\\r\\n`, 'i')] })),
  row('A.2', 'grpc-timeout 0 is no limit', call('grpc-unlimited', { headers: ['grpc-timeout: 0m'] }), [late], relayed(200, { requests: 1, lacks: [notTold] }, { answer: { body: 'late' } })),
  row('A.2', 'grpc-timeout that is none', call('grpc-unlimited', { headers: ['grpc-timeout: soon'] }), [late], relayed(200, { requests: 1, lacks: [notTold] })),
  row('A.2', 'grpc-timeout of a request that is no gRPC call', ask('grpc-limit-long', { headers: ['grpc-timeout: 1m'] }), [late], relayed(200, { requests: 1, has: [told(String(longMs)), /\r\ngrpc-timeout: 1m\r\n/i] })),
  row('A.2', 'a grpc call whose try times out', call('grpc-try'), [hang], local({ status: 200, flags: 'UT', details: 'upstream_per_try_timeout', body: '', head: grpcHead(14, text), upstream: { requests: 1 } })),
];
