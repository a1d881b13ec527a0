/**
 * The PROXY protocol, version 1 and 2, as a listener receives it (HAProxy's specification; what is refused as Envoy refuses
 * it, proxy-semantics.md A.18). Pure: bytes in, outcome out.
 */

import { isIP } from 'node:net';
import { renderIpv6 } from './original-destination.ts';

export interface ProxiedAddresses {
  /** Who opened the connection that the sender relays. */
  readonly source: { readonly address: string; readonly port: number };
  readonly destination: { readonly address: string; readonly port: number };
}

export type ProxyHeader =
  /** More bytes are needed. */
  | { readonly kind: 'more' }
  /** `length` bytes are the header. No addresses: `UNKNOWN`, LOCAL, or a family without them; the socket's own hold. */
  | { readonly kind: 'header'; readonly length: number; readonly addresses: ProxiedAddresses | undefined }
  /** Not a header this listener can take; the connection must be closed. */
  | { readonly kind: 'bad'; readonly reason: string };

/** What a version 2 header may announce; Envoy waits for up to 65,535 bytes, which no sender needs. */
const V2_LIMIT_BYTES = 4096;
/** With CR LF. */
const V1_LIMIT_BYTES = 107;
const V2_HEAD_BYTES = 16;
const V2_SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const V1_START = Buffer.from('PROXY ');

const MORE: ProxyHeader = { kind: 'more' };

/** `bytes`: everything received so far, from the first byte on. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (bytes.length === 0) return MORE;
  if (startsAs(bytes, V2_SIGNATURE)) return bytes.length < V2_HEAD_BYTES ? MORE : parseV2(bytes);
  if (startsAs(bytes, V1_START)) return parseV1(bytes);
  return bad('there is no PROXY protocol header');
}

/** As far as there are bytes, they are those of `start`. */
function startsAs(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function parseV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_LIMIT_BYTES).indexOf(0x0a);
  if (end < 0) return bytes.length < V1_LIMIT_BYTES ? MORE : bad('the version 1 line is longer than 107 bytes');
  if (bytes[end - 1] !== 0x0d) return bad('the version 1 line does not end with CR LF');
  const line = bytes.latin1Slice(0, end - 1);
  const length = end + 1;
  const [, family, ...rest] = line.split(' ');
  if (family === 'UNKNOWN') return { kind: 'header', length, addresses: undefined };
  if (family !== 'TCP4' && family !== 'TCP6') return bad('the version 1 line names neither TCP4, TCP6 nor UNKNOWN');
  const [source = '', destination = '', sourcePort = '', destinationPort = '', ...more] = rest;
  const version = family === 'TCP4' ? 4 : 6;
  if (more.length > 0 || isIP(source) !== version || isIP(destination) !== version) return bad('the version 1 line has a bad address');
  if (!isPort(sourcePort) || !isPort(destinationPort)) return bad('the version 1 line has a bad port');
  const addresses = { source: { address: unmapped(source), port: Number(sourcePort) }, destination: { address: unmapped(destination), port: Number(destinationPort) } };
  return { kind: 'header', length, addresses };
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

/** Command, family and transport of version 2 (section 2.2); bytes of the addresses by family. */
const LOCAL = 0x20;
const PROXY = 0x21;
const INET = 1;
const INET6 = 2;
const UNIX = 3;
const STREAM = 1;
const DATAGRAM = 2;
const INET_BYTES = 12;
const INET6_BYTES = 36;

function parseV2(bytes: Buffer): ProxyHeader {
  const command = bytes[12] as number;
  const family = (bytes[13] as number) >> 4;
  const transport = (bytes[13] as number) & 0xf;
  const announced = bytes.readUInt16BE(14);
  if (command !== LOCAL && command !== PROXY) return bad('the version 2 header has an unknown version or command');
  if (announced > V2_LIMIT_BYTES) return bad(`the version 2 header announces ${announced} bytes, the limit is ${V2_LIMIT_BYTES}`);
  const length = V2_HEAD_BYTES + announced;
  if (command === PROXY) {
    if (family >= UNIX || transport > DATAGRAM) return bad('the version 2 header has a family that is neither IPv4 nor IPv6');
    const least = family === INET ? INET_BYTES : family === INET6 ? INET6_BYTES : 0;
    if (announced < least) return bad('the version 2 header is too short for its addresses');
  }
  if (bytes.length < length) return MORE;
  const known = command === PROXY && (transport === STREAM || transport === DATAGRAM);
  return { kind: 'header', length, addresses: known ? readV2(bytes, family) : undefined };
}

function readV2(bytes: Buffer, family: number): ProxiedAddresses | undefined {
  const at = V2_HEAD_BYTES;
  if (family === INET) {
    return {
      source: { address: bytes.subarray(at, at + 4).join('.'), port: bytes.readUInt16BE(at + 8) },
      destination: { address: bytes.subarray(at + 4, at + 8).join('.'), port: bytes.readUInt16BE(at + 10) },
    };
  }
  if (family !== INET6) return undefined;
  return {
    source: { address: renderIpv6(bytes.subarray(at, at + 16)), port: bytes.readUInt16BE(at + 32) },
    destination: { address: renderIpv6(bytes.subarray(at + 16, at + 32)), port: bytes.readUInt16BE(at + 34) },
  };
}

function unmapped(address: string): string {
  return /^::ffff:\d/i.test(address) && address.includes('.') ? address.slice(7) : address.toLowerCase();
}

function bad(reason: string): ProxyHeader {
  return { kind: 'bad', reason };
}
