/** A route's retry policy made ready for the data path: conditions as bits, read by retry.ts. */

import type { RetryCondition, RetryConfig } from '../../config/runtime/retry.ts';

/** One bit for each condition that this proxy can meet. */
export const RetryOn = {
  AnyServerError: 1 << 0,
  GatewayError: 1 << 1,
  Reset: 1 << 2,
  ResetBeforeRequest: 1 << 3,
  ConnectFailure: 1 << 4,
  RateLimited: 1 << 5,
  Conflict: 1 << 6,
  RefusedStream: 1 << 7,
  StatusCodes: 1 << 8,
  GrpcCancelled: 1 << 9,
  GrpcDeadlineExceeded: 1 << 10,
  GrpcResourceExhausted: 1 << 11,
  GrpcInternal: 1 << 12,
  GrpcUnavailable: 1 << 13,
} as const;

const BITS: Readonly<Record<RetryCondition, number>> = {
  '5xx': RetryOn.AnyServerError,
  'gateway-error': RetryOn.GatewayError,
  reset: RetryOn.Reset,
  'reset-before-request': RetryOn.ResetBeforeRequest,
  'connect-failure': RetryOn.ConnectFailure,
  'envoy-ratelimited': RetryOn.RateLimited,
  'retriable-4xx': RetryOn.Conflict,
  'refused-stream': RetryOn.RefusedStream,
  'retriable-status-codes': RetryOn.StatusCodes,
  // Istio names no headers to go with it, so it never holds.
  'retriable-headers': 0,
  // There is no HTTP/3 here.
  'http3-post-connect-failure': 0,
  cancelled: RetryOn.GrpcCancelled,
  'deadline-exceeded': RetryOn.GrpcDeadlineExceeded,
  'resource-exhausted': RetryOn.GrpcResourceExhausted,
  internal: RetryOn.GrpcInternal,
  unavailable: RetryOn.GrpcUnavailable,
};

const GRPC_BITS = RetryOn.GrpcCancelled | RetryOn.GrpcDeadlineExceeded | RetryOn.GrpcResourceExhausted | RetryOn.GrpcInternal | RetryOn.GrpcUnavailable;
/** Conditions that can hold only while no byte of the request has been sent. */
const BEFORE_REQUEST_BITS = RetryOn.ConnectFailure | RetryOn.ResetBeforeRequest | RetryOn.RefusedStream;

export interface RetryPolicy {
  readonly config: RetryConfig;
  /** RetryOn bits. */
  readonly on: number;
  readonly statusCodes: ReadonlySet<number>;
}

export function createRetryPolicy(config: RetryConfig): RetryPolicy {
  const statusCodes = new Set(config.statusCodes);
  let on = 0;
  for (const condition of config.conditions) on |= BITS[condition];
  if (statusCodes.size === 0) on &= ~RetryOn.StatusCodes;
  return { config, on, statusCodes };
}

/**
 * True when a retry may be asked for after bytes of the request have left, so that its body must be kept. gRPC conditions
 * count for gRPC requests only: nobody else answers with a grpc-status.
 */
export function needsSentBody({ on }: RetryPolicy, grpc: boolean): boolean {
  return (on & ~BEFORE_REQUEST_BITS & (grpc ? -1 : ~GRPC_BITS)) !== 0;
}
