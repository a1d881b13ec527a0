/** Prometheus's text format, 0.0.4, with the names and labels that Envoy and Istio give their metrics. */

import { BUCKET_BOUNDS, viewHistogram } from '../telemetry/metrics/histogram.ts';
import { LABEL_NAMES, TCP_LABEL_NAMES } from '../telemetry/metrics/istio-labels.ts';
import { ISTIO_HISTOGRAMS, REQUESTS, type IstioSeriesSource, type IstioSeries } from '../telemetry/metrics/istio-metrics.ts';
import { TCP_METRICS } from '../telemetry/metrics/tcp-metrics.ts';
import type { StatSource } from './stat-source.ts';
import type { StatGroup } from './view-stat.ts';

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export interface ExpositionFilter {
  /** On the name of the metric, `envoy_cluster_upstream_rq_total`. */
  readonly matches: (name: string) => boolean;
  readonly usedOnly: boolean;
}

/** The text in slices, each family whole and in one place as the format demands. */
export function* renderPrometheus(source: StatSource, istio: IstioSeriesSource, version: string, filter: ExpositionFilter): Iterable<string> {
  yield* requestCounts(istio, filter);
  for (const histogram of ISTIO_HISTOGRAMS) yield* requestHistograms(istio, histogram, filter);
  for (const counter of TCP_METRICS) yield* connectionCounts(istio, counter, filter);
  if (filter.matches('istio_build')) yield `# TYPE istio_build gauge\nistio_build{component="proxy",tag="${escapeLabel(version)}"} 1\n`;
  yield* groupFamilies(source.clusters, filter);
  yield* groupFamilies(source.http, filter);
  yield* groupFamilies(source.listeners, filter);
  yield* groupFamilies(source.secrets, filter);
  yield* groupFamilies(source.certificates, filter);
  for (const { name, kind, value } of source.scalars) {
    const metric = `envoy_${name.replaceAll('.', '_')}`;
    if (isWanted(metric, value, filter)) yield `# TYPE ${metric} ${kind}\n${metric}{} ${value}\n`;
  }
}

/** Characters gathered before a slice is handed over. */
const SLICE_CHARACTERS = 8 * 1024;

function* groupFamilies<Entity>(group: StatGroup<Entity>, filter: ExpositionFilter): Iterable<string> {
  const labels = group.entities.map((entity) => `${group.label}="${escapeLabel(group.nameOf(entity))}"`);
  let family = '';
  for (const stat of group.stats.toSorted(byFamily)) {
    const metric = `envoy_${group.scope.replaceAll('.', '_')}_${stat.family}`;
    if (!filter.matches(metric)) continue;
    const tag = responseTag(stat);
    let lines = '';
    for (let i = 0; i < group.entities.length; i++) {
      const value = stat.read(group.entities[i] as Entity);
      if (value === undefined || (filter.usedOnly && value === 0)) continue;
      if (family !== metric) lines += `# TYPE ${metric} ${stat.kind}\n`;
      family = metric;
      lines += `${metric}{${tag}${labels[i]}} ${value}\n`;
      if (lines.length < SLICE_CHARACTERS) continue;
      yield lines;
      lines = '';
    }
    yield lines;
  }
}

/** Istio's tags for what the name of a counter of answers ends in. */
function responseTag({ responseClass, responseCode }: { readonly responseClass: string | undefined; readonly responseCode?: number | undefined }): string {
  if (responseCode !== undefined) return `response_code="${responseCode}",`;
  return responseClass === undefined ? '' : `response_code_class="${responseClass}",`;
}

/** Almost the order of names; a response class need not stand beside the next one there. */
function byFamily(left: { readonly family: string }, right: { readonly family: string }): number {
  if (left.family === right.family) return 0;
  return left.family < right.family ? -1 : 1;
}

function* requestCounts(istio: IstioSeriesSource, filter: ExpositionFilter): Iterable<string> {
  if (!filter.matches('istio_requests_total')) return;
  yield '# TYPE istio_requests_total counter\n';
  for (const series of istio.series()) {
    const value = series.cells[REQUESTS] as number;
    yield filter.usedOnly && value === 0 ? '' : `istio_requests_total{${labelsOf(series)}} ${value}\n`;
  }
}

function* requestHistograms(istio: IstioSeriesSource, { metric, offset }: (typeof ISTIO_HISTOGRAMS)[number], filter: ExpositionFilter): Iterable<string> {
  if (!filter.matches(metric)) return;
  yield `# TYPE ${metric} histogram\n`;
  for (const series of istio.series()) {
    const view = viewHistogram(series.cells, offset);
    if (filter.usedOnly && view.count === 0) {
      yield '';
      continue;
    }
    const labels = labelsOf(series);
    let lines = '';
    for (let i = 0; i < BUCKET_BOUNDS.length; i++) lines += `${metric}_bucket{${labels},le="${BUCKET_BOUNDS[i]}"} ${view.cumulative[i]}\n`;
    yield `${lines}${metric}_bucket{${labels},le="+Inf"} ${view.count}\n${metric}_sum{${labels}} ${view.sum}\n${metric}_count{${labels}} ${view.count}\n`;
  }
}

function* connectionCounts(istio: IstioSeriesSource, { metric, offset }: (typeof TCP_METRICS)[number], filter: ExpositionFilter): Iterable<string> {
  if (!filter.matches(metric)) return;
  yield `# TYPE ${metric} counter\n`;
  for (const series of istio.tcpSeries()) {
    const value = series.cells[offset] as number;
    yield filter.usedOnly && value === 0 ? '' : `${metric}{${labelsOf(series, TCP_LABEL_NAMES)}} ${value}\n`;
  }
}

function isWanted(metric: string, value: number, { matches, usedOnly }: ExpositionFilter): boolean {
  return !(usedOnly && value === 0) && matches(metric);
}

function labelsOf({ labelValues }: Pick<IstioSeries, 'labelValues'>, names: readonly string[] = LABEL_NAMES): string {
  let text = '';
  for (let i = 0; i < names.length; i++) text += `${i === 0 ? '' : ','}${names[i]}="${escapeLabel(labelValues[i] as string)}"`;
  return text;
}

function escapeLabel(value: string): string {
  if (!/[\\"\n]/.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
