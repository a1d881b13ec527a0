/** Copies of requests for other clusters (VirtualService `mirror`, `mirrors`): sent and forgotten, whatever becomes of them. */

import type { MirrorConfig } from '../../config/runtime/route.ts';
import type { Timer } from '../base/clock.ts';
import type { EventClock } from '../base/event-clock.ts';
import type { Random } from '../base/random.ts';
import { reportBug } from '../base/report-bug.ts';
import { StreamInfo } from '../stream/stream-info.ts';
import type { RequestHead } from '../stream/stream.ts';
import type { Cluster } from '../upstream/cluster.ts';
import { Host } from '../upstream/host.ts';
import { hostOf } from './choose-upstream.ts';
import type { Runtime } from './runtime.ts';
import { UpstreamRequest, type UpstreamRequestOwner } from './upstream-request.ts';

/** A whole request as its upstream gets it. */
export interface MirrorCopy {
  /** As it was sent for the first time: operations, rewrites and request id included. Not changed here. */
  readonly request: RequestHead;
  readonly body: readonly Buffer[];
  /** Of the body: bytes, Framing.Chunked or Framing.None. */
  readonly framing: number;
  readonly trailers: string[] | undefined;
  /** The request says `TE: trailers`; servers of gRPC insist on it. */
  readonly trailersAccepted: boolean;
  /** The request's own limit, milliseconds; undefined: none. */
  readonly timeoutMs: number | undefined;
}

export interface MirrorDeps {
  readonly runtime: Runtime;
  readonly clock: EventClock;
}

/**
 * Copies to one cluster that may be under way, per process: as many requests as Envoy allows by default. Istio lifts
 * that limit and Envoy then gathers copies without end where a mirror hangs and the route has no timeout.
 */
export const MAX_COPIES = 1024;
/** Body bytes of those copies. */
export const MAX_COPIED_BYTES = 64 * 1024 * 1024;
/** At a limit, a copy that is older than this is taken for lost and makes room, milliseconds. */
export const LOST_AFTER_MS = 60_000;

/**
 * The mirrors this request is copied to; undefined when none. One draw decides for all of them, so that of two with the same
 * percentage both get a copy or neither (Envoy asks one random number of the stream for each; 400 requests to it said the same).
 */
export function sampleMirrors(mirrors: readonly MirrorConfig[] | undefined, random: Random): readonly MirrorConfig[] | undefined {
  if (mirrors === undefined) return undefined;
  const draw = random();
  let sampled: MirrorConfig[] | undefined;
  for (let i = 0; i < mirrors.length; i++) {
    const mirror = mirrors[i] as MirrorConfig;
    if (draw < mirror.percent / 100) (sampled ??= []).push(mirror);
  }
  return sampled;
}

/** Sends one copy. An unknown cluster is skipped silently (Envoy); one without a host, or without room, counts it and no more. */
export function sendMirror(mirror: MirrorConfig, copy: MirrorCopy, deps: MirrorDeps): void {
  const cluster = deps.runtime.clusters.get(mirror.cluster);
  if (cluster === undefined) return;
  try {
    send(cluster, copy, deps);
  } catch (error) {
    // A bug, but the request that is copied must not pay for it.
    reportBug(error);
  }
}

function send(cluster: Cluster, copy: MirrorCopy, deps: MirrorDeps): void {
  const underWay = copiesTo(cluster);
  const bytes = copy.body.reduce((sum, { length }) => sum + length, 0);
  if (!underWay.admit(bytes, deps.clock.now())) {
    cluster.stats.upstreamRqMirrorOverflow++;
    return;
  }
  // A cluster that goes where the downstream wanted to go has no host of its own for a copy (Envoy).
  const host = cluster.isChosenByDownstream ? cluster.pick() : hostOf(cluster, NOWHERE);
  if (host instanceof Host) new MirrorRequest(copy, bytes, underWay).start(cluster, host, deps);
}

const NOWHERE = { destinationAsked: { address: '', port: 0 } };

/** Of each cluster while it lives. */
const underWayTo = new WeakMap<Cluster, CopiesUnderWay>();

function copiesTo(cluster: Cluster): CopiesUnderWay {
  let copies = underWayTo.get(cluster);
  if (copies === undefined) underWayTo.set(cluster, (copies = new CopiesUnderWay()));
  return copies;
}

class CopiesUnderWay {
  /** Oldest first. */
  readonly #copies: Set<MirrorRequest> = new Set();
  #bytes = 0;

  /** True when there is room for one more copy; lost ones are ended to make it. */
  admit(bytes: number, nowMs: number): boolean {
    for (const oldest of this.#copies) {
      if (this.#hasRoom(bytes) || nowMs - oldest.startMs < LOST_AFTER_MS) break;
      oldest.cancel();
    }
    return this.#hasRoom(bytes);
  }

  add(copy: MirrorRequest): void {
    this.#copies.add(copy);
    this.#bytes += copy.bytes;
  }

  remove(copy: MirrorRequest): void {
    if (this.#copies.delete(copy)) this.#bytes -= copy.bytes;
  }

  #hasRoom(bytes: number): boolean {
    return this.#copies.size < MAX_COPIES && this.#bytes + bytes <= MAX_COPIED_BYTES;
  }
}

/** One copy on its way: reads the answer so that its connection can be used again, and tells nobody. */
class MirrorRequest implements UpstreamRequestOwner {
  readonly request: RequestHead;
  readonly requestFraming: number;
  readonly trailersAccepted: boolean;
  /** Nobody's: what is noted here is neither logged nor counted. */
  readonly info: StreamInfo = new StreamInfo();
  /** Of the body. */
  readonly bytes: number;
  startMs = 0;
  readonly #copy: MirrorCopy;
  readonly #underWay: CopiesUnderWay;
  #attempt: UpstreamRequest | undefined;
  #timeout: Timer | undefined;
  #done = false;

  constructor(copy: MirrorCopy, bytes: number, underWay: CopiesUnderWay) {
    this.#copy = copy;
    this.request = { ...copy.request, headers: copy.request.headers.clone() };
    this.requestFraming = copy.framing;
    this.trailersAccepted = copy.trailersAccepted;
    this.bytes = bytes;
    this.#underWay = underWay;
  }

  start(cluster: Cluster, host: Host, { runtime, clock }: MirrorDeps): void {
    this.startMs = clock.now();
    markInternal(this.request, runtime.nodeAddress);
    this.#underWay.add(this);
    this.info.host = host;
    const attempt = new UpstreamRequest(this, cluster, host);
    this.#attempt = attempt;
    attempt.start();
    // Refused at once: there was no room.
    if (this.#done) return;
    const { body, trailers, timeoutMs } = this.#copy;
    if (timeoutMs !== undefined) this.#timeout = clock.setTimer(timeoutMs, () => this.#onTimeout(cluster));
    for (const chunk of body) attempt.sendBody(chunk, 0, chunk.length);
    attempt.sendEnd(trailers);
  }

  cancel(): void {
    const attempt = this.#attempt;
    this.#finish();
    attempt?.cancel();
  }

  // UpstreamRequestOwner: what comes is dropped.

  onUpstreamConnected(): void {}

  onUpstreamInformational(): void {}

  onUpstreamHead(): boolean {
    return false;
  }

  onUpstreamBody(): void {}

  onUpstreamEnd(): void {
    this.#finish();
  }

  flushDownstream(): boolean {
    return true;
  }

  onUpstreamFailure(): boolean {
    this.#finish();
    return false;
  }

  onUpstreamCut(): void {
    this.#finish();
  }

  /** The body is here in whole already. */
  pauseRequest(): void {}

  resumeRequest(): void {}

  #onTimeout(cluster: Cluster): void {
    if (this.#done) return;
    cluster.stats.upstreamRqTimeout++;
    const attempt = this.#attempt;
    this.#finish();
    attempt?.timeOut();
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    this.#attempt = undefined;
    this.#timeout?.cancel();
    this.#underWay.remove(this);
  }
}

/** The copy is the proxy's own request, so it says so as Envoy's does: internal, and with the proxy as its last hop. */
function markInternal({ headers }: RequestHead, nodeAddress: string | undefined): void {
  headers.set('x-envoy-internal', 'true');
  if (nodeAddress !== undefined && nodeAddress !== '') headers.set('x-forwarded-for', [...headers.getAll('x-forwarded-for'), nodeAddress].join(','));
}
