/** Bytes of a captured connection that is not HTTP, passed on to where it was going: back-pressure and half-close both ways. */

import type { Socket } from 'node:net';
import type { EventClock } from '../base/event-clock.ts';
import { SocketWriter } from '../base/socket.ts';
import { connect, type ConnectFailure, type ConnectTarget } from '../upstream/connector.ts';

export interface TunnelOutcome {
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly failure: ConnectFailure | undefined;
}

/** Bytes held while the upstream connects; past it the downstream is not read. */
const EARLY_LIMIT_BYTES = 64 * 1024;

export class Tunnel {
  readonly #downstream: Socket;
  readonly #toDownstream: SocketWriter;
  readonly #onEnd: (outcome: TunnelOutcome) => void;
  readonly #cancelConnect: () => void;
  #upstream: Socket | undefined;
  #toUpstream: SocketWriter | undefined;
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #downstreamEnded = false;
  #upstreamEnded = false;
  #bytesReceived = 0;
  #bytesSent = 0;
  #done = false;

  /** `onEnd` is called exactly once, when both connections are gone. */
  constructor(downstream: Socket, target: ConnectTarget, clock: EventClock, onEnd: (outcome: TunnelOutcome) => void) {
    this.#downstream = downstream;
    this.#onEnd = onEnd;
    this.#toDownstream = new SocketWriter(downstream, () => this.#upstream?.resume());
    this.#cancelConnect = connect(target, clock, {
      onConnect: (socket) => this.#adopt(socket),
      onFailure: (failure) => this.#finish(failure),
      onRead: (bytes, length) => this.#relayDown(bytes, length),
    });
  }

  /** Bytes from the downstream, in a buffer that is reused after the call. */
  onBytes(bytes: Buffer, start: number, end: number): void {
    this.#bytesReceived += end - start;
    const copy = Buffer.from(bytes.subarray(start, end));
    if (this.#toUpstream === undefined) {
      this.#early.push(copy);
      this.#earlyBytes += copy.length;
      if (this.#earlyBytes > EARLY_LIMIT_BYTES) this.#downstream.pause();
      return;
    }
    if (!this.#toUpstream.write(copy)) this.#downstream.pause();
  }

  /** The downstream sent FIN: the upstream gets one too and may go on sending. */
  onEnd(): void {
    this.#downstreamEnded = true;
    this.#upstream?.end();
    if (this.#upstreamEnded) this.#finish(undefined);
  }

  /** The downstream is gone. */
  onGone(): void {
    this.#finish(undefined);
  }

  #adopt(socket: Socket): void {
    this.#upstream = socket;
    this.#toUpstream = new SocketWriter(socket, () => this.#downstream.resume());
    socket.on('end', () => {
      this.#upstreamEnded = true;
      this.#downstream.end();
      if (this.#downstreamEnded) this.#finish(undefined);
    });
    socket.on('close', () => this.#finish(undefined));
    let taken = true;
    for (const chunk of this.#early) taken = this.#toUpstream.write(chunk);
    this.#early = [];
    if (taken) this.#downstream.resume();
    if (this.#downstreamEnded) socket.end();
  }

  #relayDown(bytes: Buffer, length: number): void {
    this.#bytesSent += length;
    if (!this.#toDownstream.write(Buffer.from(bytes.subarray(0, length)))) this.#upstream?.pause();
  }

  #finish(failure: ConnectFailure | undefined): void {
    if (this.#done) return;
    this.#done = true;
    this.#cancelConnect();
    this.#upstream?.destroy();
    this.#downstream.destroy();
    this.#onEnd({ bytesReceived: this.#bytesReceived, bytesSent: this.#bytesSent, failure });
  }
}
