/** TCP between pods: real clients and servers of Redis, a protocol in which the server speaks first, and a gigabyte by each way. */

import { join } from 'node:path';
import t from 'tap';
import { Mesh, podService, type Pod } from '../support/pods.ts';
import type { Sidecar } from '../support/pods-sidecar.ts';
import { namespacesMissing } from '../support/namespace.ts';
import { program } from '../support/programs.ts';
import { destinationRule, istio, to, virtualService, type ResourceObject } from '../support/resources.ts';
import { eventually } from '../support/scope.ts';

const missing = ['iptables-restore', 'curl', 'tcpdump', 'setpriv', 'redis-server', 'redis-cli', 'redis-benchmark'].map((name) => program(name).missing).find((reason) => reason !== false);
const skip = missing ?? namespacesMissing();

const MIB = 2 ** 20;
/** Each way; as much again comes back. */
const BULK_BYTES = 512 * MIB;
/** Growth of a proxy's resident memory that is its garbage collector's choice, and no copy of what passes through. */
const ROOM_BYTES = 128 * MIB;

/** Speaks first (like MySQL, SMTP); answers each line with the same in capitals; says goodbye after the client's FIN. */
const GREETER = `const net = require('node:net');
const { name, ports } = JSON.parse(process.argv[1]);
const listening = ports.map((port) => new Promise((resolve) => net.createServer({ allowHalfOpen: true }, (socket) => {
  socket.setEncoding('utf8').on('error', () => {}).on('data', (text) => socket.write(text.toUpperCase())).on('end', () => socket.end('goodbye\\n'));
  socket.write('220 ' + name + ' welcomes ' + socket.remoteAddress.replace('::ffff:', '') + '\\n');
}).listen(port, '::', resolve)));
Promise.all(listening).then(() => console.log('ready'));`;

/** Waits for the greeting, says something, ends its side, and prints all that came, and after how long the greeting did. */
const GUEST = `const net = require('node:net');
const { host, port } = JSON.parse(process.argv[1]);
let text = '';
const began = Date.now();
let greetedMs;
const socket = net.connect({ host, port, allowHalfOpen: true, timeout: 20000 });
const say = (how) => { console.log(JSON.stringify({ how, text, greetedMs })); process.exit(); };
socket.setEncoding('utf8').on('data', (part) => {
  text += part;
  if (greetedMs === undefined) { greetedMs = Date.now() - began; socket.end('hidden words\\n'); }
}).on('error', (error) => say(error.code)).on('end', () => say('end')).on('timeout', () => say('timeout'));`;

/** Bytes that tell where they are from: any piece that is lost, doubled or overwritten shows. */
const PATTERN = `const net = require('node:net');
const PERIOD = 65521;
const pattern = Buffer.alloc(PERIOD * 20);
for (let i = 0; i < PERIOD; i++) pattern[i] = (i * 31 + (i >> 8) * 7) & 255;
for (let i = 1; i < 20; i++) pattern.copy(pattern, i * PERIOD, 0, PERIOD);
class Checker {
  received = 0;
  wrong = 0;
  take(bytes) {
    const at = this.received % PERIOD;
    if (!bytes.equals(pattern.subarray(at, at + bytes.length))) this.wrong++;
    this.received += bytes.length;
  }
}
const sendTo = (socket, bytes) => {
  let sent = 0;
  const send = () => {
    while (sent < bytes) {
      const at = sent % PERIOD;
      const length = Math.min(bytes - sent, 256 * 1024);
      sent += length;
      if (!socket.write(pattern.subarray(at, at + length))) return;
    }
    socket.off('drain', send).end();
  };
  socket.on('drain', send);
  send();
};
`;

/** Takes bytes until FIN, then sends as many back, and its own FIN; or nothing, if they were wrong. */
const BULK_SERVER = `${PATTERN}
const { ports } = JSON.parse(process.argv[1]);
const listening = ports.map((port) => new Promise((resolve) => net.createServer({ allowHalfOpen: true }, (socket) => {
  const checker = new Checker();
  socket.on('error', () => {}).on('data', (bytes) => checker.take(bytes)).on('end', () => sendTo(socket, checker.wrong === 0 ? checker.received : 0));
}).listen(port, '::', resolve)));
Promise.all(listening).then(() => console.log('ready'));`;

const BULK_CLIENT = `${PATTERN}
const { host, port, bytes } = JSON.parse(process.argv[1]);
const checker = new Checker();
const socket = net.connect({ host, port, allowHalfOpen: true });
const say = (how) => { console.log(JSON.stringify({ how, received: checker.received, wrong: checker.wrong })); process.exit(); };
socket.on('connect', () => sendTo(socket, bytes)).on('data', (data) => checker.take(data)).on('end', () => say('end')).on('error', (error) => say(error.code));`;

const HTTPS = `const { readFileSync } = require('node:fs');
const { folder, port } = JSON.parse(process.argv[1]);
const [key, cert] = ['key.pem', 'cert-chain.pem'].map((name) => readFileSync(folder + '/' + name));
require('node:https').createServer({ key, cert }, (request, response) => response.end(request.socket.servername)).listen(port, '::', () => console.log('ready'));`;

const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  redis: ['10.96.0.20', 'fd00:96::20'],
  greeter: ['10.96.0.21', 'fd00:96::21'],
  plain: ['10.96.0.22', 'fd00:96::22'],
  secure: ['10.96.0.23', 'fd00:96::23'],
  other: ['10.96.0.23'],
};

const ask = async (from: Pod, source: string, argument: unknown): Promise<unknown> => JSON.parse((await from.run(process.execPath, '-e', source, JSON.stringify(argument))).stdout);

t.test('pods', { skip, timeout: 240_000 }, async (t) => {
  const mesh = new Mesh(t);
  const store = (version: string): Pod => mesh.pod(`redis-${version}`, { app: 'redis', labels: { version } });
  const [client, a, b, legacy] = [mesh.pod('client'), store('a'), store('b'), mesh.pod('legacy', { sidecar: false })];
  mesh.resolve(ADDRESSES);
  const bulk = { name: 'tcp-bulk', port: 7000 };
  const base: readonly ResourceObject[] = [
    ...podService('redis', { pods: [a, b], ports: [{ name: 'tcp-redis', port: 6379 }, bulk], addresses: ADDRESSES['redis'] ?? [] }),
    ...podService('redis-each', { pods: [a, b], ports: [{ name: 'tcp-redis', port: 6379 }] }),
    ...podService('greeter', { pods: [b], ports: [{ name: 'tcp-greet', port: 2525 }, { name: 'mysql', port: 3306 }, { name: 'unsaid', port: 2727, targetPort: 2525 }], addresses: ADDRESSES['greeter'] ?? [] }),
    ...podService('plain', { pods: [legacy], ports: [{ name: 'tcp-greet', port: 2525 }, bulk], addresses: ADDRESSES['plain'] ?? [] }),
    destinationRule('redis', ['a', 'b']),
    ...podService('secure', { pods: [legacy], ports: [{ name: 'tls', port: 443, targetPort: 8443 }], addresses: ADDRESSES['secure'] ?? [] }),
    virtualService('secure', { hosts: ['secure'], tls: [{ match: [{ port: 443, sniHosts: ['secure'] }], route: [to('secure')] }] }),
    istio('ServiceEntry', 'database', { hosts: ['database.example'], addresses: ['240.240.1.1'], ports: [{ number: 7777, name: 'tcp', protocol: 'TCP', targetPort: 2526 }], location: 'MESH_EXTERNAL', resolution: 'STATIC', endpoints: [{ address: legacy.ip }] }),
  ];
  const weighted = (...weights: readonly [number, number]): ResourceObject => virtualService('redis', { tcp: [{ match: [{ port: 6379 }], route: [to('redis', 'a', weights[0]), to('redis', 'b', weights[1])] }] });
  await mesh.issue('client', 'redis-a', 'redis-b');
  const server = await mesh.issueNamed('secure');
  await mesh.configure([...base, weighted(100, 0)]);
  for (const pod of [a, b]) {
    await pod.start('redis-server', ['--port', '6379', '--bind', '0.0.0.0', '::', '--save', '', '--appendonly', 'no', '--protected-mode', 'no', '--dir', mesh.folder], 'Ready to accept connections');
    await pod.run('redis-cli', 'SET', 'who', pod.name);
    await pod.serve(BULK_SERVER, { ports: [7000] });
  }
  await b.serve(GREETER, { name: 'b', ports: [2525, 3306] });
  await legacy.serve(GREETER, { name: 'legacy', ports: [2525, 2526] });
  await legacy.serve(HTTPS, { folder: server, port: 8443 });
  await legacy.serve(BULK_SERVER, { ports: [7000, 7001] });
  const [ofClient, ofA] = await Promise.all([client.inject(), a.inject(), b.inject()]);
  const redis = async (...args: readonly string[]): Promise<string> => (await client.run('redis-cli', ...args)).stdout.trim();

  await t.test('Redis, encrypted on the wire', async (t) => {
    const capture = await mesh.capture();
    t.equal(await redis('-h', 'redis', 'SET', 'hidden-key', 'hidden-value'), 'OK');
    t.equal(await redis('-h', 'redis', 'GET', 'hidden-key'), 'hidden-value');
    t.equal(await redis('-h', 'redis', 'GET', 'who'), 'redis-a');
    await legacy.curl(`http://${client.ip}:9/in-clear`).catch(() => undefined);
    await ask(client, GUEST, { host: 'plain', port: 2525 });
    const wire = await capture.upTo('HIDDEN WORDS');
    t.notOk(wire.includes('hidden-key') || wire.includes('hidden-value'));
    t.ok(wire.includes('outbound_.6379_.a_.redis.default.svc.cluster.local'));
    const line = await ofClient.logLine('outbound|6379|a|redis.default.svc.cluster.local');
    t.match(line, /10\.96\.0\.20:6379|\[fd00:96::20\]:6379/);
    t.match(await ofA.logLine('inbound|6379||'), 'outbound_.6379_.a_.redis.default.svc.cluster.local');
    t.match(ofClient.admin('/stats/prometheus'), /istio_tcp_connections_opened_total\{.*destination_service="redis\.default\.svc\.cluster\.local"/);
    const mutual = /istio_tcp_received_bytes_total\{(?=.*reporter="destination")(?=.*connection_security_policy="mutual_tls")(?=.*source_principal="spiffe:\/\/cluster\.local\/ns\/default\/sa\/client").*\} [1-9]/;
    t.match(ofA.admin('/stats/prometheus'), mutual);
  });

  await t.test('weights, and one pod of a headless service', async (t) => {
    const who = async (host: string, times: number): Promise<readonly string[]> => {
      const { stdout } = await client.run('sh', '-c', `for i in $(seq ${times}); do redis-cli -h ${host} GET who; done`);
      return stdout.trim().split('\n');
    };
    t.same(new Set(await who('redis', 10)), new Set(['redis-a']));
    await mesh.configure([...base, weighted(50, 50)]);
    const shares = await who('redis', 40);
    t.equal(shares.length, 40);
    t.same([...new Set(shares)].sort(), ['redis-a', 'redis-b']);
    await mesh.configure([...base, weighted(0, 100)]);
    t.same(new Set(await who('redis', 10)), new Set(['redis-b']));
    for (const pod of [a, b]) for (const address of [pod.ip, pod.ip6]) t.same(await who(address, 2), [pod.name, pod.name], address);
  });

  await t.test('many at once, and one connection for each command', async (t) => {
    await mesh.configure([...base, weighted(50, 50)]);
    for (const args of [['-n', '5000', '-c', '100', '-P', '4'], ['-n', '100', '-c', '10', '-k', '0']]) {
      const { code, stdout, stderr } = await client.run('redis-benchmark', '-h', 'redis', '-t', 'set,get', '-q', ...args);
      t.equal(code, 0, stderr);
      t.match(stdout, /GET: [\d.]+ requests per second/, args.join(' '));
    }
    const active = (): number => ['a', 'b'].reduce((sum, subset) => sum + ofClient.stat(`cluster.outbound|6379|${subset}|redis.default.svc.cluster.local.upstream_cx_active`), 0);
    t.ok(await eventually(() => active() === 0, 'every connection to end'));
    t.notOk(ofClient.log.some((line) => /outbound\|6379/.test(line) && / U[FHOC]| NR /.test(line)));
  });

  await t.test('the server speaks first', async (t) => {
    const expected = (name: string): RegExp => new RegExp(`^220 ${name} welcomes \\S+\\nHIDDEN WORDS\\ngoodbye\\n$`);
    const rows: readonly (readonly [host: string, port: number, name: string])[] = [
      ['greeter', 2525, 'b'],
      ['greeter', 3306, 'b'],
      ['plain', 2525, 'legacy'],
      [legacy.ip, 2526, 'legacy'],
      [legacy.ip6, 2526, 'legacy'],
      ['240.240.1.1', 7777, 'legacy'],
    ];
    for (const [host, port, name] of rows) t.match(await ask(client, GUEST, { host, port }), { how: 'end', text: expected(name) }, `${host}:${port}`);
    const detecting: ResourceObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data: { mesh: 'protocolDetectionTimeout: 1s' } } as ResourceObject;
    await mesh.configure([...base, detecting]);
    t.match(await ask(client, GUEST, { host: 'greeter', port: 2727 }), { how: 'end', text: expected('b') }, 'undeclared: after the detection timeout');
    await mesh.configure(base);
    const strict = { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name: 'default', namespace: 'default' }, spec: { mtls: { mode: 'STRICT' } } };
    await mesh.configure([...base, strict]);
    t.match(await ask(client, GUEST, { host: 'greeter', port: 2525 }), { how: 'end', text: expected('b') }, 'STRICT');
    await mesh.configure([...base, { ...strict, spec: { mtls: { mode: 'DISABLE' } } }]);
    t.match(await ask(client, GUEST, { host: 'greeter', port: 2525 }), { how: 'end', text: expected('b') }, 'DISABLE');
    t.match(await ask(legacy, GUEST, { host: b.ip, port: 2525 }), { how: 'end', text: expected('b') }, 'a client without a sidecar');
    await mesh.configure(base);
  });

  await t.test('TLS of the application, by its server name', async (t) => {
    const answer = await client.curl('https://secure/', '--cacert', join(server, 'root-cert.pem'));
    t.match(answer, { status: 200, body: 'secure' });
    t.match(await ofClient.logLine('outbound|443||secure.default.svc.cluster.local'), ' secure ');
    t.match(await client.curl('https://other/', '--insecure'), { status: 0 }, 'a name that no route has');
  });

  await t.test('a gigabyte, with memory flat', async (t) => {
    const rows: readonly (readonly [way: string, host: string, port: number, cluster: string, proxies: readonly Sidecar[]])[] = [
      ['passed through', legacy.ip, 7001, 'PassthroughCluster', [ofClient]],
      ['by a route', 'plain', 7000, 'outbound|7000||plain.default.svc.cluster.local', [ofClient]],
      ['mutual TLS', 'redis', 7000, 'outbound|7000|a|redis.default.svc.cluster.local', [ofClient, ofA]],
    ];
    await mesh.configure([...base, virtualService('redis', { tcp: [{ match: [{ port: 7000 }], route: [to('redis', 'a')] }] })]);
    for (const [way, host, port, cluster, proxies] of rows) {
      const before = proxies.map((proxy) => proxy.memory());
      const peak = [...before];
      const sampling = setInterval(() => proxies.forEach((proxy, index) => (peak[index] = Math.max(peak[index] ?? 0, proxy.memory()))), 50);
      const began = performance.now();
      const outcome = await ask(client, BULK_CLIENT, { host, port, bytes: BULK_BYTES });
      clearInterval(sampling);
      t.comment(`${way}: ${((performance.now() - began) / 1000).toFixed(1)} s, resident ${before.map((bytes, index) => `${Math.round(bytes / MIB)} to ${Math.round((peak[index] ?? 0) / MIB)} MiB`).join(', ')}`);
      t.same(outcome, { how: 'end', received: BULK_BYTES, wrong: 0 }, way);
      for (const [index, bytes] of before.entries()) t.ok((peak[index] ?? 0) - bytes < ROOM_BYTES, `${way}: ${Math.round(bytes / MIB)} to ${Math.round((peak[index] ?? 0) / MIB)} MiB`);
      t.match(await ofClient.logLine(cluster, `${BULK_BYTES} ${BULK_BYTES}`), ' - ');
    }
  });
});
