/**
 * A gateway with TLS and TCP servers, asked by curl, openssl s_client and plain sockets: every mode, several hosts on one
 * port, each refusal with its flag and one line that says why, certificates rotated under load, bad ones refused.
 */

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect as tlsConnect, createServer as createTlsServer } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';
import { TestAuthority, testFolder, validity, writeWorkload } from '../support/certs.ts';
import { startEcho } from '../support/echo-mesh.ts';
import { program } from '../support/programs.ts';
import { Proxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawSocket } from '../support/raw-socket.ts';
import type { ResourceObject } from '../support/resources.ts';
import { istio, pod, service, to } from '../support/resources.ts';
import { eventually, inTime } from '../support/scope.ts';
import type { TestScope } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

type Fields = Readonly<Record<string, unknown>>;

const CURL = program('curl');
const OPENSSL = program('openssl');
const HOSTS = ['a', 'b', 'mutual', 'optional', 'san', 'hash', 'lax', 'old', 'rsa', 'tcp'].map((name) => `${name}.example`);

const authority = await TestAuthority.create('public');
const clients = await TestAuthority.create('clients');
const stranger = await TestAuthority.create('stranger');
const meshCa = await TestAuthority.create('mesh');
const pairs = new Map(await Promise.all(HOSTS.map(async (host) => [host, await authority.issue({ dns: [host] })] as const)));
const rsa = await authority.issue({ dns: ['rsa.example'], keyType: 'rsa-2048' });
const good = await clients.issue({ dns: ['client.example'], subject: 'CN=good' });

const secretName = (host: string): string => host.replace('.', '-');
const secret = (name: string, stringData: Fields): ResourceObject => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'edge' }, stringData }) as ResourceObject;
const server = (host: string, tls: Fields, more: Fields = {}): Fields => ({ port: { number: 443, name: `https-${secretName(host)}`, protocol: 'HTTPS', ...more }, hosts: [host], tls });
const credential = (host: string, mode = 'SIMPLE', more: Fields = {}): Fields => server(host, { mode, credentialName: secretName(host), ...more });
const gateway = (name: string, servers: readonly Fields[]): ResourceObject => istio('Gateway', name, { selector: { istio: 'ingress' }, servers });
const bound = (name: string, hosts: readonly string[], spec: Fields): ResourceObject => istio('VirtualService', name, { hosts, gateways: ['default/edge', 'default/tcp', 'default/plain'], ...spec });
const edgePod = pod('ingress', { app: 'ingress', istio: 'ingress' }, 'edge');

function secrets(replaced: Readonly<Record<string, Fields>> = {}): readonly ResourceObject[] {
  const data = (host: string): Fields => {
    const { certificateChain, privateKey } = pairs.get(host)!;
    return host === 'b.example' ? { cert: certificateChain, key: privateKey } : { 'tls.crt': certificateChain, 'tls.key': privateKey, 'ca.crt': clients.root };
  };
  return [
    ...HOSTS.map((host) => secret(secretName(host), replaced[host] ?? data(host))),
    secret('rsa-second', { 'tls.crt': rsa.certificateChain, 'tls.key': rsa.privateKey }),
    secret('apart-cacert', { cacert: clients.root }),
  ];
}

/** Everything on one port but plain TCP and the redirect. */
function resources(ports: { readonly web: number; readonly bytes: number; readonly tls: number }, replaced: Readonly<Record<string, Fields>> = {}): readonly ResourceObject[] {
  const hash = '00'.repeat(32);
  return [
    edgePod,
    gateway('edge', [
      credential('a.example'),
      credential('b.example'),
      credential('mutual.example', 'MUTUAL'),
      credential('optional.example', 'OPTIONAL_MUTUAL', { caCertCredentialName: 'apart-cacert' }),
      credential('san.example', 'MUTUAL', { subjectAltNames: ['somebody.example'] }),
      credential('hash.example', 'MUTUAL', { verifyCertificateHash: [hash] }),
      credential('lax.example', 'MUTUAL', { insecureSkipVerify: true }),
      credential('old.example', 'SIMPLE', { maxProtocolVersion: 'TLSV1_2', cipherSuites: ['ECDHE-ECDSA-AES256-GCM-SHA384'] }),
      server('rsa.example', { mode: 'SIMPLE', credentialNames: ['rsa-example', 'rsa-second'] }),
      server('missing.example', { mode: 'SIMPLE', credentialName: 'nowhere' }),
      server('istio.example', { mode: 'ISTIO_MUTUAL' }),
      server('tcp.example', { mode: 'SIMPLE', credentialName: 'tcp-example' }, { protocol: 'TLS' }),
      server('pass.example', { mode: 'PASSTHROUGH' }, { protocol: 'TLS' }),
      server('*.wild.example', { mode: 'SIMPLE', credentialName: 'a-example' }, { name: 'https-wild' }),
      server('guarded.wild.example', { mode: 'MUTUAL', credentialName: 'mutual-example' }, { name: 'https-guarded' }),
      server('plain.wild.example', { mode: 'SIMPLE', credentialName: 'a-example' }, { name: 'https-plain' }),
    ]),
    gateway('tcp', [{ port: { number: 5432, name: 'tcp', protocol: 'TCP' }, hosts: ['*'] }]),
    gateway('plain', [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['a.example'], tls: { httpsRedirect: true } }]),
    ...service('web', { workloads: [{ port: ports.web }] }),
    ...service('bytes', { port: 7000, portName: 'tcp', workloads: [{ port: ports.bytes }] }),
    ...service('inner', { port: 443, portName: 'tls', workloads: [{ port: ports.tls }] }),
    bound('web', ['*.example'], { http: [{ route: [to('web')] }] }),
    bound('bytes', ['tcp.example', 'bytes.example'], { tcp: [{ route: [to('bytes')] }] }),
    bound('inner', ['pass.example'], { tls: [{ match: [{ sniHosts: ['pass.example'] }], route: [to('inner')] }] }),
    ...secrets(replaced),
  ];
}

/** An upstream that greets and echoes. */
async function echoBytes(t: TestScope): Promise<Upstream> {
  return Upstream.start(t, {
    onConnection: (connection) => {
      connection.send('hello ');
      connection.socket.on('data', (bytes: Buffer) => connection.send(`<${bytes.toString('latin1')}>`));
      connection.socket.on('end', () => connection.end());
    },
  });
}

async function tlsUpstream(t: TestScope): Promise<number> {
  const { certificateChain, privateKey } = await authority.issue({ dns: ['pass.example'], subject: 'CN=inner' });
  const inner = createTlsServer({ cert: certificateChain, key: privateKey }, (socket) => {
    socket.on('error', () => {});
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\ninner');
  });
  inner.listen(0, '127.0.0.1');
  await once(inner, 'listening');
  t.teardown(() => inner.close());
  return (inner.address() as AddressInfo).port;
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(path: string, args: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(path, args, { timeout: 20_000, env: { ...process.env, no_proxy: '*' } }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }));
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

const main = async (t: Test): Promise<void> => {
  const folder = testFolder(t);
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const root = file('root.pem', authority.root);
  const clientFiles = async (name: string, issued: Promise<{ readonly certificateChain: string; readonly privateKey: string }>): Promise<readonly string[]> => {
    const { certificateChain, privateKey } = await issued;
    return ['--cert', file(`${name}.pem`, certificateChain), '--key', file(`${name}.key`, privateKey)];
  };
  const client = {
    good: await clientFiles('good', Promise.resolve(good)),
    expired: await clientFiles('expired', clients.issue({ dns: ['client.example'], subject: 'CN=late', ...validity(-1) })),
    untrusted: await clientFiles('untrusted', stranger.issue({ dns: ['client.example'], subject: 'CN=foreign' })),
    mesh: await clientFiles('mesh', meshCa.workload('shop/web')),
    foreignMesh: await clientFiles('foreign-mesh', meshCa.issue({ uris: ['spiffe://elsewhere/ns/shop/sa/web'] })),
  };
  const certs = join(folder, 'certs');
  writeWorkload(certs, await meshCa.workload('edge/ingress'), meshCa.root);
  const ports = { web: await startEcho(t, 'web'), bytes: (await echoBytes(t)).port, tls: await tlsUpstream(t) };
  const proxy = await Proxy.start(t, {
    snapshot: resources(ports),
    mode: 'gateway',
    workload: 'edge/ingress',
    // One worker: the log has the order of the connections.
    args: ['--concurrency', '1', '--access-log-format', 'json', '--certs', certs, '--map-port', '443=0', '--map-port', '5432=0', '--map-port', '80=0'],
  });
  const https = proxy.port(443);
  const curl = (host: string, args: readonly string[] = [], path = '/'): Promise<Ran> =>
    run(CURL.path, ['-sS', '--max-time', '15', '--cacert', root, '--resolve', `*:${https}:127.0.0.1`, ...args, `https://${host}:${https}${path}`]);
  const refusals = (): readonly string[] => proxy.stderr.split('\n').filter((line) => line.includes(' refused: '));

  await t.test('each mode serves', async (t) => {
    for (const [host, args] of [['a.example', []], ['b.example', []], ['A.EXAMPLE', []], ['mutual.example', client.good], ['optional.example', []], ['optional.example', client.good], ['lax.example', client.untrusted], ['rsa.example', []]] as const) {
      const answer = await curl(host, args);
      t.equal(answer.code, 0, `${host} ${args.length === 0 ? '' : 'with a certificate'}`);
      t.match(answer.stdout, /"by":"web"/, answer.stderr);
      t.match(answer.stdout, /"x-forwarded-proto":"https"/);
    }
    const mesh = await curl('istio.example', ['-k', ...client.mesh]);
    t.match(mesh, { code: 0, stdout: /"by":"web"/ }, 'ISTIO_MUTUAL');
    t.match(await curl('pass.example'), { code: 0, stdout: 'inner' }, 'PASSTHROUGH: the certificate is the upstream\'s');
    const line = JSON.parse(await proxy.logLine('"requested_server_name":"pass.example"')) as Fields;
    t.match(line, { upstream_cluster: 'outbound|443||inner.default.svc.cluster.local', response_flags: '-' });
  });

  await t.test('the certificate is that of the server name; HTTP/2 is not offered, versions and ciphers are those asked for', { skip: OPENSSL.missing }, async (t) => {
    const shown = (name: string, ...more: readonly string[]): Promise<Ran> => run(OPENSSL.path, ['s_client', '-connect', `127.0.0.1:${https}`, '-servername', name, '-CAfile', root, '-verify_hostname', name, '-alpn', 'h2,http/1.1', ...more]);
    for (const host of ['a.example', 'b.example']) t.match((await shown(host)).stdout, /Verify return code: 0 \(ok\)/, host);
    t.match((await shown('a.example')).stdout, /ALPN protocol: http\/1\.1/);
    t.match((await shown('old.example')).stdout, /New, TLSv1\.2, Cipher is ECDHE-ECDSA-AES256-GCM-SHA384/);
    t.match((await shown('rsa.example', '-tls1_2', '-sigalgs', 'RSA-PSS+SHA256')).stdout, /Peer signature type: RSA-PSS[\s\S]*Verify return code: 0/, 'the RSA certificate where the client knows no other');
    t.match((await shown('rsa.example', '-sigalgs', 'ECDSA+SHA256')).stdout, /Peer signature type: ECDSA/);
    const h2 = await run(OPENSSL.path, ['s_client', '-connect', `127.0.0.1:${https}`, '-servername', 'a.example', '-alpn', 'h2']);
    t.match(h2.stdout, /No ALPN negotiated/, 'a client that offers nothing else is served without');
    t.match(await curl('a.example', ['--http2']), { code: 0, stdout: /"by":"web"/ }, 'and falls back');
    const early = (await shown('a.example', '-tls1_1')).stderr;
    t.match(early, /alert|error|no protocols/i, 'TLS 1.1 is too old');
  });

  await t.test('421 where the connection is another host\'s', async (t) => {
    const answer = await curl('a.example', ['-w', '%{http_code}', '-H', 'Host: b.example']);
    t.match(answer, { code: 0, stdout: /421$/ });
    t.match(await curl('a.example', ['-w', '%{http_code}', '-H', 'Host: unknown.example', '-o', '/dev/null']), { stdout: '404' }, 'a host that nobody has');
    // The wildcard has routes for these hosts too, but no certificate was asked for on the way to them.
    const through = (host: string, args: readonly string[] = []): Promise<Ran> => curl('x.wild.example', ['-k', '-w', '%{http_code}', '-o', '/dev/null', '-H', `Host: ${host}`, ...args]);
    for (const host of ['guarded.wild.example', 'GUARDED.wild.example', `guarded.wild.example:${https}`]) t.match(await through(host), { stdout: '421' }, `${host} asks for a certificate`);
    t.match(await through('guarded.wild.example', client.good), { stdout: '421' }, 'nor does having one help');
    for (const host of ['y.wild.example', 'plain.wild.example']) t.match(await through(host), { stdout: '200' }, `${host} does not`);
    t.match(await curl('guarded.wild.example', ['-k', '-w', '%{http_code}', '-o', '/dev/null', ...client.good]), { stdout: '200' });
  });

  await t.test('each refusal: its flag, and one line that says which check failed', async (t) => {
    type Row = readonly [name: string, host: string, args: readonly string[], sentence: RegExp, log: Fields];
    const tls = { response_flags: 'DPE', response_code: 0, response_code_details: 'downstream_tls_error' };
    const rows: readonly Row[] = [
      ['a server name nobody has', 'wrong.test', ['-k'], /no filter chain is for it/, { response_flags: 'NR', response_code_details: 'filter_chain_not_found', requested_server_name: 'wrong.test' }],
      ['no client certificate', 'mutual.example', [], /TLS: no client certificate: one is required and none was sent/, { ...tls, requested_server_name: 'mutual.example' }],
      ['an expired one', 'mutual.example', client.expired, /TLS: client certificate of .* expired at \d{4}-/, tls],
      ['an untrusted one', 'mutual.example', client.untrusted, /TLS: client certificate of .* is from an unknown authority \(issuer CN=stranger/, tls],
      ['an untrusted one where it is optional', 'optional.example', client.untrusted, /TLS: client certificate of .* is from an unknown authority/, tls],
      ['a wrong name', 'san.example', client.good, /TLS: wrong subject alternative name in the client certificate: got client\.example, wanted one of somebody\.example/, { ...tls, connection_termination_details: /CERTIFICATE_VERIFY_FAILED/ }],
      ['a wrong hash', 'hash.example', client.good, /TLS: client certificate of .* has none of the configured hashes/, tls],
      ['none where the mesh\'s is needed', 'istio.example', ['-k'], /TLS: no client certificate/, tls],
      ['one from outside the mesh', 'istio.example', ['-k', ...client.good], /TLS: client certificate of .* is from an unknown authority/, tls],
      ['one of another trust domain', 'istio.example', ['-k', ...client.foreignMesh], /TLS: client identity spiffe:\/\/elsewhere\/ns\/shop\/sa\/web is of trust domain elsewhere, wanted one of cluster\.local/, tls],
      ['a version that is not allowed', 'old.example', ['--tlsv1.3'], /TLS: .*no TLS version that is allowed here/, tls],
      ['a secret that is not there', 'missing.example', ['-k'], /TLS: secret not ready: kubernetes:\/\/edge\/nowhere \(there is no such secret\)/, tls],
    ];
    const refused = (): readonly Fields[] => proxy.log.map((line) => JSON.parse(line) as Fields).filter(({ response_code_details: details }) => details === 'downstream_tls_error' || details === 'filter_chain_not_found');
    // The access log is written some time after.
    await eventually(() => refused().length === refusals().length, 'the log of what was refused before');
    const first = refusals().length;
    for (const [index, [name, host, args, sentence]] of rows.entries()) {
      const answer = await curl(host, args);
      t.not(answer.code, 0, `${name}: refused (curl ${answer.code})`);
      const line = await eventually(() => refusals()[first + index], `a line about ${name}`);
      t.match(line, sentence, name);
    }
    await eventually(() => refused().length >= first + rows.length, 'the access log');
    for (const [index, [name, , , , log]] of rows.entries()) t.match(refused()[first + index], log, `${name}: access log`);
    t.equal(refusals().length, first + rows.length, 'one line each');
    t.equal(refused().length, first + rows.length);
    t.match(await curl('a.example'), { code: 0 }, 'the others are served');
  });

  await t.test('TCP: with TLS ended before it and without, both ways, half-closed', async (t) => {
    const plain = new RawSocket((await RawClient.connect(t, proxy.port(5432))).socket);
    await plain.until('hello ');
    plain.send('ping');
    await plain.until('<ping>');
    plain.end();
    await plain.closed();
    t.match(JSON.parse(await proxy.logLine('bytes.default.svc.cluster.local')), { bytes_received: 4, bytes_sent: 12, response_flags: '-', upstream_cluster: 'outbound|7000||bytes.default.svc.cluster.local' });
    const secure = tlsConnect({ host: '127.0.0.1', port: https, servername: 'tcp.example', ca: authority.root });
    t.teardown(() => secure.destroy());
    let text = '';
    secure.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
    secure.write('ping');
    await eventually(() => text === 'hello <ping>', 'the echo through TLS');
    secure.end();
    await inTime(once(secure, 'close'), 'the end');
    const line = JSON.parse(await proxy.logLine('"requested_server_name":"tcp.example"')) as Fields;
    t.match(line, { bytes_received: 4, bytes_sent: 12 });
  });

  await t.test('httpsRedirect', async (t) => {
    const answer = await run(CURL.path, ['-sS', '-o', '/dev/null', '-w', '%{http_code} %{redirect_url}', '-H', 'Host: a.example', `http://127.0.0.1:${proxy.port(80)}/x?y`]);
    t.equal(answer.stdout, '301 https://a.example/x?y');
  });

  await t.test('certificates are replaced by a reload under load, without an error; a bad one keeps the last', async (t) => {
    const serials = new Set<string>();
    const ask = (options: ConnectionOptions = {}): Promise<string> =>
      new Promise((resolve, reject) => {
        let answer = '';
        const socket = tlsConnect({ host: '127.0.0.1', port: https, servername: 'a.example', ca: authority.root, ...options }, () => {
          serials.add(socket.getPeerCertificate().serialNumber);
          socket.write('GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n');
        });
        socket.setTimeout(15_000, () => socket.destroy(new Error('no answer in time')));
        socket.on('data', (bytes: Buffer) => (answer += bytes.toString('latin1')));
        socket.on('error', reject).on('close', () => (answer.startsWith('HTTP/1.1 200') ? resolve(answer) : reject(new Error(`answered ${JSON.stringify(answer.slice(0, 60))}`))));
      });
    let running = true;
    let served = 0;
    const errors: string[] = [];
    const load = Array.from({ length: 4 }, async () => {
      while (running) await ask().then(() => served++, (error: Error) => errors.push(error.message));
    });
    // One connection that was open before stays open.
    const lasting = tlsConnect({ host: '127.0.0.1', port: https, servername: 'a.example', ca: authority.root });
    t.teardown(() => lasting.destroy());
    await inTime(once(lasting, 'secureConnect'), 'the lasting connection');
    const rotation = async (replaced: Readonly<Record<string, Fields>>): Promise<readonly string[]> => {
      const before = served;
      const status = await proxy.write(resources(ports, replaced));
      t.equal(status.lastAttempt, 'accepted');
      const after = served;
      await eventually(() => served > Math.max(before, after) + 8 || errors.length > 0, 'requests after the reload');
      return status.problems;
    };
    const fresh = await authority.issue({ dns: ['a.example'] });
    const newest = { 'tls.crt': fresh.certificateChain, 'tls.key': fresh.privateKey };
    await rotation({ 'a.example': newest });
    await eventually(() => serials.size === 2 || errors.length > 0, 'the new certificate to be shown');
    const problems = await rotation({ 'a.example': { ...newest, 'tls.key': good.privateKey } });
    t.match(problems.join('\n'), /snapshot\.yaml:\d+:\d+: Secret edge\/a-example: .*warning: the private key is not that of the certificate/);
    await rotation({ 'a.example': { 'tls.crt': 'broken', 'tls.key': 'broken' } });
    t.equal(serials.size, 2, 'a bad one keeps the last good one');
    t.match(proxy.stderr, /secret kubernetes:\/\/edge\/a-example: the private key is not that of the certificate of .*; the one before stays in use/);
    running = false;
    await Promise.all(load);
    t.same(errors, [], `${served} connections without an error`);
    lasting.write('GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n');
    const [bytes] = (await inTime(once(lasting, 'data'), 'an answer on the lasting connection')) as [Buffer];
    t.match(bytes.toString('latin1'), /^HTTP\/1\.1 200/, 'a connection from before goes on');
  });

  await t.test('authorities and hosts change with the snapshot too', async (t) => {
    await proxy.write(resources(ports, { 'mutual.example': { 'tls.crt': pairs.get('mutual.example')!.certificateChain, 'tls.key': pairs.get('mutual.example')!.privateKey, 'ca.crt': stranger.root } }));
    t.match(await curl('mutual.example', client.untrusted), { code: 0, stdout: /"by":"web"/ });
    t.not((await curl('mutual.example', client.good)).code, 0);
    await proxy.write(resources(ports).filter(({ kind, metadata }) => kind !== 'Secret' || metadata.name !== 'b-example'));
    t.not((await curl('b.example')).code, 0, 'a secret that was taken away');
    t.match(await curl('a.example'), { code: 0 });
    t.notMatch(await proxy.admin('/config_dump'), /PRIVATE KEY/, 'keys are never printed');
    t.notMatch(proxy.stderr + proxy.log.join('\n'), /PRIVATE KEY/);
  });
};

t.test('a gateway with TLS', { skip: CURL.missing }, main);
