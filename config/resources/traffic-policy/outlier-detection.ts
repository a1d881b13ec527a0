/** `outlierDetection` of DestinationRule and MeshConfig. */

import type { Schema } from '../schema.ts';
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
    },
  },
);
