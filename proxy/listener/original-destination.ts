/**
 * Where the kernel redirected a connection from: SO_ORIGINAL_DST, which Node does not offer. The one file that calls the
 * system by koffi; about 2 µs, once a connection.
 */

import type { Socket } from 'node:net';
import { socketDescriptor } from '../base/socket.ts';
import type { Destination } from '../stream/connection-facts.ts';

/**
 * The destination before redirection, or undefined where the kernel knows of none. Must be called before the socket is
 * closed. `family`: of the address that the listener is bound to.
 */
export type ReadOriginalDestination = (socket: Socket, family: 4 | 6) => Destination | undefined;

const SOL_IP = 0;
const SOL_IPV6 = 41;
/** Of both levels (linux/netfilter_ipv4.h, netfilter_ipv6/ip6_tables.h). */
const SO_ORIGINAL_DST = 80;
/** sockaddr_in6; sockaddr_in is shorter. */
const ADDRESS_BYTES = 28;
const IPV4_ADDRESS_BYTES = 16;

type GetSocketOption = (descriptor: number, level: number, name: number, value: Buffer, length: Buffer) => number;

/** The reader, or one sentence of why there is none: another system, or a platform that koffi has no binary for. */
export async function loadOriginalDestination(platform: string = process.platform): Promise<ReadOriginalDestination | { readonly problem: string }> {
  if (platform !== 'linux') return { problem: `${platform} has no SO_ORIGINAL_DST` };
  try {
    const { default: koffi } = await import('koffi');
    const getsockopt = koffi.load(null).func('int getsockopt(int, int, int, void *, void *)') as GetSocketOption;
    return createReader(getsockopt);
  } catch (error) {
    return { problem: `koffi cannot be loaded: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function createReader(getsockopt: GetSocketOption): ReadOriginalDestination {
  const address = Buffer.alloc(ADDRESS_BYTES);
  // socklen_t, in the machine's own byte order.
  const length = new Int32Array(1);
  const lengthBytes = Buffer.from(length.buffer);
  const ask = (descriptor: number, level: number, bytes: number): boolean => {
    length[0] = bytes;
    return getsockopt(descriptor, level, SO_ORIGINAL_DST, address, lengthBytes) === 0;
  };
  return (socket, family) => {
    const descriptor = socketDescriptor(socket);
    if (descriptor === undefined) return undefined;
    // An IPv6 socket may carry an IPv4 connection: only the level of its own family knows it.
    if (ask(descriptor, SOL_IP, IPV4_ADDRESS_BYTES)) return readIpv4(address);
    return family === 6 && ask(descriptor, SOL_IPV6, ADDRESS_BYTES) ? readIpv6(address) : undefined;
  };
}

/** sockaddr_in: family, port and address in network order. */
export function readIpv4(address: Buffer): Destination {
  return { address: `${address[4]}.${address[5]}.${address[6]}.${address[7]}`, port: address.readUInt16BE(2) };
}

/** sockaddr_in6: family, port, flow, address. */
export function readIpv6(address: Buffer): Destination {
  return { address: renderIpv6(address.subarray(8, 24)), port: address.readUInt16BE(2) };
}

/** RFC 5952, as Node prints addresses; a v4-mapped address as the IPv4 address it is. */
export function renderIpv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return bytes.subarray(12).join('.');
  const { start, length } = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (end < groups.length && groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  return best;
}
