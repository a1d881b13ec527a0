/**
 * CONNECT on the outbound port without interception: what follows the 200 is a connection on its way to that host and port,
 * by address or by the name of a service, and goes as a redirected one would.
 */

import { createServer, type AddressInfo, type Socket } from 'node:net';
import { connect as tlsConnect, createServer as createTlsServer } from 'node:tls';
import t from 'tap';
import { createAuthority, issueCertificate } from '../../proxy/identity/local-ca.ts';
import { Proxy } from '../support/proxy.ts';
import type { RawClient } from '../support/raw-client.ts';
import { destinationRule, istio, pod, service, to, virtualService, type ResourceObject } from '../support/resources.ts';
import { eventually, inTime, type TestScope } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

/** Says its name first, then sends back what it gets. */
async function startGreeter(t: TestScope, name: string): Promise<number> {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {}).write(`${name} `);
    socket.pipe(socket);
  });
  return listening(t, server);
}

async function startTls(t: TestScope, name: string): Promise<number> {
  const dates = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
  const { certificateChain: cert, privateKey: key } = await issueCertificate(await createAuthority({ subject: 'CN=test', ...dates }), { dns: ['x.example'], ...dates });
  return listening(t, createTlsServer({ cert, key }, (socket) => void socket.on('error', () => {}).write(name)));
}

async function listening(t: TestScope, server: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

function at(address: string, resources: readonly ResourceObject[]): readonly ResourceObject[] {
  return resources.map((resource) => (resource.kind === 'Service' ? { ...resource, spec: { ...(resource['spec'] as object), clusterIP: address } } : resource));
}

async function tunnel(proxy: Proxy, authority: string): Promise<RawClient> {
  const client = await proxy.connect();
  client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  await client.until('200 OK\r\n\r\n');
  return client;
}

t.test('what follows a CONNECT is routed by the name or address it was made for', async (t) => {
  const web = await Upstream.start(t, { body: 'reviews answered' });
  const [v1, v2, mail, first, second] = [await startGreeter(t, 'db-v1'), await startGreeter(t, 'db-v2'), await startGreeter(t, 'mail'), await startTls(t, 'first'), await startTls(t, 'second')];
  const tls = (name: string, port: number) => istio('ServiceEntry', name, { hosts: [`${name}.example`], addresses: [`10.96.0.${name.length}`], ports: [{ number: 443, name: 'tls', protocol: 'TLS' }], resolution: 'STATIC', endpoints: [{ address: '127.0.0.1', ports: { tls: port } }] });
  const snapshot = [
    pod('client'),
    ...service('reviews', { workloads: [{ port: web.port }] }),
    ...at('10.96.1.1', service('db', { port: 5432, portName: 'tcp', workloads: [{ port: v1, version: 'v1' }, { port: v2, version: 'v2' }] })),
    destinationRule('db', ['v1', 'v2']),
    virtualService('db', { tcp: [{ match: [{ port: 5432 }], route: [to('db', 'v1', 0), to('db', 'v2', 100)] }] }),
    // The same port, and nothing but its address to tell it from the other.
    ...at('10.96.1.2', service('mail', { port: 5432, portName: 'tcp', namespace: 'shop', workloads: [{ port: mail }] })),
    // Nobody says what is spoken there.
    ...at('10.96.1.3', service('any', { port: 7000, portName: 'x', workloads: [{ port: web.port }] })),
    tls('first', first),
    tls('second', second),
    virtualService('names', { hosts: ['first.example', 'second.example'], tls: [{ match: [{ port: 443, sniHosts: ['second.example'] }], route: [{ destination: { host: 'second.example' } }] }, { match: [{ port: 443, sniHosts: ['first.example'] }], route: [{ destination: { host: 'first.example' } }] }] }),
    istio('Sidecar', 'default', { egress: [{ hosts: ['*/*'] }], outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } }),
  ];
  const proxy = await Proxy.start(t, { snapshot, workload: 'default/client', args: ['--access-log-format', 'json'] });

  await t.test('HTTP by route tables', async (t) => {
    const client = await tunnel(proxy, 'reviews:9080');
    client.send('GET / HTTP/1.1\r\nHost: reviews:9080\r\n\r\n');
    await client.until('reviews answered');
    const line = await eventually(() => proxy.log.find((each) => each.includes('"GET"')), 'the log line');
    t.match(JSON.parse(line), { upstream_cluster: 'outbound|9080||reviews.default.svc.cluster.local' });
  });

  await t.test('HTTP to an address whose protocol is not declared: the address decides, whatever Host says', async () => {
    for (const authority of ['any:7000', '10.96.1.3:7000']) {
      const client = await tunnel(proxy, authority);
      client.send('GET /any HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n');
      await client.until('reviews answered');
    }
  });

  for (const [authority, name] of Object.entries({ 'db:5432': 'db-v2', 'DB.default:5432': 'db-v2', 'db.default.svc.cluster.local:5432': 'db-v2', '10.96.1.1:5432': 'db-v2', 'mail.shop:5432': 'mail', '10.96.1.2:5432': 'mail' })) {
    await t.test(`bytes to ${authority}, by the service's routes; the server speaks first`, async () => {
      const client = await tunnel(proxy, authority);
      await client.until(`${name} `);
      client.send('GET is no request here');
      await client.until('GET is no request here');
      client.end();
      await client.closed();
    });
  }

  await t.test('a name of another namespace is not known by its first part, and unknown ones go nowhere', async () => {
    const client = await tunnel(proxy, 'mail:5432');
    client.send('hello');
    await client.closed();
  });

  for (const name of ['first', 'second']) {
    await t.test(`TLS to ${name}.example, by server name`, async (t) => {
      const { socket } = await tunnel(proxy, 'first.example:443');
      socket.removeAllListeners('data');
      const secure = tlsConnect({ socket, servername: `${name}.example`, rejectUnauthorized: false });
      const answer = await inTime(new Promise<string>((resolve, reject) => secure.once('data', (bytes: Buffer) => resolve(bytes.toString())).once('error', reject)), 'the answer');
      t.equal(answer, name);
      secure.destroy();
    });
  }

  const logged = await eventually(() => {
    const lines = proxy.log.map((each) => JSON.parse(each) as Record<string, unknown>).filter(({ upstream_cluster: cluster }) => String(cluster).includes('|5432|'));
    return lines.length >= 6 ? lines : undefined;
  }, 'the connections to be logged');
  t.same([...new Set(logged.map(({ upstream_cluster: cluster, downstream_local_address: address }) => `${String(cluster)} ${String(address)}`))], ['outbound|5432|v2|db.default.svc.cluster.local 10.96.1.1:5432', 'outbound|5432||mail.shop.svc.cluster.local 10.96.1.2:5432']);
});
