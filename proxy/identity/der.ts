/** Reads DER (X.690), as far as certificates need it: an element at a time, never past the end, no recursion. */

/** One element: its tag byte, where its content is, and where the next one begins. */
export interface DerElement {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

export const SEQUENCE = 0x30;
export const OBJECT_IDENTIFIER = 0x06;
export const OCTET_STRING = 0x04;
export const BOOLEAN = 0x01;

/** The element at `offset`; undefined where there is no whole one before `limit`. Tags above 30 and lengths above 2^24 are in no certificate. */
export function readDer(bytes: Uint8Array, offset: number, limit: number = bytes.length): DerElement | undefined {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  if (tag === undefined || first === undefined || offset + 2 > limit || (tag & 0x1f) === 0x1f) return undefined;
  let length = first;
  let start = offset + 2;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 3 || start + count > limit) return undefined;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[start + i] as number);
    start += count;
  }
  const end = start + length;
  return end > limit ? undefined : { tag, start, end };
}

/** The elements inside `parent`, in order; stops at the first that is not whole. */
export function* childrenOf(bytes: Uint8Array, parent: DerElement): Iterable<DerElement> {
  let offset = parent.start;
  while (offset < parent.end) {
    const child = readDer(bytes, offset, parent.end);
    if (child === undefined) return;
    yield child;
    offset = child.end;
  }
}
