/** PROXY protocol header for upstream connections (DestinationRule `proxyProtocol`; haproxy.org proxy-protocol.txt 2.1, 2.2). */

import { isIP } from 'node:net';
import type { DownstreamAddresses } from '../stream/stream-info.ts';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

interface Endpoint {
  readonly ip: string;
  readonly port: number;
}

/** Of the client's address, and the one it was going to; `UNKNOWN` or LOCAL where they are not two of one family. */
export function proxyHeader(version: 'V1' | 'V2', { localAddress, remoteAddress }: DownstreamAddresses): Buffer {
  const source = endpointOf(remoteAddress);
  const target = endpointOf(localAddress);
  const family = isIP(source.ip) === isIP(target.ip) ? isIP(source.ip) : 0;
  return version === 'V1' ? textHeader(family, source, target) : binaryHeader(family, source, target);
}

function textHeader(family: number, source: Endpoint, target: Endpoint): Buffer {
  if (family === 0) return Buffer.from('PROXY UNKNOWN\r\n');
  return Buffer.from(`PROXY TCP${family} ${source.ip} ${target.ip} ${source.port} ${target.port}\r\n`);
}

/** Version 2; command PROXY (1), or LOCAL (0) where there is nothing to tell. */
function binaryHeader(family: number, source: Endpoint, target: Endpoint): Buffer {
  if (family === 0) return Buffer.concat([SIGNATURE, Buffer.from([0x20, 0, 0, 0])]);
  const addresses = Buffer.concat([addressBytes(source.ip), addressBytes(target.ip), portBytes(source.port), portBytes(target.port)]);
  return Buffer.concat([SIGNATURE, Buffer.from([0x21, family === 4 ? 0x11 : 0x21]), portBytes(addresses.length), addresses]);
}

function portBytes(port: number): Buffer {
  return Buffer.from([port >> 8, port & 0xff]);
}

function addressBytes(ip: string): Buffer {
  return isIP(ip) === 4 ? Buffer.from(ip.split('.').map(Number)) : Buffer.concat(groupsOf(ip).map(portBytes));
}

/** The eight groups of an IPv6 address; a dotted tail stands for two. */
function groupsOf(ip: string): readonly number[] {
  const [head = '', tail] = ip.replace(/%.*$/, '').split('::');
  const left = parseGroups(head);
  if (tail === undefined) return left;
  const right = parseGroups(tail);
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}

function parseGroups(text: string): readonly number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

/** `10.0.0.1:80`, `[::1]:80`. */
function endpointOf(address: string): Endpoint {
  const colon = address.lastIndexOf(':');
  return { ip: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}
