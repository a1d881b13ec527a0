/** PROXY protocol headers, version 1 and 2: what is taken, what is waited for, what closes the connection. */

import t from 'tap';
import { parseProxyHeader, type ProxyHeader } from '../../../../proxy/listener/proxy-protocol.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const FROM_V4 = 'c0000201c6336402b1c20050';

function v2(command: string, family: string, length: number, rest: string): Buffer {
  return Buffer.from(`${SIGNATURE}${command}${family}${length.toString(16).padStart(4, '0')}${rest}`, 'hex');
}

/** `more`, `bad`, or `LENGTH SOURCE>DESTINATION`. */
function words(header: ProxyHeader): string {
  if (header.kind !== 'header') return header.kind;
  const { addresses } = header;
  if (addresses === undefined) return `${header.length} -`;
  const { source, destination } = addresses;
  return `${header.length} ${source.address} ${source.port}>${destination.address} ${destination.port}`;
}

const V6 = '20010db8000000000000000000000001'.concat('00000000000000000000000000000001', 'b1c2', '01bb');
const MAPPED = '00000000000000000000ffffc0000201'.concat('00000000000000000000ffffc6336402', 'b1c2', '0050');

const ROWS: readonly (readonly [name: string, bytes: Buffer | string, outcome: string])[] = [
  ['TCP4', 'PROXY TCP4 192.0.2.1 198.51.100.2 45506 80\r\nGET', '44 192.0.2.1 45506>198.51.100.2 80'],
  ['TCP6', 'PROXY TCP6 2001:DB8::1 ::1 45506 443\r\n', '38 2001:db8::1 45506>::1 443'],
  ['TCP6 of mapped addresses', 'PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1 2\r\n', '53 192.0.2.1 1>198.51.100.2 2'],
  ['UNKNOWN', 'PROXY UNKNOWN\r\n', '15 -'],
  ['UNKNOWN with anything behind', 'PROXY UNKNOWN ffff:f ffff:f 65535 65535\r\n', '41 -'],
  ['the longest line', `PROXY UNKNOWN ${'x'.repeat(91)}\r\n`, '107 -'],
  ['a byte too long', `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`, 'bad'],
  ['no end in 107 bytes', `PROXY TCP4 ${'1'.repeat(96)}`, 'bad'],
  ['no end yet', 'PROXY TCP4 192.0.2.1', 'more'],
  ['the first byte', 'P', 'more'],
  ['nothing', '', 'more'],
  ['LF alone', 'PROXY TCP4 192.0.2.1 198.51.100.2 45506 80\n', 'bad'],
  ['another family', 'PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n', 'bad'],
  ['IPv6 under TCP4', 'PROXY TCP4 ::1 ::1 1 2\r\n', 'bad'],
  ['a bad address', 'PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n', 'bad'],
  ['two blanks', 'PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n', 'bad'],
  ['port 65536', 'PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n', 'bad'],
  ['port 080', 'PROXY TCP4 192.0.2.1 198.51.100.2 080 2\r\n', 'bad'],
  ['no port', 'PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n', 'bad'],
  ['a word too many', 'PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n', 'bad'],
  ['lower case', 'proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n', 'bad'],
  ['no header', 'GET / HTTP/1.1\r\n', 'bad'],
  ['v2 IPv4', v2('21', '11', 12, FROM_V4), '28 192.0.2.1 45506>198.51.100.2 80'],
  ['v2 IPv4 over UDP', v2('21', '12', 12, FROM_V4), '28 192.0.2.1 45506>198.51.100.2 80'],
  ['v2 IPv4 with TLVs', v2('21', '11', 16, `${FROM_V4}04000100`), '32 192.0.2.1 45506>198.51.100.2 80'],
  ['v2 IPv6', v2('21', '21', 36, V6), '52 2001:db8::1 45506>::1 443'],
  ['v2 mapped', v2('21', '21', 36, MAPPED), '52 192.0.2.1 45506>198.51.100.2 80'],
  ['v2 LOCAL', v2('20', '00', 0, ''), '16 -'],
  ['v2 LOCAL with addresses', v2('20', '11', 12, FROM_V4), '28 -'],
  ['v2 UNSPEC', v2('21', '00', 3, '010203'), '19 -'],
  ['v2 UNIX', v2('21', '31', 216, '00'.repeat(216)), 'bad'],
  ['v2 unknown family', v2('21', '41', 12, FROM_V4), 'bad'],
  ['v2 unknown transport', v2('21', '13', 12, FROM_V4), 'bad'],
  ['v2 unknown command', v2('22', '11', 12, FROM_V4), 'bad'],
  ['v2 version 3', v2('31', '11', 12, FROM_V4), 'bad'],
  ['v2 too short for IPv4', v2('21', '11', 11, FROM_V4), 'bad'],
  ['v2 too short for IPv6', v2('21', '21', 35, V6), 'bad'],
  ['v2 65,535 bytes', v2('21', '11', 65_535, FROM_V4), 'bad'],
  ['v2 half a signature', Buffer.from(SIGNATURE.slice(0, 12), 'hex'), 'more'],
  ['v2 half a head', v2('21', '11', 12, FROM_V4).subarray(0, 15), 'more'],
  ['v2 without its last byte', v2('21', '11', 12, FROM_V4).subarray(0, 27), 'more'],
  ['a signature with a wrong byte', Buffer.from(`${SIGNATURE.slice(0, 22)}0b21110000`, 'hex'), 'bad'],
];

t.test('headers', async (t) => {
  for (const [name, bytes, outcome] of ROWS) t.equal(words(parseProxyHeader(Buffer.from(bytes))), outcome, name);
});

t.test('byte by byte, the outcome is that of the whole', async (t) => {
  for (const [name, text, outcome] of ROWS) {
    const bytes = Buffer.from(text);
    let header: ProxyHeader = { kind: 'more' };
    for (let end = 1; end <= bytes.length && header.kind === 'more'; end++) header = parseProxyHeader(bytes.subarray(0, end));
    t.equal(words(header), outcome, name);
  }
});
