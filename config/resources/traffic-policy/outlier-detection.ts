/** `outlierDetection` of DestinationRule and MeshConfig. */

import type { Report, Schema } from '../schema.ts';
import { boolean, int32, integer, list, object, uint32 } from '../schema.ts';
import { duration } from '../values.ts';
import type { OutlierDetection } from './types.ts';

const share = integer(0, 100);

export const outlierDetection: Schema<OutlierDetection> = object<OutlierDetection>(
  {
    consecutiveErrors: int32,
    consecutive5xxErrors: uint32,
    consecutiveGatewayErrors: uint32,
    splitExternalLocalOriginErrors: boolean,
    consecutiveLocalOriginFailures: uint32,
    interval: duration({ minMs: 1 }),
    baseEjectionTime: duration({ minMs: 1 }),
    maxEjectionPercent: share,
    minHealthPercent: share,
    outlierDetectionHttpErrorCodes: list(integer(100, 599)),
  },
  {
    check: (value, report) => {
      if (value.consecutiveErrors !== undefined) {
        report.deprecated(['consecutiveErrors'], 'is deprecated and has no effect; use consecutive5xxErrors or consecutiveGatewayErrors');
      }
      if ((value.consecutiveLocalOriginFailures ?? 0) > 0 && value.splitExternalLocalOriginErrors !== true) {
        report.error(['consecutiveLocalOriginFailures'], 'needs splitExternalLocalOriginErrors: true');
      }
      checkCounts(value, report);
      if (value.minHealthPercent === 100) {
        report.warning(['minHealthPercent'], 'is 100: one ejected endpoint is enough for all to be used again, so ejection has no effect');
      }
    },
  },
);

/** Istio's default; of the gateway errors there is none. */
const DEFAULT_5XX = 5;

function checkCounts(value: OutlierDetection, report: Report): void {
  const { consecutive5xxErrors: fives = DEFAULT_5XX, consecutiveGatewayErrors: gateway = 0, splitExternalLocalOriginErrors: split = false } = value;
  const localOrigin = split && value.consecutiveLocalOriginFailures !== 0;
  if (fives === 0 && gateway === 0 && !localOrigin) {
    report.warning(['consecutive5xxErrors'], '0 switches this rule off and no other is on, so no endpoint is ever ejected');
  }
  // With a list of codes the two count different answers.
  if ((value.outlierDetectionHttpErrorCodes ?? []).length > 0 || fives === 0 || gateway < fives) return;
  const other = value.consecutive5xxErrors === undefined ? `the default of consecutive5xxErrors (${fives})` : `consecutive5xxErrors (${fives})`;
  report.warning(['consecutiveGatewayErrors'], `has no effect: it is not below ${other}, which counts gateway errors too`);
}
