/** ClientHello messages, well-formed or with one thing wrong. */

export interface HelloParts {
  readonly extensions?: readonly Buffer[];
  readonly version?: number;
  readonly sessionId?: Buffer;
  readonly ciphers?: Buffer;
  readonly compressions?: Buffer;
  readonly messageType?: number;
}

/** The handshake message, without records. */
export function helloMessage(parts: HelloParts = {}): Buffer {
  const extensions = parts.extensions ?? [];
  const version = Buffer.alloc(2);
  version.writeUInt16BE(parts.version ?? 0x0303);
  const fields = [
    version,
    Buffer.alloc(32, 0x52),
    block(1, parts.sessionId ?? Buffer.alloc(32)),
    block(2, parts.ciphers ?? Buffer.from('1301c02b', 'hex')),
    block(1, parts.compressions ?? Buffer.from([0])),
    ...(extensions.length === 0 ? [] : [block(2, Buffer.concat(extensions))]),
  ];
  return Buffer.concat([Buffer.from([parts.messageType ?? 1]), block(3, Buffer.concat(fields))]);
}

/** `message` in records of at most `size` bytes. */
export function inRecords(message: Buffer, size = 16_384, { type = 22, version = 0x0301 }: { readonly type?: number; readonly version?: number } = {}): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([type, version >> 8, version & 0xff]), block(2, part));
  }
  return Buffer.concat(records);
}

export function extension(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(type);
  return Buffer.concat([head, block(2, value)]);
}

export function serverName(...names: readonly (string | Buffer)[]): Buffer {
  return extension(0, block(2, Buffer.concat(names.map((name) => Buffer.concat([Buffer.from([0]), block(2, Buffer.from(name))])))));
}

export function protocols(...names: readonly string[]): Buffer {
  return extension(16, block(2, Buffer.concat(names.map((name) => block(1, Buffer.from(name))))));
}

/** `bytes` behind their length in `lengthBytes` bytes. */
export function block(lengthBytes: number, bytes: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(bytes.length, 0, lengthBytes);
  return Buffer.concat([length, bytes]);
}
