/** /clusters: each cluster with its hosts and their counters, in Envoy's text or JSON. */

import type { ClusterConfig } from '../../config/runtime/cluster.ts';
import type { HostStats } from '../telemetry/stats.ts';
import { ejectionLine } from '../upstream/ejection-words.ts';
import type { Ejection } from '../upstream/ejection.ts';
import { overflows } from '../upstream/overflows.ts';
import { NO_LIMIT } from './breaker-stats.ts';
import { jsonSlices, textAnswer, type AdminPage } from './page.ts';
import { createSearch } from './search.ts';
import type { AdminView, ClusterView, HostView } from './view.ts';

export function clustersPage(view: AdminView): AdminPage {
  return {
    path: '/clusters',
    help: 'print clusters and the state of their hosts',
    parameters: { filter: 'regular expression (RE2), found anywhere in the cluster name', format: 'text (default) or json' },
    answer: ({ query }) => {
      const matches = createSearch(query.get('filter') ?? '');
      if (typeof matches !== 'function') return textAnswer(`Invalid re2 regex: ${matches.problem}\n`, 400);
      const clusters = matching(view.clusters(), matches);
      return query.get('format') === 'json' ? jsonSlices(renderJson(clusters)) : textAnswer(renderText(clusters));
    },
  };
}

const HOST_COUNTERS: readonly (readonly [name: string, field: keyof HostStats])[] = [
  ['cx_connect_fail', 'cxConnectFail'],
  ['cx_total', 'cxTotal'],
  ['rq_error', 'rqError'],
  ['rq_success', 'rqSuccess'],
  ['rq_timeout', 'rqTimeout'],
  ['rq_total', 'rqTotal'],
];
const HOST_GAUGES: readonly (readonly [name: string, field: keyof HostStats])[] = [
  ['cx_active', 'cxActive'],
  ['rq_active', 'rqActive'],
];
/** The text page has them in one list, by name. */
const HOST_STATS = [...HOST_COUNTERS, ...HOST_GAUGES].sort(([left], [right]) => (left < right ? -1 : 1));

function* matching(clusters: Iterable<ClusterView>, matches: (name: string) => boolean): Iterable<ClusterView | undefined> {
  for (const cluster of clusters) yield matches(cluster.config.name) ? cluster : undefined;
}

/** Undefined stands for a cluster that is left out, so that a long search pauses too. */
function* renderText(clusters: Iterable<ClusterView | undefined>): Iterable<string> {
  for (const cluster of clusters) yield cluster === undefined ? '' : clusterText(cluster);
}

function clusterText({ config, stats, hosts }: ClusterView): string {
  const { name, outlierDetection } = config;
  let lines = `${name}::observability_name::${name}\n`;
  // Envoy's own lines; ejection by success rate is off in Istio, so they never say more.
  if (outlierDetection !== undefined) for (const fact of SUCCESS_RATE_FACTS) lines += `${name}::outlier::${fact}::-1\n`;
  for (const [limit, value] of Object.entries(limitsOf(config))) lines += `${name}::default_priority::${limit}::${value}\n`;
  for (const { limit, sentence } of overflows(config, stats)) lines += `${name}::default_priority::overflow::${limit}::${sentence}\n`;
  lines += `${name}::added_via_api::true\n`;
  for (const host of hosts) lines += hostText(`${name}::${host.address}::`, host, config);
  return lines;
}

const SUCCESS_RATE_FACTS = ['success_rate_average', 'success_rate_ejection_threshold', 'local_origin_success_rate_average', 'local_origin_success_rate_ejection_threshold'];

/** As Istio writes them into Envoy's thresholds. */
function limitsOf({ connectionPool }: ClusterConfig): Readonly<Record<string, number>> {
  const { maxConnections, maxPendingRequests, maxRequests, maxRetries } = connectionPool ?? {};
  return {
    max_connections: maxConnections ?? NO_LIMIT,
    max_pending_requests: maxPendingRequests ?? NO_LIMIT,
    max_requests: maxRequests ?? NO_LIMIT,
    max_retries: maxRetries ?? NO_LIMIT,
  };
}

function hostText(prefix: string, host: HostView, config: ClusterConfig): string {
  const { endpoint, stats } = host;
  const [region = '', zone = '', subZone = ''] = endpoint.locality.split('/');
  const outlier = outlierText(host, config);
  let lines = '';
  for (const [name, field] of HOST_STATS) lines += `${prefix}${name}::${stats[field]}\n`;
  const facts = [
    ['hostname', hostName(host)],
    ['health_flags', healthFlags(host)],
    ...(outlier === undefined ? [] : [['outlier', outlier]]),
    ['weight', endpoint.weight],
    ['region', region],
    ['zone', zone],
    ['sub_zone', subZone],
    ['canary', false],
    ['priority', endpoint.priority ?? 0],
    ['success_rate', -1],
    ['local_origin_success_rate', -1],
  ];
  for (const [name, value] of facts) lines += `${prefix}${name}::${value}\n`;
  return lines;
}

/** Why it is out of service, since when and until when. */
function outlierText({ ejection, ejectedBy }: HostView, { outlierDetection }: ClusterConfig): string | undefined {
  if (ejection === undefined || outlierDetection === undefined) return undefined;
  const part = ejectedBy === undefined || ejectedBy.workers === ejectedBy.of ? '' : `; in ${ejectedBy.workers} of ${ejectedBy.of} workers`;
  return ejectionLine(ejection, outlierDetection) + part;
}

function* renderJson(clusters: Iterable<ClusterView | undefined>): Iterable<string> {
  yield '{\n "cluster_statuses": [';
  let separator = '\n';
  for (const cluster of clusters) {
    yield cluster === undefined ? '' : separator + JSON.stringify(clusterJson(cluster), undefined, 1);
    if (cluster !== undefined) separator = ',\n';
  }
  yield '\n ]\n}\n';
}

function clusterJson({ config, stats, hosts }: ClusterView): unknown {
  const refused = overflows(config, stats);
  return {
    name: config.name,
    added_via_api: true,
    host_statuses: Array.from(hosts, (host) => hostJson(host, config)),
    circuit_breakers: { thresholds: [limitsOf(config)] },
    observability_name: config.name,
    ...(refused.length === 0 ? {} : { overflow: refused }),
  };
}

function hostJson(host: HostView, config: ClusterConfig): unknown {
  const { endpoint, stats, ejection } = host;
  const [region, zone, subZone] = endpoint.locality.split('/');
  const name = hostName(host);
  return {
    address: { socket_address: addressJson(host.address) },
    stats: [...HOST_COUNTERS.map((counter) => statJson(stats, counter)), ...HOST_GAUGES.map((gauge) => ({ type: 'GAUGE', ...statJson(stats, gauge) }))],
    health_status: ejection === undefined ? { eds_health_status: host.healthy === false ? 'UNHEALTHY' : 'HEALTHY' } : { failed_outlier_check: true, eds_health_status: 'HEALTHY' },
    ...(ejection === undefined ? {} : { outlier: { sentence: outlierText(host, config), ...ejectionJson(ejection) } }),
    weight: endpoint.weight,
    ...(endpoint.priority === undefined || endpoint.priority === 0 ? {} : { priority: endpoint.priority }),
    ...(name === '' ? {} : { hostname: name }),
    locality: { ...(region ? { region } : {}), ...(zone ? { zone } : {}), ...(subZone ? { sub_zone: subZone } : {}) },
  };
}

/** Protobuf's JSON: 64-bit numbers are strings, zero is left out. */
function statJson(stats: HostStats, [name, field]: readonly [string, keyof HostStats]): { readonly value?: string; readonly name: string } {
  return stats[field] === 0 ? { name } : { value: `${stats[field]}`, name };
}

function addressJson(address: string): { readonly address: string; readonly port_value: number } {
  const colon = address.lastIndexOf(':');
  return { address: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port_value: Number(address.slice(colon + 1)) };
}

/** The name an address was resolved from; empty for a configured address. */
function hostName({ address, endpoint }: HostView): string {
  return addressJson(address).address === endpoint.address ? '' : endpoint.address;
}

function healthFlags({ healthy, ejection }: HostView): string {
  if (ejection !== undefined) return '/failed_outlier_check';
  return healthy === false ? '/failed_active_hc' : 'healthy';
}

/** Times as the rest of Envoy's JSON writes them. */
function ejectionJson({ cause, count, sinceMs, untilMs, multiplier }: Ejection): Readonly<Record<string, string | number>> {
  return { cause, count, since: new Date(sinceMs).toISOString(), until: new Date(untilMs).toISOString(), times: multiplier };
}
