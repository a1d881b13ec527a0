/** Both addresses of a socket as logs print them, read once: a socket that was reset no longer tells them. */

import type { Socket } from 'node:net';

export class ConnectionAddresses {
  /** `10.0.0.1:41234`, `[::1]:41234`. */
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** Without port. */
  readonly remoteIp: string;

  constructor(socket: Socket) {
    this.remoteIp = plainAddress(socket.remoteAddress);
    this.remoteAddress = joinAddress(this.remoteIp, socket.remotePort);
    this.localAddress = joinAddress(plainAddress(socket.localAddress), socket.localPort);
  }
}

/** v4-mapped IPv6 addresses are printed as the IPv4 addresses they are. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

/** Empty for who has no address: a client of a unix socket. */
export function joinAddress(address: string, port: number | undefined): string {
  if (address === '') return '';
  return address.includes(':') ? `[${address}]:${port ?? 0}` : `${address}:${port ?? 0}`;
}
