/** One attempt at one host, to the end of its answer: connect, send, relay, replay the keep-alive race. */

import { Framing, type RequestWriter, type ResponseReceiver, type UpstreamReset } from '../codec/codec.ts';
import type { Http1ClientConnection } from '../codec/http1/client-connection.ts';
import type { HeaderList } from '../stream/header-list.ts';
import type { LocalReply } from '../stream/local-reply.ts';
import type { RequestHead, ResponseHead } from '../stream/stream.ts';
import type { StreamInfo } from '../stream/stream-info.ts';
import { httpStatusOfGrpc, isGrpcRequest } from '../telemetry/grpc-status.ts';
import type { PeerMetadata } from '../telemetry/peer-metadata.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { ConnectFailure } from '../upstream/connector.ts';
import type { Host } from '../upstream/host.ts';
import type { Http1Pool, PoolWaiter } from '../upstream/http1-pool.ts';
import type { LocalOriginFailure, OutlierSink } from '../upstream/outlier.ts';
import { forgetIntroduction, introduce } from './peer-exchange.ts';
import { mayReplay } from './replay.ts';
import type { AttemptFailure } from './retry.ts';
import { connectFailureReply, lateReset, OVERFLOW, resetReply } from './upstream-reply.ts';

/** Body bytes that wait for the connection before the downstream is paused: as many as Envoy buffers. */
const EARLY_LIMIT_BYTES = 1024 * 1024;

const CONNECT_FAILURES: Readonly<Record<ConnectFailure['kind'], AttemptFailure>> = {
  remote_connection_failure: 'connect_failure',
  connection_timeout: 'connect_timeout',
  own_listener: 'refused',
};

/** What outlier detection is told; what the proxy itself refused says nothing about the host. */
const LOCAL_ORIGIN: Readonly<Partial<Record<AttemptFailure, LocalOriginFailure>>> = {
  connect_failure: 'connect_failure',
  connect_timeout: 'connect_timeout',
  reset: 'reset',
  refused_stream: 'reset',
};

/** The stream this request is made for, as the router sees it. */
export interface UpstreamRequestOwner {
  readonly request: RequestHead;
  readonly info: StreamInfo;
  /** Bytes, Framing.Chunked or Framing.None. */
  readonly requestFraming: number;
  readonly trailersAccepted: boolean;
  /** What peers of the mesh are told of this workload; absent: nothing. */
  readonly ownMetadata?: PeerMetadata | undefined;
  /** The attempt has a connection and its head is on the way. */
  onUpstreamConnected(): void;
  onUpstreamInformational(status: number, headers: HeaderList): void;
  /** True: the answer is given up, because the request is tried again. */
  onUpstreamHead(head: ResponseHead, framing: number, seen: number): boolean;
  onUpstreamBody(bytes: Buffer, start: number, end: number): void;
  onUpstreamEnd(trailers: string[] | undefined): void;
  /** Writes out what was relayed; false: stop until `resumeResponse`. */
  flushDownstream(): boolean;
  /** No response came; the reply says why. True: the request is tried again. */
  onUpstreamFailure(reply: LocalReply, failure: AttemptFailure): boolean;
  /** The response broke off after its head. */
  onUpstreamCut(flags: number, details: string): void;
  pauseRequest(): void;
  resumeRequest(): void;
}

export class UpstreamRequest implements ResponseReceiver, PoolWaiter {
  readonly #owner: UpstreamRequestOwner;
  readonly #cluster: Cluster;
  readonly #host: Host;
  readonly #pool: Http1Pool;
  #connection: Http1ClientConnection | undefined;
  /** Body bytes that came before the connection did. */
  #early: Buffer[] | undefined;
  #earlyBytes = 0;
  #bodyBytesWritten = 0;
  /** Something of the request was put on a connection. */
  #sent = false;
  #admitted = false;
  #starting = false;
  #requestEnded = false;
  #trailers: string[] | undefined;
  #headReceived = false;
  #status = 0;
  #replays = 0;
  #done = false;

  constructor(owner: UpstreamRequestOwner, cluster: Cluster, host: Host) {
    this.#owner = owner;
    this.#cluster = cluster;
    this.#host = host;
    this.#pool = host.poolFor(owner.request.authority, owner.info.downstream);
    host.activeRequests++;
    host.stats.rqTotal++;
    host.stats.rqActive++;
    cluster.stats.upstreamRqTotal++;
    cluster.stats.upstreamRqActive++;
  }

  get sent(): boolean {
    return this.#sent;
  }

  /** It has a connection. */
  get connected(): boolean {
    return this.#connection !== undefined;
  }

  /** May end at once, in an overflow. */
  start(): void {
    const idle = this.#pool.take();
    if (idle === undefined) {
      this.#waitForConnection();
      return;
    }
    this.#starting = true;
    this.onConnection(idle);
    this.#starting = false;
  }

  // Request side, from the downstream

  sendBody(bytes: Buffer, start: number, end: number): void {
    const connection = this.#connection;
    if (connection === undefined) {
      (this.#early ??= []).push(Buffer.from(bytes.subarray(start, end)));
      this.#earlyBytes += end - start;
      if (this.#earlyBytes >= EARLY_LIMIT_BYTES) this.#owner.pauseRequest();
      return;
    }
    this.#bodyBytesWritten += end - start;
    connection.writeBody(bytes, start, end);
  }

  sendEnd(trailers: string[] | undefined): void {
    this.#requestEnded = true;
    this.#trailers = trailers;
    const connection = this.#connection;
    if (connection === undefined) return;
    connection.writeEnd(trailers);
    this.#flushUpstream(connection);
  }

  flush(): void {
    if (this.#connection !== undefined) this.#flushUpstream(this.#connection);
  }

  /** Body bytes that never reached a connection, for the next attempt. */
  takeEarly(): readonly Buffer[] {
    const early = this.#early ?? [];
    this.#early = undefined;
    return early;
  }

  resumeResponse(): void {
    this.#connection?.resumeResponse();
  }

  /** The attempt took too long: the host is held to account for it. */
  timeOut(): void {
    if (this.#done) return;
    this.#host.stats.rqTimeout++;
    this.#cluster.outlier?.onLocalFailure(this.#host, 'timeout');
    this.cancel();
  }

  /** Gives up: the downstream left, or the request has its answer. */
  cancel(): void {
    if (this.#done) return;
    const connection = this.#connection;
    this.#finish();
    if (connection === undefined) this.#pool.giveUp(this);
    else {
      this.#cluster.stats.upstreamRqTxReset++;
      connection.resetStream();
    }
  }

  // PoolWaiter

  onConnection(connection: Http1ClientConnection): void {
    const owner = this.#owner;
    if (!this.#admitted && !this.#cluster.breaker.admitRequest()) {
      this.#cluster.stats.upstreamRqActiveOverflow++;
      this.#pool.onIdle(connection);
      this.#fail(OVERFLOW, 'overflow');
      return;
    }
    this.#admitted = true;
    this.#sent = true;
    this.#connection = connection;
    this.#cluster.outlier?.onConnected(this.#host);
    owner.info.upstreamConnection = connection;
    owner.info.upstreamSecurity = connection.security;
    if (connection.security !== undefined || owner.info.attemptCount > 1) {
      introduce(owner.request.headers, connection.security, this.#cluster.config.tls, owner.ownMetadata, owner.info.attemptCount > 1);
    }
    connection.start(this, owner.request, owner.requestFraming, owner.trailersAccepted);
    owner.onUpstreamConnected();
    const early = this.#early;
    if (early !== undefined) {
      this.#early = undefined;
      for (const chunk of early) this.sendBody(chunk, 0, chunk.length);
      owner.resumeRequest();
    }
    if (this.#requestEnded) this.sendEnd(this.#trailers);
    // While the event that brought the request is still being read, its end or its body leaves in the same write.
    else if (!this.#starting) this.#flushUpstream(connection);
  }

  onConnectFailure(failure: ConnectFailure): void {
    const { info } = this.#owner;
    info.transportFailureReason = failure.reason === '' ? undefined : failure.reason;
    info.transportFailureSentence = failure.sentence;
    this.#fail(connectFailureReply(failure), CONNECT_FAILURES[failure.kind]);
  }

  // ResponseReceiver

  onInformational(status: number, headers: HeaderList): void {
    this.#owner.onUpstreamInformational(status, headers);
  }

  onResponseHead(head: ResponseHead, framing: number, seen: number): void {
    this.#headReceived = true;
    this.#status = head.status;
    forgetIntroduction(head.headers, seen);
    const { outlier } = this.#cluster;
    if (outlier !== undefined) this.#reportStatus(outlier, head);
    if (this.#owner.onUpstreamHead(head, framing, seen)) this.#giveUpAnswer(framing);
  }

  onResponseBody(bytes: Buffer, start: number, end: number): void {
    this.#owner.onUpstreamBody(bytes, start, end);
  }

  onResponseEnd(trailers: string[] | undefined): void {
    if (this.#done) return;
    this.#countStatus();
    this.#finish();
    this.#owner.onUpstreamEnd(trailers);
  }

  onResponseReadDone(): void {
    if (!this.#owner.flushDownstream() && !this.#done) this.#connection?.pauseResponse();
  }

  onResponseReset(reason: UpstreamReset): void {
    const connection = this.#connection as Http1ClientConnection;
    this.#connection = undefined;
    if (this.#done) return;
    if (this.#headReceived) {
      this.#cluster.stats.upstreamRqRxReset++;
      const { flags, details } = lateReset(reason);
      this.#cluster.outlier?.onLocalFailure(this.#host, 'reset');
      this.#finish();
      this.#owner.onUpstreamCut(flags, details);
      return;
    }
    if (reason === 'connection_termination' && this.#replay(connection)) return;
    if (reason === 'protocol_error') this.#cluster.stats.upstreamCxProtocolError++;
    this.#cluster.stats.upstreamRqRxReset++;
    this.#fail(resetReply(reason), 'reset');
  }

  onUpstreamDrain(): void {
    this.#owner.resumeRequest();
  }

  /** True when the request was sent again: the server closed an idle connection just as we wrote to it. */
  #replay(connection: Http1ClientConnection): boolean {
    const attempt = {
      reused: connection.requests > 1,
      answered: connection.answered,
      method: this.#owner.request.method,
      hasBody: this.#owner.requestFraming > 0 || this.#owner.requestFraming === Framing.Chunked,
      bodyBytesWritten: this.#bodyBytesWritten,
      replays: this.#replays,
    };
    if (!mayReplay(attempt)) return false;
    this.#replays++;
    this.#cluster.stats.upstreamRqReplayed++;
    this.#waitForConnection();
    return true;
  }

  #flushUpstream(connection: RequestWriter): void {
    if (!connection.flush()) this.#owner.pauseRequest();
  }

  #waitForConnection(): void {
    if (this.#pool.wait(this)) return;
    // Nothing of it reached a host (Envoy logs none).
    this.#owner.info.host = undefined;
    this.#fail(OVERFLOW, 'overflow');
  }

  #fail(reply: LocalReply, failure: AttemptFailure): void {
    if (this.#done) return;
    this.#finish();
    const local = LOCAL_ORIGIN[failure];
    if (local !== undefined) this.#cluster.outlier?.onLocalFailure(this.#host, local);
    this.#status = reply.status;
    if (this.#owner.onUpstreamFailure(reply, failure)) this.#host.stats.rqError++;
    else this.#countStatus();
  }

  /** A retry follows. An answer with a body is not read to its end; one without leaves its connection in order (Envoy). */
  #giveUpAnswer(framing: number): void {
    this.#host.stats.rqError++;
    const bodiless = framing === 0 || framing === Framing.None;
    if (!bodiless || !this.#requestEnded) this.cancel();
    else this.#finish();
  }

  /** Of a gRPC call its grpc-status counts, where the answer is nothing but that; in trailers it says nothing (Envoy). */
  #reportStatus(outlier: OutlierSink, head: ResponseHead): void {
    const grpcStatus = head.status === 200 && isGrpcRequest(this.#owner) ? head.headers.get('grpc-status') : undefined;
    outlier.onResponse(this.#host, grpcStatus === undefined ? head.status : httpStatusOfGrpc(grpcStatus));
  }

  #countStatus(): void {
    const status = this.#status;
    this.#cluster.countAnswered(status);
    if (status < 500) this.#host.stats.rqSuccess++;
    else this.#host.stats.rqError++;
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    if (this.#admitted) this.#cluster.breaker.releaseRequest();
    this.#host.activeRequests--;
    this.#host.stats.rqActive--;
    this.#cluster.stats.upstreamRqActive--;
  }
}
