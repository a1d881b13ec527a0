/** Istio's helloworld and httpbin samples as they ship: services, both gateways on one port, and httpbin's own sidecar. */

import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Ask } from '../support/echo-mesh.ts';
import { EchoMesh, startEcho } from '../support/echo-mesh.ts';
import { workloads } from '../support/resources.ts';
import { shared } from '../support/shared.ts';
import { countAnswers } from '../support/splits.ts';

const samples = shared('istio-samples', 'samples');
const skip = samples.missing;
const UPSTREAMS = ['v1', 'v2', 'httpbin'];

function sample(...path: readonly string[]): string {
  return readFileSync(join(samples.path, ...path), 'utf8');
}

t.test('a client of helloworld and httpbin', { skip }, async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: UPSTREAMS });
  const hello = (host: string): Ask => ({ host, path: '/hello' });
  const running = [workloads('helloworld', { workloads: [mesh.at('v1'), mesh.at('v2')] }), workloads('httpbin', { workloads: [mesh.at('httpbin')] })];
  for (const file of ['helloworld', 'helloworld-dual-stack']) {
    await mesh.play(t, [
      {
        name: `${file}: both versions answer, by each of the service's names`,
        snapshot: [sample('helloworld', `${file}.yaml`), running],
        also: async (t) => {
          for (const host of ['helloworld:5000', 'helloworld', 'helloworld.default', 'helloworld.default.svc:5000', 'helloworld.default.svc.cluster.local']) {
            const { counts, other } = await countAnswers(mesh, hello(host), 60);
            t.same({ versions: [...counts.keys()].sort(), other }, { versions: ['v1', 'v2'], other: 0 }, host);
          }
        },
      },
    ]);
  }
  await mesh.play(t, [
    {
      name: 'httpbin: service port 8000, target port 8080',
      snapshot: [sample('httpbin', 'httpbin.yaml'), sample('httpbin', 'httpbin-nodeport.yaml').replace(/^kind: Service$/m, 'kind: NodePortServiceLeftOut'), running],
      ask: [
        [{ host: 'httpbin:8000', path: '/headers' }, { by: 'httpbin', host: 'httpbin:8000' }],
        [{ host: 'httpbin', path: '/get?a=1&a=2' }, { by: 'httpbin', path: '/get?a=1&a=2', log: { upstream_cluster: 'outbound|8000||httpbin.default.svc.cluster.local' } }],
        [{ target: 'http://httpbin:8000/anything', host: 'ignored' }, { by: 'httpbin', host: 'httpbin:8000', path: '/anything' }],
        [{ host: 'httpbin', method: 'DELETE', path: '/delete' }, { by: 'httpbin', method: 'DELETE' }],
        [{ host: 'httpbin', method: 'POST', path: '/post', body: 'a=1' }, { by: 'httpbin', headers: { 'content-length': '3' } }],
      ],
    },
  ]);
});

t.test('a gateway with both samples', { skip }, async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: UPSTREAMS, mode: 'gateway', workload: 'istio-system/istio-ingressgateway', args: ['--map-port', '80=0'] });
  const running = [workloads('helloworld', { workloads: [mesh.at('v1')] }), workloads('httpbin', { workloads: [mesh.at('httpbin')] })];
  const services = [sample('helloworld', 'helloworld.yaml'), sample('httpbin', 'httpbin.yaml'), running];
  const hello = sample('helloworld', 'helloworld-gateway.yaml');
  const httpbin = sample('httpbin', 'httpbin-gateway.yaml');
  const labels = { istio: 'ingressgateway' };
  const notFound = { status: 404, text: '', log: { response_flags: 'NR' } };
  await mesh.play(t, [
    {
      name: 'helloworld-gateway: /hello and nothing else',
      snapshot: [services, hello],
      labels,
      ask: [
        [{ host: 'any.example.com', path: '/hello' }, 'v1'],
        [{ host: 'any.example.com', path: '/hello/' }, notFound],
        [{ host: 'any.example.com', path: '/' }, notFound],
      ],
    },
    {
      name: 'httpbin-gateway: everything',
      snapshot: [services, httpbin],
      labels,
      ask: [
        [{ host: 'a', path: '/hello' }, 'httpbin'],
        [{ host: '10.0.0.1', path: '/status/418' }, { by: 'httpbin', host: '10.0.0.1' }],
      ],
    },
    {
      name: 'both on one port: the catch-all of one does not hide the other, whichever is older',
      snapshot: [services, hello.replace(/^ {2}name: helloworld$/m, '  name: zz-helloworld'), httpbin],
      labels,
      ask: [
        [{ host: 'a', path: '/hello' }, 'v1'],
        [{ host: 'a', path: '/else' }, 'httpbin'],
      ],
    },
    {
      name: 'the gateway Service maps its port 80 to the port that is bound',
      snapshot: [],
      also: async (t) => {
        const port = await freePort();
        const gateway = await EchoMesh.start(t, { upstreams: ['v1'], mode: 'gateway', workload: 'istio-system/ingress' });
        const ingress = {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'ingress', namespace: 'istio-system' },
          spec: { type: 'LoadBalancer', selector: { istio: 'ingressgateway' }, ports: [{ name: 'http2', port: 80, targetPort: port }] },
        };
        const status = await gateway.load([sample('helloworld', 'helloworld.yaml'), workloads('helloworld', { workloads: [gateway.at('v1')] }), ingress, hello], labels);
        t.equal(status.lastAttempt, 'accepted', status.problems.join('\n'));
        t.same((await gateway.bound()).ports, { 80: port });
        t.equal((await gateway.ask({ host: 'x', path: '/hello', via: 80 })).echo?.by, 'v1');
      },
    },
  ]);
});

t.test('the sidecar of httpbin', { skip: skip || (process.platform !== 'linux' && 'needs more than one loopback address') }, async (t) => {
  // A Pod's address of its own, where port 8080 is free.
  const address = `127.9.${(process.pid >> 8) & 255}.${process.pid & 255}`;
  await startEcho(t, 'application', { address, port: 8080 });
  await startEcho(t, 'admin', { address, port: 9999 });
  const mesh = await EchoMesh.start(t, { upstreams: [], workload: 'default/httpbin-1', ip: address });
  const labels = { app: 'httpbin', version: 'v1' };
  await mesh.play(t, [
    {
      name: 'inbound by service port, by target port, and by each of its names',
      snapshot: [sample('httpbin', 'httpbin.yaml')],
      labels,
      ask: [
        [{ host: 'httpbin:8000', path: '/get', via: 'inbound' }, { by: 'application', path: '/get', host: 'httpbin:8000', log: { upstream_cluster: 'inbound|8080||', route_name: 'default' } }],
        [{ host: `${address}:8080`, via: 'inbound' }, 'application'],
        [{ host: 'httpbin', via: 'inbound' }, 'application'],
        [{ host: 'httpbin.default.svc.cluster.local', via: 'inbound' }, 'application'],
        [{ target: 'http://httpbin:8000/get', host: 'other', via: 'inbound' }, { by: 'application', host: 'httpbin:8000' }],
      ],
    },
    {
      name: 'its Pod is an endpoint without any EndpointSlice',
      snapshot: [sample('httpbin', 'httpbin.yaml')],
      labels,
      ask: [[{ host: 'httpbin:8000', path: '/get' }, { by: 'application', log: { upstream_host: `${address}:8080` } }]],
    },
    {
      name: 'a port that no service names leads to this Pod and nowhere else',
      snapshot: [sample('httpbin', 'httpbin.yaml')],
      labels: { app: 'else' },
      ask: [
        [{ host: `${address}:9999`, via: 'inbound' }, { by: 'admin', log: { upstream_cluster: 'InboundPassthroughCluster' } }],
        [{ host: '192.0.2.1:9999', via: 'inbound' }, 'admin'],
        [{ host: 'httpbin:8000', via: 'inbound' }, { status: 503, log: { response_flags: 'URX,UF', upstream_host: `${address}:8000` } }],
      ],
    },
  ]);
});

/** A port that was free just now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
