/** DestinationRule `outlierDetection` with the defaults Istio leaves to Envoy filled in (istio-api.md 3.7). */

import type { OutlierDetection } from '../resources/traffic-policy/types.ts';
import type { OutlierDetectionConfig } from '../runtime/cluster.ts';
import type { Located } from './located.ts';
import { originAt } from './located.ts';
import { isSet } from './unset.ts';

const DEFAULT_CONSECUTIVE_ERRORS = 5;
const DEFAULT_INTERVAL_MS = 10_000;
const DEFAULT_BASE_EJECTION_TIME_MS = 30_000;
const MAX_EJECTION_TIME_MS = 300_000;
const DEFAULT_MAX_EJECTION_PERCENT = 10;

/** An absent block ejects nobody; an empty one ejects after five errors in a row. */
export function outlierDetectionConfig(written: Located<OutlierDetection> | undefined): OutlierDetectionConfig | undefined {
  if (written === undefined) return undefined;
  const { value } = written;
  const baseEjectionTimeMs = value.baseEjectionTime ?? DEFAULT_BASE_EJECTION_TIME_MS;
  const errorCodes = value.outlierDetectionHttpErrorCodes ?? [];
  return {
    // These two are nullable in Istio's API, so 0 says "off", unlike in the plain integers below.
    consecutive5xx: value.consecutive5xxErrors ?? DEFAULT_CONSECUTIVE_ERRORS,
    consecutiveGateway: value.consecutiveGatewayErrors ?? 0,
    consecutiveLocalOrigin: isSet(value.consecutiveLocalOriginFailures) ? value.consecutiveLocalOriginFailures : DEFAULT_CONSECUTIVE_ERRORS,
    splitLocalOrigin: value.splitExternalLocalOriginErrors === true,
    intervalMs: value.interval ?? DEFAULT_INTERVAL_MS,
    baseEjectionTimeMs,
    maxEjectionTimeMs: Math.max(MAX_EJECTION_TIME_MS, baseEjectionTimeMs),
    maxEjectionPercent: isSet(value.maxEjectionPercent) ? value.maxEjectionPercent : DEFAULT_MAX_EJECTION_PERCENT,
    ...(errorCodes.length > 0 && { errorCodes }),
    origin: originAt(written),
  };
}
