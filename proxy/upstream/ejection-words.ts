/** Ejections and returns as plain sentences, for the process log and /clusters. */

import type { Origin } from '../../config/runtime/origin.ts';
import type { OutlierDetectionConfig } from '../../config/runtime/cluster.ts';
import type { Ejection } from './ejection.ts';
import type { EjectionDecision } from './outlier-decision.ts';
import type { OutlierEvent } from './outlier-detector.ts';

/** `ejected 10.0.0.1:9080 from outbound|9080||reviews…: 5 consecutive 5xx, until 12:00:30 (30 s, 1st time; DestinationRule default/reviews, rules.yaml:7)`. */
export function outlierSentence(event: OutlierEvent, cluster: string): string {
  const { policy, host: { address } } = event;
  switch (event.kind) {
    case 'ejected':
      return `ejected ${address} from ${cluster}: ${ejectionReason(event.ejection, policy)}, ${untilText(event.ejection)}${from(policy.origin)})`;
    case 'kept':
      return `kept ${address} in ${cluster} in spite of ${errorsInRow(event.decision, policy)}: one more of its ${count(event.hosts, 'host')} out of service would be above maxEjectionPercent ${policy.maxEjectionPercent}${written(policy.origin)}`;
    case 'returned':
      return `returned ${address} to ${cluster}: ${event.because === 'time is up' ? `its ${seconds(event.ejection.durationMs)} are over` : 'it has no outlierDetection any more'}; it was out since ${timeOfDay(event.ejection.sinceMs)} for ${ejectionReason(event.ejection, policy)}`;
    default:
      return unreachable(event);
  }
}

/** `ejected at 12:00:00 until 12:00:30 (30 s, 1st time; DestinationRule default/reviews, rules.yaml:7): 5 consecutive 5xx`. */
export function ejectionLine(ejection: Ejection, policy: OutlierDetectionConfig): string {
  return `ejected at ${timeOfDay(ejection.sinceMs)} ${untilText(ejection)}${from(policy.origin)}): ${ejectionReason(ejection, policy)}`;
}

/** `5 consecutive 5xx (the last: connect failure)`. */
export function ejectionReason(ejection: Ejection, policy: OutlierDetectionConfig): string {
  const { last } = ejection;
  return `${errorsInRow(ejection, policy)}${typeof last === 'number' ? '' : ` (the last: ${last.replaceAll('_', ' ')})`}`;
}

/** `12:00:30`, UTC as every time of the process log. */
export function timeOfDay(wallTimeMs: number): string {
  return new Date(wallTimeMs).toISOString().slice(11, 19);
}

function errorsInRow({ cause, count }: Pick<EjectionDecision, 'cause' | 'count'>, { errorCodes }: OutlierDetectionConfig): string {
  switch (cause) {
    case 'consecutive_5xx':
      return errorCodes === undefined || errorCodes.length === 0 ? `${count} consecutive 5xx` : `${count} consecutive errors (${errorCodes.join(', ')})`;
    case 'consecutive_gateway_failure':
      return `${count} consecutive gateway errors`;
    case 'consecutive_local_origin_failure':
      return `${count} consecutive local-origin failures`;
    default:
      return unreachable(cause);
  }
}

function untilText({ untilMs, durationMs, multiplier }: Ejection): string {
  return `until ${timeOfDay(untilMs)} (${seconds(durationMs)}, ${ordinal(multiplier)} time`;
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}

/** `1st`, `2nd`, `3rd`, `4th`, `11th`, `21st`. */
function ordinal(number: number): string {
  const teen = number % 100 >= 11 && number % 100 <= 13;
  return `${number}${teen ? 'th' : (['th', 'st', 'nd', 'rd'][number % 10] ?? 'th')}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function from(origin: Origin | 'default'): string {
  return origin === 'default' ? '' : `; ${origin.resource}, ${origin.file}:${origin.line}`;
}

function written(origin: Origin | 'default'): string {
  return origin === 'default' ? '' : ` (${origin.resource}, ${origin.file}:${origin.line})`;
}

function unreachable(never: never): never {
  throw new TypeError(`not expected: ${String(never)}`);
}
