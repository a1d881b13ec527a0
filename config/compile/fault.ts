/** VirtualService `fault` → policy of the filter `fault` (istio-api.md 2.10). */

import type { PercentMessage } from '../resources/messages.ts';
import type { FaultAbort, FaultDelay, HttpFaultInjection } from '../resources/virtual-service/types.ts';
import { grpcStatuses } from '../resources/virtual-service/fault.ts';
import { percentOf } from './percent.ts';

/** Policy of the `fault` filter. Percentages are above 0 and up to 100, in steps of 0.0001, each with dice of its own. */
export interface FaultFilterPolicy {
  readonly delay?: { readonly fixedDelayMs: number; readonly percent: number };
  /** Exactly one of the statuses. */
  readonly abort?: { readonly httpStatus?: number; readonly grpcStatus?: number; readonly percent: number };
}

/** Undefined where the dice can never fall that way: an absent percentage is 0 %, unlike a mirror's. */
export function faultPolicy({ delay, abort }: HttpFaultInjection): FaultFilterPolicy | undefined {
  const compiledDelay = delay && delayPolicy(delay);
  const compiledAbort = abort && abortPolicy(abort);
  if (compiledDelay === undefined && compiledAbort === undefined) return undefined;
  return { ...(compiledDelay !== undefined && { delay: compiledDelay }), ...(compiledAbort !== undefined && { abort: compiledAbort }) };
}

/** The deprecated integer counts only without `percentage`. */
function delayPolicy({ fixedDelay = 0, percentage, percent = 0 }: FaultDelay): FaultFilterPolicy['delay'] {
  const share = percentage === undefined ? percent : shareOf(percentage);
  return fixedDelay === 0 || share === 0 ? undefined : { fixedDelayMs: fixedDelay, percent: share };
}

function abortPolicy({ httpStatus, grpcStatus, percentage }: FaultAbort): FaultFilterPolicy['abort'] {
  const percent = shareOf(percentage);
  if (percent === 0) return undefined;
  if (httpStatus !== undefined) return { httpStatus, percent };
  const number = grpcStatuses.indexOf(grpcStatus ?? '');
  return number === -1 ? undefined : { grpcStatus: number, percent };
}

function shareOf(percentage: PercentMessage | undefined): number {
  return percentage === undefined ? 0 : percentOf(percentage);
}
