/** `retries` of an HTTP route, and MeshConfig's default retry policies. */

import type { Report, Schema } from '../schema.ts';
import { boolean, integer, object, present, text } from '../schema.ts';
import { suggestion } from '../suggest.ts';
import { duration } from '../values.ts';
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
  const others = present(retry, ['perTryTimeout', 'retryOn', 'retryRemoteLocalities', 'retryIgnorePreviousHosts', 'backoff']);
  if ((retry.attempts ?? 0) === 0 && others.length > 0) {
    const at = retry.attempts === undefined ? [] : ['attempts'];
    report.error(at, `attempts is 0, which switches retries off, but ${others.join(' and ')} is set; set attempts or remove the rest`);
  }
  if (retry.retryOn === undefined || retry.retryOn === '') return;
  for (const condition of retry.retryOn.split(',')) {
    const problem = conditionProblem(condition.trim());
    if (problem !== undefined) report.error(['retryOn'], problem);
  }
}

function conditionProblem(condition: string): string | undefined {
  if (retryConditions.includes(condition)) return undefined;
  if (!/^\d+$/.test(condition)) return `${JSON.stringify(condition)} is not a retry condition${suggestion(condition, retryConditions)}`;
  const status = Number(condition);
  return status >= 100 && status < 600 ? undefined : `${condition} is not an HTTP status code`;
}
