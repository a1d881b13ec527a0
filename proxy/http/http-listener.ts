/** What every HTTP stream of one listener shares: its settings, the live configuration, counters and who is told at the end. */

import type { ListenerConfig, RoutingConfig } from '../../config/runtime/listener.ts';
import { reportBug } from '../base/report-bug.ts';
import { TokenBucket } from '../base/token-bucket.ts';
import type { ByteSink, OriginalDestination, RequestFacts, RequestReceiver, ResponseWriter, ServerCodecOwner } from '../codec/codec.ts';
import { Http1ServerConnection } from '../codec/http1/server-connection.ts';
import type { ServerConnectionTimeouts } from '../codec/http1/server-timeouts.ts';
import type { ParseError } from '../codec/http1/parse-error.ts';
import type { RouterDeps } from '../router/router.ts';
import { passthroughCluster, type Runtime } from '../router/runtime.ts';
import type { ConnectionFacts } from '../stream/connection-facts.ts';
import { HeaderList } from '../stream/header-list.ts';
import { ResponseFlag } from '../stream/response-flags.ts';
import { StreamInfo } from '../stream/stream-info.ts';
import type { RequestHead, Stream } from '../stream/stream.ts';
import { ListenerStats } from '../telemetry/stats.ts';
import type { Socket } from 'node:net';
import { Tunnel, type TunnelOutcome } from '../tcp/tunnel.ts';
import { ActiveStream } from './active-stream.ts';
import type { HttpDeps, StreamListener } from './stream-listener.ts';
import { whySentence, type WhyFacts } from './why.ts';

/** Limits against slow peers; Envoy as Istio sets it has none for heads (proxy-semantics D.2 row 21 asks for them). */
export const TIMEOUTS: ServerConnectionTimeouts = { headerMs: 15_000, idleMs: 3_600_000, stallMs: 300_000 };

/** Sentences in the process log about answers of our own: enough to see what is wrong, too few to be a load. */
const EXPLANATIONS_AT_ONCE = 20;
const EXPLANATIONS_PER_SECOND = 2;

/** What an HTTP filter chain has of its listener; nothing for a plain listener. */
export interface ChainOwner {
  readonly stats?: ListenerStats;
  readonly isMisdirected?: StreamListener['isMisdirected'];
  /** How requests of a captured connection are routed; undefined: as the listener's own. */
  readonly routingTo?: (destination: OriginalDestination) => RoutingConfig | undefined;
  /** Who takes a captured connection on its way to a destination that is known; `isHttp` false once its first bytes are no HTTP. */
  readonly capture?: (socket: Socket, destination: OriginalDestination, isHttp: boolean | undefined) => ByteSink | undefined;
}

export class HttpListener implements ServerCodecOwner, StreamListener {
  config: ListenerConfig;
  runtime: Runtime;
  readonly deps: HttpDeps;
  readonly routing: RouterDeps;
  readonly stats: ListenerStats;
  readonly isMisdirected: StreamListener['isMisdirected'];
  draining = false;
  /** Without interception, an application names its destination by CONNECT on the outbound port. */
  get capturesConnect(): boolean {
    return this.config.direction === 'outbound' && this.config.routing.kind === 'by-port';
  }

  readonly #capture: ChainOwner['capture'];
  readonly #routingTo: ChainOwner['routingTo'];
  readonly #explanations: TokenBucket;
  readonly #connections: Set<Http1ServerConnection> = new Set();
  #onEmpty: (() => void) | undefined;

  /** `of`: the listener whose filter chain this is; it counts the connections. */
  constructor(config: ListenerConfig, runtime: Runtime, deps: HttpDeps, of: ChainOwner = {}) {
    this.stats = of.stats ?? new ListenerStats();
    this.isMisdirected = of.isMisdirected;
    this.#capture = of.capture;
    this.#routingTo = of.routingTo;
    this.config = config;
    this.runtime = runtime;
    this.deps = deps;
    this.routing = { clock: deps.clock, random: deps.random, runtime };
    this.#explanations = new TokenBucket(EXPLANATIONS_AT_ONCE, EXPLANATIONS_PER_SECOND, deps.clock.now());
  }

  /** Of requests on a connection captured on its way to `destination`; undefined: of all others. */
  routingOf(destination: OriginalDestination | undefined): RoutingConfig {
    const { routing } = this.config;
    return destination === undefined || routing.kind === 'table' ? routing : (this.#routingTo?.(destination) ?? routing);
  }

  /** Takes over an accepted socket; returns what must be called with each read. */
  accept(socket: Socket): Http1ServerConnection {
    this.stats.downstreamCxTotal++;
    this.stats.downstreamCxActive++;
    return this.adopt(socket, undefined);
  }

  /** Takes over a connection that is counted already: its first bytes have been looked at, or TLS ends on it. */
  adopt(socket: Socket, facts: ConnectionFacts | undefined): Http1ServerConnection {
    const connection = new Http1ServerConnection(socket, this, this.deps.clock, facts);
    this.#connections.add(connection);
    return connection;
  }

  onRequest(writer: ResponseWriter, request: RequestHead, facts: RequestFacts): RequestReceiver {
    const stream = new ActiveStream(this, writer, request, facts);
    try {
      stream.begin(facts);
    } catch (error) {
      reportBug(error);
      stream.fail();
    }
    return stream;
  }

  onCodecError(writer: ResponseWriter, error: ParseError, bytesSent: number): void {
    const { stats } = this;
    stats.downstreamCxProtocolError++;
    stats.downstreamRqTotal++;
    stats.downstreamRqActive++;
    if (error.status === 408) stats.downstreamRqHeaderTimeout++;
    if (error.status === 431) stats.downstreamRqTooLarge++;
    const stream = new RefusedStream(this.config.direction);
    const { info } = stream;
    info.downstream = writer;
    info.startTimeMs = this.deps.clock.wallTime();
    info.startMs = info.endMs = this.deps.clock.now();
    info.responseCode = error.status;
    info.bytesSent = Math.max(0, bytesSent);
    info.details = error.details;
    if (error.status !== 408) info.flags = ResponseFlag.DownstreamProtocolError;
    this.onStreamComplete(stream);
  }

  capture(socket: Socket, destination: OriginalDestination): ByteSink | undefined {
    return this.#capture?.(socket, destination, undefined);
  }

  /** Not HTTP: passed through to where it was going, unless the policy says REGISTRY_ONLY or it would come back to us. */
  onOtherProtocol(writer: ResponseWriter, socket: Socket, destination: OriginalDestination): ByteSink {
    const taken = this.#capture?.(socket, destination, false);
    if (taken !== undefined) return taken;
    const stream = new RefusedStream(this.config.direction);
    const { info } = stream;
    stream.request.method = 'CONNECT';
    stream.request.authority = `${destination.address}:${destination.port}`;
    info.downstream = writer;
    info.startTimeMs = this.deps.clock.wallTime();
    info.startMs = this.deps.clock.now();
    info.responseCode = 200;
    this.stats.downstreamRqTotal++;
    this.stats.downstreamRqActive++;
    const cluster = passthroughCluster(this.config.routing, this.runtime);
    info.cluster = cluster;
    info.details = cluster === undefined ? 'no_passthrough' : '';
    const finish = (outcome: TunnelOutcome): void => {
      info.bytesReceived = outcome.bytesReceived;
      info.bytesSent = outcome.bytesSent;
      info.flags |= outcome.flags;
      info.transportFailureReason = outcome.failureReason;
      info.host = outcome.host;
      info.upstreamConnection = { localAddress: outcome.upstreamLocalAddress };
      info.upstreamSecurity = outcome.upstreamSecurity;
      info.endMs = this.deps.clock.now();
      this.onStreamComplete(stream);
    };
    if (cluster === undefined) return refuseBytes(socket, finish);
    return new Tunnel(socket, { cluster, pick: () => cluster.pickOriginal(destination.address, destination.port), isOwn: this.deps.isOwnListener }, this.deps.clock, finish);
  }

  onConnectionClosed(connection: Http1ServerConnection): void {
    if (!this.#connections.delete(connection)) return;
    this.stats.downstreamCxActive--;
    this.stats.downstreamCxRxBytesTotal += connection.bytesRead;
    this.stats.downstreamCxTxBytesTotal += connection.bytesWritten;
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  onStreamComplete(stream: Stream): void {
    const { stats } = this;
    const { info } = stream;
    stats.downstreamRqActive--;
    stats.downstreamRqCompleted++;
    const status = info.responseCode;
    if (status >= 500) stats.downstreamRq5xx++;
    else if (status >= 400) stats.downstreamRq4xx++;
    else if (status >= 300) stats.downstreamRq3xx++;
    else if (status >= 200) stats.downstreamRq2xx++;
    try {
      this.deps.onComplete(stream);
    } catch (error) {
      reportBug(error);
    }
  }

  /** Tells the log why the proxy answered by itself, at a bounded rate. */
  explain(stream: Stream, facts: WhyFacts): void {
    if (!this.#explanations.take(this.deps.clock.now())) return;
    const sentence = whySentence(stream, facts);
    if (sentence !== undefined) this.deps.onExplained(sentence);
  }

  /** About once a second. */
  sweep(now: number): void {
    for (const connection of this.#connections) connection.sweep(now, TIMEOUTS);
  }

  /** Idle connections close now, busy ones, and those idle for less than `spareMs`, after their next response. */
  drain(spareMs = 0): void {
    this.draining = true;
    for (const connection of [...this.#connections]) {
      this.stats.downstreamCxDrainClose++;
      connection.drain(spareMs);
    }
  }

  /** Resolves when the last connection has closed. */
  empty(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  destroy(): void {
    for (const connection of [...this.#connections]) connection.destroy();
  }
}

/** A connection that may go nowhere: closed with its first bytes. */
function refuseBytes(socket: Socket, finish: (outcome: TunnelOutcome) => void): ByteSink {
  let done = false;
  const end = (): void => {
    if (done) return;
    done = true;
    socket.destroy();
    finish({ bytesReceived: 0, bytesSent: 0, flags: 0, failureReason: undefined, host: undefined, upstreamLocalAddress: undefined, upstreamSecurity: undefined });
  };
  return { onBytes: end, onEnd: end, onGone: end };
}

/** The stream of a head that never became a request: there is neither method nor path. */
class RefusedStream implements Stream {
  readonly request: RequestHead = { method: '', path: '', originalPath: undefined, authority: '', scheme: '', headers: new HeaderList() };
  readonly response: undefined;
  readonly info: StreamInfo = new StreamInfo();
  readonly direction: Stream['direction'];
  readonly route: undefined;

  constructor(direction: Stream['direction']) {
    this.direction = direction;
  }
}
