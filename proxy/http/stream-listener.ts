/** What a stream knows of the listener it came in by; `http-listener.ts` is the one that is. */

import type { ListenerConfig, RoutingConfig } from '../../config/runtime/listener.ts';
import type { EventClock } from '../base/event-clock.ts';
import type { Random } from '../base/random.ts';
import type { OriginalDestination } from '../codec/codec.ts';
import type { RouterDeps } from '../router/router.ts';
import type { Runtime } from '../router/runtime.ts';
import type { Stream } from '../stream/stream.ts';
import type { LiveConnections } from '../tcp/live-connections.ts';
import type { ListenerStats } from '../telemetry/stats.ts';
import type { WhyFacts } from './why.ts';

export interface HttpDeps {
  readonly clock: EventClock;
  readonly random: Random;
  /** Told once for every stream, a head the codec refused included. Must not throw. */
  readonly onComplete: (stream: Stream) => void;
  /** Told why the proxy answered by itself; at most a few times a second. */
  readonly onExplained: (sentence: string) => void;
  /** True where a pass-through request would come back to this proxy. */
  readonly isOwnListener: (address: string, port: number) => boolean;
  /** Where TCP connections under way are kept; absent where nobody counts them. */
  readonly tcpConnections?: LiveConnections;
}

export interface StreamListener {
  readonly config: ListenerConfig;
  /** The configuration that serves now; a stream reads it once. */
  readonly runtime: Runtime;
  readonly deps: HttpDeps;
  /** What the router needs of both. */
  readonly routing: RouterDeps;
  readonly stats: ListenerStats;
  /**
   * True where another server of the same port is for that host and this connection's server name led here (421): always for a
   * host without a route here, else if that server asks clients for other certificates than this one does. Absent: never.
   */
  readonly isMisdirected?: ((authority: string, isRouted: boolean) => boolean) | undefined;
  /** How requests find their route table: those on a connection captured on its way to `destination`, or (undefined) all others. */
  routingOf(destination: OriginalDestination | undefined): RoutingConfig;
  /** Called once by each stream, when nothing more will happen to it. */
  onStreamComplete(stream: Stream): void;
  /** Tells the log why the proxy answered by itself, at a bounded rate. */
  explain(stream: Stream, facts: WhyFacts): void;
}
