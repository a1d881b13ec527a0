/** Whether a request is tried again: Envoy's conditions in Envoy's order, then the gates (proxy-semantics A.1). Pure. */

import type { HeaderList } from '../stream/header-list.ts';
import { RetryOn, type RetryPolicy } from './retry-policy.ts';

/** Why an attempt ended without a response. `overflow` is never tried again. */
export type AttemptFailure = 'connect_failure' | 'connect_timeout' | 'reset' | 'refused_stream' | 'per_try_timeout' | 'overflow' | 'refused';

export type RetryDecision =
  /** The outcome is final: nothing asks for a retry. */
  | 'final'
  /** The policy asks for one, but all have been made (flag URX). */
  | 'exhausted'
  /** The policy asks for one, but the breaker or the budget is full (flag UO). */
  | 'overflow'
  | 'retry';

/** Too Early is tried again at once, without back-off (RFC 8470 5.2). */
const TOO_EARLY = 425;

/** True when the policy asks for a retry of this response. */
export function asksOnResponse(policy: RetryPolicy, status: number, headers: HeaderList): boolean {
  const { on } = policy;
  const asks = asksOnStatus(policy, status) || asksOnGrpcStatus(on, headers);
  if (!asks && (on & RetryOn.RateLimited) === 0) return false;
  // A rate-limited answer is tried again by that condition only, and by that condition always.
  return headers.has('x-envoy-ratelimited') ? (on & RetryOn.RateLimited) !== 0 : asks;
}

/** True when a retry of this response waits for no back-off. */
export function isImmediate(policy: RetryPolicy, status: number): boolean {
  return status === TOO_EARLY && policy.statusCodes.has(status);
}

/** True when the policy asks for a retry of an attempt without a response. `sent`: something of the request left, in any attempt. */
export function asksOnFailure({ on }: RetryPolicy, failure: AttemptFailure, sent: boolean): boolean {
  if (failure === 'overflow' || failure === 'refused') return false;
  if ((on & RetryOn.ConnectFailure) !== 0 && (failure === 'connect_failure' || failure === 'connect_timeout')) return true;
  if ((on & RetryOn.ResetBeforeRequest) !== 0 && !sent) return true;
  if ((on & (RetryOn.Reset | RetryOn.AnyServerError | RetryOn.GatewayError)) !== 0) return true;
  return (on & RetryOn.RefusedStream) !== 0 && failure === 'refused_stream';
}

/** The gates in Envoy's order: `left` retries of this request, then room in the breaker or budget. */
export function decideRetry(asks: boolean, left: number, hasRoom: boolean): RetryDecision {
  if (!asks) return 'final';
  if (left <= 0) return 'exhausted';
  return hasRoom ? 'retry' : 'overflow';
}

function asksOnStatus({ on, statusCodes }: RetryPolicy, status: number): boolean {
  if (status < 400 && (on & RetryOn.StatusCodes) === 0) return false;
  if ((on & RetryOn.AnyServerError) !== 0 && status >= 500) return true;
  if ((on & RetryOn.GatewayError) !== 0 && status >= 502 && status <= 504) return true;
  if ((on & RetryOn.Conflict) !== 0 && status === 409) return true;
  return (on & RetryOn.StatusCodes) !== 0 && statusCodes.has(status);
}

/** By number of the gRPC status. */
const GRPC_CONDITIONS: Readonly<Record<string, number>> = {
  '1': RetryOn.GrpcCancelled,
  '4': RetryOn.GrpcDeadlineExceeded,
  '8': RetryOn.GrpcResourceExhausted,
  '13': RetryOn.GrpcInternal,
  '14': RetryOn.GrpcUnavailable,
};

const ANY_GRPC = RetryOn.GrpcCancelled | RetryOn.GrpcDeadlineExceeded | RetryOn.GrpcResourceExhausted | RetryOn.GrpcInternal | RetryOn.GrpcUnavailable;

/** `grpc-status` among the response headers: an answer of trailers only. One in real trailers comes too late. */
function asksOnGrpcStatus(on: number, headers: HeaderList): boolean {
  if ((on & ANY_GRPC) === 0) return false;
  const status = headers.get('grpc-status');
  return status !== undefined && ((GRPC_CONDITIONS[status] ?? 0) & on) !== 0;
}
