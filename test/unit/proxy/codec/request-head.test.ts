/** Request heads: what is accepted, what is refused and as what (RFC 9112; proxy-semantics D.2 rows 1 to 8, 14, 15, 33). */

import fc from 'fast-check';
import t from 'tap';
import { Framing } from '../../../../proxy/codec/codec.ts';
import { Seen, type HeadText } from '../../../../proxy/codec/http1/field-lines.ts';
import { ParsedRequest, parseAuthority, parseRequestHead, precheck, precheckMethod } from '../../../../proxy/codec/http1/request-head.ts';

const headText = (text: string): HeadText => ({ text, bytes: Buffer.from(`?${text}`, 'latin1'), base: 1 });

const parsed = new ParsedRequest();

/** Parses `head` without its empty line; the error as `status details`, or undefined. */
function refusal(head: string): string | undefined {
  const error = parseRequestHead(headText(`${head}\r\n\r\n`), parsed);
  return error === undefined ? undefined : `${error.status} ${error.details}`;
}

const H = 'GET / HTTP/1.1\r\nHost: a\r\n';

t.test('accepted', (t) => {
  t.equal(refusal('GET /a?b HTTP/1.1\r\nHost: Reviews:9080\r\nX-One:  two  \r\nAccept:\r\nx-one: three'), undefined);
  t.equal(parsed.method, 'GET');
  t.equal(parsed.path, '/a?b');
  t.equal(parsed.authority, 'reviews:9080');
  t.same(parsed.fields.items, ['x-one', 'two', 'accept', '', 'x-one', 'three']);
  t.equal(parsed.framed, false);

  t.equal(refusal('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 010'), undefined);
  t.equal(parsed.bodyLength, 10, 'leading zeros are decimal');
  t.equal(refusal('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked'), undefined);
  t.equal(parsed.bodyLength, Framing.Chunked);
  t.equal(refusal('GET HTTP://User@B.example:81/x HTTP/1.1\r\nHost: a'), undefined);
  t.same([parsed.authority, parsed.path, parsed.scheme], ['b.example:81', '/x', 'http'], 'absolute form wins over Host, userinfo is dropped');
  t.equal(refusal('GET http://b HTTP/1.1'), undefined, 'absolute form needs no Host');
  t.equal(parsed.path, '/');
  t.equal(refusal('OPTIONS * HTTP/1.1\r\nHost: a'), undefined);
  t.equal(parsed.path, '*');
  t.equal(refusal('CONNECT a:443 HTTP/1.1\r\nHost: a:443'), undefined);
  t.same([parsed.authority, parsed.path], ['a:443', '']);
  t.equal(refusal('GET / HTTP/1.1'), undefined, 'no Host is the connection manager’s to refuse');
  t.equal(parsed.authority, '');
  t.equal(refusal(`${H}X: \x80\xff\ttab`), undefined, 'obs-text and tabs pass');
  t.end();
});

t.test('connection-specific headers are taken out', (t) => {
  t.equal(refusal(`${H}Connection: close, X-Hop, te\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: a\r\nTE: trailers, gzip\r\nX-End: 2`), undefined);
  t.same(parsed.fields.items, ['x-end', '2']);
  t.equal(parsed.connection.close, true);
  t.equal(parsed.trailersAccepted, true);
  t.equal(refusal(`${H}Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA`), undefined);
  t.equal(parsed.connection.upgrade, true);
  t.equal(parsed.fields.upgrade, 'h2c');
  t.same(parsed.fields.items, []);
  t.equal(refusal(`${H}Connection: host`), undefined);
  t.equal(parsed.authority, '', 'Host nominated away is Host missing');
  t.equal(refusal(`${H}Connection: content-length\r\nContent-Length: 3`), undefined);
  t.equal(parsed.bodyLength, 3, 'nominating a framing header changes nothing');
  t.equal(refusal(`${H}Connection: x-request-id\r\nX-Request-Id: a`), undefined);
  t.same([parsed.fields.items, parsed.fields.seen & Seen.XRequestId], [[], 0], 'an id nominated away is no id: the request gets a new one');
  t.end();
});

const REFUSED: readonly (readonly [name: string, head: string, expected: string])[] = [
  ['row 1: CL + TE', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked', '400 http1.content_length_and_chunked_not_allowed'],
  ...[',chunked', 'chunked, chunked', 'chunked, gzip', 'gzip', 'xchunked', 'identity', '\xa0chunked\xa0', ''].map(
    (value) => [`row 2: TE ${value}`, `${H}Transfer-Encoding: ${value}`, '501 http1.invalid_transfer_encoding'] as const,
  ),
  ['row 2: two TE lines', `${H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked`, '501 http1.invalid_transfer_encoding'],
  ['row 2: empty TE beside chunked', `${H}Transfer-Encoding:\r\nTransfer-Encoding: chunked`, '501 http1.invalid_transfer_encoding'],
  ['row 2: 0x0b', `${H}Transfer-Encoding: chunked\x0b`, '400 http1.invalid_characters'],
  ['row 2: CR inside', `${H}Transfer-Encoding: chun\rked`, '400 http1.codec_error'],
  ['row 2: space before colon', `${H}Transfer-Encoding : chunked`, '400 http1.codec_error'],
  ...['', '+10', '-1', '0x10', '1_0', '1Z', '10 11', '10,10', '99999999999999999999', '123456789012345678901', '10\x85'].map(
    (value) => [`row 3: CL ${value}`, `${H}Content-Length: ${value}`, '400 http1.codec_error'] as const,
  ),
  ['row 4: two CL', `${H}Content-Length: 1\r\nContent-Length: 0`, '400 http1.codec_error'],
  ['row 4: two equal CL', `${H}Content-Length: 5\r\nContent-Length: 5`, '400 http1.codec_error'],
  ['row 5', `${H}Content-Length : 34`, '400 http1.codec_error'],
  ['row 6: leading blank', 'GET / HTTP/1.1\r\n Host: a', '400 http1.codec_error'],
  ['row 6: fold', `${H}A: b\r\n c`, '400 http1.codec_error'],
  ['row 7: bare CR', `${H}A: b\rX: 1`, '400 http1.codec_error'],
  ['row 7: NUL', `${H}A: b\0`, '400 http1.invalid_characters'],
  ['row 7: bare LF', 'GET / HTTP/1.1\nHost: a', '400 http1.codec_error'],
  ['row 7: bare LF behind a value', `${H}A: b\nB: c`, '400 http1.codec_error'],
  ['row 8: no name', `${H}: x`, '400 http1.codec_error'],
  ['row 8: parentheses', `${H}(x): 1`, '400 http1.codec_error'],
  ['row 8: DEL', `${H}a\x7f: 1`, '400 http1.invalid_characters'],
  ['row 8: UTF-8', `${H}\xc3\xa9: 1`, '400 http1.codec_error'],
  ['row 8: no colon', `${H}abc`, '400 http1.codec_error'],
  ['row 14: two blanks', 'GET  / HTTP/1.1\r\nHost: a', '400 http1.codec_error'],
  ['row 14: HTTP/1.32', 'GET / HTTP/1.32\r\nHost: a', '400 http1.codec_error'],
  ['row 14: huge version', 'GET / HTTP/4294967295.255\r\nHost: a', '400 http1.codec_error'],
  ['row 14: lower case', 'GET / http/1.1\r\nHost: a', '400 http1.codec_error'],
  ['row 14: trailing blank', 'GET / HTTP/1.1 \r\nHost: a', '400 http1.codec_error'],
  ...['HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'HTTP/3.0'].map((version) => [version, `GET / ${version}\r\nHost: a`, '426 low_version'] as const),
  ['HTTP/0.9', 'GET /', '426 low_version'],
  ['no path', 'GET foo', '400 http1.codec_error'],
  ['relative path', 'GET foo HTTP/1.1\r\nHost: a', '400 http1.codec_error'],
  ...['get', 'FOO', 'M-SEARCH', 'QUERY', 'PROXY', ''].map((method) => [`method ${method}`, `${method} / HTTP/1.1\r\nHost: a`, '400 http1.codec_error'] as const),
  ['target with DEL', 'GET /\x7f HTTP/1.1\r\nHost: a', '400 http1.invalid_characters'],
  ['method with NUL', 'GE\0T / HTTP/1.1\r\nHost: a', '400 http1.invalid_characters'],
  ['target with 0x80', 'GET /\x80 HTTP/1.1\r\nHost: a', '400 http1.codec_error'],
  ['row 15: two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b', '400 http.invalid_authority'],
  ['row 15: two Hosts, absolute form', 'GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b', '400 http.invalid_authority'],
  ...['a, b', 'a@b', 'a/b', '', 'a b', 'a?b', 'a#b', 'a\\b', 'a"b', 'a:abc', 'a:-1', 'a:65536', 'a:', ':80', '[::1', '[::g]', 'a\x80'].map(
    (host) => [`row 15: Host ${host}`, `GET / HTTP/1.1\r\nHost: ${host}`, '400 http.invalid_authority'] as const,
  ),
  ['scheme', 'GET ftp://a/ HTTP/1.1\r\nHost: a', '400 http1.invalid_scheme'],
  ['absolute form, bad port', 'GET http://a:x/ HTTP/1.1\r\nHost: a', '400 http.invalid_authority'],
  ['CONNECT without port', 'CONNECT a HTTP/1.1\r\nHost: a', '400 http1.codec_error'],
  ...['x-forwarded-for', ':path', 'X-Forwarded-Proto', 'x-forwarded-host'].map(
    (name) => [`row 33: Connection: ${name}`, `${H}Connection: close, ${name}`, '400 http1.connection_header_rejected'] as const,
  ),
  ['101 headers', `GET / HTTP/1.1\r\nHost: a\r\n${'x: y\r\n'.repeat(99)}z: 1`, '431 http1.too_many_headers'],
];

t.test('refused', (t) => {
  for (const [name, head, expected] of REFUSED) t.equal(refusal(head), expected, name);
  t.equal(refusal(`GET / HTTP/1.1\r\nHost: a\r\n${'x: y\r\n'.repeat(98)}z: 1`), undefined, '100 headers pass');
  t.end();
});

t.test('garbage is refused before its head is complete', (t) => {
  const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
  t.equal(precheck(bytes('GET / HTTP/1.1\r\nA: b\n'), 0, 21, 0)?.status, 400, 'bare LF');
  t.equal(precheck(bytes('a\r\n\rX'), 0, 5, 0)?.status, 400, 'CR without LF');
  t.equal(precheck(bytes('\n'), 0, 1, 0x0d), undefined, 'a line end split over two reads');
  t.equal(precheckMethod(bytes('\x16\x03\x01\x02'), 0, 4)?.status, 400, 'a TLS hello');
  t.equal(precheckMethod(bytes('GE'), 0, 2), undefined);
  t.equal(precheckMethod(bytes('G'.repeat(64)), 0, 64)?.status, 400, 'a method without end');
  t.end();
});

t.test('never throws, and what it accepts has no control characters', (t) => {
  const piece = fc.constantFrom('GET', ' ', '/', 'HTTP/1.1', '\r\n', '\r', '\n', ':', 'Host', 'a', '\0', '\t', 'Content-Length', '5', 'chunked', 'Transfer-Encoding', '\x80', ',');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      if (parseRequestHead(headText(`GET / HTTP/1.1\r\n${pieces.join('')}\r\n\r\n`), parsed) !== undefined) return true;
      // eslint-disable-next-line no-control-regex
      return parsed.fields.items.every((text) => !/[\0-\x08\x0a-\x1f\x7f]/.test(text));
    }),
    { numRuns: 3000 },
  );
  t.equal(parseAuthority('[::1]:8080'), '[::1]:8080');
  t.end();
});
