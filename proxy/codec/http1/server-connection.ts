/** Downstream HTTP/1.1: bytes of one accepted connection to requests, responses back to bytes, one at a time and in order. */

import type { Socket } from 'node:net';
import type { EventClock } from '../../base/event-clock.ts';
import { httpDate } from '../../base/http-date.ts';
import { SocketWriter } from '../../base/socket.ts';
import type { ConnectionFacts } from '../../stream/connection-facts.ts';
import type { HeaderList } from '../../stream/header-list.ts';
import type { ResponseHead } from '../../stream/stream.ts';
import { Framing, type ByteSink, type DownstreamReset, type OriginalDestination, type RequestReceiver, type ResponseWriter, type ServerCodecOwner } from '../codec.ts';
import { appendBytes, appendText, dropOutput, flushOutput, hasOutput, type OutputOwner } from '../output.ts';
import { BodyReader, type BodySink } from './body-reader.ts';
import { capturedDestination, looksLikeHttp } from './captured.ts';
import { ConnectionAddresses } from './connection-addresses.ts';
import { factsOf, requestOf } from './delivery.ts';
import { HeadBuffer } from './head-buffer.ts';
import { CODEC_ERROR, HEADERS_TOO_LARGE, HEADER_TIMEOUT, type ParseError } from './parse-error.ts';
import { Pause, ReadPauses } from './read-pauses.ts';
import { MAX_REQUEST_HEAD_BYTES, ParsedRequest, checkPartialHead, parseRequestHead } from './request-head.ts';
import { codecErrorText, fieldText, responseHeadText, statusLine } from './serialize.ts';
import type { ServerConnectionTimeouts } from './server-timeouts.ts';

const Phase = { Head: 0, Body: 1, Wait: 2, Closing: 3, Closed: 4, Other: 5 } as const;

/** Requests that may wait behind the one being answered, in bytes; past it the socket is not read. */
const PIPELINE_LIMIT_BYTES = 64 * 1024;
/** After an answer with `connection: close` the peer's bytes are discarded this long before the connection is cut (Envoy's delayed close). */
const DELAYED_CLOSE_MS = 1000;
/** Bytes discarded during that time at the most. */
const DISCARD_LIMIT_BYTES = 1024 * 1024;
/** An idle connection that has carried requests is not cut under the next one: for this long that is still answered (Envoy's drain and delayed close). */
const IDLE_DRAIN_MS = 6000;

const parsed = new ParsedRequest();

export class Http1ServerConnection implements ResponseWriter, OutputOwner, BodySink {
  readonly facts: ConnectionFacts | undefined;
  readonly isSecure: boolean;
  originalDestination: OriginalDestination | undefined;
  /** Body and head bytes, both directions, for the listener's counters. */
  bytesRead = 0;
  bytesWritten = 0;

  readonly #socket: Socket;
  readonly #out: SocketWriter;
  readonly #owner: ServerCodecOwner;
  readonly #clock: EventClock;
  readonly #body: BodyReader = new BodyReader();
  #known: ConnectionAddresses | ConnectionFacts | undefined;
  #phase: number = Phase.Head;
  #receiver: RequestReceiver | undefined;
  readonly #head: HeadBuffer = new HeadBuffer(true);
  /** Requests that came before the one under way was answered. */
  #pipelined: Buffer | undefined;
  readonly #pauses: ReadPauses;
  #processing = false;
  #responseStarted = false;
  #responseEnded = true;
  #requestEnded = true;
  #responseFraming: number = Framing.None;
  #isHead = false;
  #close = false;
  /** It was idle for too long: the next answer is the last. */
  #expired = false;
  #discarded = 0;
  /** The first bytes of a captured connection are still to come: they tell its protocol. */
  #sniffing: boolean;
  #other: ByteSink | undefined;
  #noDelay = false;
  /** Monotonic time of the last progress in the phase that a timeout watches. */
  #progressMs: number;

  /** `facts`: of a connection that the listener has looked at; their addresses hold instead of the socket's. */
  constructor(socket: Socket, owner: ServerCodecOwner, clock: EventClock, facts?: ConnectionFacts) {
    this.facts = facts;
    this.isSecure = facts?.security !== undefined;
    this.originalDestination = facts?.originalDestination;
    this.#sniffing = this.originalDestination !== undefined && owner.capturesConnect;
    this.#socket = socket;
    this.#owner = owner;
    this.#clock = clock;
    this.#progressMs = clock.now();
    this.#pauses = new ReadPauses(socket);
    this.#out = new SocketWriter(socket, () => this.#onDrain());
    socket.on('end', () => this.#onEnd());
    socket.on('error', () => this.#onGone());
    socket.on('close', () => this.#onGone());
  }

  get localAddress(): string {
    return this.#addresses().localAddress;
  }

  get remoteAddress(): string {
    return this.#addresses().remoteAddress;
  }

  get remoteIp(): string {
    return this.#addresses().remoteIp;
  }

  /** One read's bytes, in a buffer that is reused after the call. */
  onRead(bytes: Buffer, length: number): void {
    this.#clock.tick();
    this.bytesRead += length;
    this.#process(bytes, 0, length);
    if (this.#phase === Phase.Body) this.#receiver?.onRequestReadDone();
    this.#flushIfPending();
  }

  /** Called about once a second: applies the timeouts that must hold against slow peers. */
  sweep(now: number, timeouts: ServerConnectionTimeouts): void {
    const silence = now - this.#progressMs;
    switch (this.#phase) {
      case Phase.Head:
        if (this.#head.partial === undefined) this.#endIdle(silence - timeouts.idleMs);
        else if (silence > timeouts.headerMs) this.#refuse(HEADER_TIMEOUT);
        return;
      case Phase.Body:
        if (this.#pauses.any) this.#pauses.probe(this.#out);
        else if (silence > timeouts.stallMs) this.#abort('timeout');
        return;
      case Phase.Wait:
        if (this.#pauses.any) this.#pauses.probe(this.#out);
        if (this.#out.pending && silence > timeouts.stallMs) this.#abort('timeout');
        else if (!this.#out.pending) this.#progressMs = now;
        return;
      case Phase.Closing:
        // What the peer has not taken yet is the end of its answer; its time begins when all of it has left.
        if (silence > (this.#out.pending ? timeouts.stallMs : DELAYED_CLOSE_MS)) this.#destroy();
        return;
      default:
    }
  }

  #endIdle(overdueMs: number): void {
    if (overdueMs <= 0) return;
    this.#expired = true;
    if (this.bytesWritten === 0 || overdueMs > IDLE_DRAIN_MS) this.#destroy();
  }

  /** Closes when idle; a busy connection closes after its response (draining), and so does one idle for less than `spareMs`. */
  drain(spareMs = 0): void {
    const idle = this.#phase === Phase.Head && this.#head.partial === undefined;
    if (idle && this.#clock.now() - this.#progressMs >= spareMs) this.#destroy();
    else this.#close = true;
  }

  /** Cuts the connection now. */
  destroy(): void {
    this.#abort('local');
  }

  // ResponseWriter

  writeInformational(status: number, headers: HeaderList): void {
    if (this.#responseStarted || this.#phase >= Phase.Closing) return;
    appendText(this, this.#out, `${statusLine(status)}${fieldText(headers.items)}\r\n`);
  }

  writeHead(head: ResponseHead, framing: number): void {
    if (this.#phase >= Phase.Closing) return;
    this.#responseStarted = true;
    this.#responseFraming = framing;
    if (!this.#requestEnded || this.#owner.draining) this.#close = true;
    appendText(this, this.#out, responseHeadText(head.status, head.headers.items, framing, this.#close));
  }

  writeBody(bytes: Buffer, start: number, end: number): void {
    if (this.#isHead || this.#phase >= Phase.Closing) return;
    if (this.#responseFraming === Framing.Chunked) {
      appendText(this, this.#out, `${(end - start).toString(16)}\r\n`);
      appendBytes(this, this.#out, bytes, start, end);
      appendText(this, this.#out, '\r\n');
      return;
    }
    appendBytes(this, this.#out, bytes, start, end);
  }

  writeEnd(trailers: string[] | undefined): void {
    if (this.#phase >= Phase.Closing) return;
    if (this.#responseFraming === Framing.Chunked && !this.#isHead) {
      appendText(this, this.#out, trailers === undefined ? '0\r\n\r\n' : `0\r\n${fieldText(trailers)}\r\n`);
    }
    this.#responseEnded = true;
    this.#finishExchange();
  }

  flush(): boolean {
    if (hasOutput(this)) this.#beforeWrite();
    this.bytesWritten += flushOutput(this, this.#out);
    return !this.#out.pending;
  }

  resetStream(): void {
    this.#receiver = undefined;
    // What was relayed so far must leave before the cut, else the peer cannot tell how far the answer came.
    flushOutput(this, this.#out);
    this.#destroy();
  }

  pauseRequest(): void {
    this.#pauses.add(Pause.Backpressure);
  }

  resumeRequest(): void {
    this.#resume(Pause.Backpressure);
  }

  closeAfterResponse(): void {
    this.#close = true;
  }

  // BodySink

  onBody(bytes: Buffer, start: number, end: number): void {
    this.#receiver?.onRequestBody(bytes, start, end);
  }

  onBodyEnd(trailers: string[] | undefined): void {
    this.#requestEnded = true;
    if (this.#phase === Phase.Body) this.#phase = Phase.Wait;
    this.#receiver?.onRequestEnd(trailers);
  }

  #process(bytes: Buffer, start: number, end: number): void {
    this.#processing = true;
    let i = start;
    while (i < end && i >= 0) {
      if (this.#phase === Phase.Head) i = this.#readHead(bytes, i, end);
      else if (this.#phase === Phase.Body) i = this.#readBody(bytes, i, end);
      else if (this.#phase === Phase.Wait) i = this.#keepPipelined(bytes, i, end);
      else if (this.#phase === Phase.Other) {
        this.#other?.onBytes(bytes, i, end);
        i = end;
      } else i = this.#discard(end - i, end);
    }
    this.#processing = false;
  }

  /** Parses one head; returns the position after it, `end` with the bytes kept when it is incomplete, -1 when refused. */
  #readHead(bytes: Buffer, from: number, end: number): number {
    const head = this.#head;
    if (this.#sniffing && head.partial === undefined && !looksLikeHttp(bytes, from, end)) return this.#startOther(from);
    const begun = head.partial !== undefined;
    const next = head.take(bytes, from, end);
    if (next >= 0) return this.#takeHead(head, next);
    if (head.partial === undefined) return end;
    if (!begun) this.#progressMs = this.#clock.now();
    const error = checkPartialHead(head.partial, head.keptBefore);
    if (error === undefined) return end;
    this.#refuse(error);
    return -1;
  }

  /** Delivers a complete head; returns `next`, or -1 when it was refused. */
  #takeHead(head: HeadBuffer, next: number): number {
    const error = head.length > MAX_REQUEST_HEAD_BYTES ? HEADERS_TOO_LARGE : parseRequestHead(head, parsed);
    if (error !== undefined) {
      this.#refuse(error);
      return -1;
    }
    this.#sniffing = false;
    this.#addresses();
    if (parsed.method === 'CONNECT' && this.#owner.capturesConnect && this.originalDestination === undefined) {
      this.#capture(parsed.authority);
      return next;
    }
    const { bodyLength } = parsed;
    this.#close = parsed.connection.close || this.#expired;
    this.#isHead = parsed.method === 'HEAD';
    this.#responseStarted = false;
    this.#responseEnded = false;
    this.#requestEnded = bodyLength === 0;
    this.#phase = bodyLength === 0 ? Phase.Wait : Phase.Body;
    if (bodyLength !== 0) this.#body.start(bodyLength);
    const receiver = this.#owner.onRequest(this, requestOf(parsed), factsOf(parsed));
    if (!this.#responseEnded) this.#receiver = receiver;
    if (bodyLength === 0) receiver.onRequestEnd(undefined);
    return next;
  }

  /** CONNECT: what follows is treated as a connection captured on its way to `authority`. */
  #capture(authority: string): void {
    this.originalDestination = capturedDestination(authority);
    appendText(this, this.#out, 'HTTP/1.1 200 OK\r\n\r\n');
    this.flush();
    this.#other = this.#owner.capture?.(this.#socket, this.originalDestination);
    if (this.#other !== undefined) this.#phase = Phase.Other;
    else this.#sniffing = true;
  }

  #startOther(start: number): number {
    this.#sniffing = false;
    this.#phase = Phase.Other;
    this.#other = this.#owner.onOtherProtocol(this, this.#socket, this.originalDestination as OriginalDestination);
    return start;
  }

  #readBody(bytes: Buffer, start: number, end: number): number {
    const next = this.#body.read(bytes, start, end, this);
    this.#progressMs = this.#clock.now();
    if (next >= 0) return next;
    this.#failBody(this.#body.error ?? CODEC_ERROR);
    return -1;
  }

  /** Bad chunk syntax: the half-sent upstream request is cut without its last chunk, the downstream gets the reply if it can. */
  #failBody(error: ParseError): void {
    const receiver = this.#receiver;
    const replied = this.#responseStarted;
    this.#receiver = undefined;
    if (replied) this.#destroy();
    else this.#sendRefusal(codecErrorText(error, httpDate(this.#clock)));
    receiver?.onRequestReset('protocol', error);
  }

  #keepPipelined(bytes: Buffer, start: number, end: number): number {
    const fresh = bytes.subarray(start, end);
    this.#pipelined = this.#pipelined === undefined ? Buffer.from(fresh) : Buffer.concat([this.#pipelined, fresh]);
    if (this.#pipelined.length > PIPELINE_LIMIT_BYTES) this.#pauses.add(Pause.Pipeline);
    return end;
  }

  #discard(count: number, end: number): number {
    this.#discarded += count;
    if (this.#discarded > DISCARD_LIMIT_BYTES) this.#destroy();
    return end;
  }

  /** Both halves may be done: on to the next request, or close. */
  #finishExchange(): void {
    this.#receiver = undefined;
    if (!this.#requestEnded) this.#close = true;
    if (this.#close) {
      this.#closeGracefully();
      return;
    }
    this.#phase = Phase.Head;
    this.#progressMs = this.#clock.now();
    // Whoever held this request's body back is gone; the next request must not wait for him.
    this.#resume(Pause.Backpressure);
    if (this.#pipelined === undefined || this.#processing) return;
    queueMicrotask(() => this.#processPipelined());
  }

  #processPipelined(): void {
    const bytes = this.#pipelined;
    if (bytes === undefined || this.#phase !== Phase.Head) return;
    this.#pipelined = undefined;
    this.#resume(Pause.Pipeline);
    this.#process(bytes, 0, bytes.length);
    if ((this.#phase as number) === Phase.Body) this.#receiver?.onRequestReadDone();
    this.#flushIfPending();
  }

  #beforeWrite(): void {
    this.#progressMs = this.#clock.now();
    // Nagle's delay can only hit a second write, so a connection of one answer is spared the system call.
    if (this.bytesWritten === 0 || this.#noDelay) return;
    this.#noDelay = true;
    this.#socket.setNoDelay(true);
  }

  #flushIfPending(): void {
    if (hasOutput(this)) this.flush();
  }

  #closeGracefully(): void {
    this.#phase = Phase.Closing;
    this.#pipelined = undefined;
    this.#head.clear();
    this.#progressMs = this.#clock.now();
    this.flush();
    if (this.#socket.destroyed) return;
    // Everything read and everything written: a plain close says FIN and costs least.
    if (this.#requestEnded && !this.#out.pending && !this.#out.secure && !this.#processing) {
      this.#destroy();
      return;
    }
    this.#pauses.clear();
    this.#socket.end();
  }

  /** Answers a head that is none by itself and closes. */
  #refuse(error: ParseError): void {
    const text = codecErrorText(error, httpDate(this.#clock));
    this.#sendRefusal(text);
    this.#owner.onCodecError(this, error, text.length - text.indexOf('\r\n\r\n') - 4);
  }

  #sendRefusal(text: string): void {
    appendText(this, this.#out, text);
    this.#requestEnded = false;
    this.#closeGracefully();
  }

  /** FIN behind a complete request is a disconnect, as in Envoy: nobody waits for the answer. Other protocols half-close. */
  #onEnd(): void {
    if (this.#phase === Phase.Other) this.#other?.onEnd();
    else this.#onGone();
  }

  #onDrain(): void {
    this.#clock.tick();
    this.#progressMs = this.#clock.now();
    this.#receiver?.onDownstreamDrain();
  }

  #onGone(): void {
    if (this.#phase === Phase.Closed) return;
    this.#clock.tick();
    this.#abort('remote');
  }

  #abort(reason: DownstreamReset): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.#destroy();
    receiver?.onRequestReset(reason);
  }

  /** Asked for with the first request: a line about it may be written after the socket is gone. */
  #addresses(): ConnectionAddresses | ConnectionFacts {
    return (this.#known ??= this.facts ?? new ConnectionAddresses(this.#socket));
  }

  #destroy(): void {
    if (this.#phase === Phase.Closed) return;
    this.#phase = Phase.Closed;
    this.#pipelined = undefined;
    dropOutput(this);
    this.#socket.destroy();
    const other = this.#other;
    this.#other = undefined;
    other?.onGone();
    this.#owner.onConnectionClosed(this);
  }

  #resume(reason: number): void {
    if (this.#phase !== Phase.Closed && this.#pauses.remove(reason)) this.#progressMs = this.#clock.now();
  }
}
