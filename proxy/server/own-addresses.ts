/** The addresses of this machine: which of them are its own, and which one stands for them all. */

import { networkInterfaces } from 'node:os';

/** What a pass-through must not lead to on a port of ours: it would go round for ever. */
export interface OwnAddresses {
  has(address: string): boolean;
}

/**
 * `::` where there is an IPv6 address that others may use: interception redirects connections of both families, and such a
 * socket takes both. Else `0.0.0.0`, which needs no IPv6 in the kernel.
 */
export function everyAddress(interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces()): '0.0.0.0' | '::' {
  const addresses = Object.values(interfaces).flatMap((ofDevice) => ofDevice ?? []);
  return addresses.some((address) => address.family === 'IPv6' && !address.internal && address.scopeid === 0) ? '::' : '0.0.0.0';
}

export function createOwnAddresses(): OwnAddresses {
  const own = new Set(['0.0.0.0', '::', 'localhost', '::1']);
  for (const addresses of Object.values(networkInterfaces())) for (const { address } of addresses ?? []) own.add(address);
  return { has: (address) => own.has(address) || address.startsWith('127.') || address.startsWith('::ffff:127.') };
}
