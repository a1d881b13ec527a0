/** One request to an upstream, from the chosen host to the end of its answer: connect, send, relay, replay the keep-alive race. */

import { Framing, type RequestWriter, type ResponseReceiver, type UpstreamReset } from '../codec/codec.ts';
import type { Http1ClientConnection } from '../codec/http1/client-connection.ts';
import type { HeaderList } from '../stream/header-list.ts';
import type { LocalReply } from '../stream/local-reply.ts';
import type { RequestHead, ResponseHead } from '../stream/stream.ts';
import type { StreamInfo } from '../stream/stream-info.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { ConnectFailure } from '../upstream/connector.ts';
import type { Host } from '../upstream/host.ts';
import type { PoolWaiter } from '../upstream/http1-pool.ts';
import { mayReplay } from './replay.ts';
import { connectFailureReply, lateReset, resetReply } from './upstream-reply.ts';

/** The stream this request is made for, as the router sees it. */
export interface UpstreamRequestOwner {
  readonly request: RequestHead;
  readonly info: StreamInfo;
  /** Bytes, Framing.Chunked or Framing.None. */
  readonly requestFraming: number;
  readonly trailersAccepted: boolean;
  onUpstreamInformational(status: number, headers: HeaderList): void;
  onUpstreamHead(head: ResponseHead, framing: number, seen: number): void;
  onUpstreamBody(bytes: Buffer, start: number, end: number): void;
  onUpstreamEnd(trailers: string[] | undefined): void;
  /** Writes out what was relayed; false: stop until `resumeResponse`. */
  flushDownstream(): boolean;
  /** No response came; the reply says why. */
  onUpstreamFailure(reply: LocalReply): void;
  /** The response broke off after its head. */
  onUpstreamCut(flags: number, details: string): void;
  pauseRequest(): void;
  resumeRequest(): void;
}

export class UpstreamRequest implements ResponseReceiver, PoolWaiter {
  readonly #owner: UpstreamRequestOwner;
  readonly #cluster: Cluster;
  readonly #host: Host;
  #connection: Http1ClientConnection | undefined;
  /** Body bytes that came before the connection did. */
  #early: Buffer[] | undefined;
  #bodyBytesWritten = 0;
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
    host.activeRequests++;
    host.stats.rqTotal++;
    host.stats.rqActive++;
    cluster.stats.upstreamRqTotal++;
    cluster.stats.upstreamRqActive++;
  }

  start(): void {
    const idle = this.#host.pool.take();
    if (idle === undefined) {
      this.#host.pool.wait(this);
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
      this.#owner.pauseRequest();
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

  resumeResponse(): void {
    this.#connection?.resumeResponse();
  }

  /** Gives up: the downstream left, or a timeout ended the stream. */
  cancel(): void {
    if (this.#done) return;
    const connection = this.#connection;
    this.#finish();
    if (connection === undefined) this.#host.pool.giveUp(this);
    else {
      this.#cluster.stats.upstreamRqTxReset++;
      connection.resetStream();
    }
  }

  // PoolWaiter

  onConnection(connection: Http1ClientConnection): void {
    this.#connection = connection;
    const owner = this.#owner;
    owner.info.upstreamConnection = connection;
    connection.start(this, owner.request, owner.requestFraming, owner.trailersAccepted);
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
    this.#owner.info.transportFailureReason = failure.reason === '' ? undefined : failure.reason;
    this.#fail(connectFailureReply(failure));
  }

  // ResponseReceiver

  onInformational(status: number, headers: HeaderList): void {
    this.#owner.onUpstreamInformational(status, headers);
  }

  onResponseHead(head: ResponseHead, framing: number, seen: number): void {
    this.#headReceived = true;
    this.#status = head.status;
    this.#owner.onUpstreamHead(head, framing, seen);
  }

  onResponseBody(bytes: Buffer, start: number, end: number): void {
    this.#owner.onUpstreamBody(bytes, start, end);
  }

  onResponseEnd(trailers: string[] | undefined): void {
    this.#cluster.stats.upstreamRqCompleted++;
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
    if (this.#headReceived) {
      this.#cluster.stats.upstreamRqRxReset++;
      const { flags, details } = lateReset(reason);
      this.#finish();
      this.#owner.onUpstreamCut(flags, details);
      return;
    }
    if (reason === 'connection_termination' && this.#replay(connection)) return;
    if (reason === 'protocol_error') this.#cluster.stats.upstreamCxProtocolError++;
    this.#cluster.stats.upstreamRqRxReset++;
    this.#fail(resetReply(reason));
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
    this.#host.pool.wait(this);
    return true;
  }

  #flushUpstream(connection: RequestWriter): void {
    if (!connection.flush()) this.#owner.pauseRequest();
  }

  #fail(reply: LocalReply): void {
    this.#cluster.stats.upstreamRqCompleted++;
    this.#status = reply.status;
    this.#countStatus();
    this.#finish();
    this.#owner.onUpstreamFailure(reply);
  }

  #countStatus(): void {
    const { stats } = this.#cluster;
    const status = this.#status;
    if (status < 300) stats.upstreamRq2xx++;
    else if (status < 400) stats.upstreamRq3xx++;
    else if (status < 500) stats.upstreamRq4xx++;
    else stats.upstreamRq5xx++;
    if (status < 500) this.#host.stats.rqSuccess++;
    else this.#host.stats.rqError++;
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    this.#host.activeRequests--;
    this.#host.stats.rqActive--;
    this.#cluster.stats.upstreamRqActive--;
  }
}
