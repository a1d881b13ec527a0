/** Stats as Envoy's text and JSON pages print them. */

import type { HistogramView } from '../telemetry/metrics/histogram.ts';
import { BUCKET_BOUNDS, quantileOf, viewHistogram } from '../telemetry/metrics/histogram.ts';
import { LABEL_NAMES, TCP_LABEL_NAMES } from '../telemetry/metrics/istio-labels.ts';
import { ISTIO_HISTOGRAMS, REQUESTS, type IstioSeriesSource, type IstioSeries } from '../telemetry/metrics/istio-metrics.ts';
import { TCP_METRICS } from '../telemetry/metrics/tcp-metrics.ts';
import type { StatSource } from './stat-source.ts';
import type { StatGroup } from './view-stat.ts';

export type HistogramStyle = 'summary' | 'cumulative' | 'disjoint';

/** What to leave out. */
export interface StatFilter {
  /** On the whole name. */
  readonly matches: (name: string) => boolean;
  /** Leave out what is zero. */
  readonly usedOnly: boolean;
  readonly type: 'All' | 'Counters' | 'Gauges' | 'Histograms';
}

interface Sample {
  readonly name: string;
  readonly value: number;
}

const QUANTILES = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

/** `name: value` a line; histograms last, their quantiles estimated within buckets. */
export function* renderStatsText(source: StatSource, istio: IstioSeriesSource, filter: StatFilter, style: HistogramStyle): Iterable<string> {
  for (const samples of allSamples(source, istio, filter)) {
    let lines = '';
    for (const { name, value } of samples) lines += `${name}: ${value}\n`;
    yield lines;
  }
  for (const { name, view } of histograms(istio, filter)) {
    yield view === undefined ? '' : `${name}: ${style === 'summary' ? summaryText(view) : bucketText(view, style)}\n`;
  }
}

/** `{"stats":[{"name":…,"value":…},…,{"histograms":…}]}`. */
export function* renderStatsJson(source: StatSource, istio: IstioSeriesSource, filter: StatFilter, style: HistogramStyle): Iterable<string> {
  yield '{"stats":[';
  for (const samples of allSamples(source, istio, filter)) {
    let items = '';
    for (const sample of samples) items += `${JSON.stringify(sample)},`;
    yield items;
  }
  const summary = style === 'summary';
  yield summary ? `{"histograms":{"supported_quantiles":${JSON.stringify(QUANTILES)},"computed_quantiles":[` : '{"histograms":[';
  let separator = '';
  for (const { name, view } of histograms(istio, filter)) {
    if (view === undefined) yield '';
    else yield `${separator}${JSON.stringify(summary ? summaryJson(name, view) : bucketJson(name, view, style))}`;
    if (view !== undefined) separator = ',';
  }
  yield summary ? ']}}]}\n' : ']}]}\n';
}

/** The samples of one entity after the other, so that whoever prints them can pause between. */
function* allSamples(source: StatSource, istio: IstioSeriesSource, filter: StatFilter): Iterable<readonly Sample[]> {
  yield* groupSamples(source.clusters, filter);
  yield* groupSamples(source.http, filter);
  for (const series of istio.series()) {
    const sample = { name: istioName('istio_requests_total', series), value: series.cells[REQUESTS] as number };
    yield isWanted(sample.name, 'counter', sample.value, filter) ? [sample] : [];
  }
  for (const { metric, offset } of TCP_METRICS) {
    for (const series of istio.tcpSeries()) {
      const sample = { name: istioName(metric, series, TCP_LABEL_NAMES), value: series.cells[offset] as number };
      yield isWanted(sample.name, 'counter', sample.value, filter) ? [sample] : [];
    }
  }
  yield* groupSamples(source.listeners, filter);
  yield* groupSamples(source.secrets, filter);
  yield source.scalars.filter(({ name, kind, value }) => isWanted(name, kind, value, filter));
  yield* groupSamples(source.certificates, filter);
}

function* groupSamples<Entity>(group: StatGroup<Entity>, filter: StatFilter): Iterable<readonly Sample[]> {
  for (const entity of group.entities) {
    const prefix = `${group.scope}.${group.nameOf(entity)}.`;
    const samples: Sample[] = [];
    for (const stat of group.stats) {
      const value = stat.read(entity);
      if (value === undefined) continue;
      const sample = { name: prefix + stat.name, value };
      if (isWanted(sample.name, stat.kind, sample.value, filter)) samples.push(sample);
    }
    yield samples;
  }
}

function isWanted(name: string, kind: 'counter' | 'gauge', value: number, { matches, usedOnly, type }: StatFilter): boolean {
  if (type === 'Histograms' || (type === 'Gauges' && kind === 'counter') || (type === 'Counters' && kind === 'gauge')) return false;
  return !(usedOnly && value === 0) && matches(name);
}

/** `view` is undefined for one that is left out. */
function* histograms(istio: IstioSeriesSource, { matches, usedOnly, type }: StatFilter): Iterable<{ readonly name: string; readonly view: HistogramView | undefined }> {
  if (type === 'Counters' || type === 'Gauges') return;
  for (const { metric, offset } of ISTIO_HISTOGRAMS) {
    for (const series of istio.series()) {
      const name = istioName(metric, series);
      const view = viewHistogram(series.cells, offset);
      yield { name, view: matches(name) && !(usedOnly && view.count === 0) ? view : undefined };
    }
  }
}

/** Envoy puts tags it did not take from the name behind it, each after its own name. */
function istioName(metric: string, { labelValues }: Pick<IstioSeries, 'labelValues'>, names: readonly string[] = LABEL_NAMES): string {
  let name = `istiocustom.${metric}`;
  for (let i = 0; i < names.length; i++) name += `.${names[i]}.${labelValues[i]}`;
  return name;
}

/** `P50(nan,3.05)`: of the last interval, which is not kept, and of the whole time. */
function summaryText(view: HistogramView): string {
  if (view.count === 0) return 'No recorded values';
  return QUANTILES.map((percent) => `P${percent}(nan,${rounded(quantileOf(view, percent))})`).join(' ');
}

function bucketText(view: HistogramView, style: HistogramStyle): string {
  return buckets(view, style).map((count, i) => `B${BUCKET_BOUNDS[i]}(0,${count})`).join(' ');
}

function summaryJson(name: string, view: HistogramView): unknown {
  const values = QUANTILES.map((percent) => ({ cumulative: view.count === 0 ? null : rounded(quantileOf(view, percent)), interval: null }));
  return { name, values };
}

function bucketJson(name: string, view: HistogramView, style: HistogramStyle): unknown {
  return { name, buckets: buckets(view, style).map((count, i) => ({ upper_bound: BUCKET_BOUNDS[i], interval: 0, cumulative: count })) };
}

function buckets({ cumulative }: HistogramView, style: HistogramStyle): readonly number[] {
  return style === 'cumulative' ? cumulative : cumulative.map((count, i) => count - (cumulative[i - 1] ?? 0));
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
