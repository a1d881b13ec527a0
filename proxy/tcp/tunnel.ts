/**
 * Bytes of a connection that is not HTTP, passed on to a host: connect tries, back-pressure and half-close both ways,
 * within the connection limit and the timeouts of its cluster (Envoy's TCP proxy as Istio sets it).
 */

import type { Socket } from 'node:net';
import type { Timer } from '../base/clock.ts';
import type { EventClock } from '../base/event-clock.ts';
import { abort } from '../base/socket.ts';
import type { ConnectionSecurity } from '../stream/connection-security.ts';
import { ResponseFlag } from '../stream/response-flags.ts';
import type { Cluster } from '../upstream/cluster.ts';
import { connect, loopbackSix, type ConnectFailure, type IsOwnListener } from '../upstream/connector.ts';
import type { Host } from '../upstream/host.ts';
import { poolSettingsOf } from '../upstream/pool-settings.ts';
import { ConnectHandshake } from './connect-handshake.ts';
import { Relay } from './relay.ts';

export interface TunnelTarget {
  /** Whose settings, limits and counters apply. */
  readonly cluster: Cluster;
  /** A host to connect to, asked for each try anew, at once or when its name has been looked up; undefined: there is none. */
  readonly pick: (tried: readonly Host[]) => Host | undefined | Promise<Host | undefined>;
  readonly isOwn: IsOwnListener;
  /** Connects tried before giving up; absent: 1. */
  readonly maxConnectAttempts?: number | undefined;
  /** The route's own, milliseconds, 0: never; absent: the cluster's, else one hour. */
  readonly idleTimeoutMs?: number | undefined;
  /** Sent before anything else on the upstream connection (PROXY protocol). */
  readonly preamble?: Buffer | undefined;
  /** `host:port` that the host is asked by CONNECT to lead to. */
  readonly connectTo?: string | undefined;
}

export interface TunnelOutcome {
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** UF,URX: not connected; UH: no host; UO: the cluster has its connections; DT: it lasted as long as it may. None for idleness, as in Envoy. */
  readonly flags: number;
  /** Why there was no connection, in Envoy's words. */
  readonly failureReason: string | undefined;
  /** The last host that was tried. */
  readonly host: Host | undefined;
  readonly upstreamLocalAddress: string | undefined;
  readonly upstreamSecurity: ConnectionSecurity | undefined;
}

/** Bytes held while the upstream connects; past it the downstream is not read. */
const EARLY_LIMIT_BYTES = 64 * 1024;
/** Envoy's default, which Istio keeps. */
const DEFAULT_IDLE_MS = 3_600_000;

export class Tunnel {
  readonly #downstream: Socket;
  readonly #target: TunnelTarget;
  readonly #cluster: Cluster;
  readonly #clock: EventClock;
  readonly #onEnd: (outcome: TunnelOutcome) => void;
  readonly #idleMs: number;
  /** Monotonic time at which it ends, whatever goes on; counted from the first bytes. */
  readonly #endsMs: number;
  readonly #tried: Host[] = [];
  #cancelConnect: (() => void) | undefined;
  /** While the host is asked by CONNECT. */
  #handshake: ConnectHandshake | undefined;
  #upstream: Socket | undefined;
  #up: Relay | undefined;
  #down: Relay | undefined;
  #early: Buffer[] = [];
  #earlyBytes = 0;
  /** Monotonic time of the last bytes either way. */
  #activeMs: number;
  #timer: Timer | undefined;
  #downstreamEnded = false;
  #upstreamGone = false;
  /** It holds a connection permit of the cluster. */
  #admitted = false;
  #done = false;
  #upstreamLocalAddress: string | undefined;
  #upstreamSecurity: ConnectionSecurity | undefined;

  /** `onEnd` is called exactly once, when both connections are gone; at once where the cluster may have no more connections, or has no host. */
  constructor(downstream: Socket, target: TunnelTarget, clock: EventClock, onEnd: (outcome: TunnelOutcome) => void) {
    const { cluster, idleTimeoutMs } = target;
    const pool = cluster.config.connectionPool;
    this.#downstream = downstream;
    this.#target = target;
    this.#cluster = cluster;
    this.#clock = clock;
    this.#onEnd = onEnd;
    this.#activeMs = clock.now();
    this.#idleMs = (idleTimeoutMs ?? pool?.tcpIdleTimeoutMs ?? DEFAULT_IDLE_MS) || Infinity;
    this.#endsMs = clock.now() + (pool?.maxConnectionDurationMs ?? Infinity);
    this.#admitted = cluster.breaker.admitConnection(false);
    if (!this.#admitted) {
      // Unlike a request, a connection does not wait: Envoy closes it.
      cluster.stats.upstreamCxOverflow++;
      this.#finish(ResponseFlag.UpstreamOverflow);
      return;
    }
    this.#watch();
    this.#connect();
  }

  /** How far it is; undefined before its host is reached. */
  get progress(): Omit<TunnelOutcome, 'flags' | 'failureReason'> | undefined {
    if (this.#up === undefined) return undefined;
    return {
      bytesReceived: this.#up.bytes,
      bytesSent: this.#down?.bytes ?? 0,
      host: this.#tried.at(-1),
      upstreamLocalAddress: this.#upstreamLocalAddress,
      upstreamSecurity: this.#upstreamSecurity,
    };
  }

  /** Bytes from the downstream, in a buffer that is reused after the call. */
  onBytes(bytes: Buffer, start: number, end: number): void {
    if (this.#done) return;
    this.#activeMs = this.#clock.now();
    if (this.#up !== undefined) {
      if (start === 0) this.#up.relay(bytes, end);
      else this.#up.send(Buffer.from(bytes.subarray(start, end)));
      return;
    }
    this.#early.push(Buffer.from(bytes.subarray(start, end)));
    this.#earlyBytes += end - start;
    if (this.#earlyBytes > EARLY_LIMIT_BYTES) this.#downstream.pause();
  }

  /** The downstream sent FIN: the upstream gets one too and may go on sending. */
  onEnd(): void {
    this.#downstreamEnded = true;
    this.#up?.end();
  }

  /** The downstream is gone. Without a FIN before, what the upstream got is not all there was: it must not look so (Envoy passes RST on). */
  onGone(): void {
    if (!this.#done && !this.#downstreamEnded && this.#upstream !== undefined) abort(this.#upstream);
    this.#finish();
  }

  #connect(): void {
    const host = this.#target.pick(this.#tried);
    if (host instanceof Promise) void host.then((found) => this.#connectTo(found));
    else this.#connectTo(host);
  }

  #connectTo(host: Host | undefined): void {
    if (this.#done) return;
    const { cluster, isOwn } = this.#target;
    if (host === undefined) {
      this.#clock.tick();
      this.#finish(ResponseFlag.NoHealthyUpstream);
      return;
    }
    this.#tried.push(host);
    const { connectTimeoutMs, keepAlive, fromLoopbackSix } = poolSettingsOf(cluster.config, { isOwn, tls: undefined });
    const { address, port } = host.endpoint;
    const localAddress = fromLoopbackSix ? loopbackSix(address) : undefined;
    cluster.stats.upstreamCxTotal++;
    cluster.stats.upstreamCxActive++;
    host.stats.cxTotal++;
    host.stats.cxActive++;
    this.#cancelConnect = connect({ address, port, timeoutMs: connectTimeoutMs, keepAlive, isOwn, localAddress, preamble: this.#target.preamble, tls: host.tls(undefined, 'tcp') }, this.#clock, {
      onConnect: (socket, security) => this.#onConnect(socket, host, security),
      onFailure: (failure) => this.#onConnectFailure(host, failure),
      onRead: (bytes, length) => this.#relayDown(bytes, length),
    });
  }

  #onConnectFailure(host: Host, failure: ConnectFailure): void {
    this.#clock.tick();
    this.#cancelConnect = undefined;
    this.#upstream = undefined;
    const { stats, outlier } = this.#cluster;
    this.#countClosed(host);
    stats.upstreamCxConnectFail++;
    host.stats.cxConnectFail++;
    if (failure.kind === 'connection_timeout') stats.upstreamCxConnectTimeout++;
    if (failure.kind !== 'own_listener') outlier?.onLocalFailure(host, failure.kind === 'connection_timeout' ? 'connect_timeout' : 'connect_failure');
    if (failure.sentence !== undefined) this.#cluster.reportTlsFailure(host, failure.sentence);
    if (this.#tried.length < (this.#target.maxConnectAttempts ?? 1)) {
      this.#connect();
      return;
    }
    stats.upstreamCxConnectAttemptsExceeded++;
    this.#finish(ResponseFlag.UpstreamConnectionFailure | ResponseFlag.ConnectAttemptsExceeded, failure.reason);
  }

  #onConnect(socket: Socket, host: Host, security: ConnectionSecurity | undefined): void {
    this.#clock.tick();
    this.#cancelConnect = undefined;
    this.#upstreamLocalAddress = joinAddress(socket);
    this.#upstreamSecurity = security;
    const { connectTo } = this.#target;
    if (connectTo === undefined) this.#adopt(socket, host);
    else this.#ask(socket, host, connectTo);
  }

  /** The tunnel leads through the host to elsewhere: it begins with the host's consent. */
  #ask(socket: Socket, host: Host, authority: string): void {
    this.#upstream = socket;
    this.#handshake = new ConnectHandshake(socket, { authority, limitMs: this.#cluster.config.connectTimeoutMs }, this.#clock, {
      onOpen: (rest) => {
        this.#handshake = undefined;
        this.#adopt(socket, host);
        if (rest.length > 0) this.#down?.send(rest);
      },
      onRefused: (reason) => {
        this.#handshake = undefined;
        this.#onConnectFailure(host, { kind: 'remote_connection_failure', reason });
      },
    });
  }

  #adopt(socket: Socket, host: Host): void {
    this.#upstream = socket;
    this.#activeMs = this.#clock.now();
    this.#cluster.outlier?.onTunnel(host);
    const events = { onDrain: () => this.#onDrain(), onFlushed: () => this.#onFlushed() };
    this.#up = new Relay(this.#downstream, socket, events);
    this.#down = new Relay(socket, this.#downstream, events);
    socket.on('end', () => this.#down?.end());
    socket.on('close', () => this.#onUpstreamGone());
    this.#downstream.resume();
    for (const chunk of this.#early) this.#up.send(chunk);
    this.#early = [];
    if (this.#downstreamEnded) this.#up.end();
  }

  /** As `onGone`. What came before a FIN may still be on its way to a slow reader. */
  #onUpstreamGone(): void {
    this.#upstreamGone = true;
    if (this.#down?.ended !== true) {
      if (!this.#done) abort(this.#downstream);
      this.#finish();
    } else if (this.#down.flushed) this.#finish();
  }

  #relayDown(bytes: Buffer, length: number): void {
    this.#clock.tick();
    this.#activeMs = this.#clock.now();
    if (this.#handshake === undefined) this.#down?.relay(bytes, length);
    else this.#handshake.onRead(bytes, length);
  }

  #onDrain(): void {
    this.#clock.tick();
    this.#activeMs = this.#clock.now();
  }

  /** Both FINs have left with all that was before them; closing sooner would take bytes from a slow reader. */
  #onFlushed(): void {
    if (this.#down?.flushed === true && (this.#upstreamGone || this.#up?.flushed === true)) this.#finish();
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
    const host = this.#tried.at(-1);
    const connected = this.#upstream !== undefined || this.#cancelConnect !== undefined;
    this.#cancelConnect?.();
    this.#handshake?.cancel();
    this.#upstream?.destroy();
    this.#downstream.destroy();
    if (connected && host !== undefined) this.#countClosed(host);
    if (this.#admitted) this.#cluster.breaker.releaseConnection();
    const bytesReceived = this.#up?.bytes ?? this.#earlyBytes;
    const bytesSent = this.#down?.bytes ?? 0;
    this.#cluster.stats.upstreamCxRxBytesTotal += bytesSent;
    this.#cluster.stats.upstreamCxTxBytesTotal += this.#up?.bytes ?? 0;
    this.#onEnd({ bytesReceived, bytesSent, flags, failureReason, host, upstreamLocalAddress: this.#upstreamLocalAddress, upstreamSecurity: this.#upstreamSecurity });
  }

  #countClosed(host: Host): void {
    this.#cluster.stats.upstreamCxActive--;
    host.stats.cxActive--;
  }
}

function joinAddress({ localAddress, localPort }: Socket): string | undefined {
  if (localAddress === undefined) return undefined;
  return localAddress.includes(':') ? `[${localAddress}]:${localPort}` : `${localAddress}:${localPort}`;
}
