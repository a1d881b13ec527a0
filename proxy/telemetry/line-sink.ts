/** Buffered lines to a file, standard output or standard error: never blocks the event loop, never grows without bound. */

import { constants, openSync } from 'node:fs';
import sonicBoom from 'sonic-boom';
import type { Clock, Timer } from '../base/clock.ts';

export interface LineSink {
  /** One whole line with its newline, written as UTF-8. */
  write(line: string): void;
  /** Resolves when everything written so far has left the process; waits as long as the reader makes it wait. */
  flush(): Promise<void>;
  /** Opens the file anew under the same path, after a rotation; the old one stays when that fails. No effect on standard streams. */
  reopen(): void;
  /** Flushes and closes. Gives up after a second when nobody reads, so that a stalled reader cannot hold up the exit. */
  close(): Promise<void>;
  readonly stats: LineSinkStats;
}

/** Envoy's `filesystem.*` counters, and the drops that it does not need to count because it lets the buffer grow. */
export interface LineSinkStats {
  linesWritten: number;
  /** Left out because the reader stalls and the buffer is full. */
  linesDropped: number;
  writeFailures: number;
  reopenFailures: number;
}

export interface LineSinkOptions {
  /** `-` or `/dev/stdout`, `/dev/stderr`, else a file that is appended to. */
  readonly path: string;
  readonly clock: Clock;
  /** Longest time a line waits for others, milliseconds. */
  readonly flushDelayMs?: number;
  /** Bytes waiting for a slow reader before lines are dropped. */
  readonly limitBytes?: number;
  /** Other processes write to the same pipe: lines leave in writes that a pipe takes whole, so that they never mix. */
  readonly shared?: boolean;
}

/** What is used of sonic-boom; its own types know only strings, which cost more to write than the buffers it takes in this mode. */
interface ByteStream {
  write(chunk: Buffer | string): boolean;
  flush(done: () => void): void;
  end(): void;
  destroy(): void;
  on(event: 'drop' | 'error', listener: () => void): unknown;
}

/** Lines are gathered to this size and leave in one write. */
const CHUNK_BYTES = 64 * 1024;
/** Room for the line that fills a chunk; a longer one leaves by itself. */
const BUFFER_BYTES = CHUNK_BYTES + 16 * 1024;
/** PIPE_BUF of Linux: a pipe takes a write up to this as one (pipe(7)). A line that is longer may still be torn. */
const WHOLE_WRITE_BYTES = 4096;
/** Istio flushes after one second; a person who follows the log likes it sooner, and five idle writes a second cost nothing. */
const FLUSH_DELAY_MS = 200;
const LIMIT_BYTES = 4 * 1024 * 1024;
const CLOSE_LIMIT_MS = 1000;

/** The sink, or what is wrong with its path. */
export function createLineSink(options: LineSinkOptions): LineSink | { readonly problem: string } {
  try {
    return new BufferedSink(options, openDescriptor(options.path));
  } catch (error) {
    return { problem: `cannot open ${options.path}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

class BufferedSink implements LineSink {
  readonly stats: LineSinkStats = { linesWritten: 0, linesDropped: 0, writeFailures: 0, reopenFailures: 0 };
  readonly #path: string;
  readonly #clock: Clock;
  readonly #flushDelayMs: number;
  readonly #limitBytes: number;
  readonly #shared: boolean;
  readonly #flushPending = (): void => this.#sendPending();
  #stream: ByteStream;
  /** Lines are written into bytes at once: kept as strings they would keep every head they quote alive until the flush. */
  #pending: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #pendingBytes = 0;
  #pendingLines = 0;
  /** Lines of the chunk that is being handed over; what a drop costs. */
  #chunkLines = 0;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: LineSinkOptions, descriptor: number) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#flushDelayMs = options.flushDelayMs ?? FLUSH_DELAY_MS;
    this.#limitBytes = options.limitBytes ?? LIMIT_BYTES;
    this.#shared = options.shared ?? false;
    this.#stream = this.#createStream(descriptor);
  }

  write(line: string): void {
    if (this.#closed) return;
    if (this.#shared) this.#keepWhole(Buffer.byteLength(line));
    // A character of a string is three bytes of UTF-8 at the most.
    if (this.#pendingBytes + line.length * 3 > BUFFER_BYTES) this.#sendPending();
    if (line.length * 3 > BUFFER_BYTES) {
      this.#send(Buffer.from(line, 'utf8'), 1);
      return;
    }
    this.#pendingBytes += this.#pending.write(line, this.#pendingBytes, 'utf8');
    this.#pendingLines++;
    if (this.#pendingBytes >= CHUNK_BYTES) this.#sendPending();
    else this.#timer ??= this.#clock.setTimer(this.#flushDelayMs, this.#flushPending);
  }

  flush(): Promise<void> {
    this.#sendPending();
    return drained(this.#stream);
  }

  reopen(): void {
    if (standardDescriptor(this.#path) !== undefined || this.#closed) return;
    let descriptor: number;
    try {
      descriptor = openDescriptor(this.#path);
    } catch {
      this.stats.reopenFailures++;
      return;
    }
    this.#sendPending();
    this.#stream.end();
    this.#stream = this.#createStream(descriptor);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#sendPending();
    this.#closed = true;
    let timer: Timer | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = this.#clock.setTimer(CLOSE_LIMIT_MS, resolve);
    });
    await Promise.race([drained(this.#stream), limit]);
    timer?.cancel();
    this.#stream.destroy();
  }

  /** Sends what is pending when a line of so many bytes would make it too long for one write. */
  #keepWhole(lineBytes: number): void {
    if (this.#pendingBytes + lineBytes > WHOLE_WRITE_BYTES) this.#sendPending();
  }

  #sendPending(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#pendingLines === 0) return;
    const chunk = this.#pending.subarray(0, this.#pendingBytes);
    const lines = this.#pendingLines;
    // The bytes belong to the stream until it has written them.
    this.#pending = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    this.#pendingBytes = 0;
    this.#pendingLines = 0;
    this.#send(chunk, lines);
  }

  #send(chunk: Buffer, lines: number): void {
    this.#chunkLines = lines;
    this.stats.linesWritten += lines;
    this.#stream.write(chunk);
  }

  #createStream(descriptor: number): ByteStream {
    const stream: ByteStream = new sonicBoom.SonicBoom({ fd: descriptor, contentMode: 'buffer', maxLength: this.#limitBytes, ...(this.#shared && { maxWrite: WHOLE_WRITE_BYTES }) });
    stream.on('drop', () => {
      this.stats.linesWritten -= this.#chunkLines;
      this.stats.linesDropped += this.#chunkLines;
    });
    stream.on('error', () => {
      this.stats.writeFailures++;
    });
    return stream;
  }
}

function drained(stream: ByteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.flush(() => resolve());
  });
}

function standardDescriptor(path: string): 1 | 2 | undefined {
  if (path === '-' || path === '/dev/stdout') return 1;
  return path === '/dev/stderr' ? 2 : undefined;
}

/**
 * Reading `process.stdout` makes Node open its handle, which sets a pipe to non-blocking: a full pipe then answers EAGAIN
 * and the write is tried again. A blocking one would hold a thread of the pool for as long as nobody reads, and with it
 * the exit of the process. O_NONBLOCK does the same for a named pipe.
 * @throws the system's error when the file cannot be opened.
 */
function openDescriptor(path: string): number {
  const standard = standardDescriptor(path);
  if (standard !== undefined) return standard === 1 ? process.stdout.fd : process.stderr.fd;
  return openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK, 0o644);
}
