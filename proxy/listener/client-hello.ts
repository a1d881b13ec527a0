/**
 * The first bytes of a connection as a TLS ClientHello: server name and protocols offered, nothing consumed (Envoy's
 * tls_inspector, proxy-semantics.md A.18; RFC 8446 sections 4.1.2 and 5.1). Each byte is looked at once, however it arrives.
 */

export type HelloOutcome =
  /** More bytes are needed. */
  | { readonly kind: 'more' }
  | { readonly kind: 'tls'; readonly serverName: string | undefined; readonly protocols: readonly string[] }
  /** The bytes are no TLS, or a ClientHello that breaks the rules: the connection counts as plain bytes. */
  | { readonly kind: 'none' }
  /** TLS that nobody could serve: closed. */
  | { readonly kind: 'refused'; readonly reason: 'client_hello_too_large' | 'unsupported_tls_version' };

/** Record headers included. */
export const HELLO_LIMIT_BYTES = 64 * 1024;
const RECORD_HEADER_BYTES = 5;
const RECORD_LIMIT_BYTES = 16 * 1024;
const MESSAGE_HEADER_BYTES = 4;
/** No ClientHello announces so much (OpenSSL's limit): other bytes that happen to begin alike. */
const ABSURD_MESSAGE_BYTES = 128 * 1024;
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const MAJOR_VERSION = 3;

const MORE: HelloOutcome = { kind: 'more' };
const NONE: HelloOutcome = { kind: 'none' };
const TOO_LARGE: HelloOutcome = { kind: 'refused', reason: 'client_hello_too_large' };

export class ClientHelloReader {
  readonly #header = Buffer.alloc(RECORD_HEADER_BYTES);
  #headerLength = 0;
  /** Bytes of the record under way that are still to come. */
  #recordLeft = 0;
  /** The handshake message as far as it is there, its records joined. */
  #message: Buffer = Buffer.alloc(0);
  #messageLength = 0;
  #seen = 0;

  /** Takes the next bytes; called no more once the outcome is not `more`. Nothing of `bytes` is kept but copies. */
  read(bytes: Buffer, start: number, end: number): HelloOutcome {
    let at = start;
    while (at < end) {
      if (this.#recordLeft === 0) {
        at = this.#readHeader(bytes, at, end);
        if (!this.#isHandshake()) return NONE;
        continue;
      }
      const length = Math.min(this.#recordLeft, end - at);
      this.#append(bytes.subarray(at, at + length));
      this.#recordLeft -= length;
      at += length;
      const outcome = this.#parse();
      if (outcome !== undefined) return outcome.kind === 'tls' && this.#seen + at - start > HELLO_LIMIT_BYTES ? TOO_LARGE : outcome;
    }
    this.#seen += end - start;
    return this.#seen < HELLO_LIMIT_BYTES ? MORE : TOO_LARGE;
  }

  #readHeader(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.#headerLength < RECORD_HEADER_BYTES) this.#header[this.#headerLength++] = bytes[at++] as number;
    return at;
  }

  /** False as soon as a record header cannot be one of a handshake; begins the record when the header is whole. */
  #isHandshake(): boolean {
    const header = this.#header;
    const length = this.#headerLength;
    if (header[0] !== HANDSHAKE || (length > 1 && header[1] !== MAJOR_VERSION)) return false;
    if (length < RECORD_HEADER_BYTES) return true;
    this.#recordLeft = header.readUInt16BE(3);
    this.#headerLength = 0;
    return this.#recordLeft <= RECORD_LIMIT_BYTES;
  }

  #append(part: Buffer): void {
    const needed = this.#messageLength + part.length;
    if (this.#message.length < needed) {
      const grown = Buffer.alloc(Math.max(needed, this.#message.length * 2));
      this.#message.copy(grown, 0, 0, this.#messageLength);
      this.#message = grown;
    }
    part.copy(this.#message, this.#messageLength);
    this.#messageLength = needed;
  }

  /** Undefined while the message is incomplete. */
  #parse(): HelloOutcome | undefined {
    const message = this.#message;
    if (this.#messageLength > 0 && message[0] !== CLIENT_HELLO) return NONE;
    if (this.#messageLength < MESSAGE_HEADER_BYTES) return undefined;
    const length = message.readUIntBE(1, 3);
    if (length > ABSURD_MESSAGE_BYTES) return NONE;
    const end = MESSAGE_HEADER_BYTES + length;
    if (this.#messageLength < end) return undefined;
    // A ClientHello stands alone in its records.
    return this.#messageLength > end || this.#recordLeft > 0 ? NONE : parseClientHello(message.subarray(MESSAGE_HEADER_BYTES, end));
  }
}

const SERVER_NAME = 0;
const ALPN = 16;
const RANDOM_BYTES = 32;
const LONGEST_SESSION_ID = 32;
const LONGEST_SERVER_NAME = 255;
const TLS_1_0 = 0x0301;
const TLS_1_3 = 0x0304;

function parseClientHello(body: Buffer): HelloOutcome {
  const fields = new Fields(body);
  const version = fields.number(2);
  fields.skip(RANDOM_BYTES);
  const sessionId = fields.block(1);
  const ciphers = fields.block(2);
  const compressions = fields.block(1);
  if (fields.broken || sessionId.length > LONGEST_SESSION_ID || ciphers.length === 0 || ciphers.length % 2 === 1 || compressions.length === 0) return NONE;
  const extensions = fields.atEnd ? Buffer.alloc(0) : fields.block(2);
  if (fields.broken || !fields.atEnd) return NONE;
  const found = parseExtensions(extensions);
  if (found === undefined) return NONE;
  if (version < TLS_1_0 || version > TLS_1_3) return { kind: 'refused', reason: 'unsupported_tls_version' };
  return found;
}

function parseExtensions(extensions: Buffer): HelloOutcome | undefined {
  const fields = new Fields(extensions);
  const seen = new Set<number>();
  let serverName: string | undefined;
  let protocols: readonly string[] = [];
  while (!fields.atEnd) {
    const type = fields.number(2);
    const value = fields.block(2);
    if (fields.broken || seen.has(type)) return undefined;
    seen.add(type);
    if (type === ALPN) protocols = parseProtocols(value);
    if (type !== SERVER_NAME) continue;
    serverName = parseServerName(value);
    if (serverName === undefined) return undefined;
  }
  return { kind: 'tls', serverName, protocols };
}

/** RFC 6066 section 3: exactly one host name, neither empty nor longer than 255 bytes nor with a NUL. Lower case, a character a byte. */
function parseServerName(value: Buffer): string | undefined {
  const fields = new Fields(value);
  const list = new Fields(fields.block(2));
  const type = list.number(1);
  const name = list.block(2);
  if (fields.broken || list.broken || !fields.atEnd || !list.atEnd || type !== 0) return undefined;
  if (name.length === 0 || name.length > LONGEST_SERVER_NAME || name.includes(0)) return undefined;
  return name.latin1Slice().replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** RFC 7301; a list that is none offers nothing, as in Envoy. */
function parseProtocols(value: Buffer): readonly string[] {
  const fields = new Fields(value);
  const list = new Fields(fields.block(2));
  const protocols: string[] = [];
  while (!list.atEnd && !list.broken) protocols.push(list.block(1).latin1Slice());
  const valid = !fields.broken && fields.atEnd && !list.broken && protocols.every((protocol) => protocol !== '');
  return valid ? protocols : [];
}

/** Numbers and length-prefixed blocks one after the other; reading past the end breaks it for good. */
class Fields {
  broken = false;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  skip(length: number): void {
    if (this.#at + length > this.#bytes.length) this.#break();
    else this.#at += length;
  }

  number(length: number): number {
    const at = this.#at;
    this.skip(length);
    return this.broken ? 0 : this.#bytes.readUIntBE(at, length);
  }

  block(lengthBytes: number): Buffer {
    const length = this.number(lengthBytes);
    const at = this.#at;
    this.skip(length);
    return this.broken ? Buffer.alloc(0) : this.#bytes.subarray(at, at + length);
  }

  #break(): void {
    this.broken = true;
    this.#at = this.#bytes.length;
  }
}
