/**
 * Takes hosts that fail out of service for a while (DestinationRule `outlierDetection`): counts what outlier-decision.ts
 * decides upon, applies the decision, and returns hosts at the interval's sweep, as Envoy does. Connections of an ejected
 * host stay; balancers just no longer choose it.
 */

import type { OutlierDetectionConfig } from '../../config/runtime/cluster.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { OutlierStats } from '../telemetry/stats.ts';
import type { Ejection, OutlierRecord } from './ejection.ts';
import type { Host } from './host.ts';
import type { LocalOriginFailure, OutlierSink } from './outlier.ts';
import { countedStatus, countStatus, decideEjection, ejectionTimeMs, FAILURE_STATUS, nextMultiplier, type EjectionCause, type EjectionDecision, type FailureCounts } from './outlier-decision.ts';

export type OutlierEvent = { readonly host: Host; readonly policy: OutlierDetectionConfig } & (
  | { readonly kind: 'ejected'; readonly ejection: Ejection }
  /** Enough errors, but maxEjectionPercent is used up: the host stays in service. `hosts`: how many the cluster has. */
  | { readonly kind: 'kept'; readonly decision: EjectionDecision; readonly hosts: number }
  | { readonly kind: 'returned'; readonly ejection: Ejection; readonly because: 'time is up' | 'policy removed' }
);

export interface OutlierDetectorDeps {
  readonly clock: Clock;
  /** Told after `host.healthy` changed and the counters with it. */
  readonly onEvent: (event: OutlierEvent) => void;
}

export class OutlierDetector implements OutlierSink {
  readonly stats: OutlierStats = new OutlierStats();
  readonly #deps: OutlierDetectorDeps;
  readonly #hosts: Set<Host> = new Set();
  #policy: OutlierDetectionConfig;
  #errorCodes: ReadonlySet<number> | undefined;
  #sweepTimer: Timer | undefined;

  constructor(policy: OutlierDetectionConfig, deps: OutlierDetectorDeps) {
    this.#deps = deps;
    this.#policy = policy;
    this.#errorCodes = errorCodesOf(policy);
    this.#scheduleSweep();
  }

  /** New settings: counts, ejections and multipliers stay, times are those of the new settings. */
  setPolicy(policy: OutlierDetectionConfig): void {
    const { intervalMs } = this.#policy;
    this.#policy = policy;
    this.#errorCodes = errorCodesOf(policy);
    for (const host of this.#hosts) this.#retime(host);
    if (policy.intervalMs === intervalMs) return;
    this.#sweepTimer?.cancel();
    this.#scheduleSweep();
  }

  /** The cluster's hosts now; those that are gone are forgotten. */
  setHosts(hosts: Iterable<Host>): void {
    const current = new Set(hosts);
    for (const host of this.#hosts) if (!current.has(host)) this.#forget(host);
    for (const host of current) this.#watch(host);
  }

  /** The policy is gone: every host is in service again, and the detector has stopped. */
  returnAll(): void {
    for (const host of this.#hosts) if (host.outlier?.ejection !== undefined) this.#return(host, host.outlier, 'policy removed');
    this.stop();
  }

  /** Nothing is counted any more, no timer runs. */
  stop(): void {
    this.#sweepTimer?.cancel();
    for (const host of this.#hosts) this.#forget(host);
  }

  onConnected(host: Host): void {
    const record = host.outlier;
    if (record !== undefined && this.#policy.splitLocalOrigin) record.counts.consecutiveLocalOrigin = 0;
  }

  onTunnel(host: Host): void {
    if (this.#policy.splitLocalOrigin) this.onConnected(host);
    else if (host.outlier !== undefined) countStatus(host.outlier.counts, 200);
  }

  onResponse(host: Host, status: number): void {
    const record = host.outlier;
    if (record === undefined || record.ejection !== undefined) return;
    const counted = countedStatus(status, this.#errorCodes);
    countStatus(record.counts, counted);
    if (counted >= 500) this.#judge(host, record, status);
  }

  onLocalFailure(host: Host, failure: LocalOriginFailure): void {
    const record = host.outlier;
    if (record === undefined || record.ejection !== undefined) return;
    if (this.#policy.splitLocalOrigin) record.counts.consecutiveLocalOrigin++;
    else countStatus(record.counts, FAILURE_STATUS);
    this.#judge(host, record, failure);
  }

  /** Two rules may be reached at once; the second is asked when the first could not eject. Each detection begins a new row. */
  #judge(host: Host, record: OutlierRecord, last: number | LocalOriginFailure): void {
    const { counts } = record;
    for (;;) {
      const decision = decideEjection(this.#policy, counts, { ejected: this.stats.ejectionsActive, hosts: this.#hosts.size });
      if (decision === undefined) return;
      countDetected(this.stats, decision.cause);
      beginAgain(counts, decision.cause);
      if (decision.eject) {
        this.#eject(host, record, decision, last);
        return;
      }
      this.stats.ejectionsOverflow++;
      this.#deps.onEvent({ kind: 'kept', host, policy: this.#policy, decision, hosts: this.#hosts.size });
    }
  }

  #eject(host: Host, record: OutlierRecord, { cause, count }: EjectionDecision, last: number | LocalOriginFailure): void {
    const { clock } = this.#deps;
    const multiplier = nextMultiplier(this.#policy, record.multiplier);
    const durationMs = ejectionTimeMs(this.#policy, multiplier);
    const sinceMs = clock.wallTime();
    record.multiplier = multiplier;
    record.ejectedAtMs = clock.now();
    record.ejection = { cause, count, last, sinceMs, untilMs: sinceMs + durationMs, durationMs, multiplier };
    this.stats.ejectionsActive++;
    countEnforced(this.stats, cause);
    host.healthy = false;
    this.#deps.onEvent({ kind: 'ejected', host, policy: this.#policy, ejection: record.ejection });
  }

  /** Failures that came in while it was out say nothing about how it does now. */
  #return(host: Host, record: OutlierRecord, because: 'time is up' | 'policy removed'): void {
    const ejection = record.ejection as Ejection;
    record.ejection = undefined;
    for (const cause of CAUSES) beginAgain(record.counts, cause);
    this.stats.ejectionsActive--;
    host.healthy = true;
    this.#deps.onEvent({ kind: 'returned', host, policy: this.#policy, ejection, because });
  }

  #sweep(): void {
    const now = this.#deps.clock.now();
    for (const host of this.#hosts) {
      const record = host.outlier as OutlierRecord;
      if (record.ejection === undefined) record.multiplier = Math.max(0, record.multiplier - 1);
      else if (now - record.ejectedAtMs >= ejectionTimeMs(this.#policy, record.multiplier)) this.#return(host, record, 'time is up');
    }
    this.#scheduleSweep();
  }

  #scheduleSweep(): void {
    this.#sweepTimer = this.#deps.clock.setTimer(this.#policy.intervalMs, () => this.#sweep());
  }

  #retime({ outlier }: Host): void {
    if (outlier?.ejection === undefined) return;
    const durationMs = ejectionTimeMs(this.#policy, outlier.multiplier);
    outlier.ejection = { ...outlier.ejection, durationMs, untilMs: outlier.ejection.sinceMs + durationMs };
  }

  #watch(host: Host): void {
    if (this.#hosts.has(host)) return;
    this.#hosts.add(host);
    host.outlier = { counts: { consecutive5xx: 0, consecutiveGateway: 0, consecutiveLocalOrigin: 0 }, ejection: undefined, ejectedAtMs: 0, multiplier: 0 };
  }

  #forget(host: Host): void {
    if (host.outlier?.ejection !== undefined) this.stats.ejectionsActive--;
    this.#hosts.delete(host);
    host.outlier = undefined;
  }
}

const CAUSES: readonly EjectionCause[] = ['consecutive_5xx', 'consecutive_gateway_failure', 'consecutive_local_origin_failure'];

function errorCodesOf({ errorCodes }: OutlierDetectionConfig): ReadonlySet<number> | undefined {
  return errorCodes === undefined || errorCodes.length === 0 ? undefined : new Set(errorCodes);
}

function beginAgain(counts: FailureCounts, cause: EjectionCause): void {
  if (cause === 'consecutive_5xx') counts.consecutive5xx = 0;
  else if (cause === 'consecutive_gateway_failure') counts.consecutiveGateway = 0;
  else counts.consecutiveLocalOrigin = 0;
}

function countDetected(stats: OutlierStats, cause: EjectionCause): void {
  if (cause === 'consecutive_5xx') stats.ejectionsDetectedConsecutive5xx++;
  else if (cause === 'consecutive_gateway_failure') stats.ejectionsDetectedConsecutiveGatewayFailure++;
  else stats.ejectionsDetectedConsecutiveLocalOriginFailure++;
}

function countEnforced(stats: OutlierStats, cause: EjectionCause): void {
  stats.ejectionsEnforcedTotal++;
  if (cause === 'consecutive_5xx') stats.ejectionsEnforcedConsecutive5xx++;
  else if (cause === 'consecutive_gateway_failure') stats.ejectionsEnforcedConsecutiveGatewayFailure++;
  else stats.ejectionsEnforcedConsecutiveLocalOriginFailure++;
}
