/** Retry policies: what `retries` of a route, the mesh's defaults and the destination's balancing come to (istio-api.md 2.9). */

import type { HttpRetry } from '../resources/virtual-service/types.ts';
import { retryConditions } from '../resources/virtual-service/retry.ts';
import { isNamedStatus } from '../resources/virtual-service/retry-statuses.ts';
import type { Origin } from '../runtime/origin.ts';
import type { RetryCondition, RetryConfig } from '../runtime/retry.ts';
import { DEFAULT_INBOUND_RETRY, DEFAULT_RETRY } from '../runtime/retry.ts';
import type { MeshSettings } from './mesh.ts';
import { originAt } from './located.ts';
import type { Protocol } from './protocol.ts';

/** The policies of routes that have none of their own; each is one object, whatever the number of routes. */
export interface DefaultRetries {
  /** Outbound and gateway; `sticky`: its one destination goes by a consistent hash. Undefined: DEFAULT_RETRY, which is not written. */
  outbound(sticky: boolean): RetryConfig | null | undefined;
  /** Null on gRPC ports: their status comes too late to tell a safe retry. */
  inbound(protocol: Protocol): RetryConfig | null;
}

/** A key is sent back to its host: there is no other one that would have it. */
const STICKY_RETRY: RetryConfig = { ...DEFAULT_RETRY, ignorePreviousHosts: false };

export function defaultRetries(mesh: MeshSettings): DefaultRetries {
  const [spread, sticky] = [meshRetry(mesh, DEFAULT_RETRY), meshRetry(mesh, STICKY_RETRY)];
  const inbound = meshInboundRetry(mesh);
  return {
    outbound: (isSticky) => (isSticky ? (sticky === undefined ? STICKY_RETRY : sticky) : spread),
    inbound: (protocol) => (protocol === 'GRPC' ? null : inbound),
  };
}

/** `retries` as it was written at `origin`; null where it makes no retry. */
export function retryConfig(written: HttpRetry, origin: Origin, sticky: boolean): RetryConfig | null {
  return overDefaults(written, origin, sticky ? STICKY_RETRY : DEFAULT_RETRY);
}

function meshRetry(mesh: MeshSettings, defaults: RetryConfig): RetryConfig | null | undefined {
  const place = mesh.placeOf('defaultHttpRetryPolicy');
  return mesh.defaultRetry === undefined || place === undefined ? undefined : overDefaults(mesh.defaultRetry, originAt(place), defaults);
}

/** Only attempts, retryOn and backoff are honoured (istio-api.md 2.9). */
function meshInboundRetry(mesh: MeshSettings): RetryConfig | null {
  const place = mesh.placeOf('defaultInboundHttpRetryPolicy');
  if (mesh.defaultInboundRetry === undefined || place === undefined) return DEFAULT_INBOUND_RETRY;
  const { attempts, retryOn, backoff } = mesh.defaultInboundRetry;
  const honoured: HttpRetry = { ...(attempts !== undefined && { attempts }), ...(retryOn !== undefined && { retryOn }), ...(backoff !== undefined && { backoff }) };
  return overDefaults(honoured, originAt(place), DEFAULT_INBOUND_RETRY);
}

/** Attempts are the exception: unset is 0 and switches retries off, as conditions that nothing can meet do. */
function overDefaults(written: HttpRetry, origin: Origin, defaults: RetryConfig): RetryConfig | null {
  const { attempts = 0, perTryTimeout = 0, retryOn = '', backoff, retryIgnorePreviousHosts, retryRemoteLocalities } = written;
  const { conditions, statusCodes } = retryOn === '' ? defaults : parseRetryOn(retryOn);
  if (attempts === 0 || conditions.length === 0) return null;
  return {
    attempts,
    conditions,
    statusCodes,
    ...(perTryTimeout > 0 && { perTryTimeoutMs: perTryTimeout }),
    backoffBaseMs: backoff ?? defaults.backoffBaseMs,
    ignorePreviousHosts: retryIgnorePreviousHosts ?? defaults.ignorePreviousHosts,
    remoteLocalities: retryRemoteLocalities ?? defaults.remoteLocalities,
    origin,
  };
}

/** Status codes imply the token that makes them count. A number that is no named status is a token, and Envoy has none of that name. */
function parseRetryOn(retryOn: string): Pick<RetryConfig, 'conditions' | 'statusCodes'> {
  const conditions = new Set<RetryCondition>();
  const statusCodes = new Set<number>();
  for (const token of retryOn.split(',').map((part) => part.trim())) {
    if (isNamedStatus(token)) statusCodes.add(Number(token));
    else if (isCondition(token)) conditions.add(token);
  }
  if (statusCodes.size > 0) conditions.add('retriable-status-codes');
  return { conditions: [...conditions], statusCodes: [...statusCodes] };
}

function isCondition(token: string): token is RetryCondition {
  return retryConditions.includes(token);
}
