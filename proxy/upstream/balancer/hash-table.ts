/** What ring hash and Maglev have in common: a table that leads from any hash to one of the hosts it was built from. */

import type { Uint64 } from '../../base/uint64.ts';

export interface HashTable {
  /**
   * Index of the host in the list the table was built from. Each further `attempt` (0, 1, 2 …) with the same hash looks
   * elsewhere, and may come upon the same host again.
   */
  hostAt(hash: Uint64, attempt: number): number;
}

/** A host as a table sees it; shares add up to 1. */
export interface HostShare {
  readonly address: string;
  /** Above 0. */
  readonly share: number;
}
