/** Virtual host lookup and route match: bookinfo's few routes, and 1,000 routes of each kind. */

import type { RouteConfig, RouteMatchConfig, VirtualHostConfig } from '../../config/runtime/route.ts';
import { RouteTable } from '../../proxy/router/route-table.ts';
import { VirtualHost } from '../../proxy/router/virtual-host.ts';
import { HeaderList } from '../../proxy/stream/header-list.ts';
import type { RequestHead } from '../../proxy/stream/stream.ts';
import type { MicroBenchmark } from './measure.ts';

const MANY = 1000;

export function routeBenchmarks(): MicroBenchmark[] {
  const numbers = Array.from({ length: MANY }, (_, i) => i);
  const jason: Partial<RouteMatchConfig> = { headers: [{ name: 'end-user', match: { kind: 'exact', value: 'jason' }, invert: false }] };
  return [
    lookup('virtual host of 10, by name and port', 10, (i) => `service-${i % 10}.default.svc.cluster.local:9080`),
    lookup('virtual host of 10,000, by name and port', 10_000, (i) => `service-${i % 10_000}.default.svc.cluster.local:9080`),
    match('match reviews: end-user, else all', [jason, {}], () => '/reviews/0'),
    match(
      'match productpage: 4 of 5 paths',
      ['/productpage', '/static', '/login', '/logout', '/api/v1/products'].map((value, i) => ({ path: { kind: i === 1 || i === 4 ? 'prefix' : 'exact', value } })),
      () => '/logout',
    ),
    match('match 1,000 exact', numbers.map((i) => ({ path: { kind: 'exact', value: `/api/v1/resource-${i}` } })), (i) => `/api/v1/resource-${i % MANY}`),
    match('match 1,000 prefixes', numbers.map((i) => ({ path: { kind: 'prefix', value: `/api/v1/resource-${i}/` } })), (i) => `/api/v1/resource-${i % MANY}/items/7`),
    match('match 1,000 prefixes, query', numbers.map((i) => ({ path: { kind: 'prefix', value: `/api/v1/resource-${i}/` } })), (i) => `/api/v1/resource-${i % MANY}/items/7?page=2`),
    match('match 1,000 prefixes, none fits', numbers.map((i) => ({ path: { kind: 'prefix', value: `/api/v1/resource-${i}/` } })), () => '/other/path'),
    match('match regex that runs natively', [{ path: { kind: 'regex', value: '/v\\d+/[^/]+' } }], () => '/v12/abc'),
    match('match regex that is a string comparison', [{ path: { kind: 'regex', value: '/api/(v1|v2)/.*' } }], () => '/api/v2/abc'),
    match('match regex that needs re2js', [{ path: { kind: 'regex', value: '/.*[0-9]+/x' } }], () => '/abc/12/x'),
  ];
}

function lookup(name: string, count: number, authorityOf: (i: number) => string): MicroBenchmark {
  const virtualHosts = Array.from({ length: count }, (_, i) => virtualHost(`service-${i}`, [`service-${i}.default.svc.cluster.local`, `service-${i}`], [{}]));
  const table = new RouteTable({ name: '9080', virtualHosts }, (config) => config);
  const authorities = fresh(authorityOf);
  return { name, run: (i) => table.lookup(authorities[i & 1023] as string) };
}

function match(name: string, matches: readonly Partial<RouteMatchConfig>[], pathOf: (i: number) => string): MicroBenchmark {
  const host = new VirtualHost(virtualHost('v', ['*'], matches), ({ index }) => index);
  const requests = fresh(pathOf).map((path) => request(path));
  return { name, run: (i) => host.match(requests[i & 1023] as RequestHead) };
}

/** 1,024 separate strings, as a parser would cut them from its buffer. */
function fresh(textOf: (i: number) => string): string[] {
  return Array.from({ length: 1024 }, (_, i) => Buffer.from(textOf(i), 'latin1').latin1Slice());
}

function virtualHost(name: string, domains: readonly string[], matches: readonly Partial<RouteMatchConfig>[]): VirtualHostConfig {
  const routes = matches.map((match, index): RouteConfig => ({ name: `r${index}`, match: { headers: [], query: [], ...match }, action: { kind: 'direct', status: 200 }, filters: [], index }));
  return { name, domains, routes, virtualService: null };
}

function request(path: string): RequestHead {
  const headers = new HeaderList(['host', 'reviews:9080', 'user-agent', 'curl/8.5.0', 'accept', '*/*', 'x-request-id', '0b934304-c78b-4f16-9983-81e77c66345c']);
  return { method: 'GET', path, originalPath: undefined, authority: 'reviews:9080', scheme: 'http', headers };
}
