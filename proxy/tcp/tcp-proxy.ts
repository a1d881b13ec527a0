/**
 * TCP routes: one upstream connection for each downstream one. Whoever accepts (proxy/listener) hands over the socket,
 * what is known of it, and the bytes that were read on the way here.
 */

import type { Socket } from 'node:net';
import type { TcpRouteConfig } from '../../config/runtime/filter-chain.ts';
import type { Direction } from '../../config/runtime/listener.ts';
import type { EventClock } from '../base/event-clock.ts';
import type { Random } from '../base/random.ts';
import type { OnRead } from '../base/socket.ts';
import { pickWeighted, sumWeights } from '../base/weighted.ts';
import type { Runtime } from '../router/runtime.ts';
import type { ConnectionFacts } from '../stream/connection-facts.ts';
import { HeaderList } from '../stream/header-list.ts';
import { ResponseFlag } from '../stream/response-flags.ts';
import { StreamInfo } from '../stream/stream-info.ts';
import type { RequestHead, Stream } from '../stream/stream.ts';
import { clientWorkload } from '../telemetry/peer-metadata.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import type { IsOwnListener } from '../upstream/connector.ts';
import type { LiveConnections } from './live-connections.ts';
import { proxyHeader } from '../upstream/proxy-header.ts';
import { clusterNamedBySni } from './sni-cluster.ts';
import { Tunnel, type TunnelOutcome, type TunnelTarget } from './tunnel.ts';

export interface TcpProxyDeps {
  readonly clock: EventClock;
  readonly random: Random;
  /** The clusters that serve now; read for each connection. */
  readonly runtime: Runtime;
  readonly direction: Direction;
  /** True where a pass-through would come back to this proxy. */
  readonly isOwnListener: IsOwnListener;
  /** Told once for every connection, when it is over: access log and metrics. */
  readonly onComplete: (stream: Stream) => void;
  /** Where connections are while they last; absent where nobody asks how far they are. */
  readonly connections?: LiveConnections | undefined;
}

/** One of each `tcp` filter chain; it outlives the connections it has taken. */
export class TcpProxy {
  readonly route: TcpRouteConfig;
  readonly #deps: TcpProxyDeps;

  constructor(route: TcpRouteConfig, deps: TcpProxyDeps) {
    this.route = route;
    this.#deps = deps;
  }

  /**
   * Takes over a connection. `socket` is the accepted socket, or the TLS socket on it; nobody else listens to it any more.
   * `early`: bytes read so far, copied out of the shared buffer, often empty. The returned function is called with each
   * further read. Whoever wants the connection to end destroys the socket.
   */
  accept(facts: ConnectionFacts, socket: Socket, early: Buffer): OnRead {
    const stream = new TcpStream(this.#deps.direction, facts);
    const { info } = stream;
    const cluster = this.#cluster(facts);
    info.cluster = cluster;
    if (cluster === undefined) {
      info.flags |= ResponseFlag.NoCluster;
      socket.destroy();
      this.#finish(stream);
      return () => {};
    }
    let ended = false;
    const tunnel = new Tunnel(socket, this.#target(cluster, facts), this.#deps.clock, (outcome) => {
      ended = true;
      this.#onEnd(stream, outcome);
    });
    if (!ended) this.#deps.connections?.add(stream, () => takeProgress(stream, tunnel));
    socket.on('end', () => tunnel.onEnd());
    socket.on('error', () => tunnel.onGone());
    socket.on('close', () => tunnel.onGone());
    if (early.length > 0) tunnel.onBytes(early, 0, early.length);
    return (bytes, length) => {
      this.#deps.clock.tick();
      tunnel.onBytes(bytes, 0, length);
    };
  }

  #cluster({ requestedServerName }: ConnectionFacts): Cluster | undefined {
    const { destinations, clusterFromSni } = this.route;
    const { clusters } = this.#deps.runtime;
    if (clusterFromSni !== undefined) return clusters.get(clusterNamedBySni(requestedServerName ?? '', clusterFromSni.hosts) ?? '');
    const destination = destinations[pickWeighted(destinations, sumWeights(destinations), this.#deps.random())];
    return destination === undefined ? undefined : clusters.get(destination.cluster);
  }

  #target(cluster: Cluster, facts: ConnectionFacts): TunnelTarget {
    const { hashBySourceIp, idleTimeoutMs, maxConnectAttempts, tunnel } = this.route;
    const asked = facts.originalDestination;
    const hashKey = hashBySourceIp === true ? facts.remoteIp : undefined;
    const { proxyProtocol } = cluster.config;
    return {
      cluster,
      pick: (tried) => {
        if (cluster.names !== undefined) return pickNamed(cluster, facts.requestedServerName);
        if (asked !== undefined && cluster.followsRedirection) return cluster.pickRedirected(asked);
        return cluster.usesOriginalDestination ? asked && cluster.pickOriginal(asked.address, asked.port) : cluster.pick({ tried, hashKey });
      },
      isOwn: cluster.isChosenByDownstream ? this.#deps.isOwnListener : () => false,
      maxConnectAttempts,
      connectTo: tunnel?.authority,
      idleTimeoutMs,
      preamble: proxyProtocol === undefined ? undefined : proxyHeader(proxyProtocol, facts),
    };
  }

  #onEnd(stream: TcpStream, outcome: TunnelOutcome): void {
    this.#deps.connections?.remove(stream);
    takeFacts(stream, outcome);
    stream.info.flags |= outcome.flags;
    stream.info.transportFailureReason = outcome.failureReason;
    this.#finish(stream);
  }

  #finish(stream: TcpStream): void {
    stream.info.endMs = this.#deps.clock.now();
    this.#deps.onComplete(stream);
  }
}

/** By the server name (Envoy: `sni_dynamic_forward_proxy`, after which there is no healthy host where the name has none). */
function pickNamed(cluster: Cluster, name: string | undefined): Host | undefined | Promise<Host | undefined> {
  const known = (): Host | undefined => {
    const host = name === undefined ? undefined : cluster.pickNamed(name);
    if (host !== undefined && !('kind' in host)) return host;
    cluster.stats.upstreamCxNoneHealthy++;
    return undefined;
  };
  const looking = name === undefined ? undefined : cluster.names?.lookUp(name);
  return looking === undefined ? known() : looking.then(known);
}

/** False before the host is reached. */
function takeProgress(stream: TcpStream, tunnel: Tunnel): boolean {
  const { progress } = tunnel;
  if (progress !== undefined) takeFacts(stream, progress);
  return progress !== undefined;
}

function takeFacts({ info }: TcpStream, { bytesReceived, bytesSent, host, upstreamLocalAddress, upstreamSecurity }: NonNullable<Tunnel['progress']>): void {
  info.bytesReceived = bytesReceived;
  info.bytesSent = bytesSent;
  info.host = host;
  info.upstreamConnection = { localAddress: upstreamLocalAddress };
  info.upstreamSecurity = upstreamSecurity;
}

/** What log and metrics see of a connection: there is neither method nor path, nor (in Envoy) a name of the route. */
class TcpStream implements Stream {
  readonly request: RequestHead = { method: '', path: '', originalPath: undefined, authority: '', scheme: '', headers: new HeaderList() };
  readonly response: undefined;
  readonly isTcp = true;
  readonly info: StreamInfo = new StreamInfo();
  readonly direction: Direction;
  readonly route: undefined;

  constructor(direction: Direction, facts: ConnectionFacts) {
    this.direction = direction;
    this.info.downstream = facts;
    this.info.protocol = '';
    this.info.takeConnection(facts);
    if (direction === 'inbound' && facts.security?.mutual === true) this.info.clientWorkload = clientWorkload(facts.security, undefined);
    this.info.startTimeMs = facts.startTimeMs;
    this.info.startMs = facts.startMs;
  }
}
