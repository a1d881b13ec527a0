/** ServiceEntry resolution DYNAMIC_DNS: the name in Host or SNI is looked up when it comes (istio-api.md 5.1; Envoy's dynamic forward proxy). */

import type { AddressInfo } from 'node:net';
import { connect as tlsConnect, createServer as createTlsServer } from 'node:tls';
import t from 'tap';
import type { ClusterConfig } from '../../config/runtime/cluster.ts';
import { createAuthority, issueCertificate } from '../../proxy/identity/local-ca.ts';
import type { Resolver } from '../../proxy/upstream/resolver.ts';
import { startListener, tcpChain } from '../support/chains.ts';
import { clusterOf, routeOf, startDataPath } from '../support/data-path.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { eventually, type TestScope } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

const byName = (port: number, more: Partial<ClusterConfig> = {}): ClusterConfig => clusterOf('upstream', port, { discovery: 'DYNAMIC_DNS', endpoints: [], port, loadBalancer: { policy: 'PASSTHROUGH', origin: 'default' }, ...more });

async function startTlsEcho(t: TestScope): Promise<AddressInfo> {
  const dates = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
  const { certificateChain: cert, privateKey: key } = await issueCertificate(await createAuthority({ subject: 'CN=test', ...dates }), { dns: ['a.test'], ...dates });
  const server = createTlsServer({ cert, key }, (socket) => socket.on('error', () => {}).pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return server.address() as AddressInfo;
}

/** Knows `*.test` at 127.0.0.1, once it is let. */
function resolver(): { readonly resolve: Resolver; readonly asked: string[]; release: () => void } {
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  const state = {
    asked,
    release: () => waiting.splice(0).forEach((go) => go()),
    resolve: async (name: string): Promise<readonly string[]> => {
      asked.push(name);
      if (name.startsWith('slow')) await new Promise<void>((resolve) => waiting.push(resolve));
      if (!name.endsWith('.test')) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
      return ['127.0.0.1'];
    },
  };
  return state;
}

t.test('the name in Host is looked up once; the port is the cluster\'s', async (t) => {
  const upstream = await Upstream.start(t, { body: 'here' });
  const { resolve, asked } = resolver();
  const path = await startDataPath(t, { cluster: byName(upstream.port), resolver: resolve });
  for (const host of ['a.test', 'A.test:9999', 'b.test', 'a.test']) t.equal((await request(t, path.port, { host })).text, 'here');
  t.same(asked, ['a.test', 'b.test']);
  const stream = await path.completed();
  t.equal(stream.info.host?.address, `127.0.0.1:${upstream.port}`);
});

t.test('a body that comes before the name is known waits with its request; who leaves is forgotten', async (t) => {
  const upstream = await Upstream.start(t, { onRequest: (received) => void received.body().then((body) => received.answer({ body })) });
  const names = resolver();
  const path = await startDataPath(t, { cluster: byName(upstream.port), resolver: names.resolve });
  const client = await RawClient.connect(t, path.port);
  client.send('POST / HTTP/1.1\r\nHost: slow.test\r\nContent-Length: 6\r\n\r\nabc');
  await eventually(() => names.asked.length === 1, 'the lookup');
  client.send('def');
  const gone = await RawClient.connect(t, path.port);
  gone.request({ host: 'slow.test' });
  await eventually(() => [...path.runtime.listeners()][0]?.stats.downstreamRqActive === 2, 'two requests to wait');
  gone.socket.destroy();
  t.match((await path.completed()).info.details, 'downstream_remote_disconnect');
  names.release();
  await client.until('abcdef');
  t.equal(names.asked.length, 1);
});

t.test('a name that leads nowhere, or back to the proxy', async (t) => {
  const { resolve } = resolver();
  const path = await startDataPath(t, { cluster: byName(80), resolver: resolve, routes: [{ ...routeOf(), retry: null }] });
  const answer = await request(t, path.port, { host: 'nowhere.invalid' });
  t.match({ status: answer.status, text: answer.text }, { status: 503, text: 'DNS resolution failure' });
  const { info } = await path.completed();
  t.equal(info.details, 'dns_resolution_failure{Domain_name_not_found}');
  t.match(path.explanations, [/looks the request's own host up/]);
  await path.runtime.applyDelta({ fromVersion: '1', version: '2', clusters: { changed: [byName(path.port)], removed: [] }, routeTables: { changed: [], removed: [] } });
  t.equal((await request(t, path.port, { host: 'loop.test' })).status, 502);
  t.equal((await path.completed()).info.details, 'passthrough_loop_rejected');
});

t.test('the server name of a passed-through TLS connection is looked up, too', async (t) => {
  const peer = await startTlsEcho(t);
  const { resolve, asked } = resolver();
  const path = await startListener(t, { clusters: { upstream: byName(peer.port) }, resolver: resolve, listener: { chains: [tcpChain('names', 'upstream', { transport: 'tls', serverNames: ['*.test', '*.invalid'] })], defaultChain: tcpChain('nameless', 'upstream') } });
  const open = (servername?: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = tlsConnect({ host: '127.0.0.1', port: path.port, rejectUnauthorized: false, ...(servername !== undefined && { servername }) }, () => socket.write('hello'));
      t.teardown(() => socket.destroy());
      socket.on('data', (bytes) => resolve(bytes.toString()));
      socket.on('error', () => resolve('cut'));
      socket.on('close', () => resolve('cut'));
    });
  t.equal(await open('a.test'), 'hello');
  t.equal(await open('a.invalid'), 'cut');
  t.equal(await open(), 'cut', 'no name, nowhere to go');
  t.same(asked, ['a.test', 'a.invalid']);
  const flags = await eventually(() => (path.streams.length >= 2 ? path.streams.map(({ info }) => info.flags) : undefined), 'both to be logged');
  t.same(flags, [1, 1], 'UH, as Envoy has it');
});
