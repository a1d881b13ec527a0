/** Telemetry: metrics, tracing and access logging of workloads (istio-api.md section 11). */

import type { KindParser } from './kind.ts';
import { istioVersions, specKind } from './kind.ts';
import { checkPolicyTarget, policyTargetShape } from './policy-target.ts';
import type { Report, Schema } from './schema.ts';
import { boolean, decimal, list, map, object, oneName, oneOf, text } from './schema.ts';
import { celProblem } from './telemetry/cel.ts';
import type {
  CustomTag, MetricsOverride, ProviderReference, TagOverride, TelemetryAccessLogging, TelemetryMetrics, TelemetrySpec, TelemetryTracing, WorkloadMode,
} from './telemetry/types.ts';
import { checkedText, duration } from './values.ts';

export type * from './telemetry/types.ts';

const notEmpty = checkedText((value) => (value === '' ? 'must not be empty' : undefined));

const workloadMode: Schema<WorkloadMode> = oneName(['CLIENT_AND_SERVER', 'CLIENT', 'SERVER']);
const modeMatch = object<{ readonly mode?: WorkloadMode }>({ mode: workloadMode });
const providers = list(object<ProviderReference>({ name: notEmpty }, { required: ['name'] }));

const metricMatch = object<NonNullable<MetricsOverride['match']>>(
  {
    metric: oneName([
      'ALL_METRICS', 'REQUEST_COUNT', 'REQUEST_DURATION', 'REQUEST_SIZE', 'RESPONSE_SIZE', 'TCP_OPENED_CONNECTIONS', 'TCP_CLOSED_CONNECTIONS',
      'TCP_SENT_BYTES', 'TCP_RECEIVED_BYTES', 'GRPC_REQUEST_MESSAGES', 'GRPC_RESPONSE_MESSAGES',
    ]),
    customMetric: notEmpty,
    mode: workloadMode,
  },
  { check: (match, report) => oneOf(match, ['metric', 'customMetric'], report) },
);

const tagOverride: Schema<TagOverride> = object<TagOverride>({ operation: oneName(['UPSERT', 'REMOVE']), value: text }, {
  check: ({ operation = 'UPSERT', value = '' }, report) => {
    if (operation === 'UPSERT' && value === '') report.error(['value'], 'is required for operation UPSERT');
    if (operation === 'REMOVE' && value !== '') report.error(['value'], 'is not allowed with operation REMOVE');
  },
});

const metricsOverride: Schema<MetricsOverride> = object<MetricsOverride>({
  match: metricMatch,
  disabled: boolean,
  tagOverrides: map(tagOverride, namesNotEmpty),
});

const metrics: Schema<TelemetryMetrics> = object<TelemetryMetrics>({
  providers,
  overrides: list(metricsOverride),
  reportingInterval: duration({ minMs: 1 }),
});

const required = { required: ['name'] } as const;
const valued = object<{ readonly value: string }>({ value: notEmpty }, { required: ['value'] });
const named = object<{ readonly name: string; readonly defaultValue?: string }>({ name: notEmpty, defaultValue: text }, required);

const customTag: Schema<CustomTag> = object<CustomTag>({ literal: valued, environment: named, header: named, formatter: valued }, {
  check: (tag, report) => {
    oneOf(tag, ['literal', 'environment', 'header', 'formatter'], report);
    if (Object.keys(tag).length === 0) report.error([], 'needs one of literal, environment, header, formatter');
  },
});

const tracing: Schema<TelemetryTracing> = object<TelemetryTracing>(
  {
    match: modeMatch,
    providers,
    randomSamplingPercentage: decimal(0, 100),
    disableSpanReporting: boolean,
    customTags: map(customTag, namesNotEmpty),
    useRequestIdForTraceSampling: boolean,
    enableIstioTags: boolean,
    disableContextPropagation: boolean,
  },
  {
    check: (message, report) => {
      if ((message.providers ?? []).length > 1) report.warning(['providers', 1], 'only the first tracing provider is used');
    },
  },
);

const filter = object<{ readonly expression?: string }>({ expression: text }, {
  check: ({ expression }, report) => {
    const problem = expression === undefined || expression === '' ? undefined : celProblem(expression);
    if (problem !== undefined) report.error(['expression'], `is not a CEL expression: ${problem}`);
  },
});

const accessLogging: Schema<TelemetryAccessLogging> = object<TelemetryAccessLogging>({ match: modeMatch, providers, disabled: boolean, filter });

const spec: Schema<TelemetrySpec> = object<TelemetrySpec>(
  { ...policyTargetShape, metrics: list(metrics), tracing: list(tracing), accessLogging: list(accessLogging) },
  { check: checkSpec },
);

export const telemetry: KindParser<TelemetrySpec> = specKind({ kind: 'Telemetry', apiVersions: istioVersions('telemetry', 'v1', 'v1alpha1') }, spec);

function checkSpec(message: TelemetrySpec, report: Report): void {
  checkPolicyTarget(message, report);
  if ((message.tracing ?? []).length > 1) report.warning(['tracing', 1], 'only the first tracing entry is used');
}

function namesNotEmpty(entries: Readonly<Record<string, unknown>>, report: Report): void {
  if (Object.hasOwn(entries, '')) report.error([''], 'a tag name must not be empty');
}
