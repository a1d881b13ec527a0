/** A route made ready for the data path: header operations, rewrite, filters and fixed answers compiled once. */

import type { DestinationConfig, ForwardAction, HeaderOpsConfig, HeadersConfig, MirrorConfig, RouteConfig, VirtualHostConfig } from '../../config/runtime/route.ts';
import { DEFAULT_RETRY } from '../../config/runtime/retry.ts';
import type { FilterChain } from '../../filters/chain.ts';
import { toByteString } from '../base/bytes.ts';
import type { LocalReply } from '../stream/local-reply.ts';
import { createDirectResponse } from './direct-response.ts';
import { createHashKey, type ReadHashKey } from './hash-key.ts';
import { createHeaderOps, type HeaderOps } from './header-ops.ts';
import { createRetryPolicy, type RetryPolicy } from './retry-policy.ts';
import { createRewrite, type Rewrite } from './rewrite.ts';

export interface LiveRoute {
  readonly config: RouteConfig;
  readonly virtualHost: VirtualHostConfig;
  /** Undefined where the route has no filter of its own. */
  readonly filters: FilterChain | undefined;
  readonly destinations: readonly LiveDestination[];
  readonly totalWeight: number;
  readonly rewrite: Rewrite | undefined;
  /** Undefined where nothing is tried again. */
  readonly retry: RetryPolicy | undefined;
  readonly mirrors: readonly MirrorConfig[] | undefined;
  /** The answer of a direct response route. */
  readonly directReply: LocalReply | undefined;
  /** Response operations for answers that no destination gave (local replies, redirects, direct responses). */
  readonly responseOps: readonly HeaderOps[];
}

export interface LiveDestination {
  readonly config: DestinationConfig;
  readonly requestOps: readonly HeaderOps[];
  readonly responseOps: readonly HeaderOps[];
  /** Authority written by `headers.request` `host`; a rewrite's authority wins over it. */
  readonly authority: string | undefined;
  /** Undefined where the cluster's balancer does not hash. */
  readonly hashKey: ReadHashKey | undefined;
}

export type CreateFilters = (config: RouteConfig) => FilterChain | undefined;

export function createLiveRoute(config: RouteConfig, virtualHost: VirtualHostConfig, createFilters: CreateFilters): LiveRoute {
  const { action, headers } = config;
  const forward = action.kind === 'forward' ? action : undefined;
  return {
    config,
    virtualHost,
    filters: createFilters(config),
    destinations: forward === undefined ? [] : liveDestinations(forward, headers),
    totalWeight: forward === undefined ? 0 : forward.destinations.reduce((sum, { weight }) => sum + weight, 0),
    rewrite: forward?.rewrite === undefined ? undefined : createRewrite(forward.rewrite),
    retry: forward === undefined ? undefined : liveRetry(config.retry),
    mirrors: forward?.mirrors,
    directReply: action.kind === 'direct' ? createDirectResponse(action) : undefined,
    responseOps: compact([headers?.response]),
  };
}

/** Thousands of routes without a word about retries share one policy. */
const SHARED_DEFAULT = createRetryPolicy(DEFAULT_RETRY);

function liveRetry(config: RouteConfig['retry']): RetryPolicy | undefined {
  if (config === undefined) return SHARED_DEFAULT;
  return config === null ? undefined : createRetryPolicy(config);
}

function liveDestinations(action: ForwardAction, route: HeadersConfig | undefined): LiveDestination[] {
  const weighted = action.destinations.length > 1;
  return action.destinations.map((config) => {
    const own = config.headers;
    const authority = weighted ? (own?.authority ?? route?.authority) : (route?.authority ?? own?.authority);
    return {
      config,
      requestOps: combine(route?.request, own?.request, weighted),
      responseOps: combine(route?.response, own?.response, weighted),
      authority: authority === undefined || action.rewrite?.authority !== undefined ? undefined : toByteString(authority),
      hashKey: config.hashPolicy === undefined ? undefined : createHashKey(config.hashPolicy),
    };
  });
}

/**
 * Envoy evaluates a weighted destination's operations before the route's, so the route's `set` wins. Istio writes a
 * single destination's operations behind the route's in one list, where all removals come first (istio-api.md 2.12).
 */
function combine(route: HeaderOpsConfig | undefined, own: HeaderOpsConfig | undefined, weighted: boolean): HeaderOps[] {
  if (route === undefined || own === undefined || weighted) return compact([own, route]);
  return compact([{ remove: [...route.remove, ...own.remove], set: [...route.set, ...own.set], add: [...route.add, ...own.add] }]);
}

function compact(configs: readonly (HeaderOpsConfig | undefined)[]): HeaderOps[] {
  const ops: HeaderOps[] = [];
  for (const config of configs) {
    const op = config === undefined ? undefined : createHeaderOps(config);
    if (op !== undefined) ops.push(op);
  }
  return ops;
}
