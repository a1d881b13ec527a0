/** `headers.request` and `headers.response` of a route or destination: remove, set and add, compiled once. */

import type { HeaderOpsConfig } from '../../config/runtime/route.ts';
import { toByteString } from '../base/bytes.ts';
import { parseHeaderFormat, type FormatPiece } from '../base/header-format.ts';
import type { HeaderList } from '../stream/header-list.ts';
import type { Stream } from '../stream/stream.ts';
import { createOperatorReader, type OperatorReader } from './header-operators.ts';

export type HeaderOps = (headers: HeaderList, stream: Stream) => void;

interface HeaderWrite {
  readonly name: string;
  readonly replace: boolean;
  /** Fixed text, or a reader where the value holds operators. */
  readonly value: string | OperatorReader;
}

/**
 * Removals first, then set, then add, each in the order written; undefined when there is nothing to do. Operators see
 * the headers as they are after the removals: no value sees another written here. A value that comes out empty leaves
 * the header as it was (Envoy, keep_empty_value unset).
 * @throws when a value is not a legal format; configuration is checked with `validateHeaderValueFormat` before.
 */
export function createHeaderOps({ remove, set, add }: HeaderOpsConfig): HeaderOps | undefined {
  const writes = [...set.map((entry) => compileWrite(entry, true)), ...add.map((entry) => compileWrite(entry, false))];
  if (remove.length === 0 && writes.length === 0) return undefined;
  const apply = writes.every(isFixed) ? writeFixed : writeRead;
  return (headers, stream) => {
    for (let i = 0; i < remove.length; i++) headers.remove(remove[i] as string);
    apply(writes, headers, stream);
  };
}

function isFixed({ value }: HeaderWrite): boolean {
  return typeof value === 'string';
}

function writeFixed(writes: readonly HeaderWrite[], headers: HeaderList): void {
  for (let i = 0; i < writes.length; i++) write(headers, writes[i] as HeaderWrite, (writes[i] as HeaderWrite).value as string);
}

/** Every value is read before the first is written. */
function writeRead(writes: readonly HeaderWrite[], headers: HeaderList, stream: Stream): void {
  const values = writes.map(({ value }) => (typeof value === 'string' ? value : value(stream)));
  for (let i = 0; i < writes.length; i++) write(headers, writes[i] as HeaderWrite, values[i] as string);
}

function write(headers: HeaderList, { name, replace }: HeaderWrite, value: string): void {
  if (value === '') return;
  if (replace) headers.set(name, value);
  else headers.add(name, value);
}

function compileWrite([name, format]: readonly [name: string, value: string], replace: boolean): HeaderWrite {
  const parsed = parseHeaderFormat(format);
  if ('problem' in parsed) throw new SyntaxError(`${name}: ${parsed.problem}`);
  return { name, replace, value: compileValue(parsed) };
}

function compileValue(pieces: readonly FormatPiece[]): string | OperatorReader {
  if (pieces.every((piece) => typeof piece === 'string')) return toByteString(pieces.join(''));
  const readers = pieces.map(compilePiece);
  const [only] = readers;
  if (readers.length === 1 && only !== undefined) return only;
  return (stream) => {
    let text = '';
    for (let i = 0; i < readers.length; i++) text += (readers[i] as OperatorReader)(stream);
    return text;
  };
}

function compilePiece(piece: FormatPiece): OperatorReader {
  if (typeof piece === 'string') {
    const text = toByteString(piece);
    return () => text;
  }
  const read = createOperatorReader(piece.operator, piece.argument);
  const { maxLength } = piece;
  return (stream) => {
    const text = clean(read(stream));
    return text.length > maxLength ? text.slice(0, maxLength) : text;
  };
}

/**
 * The codec lets no CR, LF or NUL in; whatever its source, none may get out through a header written here. Names from the
 * configuration (routes, clusters) may be any text: what is no byte would be cut down to one, U+010A to a line feed.
 */
function clean(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) return clean(toByteString(text));
    if (code === 0x0d || code === 0x0a || code === 0) return clean(text.replaceAll(/[\r\n\0]/g, ''));
  }
  return text;
}
