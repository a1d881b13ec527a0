/** Telemetry messages with Istio's own field names (istio-api.md section 11); durations in milliseconds. */

import type { PolicyTarget } from '../policy-target.ts';

export interface TelemetrySpec extends PolicyTarget {
  readonly metrics?: readonly TelemetryMetrics[];
  readonly tracing?: readonly TelemetryTracing[];
  readonly accessLogging?: readonly TelemetryAccessLogging[];
}

export interface ProviderReference {
  readonly name: string;
}

/** Default CLIENT_AND_SERVER. */
export type WorkloadMode = 'CLIENT_AND_SERVER' | 'CLIENT' | 'SERVER';

export type StandardMetric =
  | 'ALL_METRICS'
  | 'REQUEST_COUNT'
  | 'REQUEST_DURATION'
  | 'REQUEST_SIZE'
  | 'RESPONSE_SIZE'
  | 'TCP_OPENED_CONNECTIONS'
  | 'TCP_CLOSED_CONNECTIONS'
  | 'TCP_SENT_BYTES'
  | 'TCP_RECEIVED_BYTES'
  | 'GRPC_REQUEST_MESSAGES'
  | 'GRPC_RESPONSE_MESSAGES';

export interface TelemetryMetrics {
  readonly providers?: readonly ProviderReference[];
  readonly overrides?: readonly MetricsOverride[];
  /** Milliseconds; default 5,000. */
  readonly reportingInterval?: number;
}

export interface MetricsOverride {
  /** `metric` and `customMetric` are a oneof; neither = ALL_METRICS. */
  readonly match?: { readonly metric?: StandardMetric; readonly customMetric?: string; readonly mode?: WorkloadMode };
  readonly disabled?: boolean;
  readonly tagOverrides?: Readonly<Record<string, TagOverride>>;
}

export interface TagOverride {
  /** Default UPSERT. */
  readonly operation?: 'UPSERT' | 'REMOVE';
  /** CEL expression; required for UPSERT, forbidden for REMOVE. */
  readonly value?: string;
}

export interface TelemetryTracing {
  readonly match?: { readonly mode?: WorkloadMode };
  readonly providers?: readonly ProviderReference[];
  /** 0..100. */
  readonly randomSamplingPercentage?: number;
  readonly disableSpanReporting?: boolean;
  readonly customTags?: Readonly<Record<string, CustomTag>>;
  readonly useRequestIdForTraceSampling?: boolean;
  readonly enableIstioTags?: boolean;
  readonly disableContextPropagation?: boolean;
}

/** Exactly one member. */
export interface CustomTag {
  readonly literal?: { readonly value: string };
  readonly environment?: { readonly name: string; readonly defaultValue?: string };
  readonly header?: { readonly name: string; readonly defaultValue?: string };
  readonly formatter?: { readonly value: string };
}

export interface TelemetryAccessLogging {
  readonly match?: { readonly mode?: WorkloadMode };
  readonly providers?: readonly ProviderReference[];
  readonly disabled?: boolean;
  /** CEL expression. */
  readonly filter?: { readonly expression?: string };
}
