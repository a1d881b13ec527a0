/** Why the proxy answered by itself, in one sentence for the process log: what was tried, what failed, which file and line. */

import type { Origin } from '../../config/runtime/origin.ts';
import type { LiveRoute } from '../router/live-route.ts';
import type { VirtualHost } from '../router/virtual-host.ts';
import { ResponseFlag } from '../stream/response-flags.ts';
import type { Stream } from '../stream/stream.ts';
import type { Cluster } from '../upstream/cluster.ts';
import { timeOfDay } from '../upstream/ejection-words.ts';

/** Routes of a virtual host that one sentence names. */
const NAMED_ROUTES = 3;

/** Hosts that one sentence names. */
const NAMED_HOSTS = 5;

/** What the sentence is made of besides the stream itself. */
export interface WhyFacts {
  /** Undefined where no virtual host answers to the authority. */
  readonly virtualHost: VirtualHost<LiveRoute> | undefined;
  readonly cluster: Cluster | undefined;
}

/** Undefined where the answer explains itself (redirects, direct responses, refusals of bad requests). */
export function whySentence(stream: Stream, facts: WhyFacts): string | undefined {
  const { info, request } = stream;
  const cause = causeOf(stream, facts);
  if (cause === undefined) return undefined;
  return `${info.responseCode} for ${request.method} ${request.authority}${printable(request.path)}: ${cause}`;
}

/** The first line that fits; what the route itself decided comes before what the upstream did. */
function causeOf(stream: Stream, facts: WhyFacts): string | undefined {
  const { flags } = stream.info;
  const has = (bits: number): boolean => (flags & bits) !== 0;
  if (has(ResponseFlag.NoRoute)) return noRoute(stream, facts.virtualHost);
  if (has(ResponseFlag.NoCluster)) return `${routeOf(stream)} sends to a service, port or subset that does not exist${destinations(stream)}`;
  if (has(ResponseFlag.FaultInjected)) return `${routeOf(stream)} injects a fault${at(stream.route?.origins?.['fault'])}${delayed(flags)}`;
  const cause = upstreamCause(stream, facts.cluster, flags);
  return cause === undefined ? undefined : `${routeOf(stream)}${cause}${retries(stream, facts.cluster)}${delayed(flags)}`;
}

const BROKEN_OFF =
  ResponseFlag.UpstreamConnectionFailure |
  ResponseFlag.UpstreamConnectionTermination |
  ResponseFlag.UpstreamProtocolError |
  ResponseFlag.UpstreamRemoteReset |
  ResponseFlag.LocalReset;

function upstreamCause(stream: Stream, cluster: Cluster | undefined, flags: number): string | undefined {
  const { info, route } = stream;
  if ((flags & ResponseFlag.NoHealthyUpstream) !== 0) return ` chose ${cluster?.name ?? 'a cluster'}, ${noHost(cluster)}`;
  if ((flags & BROKEN_OFF) !== 0) return `: ${info.host?.address ?? 'the upstream'} of ${cluster?.name ?? '-'}: ${info.transportFailureSentence ?? info.transportFailureReason ?? info.details}${tlsOrigin(info, cluster)}`;
  if ((flags & ResponseFlag.UpstreamTimeout) !== 0) {
    if (info.details !== 'upstream_per_try_timeout') return `: no answer within its timeout of ${route?.timeoutMs ?? 0} ms${at(route?.origins?.['timeout'])}`;
    return `: no answer of ${info.host?.address ?? 'the upstream'} within its perTryTimeout of ${route?.retry?.perTryTimeoutMs ?? 0} ms${at(route?.retry?.origin ?? route?.origins?.['retries'])}`;
  }
  if ((flags & ResponseFlag.DnsFailure) !== 0) return ` sends to ${cluster?.name ?? 'a cluster'}, which looks the request's own host up, and that failed: ${info.details}`;
  if (info.details === 'dns_cache_overflow') return ` sends to ${cluster?.name ?? 'a cluster'}, and too many names of requests are being looked up`;
  if (info.details.endsWith('{overflow}')) return ` chose ${cluster?.name ?? 'a cluster'}, which ${fullLimit(stream, cluster)}`;
  if (info.details === 'via_upstream' && (flags & (ResponseFlag.UpstreamRetryLimitExceeded | ResponseFlag.UpstreamOverflow)) !== 0) {
    return ` passed on what ${info.host?.address ?? 'the upstream'} of ${cluster?.name ?? '-'} answered last`;
  }
  return undefined;
}

/** Who asked for the TLS that failed. */
function tlsOrigin({ transportFailureSentence }: Stream['info'], cluster: Cluster | undefined): string {
  const origin = cluster?.config.tls.origin;
  return transportFailureSentence === undefined || origin === 'default' ? '' : at(origin);
}

/** Why a cluster had nobody to send to. */
function noHost(cluster: Cluster | undefined): string {
  const hosts = [...(cluster?.hosts ?? [])];
  const ejected = hosts.flatMap(({ address, ejection }) => (ejection === undefined ? [] : [`${address} until ${timeOfDay(ejection.untilMs)}`]));
  if (ejected.length === 0) return `which has no endpoint${at(cluster?.config.policyOrigin ?? cluster?.config.origin)}`;
  const origin = cluster?.config.outlierDetection?.origin;
  const named = ejected.slice(0, NAMED_HOSTS).join(', ') + (ejected.length > NAMED_HOSTS ? `, and ${ejected.length - NAMED_HOSTS} more` : '');
  return `whose hosts are ejected (${ejected.length} of ${hosts.length}): ${named}${at(origin === 'default' ? undefined : origin)}`;
}

/** A request that waited for a connection has no host; one refused while others were under way has. */
function fullLimit({ info }: Stream, cluster: Cluster | undefined): string {
  const { maxRequests, maxPendingRequests, origin } = cluster?.config.connectionPool ?? {};
  if (info.host !== undefined) return `has ${maxRequests ?? 'no'} requests under way, as many as http2MaxRequests allows${at(origin)}`;
  return `has ${maxPendingRequests ?? 'no'} requests waiting for a connection, as many as http1MaxPendingRequests allows${at(origin)}`;
}

/** `; 3 tries: 10.0.0.1:9080, 10.0.0.2:9080, 10.0.0.1:9080; no more by its retry policy`. */
function retries({ info, route }: Stream, cluster: Cluster | undefined): string {
  // During a back-off the last host is among those tried already.
  const tried = [...(info.triedHosts ?? []), ...(info.host === undefined ? [] : [info.host])].slice(0, info.attemptCount).map(({ address }) => address);
  const tries = info.attemptCount > 1 ? `; ${info.attemptCount} tries: ${tried.slice(0, NAMED_HOSTS).join(', ')}${tried.length > NAMED_HOSTS ? ', …' : ''}` : '';
  if ((info.flags & ResponseFlag.UpstreamRetryLimitExceeded) !== 0) return `${tries}; its retries are used up${at(route?.retry?.origin ?? route?.origins?.['retries'])}`;
  if ((info.flags & ResponseFlag.UpstreamOverflow) === 0 || info.details.endsWith('{overflow}')) return tries;
  const { retryBudget, origin } = cluster?.config.connectionPool ?? {};
  return `${tries}; no retry, because ${retryBudget === undefined ? 'maxRetries' : 'the retry budget'} of ${cluster?.name ?? '-'} is used up${at(retryBudget?.origin ?? origin)}`;
}

function delayed(flags: number): string {
  return (flags & ResponseFlag.DelayInjected) === 0 ? '' : '; after an injected delay';
}

/** A route without a name is known by its line. */
function routeOf({ info }: Stream): string {
  const name = info.routeName ?? '';
  return `${name === '' ? 'route' : `route ${name}`}${at(info.routeOrigin)}`;
}

function noRoute(stream: Stream, virtualHost: VirtualHost<LiveRoute> | undefined): string {
  if (virtualHost === undefined) return 'no virtual host answers to this host; `outrider explain` shows those there are';
  const { routes, name } = virtualHost.config;
  const tried = virtualHost.explain(stream.request, NAMED_ROUTES).map(({ route, failed }, i) => `${route}${at(routes[i]?.origin)}: ${failed ?? 'matched'}`);
  const more = routes.length > NAMED_ROUTES ? `; and ${routes.length - NAMED_ROUTES} more` : '';
  return `no route of ${name} matches; tried ${tried.join('; ')}${more}`;
}

function destinations(stream: Stream): string {
  const action = stream.route?.action;
  return action?.kind === 'forward' ? `: ${action.destinations.map(({ cluster }) => cluster).join(', ')}` : '';
}

function at(origin: Origin | undefined): string {
  return origin === undefined ? '' : ` (${origin.resource}, ${origin.file}:${origin.line})`;
}

/** Paths are the downstream's text: one line, no terminal escapes, not endless. */
function printable(path: string): string {
  return path.slice(0, 200).replaceAll(/[^\x21-\x7e]/g, '?');
}
