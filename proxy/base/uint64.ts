/** 64-bit unsigned arithmetic in two 32-bit halves: a BigInt would be allocated for every step of a hash. */

/** A register: every operation changes it in place, modulo 2^64. Halves are signed 32-bit integers by their bits. */
export class Uint64 {
  hi = 0;
  lo = 0;

  set(hi: number, lo: number): void {
    this.hi = hi | 0;
    this.lo = lo | 0;
  }

  add(hi: number, lo: number): void {
    const sum = (this.lo + lo) | 0;
    const carry = sum >>> 0 < lo >>> 0 ? 1 : 0;
    this.hi = (this.hi + hi + carry) | 0;
    this.lo = sum;
  }

  xor(hi: number, lo: number): void {
    this.hi ^= hi;
    this.lo ^= lo;
  }

  multiply(hi: number, lo: number): void {
    const a0 = this.lo & 0xffff;
    const a1 = this.lo >>> 16;
    const b0 = lo & 0xffff;
    const b1 = lo >>> 16;
    // Each sum is below 2^32, so that wrapping to a signed number loses no bit.
    const middle = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0;
    const middle2 = (Math.imul(a0, b1) + (middle & 0xffff)) | 0;
    const carried = Math.imul(a1, b1) + (middle >>> 16) + (middle2 >>> 16);
    this.hi = (carried + Math.imul(this.hi, lo) + Math.imul(this.lo, hi)) | 0;
    this.lo = Math.imul(this.lo, lo);
  }

  /** By 1 to 31 bits. */
  rotateLeft(bits: number): void {
    const { hi, lo } = this;
    this.hi = (hi << bits) | (lo >>> (32 - bits));
    this.lo = (lo << bits) | (hi >>> (32 - bits));
  }

  /** Itself, XOR itself moved right by 1 to 63 bits. */
  xorShiftRight(bits: number): void {
    const { hi, lo } = this;
    if (bits >= 32) {
      this.lo = lo ^ (hi >>> (bits - 32));
      return;
    }
    this.hi = hi ^ (hi >>> bits);
    this.lo = lo ^ ((lo >>> bits) | (hi << (32 - bits)));
  }

  /** Remainder by a divisor below 2^26, which keeps every step exact. */
  modulo(divisor: number): number {
    return (((this.hi >>> 0) % divisor) * (4_294_967_296 % divisor) + (this.lo >>> 0)) % divisor;
  }
}
