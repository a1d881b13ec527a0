/**
 * Bytes of a captured connection that is not HTTP, passed on to where it was going: back-pressure and half-close both
 * ways, within the connection limit and the timeouts of its cluster (Envoy's TCP proxy as Istio sets it).
 */

import type { Socket } from 'node:net';
import type { Timer } from '../base/clock.ts';
import type { EventClock } from '../base/event-clock.ts';
import { SocketWriter } from '../base/socket.ts';
import { ResponseFlag } from '../stream/response-flags.ts';
import type { Cluster } from '../upstream/cluster.ts';
import { connect, type ConnectFailure, type IsOwnListener } from '../upstream/connector.ts';
import { poolSettingsOf } from '../upstream/pool-settings.ts';

export interface TunnelTarget {
  /** IP address or host name. */
  readonly address: string;
  readonly port: number;
  /** Whose settings, limits and counters apply. */
  readonly cluster: Cluster;
  readonly isOwn: IsOwnListener;
}

export interface TunnelOutcome {
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** UF,URX: not connected; UO: the cluster has its connections; DT: it lasted as long as it may. None for idleness, as in Envoy. */
  readonly flags: number;
  /** Why there was no connection, in Envoy's words. */
  readonly failureReason: string | undefined;
}

/** Bytes held while the upstream connects; past it the downstream is not read. */
const EARLY_LIMIT_BYTES = 64 * 1024;
/** Envoy's default, which Istio keeps. */
const DEFAULT_IDLE_MS = 3_600_000;

export class Tunnel {
  readonly #downstream: Socket;
  readonly #toDownstream: SocketWriter;
  readonly #cluster: Cluster;
  readonly #clock: EventClock;
  readonly #onEnd: (outcome: TunnelOutcome) => void;
  readonly #idleMs: number;
  /** Monotonic time at which it ends, whatever goes on; counted from the first bytes. */
  readonly #endsMs: number;
  #cancelConnect: (() => void) | undefined;
  #upstream: Socket | undefined;
  #toUpstream: SocketWriter | undefined;
  #early: Buffer[] = [];
  #earlyBytes = 0;
  /** Monotonic time of the last bytes either way. */
  #activeMs: number;
  #timer: Timer | undefined;
  #downstreamEnded = false;
  #upstreamEnded = false;
  #bytesReceived = 0;
  #bytesSent = 0;
  /** It holds a connection permit of the cluster. */
  #admitted = false;
  #done = false;

  /** `onEnd` is called exactly once, when both connections are gone; at once where the cluster may have no more connections. */
  constructor(downstream: Socket, target: TunnelTarget, clock: EventClock, onEnd: (outcome: TunnelOutcome) => void) {
    const { cluster } = target;
    const pool = cluster.config.connectionPool;
    this.#downstream = downstream;
    this.#cluster = cluster;
    this.#clock = clock;
    this.#onEnd = onEnd;
    this.#activeMs = clock.now();
    this.#idleMs = pool?.tcpIdleTimeoutMs === 0 ? Infinity : (pool?.tcpIdleTimeoutMs ?? DEFAULT_IDLE_MS);
    this.#endsMs = clock.now() + (pool?.maxConnectionDurationMs ?? Infinity);
    this.#toDownstream = new SocketWriter(downstream, () => this.#onDrain(this.#upstream));
    this.#admitted = cluster.breaker.admitConnection(false);
    if (this.#admitted) this.#connect(target);
    else this.#refuse();
  }

  /** Bytes from the downstream, in a buffer that is reused after the call. */
  onBytes(bytes: Buffer, start: number, end: number): void {
    if (this.#done) return;
    this.#bytesReceived += end - start;
    this.#activeMs = this.#clock.now();
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
    if (this.#upstreamEnded) this.#finish();
  }

  /** The downstream is gone. */
  onGone(): void {
    this.#finish();
  }

  #connect({ address, port, cluster, isOwn }: TunnelTarget): void {
    const { connectTimeoutMs, keepAlive } = poolSettingsOf(cluster.config, { isOwn, tls: undefined });
    this.#watch();
    cluster.stats.upstreamCxTotal++;
    cluster.stats.upstreamCxActive++;
    this.#cancelConnect = connect({ address, port, timeoutMs: connectTimeoutMs, keepAlive, isOwn }, this.#clock, {
      onConnect: (socket) => this.#adopt(socket),
      onFailure: (failure) => this.#onConnectFailure(failure),
      onRead: (bytes, length) => this.#relayDown(bytes, length),
    });
  }

  /** Unlike a request, a connection does not wait: Envoy closes it. */
  #refuse(): void {
    this.#cluster.stats.upstreamCxOverflow++;
    this.#finish(ResponseFlag.UpstreamOverflow);
  }

  #onConnectFailure(failure: ConnectFailure): void {
    const { stats } = this.#cluster;
    stats.upstreamCxConnectFail++;
    if (failure.kind === 'connection_timeout') stats.upstreamCxConnectTimeout++;
    this.#finish(ResponseFlag.UpstreamConnectionFailure | ResponseFlag.ConnectAttemptsExceeded, failure.reason);
  }

  #adopt(socket: Socket): void {
    this.#clock.tick();
    this.#upstream = socket;
    this.#activeMs = this.#clock.now();
    this.#toUpstream = new SocketWriter(socket, () => this.#onDrain(this.#downstream));
    socket.on('end', () => {
      this.#upstreamEnded = true;
      this.#downstream.end();
      if (this.#downstreamEnded) this.#finish();
    });
    socket.on('close', () => this.#finish());
    let taken = true;
    for (const chunk of this.#early) taken = this.#toUpstream.write(chunk);
    this.#early = [];
    if (taken) this.#downstream.resume();
    if (this.#downstreamEnded) socket.end();
  }

  #relayDown(bytes: Buffer, length: number): void {
    this.#clock.tick();
    this.#activeMs = this.#clock.now();
    this.#bytesSent += length;
    if (!this.#toDownstream.write(Buffer.from(bytes.subarray(0, length)))) this.#upstream?.pause();
  }

  /** What was written to one side has left: the other is read again. */
  #onDrain(source: Socket | undefined): void {
    this.#clock.tick();
    this.#activeMs = this.#clock.now();
    source?.resume();
  }

  /** One timer, set anew only when it fires: bytes just leave their time. */
  #watch(): void {
    const dueMs = Math.min(this.#activeMs + this.#idleMs, this.#endsMs) - this.#clock.now();
    if (dueMs < Infinity) this.#timer = this.#clock.setTimer(Math.max(1, dueMs), () => this.#onTimer());
  }

  #onTimer(): void {
    const now = this.#clock.now();
    if (now >= this.#endsMs) {
      this.#cluster.stats.upstreamCxMaxDurationReached++;
      this.#finish(ResponseFlag.DurationTimeout);
    } else if (now - this.#activeMs >= this.#idleMs) {
      this.#cluster.stats.upstreamCxIdleTimeout++;
      this.#finish();
    } else this.#watch();
  }

  #finish(flags = 0, failureReason?: string): void {
    if (this.#done) return;
    this.#done = true;
    this.#timer?.cancel();
    this.#cancelConnect?.();
    this.#upstream?.destroy();
    this.#downstream.destroy();
    if (this.#admitted) this.#releaseConnection();
    this.#onEnd({ bytesReceived: this.#bytesReceived, bytesSent: this.#bytesSent, flags, failureReason });
  }

  #releaseConnection(): void {
    const { breaker, stats } = this.#cluster;
    breaker.releaseConnection();
    stats.upstreamCxActive--;
    stats.upstreamCxRxBytesTotal += this.#bytesSent;
    stats.upstreamCxTxBytesTotal += this.#bytesReceived;
  }
}
