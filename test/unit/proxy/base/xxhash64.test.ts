/** xxHash64 against published values and the algorithm written with BigInt. */

import fc from 'fast-check';
import t from 'tap';
import { Uint64 } from '../../../../proxy/base/uint64.ts';
import { xxHash64, xxHash64InTurn } from '../../../../proxy/base/xxhash64.ts';

const MASK = (1n << 64n) - 1n;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;

function valueOf({ hi, lo }: Uint64): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & MASK;
}

function round(lane: bigint, input: bigint): bigint {
  return (rotate((lane + input * P2) & MASK, 31n) * P1) & MASK;
}

function reference(text: string, seed: bigint): bigint {
  const bytes = Buffer.from(text, 'latin1');
  let at = 0;
  let hash = (seed + P5) & MASK;
  if (bytes.length >= 32) {
    const lanes = [(seed + P1 + P2) & MASK, (seed + P2) & MASK, seed, (seed - P1) & MASK];
    for (; at + 32 <= bytes.length; at += 32) for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i] as bigint, bytes.readBigUInt64LE(at + 8 * i));
    hash = [1n, 7n, 12n, 18n].reduce((sum, bits, i) => (sum + rotate(lanes[i] as bigint, bits)) & MASK, 0n);
    for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * P1 + P4) & MASK;
  }
  hash = (hash + BigInt(bytes.length)) & MASK;
  for (; at + 8 <= bytes.length; at += 8) hash = (rotate(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * P1 + P4) & MASK;
  for (; at + 4 <= bytes.length; at += 4) hash = (rotate(hash ^ ((BigInt(bytes.readUInt32LE(at)) * P1) & MASK), 23n) * P2 + P3) & MASK;
  for (; at < bytes.length; at++) hash = (rotate(hash ^ ((BigInt(bytes[at] as number) * P5) & MASK), 11n) * P1) & MASK;
  hash = ((hash ^ (hash >> 33n)) * P2) & MASK;
  hash = ((hash ^ (hash >> 29n)) * P3) & MASK;
  return hash ^ (hash >> 32n);
}

t.test('published values', (t) => {
  const hash = new Uint64();
  t.equal(valueOf(xxHash64('', hash)), 0xef46db3751d8e999n);
  t.equal(valueOf(xxHash64('a', hash)), 0xd24ec4f1a98c6e5bn);
  t.equal(valueOf(xxHash64('abc', hash)), 0x44bc2cf5ad770999n);
  t.equal(xxHash64('abc', hash), hash, 'what was given is filled and returned');
  t.end();
});

t.test('any bytes, any length up to a few stripes, any seed', (t) => {
  const hash = new Uint64();
  const bytes = fc.uint8Array({ maxLength: 140 }).map((array) => Buffer.from(array).toString('latin1'));
  const half = fc.oneof(fc.constantFrom(0, 1, 0xffffffff), fc.integer({ min: 0, max: 0xffffffff }));
  const property = fc.property(bytes, half, half, (text, lo, hi) => {
    return valueOf(xxHash64(text, hash, lo)) === reference(text, BigInt(lo)) && valueOf(xxHash64(text, hash, lo, hi)) === reference(text, (BigInt(hi) << 32n) | BigInt(lo));
  });
  fc.assert(property, { numRuns: 2000 });
  const chain = fc.property(fc.array(bytes, { maxLength: 4 }), (texts) => valueOf(xxHash64InTurn(texts, hash)) === texts.reduce((seed, text) => reference(text, seed), 0n));
  fc.assert(chain, { numRuns: 500 });
  t.end();
});

t.test('a character is one byte: its lower eight bits', (t) => {
  const [one, other] = [new Uint64(), new Uint64()];
  for (const length of [1, 3, 4, 8, 33]) {
    t.strictSame(xxHash64('\u0161'.repeat(length), one), xxHash64('a'.repeat(length), other), `${length} characters`);
  }
  t.end();
});

t.test('64-bit arithmetic in halves is that of BigInt', (t) => {
  const number = fc.bigInt({ min: 0n, max: MASK });
  const word = (value: bigint): Uint64 => {
    const of = new Uint64();
    of.set(Number(value >> 32n), Number(value & 0xffffffffn));
    return of;
  };
  const operations: readonly (readonly [string, (a: Uint64, b: Uint64, bits: number) => void, (a: bigint, b: bigint, bits: bigint) => bigint])[] = [
    ['add', (a, b) => a.add(b.hi, b.lo), (a, b) => (a + b) & MASK],
    ['xor', (a, b) => a.xor(b.hi, b.lo), (a, b) => a ^ b],
    ['multiply', (a, b) => a.multiply(b.hi, b.lo), (a, b) => (a * b) & MASK],
    ['rotateLeft', (a, _, bits) => a.rotateLeft(1 + (bits % 31)), (a, _, bits) => rotate(a, 1n + (bits % 31n))],
    ['xorShiftRight', (a, _, bits) => a.xorShiftRight(bits), (a, _, bits) => a ^ (a >> bits)],
  ];
  for (const [name, ours, theirs] of operations) {
    const same = (a: bigint, b: bigint, bits: number): boolean => {
      const result = word(a);
      ours(result, word(b), bits);
      return valueOf(result) === theirs(a, b, BigInt(bits));
    };
    fc.assert(fc.property(number, number, fc.integer({ min: 1, max: 63 }), same), { numRuns: 500 });
    t.pass(name);
  }
  fc.assert(fc.property(number, fc.integer({ min: 1, max: (1 << 26) - 1 }), (a, divisor) => BigInt(word(a).modulo(divisor)) === a % BigInt(divisor)), { numRuns: 500 });
  t.end();
});
