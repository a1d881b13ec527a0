/** What the downstream is told when no upstream response came: the one table of upstream failures (proxy-semantics A.4). */

import type { UpstreamReset } from '../codec/codec.ts';
import type { LocalReply } from '../stream/local-reply.ts';
import { ResponseFlag } from '../stream/response-flags.ts';
import type { NameFailure } from '../upstream/asked-names.ts';
import type { ConnectFailure } from '../upstream/connector.ts';

const PREFIX = 'upstream connect error or disconnect/reset before headers. reset reason: ';

/** Detail word, the same in plain English, status and flag of each reset before the response head. */
const RESETS: Readonly<Record<UpstreamReset, readonly [text: string, status: number, flag: number]>> = {
  connection_termination: ['connection termination', 503, ResponseFlag.UpstreamConnectionTermination],
  protocol_error: ['protocol error', 502, ResponseFlag.UpstreamProtocolError],
  remote_reset: ['remote reset', 503, ResponseFlag.UpstreamRemoteReset],
  local_reset: ['local reset', 503, ResponseFlag.LocalReset],
};

export function resetReply(reason: UpstreamReset): LocalReply {
  const [text, status, flags] = RESETS[reason];
  return { status, body: PREFIX + text, flags, details: `upstream_reset_before_response_started{${reason}}` };
}

/** Flag and details of a reset after the response head went down: the answer can only be cut. */
export function lateReset(reason: UpstreamReset): { readonly flags: number; readonly details: string } {
  return { flags: RESETS[reason][2], details: `upstream_reset_after_response_started{${reason}}` };
}

export function connectFailureReply(failure: ConnectFailure): LocalReply {
  if (failure.kind === 'own_listener') return PASSTHROUGH_LOOP;
  const timedOut = failure.kind === 'connection_timeout';
  const reason = failure.reason === '' ? '' : `|${failure.reason.replaceAll(' ', '_')}`;
  return {
    status: 503,
    body: PREFIX + (timedOut ? 'connection timeout' : 'remote connection failure'),
    flags: ResponseFlag.UpstreamConnectionFailure,
    details: `upstream_reset_before_response_started{${failure.kind}${reason}}`,
  };
}

/** The name that the request brought leads nowhere (Envoy's dynamic forward proxy). */
export function nameFailureReply(failure: NameFailure): LocalReply {
  if (failure.kind === 'overflow') return NAME_OVERFLOW;
  const details = `dns_resolution_failure{${failure.reason.replaceAll(' ', '_')}}`;
  return { status: 503, body: 'DNS resolution failure', flags: ResponseFlag.DnsFailure, details };
}

/** After at least one retry the body says so (proxy-semantics A.1). */
export function afterRetry(reply: LocalReply): LocalReply {
  return { ...reply, body: reply.body.replace('before headers. reset reason', 'before headers. retried and the latest reset reason') };
}

/** The breaker or the queue of pending requests is full; never tried again. */
export const OVERFLOW: LocalReply = {
  status: 503,
  body: `${PREFIX}overflow`,
  headers: ['x-envoy-overloaded', 'true'],
  flags: ResponseFlag.UpstreamOverflow,
  details: 'upstream_reset_before_response_started{overflow}',
};
const NAME_OVERFLOW: LocalReply = { status: 503, body: 'DNS cache overflow', flags: ResponseFlag.UpstreamOverflow, details: 'dns_cache_overflow' };
export const PER_TRY_TIMEOUT: LocalReply = {
  status: 504,
  body: 'upstream request timeout',
  flags: ResponseFlag.UpstreamTimeout,
  details: 'upstream_per_try_timeout',
};
/** The request outgrew its buffer while nothing was there to take it: between two attempts. */
export const RETRY_BUFFER_EXCEEDED: LocalReply = {
  status: 507,
  body: 'exceeded request buffer limit while retrying upstream',
  flags: 0,
  details: 'request_payload_exceeded_retry_buffer_limit',
  close: true,
};

export const NO_CLUSTER: LocalReply = { status: 503, body: '', flags: ResponseFlag.NoCluster, details: 'cluster_not_found' };
export const NO_HEALTHY_UPSTREAM: LocalReply = {
  status: 503,
  body: 'no healthy upstream',
  flags: ResponseFlag.NoHealthyUpstream,
  details: 'no_healthy_upstream',
};
export const ROUTE_TIMEOUT: LocalReply = {
  status: 504,
  body: 'upstream request timeout',
  flags: ResponseFlag.UpstreamTimeout,
  details: 'response_timeout',
};
/** A pass-through request whose destination is this proxy itself would go round for ever. */
export const PASSTHROUGH_LOOP: LocalReply = { status: 502, body: '', flags: 0, details: 'passthrough_loop_rejected' };
