/** Response heads from an upstream nobody trusts (proxy-semantics A.4, D.2 rows 17 to 19). */

import t from 'tap';
import { Framing } from '../../../../proxy/codec/codec.ts';
import { UNTIL_CLOSE } from '../../../../proxy/codec/http1/framing.ts';
import { Seen, type HeadText } from '../../../../proxy/codec/http1/field-lines.ts';
import { ParsedResponse, parseResponseHead } from '../../../../proxy/codec/http1/response-head.ts';

const headText = (text: string): HeadText => ({ text, bytes: Buffer.from(`?${text}`, 'latin1'), base: 1 });

const parsed = new ParsedResponse();
const ok = (head: string, method = 'GET'): boolean => parseResponseHead(headText(`${head}\r\n\r\n`), method, parsed) === undefined;

t.test('framing and reuse', (t) => {
  t.ok(ok('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: X-Hop\r\nX-Hop: 1\r\nServer: s'));
  t.same([parsed.status, parsed.bodyLength, parsed.reusable], [200, 5, true]);
  t.same(parsed.fields.items, ['server', 's'], 'nominated headers go, RFC 9110 7.6.1');
  t.ok(ok('HTTP/1.1 200\r\nTransfer-Encoding: chunked'), 'no reason phrase');
  t.equal(parsed.bodyLength, Framing.Chunked);
  t.ok(ok('HTTP/1.1 200 OK'));
  t.same([parsed.bodyLength, parsed.reusable], [UNTIL_CLOSE, false]);
  t.ok(ok('HTTP/1.0 200 OK\r\nContent-Length: 0'));
  t.equal(parsed.reusable, false, 'HTTP/1.0 ends the connection');
  t.ok(ok('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close'));
  t.equal(parsed.reusable, false);
  for (const [head, method] of [['HTTP/1.1 304 Not Modified\r\nContent-Length: 9', 'GET'], ['HTTP/1.1 200 OK\r\nContent-Length: 9', 'HEAD']] as const) {
    t.ok(ok(head, method));
    t.same([parsed.bodyLength, parsed.declaredLength], [0, 9], `${method} ${head.slice(9, 12)}: a length and no body`);
  }
  t.ok(ok('HTTP/1.1 204 No Content\r\nContent-Length: 0'));
  t.ok(ok('HTTP/1.1 200 OK\r\nA: b\r\n  c\r\nContent-Length: 0'), 'a fold becomes a blank');
  t.same(parsed.fields.items, ['a', 'b c']);
  t.ok(ok('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: d\r\n  e\r\nConnection: Date'));
  t.same([parsed.fields.items, parsed.fields.seen & Seen.Date], [[], 0], 'a date nominated away is no date: the proxy writes its own');
  t.end();
});

const REFUSED = [
  'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3',
  'HTTP/1.1 200 OK\r\nContent-Length: x', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip', 'HTTP/1.1 204 No\r\nContent-Length: 3',
  'HTTP/1.1 204 No\r\nTransfer-Encoding: chunked', 'HTTP/1.1 100 Continue\r\nContent-Length: 1', 'HTTP/1.1 2000 OK', 'HTTP/1.1 +200 OK', 'HTTP/1.1 20 OK',
  'HTTP/1.1 099 OK', 'HTTP/1.1 600 OK', 'HTTP/2.0 200 OK', 'HTTP/0.9 200 OK', 'HTTP/1.2 200 OK', 'http/1.1 200 OK', 'ICY 200 OK',
  'HTTP/1.1 200 OK\r\nA: b\rc', 'HTTP/1.1 200 OK\r\nA: b\nc: d', 'HTTP/1.1 200 OK\r\nA: b\0', 'HTTP/1.1 200 OK\r\nA b', 'HTTP/1.1 200 OK\r\n: b',
  'HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n 6', 'HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n , gzip', 'HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\n , a',
  'HTTP/1.1 200 OK\nA: b', ' HTTP/1.1 200 OK', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(100)}c: d`,
];

t.test('refused as protocol errors', (t) => {
  for (const head of REFUSED) t.notOk(ok(head), JSON.stringify(head.slice(0, 70)));
  t.end();
});
