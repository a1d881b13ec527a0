/** What a cluster's limits refused, as plain sentences for the process log and /clusters. */

import type { ClusterConfig, ConnectionPoolConfig } from '../../config/runtime/cluster.ts';
import type { Origin } from '../../config/runtime/origin.ts';
import type { ClusterStats } from '../telemetry/stats.ts';

/** A limit of a cluster that refused something. */
export interface Overflow {
  /** Envoy's name of the threshold: `max_pending_requests`. */
  readonly limit: string;
  readonly count: number;
  /** `12 requests refused by http1MaxPendingRequests 1 (DestinationRule default/reviews, rules.yaml:7)`. */
  readonly sentence: string;
}

/** What the limits of a cluster refused since the start. */
export function overflows(config: ClusterConfig, stats: ClusterStats): readonly Overflow[] {
  return overflowsOf(config, overflowCounts(stats));
}

interface Rule {
  readonly limit: string;
  readonly read: (stats: ClusterStats) => number;
  /** What happened, and the field that says so with its value. */
  readonly what: (count: number) => string;
  readonly field: (pool: ConnectionPoolConfig) => string;
  readonly origin?: (pool: ConnectionPoolConfig) => Origin | undefined;
}

const RULES: readonly Rule[] = [
  {
    limit: 'max_connections',
    read: (stats) => stats.upstreamCxOverflow,
    what: (count) => `${times(count, 'connection')} not opened because of`,
    field: ({ maxConnections }) => `maxConnections ${limitText(maxConnections)}`,
  },
  {
    limit: 'max_pending_requests',
    read: (stats) => stats.upstreamRqPendingOverflow,
    what: (count) => `${times(count, 'request')} refused by`,
    field: ({ maxPendingRequests }) => `http1MaxPendingRequests ${limitText(maxPendingRequests)}`,
  },
  {
    limit: 'max_requests',
    read: (stats) => stats.upstreamRqActiveOverflow,
    what: (count) => `${times(count, 'request')} refused by`,
    field: ({ maxRequests }) => `http2MaxRequests ${limitText(maxRequests)}`,
  },
  {
    limit: 'max_retries',
    read: (stats) => stats.upstreamRqRetryOverflow,
    what: (count) => `${count === 1 ? '1 retry' : `${count} retries`} not made because of`,
    field: retryField,
    origin: ({ retryBudget, origin }) => retryBudget?.origin ?? origin,
  },
  {
    limit: 'mirror_copies',
    read: (stats) => stats.upstreamRqMirrorOverflow,
    what: (count) => `${count === 1 ? '1 copy' : `${count} copies`} of mirrored requests not sent because of`,
    field: () => 'too many unanswered ones',
    origin: () => undefined,
  },
];

/** One number for each limit that can refuse. */
export function overflowCounts(stats: ClusterStats): readonly number[] {
  return RULES.map(({ read }) => read(stats));
}

/** As sentences; of a limit that refused nothing there is none. */
export function overflowsOf({ connectionPool = {} }: ClusterConfig, counts: readonly number[]): readonly Overflow[] {
  return RULES.flatMap(({ limit, what, field, origin }, i) => {
    const count = counts[i] as number;
    if (count === 0) return [];
    const written = (origin ?? (() => connectionPool.origin))(connectionPool);
    const where = written === undefined ? '' : ` (${written.resource}, ${written.file}:${written.line})`;
    return [{ limit, count, sentence: `${what(count)} ${field(connectionPool)}${where}` }];
  });
}

/** The limit in force where one is written on the cluster: `1`; a reload may have taken it away since. */
function limitText(limit: number | undefined): string {
  return limit === undefined ? '(no longer set)' : String(limit);
}

function retryField({ retryBudget, maxRetries }: ConnectionPoolConfig): string {
  if (retryBudget === undefined) return `maxRetries ${limitText(maxRetries)}`;
  return `retryBudget (${retryBudget.percent} % of the requests, ${retryBudget.minRetryConcurrency} at least)`;
}

function times(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
