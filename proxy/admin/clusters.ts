/** /clusters: each cluster with its hosts and their counters, in Envoy's text or JSON. */

import type { HostStats } from '../telemetry/stats.ts';
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

/** Istio sets every limit of a breaker to the highest number there is; no policy lowers it in this version. */
const NO_LIMIT = 4_294_967_295;

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

function clusterText({ config: { name }, hosts }: ClusterView): string {
  let lines = `${name}::observability_name::${name}\n`;
  for (const limit of ['max_connections', 'max_pending_requests', 'max_requests', 'max_retries']) {
    lines += `${name}::default_priority::${limit}::${NO_LIMIT}\n`;
  }
  lines += `${name}::added_via_api::true\n`;
  for (const host of hosts) lines += hostText(`${name}::${host.address}::`, host);
  return lines;
}

function hostText(prefix: string, host: HostView): string {
  const { endpoint, stats } = host;
  const [region = '', zone = '', subZone = ''] = endpoint.locality.split('/');
  let lines = '';
  for (const [name, field] of HOST_STATS) lines += `${prefix}${name}::${stats[field]}\n`;
  const facts = [
    ['hostname', hostName(host)],
    ['health_flags', isHealthy(host) ? 'healthy' : '/failed_active_hc'],
    ['weight', endpoint.weight],
    ['region', region],
    ['zone', zone],
    ['sub_zone', subZone],
    ['canary', false],
    ['priority', 0],
    ['success_rate', -1],
    ['local_origin_success_rate', -1],
  ];
  for (const [name, value] of facts) lines += `${prefix}${name}::${value}\n`;
  return lines;
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

function clusterJson({ config, hosts }: ClusterView): unknown {
  const limits = { max_connections: NO_LIMIT, max_pending_requests: NO_LIMIT, max_requests: NO_LIMIT, max_retries: NO_LIMIT };
  return {
    name: config.name,
    added_via_api: true,
    host_statuses: Array.from(hosts, hostJson),
    circuit_breakers: { thresholds: [limits] },
    observability_name: config.name,
  };
}

function hostJson(host: HostView): unknown {
  const { endpoint, stats } = host;
  const [region, zone, subZone] = endpoint.locality.split('/');
  const name = hostName(host);
  return {
    address: { socket_address: addressJson(host.address) },
    stats: [...HOST_COUNTERS.map((counter) => statJson(stats, counter)), ...HOST_GAUGES.map((gauge) => ({ type: 'GAUGE', ...statJson(stats, gauge) }))],
    health_status: { eds_health_status: isHealthy(host) ? 'HEALTHY' : 'UNHEALTHY' },
    weight: endpoint.weight,
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

function isHealthy(host: HostView): boolean {
  return host.healthy !== false;
}
