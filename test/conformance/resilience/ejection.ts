/** A.7: which failures eject a host, and what is answered when none is left. */

import type { Case, Expected, UpstreamTurn } from '../case.ts';
import { after } from '../cases/forms.ts';
import type { Json } from '../targets/envoy.ts';
import { programRetry, type TestHost } from '../targets/test-host.ts';
import { ask, call, cut, failed, finish, garbage, hang, refusedConnect, reply, row } from './forms.ts';

const forEver = { interval: '3600s', baseEjectionTime: '3600s', maxEjectionPercent: 100 };
const programmedForEver = { interval: '3600s', base_ejection_time: '3600s', max_ejection_time: '3600s', max_ejection_percent: 100, enforcing_success_rate: 0, enforcing_local_origin_success_rate: 0 };

function watched(name: string, outlierDetection: Json, detection: Json, more: Partial<TestHost> & { readonly panic?: number } = {}): TestHost {
  const { panic = 0, ...rest } = more;
  return {
    name,
    endpoints: ['upstream'],
    http: [{ retries: { attempts: 0 } }],
    trafficPolicy: { outlierDetection: { ...forEver, ...outlierDetection } },
    ...rest,
    envoy: {
      routes: [{ route: { retry_policy: null } }],
      cluster: { outlier_detection: { ...programmedForEver, ...detection }, common_lb_config: { healthy_panic_threshold: { value: panic } } },
      ...rest.envoy,
    },
  };
}

function on5xx(name: string, count: number, more: Partial<TestHost> = {}): TestHost {
  return watched(name, { consecutive5xxErrors: count }, { consecutive_5xx: count, enforcing_consecutive_5xx: 100 }, more);
}

function onGateway(name: string): TestHost {
  return watched(name, { consecutiveGatewayErrors: 1, consecutive5xxErrors: 0 }, { consecutive_gateway_failure: 1, enforcing_consecutive_gateway_failure: 100, enforcing_consecutive_5xx: 0 });
}

function onLocal(name: string, more: Partial<TestHost> = {}): TestHost {
  return watched(
    name,
    { splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 1, consecutive5xxErrors: 1 },
    { split_external_local_origin_errors: true, consecutive_local_origin_failure: 1, enforcing_consecutive_local_origin_failure: 100, consecutive_5xx: 1, enforcing_consecutive_5xx: 100 },
    more,
  );
}

/** What one failure does to a cluster of one host; each has a cluster of its own. */
const verdicts: readonly (readonly [kind: '5xx' | 'gateway' | 'split', failure: string, turn: UpstreamTurn | 'refused', status: number, ejects: boolean])[] = [
  ['5xx', 'a 500', reply(500), 500, true],
  ['5xx', 'a 503', reply(503), 503, true],
  ['5xx', 'a 404', reply(404), 404, false],
  ['5xx', 'an ended connection', finish, 503, true],
  ['5xx', 'a reset connection', cut, 503, true],
  ['5xx', 'garbage', garbage, 502, true],
  ['5xx', 'a refused connect', 'refused', 503, true],
  ['5xx', 'a route timeout', hang, 504, true],
  ['gateway', 'a 500', reply(500), 500, false],
  ['gateway', 'a 502', reply(502), 502, true],
  ['gateway', 'a 503', reply(503), 503, true],
  ['gateway', 'a 504', reply(504), 504, true],
  ['gateway', 'an ended connection', finish, 503, true],
  ['gateway', 'a refused connect', 'refused', 503, true],
  ['gateway', 'a route timeout', hang, 504, true],
  ['split', 'a 500', reply(500), 500, true],
  ['split', 'an ended connection', finish, 503, true],
  ['split', 'a reset connection', cut, 503, true],
  ['split', 'a refused connect', 'refused', 503, true],
  ['split', 'a route timeout', hang, 504, true],
];

const shortMs = 250;

function verdictHost(kind: string, failure: string): string {
  return `${kind}-${failure.replaceAll(' ', '-')}`;
}

function verdictTarget([kind, failure, turn]: (typeof verdicts)[number]): TestHost {
  const name = verdictHost(kind, failure);
  const host = kind === '5xx' ? on5xx(name, 1) : kind === 'gateway' ? onGateway(name) : onLocal(name);
  if (turn === 'refused') return { ...host, endpoints: ['refused'] };
  if (turn !== hang) return host;
  return { ...host, http: [{ retries: { attempts: 0 }, timeout: `${shortMs}ms` }], envoy: { ...host.envoy, routes: [{ route: { timeout: `${shortMs / 1000}s`, retry_policy: null } }] } };
}

export const ejectionHosts: readonly TestHost[] = [
  ...verdicts.map(verdictTarget),
  on5xx('grpc-in-head', 1),
  on5xx('grpc-in-trailers', 1),
  on5xx('grpc-of-nobody', 1),
  on5xx('third', 3),
  on5xx('third-in-row', 3),
  on5xx('vanishing', 1, { http: [{ retries: { attempts: 5, retryOn: '5xx' } }], envoy: { routes: [{ route: { retry_policy: programRetry('5xx', 5) } }], cluster: on5xx('', 1).envoy?.cluster ?? {} } }),
  on5xx('pair', 1, { endpoints: ['upstream', 'second'] }),
  watched('ten-percent', { consecutive5xxErrors: 1, maxEjectionPercent: 10 }, { consecutive_5xx: 1, enforcing_consecutive_5xx: 100, max_ejection_percent: 10 }),
  watched('panicking', { consecutive5xxErrors: 1, minHealthPercent: 50 }, { consecutive_5xx: 1, enforcing_consecutive_5xx: 100 }, { panic: 50 }),
];

const trailers: UpstreamTurn = { steps: ['HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\ntrailer: grpc-status\r\n\r\n0\r\ngrpc-status: 14\r\n\r\n'] };

/** Envoy's workers hear of an ejection a moment later. */
const settled = { waitMs: 50 };

const noHost = { status: 503, headers: { 'content-type': 'text/plain', 'content-length': '19' }, body: 'no healthy upstream' };
const noHostLog = { code: 503, flags: 'UH', details: 'no_healthy_upstream', upstreamHost: '-' };

function ejected(first: number, requests: number): Expected {
  return { answers: [{ status: first }, noHost], closes: false, ...(requests === 0 ? {} : { upstream: { requests } }), log: [{ code: first }, noHostLog, after] };
}

export const ejectionCases: readonly Case[] = [
  ...verdicts.map(([kind, failure, turn, status, ejects]) => {
    const host = verdictHost(kind, failure);
    const served: Expected = { answers: [{ status }, { status: 200 }], closes: false, upstream: { requests: 2 } };
    const script = turn === 'refused' ? [] : [turn];
    return row('A.7', `${kind}: ${failure} ${ejects ? 'ejects' : 'does not eject'}`, [ask(host), { until: 'answer' }, settled, ask(host)], script, ejects ? ejected(status, script.length) : served);
  }),
  row('A.7', 'a gRPC status in the head counts as an HTTP status', [call('grpc-in-head'), { until: 'answer' }, settled, ask('grpc-in-head')], [reply(200, ['content-type: application/grpc', 'grpc-status: 14'])], ejected(200, 1)),
  row('A.7', 'a gRPC status in trailers, which HTTP/1 has lost by then, counts for nothing', [call('grpc-in-trailers'), { until: 'answer' }, settled, ask('grpc-in-trailers')], [trailers], { answers: [{ status: 200 }, { status: 200 }], closes: false, upstream: { requests: 2 } }),
  row('A.7', 'a gRPC status to a request that is no gRPC call counts for nothing', [ask('grpc-of-nobody'), { until: 'answer' }, settled, ask('grpc-of-nobody')], [reply(200, ['content-type: application/grpc', 'grpc-status: 14'])], { answers: [{ status: 200 }, { status: 200 }], closes: false, upstream: { requests: 2 } }),
  row('A.7', 'an answer that is well starts the count again', [ask('third'), { until: 'answer' }, ask('third'), { until: 'answer', answers: 2 }, ask('third'), { until: 'answer', answers: 3 }, ask('third'), { until: 'answer', answers: 4 }, settled, ask('third')], [reply(500), reply(500), reply(200), reply(500)], { answers: [{ status: 500 }, { status: 500 }, { status: 200 }, { status: 500 }, { status: 200 }], closes: false, upstream: { requests: 5 } }),
  row('A.7', 'as many in a row as the count says', [ask('third-in-row'), { until: 'answer' }, ask('third-in-row'), { until: 'answer', answers: 2 }, ask('third-in-row'), { until: 'answer', answers: 3 }, settled, ask('third-in-row')], [reply(500), reply(500), reply(500)], { answers: [{ status: 500 }, { status: 500 }, { status: 500 }, noHost], closes: false, upstream: { requests: 3 } }),
  row('A.7', 'the last host goes between two attempts', ask('vanishing'), [reply(503), reply(503), reply(503), reply(503), reply(503), reply(503)], { answers: [noHost], closes: false, upstream: {}, log: [{ ...noHostLog, upstreamHost: 'upstream' }, after] }),
  row('A.7', 'the other host takes it all', [ask('pair'), { until: 'answer' }, settled, ask('pair'), { until: 'answer', answers: 2 }, ask('pair'), { until: 'answer', answers: 3 }, ask('pair'), { until: 'answer', answers: 4 }, ask('pair')], [reply(500)], { answers: [{ status: 500 }, { status: 200 }, { status: 200 }, { status: 200 }, { status: 200 }], closes: false, upstream: { requests: 5, hosts: 'ABBBB' } }),
  row('A.7', 'ten percent of one host is none', [ask('ten-percent'), { until: 'answer' }, settled, ask('ten-percent')], [reply(500)], { answers: [{ status: 500 }, { status: 200 }], closes: false, upstream: { requests: 2 } }),
  row('A.7', 'minHealthPercent: with too few left all are used', [ask('panicking'), { until: 'answer' }, settled, ask('panicking')], [reply(500)], { answers: [{ status: 500 }, { status: 200 }], closes: false, upstream: { requests: 2 } }),
  row('A.7', 'no host left, to a gRPC call', [ask(verdictHost('5xx', 'a 500')), { until: 'answer' }, call(verdictHost('5xx', 'a 500'))], [], { answers: [noHost, { status: 200, headers: { 'grpc-status': '14', 'grpc-message': 'no healthy upstream' }, body: '' }], closes: false }),
  row('A.7', 'no host left: nothing is retried', ask('vanishing'), [], { answers: [noHost], closes: false, log: [noHostLog, after] }),
  row('A.7', 'an ejected host that refuses is told apart', ask(verdictHost('5xx', 'a refused connect')), [], { answers: [noHost], closes: false, log: [noHostLog, after] }),
  row('A.7', 'without outlier detection nothing is ejected', [ask('no-retries-refused'), { until: 'answer' }, ask('no-retries-refused')], [], { ...failed('UF', 'remote connection failure', { transport: refusedConnect }), answers: [{ status: 503 }, { status: 503 }], log: [{ code: 503, flags: 'UF' }, { code: 503, flags: 'UF' }, after] }),
];
