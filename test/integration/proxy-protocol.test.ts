/** PROXY protocol on a listener: addresses taken over for log, x-forwarded-for and matching; what is no header closes. */

import t from 'tap';
import { ResponseFlag } from '../../proxy/stream/response-flags.ts';
import { httpChain, startListener, tcpChain } from '../support/chains.ts';
import { clusterOf } from '../support/data-path.ts';
import { RawClient } from '../support/raw-client.ts';
import { eventually } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

const EDGE = { useRemoteAddress: true, numTrustedProxies: 0, pathNormalization: 'BASE' } as const;
const V2 = Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000207c6336402b1c20050', 'hex');

t.test('addresses are taken over', async (t) => {
  const web = await Upstream.start(t);
  const path = await startListener(t, { listener: { direction: 'gateway', proxyProtocol: true, http: EDGE }, clusters: { upstream: clusterOf('upstream', web.port) } });
  const headers: readonly (readonly [name: string, bytes: string | Buffer, client: string, local: string])[] = [
    ['version 1', 'PROXY TCP4 192.0.2.1 198.51.100.2 45506 80\r\n', '192.0.2.1:45506', '198.51.100.2:80'],
    ['version 1, IPv6', 'PROXY TCP6 2001:db8::1 2001:db8::2 45506 80\r\n', '[2001:db8::1]:45506', '[2001:db8::2]:80'],
    ['version 2', V2, '192.0.2.7:45506', '198.51.100.2:80'],
  ];
  for (const [name, bytes, client, local] of headers) {
    const connection = await RawClient.connect(t, path.port);
    connection.send(bytes);
    connection.request();
    t.equal((await connection.response()).status, 200, name);
    const info = (await eventually(() => path.streams.at(-1), 'a stream')).info;
    t.equal(info.downstreamRemoteAddress, client, name);
    t.equal(info.downstreamLocalAddress, local, name);
    const forwarded = (await web.next()).headers.find(([header]) => header.toLowerCase() === 'x-forwarded-for');
    t.equal(forwarded?.[1], client.replace(/:\d+$/, '').replace(/[[\]]/g, ''), name);
    connection.end();
    await connection.closed();
  }
  const unknown = await RawClient.connect(t, path.port);
  for (const byte of 'PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n') unknown.send(byte);
  t.equal((await unknown.response()).status, 200, 'byte by byte');
  t.match(path.streams.at(-1)?.info.downstreamRemoteAddress, /^127\.0\.0\.1:/, 'without addresses the connection\'s own hold');
  t.equal(path.stats.downstreamPreCxActive, 0);
});

t.test('chains are matched by the destination that the header names', async (t) => {
  const one = await Upstream.start(t, { onConnection: (connection) => connection.send('one') });
  const two = await Upstream.start(t, { onConnection: (connection) => connection.send('two') });
  const clusters = { one: clusterOf('one', one.port), two: clusterOf('two', two.port) };
  const path = await startListener(t, { clusters, listener: { proxyProtocol: true, chains: [tcpChain('one', 'one', { destinationRanges: ['198.51.100.0/24'] }), tcpChain('two', 'two', { destinationPort: 81 })] } });
  const matched = await RawClient.connect(t, path.port);
  matched.send(V2);
  await matched.until('one');
  const other = await RawClient.connect(t, path.port);
  other.send('PROXY TCP4 192.0.2.1 203.0.113.1 45506 81\r\n');
  await other.until('two');
});

t.test('what is no header closes the connection, once counted and once logged', async (t) => {
  const path = await startListener(t, { listener: { proxyProtocol: true, chains: [httpChain('http')] } });
  const bad = ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'PROXY TCP4 192.0.2.1 198.51.100.2 45506 80\n', `PROXY ${'x'.repeat(200)}`, Buffer.from('0d0a0d0a000d0a515549540a2111ffff', 'hex'), Buffer.from('0d0a0d0a000d0a515549540a213100d8', 'hex')];
  for (const [index, bytes] of bad.entries()) {
    const connection = await RawClient.connect(t, path.port);
    connection.send(bytes);
    await connection.closed();
    await eventually(() => path.refused.length === index + 1, 'the refusal to be logged');
  }
  t.equal(path.stats.downstreamCxProxyProtoError, bad.length);
  t.equal(path.stats.downstreamCxActive, 0);
  t.ok(path.refused.every(({ info }) => info.flags === ResponseFlag.DownstreamProtocolError && info.details === 'proxy_protocol_error'));
  t.equal(path.log.filter((line) => line.includes('PROXY protocol: ')).length, bad.length);
  const gone = await RawClient.connect(t, path.port);
  gone.send('PROXY ');
  await eventually(() => path.stats.downstreamPreCxActive === 1, 'the header to be waited for');
  gone.reset();
  await eventually(() => path.stats.downstreamCxActive === 0 && path.stats.downstreamPreCxActive === 0, 'the one that left to be forgotten');
  t.equal(path.refused.length, bad.length);
});
