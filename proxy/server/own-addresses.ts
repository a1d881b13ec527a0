/** The addresses of this machine: which of them are its own, and of which families they are. */

import { networkInterfaces } from 'node:os';

/** What a pass-through must not lead to on a port of ours: it would go round for ever. */
export interface OwnAddresses {
  has(address: string): boolean;
}

/** True where there is an IPv6 address that others may use: interception then redirects connections of both families. */
export function hasIPv6(interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces()): boolean {
  const addresses = Object.values(interfaces).flatMap((ofDevice) => ofDevice ?? []);
  return addresses.some((address) => address.family === 'IPv6' && !address.internal && address.scopeid === 0);
}

export function createOwnAddresses(): OwnAddresses {
  const own = new Set(['0.0.0.0', '::', 'localhost', '::1']);
  for (const addresses of Object.values(networkInterfaces())) for (const { address } of addresses ?? []) own.add(address);
  return { has: (address) => own.has(address) || address.startsWith('127.') || address.startsWith('::ffff:127.') };
}
