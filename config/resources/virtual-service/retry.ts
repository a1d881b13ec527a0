/** `retries` of an HTTP route, and MeshConfig's default retry policies. */

import type { Report, Schema } from '../schema.ts';
import { boolean, integer, object, present, text } from '../schema.ts';
import { suggestion } from '../suggest.ts';
import { duration } from '../values.ts';
import { isNamedStatus } from './retry-statuses.ts';
import type { HttpRetry } from './types.ts';

/** Envoy's conditions, HTTP then gRPC; a number stands for itself as a status code. */
export const retryConditions: readonly string[] = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'envoy-ratelimited',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
];

/** What an absent `retryOn` means. */
const DEFAULT_CONDITIONS: readonly string[] = ['connect-failure', 'refused-stream', 'unavailable', 'cancelled'];

export const httpRetry: Schema<HttpRetry> = object<HttpRetry>(
  {
    attempts: integer(0, 0x7f_ff_ff_ff),
    perTryTimeout: duration({ minMs: 1 }),
    retryOn: text,
    retryRemoteLocalities: boolean,
    retryIgnorePreviousHosts: boolean,
    backoff: duration({ minMs: 1 }),
  },
  { check: checkRetry },
);

function checkRetry(retry: HttpRetry, report: Report): void {
  if ((retry.attempts ?? 0) === 0) return checkSwitchedOff(retry, report);
  const conditions = (retry.retryOn ?? '') === '' ? DEFAULT_CONDITIONS : retry.retryOn!.split(',').map((condition) => condition.trim());
  const problems = conditions.map(conditionProblem).filter((problem) => problem !== undefined);
  for (const problem of problems) report.error(['retryOn'], problem);
  if (problems.length === 0) warnOfSurprises(retry, conditions, report);
}

/** Istio refuses the first three beside `attempts: 0`; the others it lets pass. */
function checkSwitchedOff(retry: HttpRetry, report: Report): void {
  const refused = present(retry, ['perTryTimeout', 'retryOn', 'retryRemoteLocalities']).filter((field) => retry[field as 'retryOn'] !== '');
  if (refused.length > 0) {
    const at = retry.attempts === undefined ? [] : ['attempts'];
    return report.error(at, `attempts is 0, which switches retries off, but ${refused.join(' and ')} is set; set attempts or remove the rest`);
  }
  for (const field of present(retry, ['retryIgnorePreviousHosts', 'backoff'])) report.warning([field], 'has no effect: attempts is 0, which switches retries off');
}

/** What Istio takes and Envoy then never acts on. */
function warnOfSurprises({ retryOn, perTryTimeout }: HttpRetry, conditions: readonly string[], report: Report): void {
  const hasCodes = conditions.some(isNamedStatus);
  const idle = conditions.filter((condition) => neverHolds(condition, hasCodes));
  if (idle.length === conditions.length) {
    report.warning(['retryOn'], `nothing is ever retried: ${idle.join(', ')} never ${idle.length === 1 ? 'holds' : 'hold'} here; name a condition such as 5xx, connect-failure or 503`);
  } else {
    const unnamed = idle.filter((condition) => /^\d+$/.test(condition));
    if (unnamed.length > 0) report.warning(['retryOn'], `${unnamed.join(', ')} is never retried: Envoy is told only of status codes that have a name`);
  }
  if (perTryTimeout === undefined || conditions.some((condition) => RETRYING_TIMEOUTS.includes(condition))) return;
  const given = (retryOn ?? '') === '' ? 'the default retryOn' : 'retryOn';
  report.warning(['perTryTimeout'], `a try that takes longer is not retried but answered 504: ${given} has none of ${RETRYING_TIMEOUTS.join(', ')}`);
}

/** Conditions under which a try that was given up for its time is made again. */
const RETRYING_TIMEOUTS: readonly string[] = ['5xx', 'gateway-error', 'reset'];

/** `retriable-headers` needs names that only headers of the request could give, and a sidecar strips those; HTTP/3 is not spoken upstream. */
function neverHolds(condition: string, hasCodes: boolean): boolean {
  if (/^\d+$/.test(condition)) return !isNamedStatus(condition);
  return condition === 'retriable-headers' || condition === 'http3-post-connect-failure' || (condition === 'retriable-status-codes' && !hasCodes);
}

function conditionProblem(condition: string): string | undefined {
  if (retryConditions.includes(condition)) return undefined;
  if (!/^\d+$/.test(condition)) return `${JSON.stringify(condition)} is not a retry condition${suggestion(condition, retryConditions)}`;
  const status = Number(condition);
  return status >= 100 && status < 600 ? undefined : `${condition} is not an HTTP status code`;
}
