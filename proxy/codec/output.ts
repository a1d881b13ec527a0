/**
 * One output buffer for every socket of the process: what one event writes to one connection (head, body, next head)
 * leaves in one system call, and nothing is allocated for it. A connection takes the buffer with `open`, appends, and
 * writes it with `flush` before it returns to the event loop.
 */

import type { SocketWriter } from '../base/socket.ts';
import '../base/read-buffer.ts';

/** Room for a full read buffer with its framing and an ordinary head. */
const OUTPUT_BYTES = 96 * 1024;

/** A connection that may hold the output buffer. */
export interface OutputOwner {
  /** Writes out what it appended. */
  flush(): void;
}

let buffer: Buffer = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
let length = 0;
let owner: OutputOwner | undefined;

/** Makes `next` the holder; whoever held it flushes first. */
function open(next: OutputOwner): void {
  if (owner === next) return;
  owner?.flush();
  owner = next;
}

/** Appends a head or other latin1 text. */
export function appendText(to: OutputOwner, writer: SocketWriter, text: string): void {
  open(to);
  if (length + text.length > OUTPUT_BYTES) {
    writeOut(writer);
    if (text.length > OUTPUT_BYTES) {
      writer.write(Buffer.from(text, 'latin1'));
      return;
    }
  }
  length += buffer.latin1Write(text, length);
}

/** Appends `bytes[start, end)`, which may be reused by the caller after the call. */
export function appendBytes(to: OutputOwner, writer: SocketWriter, bytes: Buffer, start: number, end: number): void {
  open(to);
  const count = end - start;
  if (length + count > OUTPUT_BYTES) {
    writeOut(writer);
    if (count > OUTPUT_BYTES) {
      writer.write(Buffer.from(bytes.subarray(start, end)));
      return;
    }
  }
  buffer.set(count === bytes.length ? bytes : bytes.subarray(start, end), length);
  length += count;
}

/** Writes what `from` appended, if anything; returns how many bytes that was. */
export function flushOutput(from: OutputOwner, writer: SocketWriter): number {
  if (owner !== from) return 0;
  owner = undefined;
  return writeOut(writer);
}

/** Forgets what `from` appended: its socket is gone. */
export function dropOutput(from: OutputOwner): void {
  if (owner !== from) return;
  owner = undefined;
  length = 0;
}

/** True while `of` holds appended bytes. */
export function hasOutput(of: OutputOwner): boolean {
  return owner === of && length > 0;
}

function writeOut(writer: SocketWriter): number {
  const count = length;
  if (count === 0) return 0;
  length = 0;
  // Not taken at once: the kernel's buffer is full and the bytes belong to the socket.
  if (!writer.write(view(count))) {
    buffer = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
    views.length = 0;
  }
  return count;
}

/** Views of the buffer's first bytes, kept: the same few lengths come again and again. */
const views: (Buffer | undefined)[] = [];
const VIEW_LIMIT_BYTES = 4096;

function view(count: number): Buffer {
  if (count > VIEW_LIMIT_BYTES) return buffer.subarray(0, count);
  return (views[count] ??= buffer.subarray(0, count));
}
