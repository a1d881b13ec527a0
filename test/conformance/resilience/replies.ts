/** A.4: every reply that the proxy makes itself, whole head and body; to HEAD, to a gRPC call, and with the route's own headers. */

import type { Case, Expected } from '../case.ts';
import { after } from '../cases/forms.ts';
import type { TestHost } from '../targets/test-host.ts';
import { ask, call, failed, finish, garbage, grpcHead, local, localHead, refusedConnect, relayed, reply, row } from './forms.ts';

const added = { headers: { response: { set: { 'x-mine': 'set' }, add: { 'x-more': 'added' } } } };
const programmed = {
  response_headers_to_add: [
    { header: { key: 'x-more', value: 'added' }, append_action: 'APPEND_IF_EXISTS_OR_ADD' },
    { header: { key: 'x-mine', value: 'set' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
  ],
};

const none = { retries: { attempts: 0 } };

function answering(status: number, body: string): Partial<TestHost> {
  const direct = { directResponse: { status, ...(body === '' ? {} : { body: { string: body } }) } };
  return { http: [direct], envoy: { routes: [{ direct_response: { status, ...(body === '' ? {} : { body: { inline_string: body } }) } }] } };
}

const directStatuses = [400, 401, 403, 404, 413, 418, 429, 500, 501, 502, 503, 504];

export const replyHosts: readonly TestHost[] = [
  { name: 'nobody', endpoints: [] },
  { name: 'failing', endpoints: ['upstream'], http: [none], envoy: { routes: [{ route: { retry_policy: null } }] } },
  { name: 'lost', endpoints: ['upstream'], http: [{ ...none, route: [{ destination: { host: 'nowhere.test' } }] }], envoy: { routes: [{ route: { cluster: 'nowhere' } }] } },
  { name: 'narrow', endpoints: ['upstream'], http: [{ ...none, match: [{ uri: { exact: '/only' } }] }], envoy: { routes: [{ match: { path: '/only' } }] } },
  {
    name: 'dressed',
    endpoints: ['upstream'],
    http: [
      { ...added, match: [{ uri: { prefix: '/refused' } }], ...none, route: [{ destination: { host: 'refusing.test' } }] },
      { ...added, match: [{ uri: { prefix: '/nobody' } }], ...none, route: [{ destination: { host: 'nobody.test' } }] },
      { ...added, match: [{ uri: { prefix: '/lost' } }], ...none, route: [{ destination: { host: 'nowhere.test' } }] },
      { ...added, match: [{ uri: { prefix: '/direct' } }], directResponse: { status: 403, body: { string: 'denied' } } },
      { ...added, match: [{ uri: { prefix: '/redirect' } }], redirect: { uri: '/elsewhere' } },
      { ...added, match: [{ uri: { prefix: '/limit' } }], timeout: '250ms', ...none },
      { ...added, ...none },
    ],
    envoy: {
      routes: [
        { ...programmed, match: { prefix: '/refused' }, route: { cluster: 'refusing', retry_policy: null } },
        { ...programmed, match: { prefix: '/nobody' }, route: { cluster: 'nobody', retry_policy: null } },
        { ...programmed, match: { prefix: '/lost' }, route: { cluster: 'nowhere', retry_policy: null } },
        { ...programmed, match: { prefix: '/direct' }, direct_response: { status: 403, body: { inline_string: 'denied' } } },
        { ...programmed, match: { prefix: '/redirect' }, redirect: { path_redirect: '/elsewhere' } },
        { ...programmed, match: { prefix: '/limit' }, route: { timeout: '0.25s', retry_policy: null } },
        { ...programmed, route: { retry_policy: null } },
      ],
    },
  },
  ...directStatuses.map((status): TestHost => ({ name: `direct-${status}`, endpoints: ['upstream'], ...answering(status, `${status} said`) })),
  { name: 'direct-empty', endpoints: ['upstream'], ...answering(503, '') },
  { name: 'direct-odd', endpoints: ['upstream'], ...answering(503, '50% of "é"\n\ttab') },
  { name: 'direct-ok', endpoints: ['upstream'], ...answering(200, 'fine') },
  { name: 'direct-moved', endpoints: ['upstream'], http: [{ redirect: { uri: '/elsewhere' } }], envoy: { routes: [{ redirect: { path_redirect: '/elsewhere' } }] } },
];

const notFound = { status: 404, flags: 'NR', details: 'route_not_found', body: '' };
const noCluster = { status: 503, flags: 'NC', details: 'cluster_not_found', body: '' };
const noHost = { status: 503, flags: 'UH', details: 'no_healthy_upstream', body: 'no healthy upstream', log: { upstreamHost: '-' } };
const blocked = { status: 502, flags: '-', details: 'direct_response', body: '' };
const once = { requests: 1 };

const refused = failed('UF', 'remote connection failure', { transport: refusedConnect, log: { upstreamHost: 'refused' } });
const ended = failed('UC', 'connection termination', { upstream: once, log: { upstreamHost: 'upstream' } });
const broken = failed('UPE', 'protocol error', { upstream: once, status: 502, log: { upstreamHost: 'upstream' } });

function direct(status: number, body: string): Expected {
  return local({ status, flags: '-', details: 'direct_response', body });
}

/** What is asked, and the reply to it. */
const replies: readonly (readonly [name: string, host: string, target: string, turns: Case['upstream'], expect: Expected])[] = [
  ['no route', 'narrow', '/other', [], local(notFound)],
  ['no cluster', 'lost', '/', [], local(noCluster)],
  ['no host', 'nobody', '/', [], local(noHost)],
  ['a host nobody declares', 'undeclared', '/', [], local(blocked)],
  ['connect refused', 'no-retries-refused', '/', [], refused],
  ['connection ended', 'failing', '/', [finish], ended],
  ['an answer that is none', 'failing', '/', [garbage], broken],
  ...directStatuses.map((status) => [`direct response ${status}`, `direct-${status}`, '/', [], direct(status, `${status} said`)] as const),
  ['direct response without a body', 'direct-empty', '/', [], direct(503, '')],
];

/** A.4: HTTP status → grpc-status. */
const grpcStatus: Readonly<Record<number, number>> = { 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14 };

export const replyCases: readonly Case[] = [
  ...replies.map(([name, host, target, turns, expect]) => row('A.4', `${name}, byte for byte`, ask(host, { target }), turns ?? [], expect)),
  ...replies.map(([name, host, target, turns, expect]) => row('A.4', `${name} to HEAD`, ask(host, { target, method: 'HEAD' }), turns ?? [], bodiless(expect), { head: true, ...laxHead(expect) })),
  ...replies.map(([name, host, target, turns, expect]) => row('A.4', `${name} to a gRPC call`, call(host, { target }), turns ?? [], toGrpc(expect))),
  row('A.4', 'a gRPC call gets a direct 200 as an error, too', call('direct-ok'), [], toGrpc(direct(200, 'fine'))),
  row('A.4', 'a redirect to a gRPC call', call('direct-moved'), [], local({ status: 200, flags: '-', details: 'direct_response', body: '', head: ['location: http://direct-moved.test/elsewhere', ...grpcHead(2, '')] })),
  row('A.4', 'grpc-message is percent-encoded', call('direct-odd'), [], local({ status: 200, flags: '-', details: 'direct_response', body: '', head: grpcHead(14, '50%25 of "%C3%A9"%0A%09tab') })),
  row('A.4', 'a gRPC call with +proto', ask('direct-403', { method: 'POST', headers: ['Content-Type: application/grpc+proto'] }), [], toGrpc(direct(403, '403 said'))),
  row('A.4', 'grpc-web is not gRPC', ask('direct-403', { method: 'POST', headers: ['Content-Type: application/grpc-web'] }), [], direct(403, '403 said')),
  row('A.4', "an upstream's own 503 reaches a gRPC call as it is", call('failing'), [reply(503, ['content-type: text/html'], 'no')], relayed(503, once, { answer: { body: 'no', headers: { 'content-type': 'text/html', 'grpc-status': null } } })),
  ...dressedCases(),
];

function dressedCases(): Case[] {
  const dressed = (name: string, target: string, turns: Case['upstream'], status: number, flags: string, body: string): Case =>
    row('A.4', `the route's response headers are on: ${name}`, ask('dressed', { target }), turns ?? [], { answers: [{ status, head: ['x-mine: set', 'x-more: added', ...localHead(body)], body }], closes: false, ...(turns === undefined ? {} : { upstream: once }), log: [{ code: status, flags }, after] });
  const reset = 'upstream connect error or disconnect/reset before headers. reset reason: ';
  return [
    dressed('connect refused', '/refused', undefined, 503, 'UF', `${reset}remote connection failure`),
    dressed('no host', '/nobody', undefined, 503, 'UH', 'no healthy upstream'),
    dressed('no cluster', '/lost', undefined, 503, 'NC', ''),
    dressed('direct response', '/direct', undefined, 403, '-', 'denied'),
    dressed('route timeout', '/limit', [{ steps: [] }], 504, 'UT', 'upstream request timeout'),
    dressed('connection ended', '/', [finish], 503, 'UC', `${reset}connection termination`),
    row('A.4', "the route's response headers are on: redirect", ask('dressed', { target: '/redirect' }), [], { answers: [{ status: 301, headers: { location: 'http://dressed.test/elsewhere', 'x-mine': 'set', 'x-more': 'added' } }], closes: false }),
  ];
}

function bodiless(expected: Expected): Expected {
  return { ...expected, answers: expected.answers.map((answer) => ({ ...answer, body: '' })) };
}

/** Envoy's own replies without a body. */
function laxHead(expected: Expected): Partial<Case> {
  if (expected.answers[0]?.body !== '') return {};
  const answers = expected.answers.map(({ status }) => ({ status, head: ['date', 'server', 'transfer-encoding: chunked'], body: '' }));
  return { envoy: { reason: 'Envoy tells HEAD of a chunked body where GET is told of none', expect: { ...expected, answers } } };
}

/** HTTP 200, the status and the text in the head; the connection goes on as with the plain reply. */
function toGrpc(expected: Expected): Expected {
  const [answer] = expected.answers;
  const status = grpcStatus[answer?.status ?? 0] ?? 2;
  const text = String(answer?.body ?? '');
  return { ...expected, answers: [{ status: 200, head: grpcHead(status, text, expected.closes === true), body: '' }], log: expected.log?.map((line, index) => (index === 0 ? { ...line, code: 200 } : line)) ?? [] };
}
