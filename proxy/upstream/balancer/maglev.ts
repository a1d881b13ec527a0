/**
 * MAGLEV: hosts fill a table of prime size in turns, each by its own permutation of the places; a request goes to the place
 * its hash leaves as a remainder (Eisenbud et al., NSDI 2016, listing 1; Envoy: MaglevTable with xxHash64 seeds 0 and 1).
 */

import { Uint64 } from '../../base/uint64.ts';
import { xxHash64 } from '../../base/xxhash64.ts';
import type { HashTable, HostShare } from './hash-table.ts';

/** Istio's default. */
export const DEFAULT_TABLE_SIZE = 65_537;

/** A host while the table fills: its next place, the step to the one after, and the share it must have reached for its next turn. */
interface Filler {
  readonly index: number;
  readonly address: string;
  readonly share: number;
  readonly skip: number;
  place: number;
  target: number;
}

/** `tableSize` must be prime, or filling might not end. */
export function createMaglevTable(hosts: readonly HostShare[], tableSize: number): HashTable {
  const table = fillTable(hosts, tableSize);
  const mutated = new Uint64();
  return {
    hostAt(hash, attempt) {
      if (attempt === 0) return table[hash.modulo(tableSize)] as number;
      // As Envoy: hash ^ (2^64 - attempt), whose many set bits lead far away.
      mutated.set(hash.hi, hash.lo);
      mutated.xor(-1, -attempt);
      return table[mutated.modulo(tableSize)] as number;
    },
  };
}

/** In order of address, so that the order hosts are listed in does not matter. */
function fillTable(hosts: readonly HostShare[], tableSize: number): Uint32Array {
  const fillers = hosts.map(({ address, share }, index) => createFiller(index, address, share, tableSize)).toSorted((a, b) => (a.address < b.address ? -1 : 1));
  const most = hosts.reduce((max, { share }) => Math.max(max, share), 0);
  const table = new Uint32Array(tableSize);
  const taken = new Uint8Array(tableSize);
  let filled = 0;
  for (let turn = 1; filled < tableSize; turn++) {
    for (const filler of fillers) {
      // The host with the largest share has a place every turn, one with a third of that every third.
      if (turn * filler.share < filler.target) continue;
      filler.target += most;
      const place = nextFree(filler, taken);
      table[place] = filler.index;
      taken[place] = 1;
      if (++filled === tableSize) break;
    }
  }
  return table;
}

function createFiller(index: number, address: string, share: number, tableSize: number): Filler {
  const hash = new Uint64();
  const place = xxHash64(address, hash, 0).modulo(tableSize);
  const skip = xxHash64(address, hash, 1).modulo(tableSize - 1) + 1;
  return { index, address, share, skip, place, target: 0 };
}

/** The first free place of the host's permutation; the host moves on past it. */
function nextFree(filler: Filler, taken: Uint8Array): number {
  const { skip } = filler;
  const size = taken.length;
  let place = filler.place;
  while (taken[place] === 1) {
    place += skip;
    if (place >= size) place -= size;
  }
  filler.place = (place + skip) % size;
  return place;
}
