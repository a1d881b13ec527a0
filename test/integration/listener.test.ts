/** Listeners with filter chains: who gets a connection, TLS, reloads, drains and counters, over real sockets. */

import { connect as tlsConnect } from 'node:tls';
import t from 'tap';
import type { VirtualListenerConfig } from '../../config/runtime/listener.ts';
import type { SecretConfig } from '../../config/runtime/secret.ts';
import type { ServerTlsConfig } from '../../config/runtime/tls.ts';
import { createAuthority, issueCertificate } from '../../proxy/identity/local-ca.ts';
import { ResponseFlag } from '../../proxy/stream/response-flags.ts';
import { httpChain, startListener, tcpChain } from '../support/chains.ts';
import { TestClock } from '../support/clock.ts';
import { clusterOf } from '../support/data-path.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { eventually, inTime, type TestScope } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

const HOUR_MS = 3_600_000;

async function echoUpstream(t: TestScope, greeting = ''): Promise<Upstream> {
  return Upstream.start(t, {
    onConnection: (connection) => {
      if (greeting !== '') connection.send(greeting);
      connection.socket.on('data', (bytes: Buffer) => connection.send(`<${bytes.toString('latin1')}>`));
      connection.socket.on('end', () => connection.end());
    },
  });
}

t.test('first bytes choose the chain; what is declared is not waited for', async (t) => {
  const web = await Upstream.start(t, { body: 'web' });
  const bytes = await echoUpstream(t, 'hello ');
  const clusters = { upstream: clusterOf('upstream', web.port), bytes: clusterOf('bytes', bytes.port) };
  const detecting = await startListener(t, { clusters, listener: { chains: [httpChain('http', { transport: 'plain', applicationProtocols: ['http/1.1', 'h2c'] })], defaultChain: tcpChain('rest', 'bytes') } });

  const http = await RawClient.connect(t, detecting.port);
  for (const part of ['GE', 'T / HT', 'TP/1.1\r\nHost: a\r', '\n\r\n']) {
    http.send(part);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal((await http.response()).text, 'web', 'a request in pieces');
  http.request();
  t.equal((await http.response()).text, 'web', 'and the next on the same connection');

  const redis = new RawSocket((await RawClient.connect(t, detecting.port)).socket);
  redis.send('*1\r\n$4\r\nPING\r\n');
  await redis.until('<*1');
  t.match(await redis.until('PING'), /^hello <\*1\r\n\$4\r\nPING\r\n>$/, 'bytes go on whole');
  redis.end();
  await redis.closed();
  await eventually(() => detecting.streams.some(({ info }) => info.cluster?.name === 'bytes'), 'the connection to be logged');
  t.match(detecting.log.join('\n'), /http\/1\.1 from 127\.0\.0\.1:\d+ .*"chain":"http"/);
  t.match(detecting.log.join('\n'), /plain bytes from 127\.0\.0\.1:\d+ .*"chain":"rest"/);

  const declared = await startListener(t, { clusters, listener: { chains: [tcpChain('declared', 'bytes')] } });
  const silent = new RawSocket((await RawClient.connect(t, declared.port)).socket);
  await silent.until('hello ');
  t.pass('a server that speaks first is heard before the client says a word');

  const waiting = new RawSocket((await RawClient.connect(t, detecting.port)).socket);
  await eventually(() => detecting.stats.downstreamPreCxActive === 1, 'the silent connection to be looked at');
  t.equal(await waiting.quiet(), '', 'without a limit a silent connection waits');
  await eventually(() => detecting.stats.downstreamCxActive === 2, 'it to count as a connection beside the HTTP one');
  waiting.end();
  await waiting.closed();
  await eventually(() => detecting.stats.downstreamListenerFilterRemoteClose === 1, 'the one that left to be counted');

  const limited = await startListener(t, { clusters, listener: { detectionTimeoutMs: 50, chains: [httpChain('http', { applicationProtocols: ['http/1.1'] })], defaultChain: tcpChain('rest', 'bytes') } });
  const late = new RawSocket((await RawClient.connect(t, limited.port)).socket);
  late.send('EH');
  await late.until('hello ');
  await late.until('<EH>');
  t.equal(limited.stats.downstreamPreCxTimeout, 1, 'after the limit it counts as plain bytes, and what was read is passed on');
});

t.test('who has begun to speak must go on, limit or not', async (t) => {
  const clusters = { bytes: clusterOf('bytes', (await echoUpstream(t)).port) };
  const clock = new TestClock();
  const chains = [httpChain('http', { applicationProtocols: ['http/1.1'] }), tcpChain('tls', 'bytes', { transport: 'tls' })];
  const path = await startListener(t, { clock, clusters, listener: { chains, defaultChain: tcpChain('rest', 'bytes') } });
  for (const begun of ['GET ', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc']) {
    const { stats } = path;
    const timeouts = stats.downstreamPreCxTimeout;
    const socket = new RawSocket((await RawClient.connect(t, path.port)).socket);
    await eventually(() => stats.downstreamPreCxActive === 1, 'the silent connection to be looked at');
    clock.advance(60_000);
    t.equal(stats.downstreamPreCxActive, 1, 'a silent one may be waiting for the server to speak');
    const timers = clock.pending;
    socket.send(begun);
    await eventually(() => clock.pending > timers, 'the first bytes to be read');
    clock.advance(14_999);
    t.equal(stats.downstreamPreCxTimeout, timeouts);
    clock.advance(1);
    t.equal(stats.downstreamPreCxTimeout, timeouts + 1);
    await socket.until(`<${begun}>`);
    socket.end();
    await socket.closed();
  }
});

t.test('what no chain takes is closed, counted and logged once', async (t) => {
  const path = await startListener(t, {
    listener: {
      chains: [
        tcpChain('tls-only', 'upstream', { transport: 'tls' }),
        { name: 'closed', match: { transport: 'tls', serverNames: ['closed.example'] }, network: { kind: 'close', reason: 'outboundTrafficPolicy REGISTRY_ONLY', flag: 'UH', cluster: 'upstream' } },
      ],
    },
  });
  const plain = await RawClient.connect(t, path.port);
  plain.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  t.equal(await plain.closed(), 'reset');
  const refused = await path.refusal();
  t.equal(refused.info.flags, ResponseFlag.NoRoute);
  t.equal(refused.info.details, 'filter_chain_not_found');
  t.match(refused.info.downstreamRemoteAddress, /^127\.0\.0\.1:\d+$/);
  t.equal(path.stats.noFilterChainMatch, 1);
  t.equal(path.refused.length, 1);
  t.match(path.log.join('\n'), /refused: no filter chain is for it/);

  const tls = tlsConnect({ port: path.port, host: '127.0.0.1', servername: 'closed.example', rejectUnauthorized: false });
  t.teardown(() => tls.destroy());
  const gone = new Promise((resolve) => tls.once('error', resolve).once('close', resolve));
  await inTime(gone, 'the connection to a chain that closes to end');
  const closed = await path.refusal(({ info }) => info.requestedServerName === 'closed.example');
  t.equal(closed.info.flags, ResponseFlag.NoHealthyUpstream);
  t.equal(closed.info.cluster?.name, 'upstream');
  await eventually(() => path.stats.downstreamCxActive === 0, 'no connection to be left');
  t.equal(path.stats.downstreamCxTotal, 2);
});

t.test('TLS ends here, by server name; another host of the port is misdirected', async (t) => {
  const now = Date.now();
  const dates = { notBefore: new Date(now - HOUR_MS), notAfter: new Date(now + HOUR_MS) };
  const authority = await createAuthority({ subject: 'CN=test', ...dates });
  const secrets: Record<string, SecretConfig> = {};
  const terminates = async (host: string): Promise<ServerTlsConfig> => {
    const name = `kubernetes://default/${host}`;
    secrets[name] = { name, ...(await issueCertificate(authority, { dns: [host], ...dates })), origin: { kind: 'Secret', namespace: 'default', name: host, file: 'x.yaml', line: 1, column: 1 } as never };
    return { mode: 'SIMPLE', identities: [{ kind: 'secret', name }], clientCertificate: 'none', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', alpn: ['http/1.1'] };
  };
  const web = await Upstream.start(t, { body: 'web' });
  const chains = [];
  for (const host of ['a.example', 'b.example']) {
    const table = { kind: 'table', table: host, port: 443 } as const;
    chains.push(httpChain(host, { transport: 'tls', serverNames: [host] }, { tls: await terminates(host), network: { kind: 'http', routing: table, http: { useRemoteAddress: true, numTrustedProxies: 0, pathNormalization: 'BASE' } } }));
  }
  const action = { kind: 'forward', destinations: [{ cluster: 'upstream', weight: 1, host: 'upstream', port: 80, subset: '' }] } as const;
  const routes = [{ name: 'default', match: { headers: [], query: [] }, action, filters: [], index: 0 }];
  const routeTables = Object.fromEntries(['a.example', 'b.example'].map((host) => [host, { name: host, virtualHosts: [{ name: host, domains: [host], virtualService: null, routes }] }]));
  const path = await startListener(t, { listener: { direction: 'gateway', chains }, clusters: { upstream: clusterOf('upstream', web.port) }, config: { secrets, routeTables } });

  const secure = async (servername: string, request: string): Promise<string> => {
    const socket = tlsConnect({ port: path.port, host: '127.0.0.1', servername, ca: authority.certificateChain });
    t.teardown(() => socket.destroy());
    const raw = new RawSocket(socket);
    await inTime(new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject)), `TLS with ${servername}`);
    raw.send(request);
    await raw.until('\r\n\r\n');
    return raw.text;
  };
  const ask = (host: string): string => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  t.match(await secure('a.example', ask('a.example')), /^HTTP\/1\.1 200 /);
  t.match(await secure('b.example', ask('b.example:8443')), /^HTTP\/1\.1 200 /);
  t.match(await secure('a.example', ask('b.example')), /^HTTP\/1\.1 421 /, 'the host is served by another chain of the port');
  t.match(await secure('a.example', ask('c.example')), /^HTTP\/1\.1 404 /, 'nobody serves the host');
  const [first] = path.streams;
  t.equal(first?.info.requestedServerName, 'a.example');
  t.equal(first?.info.downstreamSecurity?.serverName, 'a.example');
  t.equal(first?.request.headers.get('x-forwarded-proto'), 'https');
  t.equal(path.stats.sslHandshake, 4);

  const stranger = tlsConnect({ port: path.port, host: '127.0.0.1', servername: 'c.example', ca: authority.certificateChain });
  t.teardown(() => stranger.destroy());
  await inTime(new Promise((resolve) => stranger.once('error', resolve)), 'an unknown server name to be refused');
  t.equal((await path.refusal()).info.requestedServerName, 'c.example');

  const hopeful = tlsConnect({ port: path.port, host: '127.0.0.1', servername: 'a.example', maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' });
  t.teardown(() => hopeful.destroy());
  await inTime(new Promise((resolve) => hopeful.once('error', resolve)), 'an old version to be refused');
  const failed = await path.refusal(({ info }) => info.details === 'downstream_tls_error');
  t.match(failed.info.connectionTerminationDetails, /^TLS_error/);
  t.match(failed.info.downstreamRemoteAddress, /^127\.0\.0\.1:[1-9]/);
});

t.test('a reload drains the chains that changed and no others', async (t) => {
  const bytes = await echoUpstream(t);
  const web = await Upstream.start(t, { body: 'web' });
  const clusters = { upstream: clusterOf('upstream', web.port), bytes: clusterOf('bytes', bytes.port) };
  const http = httpChain('http', { applicationProtocols: ['http/1.1'] });
  const path = await startListener(t, { clusters, drainTimeMs: 30, listener: { chains: [http], defaultChain: tcpChain('rest', 'bytes') } });
  const kept = new RawSocket((await RawClient.connect(t, path.port)).socket);
  kept.send('one\n');
  await kept.until('<one\n>');
  const idle = await RawClient.connect(t, path.port);
  idle.request();
  await idle.response();

  await path.reload({ chains: [{ ...http, origin: { file: 'moved.yaml', line: 9 } as never }], defaultChain: tcpChain('rest', 'bytes') });
  idle.request();
  t.equal((await idle.response()).text, 'web', 'where a chain is written does not matter');

  const changed = httpChain('http', { applicationProtocols: ['http/1.1'] }, { network: { kind: 'close', reason: 'changed' } });
  await path.reload({ chains: [changed], defaultChain: tcpChain('rest', 'bytes') });
  await idle.closed();
  kept.send('two\n');
  await kept.until('<two\n>');
  t.pass('the connection of the other chain goes on');
  const next = await RawClient.connect(t, path.port);
  next.request();
  await next.closed();
  t.equal((await path.refusal()).info.details, 'changed');

  await path.reload({ chains: [changed], defaultChain: tcpChain('rest', 'upstream') });
  await kept.closed();
  t.pass('TCP ends after the drain time');
  await eventually(() => path.stats.downstreamCxActive === 0, 'no connection to be left');
});

t.test('a drain closes who has not been served, and waits for who is', async (t) => {
  const bytes = await echoUpstream(t);
  const path = await startListener(t, { clusters: { bytes: clusterOf('bytes', bytes.port) }, listener: { chains: [httpChain('http', { applicationProtocols: ['http/1.1'] })], defaultChain: tcpChain('rest', 'bytes') } });
  const served = new RawSocket((await RawClient.connect(t, path.port)).socket);
  served.send('one\n');
  await served.until('<one\n>');
  const undecided = await RawClient.connect(t, path.port);
  undecided.send('GET');
  await eventually(() => path.stats.downstreamPreCxActive === 1, 'the undecided one to be looked at');
  let drained = false;
  const drain = path.runtime.drain(60_000).then(() => (drained = true));
  await undecided.closed();
  served.send('two\n');
  await served.until('<two\n>');
  t.notOk(drained);
  served.end();
  await inTime(drain, 'the drain to end');
  t.equal(path.stats.downstreamCxActive, 0);
});

t.test('CONNECT stands for a redirected connection: virtual listeners take it', async (t) => {
  const first = await echoUpstream(t, 'hello ');
  const web = await Upstream.start(t, { body: 'web' });
  const clusters = { upstream: clusterOf('upstream', web.port), bytes: clusterOf('bytes', first.port) };
  const virtual = (name: string, port: number, more: object): VirtualListenerConfig => ({ name, address: name.split('_')[0] as string, port, detectsProtocol: false, chains: [], ...more });
  const http = httpChain('http', { transport: 'plain', applicationProtocols: ['http/1.1', 'h2c'] });
  const virtualListeners = {
    '10.9.0.1_5432': virtual('10.9.0.1_5432', 5432, { defaultChain: tcpChain('declared', 'bytes') }),
    '0.0.0.0_80': virtual('0.0.0.0_80', 80, { detectsProtocol: true, chains: [http], defaultChain: tcpChain('sniffed', 'bytes') }),
  };
  const path = await startListener(t, {
    clusters,
    config: { virtualListeners },
    listener: { name: 'virtualOutbound', usesOriginalDestination: true, routing: { kind: 'by-port', tables: { 80: 'test' }, unknown: 'test' } },
  });
  const tunnel = async (authority: string): Promise<RawClient> => {
    const client = await RawClient.connect(t, path.port);
    client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.until('200 OK\r\n\r\n');
    return client;
  };
  const declared = await tunnel('10.9.0.1:5432');
  await declared.until('hello ');
  declared.send('GET');
  await declared.until('<GET>');
  declared.end();
  await declared.closed();
  const stream = await eventually(() => path.streams.find(({ info }) => info.cluster?.name === 'bytes'), 'the connection to be logged');
  t.equal(stream.info.downstreamLocalAddress, '10.9.0.1:5432');
  const sniffed = await tunnel('10.9.0.2:80');
  sniffed.send('*1\r\n');
  await sniffed.until('<*1\r\n>');
  const request = await tunnel('10.9.0.2:80');
  request.request();
  await request.until('web');
  await path.reload({ name: 'virtualOutbound', usesOriginalDestination: true }, { changed: [virtual('10.9.0.1_5432', 5432, { defaultChain: { name: 'declared', match: {}, network: { kind: 'close', reason: 'changed', flag: 'NR' } } })], removed: ['0.0.0.0_80'] });
  const changed = await tunnel('10.9.0.1:5432');
  await changed.closed();
  t.equal((await path.refusal()).info.details, 'changed');
  for (const client of [sniffed, request]) client.end();
  await eventually(() => path.stats.downstreamCxActive === 0, 'no connection to be left');
  t.equal(path.stats.downstreamCxTotal, 4, 'each is one connection');
});
