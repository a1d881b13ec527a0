/**
 * When a proxy that was asked to end may leave, so that an application that ends at the same moment keeps it as long as it
 * needs it: pilot-agent's EXIT_ON_ZERO_ACTIVE_CONNECTIONS. Pure; server.ts acts on it.
 */

export interface DeparturePolicy {
  /** It accepts for at least so long: until then others still send requests here, for they have not heard yet. */
  readonly minimumDrainMs: number;
  /** It stays at most so long. pilot-agent stays until it is killed, which would cut what is in flight without a log line. */
  readonly drainTimeMs: number;
}

export interface DepartureFacts {
  /** Since the proxy was asked to end. */
  readonly elapsedMs: number;
  /** Downstream connections of all listeners. */
  readonly activeConnections: number;
}

export type Departure =
  /** `closeIdle`: connections without a request are closed, so that only those that are needed count. */
  | { readonly kind: 'stay'; readonly lookAgainInMs: number; readonly closeIdle: boolean }
  | { readonly kind: 'leave'; readonly reason: 'nobody is connected' | 'the drain time is over' };

/** As pilot-agent looks. */
const LOOK_EVERY_MS = 1000;
/** After idle connections were closed, their end shows at once. */
const FIRST_LOOK_MS = 50;

export function decideDeparture({ elapsedMs, activeConnections }: DepartureFacts, { minimumDrainMs, drainTimeMs }: DeparturePolicy): Departure {
  if (elapsedMs >= drainTimeMs) return { kind: 'leave', reason: 'the drain time is over' };
  const leftMs = drainTimeMs - elapsedMs;
  if (elapsedMs < minimumDrainMs) return { kind: 'stay', lookAgainInMs: Math.min(minimumDrainMs - elapsedMs, leftMs), closeIdle: false };
  if (activeConnections === 0) return { kind: 'leave', reason: 'nobody is connected' };
  const justClosed = elapsedMs < minimumDrainMs + LOOK_EVERY_MS;
  return { kind: 'stay', lookAgainInMs: Math.min(justClosed ? FIRST_LOOK_MS : LOOK_EVERY_MS, leftMs), closeIdle: true };
}
