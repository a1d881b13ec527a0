/** Rows 17–19: what an upstream may not do to a client or to the next client. */

import type { Case, Expected, UpstreamTurn } from '../case.ts';
import { after, answer, brokenAnswer, get, served } from './forms.ts';

const ok = 'HTTP/1.1 200 OK';

function broken(row: string, name: string, lines: readonly string[], body = '', envoy?: Case['envoy']): Case {
  return { row, name, send: get(), upstream: [answer(lines, body)], expect: brokenAnswer(), ...(envoy === undefined ? {} : { envoy }) };
}

function relayed(row: string, name: string, lines: readonly string[], body: string, expect: Expected): Case {
  return { row, name, send: get(), upstream: [answer(lines, body)], expect };
}

/** Relayed as it came; `upstream.dropped` where the connection must not be used again. */
function passes(reply: Parameters<typeof served>[1], dropped = false): Expected {
  return served(dropped ? { dropped } : {}, reply);
}

/** The head had gone down already, so the client sees the connection end inside the body. */
const cutBody: Expected = {
  answers: [{ status: 200, cut: true }],
  closes: true,
  upstream: { requests: 1, dropped: true },
  log: [{ code: 200, flags: 'UPE', details: 'upstream_reset_after_response_started{protocol_error}' }],
};

const informational = (count: number, status = '103 Early Hints'): string => `HTTP/1.1 ${status}\r\nlink: </a>\r\n\r\n`.repeat(count);

const lax = (reason: string, expect: Expected): Case['envoy'] => ({ reason, expect });

const good: UpstreamTurn = answer([ok, 'content-length: 2'], 'ok');

export const responseCases: readonly Case[] = [
  broken('D.2 17', 'a CR inside a value', [ok, 'x-a: b\rX-B: 1', 'content-length: 2'], 'ok', lax('Envoy deletes the CR', passes({ headers: { 'x-a': 'bX-B: 1' } }))),
  broken('D.2 17', 'a NUL inside a value', [ok, 'x-a: b\0c', 'content-length: 2'], 'ok'),
  broken('D.2 17', 'a control inside a value', [ok, 'x-a: b\x01c', 'content-length: 2'], 'ok'),
  broken('D.2 17', 'a line without a colon', [ok, 'nonsense', 'content-length: 2'], 'ok'),
  broken('D.2 17', 'a name with a blank', [ok, 'x a: 1', 'content-length: 2'], 'ok'),
  broken('D.2 17', 'an empty name', [ok, ': 1', 'content-length: 2'], 'ok'),
  broken('D.2 17', 'a space before the colon', [ok, 'x-a : 1', 'content-length: 2'], 'ok'),
  {
    row: 'D.2 17',
    name: 'a header line ended by a bare LF',
    send: get(),
    upstream: [{ steps: [`${ok}\r\nx-a: 1\nx-b: 2\r\ncontent-length: 2\r\n\r\nok`] }],
    expect: brokenAnswer(),
    or: passes({ headers: { 'x-a': '1', 'x-b': '2' }, body: 'ok' }),
  },
  {
    row: 'D.2 17',
    name: 'an escaped CR LF stays escaped in Location',
    send: get('/move/a%0d%0aSet-Cookie:%20x=1'),
    expect: {
      answers: [{ status: 301, headers: { location: 'http://other.test/move/a%0d%0aSet-Cookie:%20x=1', 'set-cookie': null } }],
      closes: false,
      log: [{ code: 301, flags: '-', details: 'direct_response' }, after],
    },
  },

  broken('D.2 18', 'a length with chunked', [ok, 'content-length: 2', 'transfer-encoding: chunked'], '2\r\nok\r\n0\r\n\r\n'),
  broken('D.2 18', 'two lengths', [ok, 'content-length: 2', 'content-length: 3'], 'ok'),
  broken('D.2 18', 'two equal lengths', [ok, 'content-length: 2', 'content-length: 2'], 'ok'),
  broken('D.2 18', 'a length that is no number', [ok, 'content-length: 2x'], 'ok'),
  broken('D.2 18', 'an unknown transfer-encoding', [ok, 'transfer-encoding: gzip'], 'ok'),
  broken('D.2 18', 'chunked twice', [ok, 'transfer-encoding: chunked, chunked'], '2\r\nok\r\n0\r\n\r\n'),
  broken('D.2 18', '204 with a length', ['HTTP/1.1 204 No Content', 'content-length: 2'], 'ok'),
  broken('D.2 18', '204 with chunked', ['HTTP/1.1 204 No Content', 'transfer-encoding: chunked'], '2\r\nok\r\n0\r\n\r\n'),
  relayed('D.2 18', '204 with length 0', ['HTTP/1.1 204 No Content', 'content-length: 0'], '', passes({ status: 204 })),
  relayed('D.2 18', '304 with a body that belongs to nobody', ['HTTP/1.1 304 Not Modified', 'content-length: 2'], 'ok', passes({ status: 304, body: '' }, true)),
  relayed('D.2 18', 'bytes behind the answer', [ok, 'content-length: 2'], 'okHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison', passes({ body: 'ok' }, true)),
  relayed('D.2 18', 'bytes behind a chunked answer', [ok, 'transfer-encoding: chunked'], '2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison', passes({ body: 'ok' }, true)),
  {
    row: 'D.2 18',
    name: 'an answer nobody asked for on an idle connection',
    send: [get(), { until: 'answer' }],
    upstream: [{ steps: [`${ok}\r\ncontent-length: 2\r\n\r\nok`, { waitMs: 30 }, `${ok}\r\ncontent-length: 6\r\n\r\npoison`, { waitMs: 30 }] }],
    expect: passes({ body: 'ok' }),
  },
  broken('D.2 18', 'a 101 nobody asked for', ['HTTP/1.1 101 Switching Protocols', 'connection: upgrade', 'upgrade: foo'], '', lax('Envoy relays it as a bodiless answer', { answers: [{ status: 101 }], closes: false, upstream: { requests: 1 } })),
  broken('D.2 18', 'status 2000', ['HTTP/1.1 2000 OK', 'content-length: 2'], 'ok', lax('Envoy relays it', { ...passes({ status: 200 }), log: [{ code: 2000, flags: '-' }, after] })),
  broken('D.2 18', 'status +200', ['HTTP/1.1 +200 OK', 'content-length: 2'], 'ok', lax('Envoy reads it as 200', passes({ status: 200 }))),
  broken('D.2 18', 'status 20', ['HTTP/1.1 20 OK', 'content-length: 2'], 'ok'),
  broken('D.2 18', 'status 099', ['HTTP/1.1 099 OK', 'content-length: 2'], 'ok'),
  broken('D.2 18', 'a status line of HTTP/2.0', ['HTTP/2.0 200 OK', 'content-length: 2'], 'ok', lax('Envoy takes it', passes({ body: 'ok' }))),
  broken('D.2 18', 'a status line of HTTP/0.9', ['HTTP/0.9 200 OK', 'content-length: 2'], 'ok', lax('Envoy takes it', passes({ body: 'ok' }))),
  broken('D.2 18', 'a status line of another protocol', ['SSH-2.0-OpenSSH_9.6'], ''),
  broken('D.2 18', 'a status that is no number', ['HTTP/1.1 abc OK', 'content-length: 2'], 'ok'),
  {
    row: 'D.2 18',
    name: 'a chunked answer with data longer than its size',
    send: get(),
    upstream: [{ steps: [`${ok}\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n`, { waitMs: 60 }, '3\r\nhello\r\n0\r\n\r\n'] }],
    expect: cutBody,
    envoy: { reason: 'Envoy skips everything up to the next LF', expect: passes({ body: 'okhel' }) },
  },
  {
    row: 'D.2 18',
    name: 'a chunked answer with a bad size',
    send: get(),
    upstream: [{ steps: [`${ok}\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n`, { waitMs: 60 }, 'zz\r\n'] }],
    expect: cutBody,
  },
  {
    row: 'D.2 18',
    name: 'an answer that stops inside its body',
    send: get(),
    upstream: [{ steps: [`${ok}\r\ncontent-length: 10\r\n\r\nok`, { waitMs: 60 }, { end: true }] }],
    expect: { ...cutBody, upstream: { requests: 1 } },
  },
  {
    row: 'D.2 18',
    name: 'an answer reset inside its body',
    send: get(),
    upstream: [{ steps: [`${ok}\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n`, { waitMs: 60 }, { reset: true }] }],
    expect: { ...cutBody, upstream: { requests: 1 } },
  },
  {
    row: 'D.2 18',
    name: 'an answer without length ends with its connection',
    send: get(),
    upstream: [{ steps: [`${ok}\r\n\r\nok`, { end: true }] }],
    expect: passes({ body: 'ok', headers: { 'transfer-encoding': 'chunked', 'content-length': null } }),
  },
  { row: 'D.2 18', name: 'an answer that stops inside its head', send: get(), upstream: [{ steps: [`${ok}\r\nx-a:`, { waitMs: 10 }, { end: true }] }], expect: brokenAnswer() },
  broken('D.2 18', 'a head of 101 lines', [ok, ...Array.from({ length: 100 }, (_unused, index) => `x-${index}: 1`), 'content-length: 0']),
  broken('D.2 18', 'a head of 90 KiB', [ok, `x-a: ${'x'.repeat(92_000)}`, 'content-length: 0']),

  { row: 'D.2 19', name: 'HEAD with a length and no body', head: true, send: headRequest(), upstream: [answer([ok, 'content-length: 5'])], expect: passes({ headers: { 'content-length': '5' }, body: '' }) },
  {
    row: 'D.2 19',
    name: 'HEAD answered with a body all the same',
    head: true,
    send: headRequest(),
    upstream: [answer([ok, 'content-length: 5'], 'hello')],
    expect: passes({ headers: { 'content-length': '5' }, body: '' }, true),
  },
  { row: 'D.2 19', name: 'HEAD with chunked and no body', head: true, send: headRequest(), upstream: [answer([ok, 'transfer-encoding: chunked'])], expect: passes({ body: '' }) },
  {
    row: 'D.2 19',
    name: 'only the first informational answer goes down',
    send: get(),
    upstream: [{ steps: [informational(20), ...good.steps] }],
    expect: { answers: [{ status: 103 }, { status: 200, body: 'ok' }], closes: false, upstream: { requests: 1 }, log: [{ code: 200, flags: '-' }, after] },
  },
  {
    row: 'D.2 19',
    name: 'a flood of informational answers',
    send: get(),
    upstream: [{ steps: [informational(500), ...good.steps] }],
    expect: {
      answers: [{ status: 103 }, { status: 502 }],
      closes: false,
      upstream: { requests: 1, dropped: true },
      log: [{ code: 502, flags: 'UPE', details: 'upstream_reset_before_response_started{protocol_error}' }, after],
    },
    envoy: { reason: 'Envoy swallows any number', expect: { answers: [{ status: 103 }, { status: 200, body: 'ok' }], closes: false, upstream: { requests: 1 } } },
  },
  broken('D.2 19', 'an informational answer with a length', ['HTTP/1.1 103 Early Hints', 'content-length: 2'], 'ok'),
  {
    row: 'A.12',
    name: 'Expect: 100-continue is answered by the upstream',
    send: ['POST / HTTP/1.1\r\nHost: app.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n', { until: 'answer' }, 'hello'],
    upstream: [{ on: 'head', steps: ['HTTP/1.1 100 Continue\r\n\r\n', { waitMs: 50 }, ...good.steps] }],
    expect: { answers: [{ status: 100 }, { status: 200, body: 'ok' }], closes: false, upstream: { requests: 1, has: [/expect: 100-continue/i, /hello/] }, log: [{ code: 200, flags: '-' }, after] },
  },
];

function headRequest(): string {
  return get().replace('GET', 'HEAD');
}
