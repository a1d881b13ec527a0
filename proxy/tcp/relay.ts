/** One direction of a byte tunnel: what is read on one socket is written to the other, with back-pressure and a FIN at the end. */

import type { Socket } from 'node:net';
import { readInto } from '../base/own-read-buffer.ts';
import { SocketWriter } from '../base/socket.ts';

/** Reads from this size on are worth a buffer of their own: small ones are copied out of the shared one. */
const BULK_BYTES = 16 * 1024;
/** As much as one read of a bulk transfer takes. */
const OWN_BUFFER_BYTES = 128 * 1024;

export class Relay {
  /** Bytes relayed. */
  bytes = 0;
  /** The source has sent FIN. */
  ended = false;
  /** The FIN and everything before it have left this process. */
  flushed = false;
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #writer: SocketWriter;
  readonly #onFlushed: () => void;
  /** Where the source's next read goes. */
  #own: Buffer | undefined;
  /** Own buffers that the sink keeps until it drains, and those that nobody uses: one or two. */
  #lent: Buffer[] = [];
  #free: Buffer[] = [];
  #ownRefused = false;

  /** `onDrain` is called when the sink takes bytes again, `onFlushed` once, when the last ones have left. */
  constructor(source: Socket, sink: Socket, events: { readonly onDrain: () => void; readonly onFlushed: () => void }) {
    this.#source = source;
    this.#sink = sink;
    this.#onFlushed = events.onFlushed;
    this.#writer = new SocketWriter(sink, () => {
      events.onDrain();
      this.#takeBack();
      source.resume();
    });
  }

  /** Bytes that were read earlier and belong to nobody else. */
  send(bytes: Buffer): void {
    this.bytes += bytes.length;
    if (!this.#writer.write(bytes)) this.#source.pause();
  }

  /** One read of the source; `shared` is reused after the call. */
  relay(shared: Buffer, length: number): void {
    const own = this.#own;
    if (own !== undefined) {
      this.#sendOwn(own, length);
      return;
    }
    this.send(Buffer.from(shared.subarray(0, length)));
    if (length >= BULK_BYTES && !this.#ownRefused) this.#readIntoOwn();
  }

  /** The source sent FIN: the sink gets one behind all bytes. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.#sink.end(() => {
      this.flushed = true;
      this.#onFlushed();
    });
  }

  #sendOwn(own: Buffer, length: number): void {
    this.bytes += length;
    if (this.#writer.write(own.subarray(0, length))) return;
    this.#source.pause();
    this.#lent.push(own);
    // A paused TLS socket still passes on what it holds: not over bytes that the sink has yet to take.
    this.#readIntoOwn();
  }

  #readIntoOwn(): void {
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(OWN_BUFFER_BYTES);
    this.#ownRefused = !readInto(this.#source, buffer);
    this.#own = this.#ownRefused ? undefined : buffer;
  }

  #takeBack(): void {
    if (this.#lent.length === 0) return;
    this.#free = this.#lent;
    this.#lent = [];
  }
}
