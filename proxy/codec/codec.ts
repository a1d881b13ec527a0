/**
 * The codec interface: what a wire format offers to the connection manager (downstream) and to the router (upstream).
 * Events in, writes out. Bytes are passed as `(bytes, start, end)` into a buffer that is reused after the call.
 * Writes are gathered: whoever wrote during an event calls `flush` before it returns.
 */

import type { Socket } from 'node:net';
import type { ConnectionFacts, Destination } from '../stream/connection-facts.ts';
import type { HeaderList } from '../stream/header-list.ts';
import type { RequestHead, ResponseHead } from '../stream/stream.ts';
import type { ParseError } from './http1/parse-error.ts';

/** Body framing: a byte count, or one of these. */
export const Framing = {
  /** A body of unknown length. */
  Chunked: -1,
  /** No body and no length (204, 304, a request without either). */
  None: -2,
} as const;

/** Facts of a request head that are not headers. One object is reused: read it during `onRequest`. */
export interface RequestFacts {
  /** Bits of `Seen` in field-lines.ts. */
  readonly seen: number;
  /** Bytes, Framing.Chunked or Framing.None. */
  readonly framing: number;
  /** The downstream asked for this protocol with `Connection: upgrade`, lower case. */
  readonly upgrade: string | undefined;
  /** `TE: trailers`. */
  readonly trailersAccepted: boolean;
  /** No Host and no absolute-form target. */
  readonly missingAuthority: boolean;
}

/** Why a stream died on the downstream side. */
export type DownstreamReset = 'remote' | 'protocol' | 'timeout' | 'local';

/** One request, as its codec sees the consumer. */
export interface RequestReceiver {
  onRequestBody(bytes: Buffer, start: number, end: number): void;
  onRequestEnd(trailers: string[] | undefined): void;
  /** All that one read delivered has been passed on: write it upstream. */
  onRequestReadDone(): void;
  /** The request will not be completed and no response can be delivered. */
  onRequestReset(reason: DownstreamReset, error?: ParseError): void;
  /** The downstream takes response bytes again. */
  onDownstreamDrain(): void;
}

/** The response side of one request. */
export interface ResponseWriter {
  /** A 1xx other than 101. */
  writeInformational(status: number, headers: HeaderList): void;
  /** `framing`: bytes of the body to come, Framing.Chunked or Framing.None; for HEAD the length to declare. */
  writeHead(head: ResponseHead, framing: number): void;
  writeBody(bytes: Buffer, start: number, end: number): void;
  /** The response is complete. */
  writeEnd(trailers: string[] | undefined): void;
  /** Sends what was written. False: stop until `onDownstreamDrain`. */
  flush(): boolean;
  /** Cuts the response: the downstream must not take it for complete. */
  resetStream(): void;
  /** Stops and restarts delivery of the request body. */
  pauseRequest(): void;
  resumeRequest(): void;
  /** Answer with `connection: close` and end the connection after this response. */
  closeAfterResponse(): void;
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** Address alone, without port. */
  readonly remoteIp: string;
  readonly isSecure: boolean;
  /** What the listener learned of the connection before it handed it over; undefined on plain listeners. */
  readonly facts: ConnectionFacts | undefined;
  /** Where the connection was going before it was captured; undefined without interception. */
  readonly originalDestination: OriginalDestination | undefined;
}

/** A destination as the downstream named or dialled it. */
export type OriginalDestination = Destination;

/** Takes the bytes of a connection that turned out not to be HTTP. */
export interface ByteSink {
  onBytes(bytes: Buffer, start: number, end: number): void;
  /** FIN from the downstream. */
  onEnd(): void;
  /** The downstream connection is gone. */
  onGone(): void;
}

/** Who makes a receiver for each request of a downstream connection. */
export interface ServerCodecOwner {
  onRequest(writer: ResponseWriter, request: RequestHead, facts: RequestFacts): RequestReceiver;
  /** A head the codec refused; it answers by itself, this is for log and counters. */
  onCodecError(writer: ResponseWriter, error: ParseError, bytesSent: number): void;
  onConnectionClosed(connection: unknown): void;
  /** True where CONNECT stands for a captured connection (sidecar outbound without interception). */
  readonly capturesConnect: boolean;
  /** Takes over a connection just captured whose destination speaks no HTTP, before its first byte; undefined where the first bytes are to tell. */
  capture?(socket: Socket, destination: OriginalDestination): ByteSink | undefined;
  /** A captured connection whose first bytes are not HTTP. */
  onOtherProtocol(writer: ResponseWriter, socket: Socket, destination: OriginalDestination): ByteSink;
  /** True when answers must carry `connection: close`. */
  readonly draining: boolean;
}

/** Why an upstream stream died; `connection_termination` and `protocol_error` are Envoy's detail words. */
export type UpstreamReset = 'connection_termination' | 'protocol_error' | 'remote_reset' | 'local_reset';

/** One response, as its codec sees the consumer. */
export interface ResponseReceiver {
  onInformational(status: number, headers: HeaderList): void;
  /** `framing`: bytes, Framing.Chunked or Framing.None; for an answer to HEAD the declared length. */
  onResponseHead(head: ResponseHead, framing: number, seen: number): void;
  onResponseBody(bytes: Buffer, start: number, end: number): void;
  onResponseEnd(trailers: string[] | undefined): void;
  onResponseReadDone(): void;
  onResponseReset(reason: UpstreamReset): void;
  /** The upstream takes request bytes again. */
  onUpstreamDrain(): void;
}

/** The request side of one upstream stream. */
export interface RequestWriter {
  writeBody(bytes: Buffer, start: number, end: number): void;
  writeEnd(trailers: string[] | undefined): void;
  /** Sends what was written. False: stop until `onUpstreamDrain`. */
  flush(): boolean;
  /** Gives the stream up; the receiver hears nothing more. */
  resetStream(): void;
  pauseResponse(): void;
  resumeResponse(): void;
}
