/** Rows 5–8, 14, 22, 47 and the connection manager's order (A.3): what is a request head at all. */

import type { Case, Expected } from '../case.ts';
import { after, emptyReply, get, refusal, served } from './forms.ts';

const characters = 'http1.invalid_characters';

/** A whole head, given raw. */
function raw(row: string, name: string, send: string, expect: Expected = refusal()): Case {
  return { row, name, send, expect };
}

function line(name: string, requestLine: string, expect: Expected = refusal()): Case {
  return raw('D.2 14', name, `${requestLine}\r\nHost: app.test\r\n\r\n`, expect);
}

function headerLine(row: string, name: string, text: string, expect: Expected = refusal()): Case {
  return raw(row, name, get('/', text), expect);
}

/** Not HTTP/1.1, but well formed. */
const oldVersion = refusal(426, 'low_version');

const headerLines = (count: number): string[] => Array.from({ length: count }, (_unused, index) => `x-${index}: 1`);

export const headCases: readonly Case[] = [
  headerLine('D.2 5', 'a space before the colon', 'X-A : 1'),
  headerLine('D.2 5', 'a tab before the colon', 'X-A\t: 1'),
  headerLine('D.2 5', 'a space before the colon of content-length', 'Content-Length : 34'),
  raw('D.2 5', 'a space before the colon of host', 'GET / HTTP/1.1\r\nHost : app.test\r\n\r\n'),
  headerLine('D.2 5', 'a space inside the name', 'X A: 1'),

  raw('D.2 6', 'a space before the first header', 'GET / HTTP/1.1\r\n X: y\r\nHost: app.test\r\n\r\n'),
  raw('D.2 6', 'a tab before the first header', 'GET / HTTP/1.1\r\n\tX: y\r\nHost: app.test\r\n\r\n'),
  {
    ...headerLine('D.2 6', 'a folded value', 'A: b\r\n c'),
    envoy: { reason: 'Envoy joins the lines with a blank', expect: served({ has: [/a: b c\r\n/] }) },
  },
  {
    ...headerLine('D.2 6', 'a value folded by a tab', 'A: b\r\n\tc'),
    envoy: { reason: 'Envoy joins the lines', expect: served({ has: [/a: b\tc\r\n/] }) },
  },
  {
    ...raw('D.2 6', 'a folded transfer-encoding', 'POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding:\r\n chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'),
    envoy: { reason: 'Envoy joins the lines', expect: served({ has: [/hello/] }) },
  },
  {
    ...raw('D.2 6', 'a folded host', 'GET / HTTP/1.1\r\nHost:\r\n app.test\r\n\r\n'),
    envoy: { reason: 'Envoy joins the lines', expect: served() },
  },

  {
    ...headerLine('D.2 7', 'a CR inside a value', 'X-A: b\rX-B: 1'),
    expect: refusal(400, /^http1\./),
    envoy: { reason: 'Envoy deletes the CR', expect: served({ has: [/x-a: bX-B: 1\r\n/] }) },
  },
  {
    ...headerLine('D.2 7', 'a CR after the colon', 'X-A:\r b'),
    expect: refusal(400, /^http1\./),
    envoy: { reason: 'Envoy deletes the CR', expect: served({ has: [/x-a: ?b\r\n/] }) },
  },
  {
    ...headerLine('D.2 7', 'a second CR before CRLF', 'X-A: b\r'),
    expect: refusal(400, /^http1\./),
    envoy: { reason: 'Envoy deletes the CR', expect: served({ has: [/x-a: b\r\n/] }) },
  },
  { ...line('a CR in the target', 'GET /\rX HTTP/1.1'), row: 'D.2 7' },
  {
    ...line('a second CR behind the version', 'GET / HTTP/1.1\r'),
    row: 'D.2 7',
    envoy: { reason: 'Envoy deletes the CR', expect: served() },
  },
  headerLine('D.2 7', 'a NUL inside a value', 'X-A: b\0c', refusal(400, /^http1\./)),
  headerLine('D.2 7', 'a NUL inside a name', 'X\0A: b', refusal(400, /^http1\./)),
  raw('D.2 7', 'a head that ends in CR LF CR X', 'GET / HTTP/1.1\r\nHost: app.test\r\n\rX', refusal(400, /^http1\./)),
  {
    row: 'D.2 7',
    name: 'header lines ended by a bare LF are refused, or never sent on so',
    send: 'GET / HTTP/1.1\r\nHost: app.test\nX-A: 1\n\r\n',
    expect: refusal(400, /^http1\./),
    or: served({ has: [/x-a: 1\r\n/i], lacks: [/[^\r]\n/] }),
  },
  {
    row: 'D.2 7',
    name: 'a head of bare LFs is refused, or never sent on so',
    send: 'GET / HTTP/1.1\nHost: app.test\n\n',
    expect: refusal(400, /^http1\./),
    or: served({ lacks: [/[^\r]\n/] }),
  },
  headerLine('D.2 7', 'a control inside a value', 'X-A: b\x01c', refusal(400, characters)),
  headerLine('D.2 7', 'an ESC inside a value', 'X-A: \x1b[31m', refusal(400, characters)),
  headerLine('D.2 7', 'a DEL inside a value', 'X-A: b\x7fc', refusal(400, characters)),

  headerLine('D.2 8', 'an empty name', ': x'),
  headerLine('D.2 8', 'a colon alone', ':'),
  headerLine('D.2 8', 'a name in brackets', '(x): 1'),
  headerLine('D.2 8', 'a name with 0x7f', 'X\x7f: 1', refusal(400, characters)),
  headerLine('D.2 8', 'a name in UTF-8', '\xc3\xa9: 1'),
  headerLine('D.2 8', 'a name with a slash', 'a/b: 1'),
  headerLine('D.2 8', 'a pseudo-header', ':path: /evil'),
  headerLine('D.2 8', 'a line without a colon', 'nonsense'),

  {
    ...line('two blanks behind the method', 'GET  / HTTP/1.1'),
    envoy: { reason: 'Envoy (HAProxy and nginx too) reads two blanks as one', expect: served({ has: [/^GET \/ HTTP/] }) },
  },
  {
    ...line('two blanks behind the target', 'GET /  HTTP/1.1'),
    envoy: { reason: 'Envoy reads two blanks as one', expect: served({ has: [/^GET \/ HTTP/] }) },
  },
  line('version 1.32', 'GET / HTTP/1.32'),
  line('version 4294967295.255', 'GET / HTTP/4294967295.255'),
  line('lower-case version', 'GET / http/1.1'),
  line('version 1.2', 'GET / HTTP/1.2', oldVersion),
  line('version 1.0', 'GET / HTTP/1.0', oldVersion),
  line('version 2.0', 'GET / HTTP/2.0', oldVersion),
  line('version 3.0', 'GET / HTTP/3.0', oldVersion),
  line('no version', 'GET /', oldVersion),
  line('a word behind the version', 'GET / HTTP/1.1 x'),
  line('no target', 'GET HTTP/1.1'),
  line('a relative target', 'GET foo HTTP/1.1'),
  line('a lower-case method', 'get / HTTP/1.1'),
  line('an unknown method', 'FOO / HTTP/1.1'),
  line('a method with a hyphen', 'M-SEARCH / HTTP/1.1'),
  line('a method with a control', 'GE\x01T / HTTP/1.1', refusal(400, characters)),
  line('a method with a NUL', 'G\0ET / HTTP/1.1', refusal(400, characters)),
  line('a method with a colon', 'GET: / HTTP/1.1'),
  line('a target with a control', 'GET /\x01 HTTP/1.1', refusal(400, characters)),
  line('a target with a tab', 'GET /a\tb HTTP/1.1'),
  line('a target with DEL', 'GET /\x7f HTTP/1.1', refusal(400, characters)),
  line('a target with 0x80', 'GET /\x80 HTTP/1.1'),
  { row: 'D.2 14', name: 'a method of 64 KiB', send: [{ repeat: 'A', times: 65_536 }, ' / HTTP/1.1\r\nHost: app.test\r\n\r\n'], expect: refusal(), or: refusal(431, 'http1.headers_too_large') },

  { row: 'D.2 22', name: 'a head of 61 KiB', send: get('/', `X-A: ${'x'.repeat(62_464)}`), expect: refusal(431, 'http1.headers_too_large') },
  { row: 'D.2 22', name: 'a target of 64 KiB', send: get(`/${'x'.repeat(65_536)}`), expect: refusal(431, 'http1.headers_too_large') },
  { row: 'D.2 22', name: 'a cookie of 61 KiB', send: get('/', `Cookie: a=${'x'.repeat(62_464)}`), expect: refusal(431, 'http1.headers_too_large') },
  { row: 'D.2 22', name: 'a head of 59 KiB passes', send: get('/', `X-A: ${'x'.repeat(60_000)}`), expect: served({ has: [/x{60000}/] }) },
  { row: 'D.2 22', name: '101 header lines', send: get('/', ...headerLines(100)), expect: refusal(431, 'http1.too_many_headers') },
  { row: 'D.2 22', name: '100 header lines pass', send: get('/', ...headerLines(99)), expect: served({ has: [/x-98: 1/] }) },
  {
    row: 'D.2 22',
    name: 'a head that never ends',
    send: ['GET / HTTP/1.1\r\nHost: app.test\r\n', { repeat: 'X-A: 1\r\n', times: 40_000 }],
    expect: refusal(431, /^http1\.(?:too_many_headers|headers_too_large)$/),
  },

  raw('D.2 47', 'a PROXY v1 line where none is configured', `PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\r\n${get()}`),
  raw('D.2 47', 'a PROXY v2 header where none is configured', `\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\0\0\x01\x0a\0\0\x02\x03\xe8\0\x50${get()}`, refusal(400, /^http1\./)),

  raw('A.3 5', 'no Host', 'GET / HTTP/1.1\r\n\r\n', emptyReply(400, { code: 400, flags: '-', details: 'missing_host_header', request: 'GET / HTTP/1.1' }, true)),
  raw('A.3 6', 'OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: app.test\r\n\r\n', notRouted('absolute_path_rejected')),
  { ...raw('A.3 6', 'GET *', 'GET * HTTP/1.1\r\nHost: app.test\r\n\r\n', refusal(400, 'http1.invalid_url')), or: notRouted('absolute_path_rejected') },
  raw('A.3 7', 'an escaped NUL in the path', get('/a%00b'), emptyReply(400, { code: 400, flags: '-', details: 'path_normalization_failed' }, true)),
  raw('A.3 7', 'dot segments above the root', get('/../../x/./y'), served({ has: [/^GET \/x\/y HTTP/] }, { body: 'GET /x/y' }, { request: 'GET /x/y HTTP/1.1' })),
  raw('A.3 7', 'escaped dot segments', get('/a/%2e%2E/b'), served({ has: [/^GET \/b HTTP/] })),
  raw('A.3 7', 'a backslash', get('/a\\b'), served({ has: [/^GET \/a\/b HTTP/] })),
  raw('A.3 7', 'a fragment', get('/a#b'), served({ has: [/^GET \/a HTTP/] })),
  raw('A.3 7', 'escapes of unreserved characters', get('/%7e%2D%41?q=%41'), served({ has: [/^GET \/~-A\?q=%41 HTTP/] })),
  raw('A.3 7', 'an escaped slash', get('/a%2Fb'), served({ has: [/^GET \/a%2Fb HTTP/] })),
  raw('A.3 7', 'two slashes', get('//a'), served({ has: [/^GET \/\/a HTTP/] })),
];

function notRouted(details: string): Expected {
  return { ...emptyReply(404, { code: 404, flags: '-', details }, false), log: [{ code: 404, flags: '-', details }, after] };
}
