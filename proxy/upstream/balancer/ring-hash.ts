/**
 * RING_HASH: each host has points on a ring of 2^64, hashes of `address_0`, `address_1` …; a request goes to the next point
 * at or after its hash (Envoy: RingHashLoadBalancer with xxHash64).
 */

import { Uint64 } from '../../base/uint64.ts';
import { xxHash64 } from '../../base/xxhash64.ts';
import type { HashTable, HostShare } from './hash-table.ts';

/** Istio's default. */
export const DEFAULT_RING_SIZE = 1024;
/** Envoy's maximum_ring_size; Istio leaves it. */
const MAXIMUM_RING_SIZE = 8_388_608;
/** Bits that tell MAXIMUM_RING_SIZE points apart; with the upper 30 of the hash they fit a double's 53. */
const POINT_BITS = 23;

/** Points in order around the ring: the hash in two halves, and whose point it is. */
interface Ring {
  readonly hi: Uint32Array;
  readonly lo: Uint32Array;
  readonly host: Uint32Array;
}

export function createRing(hosts: readonly HostShare[], minimumRingSize: number): HashTable {
  const ring = sortPoints(placePoints(hosts, minimumRingSize));
  const size = ring.hi.length;
  return { hostAt: (hash, attempt) => ring.host[(findPoint(ring, hash) + attempt) % size] as number };
}

/**
 * So many points that the host with the least share has a whole number of them; for the others a running sum decides, in
 * the order of the hosts, as in Envoy, whose rounding this repeats step by step.
 */
function placePoints(hosts: readonly HostShare[], minimumRingSize: number): Ring {
  const least = hosts.reduce((min, { share }) => Math.min(min, share), 1);
  const scale = Math.min(Math.ceil(least * minimumRingSize) / least, MAXIMUM_RING_SIZE);
  const hash = new Uint64();
  const hi: number[] = [];
  const lo: number[] = [];
  const owner: number[] = [];
  let target = 0;
  for (const [index, { address, share }] of hosts.entries()) {
    target += scale * share;
    for (let i = 0; hi.length < target; i++) {
      xxHash64(`${address}_${i}`, hash);
      hi.push(hash.hi >>> 0);
      lo.push(hash.lo >>> 0);
      owner.push(index);
    }
  }
  return { hi: Uint32Array.from(hi), lo: Uint32Array.from(lo), host: Uint32Array.from(owner) };
}

/** By one native sort of doubles, each the upper bits of a hash and the number of its point; ties of those bits are rare and put right after. */
function sortPoints({ hi, lo, host }: Ring): Ring {
  const size = hi.length;
  const order = Float64Array.from(hi, (upper, point) => (upper >>> 2) * 2 ** POINT_BITS + point).sort();
  const sorted: Ring = { hi: new Uint32Array(size), lo: new Uint32Array(size), host: new Uint32Array(size) };
  for (let place = 0; place < size; place++) {
    const point = (order[place] as number) % 2 ** POINT_BITS;
    insertPoint(sorted, place, hi[point] as number, lo[point] as number, host[point] as number);
  }
  return sorted;
}

function insertPoint(ring: Ring, end: number, hi: number, lo: number, host: number): void {
  let place = end;
  for (; place > 0 && !isBefore(ring, place - 1, hi, lo); place--) {
    ring.hi[place] = ring.hi[place - 1] as number;
    ring.lo[place] = ring.lo[place - 1] as number;
    ring.host[place] = ring.host[place - 1] as number;
  }
  ring.hi[place] = hi;
  ring.lo[place] = lo;
  ring.host[place] = host;
}

/** First point at or after the hash; after the last comes the first. */
function findPoint(ring: Ring, hash: Uint64): number {
  const hi = hash.hi >>> 0;
  const lo = hash.lo >>> 0;
  let from = 0;
  let to = ring.hi.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (isBefore(ring, middle, hi, lo)) from = middle + 1;
    else to = middle;
  }
  return from === ring.hi.length ? 0 : from;
}

function isBefore(ring: Ring, place: number, hi: number, lo: number): boolean {
  const upper = ring.hi[place] as number;
  return upper < hi || (upper === hi && (ring.lo[place] as number) < lo);
}
