/** Why the proxy answered by itself, in one sentence for the process log: what was tried, what failed, which file and line. */

import type { Origin } from '../../config/runtime/origin.ts';
import type { LiveRoute } from '../router/live-route.ts';
import type { VirtualHost } from '../router/virtual-host.ts';
import { ResponseFlag } from '../stream/response-flags.ts';
import type { Stream } from '../stream/stream.ts';
import type { Cluster } from '../upstream/cluster.ts';

/** Routes of a virtual host that one sentence names. */
const NAMED_ROUTES = 3;

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

function causeOf(stream: Stream, { virtualHost, cluster }: WhyFacts): string | undefined {
  const { info } = stream;
  const { flags } = info;
  const route = `route ${info.routeName ?? '-'}${at(info.routeOrigin)}`;
  if ((flags & ResponseFlag.NoRoute) !== 0) return noRoute(stream, virtualHost);
  if ((flags & ResponseFlag.NoCluster) !== 0) return `${route} sends to a service, port or subset that does not exist${destinations(stream)}`;
  if ((flags & ResponseFlag.NoHealthyUpstream) !== 0) {
    return `${route} chose ${cluster?.name ?? 'a cluster'}, which has no endpoint${at(cluster?.config.policyOrigin ?? cluster?.config.origin)}`;
  }
  if ((flags & (ResponseFlag.UpstreamConnectionFailure | ResponseFlag.UpstreamConnectionTermination | ResponseFlag.UpstreamProtocolError)) !== 0) {
    return `${route}: ${info.host?.address ?? 'the upstream'} of ${cluster?.name ?? '-'}: ${info.transportFailureReason ?? info.details}`;
  }
  if ((flags & ResponseFlag.UpstreamTimeout) !== 0) return `${route}: no answer within its timeout of ${stream.route?.timeoutMs ?? 0} ms${at(stream.route?.origins?.['timeout'])}`;
  return undefined;
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
