/** /stats in its formats, and /stats/prometheus. */

import { renderProcessMetrics } from '../telemetry/metrics/prometheus.ts';
import { PROMETHEUS_CONTENT_TYPE, renderPrometheus } from './exposition.ts';
import { jsonSlices, textAnswer, type AdminAnswer, type AdminPage } from './page.ts';
import { createSearch } from './search.ts';
import { createStatSource } from './stat-source.ts';
import { renderStatsJson, renderStatsText, type HistogramStyle, type StatFilter } from './stats-text.ts';
import type { AdminView, TelemetryView } from './view.ts';

const PARAMETERS = {
  usedonly: 'leave out what is zero',
  filter: 'regular expression (RE2), found anywhere in the name',
  format: 'text (default), json or prometheus',
  type: 'All (default), Counters, Gauges or Histograms',
  histogram_buckets: 'summary (default), cumulative or disjoint',
};

export function statsPage(view: AdminView, telemetry: TelemetryView): AdminPage {
  return {
    path: '/stats',
    help: 'print counters, gauges and histograms; of clusters only those that were used',
    parameters: PARAMETERS,
    answer: ({ query }) => {
      const format = query.get('format') ?? 'text';
      if (format === 'prometheus') return prometheusAnswer(view, telemetry, query);
      if (format !== 'text' && format !== 'json') return textAnswer('usage: /stats?format=(json|prometheus|text)\n', 400);
      const style = query.get('histogram_buckets') ?? 'summary';
      if (!isStyle(style)) return textAnswer('usage: /stats?histogram_buckets=(cumulative|disjoint|summary)\n', 400);
      const filter = filterOf(query);
      if ('problem' in filter) return textAnswer(filter.problem, 400);
      const source = createStatSource(view, telemetry);
      if (format === 'json') return jsonSlices(renderStatsJson(source, telemetry.istio, filter, style));
      return textAnswer(renderStatsText(source, telemetry.istio, filter, style));
    },
  };
}

export function prometheusPage(view: AdminView, telemetry: TelemetryView): AdminPage {
  return {
    path: '/stats/prometheus',
    help: 'print stats in the Prometheus text format',
    parameters: { usedonly: PARAMETERS.usedonly, filter: 'regular expression (RE2), found anywhere in the metric name' },
    answer: ({ query }) => prometheusAnswer(view, telemetry, query),
  };
}

/** Metrics of the process are few and come from prom-client; all others are rendered in slices. */
export async function prometheusAnswer(view: AdminView, telemetry: TelemetryView, query: URLSearchParams): Promise<AdminAnswer> {
  const pattern = query.get('filter');
  const matches = createSearch(pattern ?? '');
  if (typeof matches !== 'function') return textAnswer(`Invalid re2 regex: ${matches.problem}\n`, 400);
  const text = renderPrometheus(createStatSource(view, telemetry), telemetry.istio, telemetry.version, { matches, usedOnly: query.has('usedonly') });
  const processText = pattern === null ? await renderProcessMetrics() : '';
  return { status: 200, contentType: PROMETHEUS_CONTENT_TYPE, body: chained(text, processText) };
}

function* chained(slices: Iterable<string>, last: string): Iterable<string> {
  yield* slices;
  yield last;
}

function filterOf(query: URLSearchParams): StatFilter | { readonly problem: string } {
  const matches = createSearch(query.get('filter') ?? '');
  if (typeof matches !== 'function') return { problem: `Invalid re2 regex: ${matches.problem}\n` };
  const type = query.get('type') ?? 'All';
  if (!isType(type)) return { problem: 'invalid &type= param\n' };
  return { matches, usedOnly: query.has('usedonly'), type };
}

function isStyle(style: string): style is HistogramStyle {
  return style === 'summary' || style === 'cumulative' || style === 'disjoint';
}

function isType(type: string): type is StatFilter['type'] {
  return type === 'All' || type === 'Counters' || type === 'Gauges' || type === 'Histograms';
}
