/** A bound listener at work: every connection it accepts becomes HTTP's, TCP's or nobody's, and is drained and counted here. */

import type { Socket } from 'node:net';
import type { ListenerConfig, RoutingConfig, VirtualListenerConfig } from '../../config/runtime/listener.ts';
import type { ServerTlsConfig } from '../../config/runtime/tls.ts';
import type { EventClock } from '../base/event-clock.ts';
import type { OnRead } from '../base/socket.ts';
import { TokenBucket } from '../base/token-bucket.ts';
import type { ByteSink } from '../codec/codec.ts';
import { plainAddress } from '../codec/http1/connection-addresses.ts';
import { HttpListener } from '../http/http-listener.ts';
import type { HttpDeps } from '../http/stream-listener.ts';
import type { ServerTls } from '../identity/server-tls.ts';
import type { Runtime } from '../router/runtime.ts';
import type { ConnectionFacts, Destination } from '../stream/connection-facts.ts';
import type { Stream } from '../stream/stream.ts';
import type { ListenerStats } from '../telemetry/stats.ts';
import { ChainSet, type ChainDeps, type ChainsConfig, type LiveChain } from './chain-set.ts';
import { Connection, readBy, type ChainChoice, type ConnectionOwner } from './connection.ts';
import type { Detected } from './inspect.ts';
import { decideInterception, type InterceptionMode } from './interception.ts';
import type { ReadOriginalDestination } from './original-destination.ts';
import { DIRECT_REFUSED, LOOP, type Refusal } from './refusal.ts';
import { RefusedConnection } from './refused-connection.ts';
import { VirtualListeners } from './virtual-listeners.ts';

export interface ListenerDeps {
  readonly clock: EventClock;
  readonly runtime: Runtime;
  readonly http: HttpDeps;
  readonly terminate: (config: ServerTlsConfig) => ServerTls;
  readonly interception: InterceptionMode;
  /** Undefined where this system cannot tell. */
  readonly readOriginalDestination: ReadOriginalDestination | undefined;
  /** True for the port of a capture listener of this proxy: connections redirected on their way there would go round. */
  readonly isCapturePort: (address: string, port: number) => boolean;
  /** TCP connections of a chain that a reload changed end after so long, milliseconds. */
  readonly drainTimeMs: number;
  readonly log: ListenerLog;
  /** The access log's line about a connection that nobody serves. */
  readonly onRefused: (stream: Stream) => void;
  /** The first redirected connection of this listener came. */
  readonly onRedirected: (listener: ListenerConfig) => void;
}

/** The process log. */
export interface ListenerLog {
  /** False: nobody reads what `debug` is told. */
  readonly isDebug: () => boolean;
  debug(message: string, fields: Readonly<Record<string, string | undefined>>): void;
  /** At most a few a second. */
  info(message: string, fields: Readonly<Record<string, string | undefined>>): void;
}

const PLAIN_HTTP: Detected = { transport: 'plain', serverName: undefined, protocols: ['http/1.1'] };

/** Sentences about refused connections: enough to see what is wrong, too few to be a load. */
const SENTENCES_AT_ONCE = 20;
const SENTENCES_PER_SECOND = 2;

/** A connection that is as young as this is not idle, though it has sent nothing yet. */
const JUST_CAME_MS = 1000;

export class Listener implements ConnectionOwner {
  /** Serves what no chain is asked for. */
  readonly http: HttpListener;
  readonly clock: EventClock;
  boundPort = 0;
  readonly #deps: ListenerDeps;
  readonly #chainDeps: ChainDeps;
  #chains: ChainChoice | undefined;
  /** Of a capture listener, for what came to its own address. */
  #direct: ChainChoice | undefined;
  readonly #virtual: VirtualListeners | undefined;
  /** Connections that are neither HTTP's nor closed. */
  readonly #connections: Set<Connection> = new Set();
  /** HTTP of chains that a reload took away; their last requests go on. */
  readonly #leaving: Set<HttpListener> = new Set();
  readonly #sentences: TokenBucket;
  readonly #family: 4 | 6;
  #redirectSeen = false;
  #onEmpty: (() => void) | undefined;

  /** `virtual`: of the outbound capture listener. */
  constructor(config: ListenerConfig, deps: ListenerDeps, virtual: Iterable<VirtualListenerConfig>) {
    this.http = new HttpListener(config, deps.runtime, deps.http, {
      capture: (socket, destination, isHttp) => this.#capture(socket, destination, isHttp),
      routingTo: (destination) => this.#routingTo(destination),
    });
    this.clock = deps.clock;
    this.#family = config.bind.bothFamilies === true || config.bind.address.includes(':') ? 6 : 4;
    this.#deps = deps;
    this.#chainDeps = { listener: config, runtime: deps.runtime, http: deps.http, stats: this.http.stats, terminate: deps.terminate };
    this.#sentences = new TokenBucket(SENTENCES_AT_ONCE, SENTENCES_PER_SECOND, deps.clock.now());
    this.#virtual = capturesOutbound(config) ? new VirtualListeners(this.#chainDeps, virtual) : undefined;
    this.apply(config);
  }

  get config(): ListenerConfig {
    return this.http.config;
  }

  get stats(): ListenerStats {
    return this.http.stats;
  }

  get expectsProxyHeader(): boolean {
    return this.config.proxyProtocol === true;
  }

  /** Takes over an accepted socket; returns who takes its bytes. */
  accept(socket: Socket): OnRead {
    const { usesOriginalDestination, proxyProtocol } = this.config;
    if (usesOriginalDestination === true) return this.#acceptCaptured(socket);
    if (proxyProtocol !== true && this.#chains === undefined) return readBy(this.http.accept(socket));
    return this.#begin(socket, undefined);
  }

  /** The kernel could not hand a connection over (EMFILE …): its peer was sent away, the next may have more luck. */
  onAcceptError(code: string): void {
    const { clock, log } = this.#deps;
    clock.tick();
    if (this.#sentences.take(clock.now())) log.info(`a connection could not be accepted: ${code}`, { listener: this.config.name });
  }

  /** A reload: new connections go by it at once, those of chains that are gone or changed drain. */
  apply(config: ListenerConfig): void {
    this.http.config = config;
    this.#chains = this.#changed(this.#chains, config, config);
    this.#direct = this.#changed(this.#direct, config.direct ?? {}, config);
  }

  applyVirtual(changed: readonly VirtualListenerConfig[], removed: readonly string[]): void {
    if (this.#virtual !== undefined) this.#retire(this.#virtual.apply(changed, removed));
  }

  /** About once a second. */
  sweep(now: number): void {
    for (const http of this.#allHttp()) http.sweep(now);
  }

  /** Connections without a protocol yet and idle ones close now, busy ones after their response. */
  drain(): void {
    for (const connection of [...this.#connections]) connection.drain();
    for (const http of this.#allHttp()) http.drain();
  }

  /** Its address is served no more: as `drain`, and TCP connections end after the drain time. */
  retire(): void {
    this.drain();
    this.#endLater([...this.#connections]);
  }

  /** See DataPlane.announceDrain. */
  announceDrain(closeIdle: boolean): void {
    // It still accepts: whoever has just come is about to ask.
    if (closeIdle) for (const http of this.#allHttp()) http.drain(JUST_CAME_MS);
    else for (const http of this.#allHttp()) http.draining = true;
  }

  /** Resolves when the last connection has closed. */
  async empty(): Promise<void> {
    if (this.#connections.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
    await Promise.all([...this.#allHttp()].map((http) => http.empty()));
  }

  destroy(): void {
    for (const connection of [...this.#connections]) connection.destroy();
    for (const http of this.#allHttp()) http.destroy();
  }

  // ConnectionOwner

  chainsFor(destination: () => Destination, isRedirected: boolean): ChainChoice | undefined {
    if (!isRedirected && this.config.usesOriginalDestination === true) return this.#direct;
    return this.#virtual?.find(destination()) ?? this.#chains;
  }

  onDetected(facts: ConnectionFacts, detected: Detected): void {
    const { log } = this.#deps;
    if (!log.isDebug()) return;
    log.debug(`${detected.transport === 'tls' ? 'TLS' : (detected.protocols[0] ?? 'plain bytes')} from ${facts.remoteAddress} to ${facts.localAddress}`, {
      listener: this.config.name,
      chain: facts.filterChain ?? '-',
      sni: detected.serverName,
      alpn: detected.transport === 'tls' ? detected.protocols.join(',') : undefined,
    });
  }

  onRefused(facts: ConnectionFacts, refusal: Refusal): void {
    const { clock, runtime, log, onRefused } = this.#deps;
    onRefused(new RefusedConnection(this.config.direction, facts, clock.now(), refusal, refusal.cluster === undefined ? undefined : runtime.clusters.get(refusal.cluster)));
    if (refusal.sentence === undefined || !this.#sentences.take(clock.now())) return;
    log.info(`connection from ${facts.remoteAddress} to ${facts.localAddress} refused: ${refusal.sentence}`, {
      listener: this.config.name,
      chain: facts.filterChain,
      sni: facts.requestedServerName,
    });
  }

  onLeft(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  #begin(socket: Socket, original: Destination | undefined): OnRead {
    const connection = new Connection(socket, this, original);
    this.#connections.add(connection);
    connection.begin();
    return connection.onRead;
  }

  /** Chains are for redirected connections; who came to the capture port itself uses it as an HTTP proxy, where that is let. */
  #acceptCaptured(socket: Socket): OnRead {
    const { interception: mode, readOriginalDestination, isCapturePort, onRedirected } = this.#deps;
    const original = mode === 'none' ? undefined : readOriginalDestination?.(socket, this.#family);
    // On a laptop that is every connection.
    if (original === undefined && mode !== 'redirect' && !this.#redirectSeen) return this.#acceptDirect(socket);
    const decided = decideInterception({
      mode,
      original,
      local: () => ({ address: plainAddress(socket.localAddress), port: socket.localPort ?? 0 }),
      boundPort: this.boundPort,
      seen: this.#redirectSeen,
      isOwn: isCapturePort,
    });
    if (decided.kind === 'direct') return this.#acceptDirect(socket);
    if (decided.kind === 'loop') return this.#refuse(socket, LOOP, original);
    if (decided.kind !== 'redirected') return this.#refuse(socket, DIRECT_REFUSED, undefined);
    if (!this.#redirectSeen) {
      this.#redirectSeen = true;
      onRedirected(this.config);
    }
    return this.#begin(socket, decided.destination);
  }

  #acceptDirect(socket: Socket): OnRead {
    return this.#direct === undefined ? readBy(this.http.accept(socket)) : this.#begin(socket, undefined);
  }

  /** A CONNECT stands for a redirected connection; HTTP in it stays with the codec that has it. */
  #capture(socket: Socket, asked: Destination, isHttp: boolean | undefined): ByteSink | undefined {
    const destination = this.#virtual?.standsFor(asked);
    const choice = destination && this.#virtual?.find(destination);
    if (destination === undefined || choice === undefined) return undefined;
    if (isHttp === undefined && (choice.detectsProtocol || choice.chains.candidates(() => destination)?.wantsHttp === true)) return undefined;
    const connection = new Connection(socket, this, destination, true);
    this.#connections.add(connection);
    connection.begin();
    return { onBytes: (bytes, start, end) => connection.onRead(bytes.subarray(start, end), end - start), onEnd: () => {}, onGone: () => {} };
  }

  /** As for a redirected connection that turned out to be HTTP. */
  #routingTo(asked: Destination): RoutingConfig | undefined {
    const destination = this.#virtual?.standsFor(asked);
    const chains = destination && this.#virtual?.find(destination)?.chains;
    const network = chains?.candidates(() => destination as Destination)?.match(PLAIN_HTTP)?.config.network;
    return network?.kind === 'http' ? network.routing : undefined;
  }

  #refuse(socket: Socket, refusal: Refusal, original: Destination | undefined): OnRead {
    new Connection(socket, this, original).refuse(refusal);
    return () => {};
  }

  /** Undefined where there are no chains any more. */
  #changed(choice: ChainChoice | undefined, chains: ChainsConfig, { detectionTimeoutMs = 0 }: ListenerConfig): ChainChoice | undefined {
    if (choice !== undefined) this.#retire(choice.chains.apply(chains));
    if (chains.chains === undefined && chains.defaultChain === undefined) return undefined;
    return { chains: choice?.chains ?? new ChainSet(this.#chainDeps, chains), detectsProtocol: false, detectionTimeoutMs };
  }

  #retire(chains: readonly LiveChain[]): void {
    if (chains.length === 0) return;
    for (const { http } of chains) {
      if (http === undefined) continue;
      this.#leaving.add(http);
      http.drain();
      void http.empty().then(() => this.#leaving.delete(http));
    }
    this.#endLater([...this.#connections].filter(({ chain }) => chain !== undefined && chains.includes(chain)));
  }

  #endLater(connections: readonly Connection[]): void {
    if (connections.length > 0) this.clock.setTimer(this.#deps.drainTimeMs, () => connections.forEach((connection) => connection.destroy()));
  }

  *#allHttp(): Iterable<HttpListener> {
    yield this.http;
    for (const choice of [this.#chains, this.#direct]) for (const { http } of choice?.chains.live() ?? []) if (http !== undefined) yield http;
    for (const { http } of this.#virtual?.chains() ?? []) if (http !== undefined) yield http;
    yield* this.#leaving;
  }
}

function capturesOutbound({ usesOriginalDestination, direction }: ListenerConfig): boolean {
  return usesOriginalDestination === true && direction === 'outbound';
}
