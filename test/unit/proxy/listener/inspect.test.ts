/** First bytes and what they are taken for. Rows marked E were asked of the real Envoy 1.40 (tls_inspector, http_inspector). */

import t from 'tap';
import { Inspection, type Inspected } from '../../../../proxy/listener/inspect.ts';
import { block, extension, helloMessage, inRecords, protocols, serverName, type HelloParts } from '../../../support/client-hello.ts';

/** `more`, `refused …`, `tls SNI ALPN,…`, `plain` or `plain PROTOCOL`. */
function words(outcome: Inspected): string {
  if (outcome.kind === 'more') return 'more';
  if (outcome.kind === 'refused') return `refused ${outcome.reason}`;
  const { transport, serverName: name, protocols: offered } = outcome.detected;
  return [transport, ...(name === undefined ? [] : [name]), ...(offered.length === 0 ? [] : [offered.join(',')])].join(' ');
}

function inspectWhole(bytes: Buffer, wantsHttp = true): string {
  return words(new Inspection(wantsHttp).inspect(bytes, 0));
}

/** As many bytes at a time; what is left after the decision is not shown. */
function inspectPieces(bytes: Buffer, size: number, wantsHttp = true): string {
  const inspection = new Inspection(wantsHttp);
  for (let start = 0; ; start += size) {
    const end = Math.min(start + size, bytes.length);
    const outcome = inspection.inspect(Buffer.from(bytes.subarray(0, end)), start);
    if (outcome.kind !== 'more' || end === bytes.length) return words(outcome);
  }
}

/** E, all of them; what cannot become TLS or a method is not waited for until there are five bytes, as Envoy does. */
const PLAIN: readonly (readonly [bytes: string, outcome: string])[] = [
  ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'plain http/1.1'],
  ['GET / HTTP/1.1\r\n', 'plain http/1.1'],
  ['GET / HTTP/1.1\nHost: a\n\n', 'plain http/1.1'],
  ['GET / HTTP/1.1\r', 'more'],
  ['GET / HTTP/1.1', 'more'],
  ['G', 'more'],
  ['', 'more'],
  ['GET / HTTP/1.0\r\n\r\n', 'plain http/1.0'],
  ['GET /\r\n', 'plain http/1.0'],
  ['GET / HTTP/2.0\r\n\r\n', 'plain http/1.0'],
  ['GET / HTTP/3.0\r\n\r\n', 'plain http/1.0'],
  ['GET / HTTP/1.32\r\n\r\n', 'plain'],
  ['GET / HTTP/x\r\n\r\n', 'plain'],
  ['GET / HTTP/1.\r\n\r\n', 'plain'],
  ['GET / FOO\r\n\r\n', 'plain'],
  ['get / HTTP/1.1\r\n\r\n', 'plain http/1.1'],
  ['GET / http/1.1\r\n\r\n', 'plain'],
  ['FOO / HTTP/1.1\r\n\r\n', 'plain http/1.1'],
  [`${'A'.repeat(40)} / HTTP/1.1\r\n`, 'plain http/1.1'],
  ['GET  / HTTP/1.1\r\n\r\n', 'plain http/1.1'],
  ['GET\t/\tHTTP/1.1\r\n\r\n', 'plain http/1.1'],
  ['GET / HTTP/1.1 \r\n\r\n', 'plain http/1.1'],
  ['GET foo HTTP/1.1\r\n\r\n', 'plain'],
  ['GET http://a/ HTTP/1.1\r\n\r\n', 'plain http/1.1'],
  ['CONNECT a:1 HTTP/1.1\r\n\r\n', 'plain http/1.1'],
  ['GET /\xe9 HTTP/1.1\r\n\r\n', 'plain'],
  ['G\x01T / HTTP/1.1\r\n\r\n', 'plain'],
  ['G@T / HTTP/1.1\r\n\r\n', 'plain'],
  ['HTTP/1.1 200 OK\r\n', 'plain'],
  ['220 mail ESMTP\r\n', 'plain'],
  ['EHLO x.example\r\n', 'plain'],
  ['*1\r\n$4\r\nPING\r\n', 'plain'],
  ['PING\r\n', 'plain'],
  ['\x4a\0\0\0\x0a5.7\0', 'plain'],
  ['\r\nGET / HTTP/1.1\r\n\r\n', 'plain'],
  [' GET / HTTP/1.1\r\n\r\n', 'plain'],
  ['A B C HTTP/1.1\r\n', 'plain'],
  ['SSH-2.0-OpenSSH_9\r\n', 'plain'],
  ['\0\x01\x02\x03\x04', 'plain'],
  ['\xffabcdefg', 'plain'],
  ['A\x01bcdefg', 'plain'],
  ['G@T / HTT', 'plain'],
  ['abc def ghi', 'more'],
  ['GET /a b HTTP/1.1\r\n', 'plain'],
  ['GET /\x01 HTTP/1.1\n', 'plain http/1.1'],
  ['GET /\x7f HTTP/1.1\n', 'plain'],
  ['GET a: HTTP/1.1\n', 'plain'],
  ['GET a1+://u@b HTTP/1.1\n', 'plain http/1.1'],
  ['GET http:// HTTP/1.1\n', 'plain http/1.1'],
  ['GET http://a"b/ HTTP/1.1\n', 'plain'],
  ['CONNECT ?? HTTP/1.1\n', 'plain http/1.1'],
  ['GET *x HTTP/1.1\n', 'plain http/1.1'],
  ['"GET" / HTTP/1.1\n', 'plain'],
  ['A'.repeat(3000), 'more'],
  [`GET /${'a'.repeat(9000)} HTTP/1.1\r\n`, 'plain http/1.1'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'plain h2c'],
  ['PRI * HTTP/2.0\r\n', 'more'],
  ['PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n', 'plain http/1.0'],
  ['PRI * HTTP/1.1\r\n\r\n', 'plain http/1.1'],
];

t.test('plain bytes, whole and byte by byte', async (t) => {
  for (const [text, outcome] of PLAIN) {
    const bytes = Buffer.from(text, 'latin1');
    t.equal(inspectWhole(bytes), outcome, JSON.stringify(text.slice(0, 40)));
    t.equal(inspectPieces(bytes, 1), outcome, `${JSON.stringify(text.slice(0, 40))} byte by byte`);
  }
});

t.test('bytes that nobody would take for HTTP are plain at once where only TLS matters', async (t) => {
  t.equal(inspectWhole(Buffer.from('G'), false), 'plain');
  t.equal(inspectWhole(Buffer.from('\x16'), false), 'more');
  t.equal(inspectPieces(Buffer.from('\x16\x03\x01\x00\x05\x02', 'latin1'), 1, false), 'plain');
});

t.test('bytes without a line end count as plain at the limit', async (t) => {
  t.equal(inspectPieces(Buffer.alloc(64 * 1024 - 1, 'A'), 8192), 'more');
  t.equal(inspectPieces(Buffer.alloc(64 * 1024, 'A'), 8192), 'plain');
});

const VERSIONS = extension(43, Buffer.from('0403040303', 'hex'));
const hello = (extensions: readonly Buffer[], parts: HelloParts = {}): Buffer => inRecords(helloMessage({ extensions: [VERSIONS, ...extensions], ...parts }));
const named = helloMessage({ extensions: [VERSIONS, serverName('a.example')] });

/** E but where marked. */
const HELLOS: readonly (readonly [name: string, bytes: Buffer, outcome: string])[] = [
  ['server name and protocols', hello([serverName('a.example'), protocols('h2', 'http/1.1')]), 'tls a.example h2,http/1.1'],
  ['no extensions at all', inRecords(helloMessage()), 'tls'],
  ['no server name', hello([]), 'tls'],
  ['upper case', hello([serverName('A.Example')]), 'tls a.example'],
  ['255 bytes', hello([serverName('a'.repeat(255))]), `tls ${'a'.repeat(255)}`],
  ['256 bytes', hello([serverName('a'.repeat(256))]), 'plain'],
  ['a NUL', hello([serverName('a\0b')]), 'plain'],
  ['an empty name', hello([serverName('')]), 'plain'],
  ['UTF-8', hello([serverName('é.example')]), `tls ${Buffer.from('é.example').toString('latin1')}`],
  ['an address', hello([serverName('10.0.0.1')]), 'tls 10.0.0.1'],
  ['two names', hello([serverName('a', 'b')]), 'plain'],
  ['the extension twice', hello([serverName('a'), serverName('b')]), 'plain'],
  ['another name type', hello([extension(0, block(2, Buffer.from([1, 0, 1, 0x61])))]), 'plain'],
  ['an empty name extension', hello([extension(0, Buffer.alloc(0))]), 'plain'],
  ['an empty protocol list', hello([extension(16, block(2, Buffer.alloc(0)))]), 'tls'],
  ['an empty protocol', hello([protocols('')]), 'tls'],
  ['a broken protocol list', hello([extension(16, Buffer.from('00050361', 'hex'))]), 'tls'],
  ['records of one byte', inRecords(named, 1), 'tls a.example'],
  ['records of seven bytes', inRecords(named, 7), 'tls a.example'],
  ['15,000 bytes of padding', hello([serverName('a'), extension(21, Buffer.alloc(15_000))]), 'tls a'],
  ['40,000 bytes of padding (Envoy: no more than 16 KiB)', hello([serverName('a'), extension(21, Buffer.alloc(40_000))]), 'tls a'],
  ['more than 64 KiB', hello([extension(21, Buffer.alloc(65_000)), extension(22, Buffer.alloc(500))]), 'refused client_hello_too_large'],
  ['64 KiB of records of one byte', inRecords(helloMessage({ extensions: [extension(21, Buffer.alloc(15_000))] }), 1), 'refused client_hello_too_large'],
  ['SSL 3.0', hello([], { version: 0x0300 }), 'refused unsupported_tls_version'],
  ['TLS 1.0', inRecords(helloMessage({ version: 0x0301 })), 'tls'],
  ['TLS 1.3 in the old field', hello([], { version: 0x0304 }), 'tls'],
  ['a version to come', inRecords(helloMessage({ version: 0x0305 })), 'refused unsupported_tls_version'],
  ['record version 0', inRecords(named, 16_384, { version: 0 }), 'plain'],
  ['record version 3.4', inRecords(named, 16_384, { version: 0x0304 }), 'tls a.example'],
  ['record version 2.0', inRecords(named, 16_384, { version: 0x0200 }), 'plain'],
  ['a ServerHello', hello([], { messageType: 2 }), 'plain'],
  ['application data', inRecords(named, 16_384, { type: 23 }), 'plain'],
  ['an empty record first', Buffer.concat([Buffer.from('1603010000', 'hex'), inRecords(named)]), 'tls a.example'],
  ['a record of 20,000 bytes', Buffer.from('1603014e2001', 'hex'), 'plain'],
  ['a message of 16 MB', Buffer.from('160301000401ffffff', 'hex'), 'plain'],
  ['the first five bytes', Buffer.from('1603010200', 'hex'), 'more'],
  ['the first byte', Buffer.from('16', 'hex'), 'more'],
  ['a message that ends too early', Buffer.from('160301000801000004', 'hex'), 'more'],
  ['junk of the right length', Buffer.from('16030100080100000461626364', 'hex'), 'plain'],
  ['an extension longer than the list', hello([Buffer.from('006301f478', 'hex')]), 'plain'],
  ['a byte behind the extensions', hello([Buffer.from('ff', 'hex')]), 'plain'],
  ['an odd cipher list', hello([], { ciphers: Buffer.from('13', 'hex') }), 'plain'],
  ['no ciphers', hello([], { ciphers: Buffer.alloc(0) }), 'plain'],
  ['no compression', hello([], { compressions: Buffer.alloc(0) }), 'plain'],
  ['compression only', hello([], { compressions: Buffer.from('01', 'hex') }), 'tls'],
  ['a session of 33 bytes', hello([], { sessionId: Buffer.alloc(33) }), 'plain'],
  ['bytes behind the message', inRecords(Buffer.concat([named, Buffer.from('more')])), 'plain'],
  ['a record behind the message', Buffer.concat([inRecords(named), Buffer.from('170303000178', 'hex')]), 'tls a.example'],
  ['an extension twice', hello([extension(99, Buffer.alloc(0)), extension(99, Buffer.alloc(0))]), 'plain'],
  ['SSLv2', Buffer.from('802e0103010015000000100000000000', 'hex'), 'plain'],
  ['an alert', Buffer.from('15030100020228', 'hex'), 'plain'],
  ['the type changes between records', Buffer.concat([inRecords(named.subarray(0, 20)), inRecords(named.subarray(20), 16_384, { type: 23 })]), 'plain'],
  ['the version changes between records', Buffer.concat([inRecords(named.subarray(0, 20)), inRecords(named.subarray(20), 16_384, { version: 0x0303 })]), 'tls a.example'],
];

t.test('ClientHellos, whole and in pieces', async (t) => {
  for (const [name, bytes, outcome] of HELLOS) {
    t.equal(inspectWhole(bytes), outcome, name);
    t.equal(inspectWhole(bytes, false), outcome, `${name}, HTTP being of no interest`);
    for (const size of [1, 5, 97]) t.equal(inspectPieces(bytes, size), outcome, `${name} in pieces of ${size}`);
  }
});
