/** `fault` of an HTTP route. */

import type { Report, Schema } from '../schema.ts';
import { checked, integer, object, oneOf, present, text } from '../schema.ts';
import { suggestion } from '../suggest.ts';
import { checkedText, duration, percent } from '../values.ts';
import type { PercentMessage } from '../messages.ts';
import type { FaultAbort, FaultDelay, HttpFaultInjection } from './types.ts';

/** gRPC's names, in the order of their numbers. */
export const grpcStatuses: readonly string[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

/** Envoy counts in steps of 0.0001 %. */
const faultPercent: Schema<PercentMessage> = checked(percent, ({ value = 0 }, report) => {
  if (value > 0 && value < 0.0001) report.error(['value'], `must be 0 or from 0.0001 to 100, got ${value}`);
});

/** Members that Istio's API names and its data plane does not have. */
interface WrittenDelay extends FaultDelay {
  readonly exponentialDelay?: string;
}

interface WrittenAbort extends FaultAbort {
  readonly http2Error?: string;
}

const delay: Schema<FaultDelay> = object<WrittenDelay>(
  { fixedDelay: duration({ minMs: 1 }), percentage: faultPercent, percent: integer(0, 100), exponentialDelay: text },
  { check: checkDelay },
);

function checkDelay(value: WrittenDelay, report: Report): void {
  if (value.exponentialDelay !== undefined) report.error(['exponentialDelay'], 'is not supported; use fixedDelay');
  else if (value.fixedDelay === undefined) report.error([], 'needs fixedDelay');
  if (value.percent !== undefined) report.deprecated(['percent'], 'is deprecated; use percentage.value', 'IST0002');
  if (value.percentage === undefined ? value.percent === undefined : value.percentage.value === undefined) warnOfNothing('delayed', value, report);
}

const abort: Schema<FaultAbort> = object<WrittenAbort>(
  {
    // Istio lets 600 through, too, which Envoy then refuses.
    httpStatus: integer(200, 599),
    grpcStatus: checkedText((name) => (grpcStatuses.includes(name) ? undefined : `${JSON.stringify(name)} is not a gRPC status${suggestion(name, grpcStatuses)}`)),
    http2Error: text,
    percentage: faultPercent,
  },
  { check: checkAbort },
);

function checkAbort(value: WrittenAbort, report: Report): void {
  oneOf(value, ['httpStatus', 'grpcStatus', 'http2Error'], report);
  if (value.http2Error !== undefined) report.error(['http2Error'], 'is not supported; use httpStatus or grpcStatus');
  else if (present(value, ['httpStatus', 'grpcStatus']).length === 0) return report.warning([], 'has neither httpStatus nor grpcStatus, so no request is aborted');
  if (value.percentage?.value === undefined) warnOfNothing('aborted', value, report);
}

/** Old texts say "all requests"; Envoy's default is none. */
function warnOfNothing(done: string, { percentage }: FaultDelay | FaultAbort, report: Report): void {
  const consequence = `so no request is ${done}; for all requests write percentage: {value: 100}`;
  if (percentage === undefined) report.warning([], `has no percentage, ${consequence}`);
  else report.warning(['percentage'], `has no value, ${consequence}`);
}

export const fault: Schema<HttpFaultInjection> = object<HttpFaultInjection>(
  { delay, abort },
  {
    check: (value, report) => {
      if (value.delay === undefined && value.abort === undefined) report.error([], 'needs delay or abort');
    },
  },
);
