/** Outrider with the table's routes, from the Istio resources that mean the same as the Envoy configuration. */

import { Proxy } from '../../support/proxy.ts';
import type { TestScope } from '../../support/scope.ts';
import { connectTimeoutMs, routeTimeoutMs, type Backends, type Target } from './target.ts';

export interface OutriderOptions {
  /** By default the table of attacks'. */
  readonly snapshot?: string;
  /** More arguments for `outrider run`. */
  readonly args?: readonly string[];
}

export async function startOutrider(t: TestScope, backends: Backends, options: OutriderOptions = {}): Promise<Target & { readonly proxy: Proxy }> {
  const proxy = await Proxy.start(t, { snapshot: options.snapshot ?? tableSnapshot(backends), args: options.args ?? [] });
  return {
    proxy,
    backends,
    port: proxy.outbound,
    pid: proxy.child.pid ?? 0,
    logLines: () => proxy.log,
    alive: () => proxy.child.exitCode === null && proxy.child.signalCode === null,
    output: () => proxy.stderr,
  };
}

/** REGISTRY_ONLY, one ServiceEntry per host; `retries.attempts: 0` switches Istio's default retries off. */
export function tableSnapshot(backends: Backends): string {
  const endpoints = { app: backends.upstream, narrow: backends.upstream, refused: backends.refused, hanging: backends.hanging };
  return [
    mesh,
    ...Object.entries(endpoints).map(([name, port]) => serviceEntry(name, `[{address: 127.0.0.1, ports: {http: ${port}}}]`)),
    serviceEntry('empty', '[]'),
    ...['refused', 'empty'].map((name) => virtualService(name, `  - ${toHost(name)}`)),
    virtualService('hanging', `  - ${toHost('hanging')}`),
    connectTimeout,
    virtualService('missing', `  - ${toHost('nowhere')}`),
    virtualService('narrow', `  - name: only\n    match: [{uri: {exact: /only}}]\n    ${toHost('narrow')}`),
    virtualService('app', appRoutes),
  ].join('---\n');
}

export const mesh = `apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    outboundTrafficPolicy: {mode: REGISTRY_ONLY}
`;

const connectTimeout = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: hanging, namespace: default}
spec:
  host: hanging.test
  trafficPolicy: {connectionPool: {tcp: {connectTimeout: ${connectTimeoutMs}ms}}}
`;

const appRoutes = `  - name: timeout
    match: [{uri: {prefix: /timeout}}]
    timeout: ${routeTimeoutMs}ms
    ${toHost('app')}
  - name: redirect
    match: [{uri: {exact: /redirect}}]
    redirect: {uri: /elsewhere}
  - name: move
    match: [{uri: {prefix: /move/}}]
    redirect: {authority: other.test}
  - name: denied
    match: [{uri: {exact: /denied}}]
    directResponse: {status: 403, body: {string: denied}}
  - name: default
    ${toHost('app')}`;

function toHost(name: string): string {
  return `retries: {attempts: 0}\n    route: [{destination: {host: ${name}.test}}]`;
}

function serviceEntry(name: string, endpoints: string): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: default}
spec:
  hosts: [${name}.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{name: http, number: 80, protocol: HTTP}]
  endpoints: ${endpoints}
`;
}

function virtualService(name: string, routes: string): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: default}
spec:
  hosts: [${name}.test]
  http:
${routes}
`;
}
