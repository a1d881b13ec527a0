/** TLS with real peers: our two sides with each other, openssl and Node clients; each refusal, rotation, resumption, garbage. */

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as netConnect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as tlsConnect, createServer as createTlsServer } from 'node:tls';
import t from 'tap';
import type { ClientTlsConfig, ServerTlsConfig } from '../../config/runtime/tls.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { createAcceptor, SocketWriter } from '../../proxy/base/socket.ts';
import type { TlsFailure } from '../../proxy/identity/tls-events.ts';
import type { Secrets } from '../../proxy/identity/secrets.ts';
import { ListenerStats } from '../../proxy/telemetry/stats.ts';
import { TestClock } from '../support/clock.ts';
import { TestAuthority, testFolder, validity, writeWorkload } from '../support/certs.ts';
import { program } from '../support/programs.ts';
import { eventually, inTime, type TestScope } from '../support/scope.ts';
import { EchoServer, roundTrip, testSecrets, type Outcome } from '../support/tls-peers.ts';

const authority = await TestAuthority.create('mesh');
const stranger = await TestAuthority.create('stranger');
const WORKLOAD = { kind: 'workload' } as const;
const SERVER: ServerTlsConfig = { mode: 'ISTIO_MUTUAL', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', identities: [WORKLOAD], trust: WORKLOAD, clientCertificate: 'required', trustDomains: ['cluster.local'], alpn: ['h2', 'http/1.1'] };
const CLIENT: ClientTlsConfig = { mode: 'ISTIO_MUTUAL', origin: 'default', identity: WORKLOAD, trust: WORKLOAD, sni: 'outbound_.9080_._.reviews', subjectAltNames: ['spiffe://cluster.local/ns/default/sa/reviews'] };
const OPENSSL = program('openssl');

async function workload(t: TestScope, name: string, request = {}, from = authority): Promise<{ readonly secrets: Secrets; readonly folder: string; readonly sentences: string[] }> {
  const folder = testFolder(t);
  writeWorkload(folder, await from.workload(name, request), authority.root);
  const { secrets, sentences } = testSecrets(t);
  await secrets.setWorkload(folder);
  return { secrets, folder, sentences };
}

function failureOf(outcome: Outcome): TlsFailure | undefined {
  return 'failure' in outcome ? outcome.failure : undefined;
}

t.test('mutual TLS between our own sides', async (t) => {
  const server = await workload(t, 'default/reviews');
  const client = await workload(t, 'default/productpage');
  const echo = await EchoServer.listen(t, server.secrets.server(SERVER));
  const counters = new ListenerStats();
  const tls = client.secrets.client(CLIENT);
  const text = 'x'.repeat(300_000);
  const outcome = await roundTrip(echo.port, tls, { host: 'reviews', alpn: ['istio-http/1.1', 'http/1.1'] }, text, counters);
  t.match(outcome, { answer: text, security: { version: 'TLSv1.3', alpn: 'http/1.1', mutual: true, resumed: false, peer: { uris: ['spiffe://cluster.local/ns/default/sa/reviews'] }, local: { uris: ['spiffe://cluster.local/ns/default/sa/productpage'] } } });
  t.match(echo.secured, [{ cipher: 'TLS_AES_128_GCM_SHA256', serverName: 'outbound_.9080_._.reviews', peer: { uris: ['spiffe://cluster.local/ns/default/sa/productpage'], pem: /^-----BEGIN CERTIFICATE/ }, local: { uris: ['spiffe://cluster.local/ns/default/sa/reviews'] } }]);

  const again = await roundTrip(echo.port, tls, { host: 'reviews', alpn: ['istio-http/1.1', 'http/1.1'] }, 'ping', counters);
  t.match(again, { answer: 'ping', security: { resumed: true, mutual: true, peer: { uris: ['spiffe://cluster.local/ns/default/sa/reviews'] } } });
  t.match(echo.secured[1], { resumed: true, mutual: true, peer: { uris: ['spiffe://cluster.local/ns/default/sa/productpage'] } }, 'the client is known again');
  const none = await roundTrip(echo.port, tls, { host: 'reviews', alpn: ['istio'] }, 'ping', counters);
  t.match(none, { answer: 'ping' }, 'no protocol in common');
  t.equal('security' in none && none.security.alpn, undefined, 'is served without one');
  t.match(counters, { sslHandshake: 3, sslSessionReused: 1, sslConnectionError: 0 });
  t.match(echo.counters, { sslHandshake: 3, sslSessionReused: 1, sslNoCertificate: 0 });
  t.same(echo.failures, []);
});

t.test('versions, ciphers, RSA beside ECDSA, simple TLS', async (t) => {
  const [ecdsa, rsa] = await Promise.all([authority.issue({ dns: ['shop.example.com'] }), authority.issue({ dns: ['shop.example.com'], keyType: 'rsa-2048' })]);
  const { secrets } = testSecrets(t);
  const origin = { resource: 'Secret default/x', file: 'x.yaml', line: 1 };
  secrets.apply([
    { name: 'ecdsa', certificateChain: ecdsa.certificateChain, privateKey: ecdsa.privateKey, origin },
    { name: 'rsa', certificateChain: rsa.certificateChain, privateKey: rsa.privateKey, origin },
    { name: 'ca', authorities: authority.root, origin },
  ], []);
  const simple: ServerTlsConfig = { mode: 'SIMPLE', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', identities: [{ kind: 'secret', name: 'ecdsa' }, { kind: 'secret', name: 'rsa' }], clientCertificate: 'none', alpn: ['h2', 'http/1.1'] };
  const echo = await EchoServer.listen(t, secrets.server(simple));
  const base: ClientTlsConfig = { mode: 'SIMPLE', origin: 'default', trust: { kind: 'secret', name: 'ca' }, checkHost: true };
  const rows: [what: string, config: Partial<ClientTlsConfig>, expected: object][] = [
    ['TLS 1.3', {}, { security: { version: 'TLSv1.3', mutual: false, alpn: 'http/1.1' } }],
    ['TLS 1.2 with RSA', { maxVersion: 'TLSv1.2', cipherSuites: ['ECDHE-RSA-AES256-GCM-SHA384'] }, { security: { version: 'TLSv1.2', cipher: 'ECDHE-RSA-AES256-GCM-SHA384' } }],
    ['TLS 1.2 with ECDSA', { maxVersion: 'TLSv1.2', cipherSuites: ['ECDHE-ECDSA-AES128-GCM-SHA256', 'unknown'] }, { security: { cipher: 'ECDHE-ECDSA-AES128-GCM-SHA256' } }],
    ['a curve', { curves: ['P-384', 'no-such-curve'] }, { security: { version: 'TLSv1.3' } }],
    ['no cipher in common', { maxVersion: 'TLSv1.2', cipherSuites: ['ECDHE-ECDSA-AES256-CCM'] }, { failure: { kind: 'protocol', sentence: /the server refused with the alert handshake failure/ } }],
    ['no known cipher', { cipherSuites: ['nonsense'] }, { failure: { kind: 'secret-not-ready', sentence: /OpenSSL does not take the TLS settings/ } }],
    ['another host', { sni: 'x.example' }, { security: { peer: { dns: ['shop.example.com'] } } }],
    ['not verified', {}, { security: { peer: { dns: ['shop.example.com'] } } }],
  ];
  for (const [what, config, expected] of rows) t.match(await roundTrip(echo.port, secrets.client({ ...base, ...config }), { host: 'shop.example.com', alpn: ['http/1.1'] }), expected, what);
  t.match(await roundTrip(echo.port, secrets.client(base), { host: 'other.example.com', alpn: [] }), { failure: { kind: 'san', sentence: 'wrong subject alternative name in the server certificate: got shop.example.com, wanted other.example.com' } });
  t.match(await roundTrip(echo.port, secrets.client({ mode: 'SIMPLE', origin: 'default' }), { host: 'other.example.com', alpn: [] }), { answer: 'ping' }, 'insecureSkipVerify');
  t.match(await roundTrip(echo.port, secrets.client({ ...base, trust: { kind: 'system' } }), { host: 'shop.example.com', alpn: [] }), { failure: { kind: 'untrusted', sentence: /unknown authority \(issuer CN=mesh,O=tests\)/ } });
  t.equal(echo.secured.at(-1)?.peer, undefined, 'no certificate was asked for');
  t.ok(echo.counters.sslNoCertificate > 0);
});

t.test('a peer that is refused: the reason, the sentence, the counter', async (t) => {
  const server = await workload(t, 'default/reviews');
  const config: ServerTlsConfig = { ...SERVER, subjectAltNames: ['spiffe://cluster.local/ns/default/sa/productpage', 'spiffe://cluster.local/ns/default/sa/expired'] };
  const rows: [what: string, peer: Parameters<TestAuthority['issue']>[0], from: TestAuthority, kind: TlsFailure['kind'], sentence: RegExp][] = [
    ['expired', { uris: ['spiffe://cluster.local/ns/default/sa/expired'], ...validity(-2) }, authority, 'untrusted', /sa\/expired expired at 20/],
    ['unknown authority', { uris: ['spiffe://cluster.local/ns/default/sa/productpage'] }, stranger, 'untrusted', /from an unknown authority \(issuer CN=stranger,O=tests\)$/],
    ['wrong name', { uris: ['spiffe://cluster.local/ns/default/sa/productpage2'] }, authority, 'san', /got spiffe:\/\/cluster\.local\/ns\/default\/sa\/productpage2, wanted one of /],
    ['trust domain', { uris: ['spiffe://cluster.local.evil/ns/default/sa/productpage'] }, authority, 'untrusted', /of trust domain cluster\.local\.evil, wanted one of cluster\.local$/],
    ['for servers only', { uris: ['spiffe://cluster.local/ns/default/sa/productpage'], uses: ['server'] }, authority, 'untrusted', /is not for this use/],
  ];
  for (const [what, request, from, kind, sentence] of rows) {
    const echo = await EchoServer.listen(t, server.secrets.server(config));
    const folder = testFolder(t);
    writeWorkload(folder, await from.issue(request), authority.root);
    const { secrets } = testSecrets(t);
    await secrets.setWorkload(folder);
    await roundTrip(echo.port, secrets.client(CLIENT), { alpn: [] });
    await eventually(() => echo.failures.length > 0, what);
    t.match(echo.failures, [{ kind, sentence, reason: /CERTIFICATE_VERIFY_FAILED/ }], what);
    t.match(echo.counters, { sslFailVerifyError: kind === 'untrusted' ? 1 : 0, sslFailVerifySan: kind === 'san' ? 1 : 0, sslConnectionError: 0, sslHandshake: 0 }, what);
    // A ticket that the refused client was given is worth nothing.
    await roundTrip(echo.port, secrets.client(CLIENT), { alpn: [] });
    await eventually(() => echo.failures.length > 1, `${what}, again`);
    t.equal(echo.failures[1]?.kind, kind);
  }
  const echo = await EchoServer.listen(t, server.secrets.server(config));
  const { identity: _identity, ...anonymous } = CLIENT;
  const { secrets } = await workload(t, 'default/productpage');
  await roundTrip(echo.port, secrets.client(anonymous), { alpn: [] });
  await eventually(() => echo.failures.length > 0, 'no certificate');
  t.match(echo.failures, [{ kind: 'no-certificate', sentence: 'no client certificate: one is required and none was sent' }]);
  t.equal(echo.counters.sslFailVerifyNoCert, 1);
  const lenient = await EchoServer.listen(t, server.secrets.server({ ...config, clientCertificate: 'optional' }));
  t.match(await roundTrip(lenient.port, secrets.client(anonymous), { alpn: [] }), { answer: 'ping' }, 'optional');
  const skipping = await EchoServer.listen(t, server.secrets.server({ ...config, acceptUnverified: true }));
  const foreign = await workload(t, 'default/x', {}, stranger);
  t.match(await roundTrip(skipping.port, foreign.secrets.client(CLIENT), { alpn: [] }), { answer: 'ping' });
  t.match(skipping.secured, [{ mutual: false, peer: { uris: ['spiffe://cluster.local/ns/default/sa/x'] } }], 'let in, and not taken for verified');
});

t.test('hosts that are refused', async (t) => {
  const rows: [what: string, request: Parameters<TestAuthority['issue']>[0], from: TestAuthority, kind: string, sentence: RegExp][] = [
    ['expired', { uris: ['spiffe://cluster.local/ns/default/sa/reviews'], ...validity(-2) }, authority, 'untrusted', /^server certificate of spiffe:.*reviews expired at/],
    ['stranger', { uris: ['spiffe://cluster.local/ns/default/sa/reviews'] }, stranger, 'untrusted', /unknown authority/],
    ['other account', { uris: ['spiffe://cluster.local/ns/default/sa/review'] }, authority, 'san', /wanted one of spiffe:\/\/cluster\.local\/ns\/default\/sa\/reviews$/],
    ['for clients only', { uris: ['spiffe://cluster.local/ns/default/sa/reviews'], uses: ['client'] }, authority, 'untrusted', /not for this use/],
  ];
  const client = await workload(t, 'default/productpage');
  for (const [what, request, from, kind, sentence] of rows) {
    const pair = await from.issue(request);
    const server = createTlsServer({ cert: pair.certificateChain, key: pair.privateKey }, (socket) => socket.on('error', () => {}).end('x')).listen(0, '127.0.0.1');
    t.teardown(() => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const outcome = await roundTrip((server.address() as AddressInfo).port, client.secrets.client(CLIENT), { alpn: ['h2'] });
    t.match(failureOf(outcome), { kind, sentence }, what);
  }
});

t.test('a secret that is not there fails handshakes and nothing else, and works when it comes', async (t) => {
  const { secrets } = testSecrets(t);
  const good = await workload(t, 'default/reviews');
  const config: ServerTlsConfig = { ...SERVER, mode: 'SIMPLE', clientCertificate: 'none', identities: [{ kind: 'secret', name: 'kubernetes://a/b' }] };
  const echo = await EchoServer.listen(t, secrets.server(config));
  const other = await EchoServer.listen(t, good.secrets.server(SERVER));
  const { identity: _identity, subjectAltNames: _names, ...simple } = CLIENT;
  const client = good.secrets.client(simple);
  t.match(await roundTrip(echo.port, client, { alpn: [] }), { failure: { kind: 'gone' } });
  t.match(echo.failures, [{ kind: 'secret-not-ready', sentence: 'secret not ready: kubernetes://a/b (there is no such secret)', reason: /Secret is not supplied by SDS/ }]);
  t.equal(echo.counters.sslSecretsNotReady, 1);
  t.match(await roundTrip(other.port, good.secrets.client(CLIENT), { alpn: [] }), { answer: 'ping' });
  t.match(failureOf(await roundTrip(other.port, secrets.client(CLIENT), { alpn: [] })), { kind: 'secret-not-ready', sentence: /the workload identity \(--certs\) \(no folder was given\)/ });
  const pair = await authority.workload('default/reviews');
  secrets.apply([{ name: 'kubernetes://a/b', certificateChain: pair.certificateChain, privateKey: pair.privateKey, origin: { resource: 'Secret a/b', file: 'x', line: 1 } }], []);
  t.match(await roundTrip(echo.port, client, { alpn: [] }), { answer: 'ping' });
});

t.test('certificates rotated under load: no connection fails, old ones go on', async (t) => {
  const server = await workload(t, 'default/reviews');
  const client = await workload(t, 'default/productpage');
  const echo = await EchoServer.listen(t, server.secrets.server(SERVER));
  const tls = client.secrets.client(CLIENT);
  const old = await heldConnection(t, echo.port, client.folder);
  let running = true;
  const outcomes: Outcome[] = [];
  const load = Promise.all(Array.from({ length: 4 }, async () => {
    while (running) outcomes.push(await roundTrip(echo.port, tls, { alpn: ['http/1.1'] }));
  }));
  const serials = new Set<string>();
  for (let turn = 0; turn < 4; turn++) {
    writeWorkload(server.folder, await authority.workload('default/reviews'), authority.root);
    writeWorkload(client.folder, await authority.workload('default/productpage'), authority.root);
    const before = new Set(serials);
    await eventually(() => {
      for (const { peer, local } of echo.secured) for (const serial of [peer?.serial, local?.serial]) if (serial !== undefined) serials.add(serial);
      return serials.size >= before.size + 2;
    }, 'both sides show their new certificates');
  }
  running = false;
  await load;
  t.same(outcomes.filter((outcome) => 'failure' in outcome || outcome.answer !== 'ping'), [], `none of ${outcomes.length}`);
  t.same(echo.failures, []);
  t.equal(await old.ask('still here'), 'still here', 'a connection of the first certificate');
});

t.test('workers with one seed know the sessions of each other', async (t) => {
  const seed = randomBytes(32);
  const folder = testFolder(t);
  writeWorkload(folder, await authority.workload('default/reviews'), authority.root);
  const servers = await Promise.all([seed, seed, undefined].map(async (ticketSeed) => {
    const { secrets } = testSecrets(t, systemClock, ticketSeed);
    await secrets.setWorkload(folder);
    return EchoServer.listen(t, secrets.server(SERVER));
  }));
  const pair = await authority.workload('default/productpage');
  const session = (port: number, known?: Buffer): Promise<{ readonly reused: boolean; readonly ticket: Buffer | undefined }> => inTime(new Promise((resolve, reject) => {
    let ticket: Buffer | undefined;
    let reused = false;
    const socket = tlsConnect({ port, host: '127.0.0.1', cert: pair.certificateChain, key: pair.privateKey, ca: authority.root, checkServerIdentity: () => undefined, ...(known === undefined ? {} : { session: known }) }, () => {
      reused = socket.isSessionReused();
      socket.write('x');
    });
    socket.on('session', (fresh: Buffer) => (ticket = fresh));
    socket.on('data', () => socket.end());
    socket.on('error', reject);
    socket.on('close', () => resolve({ reused, ticket }));
  }), 'a session');
  const [one, two, foreign] = servers as [EchoServer, EchoServer, EchoServer];
  const { ticket } = await session(one.port);
  t.equal((await session(two.port, ticket)).reused, true);
  t.equal((await session(foreign.port, ticket)).reused, false, 'another seed');
});

t.test('bytes that are no handshake: one failure each, nothing left behind', async (t) => {
  const server = await workload(t, 'default/reviews');
  const echo = await EchoServer.listen(t, server.secrets.server(SERVER));
  const hello = await clientHello();
  const rows: [what: string, bytes: Buffer, kind: string][] = [
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n'), 'protocol'],
    ['noise', randomBytes(600).fill(0xff, 0, 1), 'protocol'],
    ['SSL 3', Buffer.from(hello).fill(0, 9, 11), 'protocol'],
    ['a record too long', Buffer.from([22, 3, 1, 0xff, 0xff, ...randomBytes(100)]), 'protocol'],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0]), 'gone'],
    ['cut off', hello.subarray(0, 50), 'gone'],
    ['extensions of nonsense', Buffer.from(hello).fill(0xee, hello.length - 60), 'protocol'],
    ['two hellos', Buffer.concat([hello, hello]), 'protocol'],
    ['data before the handshake', Buffer.from([23, 3, 3, 0, 5, 1, 2, 3, 4, 5]), 'protocol'],
    ['an alert', Buffer.from([21, 3, 3, 0, 2, 2, 40]), 'protocol'],
  ];
  for (const [what, bytes, kind] of rows) {
    const before = echo.failures.length;
    await sendAndClose(echo.port, bytes, kind === 'gone');
    await eventually(() => echo.failures.length > before, what);
    t.equal(echo.failures.length, before + 1, `${what}: told once`);
    t.match(echo.failures.at(-1), { kind, reason: kind === 'gone' ? /^$/ : /^TLS_error:/ }, what);
  }
  for (let i = 0; i < 200; i++) {
    const broken = Buffer.from(hello);
    for (let n = 0; n < 4; n++) broken[5 + Math.floor((i * 7919 + n * 104_729) % (hello.length - 5))] = (i * 31 + n * 17) & 255;
    await sendAndClose(echo.port, broken, true);
  }
  await eventually(() => echo.failures.length + echo.secured.length >= rows.length + 200, 'an end to each');
  const client = await workload(t, 'default/productpage');
  t.match(await roundTrip(echo.port, client.secrets.client(CLIENT), { alpn: [] }), { answer: 'ping' }, 'still serving');
});

t.test('a reader that is slow: what is written waits, and nothing is lost', async (t) => {
  const { secrets } = await workload(t, 'default/reviews');
  const tls = secrets.server({ ...SERVER, clientCertificate: 'none' });
  const total = 24 * 1024 * 1024;
  let sent = 0;
  let refused = 0;
  const acceptor = createAcceptor((raw) => (bytes, length) => void tls.terminate(raw, Buffer.from(bytes.subarray(0, length)), {
    counters: new ListenerStats(),
    onFailure: (failure) => t.fail(failure.sentence),
    onSecure: (socket) => {
      // One buffer for all, filled anew as soon as the writer says that it may be.
      let chunk = Buffer.alloc(60_000);
      const pump = (): void => {
        while (sent < total) {
          chunk.fill(sent / 60_000 & 255);
          const count = Math.min(chunk.length, total - sent);
          sent += count;
          if (writer.write(chunk.subarray(0, count))) continue;
          refused++;
          chunk = Buffer.alloc(60_000);
          return;
        }
        socket.end();
      };
      const writer = new SocketWriter(socket, pump);
      t.ok(writer.secure && !writer.pending);
      return pump;
    },
  }), () => {});
  await new Promise<void>((resolve) => acceptor.listen(0, '127.0.0.1', resolve));
  t.teardown(() => acceptor.close());
  const socket = tlsConnect({ port: (acceptor.address() as AddressInfo).port, host: '127.0.0.1', ca: authority.root, checkServerIdentity: () => undefined }, () => socket.write('go'));
  socket.on('error', (error) => t.fail(error.message));
  await eventually(() => refused > 0, 'the kernel to be full');
  t.ok(sent < total, `${sent} bytes were written to a reader that does not read`);
  const { received, wrong } = await inTime(new Promise<{ received: number; wrong: number }>((resolve) => {
    let received = 0;
    let wrong = 0;
    socket.on('data', (bytes: Buffer) => {
      for (let i = 0; i < bytes.length; i += 997) if (bytes[i] !== (Math.floor((received + i) / 60_000) & 255)) wrong++;
      received += bytes.length;
    });
    socket.on('end', () => resolve({ received, wrong }));
  }), 'all of it', 30_000);
  t.equal(received, total);
  t.equal(wrong, 0);
});

t.test('a handshake has 15 seconds', async (t) => {
  const clock = new TestClock(Date.now());
  const { secrets } = testSecrets(t, clock);
  const pair = await authority.issue({ dns: ['a'] });
  secrets.apply([{ name: 's', certificateChain: pair.certificateChain, privateKey: pair.privateKey, origin: { resource: 'Secret a/s', file: 'x', line: 1 } }], []);
  const echo = await EchoServer.listen(t, secrets.server({ ...SERVER, clientCertificate: 'none', identities: [{ kind: 'secret', name: 's' }] }));
  const socket = netConnect(echo.port, '127.0.0.1').on('error', () => {});
  const pending = clock.pending;
  socket.write((await clientHello()).subarray(0, 20));
  await eventually(() => clock.pending > pending, 'the handshake to begin');
  clock.advance(14_999);
  t.same(echo.failures, []);
  clock.advance(1);
  t.match(echo.failures, [{ kind: 'timeout', sentence: 'TLS handshake was not over after 15 s' }]);
  await inTime(new Promise((resolve) => socket.on('close', resolve)), 'the connection to end');
});

t.test('openssl s_client: versions, renegotiation, stapled status', { skip: OPENSSL.missing }, async (t) => {
  const folder = testFolder(t);
  const pair = await authority.issue({ dns: ['shop.example.com'] });
  writeFileSync(join(folder, 'ca.pem'), authority.root);
  const { secrets } = testSecrets(t);
  const origin = { resource: 'Secret a/s', file: 'x', line: 1 };
  // Not a valid OCSP response: what is handed on is for the client to judge.
  const staple = Buffer.from('30030a0101', 'hex').toString('base64');
  secrets.apply([{ name: 's', certificateChain: pair.certificateChain, privateKey: pair.privateKey, ocspStaple: staple, origin }], []);
  const config: ServerTlsConfig = { mode: 'SIMPLE', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', identities: [{ kind: 'secret', name: 's' }], clientCertificate: 'none', alpn: ['h2', 'http/1.1'] };
  const echo = await EchoServer.listen(t, secrets.server(config));
  const ask = (words: readonly string[], input: string): Promise<string> => inTime(new Promise((resolve) => {
    const child = execFile(OPENSSL.path, ['s_client', '-connect', `127.0.0.1:${echo.port}`, '-servername', 'SHOP.example.com', '-CAfile', join(folder, 'ca.pem'), ...words], { timeout: 8000 }, (_error, stdout, stderr) => resolve(stdout + stderr));
    child.stdin?.on('error', () => {});
    child.stdin?.write(input);
    // The answer is what ends it: input closes once the server is known to have been reached.
    void eventually(() => echo.secured.length + echo.failures.length > 0, 'openssl').then(() => setTimeout(() => child.stdin?.end(), 300), () => child.kill());
  }), 's_client');
  const plain = await ask(['-alpn', 'http/1.1', '-status'], 'hello\n');
  t.match(plain, /Verify return code: 0 \(ok\)/);
  t.match(plain, /ALPN protocol: http\/1\.1/);
  t.match(plain, /OCSP response:(?! no response sent)/);
  t.match(echo.secured[0], { version: 'TLSv1.2', serverName: 'shop.example.com', alpn: 'http/1.1' });
  const renegotiating = await ask([], 'R\n');
  t.match(renegotiating, /RENEGOTIATING[\s\S]*no renegotiation/i, 'a client may not begin anew');
  const before = echo.failures.length;
  await ask(['-tls1_3'], 'x\n');
  t.match(echo.failures.slice(before), [{ kind: 'protocol', sentence: /no TLS version that is allowed here/ }]);
});

t.test('a revoked client', { skip: OPENSSL.missing }, async (t) => {
  const folder = testFolder(t);
  const revoked = await authority.workload('default/productpage');
  writeFileSync(join(folder, 'root.pem'), authority.root);
  writeFileSync(join(folder, 'root.key'), authority.pair.privateKey);
  writeFileSync(join(folder, 'client.pem'), revoked.certificateChain);
  writeFileSync(join(folder, 'index'), '');
  writeFileSync(join(folder, 'number'), '01\n');
  writeFileSync(join(folder, 'ca.cnf'), '[ca]\ndefault_ca=own\n[own]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=30\ncertificate=root.pem\nprivate_key=root.key\n');
  const ca = (...words: string[]): Promise<void> => inTime(new Promise((resolve, reject) => {
    execFile(OPENSSL.path, ['ca', '-config', 'ca.cnf', ...words], { cwd: folder }, (error, _stdout, stderr) => (error === null ? resolve() : reject(new Error(stderr))));
  }), 'openssl ca');
  await ca('-revoke', 'client.pem');
  await ca('-gencrl', '-out', 'crl.pem');
  const { secrets } = testSecrets(t);
  const pair = await authority.workload('default/reviews');
  secrets.apply([{ name: 's', certificateChain: pair.certificateChain, privateKey: pair.privateKey, authorities: authority.root, revoked: readFileSync(join(folder, 'crl.pem'), 'utf8'), origin: { resource: 'Secret a/s', file: 'x', line: 1 } }], []);
  const reference = { kind: 'secret', name: 's' } as const;
  const echo = await EchoServer.listen(t, secrets.server({ ...SERVER, mode: 'MUTUAL', identities: [reference], trust: reference }));
  const bad = testFolder(t);
  writeWorkload(bad, revoked, authority.root);
  const client = testSecrets(t).secrets;
  await client.setWorkload(bad);
  await roundTrip(echo.port, client.client(CLIENT), { alpn: [] });
  await eventually(() => echo.failures.length > 0, 'the refusal');
  t.match(echo.failures, [{ kind: 'untrusted', sentence: /sa\/productpage, serial [0-9a-f]+, is revoked$/, reason: /certificate revoked/ }]);
  const good = await workload(t, 'default/other');
  t.match(await roundTrip(echo.port, good.secrets.client(CLIENT), { alpn: [] }), { answer: 'ping' });
});

/** A mutual TLS connection that is kept, of Node's own client. */
async function heldConnection(t: TestScope, port: number, folder: string): Promise<{ ask(text: string): Promise<string> }> {
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
  const socket = tlsConnect({ port, host: '127.0.0.1', cert: read('cert-chain.pem'), key: read('key.pem'), ca: read('root-cert.pem'), checkServerIdentity: () => undefined });
  t.teardown(() => socket.destroy());
  await inTime(new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject)), 'the kept connection');
  return {
    ask: (text) => {
      socket.write(text);
      return inTime(new Promise((resolve) => socket.once('data', (bytes: Buffer) => resolve(bytes.toString()))), 'its answer');
    },
  };
}

/** What Node's client says first. */
async function clientHello(): Promise<Buffer> {
  return inTime(new Promise((resolve) => {
    const server = createTcpServer((socket: Socket) => socket.once('data', (bytes) => {
      resolve(bytes);
      socket.destroy();
      server.close();
    })).listen(0, '127.0.0.1', () => {
      tlsConnect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', servername: 'reviews', ALPNProtocols: ['h2'] }).on('error', () => {});
    });
  }), 'a ClientHello');
}

/** Resolves when the connection has ended. */
function sendAndClose(port: number, bytes: Buffer, end: boolean): Promise<void> {
  return inTime(new Promise((resolve) => {
    const socket = netConnect(port, '127.0.0.1', () => (end ? socket.end(bytes) : socket.write(bytes)));
    socket.resume().on('error', () => {}).on('close', () => resolve());
  }), 'the connection to end');
}
