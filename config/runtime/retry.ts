/** The retry policy of a route (VirtualService `retries`, MeshConfig.defaultHttpRetryPolicy), and Istio's default. */

import type { Origin } from './origin.ts';

/** Envoy's `retry_on` tokens, HTTP and gRPC. */
export type RetryCondition =
  | '5xx'
  | 'gateway-error'
  | 'reset'
  | 'reset-before-request'
  | 'connect-failure'
  | 'envoy-ratelimited'
  | 'retriable-4xx'
  | 'refused-stream'
  | 'retriable-status-codes'
  | 'retriable-headers'
  | 'http3-post-connect-failure'
  | 'cancelled'
  | 'deadline-exceeded'
  | 'internal'
  | 'resource-exhausted'
  | 'unavailable';

export interface RetryConfig {
  /** Retries after the first try; at least 1. */
  readonly attempts: number;
  readonly conditions: readonly RetryCondition[];
  /** What `retriable-status-codes` means. */
  readonly statusCodes: readonly number[];
  /** Each try, milliseconds; absent: only the route's timeout. */
  readonly perTryTimeoutMs?: number;
  /** Base of the back-off, milliseconds; its cap is ten times that. */
  readonly backoffBaseMs: number;
  /** Hosts tried before are avoided as long as there are others. */
  readonly ignorePreviousHosts: boolean;
  /** After two attempts other priorities are preferred (Envoy: previous_priorities, update frequency 2). */
  readonly remoteLocalities: boolean;
  readonly origin?: Origin;
}

/** Istio's default for outbound and gateway routes (istio-api.md 2.9): 2 retries. */
export const DEFAULT_RETRY: RetryConfig = {
  attempts: 2,
  conditions: ['connect-failure', 'refused-stream', 'unavailable', 'cancelled', 'retriable-status-codes'],
  statusCodes: [],
  backoffBaseMs: 25,
  ignorePreviousHosts: true,
  remoteLocalities: false,
};

/** Istio's default for inbound routes that are not gRPC: nothing of the request had left for the application. */
export const DEFAULT_INBOUND_RETRY: RetryConfig = { ...DEFAULT_RETRY, conditions: ['reset-before-request'] };
