/** Upstream HTTP/1.1: one connection to one host, one request at a time, reused while both sides keep it clean. */

import type { Socket } from 'node:net';
import type { EventClock } from '../../base/event-clock.ts';
import { SocketWriter } from '../../base/socket.ts';
import type { ConnectionSecurity } from '../../stream/connection-security.ts';
import { HeaderList } from '../../stream/header-list.ts';
import type { RequestHead, ResponseHead } from '../../stream/stream.ts';
import { Framing, type RequestWriter, type ResponseReceiver, type UpstreamReset } from '../codec.ts';
import { appendBytes, appendText, dropOutput, flushOutput, type OutputOwner } from '../output.ts';
import { BodyReader, type BodySink } from './body-reader.ts';
import { joinAddress } from './connection-addresses.ts';
import { HeadBuffer } from './head-buffer.ts';
import { keepAliveHint } from './framing.ts';
import { MAX_RESPONSE_HEAD_BYTES, ParsedResponse, parseResponseHead } from './response-head.ts';
import { fieldText, requestHeadText } from './serialize.ts';

const Phase = { Idle: 0, Head: 1, Body: 2, Closed: 3 } as const;

/** 1xx answers one response may have before the upstream is held for broken (proxy-semantics D.2 row 19). */
const MAX_INFORMATIONAL = 100;

const parsed = new ParsedResponse();

/** The pool this connection belongs to. */
export interface ClientConnectionOwner {
  /** The exchange ended cleanly: the connection may take another request. */
  onIdle(connection: Http1ClientConnection): void;
  /** The connection is gone; called once. */
  onClosed(connection: Http1ClientConnection): void;
}

export class Http1ClientConnection implements RequestWriter, OutputOwner, BodySink {
  /** Requests sent on this connection, the current one included. */
  requests = 0;
  /** Monotonic time at which it was established. */
  readonly openedMs: number;
  /** Monotonic time since when it is idle; the pool's. */
  idleSinceMs = 0;
  /** How long the upstream said it keeps the connection when idle, milliseconds; undefined where it did not say. */
  idleHintMs: number | undefined = undefined;
  bytesRead = 0;
  bytesWritten = 0;
  /** Something of the response to the current request has been read: it must not be sent again. */
  answered = false;
  /** The side that ended the connection while an exchange was under way; undefined where none was. */
  cutBy: 'local' | 'remote' | undefined = undefined;

  /** `10.0.0.9:41234`. Read at once: a request that is cut short is logged when the socket no longer knows. */
  readonly localAddress: string | undefined;
  /** Of a TLS connection. */
  readonly security: ConnectionSecurity | undefined;

  readonly #socket: Socket;
  readonly #out: SocketWriter;
  readonly #owner: ClientConnectionOwner;
  readonly #clock: EventClock;
  readonly #body: BodyReader = new BodyReader();
  #phase: number = Phase.Idle;
  #receiver: ResponseReceiver | undefined;
  #method = '';
  readonly #head: HeadBuffer = new HeadBuffer(false);
  #requestFraming: number = Framing.None;
  #requestEnded = true;
  #responseEnded = true;
  #reusable = true;
  #informational = 0;
  #paused = false;
  /** Set when an exchange ended inside a read: whatever follows in that read must not meet the next request. */
  #releaseDue = false;

  constructor(socket: Socket, owner: ClientConnectionOwner, clock: EventClock, security?: ConnectionSecurity) {
    this.#socket = socket;
    this.security = security;
    this.#owner = owner;
    this.#clock = clock;
    this.openedMs = clock.now();
    this.localAddress = socket.localAddress === undefined ? undefined : joinAddress(socket.localAddress, socket.localPort);
    this.#out = new SocketWriter(socket, () => this.#receiver?.onUpstreamDrain());
    socket.on('end', () => this.#onEnd());
    socket.on('error', () => this.#fail('connection_termination'));
    socket.on('close', () => this.#fail('connection_termination'));
  }

  get closed(): boolean {
    return this.#phase === Phase.Closed;
  }

  /** Starts a request; the head is written with the next flush. */
  start(receiver: ResponseReceiver, request: RequestHead, framing: number, trailers: boolean): void {
    this.requests++;
    this.answered = false;
    this.#receiver = receiver;
    this.#method = request.method;
    this.#phase = Phase.Head;
    this.#requestFraming = framing;
    this.#requestEnded = framing === Framing.None || framing === 0;
    this.#responseEnded = false;
    this.#reusable = true;
    this.#informational = 0;
    appendText(this, this.#out, requestHeadText(request.method, request.path, request.authority, request.headers.items, framing, trailers));
  }

  /** One read's bytes, in a buffer that is reused after the call. */
  onRead(bytes: Buffer, length: number): void {
    this.#clock.tick();
    this.bytesRead += length;
    const receiver = this.#receiver;
    if (receiver === undefined) {
      // Bytes nobody asked for: whatever they are, they must not be taken for the next answer.
      this.close();
      return;
    }
    this.answered = true;
    this.#process(bytes, length);
    receiver.onResponseReadDone();
    if (this.#releaseDue) this.#release();
  }

  /** Closes an idle connection, or one that nobody needs any more. */
  close(): void {
    if (this.#phase === Phase.Closed) return;
    this.#phase = Phase.Closed;
    if (this.#receiver !== undefined) this.cutBy ??= 'local';
    this.#receiver = undefined;
    this.#head.clear();
    dropOutput(this);
    this.#socket.destroy();
    this.#owner.onClosed(this);
  }

  /** Ends the exchange as reset by this side. */
  abandon(): void {
    this.#fail('local_reset');
  }

  // RequestWriter

  writeBody(bytes: Buffer, start: number, end: number): void {
    if (this.#phase === Phase.Closed || this.#requestEnded) return;
    if (this.#requestFraming === Framing.Chunked) {
      appendText(this, this.#out, `${(end - start).toString(16)}\r\n`);
      appendBytes(this, this.#out, bytes, start, end);
      appendText(this, this.#out, '\r\n');
      return;
    }
    appendBytes(this, this.#out, bytes, start, end);
  }

  writeEnd(trailers: string[] | undefined): void {
    if (this.#phase === Phase.Closed || this.#requestEnded) return;
    if (this.#requestFraming === Framing.Chunked) {
      appendText(this, this.#out, trailers === undefined ? '0\r\n\r\n' : `0\r\n${fieldText(trailers)}\r\n`);
    }
    this.#requestEnded = true;
    if (this.#responseEnded) this.#release();
  }

  flush(): boolean {
    this.bytesWritten += flushOutput(this, this.#out);
    return !this.#out.pending;
  }

  resetStream(): void {
    this.close();
  }

  pauseResponse(): void {
    if (this.#paused || this.#phase === Phase.Closed) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resumeResponse(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#phase !== Phase.Closed) this.#socket.resume();
  }

  // BodySink

  onBody(bytes: Buffer, start: number, end: number): void {
    this.#receiver?.onResponseBody(bytes, start, end);
  }

  onBodyEnd(trailers: string[] | undefined): void {
    this.#endResponse(trailers);
  }

  #process(bytes: Buffer, length: number): void {
    let i = 0;
    while (i < length && i >= 0) {
      if (this.#phase === Phase.Head) i = this.#readHead(bytes, i, length);
      else if (this.#phase === Phase.Body) i = this.#readBody(bytes, i, length);
      else {
        // Bytes behind a finished answer: never relayed, the connection is not used again.
        this.close();
        return;
      }
    }
  }

  #readHead(bytes: Buffer, start: number, end: number): number {
    const head = this.#head;
    const next = head.take(bytes, start, end);
    if ((next < 0 ? (head.partial?.length ?? 0) : head.length) > MAX_RESPONSE_HEAD_BYTES) return this.#protocolError();
    return next < 0 ? end : this.#takeHead(head, next);
  }

  #takeHead(head: HeadBuffer, next: number): number {
    if (parseResponseHead(head, this.#method, parsed) !== undefined) return this.#protocolError();
    const { status, bodyLength } = parsed;
    const receiver = this.#receiver as ResponseReceiver;
    // Nobody asked for an upgrade, so a 101 is a broken upstream (stricter than Envoy, D.2 row 18).
    if (status === 101) return this.#protocolError();
    if (status < 200) {
      if (++this.#informational > MAX_INFORMATIONAL) return this.#protocolError();
      receiver.onInformational(status, new HeaderList(parsed.fields.items));
      return next;
    }
    this.#reusable = parsed.reusable;
    this.idleHintMs = keepAliveHint(parsed.fields);
    const response: ResponseHead = { status, headers: new HeaderList(parsed.fields.items) };
    this.#phase = Phase.Body;
    if (bodyLength !== 0) this.#body.start(bodyLength);
    receiver.onResponseHead(response, this.#framing(status, bodyLength), parsed.fields.seen);
    if (bodyLength === 0 && this.#phase === Phase.Body) this.#endResponse(undefined);
    return next;
  }

  #framing(status: number, bodyLength: number): number {
    if (bodyLength > 0) return bodyLength;
    if (bodyLength < 0) return Framing.Chunked;
    if (status === 204) return Framing.None;
    return parsed.declaredLength ?? (status === 304 || this.#method === 'HEAD' ? Framing.None : 0);
  }

  #readBody(bytes: Buffer, start: number, end: number): number {
    const next = this.#body.read(bytes, start, end, this);
    return next >= 0 ? next : this.#protocolError();
  }

  #endResponse(trailers: string[] | undefined): void {
    const receiver = this.#receiver;
    this.#responseEnded = true;
    this.#receiver = undefined;
    this.#phase = Phase.Idle;
    if (this.#requestEnded) this.#releaseDue = true;
    // An answer before the end of the request: the rest of the body has nowhere to go.
    else this.close();
    receiver?.onResponseEnd(trailers);
  }

  #release(): void {
    this.#releaseDue = false;
    if (this.#phase === Phase.Closed) return;
    if (!this.#reusable || this.#out.pending) {
      this.close();
      return;
    }
    this.resumeResponse();
    this.#owner.onIdle(this);
  }

  #protocolError(): number {
    this.#fail('protocol_error');
    return -1;
  }

  #onEnd(): void {
    this.#clock.tick();
    if (this.#phase === Phase.Body && this.#body.untilClose) {
      const receiver = this.#receiver;
      this.#endResponse(undefined);
      receiver?.onResponseReadDone();
      this.#release();
      return;
    }
    this.#fail('connection_termination');
  }

  /** The connection broke: before an answer began a termination, inside its head or body a protocol error (Envoy). */
  #fail(reason: UpstreamReset): void {
    if (this.#phase === Phase.Closed) return;
    this.#clock.tick();
    const receiver = this.#receiver;
    if (receiver !== undefined && reason === 'connection_termination') this.cutBy = 'remote';
    const begun = this.#phase === Phase.Body || this.#head.partial !== undefined;
    this.close();
    receiver?.onResponseReset(begun && reason === 'connection_termination' ? 'protocol_error' : reason);
  }
}
