/** Rows 1–4, 9–13: which bytes are the body. Every disagreement here is a smuggled request somewhere. */

import type { Case } from '../case.ts';
import { chunked, get, midBodyRefusal, post, refusal, served } from './forms.ts';

const bothLengths = 'http1.content_length_and_chunked_not_allowed';
const badCoding = 'http1.invalid_transfer_encoding';

function length(name: string, value: string, details = 'http1.codec_error'): Case {
  return { row: 'D.2 3', name: `content-length ${name}`, send: post([`Content-Length: ${value}`], '0123456789'), expect: refusal(400, details) };
}

function coding(name: string, lines: readonly string[], expect = refusal(501, badCoding)): Case {
  return { row: 'D.2 2', name: `transfer-encoding ${name}`, send: post(lines, '5\r\nhello\r\n0\r\n\r\n'), expect };
}

/** Refused in the chunk that follows a good one, so that the upstream request has surely begun. */
function chunk(row: string, name: string, bytes: string, expect = midBodyRefusal()): Case {
  return { row, name, send: [chunked('3\r\nabc\r\n'), { until: 'upstream' }, `${bytes}0\r\n\r\n`], expect };
}

const ok = served();

export const framingCases: readonly Case[] = [
  { row: 'D.2 1', name: 'length before chunked', send: post(['Content-Length: 6', 'Transfer-Encoding: chunked'], '0\r\n\r\nG'), expect: refusal(400, bothLengths) },
  { row: 'D.2 1', name: 'chunked before length', send: post(['Transfer-Encoding: chunked', 'Content-Length: 6'], '0\r\n\r\nG'), expect: refusal(400, bothLengths) },
  { row: 'D.2 1', name: 'length 0 with chunked', send: post(['Content-Length: 0', 'Transfer-Encoding: chunked'], '0\r\n\r\n'), expect: refusal(400, bothLengths) },
  { row: 'D.2 1', name: 'on a GET', send: get('/', 'Content-Length: 6', 'Transfer-Encoding: chunked') + '0\r\n\r\nG', expect: refusal(400, bothLengths) },

  { row: 'D.2 2', name: 'transfer-encoding chunked, any case', send: post(['Transfer-Encoding: Chunked'], '5\r\nhello\r\n0\r\n\r\n'), expect: served({ has: [/hello/] }) },
  coding(',chunked', ['Transfer-Encoding: ,chunked']),
  coding('chunked, chunked', ['Transfer-Encoding: chunked, chunked']),
  coding('chunked, gzip', ['Transfer-Encoding: chunked, gzip']),
  coding('gzip, chunked', ['Transfer-Encoding: gzip, chunked']),
  coding('gzip', ['Transfer-Encoding: gzip']),
  coding('xchunked', ['Transfer-Encoding: xchunked']),
  coding('chunkedx', ['Transfer-Encoding: chunkedx']),
  coding('identity', ['Transfer-Encoding: identity']),
  coding('with 0xa0 in front', ['Transfer-Encoding: \xa0chunked']),
  coding('with 0xa0 behind', ['Transfer-Encoding: chunked\xa0']),
  coding('with a parameter', ['Transfer-Encoding: chunked;q=1']),
  coding('quoted', ['Transfer-Encoding: "chunked"']),
  coding('twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']),
  coding('chunked, then identity', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity']),
  coding('identity, then chunked', ['Transfer-Encoding: identity', 'Transfer-Encoding: chunked']),
  coding('followed by 0x0b', ['Transfer-Encoding: chunked\x0b'], refusal(400, 'http1.invalid_characters')),
  coding('preceded by 0x0b', ['Transfer-Encoding: \x0bchunked'], refusal(400, 'http1.invalid_characters')),
  coding('with a space before the colon', ['Transfer-Encoding : chunked'], refusal()),
  coding('with a tab before the colon', ['Transfer-Encoding\t: chunked'], refusal()),
  {
    ...coding('empty', ['Transfer-Encoding: ']),
    or: refusal(400, /^http1\./),
  },
  {
    ...coding('empty, then chunked', ['Transfer-Encoding: ', 'Transfer-Encoding: chunked']),
    or: refusal(400, /^http1\./),
    envoy: { reason: 'Envoy joins the two to `chunked`', expect: served({ has: [/hello/] }) },
  },
  {
    row: 'D.2 2',
    name: 'transfer-encoding with a CR inside',
    send: post(['Transfer-Encoding: chun\rked'], '5\r\nhello\r\n0\r\n\r\n'),
    expect: refusal(400, /^http1\./),
    envoy: {
      reason: 'Envoy deletes the CR, forwards the request without its body and reads the body as the next request',
      expect: { answers: [{ status: 200 }, { status: 400 }], closes: true, upstream: { requests: 1, lacks: [/hello/] } },
    },
  },

  { row: 'D.2 3', name: 'content-length 10', send: post(['Content-Length: 10'], '0123456789'), expect: served({ has: [/content-length: 10\r\n/i, /0123456789/] }) },
  length('empty', ''),
  length('+10', '+10'),
  length('-1', '-1'),
  length('0x10', '0x10'),
  length('1_0', '1_0'),
  length('1Z', '1Z'),
  length('10 11', '10 11'),
  length('10,10', '10,10'),
  length('10, 11', '10, 11'),
  length('1.0', '1.0'),
  length('1e1', '1e1'),
  length('of 21 digits', '100000000000000000000'),
  length('of 2^64', '18446744073709551616'),
  length('with a trailing 0x85', '10\x85'),
  length('in Arabic digits', '\xd9\xa1'),
  {
    row: 'D.2 3',
    name: 'content-length 010 is ten or refused, never eight',
    send: post(['Content-Length: 010'], '0123456789'),
    expect: refusal(),
    or: served({ has: [/0123456789/] }),
  },
  {
    ...length('beyond 2^53', '9007199254740993'),
    envoy: { reason: 'Envoy counts to 2^64−1; a JavaScript number cannot', expect: { answers: [], closes: 'waits', upstream: { requests: 1 } } },
  },

  { row: 'D.2 4', name: 'two lengths that differ', send: post(['Content-Length: 1', 'Content-Length: 0'], 'x'), expect: refusal() },
  { row: 'D.2 4', name: 'two equal lengths', send: post(['Content-Length: 1', 'Content-Length: 1'], 'x'), expect: refusal() },
  { row: 'D.2 4', name: 'two equal zero lengths', send: post(['Content-Length: 0', 'content-length: 0']), expect: refusal() },

  chunk('D.2 9', 'chunk size 0_2e', '0_2e\r\nhello\r\n'),
  chunk('D.2 9', 'chunk size 0x10', '0x10\r\n0123456789abcdef\r\n'),
  chunk('D.2 9', 'chunk size +1', '+1\r\nx\r\n'),
  chunk('D.2 9', 'chunk size -1', '-1\r\nx\r\n'),
  chunk('D.2 9', 'chunk size of 17 digits', '10000000000000001\r\nx\r\n'),
  {
    ...chunk('D.2 9', 'chunk size of 1 in 17 digits', '00000000000000001\r\nx\r\n'),
    envoy: { reason: 'Envoy passes over leading zeros', expect: ok },
  },
  chunk('D.2 9', 'chunk size of 2^64', 'fffffffffffffffff\r\nx\r\n'),
  chunk('D.2 9', 'chunk size empty', '\r\nx\r\n'),
  chunk('D.2 9', 'chunk size after a blank', ' 5\r\nhello\r\n'),
  { ...chunk('D.2 9', 'chunk size 5 5', '5 5\r\nhello\r\n'), envoy: { reason: 'Envoy ignores everything after a blank', expect: ok } },
  { ...chunk('D.2 9', 'chunk size 5 x', '5 x\r\nhello\r\n'), envoy: { reason: 'Envoy ignores everything after a blank', expect: ok } },
  { row: 'D.2 9', name: 'first chunk size bad', send: chunked('zz\r\nhello\r\n0\r\n\r\n'), expect: refusal(), or: midBodyRefusal() },

  {
    row: 'D.2 10',
    name: 'a short chunk extension is accepted and not forwarded',
    send: chunked('5;name=value\r\nhello\r\n0;last\r\n\r\n'),
    expect: served({ has: [/hello/], lacks: [/name=value/, /last/] }),
  },
  {
    row: 'D.2 10',
    name: 'a chunk extension of 64 KiB',
    send: [chunked('3\r\nabc\r\n'), { until: 'upstream' }, '5;', { repeat: 'x', times: 65_536 }, '\r\nhello\r\n0\r\n\r\n'],
    expect: midBodyRefusal(400, /^http1\./),
    or: midBodyRefusal(413, /./),
    envoy: { reason: 'Envoy has no limit on extensions', expect: served({ lacks: [/xxx/] }) },
  },
  {
    row: 'D.2 10',
    name: 'chunk extensions of 64 KiB together',
    send: [chunked('3\r\nabc\r\n'), { until: 'upstream' }, { repeat: `1;${'y'.repeat(64)}\r\nx\r\n`, times: 1024 }, '0\r\n\r\n'],
    expect: midBodyRefusal(400, /^http1\./),
    or: midBodyRefusal(413, /./),
    envoy: { reason: 'Envoy has no limit on extensions', expect: served({ lacks: [/yyy/] }) },
  },
  chunk('D.2 10', 'a CR inside a chunk extension', '2;\r;a\r\nhi\r\n'),
  chunk('D.2 10', 'a CR right after the size', '2\r;a\r\nhi\r\n'),
  chunk('D.2 10', 'a chunk extension that ends with a bare LF', '2;a\nhi\r\n'),

  chunk('D.2 11', 'chunk data followed by something else', '2\r\nhiXX'),
  {
    ...chunk('D.2 11', 'chunk data followed by a bare LF', '2\r\nhi\n'),
    envoy: { reason: 'Envoy skips everything up to the next LF', expect: ok },
  },
  {
    ...chunk('D.2 11', 'chunk data longer than its size', '3\r\nhello\r\n'),
    envoy: { reason: 'Envoy skips everything up to the next LF', expect: served({ has: [/3\r\nhel\r\n/] }) },
  },
  chunk('D.2 11', 'chunk size line ended by a bare LF', '2\nhi\r\n'),

  {
    row: 'D.2 12',
    name: 'forbidden trailers are not forwarded',
    send: chunked('5\r\nhello\r\n0\r\nContent-Length: 3\r\nTransfer-Encoding: gzip\r\nHost: evil.test\r\nAuthorization: Basic dA==\r\n\r\n'),
    expect: served({ has: [/hello/], lacks: [/content-length: 3/i, /gzip/i, /evil\.test/i, /authorization/i] }),
  },
  {
    row: 'D.2 12',
    name: '10,000 trailers',
    send: [chunked('5\r\nhello\r\n'), { until: 'upstream' }, '0\r\n', { repeat: 'a: b\r\n', times: 10_000 }, '\r\n'],
    expect: midBodyRefusal(431, /^http1\./),
    envoy: { reason: 'Envoy limits the bytes of trailers, not their number', expect: served({ lacks: [/a: b/] }) },
  },
  {
    row: 'D.2 12',
    name: 'trailers of more than 60 KiB',
    send: [chunked('5\r\nhello\r\n'), { until: 'upstream' }, '0\r\na: ', { repeat: 'x', times: 70_000 }, '\r\n\r\n'],
    expect: midBodyRefusal(431, /^http1\./),
  },
  { ...chunk('D.2 12', 'a trailer line without a colon', '0\r\nnonsense\r\n\r\n') },
  { ...chunk('D.2 12', 'a trailer with a space before the colon', '0\r\nA : b\r\n\r\n') },

  {
    row: 'D.2 13',
    name: 'a request behind a bad chunk is never looked at',
    send: [chunked('5\r\nhello\r\n'), { until: 'upstream' }, 'zz\r\n' + get('/smuggled')],
    expect: { ...midBodyRefusal(), upstream: { requests: 1, lacks: [/smuggled/], cut: true } },
  },
  {
    row: 'D.2 13',
    name: 'a request behind a bad head is never looked at',
    send: get('/', 'Bad Name: 1') + get('/smuggled'),
    expect: refusal(),
  },
];
