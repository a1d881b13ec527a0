/** Route → destination → cluster → host: where one request goes, or the reply that says why it goes nowhere. */

import { authorityHost } from '../base/authority.ts';
import type { OriginalDestination } from '../codec/codec.ts';
import type { LocalReply } from '../stream/local-reply.ts';
import type { RequestHead, Stream } from '../stream/stream.ts';
import type { AskedNames } from '../upstream/asked-names.ts';
import type { PickRequest } from '../upstream/balancer/balancer.ts';
import type { Cluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import { chooseDestination } from './cluster-choice.ts';
import type { HeaderOps } from './header-ops.ts';
import type { LiveDestination, LiveRoute } from './live-route.ts';
import { rewriteAuthority } from './rewrite.ts';
import type { Runtime } from './runtime.ts';
import { nameFailureReply, NO_HEALTHY_UPSTREAM } from './upstream-reply.ts';

/** The weighted destination for `random`, uniform in [0, 1); undefined where the route forwards nowhere. */
export function destinationOf(live: LiveRoute, random: number): LiveDestination | undefined {
  const { action } = live.config;
  return action.kind === 'forward' ? live.destinations[chooseDestination(action.destinations, live.totalWeight, random)] : undefined;
}

/** Where the downstream wanted to go by itself; worked out only where that matters. */
export interface DestinationAsked {
  readonly destinationAsked: OriginalDestination;
  /** The same as the kernel tells it; undefined where the connection was not redirected. */
  readonly redirectedFrom?: OriginalDestination | undefined;
  /** Host name that the upstream gets to see; absent: `destinationAsked`. */
  readonly nameAsked?: string | undefined;
}

/** A host of `cluster`, or the reply that says why there is none. */
export function hostOf(cluster: Cluster, asked: DestinationAsked, request?: PickRequest<Host>): Host | LocalReply {
  const { redirectedFrom } = asked;
  if (redirectedFrom !== undefined && cluster.followsRedirection) return cluster.pickRedirected(redirectedFrom);
  if (cluster.names !== undefined) return namedHost(cluster, asked.nameAsked ?? asked.destinationAsked.address);
  if (!cluster.usesOriginalDestination) return cluster.pick(request) ?? NO_HEALTHY_UPSTREAM;
  const { address, port } = asked.destinationAsked;
  return cluster.pickOriginal(address, port);
}

function namedHost(cluster: Cluster, name: string): Host | LocalReply {
  const host = cluster.pickNamed(name);
  return 'kind' in host ? nameFailureReply(host) : host;
}

/** Before a host is asked for: the lookup to wait for, or the reply where it is known that the name leads nowhere. */
export function lookUpName(names: AskedNames, name: string): Promise<void> | LocalReply | undefined {
  const looking = names.lookUp(name);
  if (looking !== undefined) return looking;
  const known = names.answer(name);
  return typeof known === 'string' ? undefined : nameFailureReply(known);
}

/** Host of the request as the destination gets it, without port; what a cluster of names looks up (Envoy: behind every rewriting). */
export function nameAsked(request: RequestHead, { config: { action } }: LiveRoute, destination: LiveDestination): string {
  const rewritten = action.kind === 'forward' ? action.rewrite?.authority : undefined;
  return authorityHost(rewritten ?? destination.authority ?? request.authority);
}

export function clusterOf(destination: LiveDestination, runtime: Runtime): Cluster | undefined {
  return runtime.clusters.get(destination.config.cluster);
}

/**
 * Header operations, authority and path as the upstream is to see them, in Envoy's order: operations, host, path.
 * `expectedMs`: limit of the first attempt, milliseconds; undefined: none.
 */
export function prepareUpstreamHead(request: RequestHead, live: LiveRoute, destination: LiveDestination, stream: Stream, expectedMs: number | undefined): void {
  const { headers } = request;
  if (expectedMs !== undefined) headers.add('x-envoy-expected-rq-timeout-ms', String(expectedMs));
  headers.add('x-envoy-attempt-count', '1');
  const { requestOps } = destination;
  for (let i = 0; i < requestOps.length; i++) (requestOps[i] as HeaderOps)(headers, stream);
  if (destination.authority !== undefined) rewriteAuthority(request, destination.authority);
  live.rewrite?.(request);
}
