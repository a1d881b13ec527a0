/** A.1 at the side of the server: requests to the local application, which a sidecar sends again only while nothing of them has left. */

import type { Case } from '../case.ts';
import { after } from '../cases/forms.ts';
import type { Group } from '../run-groups.ts';
import type { Json } from '../targets/envoy.ts';
import type { Backends } from '../targets/target.ts';
import { programRetry, type Scene, type TestHost } from '../targets/test-host.ts';
import { ask, call, cut, failed, finish, refusedConnect, relayed, reply, row } from './forms.ts';

/** Ports of the application: without interception the one in the Host says which is meant. */
const ports = { app: 80, refused: 82, grpc: 83 } as const;

function inbound(name: string, endpoint: keyof Backends, port: number, retries: Json | null): TestHost {
  return { name, endpoints: [endpoint], branches: [{ port, envoy: { connect_timeout: '0.1s' } }], envoy: { routes: [{ route: { retry_policy: retries } }] } };
}

/** What Istio programs for inbound routes, not for gRPC ports. */
const inboundRetry = programRetry('reset-before-request', 2);

function at(host: string, port: number, bytes: string): string {
  return bytes.replace(`${host}.test`, `${host}.test:${port}`);
}

const cases: readonly Case[] = [
  row('A.1', 'inbound: a refused connect to the application is retried twice', at('refused', ports.refused, ask('refused')), [], failed('URX,UF', 'remote connection failure', { transport: refusedConnect, retried: true, log: { upstreamHost: 'refused' } })),
  row('A.1', 'inbound: so is that of a request with a body', at('refused', ports.refused, ask('refused', { method: 'POST', body: 'hello' })), [], failed('URX,UF', 'remote connection failure', { transport: refusedConnect, retried: true })),
  row('A.1', 'inbound: a connect to a gRPC port is not', at('grpc', ports.grpc, ask('grpc')), [], failed('UF', 'connection timeout', { log: { upstreamHost: 'hanging' } })),
  row('A.1', 'inbound: what has been sent is not sent again when the connection ends', ask('app'), [finish], failed('UC', 'connection termination', { upstream: { requests: 1 } })),
  row('A.1', 'inbound: nor when it is reset', ask('app', { method: 'POST', body: 'hello' }), [cut], failed('UC', 'connection termination', { upstream: { requests: 1 } })),
  row('A.1', 'inbound: a 503 of the application is its answer', ask('app'), [reply(503, [], 'no')], relayed(503, { requests: 1 }, { answer: { body: 'no' } })),
  row('A.1', 'inbound: so is a grpc-status', call('app'), [reply(200, ['content-type: application/grpc', 'grpc-status: 14'])], { answers: [{ status: 200, headers: { 'grpc-status': '14' } }], closes: false, upstream: { requests: 1 }, log: [{ code: 200, flags: '-', details: 'via_upstream' }, after] }),
];

export const inboundGroup: Group = {
  hosts: [inbound('app', 'upstream', 8080, inboundRetry), inbound('refused', 'refused', ports.refused, inboundRetry), inbound('grpc', 'hanging', ports.grpc, null)],
  cases,
};

/** A virtual machine on which the application runs: the workload to run as, and its services. */
export const inboundWorkload = 'default/vm';

export function renderInbound([scene]: readonly Scene[]): string {
  const local = { app: scene?.backends.upstream, refused: scene?.backends.refused, grpc: scene?.backends.hanging };
  const labels = { app: 'vm' };
  const machine = { apiVersion: 'networking.istio.io/v1', kind: 'WorkloadEntry', metadata: { name: 'vm', namespace: 'default', labels }, spec: { address: '127.0.0.1', labels } };
  const services = (['app', 'refused', 'grpc'] as const).map((name) => {
    const port = { name: name === 'grpc' ? 'grpc' : 'http', number: ports[name], protocol: name === 'grpc' ? 'GRPC' : 'HTTP', targetPort: local[name] };
    return { apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { name, namespace: 'default' }, spec: { hosts: [`${name}.test`], location: 'MESH_INTERNAL', resolution: 'STATIC', ports: [port], workloadSelector: { labels } } };
  });
  const patience = { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name: 'grpc', namespace: 'default' }, spec: { host: 'grpc.test', trafficPolicy: { connectionPool: { tcp: { connectTimeout: '100ms' } } } } };
  return [machine, ...services, patience].map((each) => `${JSON.stringify(each)}\n`).join('---\n');
}
