/** A.1: which token of `retryOn` fires on what. Every pair that HTTP/1 can reach is one row. */

import type { Case, Expected, UpstreamTurn } from '../case.ts';
import type { Json } from '../targets/envoy.ts';
import { programRetry, type TestHost } from '../targets/test-host.ts';
import { ask, counted, cut, failed, finish, garbage, hang, local, refusedConnect, relayed, reply, retried } from './forms.ts';

/** What can become of an attempt. */
interface Trigger {
  readonly target?: string;
  readonly turn?: UpstreamTurn;
  /** The outcome when it is not retried, and (absent: served by the next attempt) when it is. */
  readonly given: Expected;
  readonly again?: Expected;
}

const once = { requests: 1, each: counted(1) };
const twice = { requests: 2, each: counted(2) };

const triggers = {
  '500': { turn: reply(500), given: relayed(500, once) },
  '502': { turn: reply(502), given: relayed(502, once) },
  '503': { turn: reply(503), given: relayed(503, once) },
  '504': { turn: reply(504), given: relayed(504, once) },
  '404': { turn: reply(404), given: relayed(404, once) },
  '409': { turn: reply(409), given: relayed(409, once) },
  '599': { turn: reply(599), given: relayed(599, once) },
  '425': { turn: reply(425), given: relayed(425, once) },
  '503 with x-envoy-overloaded': { turn: reply(503, ['x-envoy-overloaded: true']), given: relayed(503, once) },
  '503 with x-envoy-ratelimited': { turn: reply(503, ['x-envoy-ratelimited: true']), given: relayed(503, once) },
  '429 with x-envoy-ratelimited': { turn: reply(429, ['x-envoy-ratelimited: true']), given: relayed(429, once) },
  'a connection that ends': { turn: finish, given: failed('UC', 'connection termination', { upstream: once }) },
  'a connection that is reset': { turn: cut, given: failed('UC', 'connection termination', { upstream: once }) },
  'an answer that is none': { turn: garbage, given: failed('UPE', 'protocol error', { upstream: once, status: 502 }) },
  'a refused connect': {
    target: '/refused',
    given: failed('UF', 'remote connection failure', { transport: refusedConnect, log: { upstreamHost: 'refused' } }),
    again: failed('URX,UF', 'remote connection failure', { transport: refusedConnect, retried: true, log: { upstreamHost: 'refused' } }),
  },
  'a connect that hangs': {
    target: '/hanging',
    given: failed('UF', 'connection timeout', { log: { upstreamHost: 'hanging' } }),
    again: failed('URX,UF', 'connection timeout', { retried: true, log: { upstreamHost: 'hanging' } }),
  },
  'a per-try timeout': {
    target: '/slow',
    turn: hang,
    given: local({ status: 504, flags: 'UT', details: 'upstream_per_try_timeout', body: 'upstream request timeout', upstream: { ...once, dropped: true } }),
    again: local({ status: 504, flags: 'URX,UT', details: 'upstream_per_try_timeout', body: 'upstream request timeout', upstream: twice }),
  },
  'grpc-status 1': grpcTrigger(1),
  'grpc-status 4': grpcTrigger(4),
  'grpc-status 8': grpcTrigger(8),
  'grpc-status 13': grpcTrigger(13),
  'grpc-status 14': grpcTrigger(14),
} satisfies Record<string, Trigger>;

type TriggerName = keyof typeof triggers;

const noAnswer: readonly TriggerName[] = ['a connection that ends', 'a connection that is reset', 'an answer that is none', 'a refused connect', 'a connect that hangs', 'a per-try timeout'];
const noConnect: readonly TriggerName[] = ['a refused connect', 'a connect that hangs'];

/** What is written into `retryOn` → what it fires on. */
const fires: Readonly<Record<string, readonly TriggerName[]>> = {
  '5xx': ['500', '502', '503', '504', '599', '503 with x-envoy-overloaded', ...noAnswer],
  'gateway-error': ['502', '503', '504', '503 with x-envoy-overloaded', ...noAnswer],
  reset: noAnswer,
  'reset-before-request': noConnect,
  'connect-failure': noConnect,
  'refused-stream': [],
  'retriable-4xx': ['409'],
  '404,503': ['404', '503', '503 with x-envoy-overloaded'],
  '425': ['425'],
  // A number without a name is an unknown token to Istio.
  '599': [],
  'retriable-status-codes': [],
  'retriable-headers': [],
  'envoy-ratelimited': ['503 with x-envoy-ratelimited', '429 with x-envoy-ratelimited'],
  cancelled: ['grpc-status 1'],
  'deadline-exceeded': ['grpc-status 4'],
  'resource-exhausted': ['grpc-status 8'],
  internal: ['grpc-status 13'],
  unavailable: ['grpc-status 14'],
  'connect-failure,retriable-4xx,unavailable': [...noConnect, '409', 'grpc-status 14'],
};

/** Pairs that take longer than others and would only say again what a pair beside them says. */
const slow: readonly TriggerName[] = ['a connect that hangs', 'a per-try timeout'];
const slowTokens = ['5xx', 'gateway-error', 'reset', 'reset-before-request', 'connect-failure', 'unavailable'];

const perTryMs = 250;

export const conditionHosts: readonly TestHost[] = [
  { name: 'refusing', endpoints: ['refused'] },
  { name: 'stalling', endpoints: ['hanging'], trafficPolicy: { connectionPool: { tcp: { connectTimeout: '100ms' } } }, envoy: { cluster: { connect_timeout: '0.1s' } } },
  ...Object.keys(fires).map(tokenHost),
];

export const conditionCases: readonly Case[] = Object.entries(fires).flatMap(([retryOn, fired]) =>
  Object.entries<Trigger>(triggers)
    .filter(([name]) => slowTokens.includes(retryOn) || !(slow as readonly string[]).includes(name))
    .map(([name, trigger]) => pair(retryOn, name, trigger, (fired as readonly string[]).includes(name))),
);

function pair(retryOn: string, name: string, trigger: Trigger, fired: boolean): Case {
  const send = ask(hostOf(retryOn), trigger.target === undefined ? {} : { target: trigger.target });
  const turns = trigger.turn === undefined ? [] : trigger.again === undefined ? [trigger.turn] : [trigger.turn, trigger.turn];
  const expect = fired ? (trigger.again ?? retried(2)) : trigger.given;
  return { row: 'A.1', name: `${retryOn} ${fired ? 'fires' : 'does not fire'} on ${name}`, send, upstream: turns, expect };
}

/** A trailers-only answer: the status is in the head, where it can be retried. */
function grpcTrigger(status: number): Trigger {
  return { turn: reply(200, ['content-type: application/grpc', `grpc-status: ${status}`]), given: relayed(200, once, { answer: { headers: { 'grpc-status': String(status) } } }) };
}

function hostOf(retryOn: string): string {
  return `on-${retryOn.replaceAll(',', '-')}`;
}

function tokenHost(retryOn: string): TestHost {
  const retries = { attempts: 1, retryOn, backoff: '1ms' };
  const codes = /^[\d,]+$/.test(retryOn) && retryOn !== '599' ? retryOn.split(',').map(Number) : [];
  const policy = programRetry(codes.length > 0 ? 'retriable-status-codes' : retryOn, 1, { retry_back_off: { base_interval: '0.001s' }, retriable_status_codes: codes });
  const to = (name: string): Json => ({ route: [{ destination: { host: `${name}.test` } }] });
  return {
    name: hostOf(retryOn),
    endpoints: ['upstream'],
    http: [
      { match: [{ uri: { prefix: '/refused' } }], retries, ...to('refusing') },
      { match: [{ uri: { prefix: '/hanging' } }], retries, ...to('stalling') },
      { match: [{ uri: { prefix: '/slow' } }], retries: { ...retries, perTryTimeout: `${perTryMs}ms` } },
      { retries },
    ],
    envoy: {
      routes: [
        { match: { prefix: '/refused' }, route: { cluster: 'refusing', retry_policy: policy } },
        { match: { prefix: '/hanging' }, route: { cluster: 'stalling', retry_policy: policy } },
        { match: { prefix: '/slow' }, route: { retry_policy: { ...policy, per_try_timeout: `${perTryMs / 1000}s` } } },
        { route: { retry_policy: policy } },
      ],
    },
  };
}
