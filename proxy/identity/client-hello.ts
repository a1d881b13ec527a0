/** The application protocols of a ClientHello (RFC 8446 4.1.2, RFC 7301), for a server that would rather speak none than refuse. */

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const ALPN = 16;
const RECORD_HEADER_BYTES = 5;

/** Undefined where the bytes do not hold the whole ClientHello; empty where it offers none. */
export function offeredProtocols(bytes: Buffer): readonly string[] | undefined {
  const hello = handshakeMessage(bytes);
  if (hello === undefined) return undefined;
  const reader = new Reader(hello);
  reader.skip(2 + 32);
  reader.skip(reader.uint8());
  reader.skip(reader.uint16());
  reader.skip(reader.uint8());
  const end = Math.min(reader.uint16() + reader.offset, hello.length);
  while (reader.offset + 4 <= end) {
    const type = reader.uint16();
    const length = reader.uint16();
    if (type === ALPN) return protocolNames(new Reader(hello.subarray(reader.offset, Math.min(reader.offset + length, end))));
    reader.skip(length);
  }
  return [];
}

/** Body of the first handshake message, put together from its records. */
function handshakeMessage(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  let offset = 0;
  while (offset + RECORD_HEADER_BYTES <= bytes.length && bytes[offset] === HANDSHAKE_RECORD) {
    const end = offset + RECORD_HEADER_BYTES + bytes.readUInt16BE(offset + 3);
    if (end > bytes.length) break;
    parts.push(bytes.subarray(offset + RECORD_HEADER_BYTES, end));
    offset = end;
  }
  const message = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  if (message.length < 4 || message[0] !== CLIENT_HELLO) return undefined;
  const end = 4 + message.readUIntBE(1, 3);
  return end > message.length ? undefined : message.subarray(4, end);
}

function protocolNames(reader: Reader): readonly string[] {
  const names: string[] = [];
  reader.skip(2);
  while (!reader.done) names.push(reader.text(reader.uint8()));
  return names;
}

/** Past the end there are zeros: whatever is malformed ends soon, and OpenSSL says what is wrong with it. */
class Reader {
  offset = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.offset >= this.#bytes.length;
  }

  uint8(): number {
    return this.#bytes[this.offset++] ?? 0;
  }

  uint16(): number {
    return this.uint8() * 256 + this.uint8();
  }

  skip(count: number): void {
    this.offset += count;
  }

  text(length: number): string {
    const start = this.offset;
    this.offset += length;
    return this.#bytes.latin1Slice(Math.min(start, this.#bytes.length), Math.min(this.offset, this.#bytes.length));
  }
}
