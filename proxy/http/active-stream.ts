/**
 * One request and its response on their way through the proxy: checks, headers, routing, filters, upstream, answer. Codec
 * events come in from both sides; whatever happens, it ends in exactly one `#complete`.
 */

import type { Direction } from '../../config/runtime/listener.ts';
import type { RouteConfig } from '../../config/runtime/route.ts';
import { authorityHost } from '../base/authority.ts';
import { httpDate } from '../base/http-date.ts';
import { reportBug } from '../base/report-bug.ts';
import { Framing, type DownstreamReset, type OriginalDestination, type RequestFacts, type RequestReceiver, type ResponseWriter } from '../codec/codec.ts';
import { Seen } from '../codec/http1/field-lines.ts';
import type { ParseError } from '../codec/http1/parse-error.ts';
import { SERVER_NAME } from '../codec/http1/serialize.ts';
import type { HeaderOps } from '../router/header-ops.ts';
import type { LiveDestination, LiveRoute } from '../router/live-route.ts';
import { clusterOf, destinationOf, lookUpName, nameAsked } from '../router/choose-upstream.ts';
import { httpsRedirectLocation, redirectLocation, redirectReply } from '../router/redirect.ts';
import { REQUEST_BUFFER_LIMIT_BYTES } from '../router/request-buffer.ts';
import { Router, type RoutedStream } from '../router/router.ts';
import { destinationPort, routeTable } from '../router/runtime.ts';
import type { VirtualHost } from '../router/virtual-host.ts';
import { NO_CLUSTER, ROUTE_TIMEOUT } from '../router/upstream-reply.ts';
import type { HeaderList } from '../stream/header-list.ts';
import type { LocalReply } from '../stream/local-reply.ts';
import { ResponseFlag } from '../stream/response-flags.ts';
import { StreamInfo } from '../stream/stream-info.ts';
import type { FilterCounters, RequestHead, ResponseHead, Stream } from '../stream/stream.ts';
import type { Cluster } from '../upstream/cluster.ts';
import { answerClient, meetClient } from './client-metadata.ts';
import type { StreamListener } from './stream-listener.ts';
import {
  ABSOLUTE_PATH_REJECTED,
  CONNECT_NOT_FOUND,
  INTERNAL_ERROR,
  isGrpc,
  localResponse,
  MISDIRECTED,
  MISSING_HOST,
  PATH_NORMALIZATION_FAILED,
  ROUTE_NOT_FOUND,
  UPGRADE_FAILED,
} from './local-replies.ts';
import { normalizePath } from './normalize.ts';
import { applyRequestHeaders } from './request-headers.ts';

export class ActiveStream implements Stream, RequestReceiver, RoutedStream {
  readonly request: RequestHead;
  response: ResponseHead | undefined;
  readonly info: StreamInfo = new StreamInfo();
  readonly direction: Direction;
  readonly requestFraming: number;
  readonly trailersAccepted: boolean;

  readonly #listener: StreamListener;
  readonly #writer: ResponseWriter;
  #virtualHost: VirtualHost<LiveRoute> | undefined;
  #live: LiveRoute | undefined;
  #destination: LiveDestination | undefined;
  #router: Router | undefined;
  /** Body that arrived while an asynchronous filter was deciding, or a name was looked up. */
  #held: Buffer[] | undefined;
  #heldBytes = 0;
  /** When an asynchronous filter let the request go on. */
  #resumedMs = 0;
  #filtersPending = false;
  #requestEnded = false;
  #requestTrailers: string[] | undefined;
  #responseStarted = false;
  /** A response filter put its own reply in the response's place; that one is final. */
  #replaced = false;
  /** The client is a mesh's sidecar that said who it is and is told the same of us. */
  #introduces = false;
  /** A 1xx went down already. */
  #informed = false;
  /** Port the request is meant for. */
  #port = 0;
  #done = false;

  constructor(listener: StreamListener, writer: ResponseWriter, request: RequestHead, facts: RequestFacts) {
    this.#listener = listener;
    this.#writer = writer;
    this.request = request;
    this.direction = listener.config.direction;
    this.requestFraming = facts.framing;
    this.trailersAccepted = facts.trailersAccepted;
    const { info } = this;
    info.downstream = writer;
    if (writer.facts !== undefined) info.takeConnection(writer.facts);
    info.startTimeMs = listener.deps.clock.wallTime();
    info.startMs = listener.deps.clock.now();
    listener.stats.downstreamRqTotal++;
    listener.stats.downstreamRqActive++;
  }

  get counters(): FilterCounters {
    return this.#listener.stats;
  }

  get route(): RouteConfig | undefined {
    return this.#live?.config;
  }

  /** Decides what becomes of the request; called once, with the facts of its head. */
  begin(facts: RequestFacts): void {
    const refusal = this.#prepare(facts) ?? this.#findRoute(facts);
    if (refusal !== undefined) {
      this.#reply(refusal);
      return;
    }
    const filters = (this.#live as LiveRoute).filters;
    const outcome = filters?.runRequest(this);
    if (outcome instanceof Promise) this.#awaitFilters(outcome);
    else if (outcome !== undefined) this.#reply(outcome);
    else this.#forward();
  }

  /** A bug ended the work on this stream: 500, or a cut where an answer has begun. */
  fail(): void {
    if (this.#responseStarted) this.onUpstreamCut(0, INTERNAL_ERROR.details);
    else this.#reply(INTERNAL_ERROR);
  }

  // RequestReceiver: from the downstream codec

  onRequestBody(bytes: Buffer, start: number, end: number): void {
    this.info.bytesReceived += end - start;
    if (this.#router !== undefined) this.#router.sendBody(bytes, start, end);
    else if (this.#filtersPending) {
      (this.#held ??= []).push(Buffer.from(bytes.subarray(start, end)));
      this.#heldBytes += end - start;
      // Not sooner: of a connection that is not read, nobody is told that its peer has left.
      if (this.#heldBytes >= REQUEST_BUFFER_LIMIT_BYTES) this.#writer.pauseRequest();
    }
  }

  onRequestEnd(trailers: string[] | undefined): void {
    this.#requestEnded = true;
    this.#requestTrailers = trailers;
    this.info.requestCompleteMs = this.requestFraming === Framing.None ? this.info.startMs : this.#listener.deps.clock.now();
    if (this.#done) return;
    this.#router?.sendEnd(trailers);
  }

  onRequestReadDone(): void {
    this.#router?.flush();
  }

  onRequestReset(reason: DownstreamReset, error?: ParseError): void {
    if (this.#done) return;
    const { info } = this;
    if (reason === 'protocol') {
      info.flags |= ResponseFlag.DownstreamProtocolError;
      info.details = error?.details ?? 'http1.codec_error';
      info.responseCode = this.#responseStarted ? info.responseCode : (error?.status ?? 400);
      this.#listener.stats.downstreamCxProtocolError++;
    } else {
      info.flags |= ResponseFlag.DownstreamTermination;
      info.details = reason === 'timeout' ? 'stream_idle_timeout' : 'downstream_remote_disconnect';
      if (reason === 'timeout') info.flags = (info.flags & ~ResponseFlag.DownstreamTermination) | ResponseFlag.StreamIdleTimeout;
      this.#listener.stats.downstreamCxDestroyRemoteActiveRq++;
    }
    this.#listener.stats.downstreamRqRxReset++;
    this.#complete();
  }

  onDownstreamDrain(): void {
    this.#router?.resumeResponse();
  }

  // RoutedStream: from the router

  onUpstreamInformational(status: number, headers: HeaderList): void {
    if (this.#responseStarted || this.#informed) return;
    // Envoy relays the first 1xx and swallows the rest.
    this.#informed = true;
    this.#writer.writeInformational(status, headers);
  }

  onUpstreamHead(head: ResponseHead, framing: number, seen: number): void {
    const { info } = this;
    const now = this.#listener.deps.clock.now();
    info.responseHeadMs = now;
    info.upstreamServiceTimeMs = Math.max(0, Math.floor(now - Math.max(info.requestCompleteMs < 0 ? info.startMs : info.requestCompleteMs, this.#resumedMs)));
    info.details = 'via_upstream';
    head.headers.set('x-envoy-upstream-service-time', String(info.upstreamServiceTimeMs));
    const replacement = this.#filterResponse(head, this.#destination?.responseOps);
    if (replacement === undefined) {
      this.#sendHead(head, framing, seen);
      return;
    }
    this.#replaced = true;
    this.#cancelRouter();
    this.#reply(replacement);
  }

  onUpstreamBody(bytes: Buffer, start: number, end: number): void {
    if (this.#done || this.#replaced) return;
    this.info.bytesSent += end - start;
    this.#writer.writeBody(bytes, start, end);
  }

  onUpstreamEnd(trailers: string[] | undefined): void {
    if (this.#done) return;
    this.#router = undefined;
    this.#complete();
    this.#writer.writeEnd(trailers);
    // Passed on although the policy asked for another try, or after a fault.
    if (this.info.flags !== 0) this.#explain();
  }

  flushDownstream(): boolean {
    return this.#writer.flush();
  }

  onRouterReply(reply: LocalReply): void {
    this.#router = undefined;
    this.#reply(reply);
  }

  onRouteTimeout(): void {
    this.#listener.stats.downstreamRqTimeout++;
    if (this.#responseStarted) this.onUpstreamCut(ResponseFlag.UpstreamTimeout, ROUTE_TIMEOUT.details);
    else this.onRouterReply(ROUTE_TIMEOUT);
  }

  onUpstreamCut(flags: number, details: string): void {
    if (this.#done) return;
    this.#cancelRouter();
    this.info.flags |= flags;
    this.info.details = details;
    this.#listener.stats.downstreamRqTxReset++;
    this.#complete();
    this.#writer.resetStream();
  }

  pauseRequest(): void {
    this.#writer.pauseRequest();
  }

  resumeRequest(): void {
    this.#writer.resumeRequest();
  }

  /** Head checks in Envoy's order, then the header rules. A returned reply ends the request. */
  #prepare(facts: RequestFacts): LocalReply | undefined {
    const { request } = this;
    const { config } = this.#listener;
    if (facts.missingAuthority) return MISSING_HOST;
    if (request.method === 'CONNECT') return CONNECT_NOT_FOUND;
    if (request.path.charCodeAt(0) !== 0x2f) return ABSOLUTE_PATH_REJECTED;
    const path = normalizePath(request.path, config.http.pathNormalization);
    if (path === undefined) return PATH_NORMALIZATION_FAILED;
    request.path = path;
    if (this.info.downstreamSecurity !== undefined) this.#introduces = meetClient(this, this.info.downstreamSecurity, facts.seen);
    this.info.forwardedAddress = applyRequestHeaders(request, facts.seen, this.#writer, config.http);
    return undefined;
  }

  #findRoute(facts: RequestFacts): LocalReply | undefined {
    const { request, info } = this;
    const { runtime } = this.#listener;
    const captured = this.#writer.originalDestination;
    const routing = this.#listener.routingOf(captured);
    this.#port = captured?.port ?? destinationPort(routing, request.authority, runtime);
    const virtualHost = routeTable(routing, this.#port, runtime)?.lookup(request.authority);
    this.#virtualHost = virtualHost;
    if (this.#listener.isMisdirected?.(request.authority, virtualHost !== undefined) === true) return MISDIRECTED;
    if (virtualHost === undefined) return ROUTE_NOT_FOUND;
    info.virtualHost = virtualHost.config.name;
    if (virtualHost.config.requireTls === true && request.scheme !== 'https') return redirectReply(301, httpsRedirectLocation(request));
    const live = virtualHost.match(request);
    if (live === undefined) return ROUTE_NOT_FOUND;
    this.#live = live;
    info.routeName = live.config.name;
    info.routeOrigin = live.config.origin;
    this.#chooseDestination(live);
    if (facts.upgrade !== undefined && facts.upgrade !== 'h2c') return UPGRADE_FAILED;
    return undefined;
  }

  /** Before any filter runs, as Envoy does: a request that a filter answers is logged and counted for where it was going. */
  #chooseDestination(live: LiveRoute): void {
    const { deps, runtime } = this.#listener;
    const destination = destinationOf(live, deps.random());
    if (destination === undefined) return;
    this.#destination = destination;
    this.info.cluster = clusterOf(destination, runtime);
  }

  #forward(): void {
    const live = this.#live as LiveRoute;
    const { action } = live.config;
    if (live.directReply !== undefined) {
      this.#listener.stats.rqDirectResponse++;
      this.#reply(live.directReply);
      return;
    }
    if (action.kind === 'redirect') {
      this.#listener.stats.rqRedirect++;
      this.#reply(redirectReply(action.status, redirectLocation(action, this.request, this.#port)));
      return;
    }
    const failure = this.#sendUpstream(live);
    if (failure !== undefined) this.#reply(failure);
  }

  /** Chooses a host and starts the upstream request; or says why there is none. */
  #sendUpstream(live: LiveRoute): LocalReply | undefined {
    const destination = this.#destination;
    const cluster = this.info.cluster as Cluster | undefined;
    if (destination === undefined || cluster === undefined) return NO_CLUSTER;
    const looked = cluster.names && lookUpName(cluster.names, nameAsked(this.request, live, destination));
    if (looked instanceof Promise) {
      this.#awaitFilters(looked);
      return undefined;
    }
    if (looked !== undefined) return looked;
    this.#router = new Router(this, live, destination, cluster, this.#listener.routing);
    return this.#router.start();
  }

  get downstreamIp(): string {
    return this.#writer.remoteIp;
  }

  /** Where the request was going by itself. */
  get destinationAsked(): OriginalDestination {
    return this.#writer.originalDestination ?? { address: authorityHost(this.request.authority), port: this.#port };
  }

  get nameAsked(): string | undefined {
    const live = this.#live;
    const destination = this.#destination;
    return live === undefined || destination === undefined ? undefined : nameAsked(this.request, live, destination);
  }

  get redirectedFrom(): OriginalDestination | undefined {
    return this.#writer.facts?.originalDestination;
  }

  /** Until then the request waits here; `#forward` is called again. */
  #awaitFilters(pending: Promise<LocalReply | void>): void {
    this.#filtersPending = true;
    pending
      .then((reply) => this.#resumeAfterFilters(reply ?? undefined))
      .catch((error: unknown) => {
        reportBug(error);
        this.fail();
      });
  }

  #resumeAfterFilters(reply: LocalReply | undefined): void {
    this.#filtersPending = false;
    if (this.#done) return;
    if (reply !== undefined) {
      this.#reply(reply);
      return;
    }
    this.#resumedMs = this.#listener.deps.clock.now();
    // A reload may have changed it meanwhile.
    if (this.#destination !== undefined) this.info.cluster = clusterOf(this.#destination, this.#listener.runtime);
    this.#forward();
    const router = this.#router;
    if (router === undefined) return;
    for (const chunk of this.#held ?? []) router.sendBody(chunk, 0, chunk.length);
    this.#held = undefined;
    if (this.#requestEnded) router.sendEnd(this.#requestTrailers);
    else router.flush();
    this.#writer.resumeRequest();
  }

  #cancelRouter(): void {
    const router = this.#router;
    this.#router = undefined;
    router?.cancel();
  }

  /** Answers the request ourselves. */
  #reply(reply: LocalReply): void {
    if (this.#done) return;
    const { info, request } = this;
    info.flags |= reply.flags;
    info.details = reply.details;
    if (reply === ROUTE_NOT_FOUND) this.#listener.stats.noRoute++;
    else if (reply === NO_CLUSTER) this.#listener.stats.noCluster++;
    // Envoy closes behind every 400 of its own, configured ones included.
    if (reply.close === true || reply.status === 400) this.#writer.closeAfterResponse();
    const { head, body } = localResponse(reply, isGrpc(request.headers.get('content-type')));
    const replacement = this.#filterResponse(head, this.#routeOps(reply));
    if (replacement !== undefined && !this.#replaced) {
      this.#replaced = true;
      this.#reply(replacement);
      return;
    }
    const bodiless = head.status === 204 || head.status === 304;
    this.#sendHead(head, bodiless ? Framing.None : (body?.length ?? 0), 0);
    if (body !== undefined && !bodiless) {
      if (request.method !== 'HEAD') info.bytesSent += body.length;
      this.#writer.writeBody(body, 0, body.length);
    }
    this.#complete();
    this.#writer.writeEnd(undefined);
    this.#writer.flush();
    if (info.flags !== 0) this.#explain();
  }

  #explain(): void {
    this.#listener.explain(this, { virtualHost: this.#virtualHost, cluster: this.info.cluster as Cluster | undefined });
  }

  #routeOps(reply: LocalReply): readonly HeaderOps[] | undefined {
    if (reply.withoutRouteHeaders === true) return undefined;
    return this.#destination?.responseOps ?? this.#live?.responseOps;
  }

  /** Header operations and response filters; a returned reply takes the response's place. */
  #filterResponse(head: ResponseHead, ops: readonly HeaderOps[] | undefined): LocalReply | undefined {
    this.response = head;
    this.info.responseCode = head.status;
    if (ops !== undefined) for (let i = 0; i < ops.length; i++) (ops[i] as HeaderOps)(head.headers, this);
    return this.#live?.filters?.runResponse(this) ?? undefined;
  }

  /** The headers every response gets; then the head leaves. */
  #sendHead(head: ResponseHead, framing: number, seen: number): void {
    const { headers } = head;
    if ((seen & Seen.Date) === 0) headers.add('date', httpDate(this.#listener.deps.clock));
    if ((seen & Seen.Server) === 0) headers.add('server', SERVER_NAME);
    else headers.set('server', SERVER_NAME);
    if (this.#introduces) answerClient(headers, this.#listener.runtime.ownMetadata);
    this.#responseStarted = true;
    this.info.responseCode = head.status;
    this.#writer.writeHead(head, framing);
  }

  /** Exactly once: whatever the stream held is given back, and everyone who counts is told. */
  #complete(): void {
    if (this.#done) return;
    this.#done = true;
    this.#cancelRouter();
    this.#held = undefined;
    this.info.endMs = this.#listener.deps.clock.now();
    this.#live?.filters?.complete(this);
    this.#listener.onStreamComplete(this);
  }
}
