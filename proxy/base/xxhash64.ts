/** xxHash64 (Yann Collet; the XXH64 algorithm of the xxHash specification): the hash Envoy places hosts and keys by. */

import { Uint64 } from './uint64.ts';

const P1 = { hi: 0x9e3779b1 | 0, lo: 0x85ebca87 | 0 } as const;
const P2 = { hi: 0xc2b2ae3d | 0, lo: 0x27d4eb4f | 0 } as const;
const P3 = { hi: 0x165667b1 | 0, lo: 0x9e3779f9 | 0 } as const;
const P4 = { hi: 0x85ebca77 | 0, lo: 0xc2b2ae63 | 0 } as const;
const P5 = { hi: 0x27d4eb2f | 0, lo: 0x165667c5 | 0 } as const;

const STRIPE = 32;

/** Reused by every call: nothing in here waits or calls back. */
const lanes: readonly [Uint64, Uint64, Uint64, Uint64] = [new Uint64(), new Uint64(), new Uint64(), new Uint64()];
const word = new Uint64();
const input = new Uint64();

/** Hash of `text`, one byte per character (as header values are held), into `hash`; the seed in two halves. Returns `hash`. */
export function xxHash64(text: string, hash: Uint64, seed: number = 0, seedHi: number = 0): Uint64 {
  let at = 0;
  if (text.length >= STRIPE) {
    at = hashStripes(text, hash, seed, seedHi);
  } else {
    hash.set(seedHi, seed);
    hash.add(P5.hi, P5.lo);
  }
  hash.add(0, text.length);
  hashTail(text, at, hash);
  hash.xorShiftRight(33);
  hash.multiply(P2.hi, P2.lo);
  hash.xorShiftRight(29);
  hash.multiply(P3.hi, P3.lo);
  hash.xorShiftRight(32);
  return hash;
}

/** Of one text, or of several: each with the hash of those before it as its seed (Envoy, for several header lines). */
export function xxHash64InTurn(texts: string | readonly string[], hash: Uint64): Uint64 {
  if (typeof texts === 'string') return xxHash64(texts, hash);
  hash.set(0, 0);
  for (const text of texts) xxHash64(text, hash, hash.lo, hash.hi);
  return hash;
}

/** Four lanes of eight bytes at a time; returns where the last whole stripe ends. */
function hashStripes(text: string, hash: Uint64, seed: number, seedHi: number): number {
  const [first, second, third, fourth] = lanes;
  for (const lane of lanes) lane.set(seedHi, seed);
  first.add(P1.hi, P1.lo);
  first.add(P2.hi, P2.lo);
  second.add(P2.hi, P2.lo);
  // Minus P1 is plus its complement and one.
  fourth.add(~P1.hi, ~P1.lo);
  fourth.add(0, 1);
  let at = 0;
  for (; at + STRIPE <= text.length; at += STRIPE) {
    for (let i = 0; i < 4; i++) mix(lanes[i] as Uint64, bytes4(text, at + 8 * i + 4), bytes4(text, at + 8 * i));
  }
  joinLanes(hash, first, second, third, fourth);
  return at;
}

function joinLanes(hash: Uint64, first: Uint64, second: Uint64, third: Uint64, fourth: Uint64): void {
  hash.set(0, 0);
  addRotated(hash, first, 1);
  addRotated(hash, second, 7);
  addRotated(hash, third, 12);
  addRotated(hash, fourth, 18);
  for (const lane of lanes) {
    word.set(0, 0);
    mix(word, lane.hi, lane.lo);
    hash.xor(word.hi, word.lo);
    hash.multiply(P1.hi, P1.lo);
    hash.add(P4.hi, P4.lo);
  }
}

function addRotated(hash: Uint64, lane: Uint64, bits: number): void {
  word.set(lane.hi, lane.lo);
  word.rotateLeft(bits);
  hash.add(word.hi, word.lo);
}

/** What is left after the stripes: eights, a four, ones. */
function hashTail(text: string, from: number, hash: Uint64): void {
  let at = from;
  for (; at + 8 <= text.length; at += 8) {
    word.set(0, 0);
    mix(word, bytes4(text, at + 4), bytes4(text, at));
    hash.xor(word.hi, word.lo);
    hash.rotateLeft(27);
    hash.multiply(P1.hi, P1.lo);
    hash.add(P4.hi, P4.lo);
  }
  if (at + 4 <= text.length) {
    word.set(0, bytes4(text, at));
    word.multiply(P1.hi, P1.lo);
    hash.xor(word.hi, word.lo);
    hash.rotateLeft(23);
    hash.multiply(P2.hi, P2.lo);
    hash.add(P3.hi, P3.lo);
    at += 4;
  }
  for (; at < text.length; at++) {
    word.set(0, text.charCodeAt(at) & 0xff);
    word.multiply(P5.hi, P5.lo);
    hash.xor(word.hi, word.lo);
    hash.rotateLeft(11);
    hash.multiply(P1.hi, P1.lo);
  }
}

/** The algorithm's round: `lane` takes in eight bytes. */
function mix(lane: Uint64, hi: number, lo: number): void {
  input.set(hi, lo);
  input.multiply(P2.hi, P2.lo);
  lane.add(input.hi, input.lo);
  lane.rotateLeft(31);
  lane.multiply(P1.hi, P1.lo);
}

/** Little-endian. */
function bytes4(text: string, at: number): number {
  return (text.charCodeAt(at) & 0xff) | ((text.charCodeAt(at + 1) & 0xff) << 8) | ((text.charCodeAt(at + 2) & 0xff) << 16) | (text.charCodeAt(at + 3) << 24);
}
