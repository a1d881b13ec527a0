/** A.9: copies that never touch the request they are made of. */

import type { Case, ClientStep, ExpectedUpstream, UpstreamTurn } from '../case.ts';
import type { Json } from '../targets/envoy.ts';
import type { TestHost } from '../targets/test-host.ts';
import { ask, finish, hang, relayed, reply, row } from './forms.ts';

function mirrored(name: string, to: string, percent?: number): TestHost {
  return {
    name,
    endpoints: ['upstream'],
    http: [{ mirror: { host: `${to}.test` }, ...(percent === undefined ? {} : { mirrorPercentage: { value: percent } }), retries: { attempts: 0 } }],
    envoy: { routes: [{ route: { retry_policy: null, request_mirror_policies: [programMirror(to, percent ?? 100)] } }] },
  };
}

function programMirror(cluster: string, percent: number): Json {
  return { cluster, runtime_fraction: { default_value: { numerator: percent * 10_000, denominator: 'MILLION' } }, trace_sampled: false, disable_shadow_host_suffix_append: true };
}

export const mirrorHosts: readonly TestHost[] = [
  { name: 'copy', endpoints: ['second'] },
  mirrored('mirrored', 'copy'),
  mirrored('mirrored-never', 'copy', 0),
  mirrored('mirrored-nowhere', 'nowhere'),
  mirrored('mirrored-refused', 'refusing'),
  mirrored('mirrored-nobody', 'nobody'),
  {
    name: 'mirrored-often',
    endpoints: ['upstream'],
    http: [{ mirrors: [{ destination: { host: 'copy.test' } }, { destination: { host: 'copy.test' }, percentage: { value: 0 } }, { destination: { host: 'refusing.test' }, percentage: { value: 100 } }], retries: { attempts: 0 } }],
    envoy: { routes: [{ route: { retry_policy: null, request_mirror_policies: [programMirror('copy', 100), programMirror('copy', 0), programMirror('refusing', 100)] } }] },
  },
];

const main = (turn: UpstreamTurn): UpstreamTurn => ({ ...turn, at: 'upstream' });
const copy = (turn: UpstreamTurn): UpstreamTurn => ({ ...turn, at: 'second' });

/** Both have come before anything is looked at. */
function both(bytes: string): readonly ClientStep[] {
  return [bytes, { until: 'upstream', requests: 2 }];
}

const seen = (more: Partial<ExpectedUpstream> = {}): ExpectedUpstream => ({ requests: 2, connections: 2, hosts: 'AB', ...more });

export const mirrorCases: readonly Case[] = [
  row('A.9', 'the copy goes up, its answer goes nowhere', both(ask('mirrored')), [main(reply(200, [], 'main')), copy(reply(500, [], 'copy'))], relayed(200, seen(), { answer: { body: 'main' }, log: { upstreamHost: 'upstream' } })),
  row('A.9', 'the copy has the method, the path and the headers', both(ask('mirrored', { method: 'PUT', target: '/p?q=1', headers: ['X-Mine: 1'], body: 'hello' })), [], relayed(200, seen({ each: [/^PUT \/p\?q=1 [^]*x-mine: 1\r\n[^]*hello$/i, /^PUT \/p\?q=1 [^]*x-mine: 1\r\n[^]*hello$/i] }))),
  row('A.9', 'the copy keeps the authority', both(ask('mirrored')), [], relayed(200, seen({ each: [/\r\nhost: mirrored\.test\r\n/i, /\r\nhost: mirrored\.test\r\n/i], lacks: [/-shadow/] }))),
  row('A.9', 'the copy has the same request id', both(ask('mirrored')), [], relayed(200, seen({ has: [/x-request-id: ([0-9a-f-]{36})\r\n[^]*x-request-id: \1\r\n/i] }))),
  row('A.9', 'one of the two is marked as internal', both(ask('mirrored')), [], relayed(200, seen({ has: [/x-envoy-internal: true\r\n/i], lacks: [/x-envoy-internal[^]*x-envoy-internal/i] }))),
  row('A.9', 'a chunked body is copied', both(ask('mirrored', { method: 'POST', headers: ['Transfer-Encoding: chunked'], body: '5\r\nhello\r\n0\r\n\r\n' })), [], relayed(200, seen({ each: [/hello\r\n0\r\n\r\n$/, /hello\r\n0\r\n\r\n$/] }))),
  row('A.9', 'a copy that hangs delays nothing', both(ask('mirrored')), [main(reply(200, [], 'main')), copy(hang)], relayed(200, seen(), { answer: { body: 'main' } })),
  row('A.9', 'a copy whose connection ends fails nothing', both(ask('mirrored')), [main(reply(200, [], 'main')), copy(finish)], relayed(200, seen(), { answer: { body: 'main' } })),
  row('A.9', 'a failure of the request is its own', both(ask('mirrored')), [main(reply(503, [], 'main')), copy(reply(200, [], 'copy'))], relayed(503, seen(), { answer: { body: 'main' } })),
  row('A.9', 'several mirrors, each with its own percentage', both(ask('mirrored-often', { method: 'POST', body: 'hello' })), [], relayed(200, seen({ each: [/hello$/, /hello$/] }))),
  row('A.9', 'mirrorPercentage 0: no copy', ask('mirrored-never'), [], relayed(200, { requests: 1 })),
  row('A.9', 'a mirror that refuses', ask('mirrored-refused'), [], relayed(200, { requests: 1 })),
  row('A.9', 'a mirror nobody knows', ask('mirrored-nowhere'), [], relayed(200, { requests: 1 })),
  row('A.9', 'a mirror without hosts', ask('mirrored-nobody'), [], relayed(200, { requests: 1 })),
  row('A.9', 'a request that never gets to the router is not copied', ask('mirrored', { headers: ['Connection: x-forwarded-for'] }), [], { answers: [{ status: 400 }], closes: true }),
];
