/**
 * An accepted connection until somebody speaks with it: PROXY header, first bytes, the chain they choose, TLS. Then it is
 * HTTP's or TCP's; here only its end is waited for.
 */

import type { Socket } from 'node:net';
import type { Timer } from '../base/clock.ts';
import type { EventClock } from '../base/event-clock.ts';
import type { OnRead } from '../base/socket.ts';
import { joinAddress, plainAddress } from '../codec/http1/connection-addresses.ts';
import type { Http1ServerConnection } from '../codec/http1/server-connection.ts';
import type { HttpListener } from '../http/http-listener.ts';
import type { TlsFailure } from '../identity/tls-events.ts';
import type { ConnectionFacts, Destination } from '../stream/connection-facts.ts';
import type { ConnectionSecurity } from '../stream/connection-security.ts';
import type { ListenerStats } from '../telemetry/stats.ts';
import type { ChainSet, LiveChain } from './chain-set.ts';
import { Inspection, PLAIN_BYTES, type Detected } from './inspect.ts';
import { parseProxyHeader, type ProxiedAddresses } from './proxy-protocol.ts';
import { NO_CHAIN, proxyProtocolRefusal, refusalOfChain, tlsRefusal, unservableRefusal, type Refusal } from './refusal.ts';

/** Where a connection finds its chains. */
export interface ChainChoice {
  readonly chains: ChainSet;
  /** The first bytes are looked at whether or not a chain asks for them. */
  readonly detectsProtocol: boolean;
  /** Milliseconds; 0: a silent connection may wait for ever, perhaps for the server to speak first. */
  readonly detectionTimeoutMs: number;
}

/** The listener, as its connections see it. */
export interface ConnectionOwner {
  readonly clock: EventClock;
  readonly stats: ListenerStats;
  readonly expectsProxyHeader: boolean;
  /** Serves plain HTTP where there are no chains. */
  readonly http: HttpListener;
  /** Undefined: there are no chains, everything is plain HTTP. */
  chainsFor(destination: () => Destination, isRedirected: boolean): ChainChoice | undefined;
  onDetected(facts: ConnectionFacts, detected: Detected): void;
  onRefused(facts: ConnectionFacts, refusal: Refusal): void;
  /** It is counted no more, or by HTTP. */
  onLeft(connection: Connection): void;
}

/** A PROXY header must be complete by then; Envoy waits as long as for anything else. */
const PROXY_HEADER_LIMIT_MS = 15_000;
/** Without a limit for the detection: whoever has begun a ClientHello or a request line ends it by then, as with HTTP heads. */
const FIRST_BYTES_LIMIT_MS = 15_000;

const Phase = { ProxyHeader: 0, Inspect: 1, Handshake: 2, Open: 3, Closed: 4 } as const;

export class Connection {
  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  readonly #original: Destination | undefined;
  readonly #ofHttp: boolean;
  readonly #startTimeMs: number;
  readonly #startMs: number;
  #phase: number = Phase.Inspect;
  #proxied: ProxiedAddresses | undefined;
  #going: Destination | undefined;
  #from: Destination | undefined;
  /** Read and not yet passed on. */
  #kept: Buffer | undefined;
  #choice: ChainChoice | undefined;
  #inspection: Inspection | undefined;
  /** Of the kept bytes, those that the inspection has seen. */
  #inspected = 0;
  #timer: Timer | undefined;
  #cancelTls: (() => void) | undefined;
  #chain: LiveChain | undefined;
  /** The raw socket, or the TLS socket on it. */
  #served: Socket;
  #sink: OnRead | undefined;

  /**
   * `original`: where a redirected connection was going. `ofHttp`: HTTP counts it, for it began as a CONNECT; what it says
   * is known not to be HTTP.
   */
  constructor(socket: Socket, owner: ConnectionOwner, original: Destination | undefined, ofHttp = false) {
    this.#ofHttp = ofHttp;
    this.#socket = socket;
    this.#served = socket;
    this.#owner = owner;
    this.#original = original;
    this.#startTimeMs = owner.clock.wallTime();
    this.#startMs = owner.clock.now();
    if (!ofHttp) {
      owner.stats.downstreamCxTotal++;
      owner.stats.downstreamCxActive++;
    }
    socket.on('end', this.#onEarlyEnd);
    socket.on('error', this.#onEarlyEnd);
    socket.on('close', this.#onEarlyEnd);
  }

  /** The chain that serves it; undefined before. */
  get chain(): LiveChain | undefined {
    return this.#chain;
  }

  /** Called once, when the owner knows of it. */
  begin(): void {
    if (this.#owner.expectsProxyHeader) this.#awaitProxyHeader();
    else this.#chooseChains();
  }

  /** Instead of `begin`: closed without a byte. */
  refuse(refusal: Refusal): void {
    this.#refuse(refusal);
  }

  readonly onRead: OnRead = (bytes, length) => {
    if (this.#sink !== undefined) {
      this.#sink(bytes, length);
      return;
    }
    this.#owner.clock.tick();
    if (this.#phase > Phase.Inspect) return;
    const fresh = bytes.subarray(0, length);
    const all = this.#kept === undefined ? fresh : Buffer.concat([this.#kept, fresh]);
    if (this.#phase === Phase.ProxyHeader) this.#readProxyHeader(all);
    else this.#inspect(all);
  };

  /** A connection that nobody serves yet ends at once; served ones end by themselves. */
  drain(): void {
    if (this.#phase < Phase.Open) this.destroy();
  }

  /** Cuts it now. */
  destroy(): void {
    this.#cancelTls?.();
    this.#served.destroy();
    this.#socket.destroy();
    // TCP's leaves when it has closed, and then its log line is written.
    if (this.#phase !== Phase.Open) this.#leave();
  }

  #awaitProxyHeader(): void {
    this.#phase = Phase.ProxyHeader;
    this.#owner.stats.downstreamPreCxActive++;
    this.#timer = this.#owner.clock.setTimer(PROXY_HEADER_LIMIT_MS, () => {
      this.#owner.stats.downstreamPreCxTimeout++;
      this.#refuse(proxyProtocolRefusal('the header did not come in time'));
    });
  }

  #readProxyHeader(bytes: Buffer): void {
    const header = parseProxyHeader(bytes);
    if (header.kind === 'more') {
      this.#kept = Buffer.from(bytes);
      return;
    }
    if (header.kind === 'bad') {
      this.#owner.stats.downstreamCxProxyProtoError++;
      this.#refuse(proxyProtocolRefusal(header.reason));
      return;
    }
    this.#endEarlyPhase();
    this.#proxied = header.addresses;
    this.#kept = header.length < bytes.length ? bytes.subarray(header.length) : undefined;
    this.#chooseChains();
  }

  #chooseChains(): void {
    const choice = this.#owner.chainsFor(() => this.#destination(), this.#original !== undefined);
    this.#choice = choice;
    if (choice === undefined) {
      this.#serveHttp(this.#owner.http, this.#facts(undefined, undefined, undefined), this.#socket);
      return;
    }
    const candidates = choice.chains.candidates(() => this.#destination());
    const wantsHttp = !this.#ofHttp && (choice.detectsProtocol || candidates?.wantsHttp === true);
    if (!wantsHttp && candidates?.wantsTls !== true) this.#chooseChain(PLAIN_BYTES);
    else this.#startInspection(wantsHttp, choice.detectionTimeoutMs);
  }

  #startInspection(wantsHttp: boolean, timeoutMs: number): void {
    this.#phase = Phase.Inspect;
    this.#owner.stats.downstreamPreCxActive++;
    this.#inspection = new Inspection(wantsHttp);
    if (timeoutMs > 0) this.#timer = this.#limitInspection(timeoutMs);
    if (this.#kept !== undefined) this.#inspect(this.#kept);
  }

  #limitInspection(limitMs: number): Timer {
    const { clock, stats } = this.#owner;
    return clock.setTimer(limitMs, () => {
      stats.downstreamPreCxTimeout++;
      this.#endEarlyPhase();
      // Istio lets Envoy go on without knowing: the chain for plain bytes, if there is one.
      this.#chooseChain(PLAIN_BYTES);
    });
  }

  #inspect(bytes: Buffer): void {
    const outcome = this.#inspection?.inspect(bytes, this.#inspected) ?? { kind: 'more' };
    this.#kept = bytes;
    if (outcome.kind === 'more') {
      // The shared buffer is overwritten by the next read.
      this.#kept = Buffer.from(bytes);
      this.#inspected = bytes.length;
      this.#timer ??= this.#limitInspection(FIRST_BYTES_LIMIT_MS);
      return;
    }
    this.#endEarlyPhase();
    if (outcome.kind === 'detected') {
      this.#chooseChain(outcome.detected);
      return;
    }
    this.#owner.stats.downstreamListenerFilterError++;
    this.#refuse(unservableRefusal(outcome.reason));
  }

  #chooseChain(detected: Detected): void {
    const chains = (this.#choice as ChainChoice).chains;
    const chain = chains.candidates(() => this.#destination())?.match(detected) ?? chains.defaultChain;
    const facts = this.#facts(chain, detected.serverName, undefined);
    this.#owner.onDetected(facts, detected);
    this.#chain = chain;
    if (chain === undefined) {
      this.#owner.stats.noFilterChainMatch++;
      this.#refuse(NO_CHAIN, detected.serverName);
    } else if (chain.tls === undefined) {
      this.#serve(chain, facts, this.#socket);
    } else {
      this.#secure(chain, detected.serverName);
    }
  }

  #secure(chain: LiveChain, serverName: string | undefined): void {
    this.#phase = Phase.Handshake;
    this.#forgetSocket();
    const early = this.#kept === undefined ? Buffer.alloc(0) : Buffer.from(this.#kept);
    this.#kept = undefined;
    this.#cancelTls = chain.tls?.terminate(this.#socket, early, {
      counters: this.#owner.stats,
      onSecure: (socket, security) => {
        this.#owner.clock.tick();
        this.#cancelTls = undefined;
        this.#served = socket;
        this.#serve(chain, this.#facts(chain, serverName ?? security.serverName, security), socket);
        return this.onRead;
      },
      onFailure: (failure) => this.#onTlsFailure(failure, serverName),
    });
  }

  #onTlsFailure(failure: TlsFailure, serverName: string | undefined): void {
    this.#owner.clock.tick();
    this.#cancelTls = undefined;
    this.#refuse(tlsRefusal(failure), serverName);
  }

  #serve(chain: LiveChain, facts: ConnectionFacts, socket: Socket): void {
    if (chain.http !== undefined && !this.#ofHttp) {
      this.#serveHttp(chain.http, facts, socket);
      return;
    }
    if (chain.tcp === undefined) {
      this.#refuse(refusalOfChain(chain.config.network), facts.requestedServerName, facts.security);
      return;
    }
    this.#phase = Phase.Open;
    this.#forgetSocket();
    socket.on('close', () => this.#leave());
    const early = this.#kept === undefined ? Buffer.alloc(0) : Buffer.from(this.#kept);
    this.#kept = undefined;
    this.#sink = chain.tcp.accept(facts, socket, early);
  }

  /** From here on HTTP counts the connection and ends it. */
  #serveHttp(http: HttpListener, facts: ConnectionFacts, socket: Socket): void {
    this.#phase = Phase.Open;
    this.#forgetSocket();
    this.#sink = readBy(http.adopt(socket, facts));
    this.#phase = Phase.Closed;
    this.#owner.onLeft(this);
    const early = this.#kept;
    this.#kept = undefined;
    if (early !== undefined) this.#sink(early, early.length);
  }

  #refuse(refusal: Refusal, serverName?: string, security?: ConnectionSecurity): void {
    const facts = this.#facts(this.#chain, serverName, security);
    this.#endEarlyPhase();
    this.#forgetSocket();
    this.#socket.on('error', ignore);
    // Envoy leaves what it looked at unread, so its close is a reset; nothing was promised to this peer.
    if (this.#kept !== undefined && security === undefined) this.#socket.resetAndDestroy();
    else this.#served.destroy();
    this.#leave();
    this.#owner.onRefused(facts, refusal);
  }

  /** The peer is gone, or has nothing more to say, before it was known what it wanted. */
  readonly #onEarlyEnd = (): void => {
    if (this.#phase === Phase.Closed) return;
    this.#owner.clock.tick();
    this.#owner.stats.downstreamListenerFilterRemoteClose++;
    this.#forgetSocket();
    this.#socket.on('error', ignore);
    if (this.#kept === undefined) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
    this.#leave();
  };

  #forgetSocket(): void {
    this.#socket.removeListener('end', this.#onEarlyEnd);
    this.#socket.removeListener('error', this.#onEarlyEnd);
    this.#socket.removeListener('close', this.#onEarlyEnd);
  }

  #endEarlyPhase(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#phase === Phase.ProxyHeader || this.#inspection !== undefined) this.#owner.stats.downstreamPreCxActive--;
    this.#inspection = undefined;
    if (this.#phase === Phase.ProxyHeader) this.#phase = Phase.Inspect;
  }

  /** Exactly once: it is counted no more. */
  #leave(): void {
    if (this.#phase === Phase.Closed) return;
    this.#endEarlyPhase();
    this.#phase = Phase.Closed;
    if (!this.#ofHttp) this.#uncount();
    this.#kept = undefined;
    this.#owner.onLeft(this);
  }

  #uncount(): void {
    const { stats } = this.#owner;
    stats.downstreamCxActive--;
    stats.downstreamCxRxBytesTotal += this.#served.bytesRead;
    stats.downstreamCxTxBytesTotal += this.#served.bytesWritten;
  }

  #destination(): Destination {
    return (this.#going ??= this.#original ?? this.#proxied?.destination ?? { address: plainAddress(this.#socket.localAddress), port: this.#socket.localPort ?? 0 });
  }

  /** Read once: a socket that was reset no longer tells them. */
  #peer(): Destination {
    return (this.#from ??= this.#proxied?.source ?? { address: plainAddress(this.#socket.remoteAddress), port: this.#socket.remotePort ?? 0 });
  }

  #facts(chain: LiveChain | undefined, requestedServerName: string | undefined, security: ConnectionSecurity | undefined): ConnectionFacts {
    const local = this.#destination();
    const remote = this.#peer();
    return {
      localAddress: joinAddress(local.address, local.port),
      remoteAddress: joinAddress(remote.address, remote.port),
      remoteIp: remote.address,
      originalDestination: this.#original,
      security,
      requestedServerName,
      filterChain: chain?.config.name,
      startTimeMs: this.#startTimeMs,
      startMs: this.#startMs,
    };
  }
}

/** Who reads for an HTTP connection. */
export function readBy(server: Http1ServerConnection): OnRead {
  return (bytes, length) => {
    try {
      server.onRead(bytes, length);
    } catch (error) {
      // A bug: it costs this connection, which would hang otherwise, and is reported as what it is.
      server.destroy();
      throw error;
    }
  };
}

function ignore(): void {}
