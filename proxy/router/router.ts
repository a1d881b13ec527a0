/**
 * The end of the filter chain: sends one request upstream, attempt after attempt, until one answers or none may follow.
 * The only place that loops; every decision is a pure function of retry.ts, timeouts.ts or backoff.ts.
 */

import type { MirrorConfig } from '../../config/runtime/route.ts';
import { backoffDelayMs } from '../base/backoff.ts';
import type { Timer } from '../base/clock.ts';
import type { EventClock } from '../base/event-clock.ts';
import type { Random } from '../base/random.ts';
import type { HeaderList } from '../stream/header-list.ts';
import type { LocalReply } from '../stream/local-reply.ts';
import type { RequestHead, ResponseHead, Stream } from '../stream/stream.ts';
import { isGrpcRequest } from '../telemetry/grpc-status.ts';
import type { PeerMetadata } from '../telemetry/peer-metadata.ts';
import type { Cluster } from '../upstream/cluster.ts';
import { Host } from '../upstream/host.ts';
import { hostOf, prepareUpstreamHead, type DestinationAsked } from './choose-upstream.ts';
import type { HashKey } from './hash-key.ts';
import type { LiveDestination, LiveRoute } from './live-route.ts';
import { sampleMirrors, sendMirror } from './mirror.ts';
import { RequestBuffer } from './request-buffer.ts';
import { asksOnFailure, asksOnResponse, isImmediate, type AttemptFailure } from './retry.ts';
import { RetryGate } from './retry-gate.ts';
import { needsSentBody, type RetryPolicy } from './retry-policy.ts';
import { RouteTimers, type TimerEvents } from './route-timers.ts';
import type { Runtime } from './runtime.ts';
import { grpcTimeoutMs } from './timeouts.ts';
import { UpstreamRequest, type UpstreamRequestOwner } from './upstream-request.ts';
import { afterRetry, PER_TRY_TIMEOUT, RETRY_BUFFER_EXCEEDED, ROUTE_TIMEOUT } from './upstream-reply.ts';

/** The stream that is routed: where the answer goes. */
export interface RoutedStream extends Stream, DestinationAsked {
  /** Bytes, Framing.Chunked or Framing.None. */
  readonly requestFraming: number;
  readonly trailersAccepted: boolean;
  /** Address of the downstream, without port. */
  readonly downstreamIp: string;
  onUpstreamInformational(status: number, headers: HeaderList): void;
  onUpstreamHead(head: ResponseHead, framing: number, seen: number): void;
  onUpstreamBody(bytes: Buffer, start: number, end: number): void;
  onUpstreamEnd(trailers: string[] | undefined): void;
  /** Writes out what was relayed; false: stop until `resumeResponse`. */
  flushDownstream(): boolean;
  /** The proxy answers by itself. */
  onRouterReply(reply: LocalReply): void;
  /** A response that has begun cannot be finished. */
  onUpstreamCut(flags: number, details: string): void;
  /** The whole request took longer than it may. */
  onRouteTimeout(): void;
  pauseRequest(): void;
  resumeRequest(): void;
}

export interface RouterDeps {
  readonly clock: EventClock;
  readonly random: Random;
  readonly runtime: Runtime;
}

/** Envoy's previous_priorities predicate as Istio sets it looks at priorities from this many attempts on. */
const REMOTE_LOCALITIES_AFTER = 2;

export class Router implements UpstreamRequestOwner, TimerEvents {
  readonly request: RequestHead;
  readonly requestFraming: number;
  readonly trailersAccepted: boolean;
  readonly #stream: RoutedStream;
  readonly #live: LiveRoute;
  readonly #destination: LiveDestination;
  readonly #cluster: Cluster;
  readonly #deps: RouterDeps;
  #attempt: UpstreamRequest | undefined;
  /** What the attempts so far went to; only where the policy wants to know. */
  #tried: Host[] | undefined;
  #hashKey: HashKey | undefined;
  /** Undefined where there is none, and from the moment that makes a retry impossible. */
  #retry: RetryPolicy | undefined;
  /** From the first retry asked for. */
  #gate: RetryGate | undefined;
  #sent = false;
  #requestEnded = false;
  #requestTrailers: string[] | undefined;
  /** The body so far, while it may be needed again. */
  #kept: RequestBuffer | undefined;
  #keeps = false;
  /** Some of the body went by without being kept. */
  #bodyLost = false;
  #mirrors: readonly MirrorConfig[] | undefined;
  /** The head as the mirrors get it. */
  #mirrorHead: RequestHead | undefined;
  #answering = false;
  /** Undefined where nothing limits the request. */
  #timers: RouteTimers | undefined;
  #backoff: Timer | undefined;
  #done = false;

  constructor(stream: RoutedStream, live: LiveRoute, destination: LiveDestination, cluster: Cluster, deps: RouterDeps) {
    this.#stream = stream;
    this.#live = live;
    this.#destination = destination;
    this.#cluster = cluster;
    this.#deps = deps;
    this.request = stream.request;
    this.requestFraming = stream.requestFraming;
    this.trailersAccepted = stream.trailersAccepted;
    this.#retry = live.retry;
  }

  get info(): Stream['info'] {
    return this.#stream.info;
  }

  get ownMetadata(): PeerMetadata | undefined {
    return this.#deps.runtime.ownMetadata;
  }

  /** Makes the first attempt; a returned reply says why there is none. */
  start(): LocalReply | undefined {
    const { hashKey } = this.#destination;
    if (hashKey !== undefined) this.#hashKey = hashKey(this.#stream, this.#stream.downstreamIp);
    const host = this.#pick();
    if (!(host instanceof Host)) {
      this.#cluster.countAnswered(host.status);
      return host;
    }
    this.#prepare();
    this.#attemptAt(host);
    return undefined;
  }

  // Request side, from the downstream

  sendBody(bytes: Buffer, start: number, end: number): void {
    if (!this.#keeps) this.#bodyLost = true;
    else if (!this.#keep(bytes, start, end)) return;
    this.#attempt?.sendBody(bytes, start, end);
  }

  sendEnd(trailers: string[] | undefined): void {
    if (this.#done) return;
    this.#requestEnded = true;
    this.#requestTrailers = trailers;
    this.#timers?.start();
    if (this.#attempt?.connected === true && !this.#answering) this.#timers?.startPerTry();
    this.#attempt?.sendEnd(trailers);
    if (this.#mirrors !== undefined) this.#sendMirrors(this.#mirrors);
  }

  flush(): void {
    this.#attempt?.flush();
  }

  resumeResponse(): void {
    this.#attempt?.resumeResponse();
  }

  /** Gives up: the downstream left or has its answer. */
  cancel(): void {
    const attempt = this.#attempt;
    this.#finish();
    attempt?.cancel();
  }

  // UpstreamRequestOwner, from the attempt under way

  onUpstreamConnected(): void {
    if (this.#requestEnded && !this.#answering) this.#timers?.startPerTry();
  }

  onUpstreamInformational(status: number, headers: HeaderList): void {
    // The next attempt might send another one; Envoy does not retry from here on either.
    this.#retry = undefined;
    this.#stream.onUpstreamInformational(status, headers);
  }

  onUpstreamHead(head: ResponseHead, framing: number, seen: number): boolean {
    const retry = this.#retry;
    const asks = retry !== undefined && !this.#bodyLost && asksOnResponse(retry, head.status, head.headers);
    if (asks && this.#passesGate(retry)) {
      this.#cluster.countRetried(head.status);
      this.#sent = true;
      this.#tryAgain(isImmediate(retry, head.status) ? 0 : this.#backoffMs());
      return true;
    }
    if (this.#gate !== undefined && retry !== undefined && !asks) this.#cluster.stats.upstreamRqRetrySuccess++;
    this.#gate?.release();
    this.#answering = true;
    this.#timers?.stopPerTry();
    const cookie = this.#hashKey?.setCookie;
    if (cookie !== undefined) head.headers.add('set-cookie', cookie);
    this.#stream.onUpstreamHead(head, framing, seen);
    return false;
  }

  onUpstreamBody(bytes: Buffer, start: number, end: number): void {
    this.#stream.onUpstreamBody(bytes, start, end);
  }

  onUpstreamEnd(trailers: string[] | undefined): void {
    this.#finish();
    this.#stream.onUpstreamEnd(trailers);
  }

  flushDownstream(): boolean {
    return this.#stream.flushDownstream();
  }

  onUpstreamFailure(reply: LocalReply, failure: AttemptFailure): boolean {
    if (this.#done) return false;
    if (this.#attemptFailed(failure)) return true;
    this.#end(reply);
    return false;
  }

  onUpstreamCut(flags: number, details: string): void {
    this.#finish();
    this.#stream.onUpstreamCut(flags, details);
  }

  pauseRequest(): void {
    this.#stream.pauseRequest();
  }

  resumeRequest(): void {
    this.#stream.resumeRequest();
  }

  #pick(): Host | LocalReply {
    const tried = this.#tried;
    const hashKey = this.#hashKey?.value;
    if (tried === undefined && hashKey === undefined) return hostOf(this.#cluster, this.#stream, undefined);
    const avoidTriedPriorities = this.#live.retry?.config.remoteLocalities === true && tried !== undefined && tried.length >= REMOTE_LOCALITIES_AFTER;
    const avoids = avoidTriedPriorities || this.#live.retry?.config.ignorePreviousHosts === true;
    return hostOf(this.#cluster, this.#stream, { tried: avoids ? tried : undefined, avoidTriedPriorities, hashKey });
  }

  /** What is done once, however many attempts there will be. */
  #prepare(): void {
    const live = this.#live;
    const { config: { timeoutMs }, retry } = live;
    // Only a POST can be gRPC, so others are not looked at.
    const grpc = this.request.method === 'POST' && isGrpcRequest(this);
    const limitMs = grpc ? grpcTimeoutMs(this.request.headers.get('grpc-timeout'), timeoutMs) : timeoutMs;
    const perTryMs = retry?.config.perTryTimeoutMs;
    if (limitMs !== undefined || perTryMs !== undefined) this.#timers = new RouteTimers(limitMs, perTryMs, this.#deps.clock, this);
    prepareUpstreamHead(this.request, live, this.#destination, this.#stream, this.#timers?.expectedMs);
    if (grpc && limitMs !== undefined) this.request.headers.set('grpc-timeout', `${limitMs}m`);
    this.#mirrors = live.mirrors === undefined ? undefined : sampleMirrors(live.mirrors, this.#deps.random);
    if (this.#mirrors !== undefined) this.#mirrorHead = { ...this.request, headers: this.request.headers.clone() };
    this.#keeps = this.#mirrors !== undefined || (retry !== undefined && needsSentBody(retry, grpc));
  }

  #attemptAt(host: Host): void {
    const { info } = this;
    info.host = host;
    info.attemptCount++;
    const attempt = new UpstreamRequest(this, this.#cluster, host);
    this.#attempt = attempt;
    attempt.start();
  }

  /** False when the body may no longer be kept and there is nobody to send it to: the request has been answered. */
  #keep(bytes: Buffer, start: number, end: number): boolean {
    const kept = (this.#kept ??= new RequestBuffer());
    if (kept.append(bytes, start, end)) return true;
    this.#cluster.stats.retryOrShadowAbandoned++;
    this.#keeps = false;
    this.#kept = undefined;
    this.#mirrors = undefined;
    this.#retry = undefined;
    this.#gate?.release();
    if (this.#attempt !== undefined) return true;
    this.#end(RETRY_BUFFER_EXCEEDED);
    return false;
  }

  /** True when the attempt that failed is followed by another. */
  #attemptFailed(failure: AttemptFailure): boolean {
    const retry = this.#retry;
    const attempt = this.#attempt;
    if (attempt?.sent === true) this.#sent = true;
    if (retry === undefined || this.#answering || !asksOnFailure(retry, failure, this.#sent) || !this.#passesGate(retry)) return false;
    if (!this.#keeps) this.#keepEarly(attempt);
    this.#tryAgain(this.#backoffMs());
    return true;
  }

  /** A body that was not kept so far: then nothing of it has been sent, and the attempt that failed still holds all of it. */
  #keepEarly(attempt: UpstreamRequest | undefined): void {
    this.#keeps = true;
    this.#bodyLost = false;
    this.#kept = new RequestBuffer();
    this.#kept.adopt(attempt?.takeEarly() ?? []);
  }

  #passesGate(retry: RetryPolicy): boolean {
    return (this.#gate ??= new RetryGate(retry, this.#cluster)).pass(this.info);
  }

  #backoffMs(): number {
    this.#cluster.stats.upstreamRqRetryBackoffExponential++;
    return backoffDelayMs(this.info.attemptCount, this.#retry?.config.backoffBaseMs ?? 0, this.#deps.random());
  }

  #tryAgain(delayMs: number): void {
    this.#attempt = undefined;
    this.#timers?.stopPerTry();
    if (this.info.host instanceof Host) (this.#tried ??= []).push(this.info.host);
    this.info.triedHosts = this.#tried;
    this.#backoff = this.#deps.clock.setTimer(delayMs, () => this.#sendAgain());
    // Whoever waits for the old connection must not wait for ever: between attempts the body is kept here.
    this.#stream.resumeRequest();
  }

  #sendAgain(): void {
    if (this.#done) return;
    this.#backoff = undefined;
    const host = this.#pick();
    if (!(host instanceof Host)) {
      this.#cluster.countAnswered(host.status);
      this.#end(host);
      return;
    }
    const { headers } = this.request;
    headers.set('x-envoy-attempt-count', String(this.info.attemptCount + 1));
    const expected = this.#timers?.expectedMs;
    if (expected !== undefined) headers.set('x-envoy-expected-rq-timeout-ms', String(expected));
    this.info.transportFailureReason = undefined;
    this.info.transportFailureSentence = undefined;
    this.#attemptAt(host);
    // A host without room for it may have ended this attempt already.
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    for (const chunk of this.#kept?.chunks ?? []) attempt.sendBody(chunk, 0, chunk.length);
    if (!this.#requestEnded) {
      attempt.flush();
      return;
    }
    attempt.sendEnd(this.#requestTrailers);
  }

  #sendMirrors(mirrors: readonly MirrorConfig[]): void {
    const request = this.#mirrorHead;
    if (request === undefined) return;
    this.#mirrors = undefined;
    const { requestFraming: framing, trailersAccepted } = this;
    const copy = { request, body: this.#kept?.chunks ?? [], framing, trailers: this.#requestTrailers, trailersAccepted, timeoutMs: this.#timers?.timeoutMs };
    for (const mirror of mirrors) sendMirror(mirror, copy, this.#deps);
  }

  // TimerEvents

  onPerTryTimeout(): void {
    const attempt = this.#attempt;
    if (this.#done || attempt === undefined || this.#answering) return;
    this.#cluster.stats.upstreamRqPerTryTimeout++;
    const again = this.#attemptFailed('per_try_timeout');
    attempt.timeOut();
    if (again) return;
    this.#cluster.countAnswered(PER_TRY_TIMEOUT.status);
    this.#end(PER_TRY_TIMEOUT);
  }

  onTimeout(): void {
    if (this.#done) return;
    this.#cluster.stats.upstreamRqTimeout++;
    const attempt = this.#attempt;
    this.#finish();
    if (this.#answering) attempt?.cancel();
    else {
      this.#cluster.countAnswered(ROUTE_TIMEOUT.status);
      attempt?.timeOut();
    }
    this.#stream.onRouteTimeout();
  }

  /** Answers in place of the upstream. */
  #end(reply: LocalReply): void {
    this.#finish();
    this.#stream.onRouterReply(this.info.attemptCount > 1 ? afterRetry(reply) : reply);
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    this.#attempt = undefined;
    this.#kept = undefined;
    this.#keeps = false;
    this.#timers?.stop();
    this.#backoff?.cancel();
    this.#gate?.release();
  }
}
