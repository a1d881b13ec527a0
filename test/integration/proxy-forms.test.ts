/** How a request may name its destination: absolute form, Host with and without port, CONNECT; and never this proxy itself. */

import t from 'tap';
import type { Test } from 'tap';
import { EchoMesh } from '../support/echo-mesh.ts';
import type { MeshRow } from '../support/echo-mesh.ts';
import { istio, service } from '../support/resources.ts';

const registryOnly = istio('Sidecar', 'default', { egress: [{ hosts: ['*/*'] }], outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } });

t.test('ways to name a destination', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1', 'v2', 'many'] });
  const outside = `127.0.0.1:${mesh.port('v2')}`;
  const services = [
    service('reviews', { workloads: [mesh.at('v1')] }),
    service('shop', { port: 80, workloads: [mesh.at('v1')] }),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'many', namespace: 'default' },
      spec: { selector: { app: 'many' }, ports: [{ name: 'http-a', port: 81, targetPort: mesh.port('many') }, { name: 'http-b', port: 82, targetPort: mesh.port('many') }, { name: 'tcp-c', port: 83, targetPort: mesh.port('many') }] },
    },
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'many-1', namespace: 'default', labels: { app: 'many' } }, spec: { containers: [] }, status: { podIP: '127.0.0.1', phase: 'Running' } },
  ];
  const passed = { by: 'v2', log: { upstream_cluster: 'PassthroughCluster', route_name: 'allow_any' } };
  const blocked = { status: 502, text: '', log: { upstream_cluster: null, route_name: 'block_all', response_flags: '-' } };
  const rows: readonly MeshRow[] = [
    {
      name: 'Host and absolute form',
      snapshot: services,
      ask: [
        [{ host: 'reviews' }, { by: 'v1', host: 'reviews', log: { upstream_cluster: 'outbound|9080||reviews.default.svc.cluster.local' } }],
        [{ host: 'reviews:9080' }, { by: 'v1', host: 'reviews:9080' }],
        [{ host: 'Reviews.DEFAULT:9080' }, { by: 'v1' }],
        [{ host: 'shop' }, { by: 'v1', log: { upstream_cluster: 'outbound|80||shop.default.svc.cluster.local' } }],
        [{ host: 'shop:80' }, { by: 'v1', host: 'shop:80' }],
        [{ target: 'http://reviews:9080/x?y', host: 'elsewhere' }, { by: 'v1', host: 'reviews:9080', path: '/x?y', headers: { 'x-forwarded-proto': 'http' } }],
        [{ target: 'http://reviews/x', host: 'reviews' }, { by: 'v1', path: '/x', host: 'reviews' }],
        [{ target: 'http://shop', host: 'shop' }, { by: 'v1', path: '/' }],
        [{ host: 'many:81' }, { by: 'many', log: { upstream_cluster: 'outbound|81||many.default.svc.cluster.local' } }],
        [{ host: 'many:82' }, { by: 'many', log: { upstream_cluster: 'outbound|82||many.default.svc.cluster.local' } }],
        [{ host: outside }, passed],
        [{ target: `http://${outside}/p`, host: outside }, { ...passed, path: '/p', host: outside }],
        [{ target: '/only', host: '' }, { status: 400 }],
      ],
    },
    {
      name: 'REGISTRY_ONLY answers 502 for what nobody declares, and serves the rest',
      snapshot: [services, registryOnly],
      ask: [
        [{ host: 'reviews' }, 'v1'],
        [{ host: outside }, blocked],
        [{ host: 'reviews:9999' }, blocked],
        [{ host: 'example.com' }, blocked],
        [{ target: `http://${outside}/p`, host: 'reviews' }, blocked],
      ],
    },
  ];
  await mesh.play(t, rows);
});

t.test('CONNECT stands for a captured connection', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1', 'v2'] });
  const outside = `127.0.0.1:${mesh.port('v2')}`;
  const notHttp = '\x16\x03\x01\x02\x00 as TLS begins\r\n\r\n';
  const get = (host: string): string => `GET /in HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  /** What comes back after `CONNECT authority` and the bytes sent through it, up to `part` or to the end. */
  const tunnelled = async (t: Test, authority: string, bytes: string, part?: string): Promise<string> => {
    const client = await mesh.proxy.connect();
    client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    t.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 200 /, `CONNECT ${authority}`);
    const before = client.text.length;
    client.send(bytes);
    if (part === undefined) await client.closed();
    else await client.until(part);
    client.socket.destroy();
    return client.text.slice(before);
  };
  await mesh.play(t, [
    {
      name: 'HTTP inside is routed by its Host and the port asked for',
      snapshot: [service('reviews', { workloads: [mesh.at('v1')] })],
      also: async (t) => {
        t.match(await tunnelled(t, 'reviews:9080', get('reviews:9080'), '}'), /x-by: v1/);
        t.match(await tunnelled(t, 'reviews:9080', get('reviews'), '}'), /x-by: v1/);
        t.match(await tunnelled(t, '10.9.9.9:9080', get('reviews'), '}'), /x-by: v1/, 'the service decides, not the address');
        t.match(await tunnelled(t, outside, get('reviews'), '}'), /x-by: v2/, 'on a port that no service has it passes through');
        t.match(await tunnelled(t, outside, get('reviews') + get('two'), '"two"'), /x-by: v2[^]*x-by: v2/, 'twice on one connection');
        t.match(await tunnelled(t, outside, notHttp), /^HTTP\/1\.1 400 Bad Request\r\nConnection: close/, 'no HTTP, so it goes where it was going: the upstream itself answers');
      },
    },
    {
      name: 'REGISTRY_ONLY: neither HTTP nor anything else gets out',
      snapshot: [service('reviews', { workloads: [mesh.at('v1')] }), registryOnly],
      also: async (t) => {
        t.match(await tunnelled(t, 'reviews:9080', get('reviews'), '}'), /x-by: v1/);
        t.match(await tunnelled(t, outside, get('x'), 'HTTP/1.1 502 '), /^HTTP\/1\.1 502 /);
        t.equal(await tunnelled(t, outside, notHttp), '', 'closed without a byte');
      },
    },
    {
      name: 'what is no HTTP never comes back to the proxy itself',
      snapshot: [],
      also: async (t) => {
        const { outbound } = await mesh.bound();
        for (const name of ['127.0.0.1', 'localhost', '2130706433']) t.equal(await tunnelled(t, `${name}:${outbound}`, notHttp), '', name);
      },
    },
    {
      name: 'nor to its admin port, which takes what begins with an empty line for HTTP',
      snapshot: [],
      also: async (t) => {
        const { admin } = await mesh.bound();
        t.equal(await tunnelled(t, `127.0.0.1:${admin}`, '\r\nGET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n'), '');
      },
    },
  ]);
});

t.test('a request that names the proxy itself', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1'] });
  const { outbound: port, inbound, admin } = await mesh.bound();
  const loop = { status: 502, text: '', log: { response_code_details: 'passthrough_loop_rejected' } };
  const names = ['localhost', '127.0.0.1', '127.1', '0.0.0.0', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '2130706433'];
  await mesh.play(t, [
    {
      name: 'is refused, however it is spelt, and leaves the others alone',
      snapshot: [service('reviews', { workloads: [mesh.at('v1')] })],
      ask: [...names.map((name) => [{ host: `${name}:${port}` }, loop] as const), [{ host: `127.0.0.1:${inbound}` }, loop], [{ host: `127.0.0.1:${port}`, via: 'inbound' }, loop], ['/', 'v1']],
    },
    {
      name: 'never reaches its admin port, which trusts loopback',
      snapshot: [service('reviews', { workloads: [mesh.at('v1')] })],
      ask: names.map((name) => [{ host: `${name}:${admin}` }, loop] as const),
    },
  ]);
});
