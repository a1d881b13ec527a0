/** Which addresses reach this machine itself; a pass-through to one of them on a port of ours would go round for ever. */

import { networkInterfaces } from 'node:os';

export interface OwnAddresses {
  has(address: string): boolean;
}

export function createOwnAddresses(): OwnAddresses {
  const own = new Set(['0.0.0.0', '::', 'localhost', '::1']);
  for (const addresses of Object.values(networkInterfaces())) for (const { address } of addresses ?? []) own.add(address);
  return { has: (address) => own.has(address) || address.startsWith('127.') || address.startsWith('::ffff:127.') };
}
