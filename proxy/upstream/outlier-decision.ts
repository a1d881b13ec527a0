/** When a host is ejected and for how long: Envoy's rules of consecutive errors, pure over counts and policy (proxy-semantics A.7). */

import type { OutlierDetectionConfig } from '../../config/runtime/cluster.ts';

/** Words of Envoy's stat names. */
export type EjectionCause = 'consecutive_5xx' | 'consecutive_gateway_failure' | 'consecutive_local_origin_failure';

/** Errors of one host since its last success. */
export interface FailureCounts {
  consecutive5xx: number;
  consecutiveGateway: number;
  consecutiveLocalOrigin: number;
}

/** Of one cluster, all priorities together (Envoy). */
export interface EjectedShare {
  readonly ejected: number;
  readonly hosts: number;
}

export interface EjectionDecision {
  readonly cause: EjectionCause;
  /** Errors in a row. */
  readonly count: number;
  /** False: enough errors, but the share of ejected hosts would pass maxEjectionPercent. */
  readonly eject: boolean;
}

/** Undefined: not enough errors. Reached by two rules at once, gateway errors come first (Envoy). */
export function decideEjection(policy: OutlierDetectionConfig, counts: FailureCounts, share: EjectedShare): EjectionDecision | undefined {
  const reached = reachedRule(policy, counts);
  if (reached === undefined) return undefined;
  const percentAfter = (100 * (share.ejected + 1)) / share.hosts;
  return { ...reached, eject: percentAfter <= policy.maxEjectionPercent };
}

function reachedRule(policy: OutlierDetectionConfig, counts: FailureCounts): { readonly cause: EjectionCause; readonly count: number } | undefined {
  const { consecutive5xx, consecutiveGateway, consecutiveLocalOrigin } = counts;
  if (policy.consecutiveGateway > 0 && consecutiveGateway >= policy.consecutiveGateway) return { cause: 'consecutive_gateway_failure', count: consecutiveGateway };
  if (policy.consecutive5xx > 0 && consecutive5xx >= policy.consecutive5xx) return { cause: 'consecutive_5xx', count: consecutive5xx };
  if (policy.splitLocalOrigin && policy.consecutiveLocalOrigin > 0 && consecutiveLocalOrigin >= policy.consecutiveLocalOrigin) {
    return { cause: 'consecutive_local_origin_failure', count: consecutiveLocalOrigin };
  }
  return undefined;
}

/**
 * The status as the rules count it. Where error codes are listed they alone are errors: a listed 5xx stays what it is,
 * another listed code counts as 500, and everything else is a success (Envoy's error_matcher).
 */
export function countedStatus(status: number, errorCodes: ReadonlySet<number> | undefined): number {
  if (errorCodes === undefined) return status;
  if (!errorCodes.has(status)) return 200;
  return isServerError(status) ? status : 500;
}

/** What a failure without an answer counts as where local-origin failures are not split off: a gateway error, whichever it was (Envoy). */
export const FAILURE_STATUS = 503;

/** Adds one answer to the counts; a success ends both rows. */
export function countStatus(counts: FailureCounts, status: number): void {
  if (!isServerError(status)) {
    counts.consecutive5xx = 0;
    counts.consecutiveGateway = 0;
    return;
  }
  counts.consecutive5xx++;
  if (status >= 502 && status <= 504) counts.consecutiveGateway++;
  else counts.consecutiveGateway = 0;
}

/** Milliseconds out of service: the base × `multiplier`, not above the maximum. */
export function ejectionTimeMs(policy: OutlierDetectionConfig, multiplier: number): number {
  return Math.min(policy.baseEjectionTimeMs * multiplier, longestMs(policy));
}

/** The multiplier of the next ejection; it stops growing once the maximum is reached, so that the way back is not endless (Envoy). */
export function nextMultiplier(policy: OutlierDetectionConfig, multiplier: number): number {
  return policy.baseEjectionTimeMs * multiplier < longestMs(policy) + policy.baseEjectionTimeMs ? multiplier + 1 : multiplier;
}

function longestMs({ maxEjectionTimeMs, baseEjectionTimeMs }: OutlierDetectionConfig): number {
  return Math.max(maxEjectionTimeMs, baseEjectionTimeMs);
}

function isServerError(status: number): boolean {
  return status >= 500 && status <= 599;
}
