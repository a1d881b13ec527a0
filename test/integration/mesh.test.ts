/** Outrider as Istio's users deploy it: pods whose applications know of no proxy, captured by iptables, mutual TLS between them. */

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Mesh, podService, type Pod } from '../support/pods.ts';
import { PROXY_USER } from '../support/pods-sidecar.ts';
import { namespacesMissing } from '../support/namespace.ts';
import { program } from '../support/programs.ts';
import { destinationRule, istio, to, virtualService, type ResourceObject } from '../support/resources.ts';
import { eventually } from '../support/scope.ts';

const missing = ['iptables-restore', 'curl', 'tcpdump', 'setpriv'].map((name) => program(name).missing).find((reason) => reason !== false);
const skip = missing ?? namespacesMissing();

/** Answers every request with who it is and what it saw. */
const ECHO = `const http = require('node:http');
const { name, ports } = JSON.parse(process.argv[1]);
const listening = ports.map((port) => new Promise((resolve) => http.createServer((request, response) => {
  if (request.url === '/back') return request.pipe(response);
  const { remoteAddress, localPort } = request.socket;
  response.end(JSON.stringify({ name, from: remoteAddress.replace('::ffff:', ''), port: localPort, headers: request.headers }));
}).listen(port, '::', resolve)));
Promise.all(listening).then(() => console.log('ready'));`;

/** Asks again and again on a kept connection, says so after the first answer, and how it ended. */
const PERSISTENT = `const http = require('node:http');
const { url } = JSON.parse(process.argv[1]);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
let answers = 0;
const ask = () => http.get(url, { agent }, (response) => response.resume().on('end', () => {
  if (answers++ === 0) console.log('answered');
  setTimeout(ask, 20);
})).on('error', (error) => { console.log(JSON.stringify({ code: error.code })); process.exit(); });
ask();`;

/** Of whichever family the endpoint was. */
const FROM_SIDECAR = /^(?:127\.0\.0\.6|::6)$/;

interface Echo {
  readonly name: string;
  /** The peer's address as the application sees it. */
  readonly from: string;
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** New connections and kept ones, until the file is gone; prints how many requests there were and what went wrong. */
const LOAD = `const http = require('node:http');
const fs = require('node:fs');
const { url, until } = JSON.parse(process.argv[1]);
const kept = new http.Agent({ keepAlive: true, maxSockets: 4 });
const errors = [];
let answered = 0;
const get = (agent) => new Promise((resolve) => {
  const request = http.get(url, { agent }, (response) => {
    if (response.statusCode !== 200) errors.push(response.statusCode);
    response.resume().on('end', () => { answered++; resolve(); }).on('error', (error) => { errors.push(error.message); resolve(); });
  });
  request.on('error', (error) => { errors.push(error.message); resolve(); });
});
const loop = async (agent) => { while (fs.existsSync(until)) await get(agent); };
Promise.all([loop(kept), loop(kept), loop(new http.Agent({ keepAlive: false }))]).then(() => { kept.destroy(); console.log(JSON.stringify({ answered, errors })); });`;

/** Connects, says hello, and prints what came back until the other side closed, or how it ended. */
const TCP_CLIENT = `const net = require('node:net');
const { host, port } = JSON.parse(process.argv[1]);
let text = '';
const socket = net.connect({ host, port, timeout: 10000 }, () => socket.write('hello\\n'));
const say = (how) => { console.log(JSON.stringify({ how, text })); process.exit(); };
socket.on('data', (data) => (text += data)).on('error', (error) => say(error.code)).on('end', () => say('end')).on('timeout', () => say('timeout'));`;

const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  reviews: ['10.96.0.10', 'fd00:96::10'],
  productpage: ['10.96.0.11', 'fd00:96::11'],
  legacy: ['10.96.0.12', 'fd00:96::12'],
};

t.test('pods', { skip, timeout: 240_000 }, async (t) => {
  const mesh = new Mesh(t);
  const reviews = (version: string): Pod => mesh.pod(`reviews-${version}`, { app: 'reviews', labels: { version } });
  const [productpage, v1, v2, legacy] = [mesh.pod('productpage'), reviews('v1'), reviews('v2'), mesh.pod('legacy', { sidecar: false })];
  const meshed = [productpage, v1, v2];
  mesh.resolve(ADDRESSES);
  const http = [{ name: 'http', port: 9080 }];
  const base: readonly ResourceObject[] = [
    ...podService('reviews', { pods: [v1, v2], ports: http, addresses: ADDRESSES['reviews'] ?? [] }),
    ...podService('reviews-each', { pods: [v1, v2], ports: http }),
    ...podService('productpage', { pods: [productpage], ports: http, addresses: ADDRESSES['productpage'] ?? [] }),
    ...podService('legacy', { pods: [legacy], ports: http, addresses: ADDRESSES['legacy'] ?? [] }),
    destinationRule('reviews', ['v1', 'v2']),
    virtualService('reviews', { http: [{ match: [{ headers: { 'end-user': { exact: 'jason' } } }], route: [to('reviews', 'v1')] }, { route: [to('reviews', 'v2')] }] }),
  ];
  await mesh.issue(...meshed.map(({ name }) => name));
  await mesh.configure(base);
  for (const pod of mesh.pods) await pod.serve(ECHO, { name: pod.name, ports: [7070, 8081, 9080, 9999] });
  await Promise.all([productpage.inject({ iptables: ['-o', '9999'] }), v1.inject({ iptables: ['-d', '15090,15021,15020,8081'], run: ['--interception', 'redirect'] }), v2.inject({ run: ['--concurrency', '2'] })]);

  /** The answer of an application, which must be one. */
  const get = async (from: Pod, url: string, ...args: readonly string[]): Promise<Echo> => {
    const { status, body, code } = await from.curl(url, ...args);
    if (status !== 200) throw new Error(`${from.name} got ${status} of ${url} (curl: ${code}): ${body}\n${from.sidecar?.log.slice(-3).join('\n')}`);
    return JSON.parse(body) as Echo;
  };

  await t.test('by service address to the right subset, encrypted on the wire', async (t) => {
    const capture = await mesh.capture();
    const jason = await get(productpage, 'http://reviews:9080/only-for-v1', '-H', 'end-user: jason');
    t.match(jason, { name: 'reviews-v1', port: 9080, from: FROM_SIDECAR, headers: { host: 'reviews:9080' } });
    t.match(jason.headers['x-forwarded-client-cert'], /URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/productpage/);
    t.match(jason.headers['x-forwarded-client-cert'], /By=spiffe:\/\/cluster\.local\/ns\/default\/sa\/reviews-v1/);
    const others = await get(productpage, 'http://reviews:9080/for-v2', '-H', 'x-forwarded-client-cert: By=forged');
    t.match(others, { name: 'reviews-v2' });
    t.notMatch(others.headers['x-forwarded-client-cert'], 'forged');
    await get(legacy, `http://${v1.ip}:9080/in-clear`);
    const wire = await capture.upTo('/in-clear');
    t.notOk(wire.includes('only-for-v1') || wire.includes('for-v2') || wire.includes('end-user') || wire.includes('reviews-v2"'), 'nothing of the request or the answer can be read');
    t.ok(wire.includes('outbound_.9080_.v1_.reviews.default.svc.cluster.local'), 'the server name says what is called');
    const mutual = /istio_requests_total\{(?=.*reporter="destination")(?=.*connection_security_policy="mutual_tls")(?=.*source_principal="spiffe:\/\/cluster\.local\/ns\/default\/sa\/productpage")/;
    t.match(v2.sidecar?.admin('/stats/prometheus'), mutual);
    t.match(await v1.sidecar?.logLine('GET /only-for-v1'), /200.*outbound_\.9080_\.v1_\.reviews\.default\.svc\.cluster\.local/);
  });

  await t.test('a large body there and back', async (t) => {
    const file = join(mesh.folder, 'body');
    writeFileSync(file, Buffer.from(Uint32Array.from({ length: 12 * 2 ** 20 }, (_, index) => index * 2654435761).buffer));
    const { stdout } = await productpage.run('sh', '-c', `sha256sum < ${file}; curl --silent --max-time 60 --data-binary @${file} http://reviews:9080/back | sha256sum`);
    const [sent, received] = stdout.trim().split('\n');
    t.equal(received, sent);
    rmSync(file);
  });

  await t.test('probes and metrics reach the proxy from outside', async (t) => {
    for (const host of [v2.ip, `[${v2.ip6}]`]) {
      t.match(await legacy.curl(`http://${host}:15021/healthz/ready`), { status: 200 });
      t.match(await legacy.curl(`http://${host}:15090/stats/prometheus`), { status: 200, body: /istio_requests_total/ });
      t.match(await legacy.curl(`http://${host}:15000/config_dump`), { status: 503 }, 'but not admin, which is on loopback');
    }
  });

  await t.test('what is not captured', async (t) => {
    for (const identity of ['--reuid', '--regid']) {
      const exempt = await productpage.run('setpriv', `${identity}=${PROXY_USER}`, '--clear-groups', 'curl', '--silent', `http://${v1.ip}:9080/${identity}`);
      t.match(JSON.parse(exempt.stdout), { name: 'reviews-v1' }, identity);
      t.notOk(productpage.sidecar?.log.some((line) => line.includes(`/${identity}`)));
      t.notOk('x-forwarded-client-cert' in (JSON.parse(exempt.stdout) as Echo).headers);
    }
    t.match(await get(productpage, `http://${legacy.ip}:9999/excluded`), { name: 'legacy', from: productpage.ip });
    t.match(await get(legacy, `http://${v1.ip}:8081/excluded`), { name: 'reviews-v1', from: legacy.ip }, 'an excluded inbound port');
    t.match(await get(legacy, `http://${v2.ip}:8081/included`), { name: 'reviews-v2', from: '127.0.0.6' });
    t.match(await get(productpage, `http://127.0.0.1:7070/loopback`), { name: 'productpage', from: '127.0.0.1' });
    await v2.sidecar?.logLine('/included', 'InboundPassthroughCluster');
    t.notOk([...(productpage.sidecar?.log ?? []), ...(v1.sidecar?.log ?? [])].some((line) => line.includes('excluded')));
  });

  await t.test('destinations that nobody declared', async (t) => {
    t.match(await get(productpage, `http://${legacy.ip}:7070/unknown`), { name: 'legacy', from: productpage.ip });
    t.match(await productpage.sidecar?.logLine(`${legacy.ip}:7070`), 'PassthroughCluster');
    t.match(await get(productpage, `http://${legacy.ip}:9080/unknown`, '-H', 'host: who.example'), { name: 'legacy', headers: { host: 'who.example' } }, 'on a port of HTTP services');
    await mesh.configure([...base, istio('Sidecar', 'default', { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } })]);
    t.match(await productpage.curl(`http://${legacy.ip}:9080/refused`, '-H', 'host: who.example'), { status: 502 });
    t.match(await productpage.curl(`http://${legacy.ip}:7070/refused`), { status: 0 }, 'not even an answer where nobody serves HTTP');
    t.match(JSON.parse((await productpage.run(process.execPath, '-e', TCP_CLIENT, JSON.stringify({ host: legacy.ip, port: 7070 }))).stdout), { how: /ECONNRESET|end/, text: '' });
    t.match(await productpage.sidecar?.logLine('BlackHoleCluster', `${legacy.ip}:7070`), 'UH');
    t.match(await get(productpage, 'http://legacy:9080/declared'), { name: 'legacy' });
    await mesh.configure(base);
  });

  await t.test('STRICT, PERMISSIVE and DISABLE', async (t) => {
    const mode = (word: string): ResourceObject => ({ apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name: 'default', namespace: 'default' }, spec: { mtls: { mode: word } } });
    const kept = await legacy.start(process.execPath, ['-e', PERSISTENT, JSON.stringify({ url: `http://${v2.ip}:9080/kept` })], 'answered');
    await mesh.configure([...base, mode('STRICT')]);
    t.match(await kept.until('code'), /ECONNRESET|EPIPE/, 'who was connected in plain text gets no further');
    for (const host of [`${v2.ip}:9080`, `[${v2.ip6}]:9080`, `${v2.ip}:7070`]) t.match(await legacy.curl(`http://${host}/plain`), { status: 0 }, `${host} without a certificate`);
    t.match(await get(productpage, 'http://reviews:9080/strict'), { name: 'reviews-v2' });
    t.match(await get(productpage, 'http://legacy:9080/strict'), { name: 'legacy' }, 'to a pod without a sidecar in plain text');
    await mesh.configure([...base, mode('PERMISSIVE')]);
    t.match(await get(legacy, `http://${v2.ip}:9080/plain`), { name: 'reviews-v2', from: '127.0.0.6' });
    t.match((await get(productpage, 'http://reviews:9080/permissive')).headers['x-forwarded-client-cert'], 'URI=spiffe');
    await mesh.configure([...base, mode('DISABLE')]);
    const capture = await mesh.capture();
    t.match(await get(legacy, `http://${v2.ip}:9080/plain`), { name: 'reviews-v2' });
    t.notOk('x-forwarded-client-cert' in (await get(productpage, 'http://reviews:9080/disabled')).headers);
    t.ok(await capture.upTo('GET /disabled'), 'can be read on the wire');
    await mesh.configure(base);
  });

  await t.test('to itself, to one pod, to the capture ports', async (t) => {
    t.match(await get(productpage, 'http://productpage:9080/self'), { name: 'productpage', from: FROM_SIDECAR });
    await productpage.sidecar?.logLine('/self', 'outbound|9080||productpage');
    await productpage.sidecar?.logLine('/self', 'inbound|9080||');
    t.equal(productpage.sidecar?.log.filter((line) => line.includes('/self')).length, 2, 'once out and once in');
    for (const pod of [v1, v2, v1]) t.match(await get(productpage, `http://${pod.ip}:9080/each`, '-H', 'host: reviews-each:9080'), { name: pod.name }, 'headless');
    for (const port of [15001, 15006]) {
      for (const host of [productpage.ip, '127.0.0.1', `[${productpage.ip6}]`]) t.match(await productpage.curl(`http://${host}:${port}/`), { status: 0 }, `${host}:${port}`);
      t.match(await legacy.curl(`http://${v2.ip}:${port}/`), { status: 0 }, `${port} from another pod`);
    }
    t.match(await get(productpage, 'http://reviews:9080/still'), { name: 'reviews-v2' });
  });

  await t.test('IPv6', async (t) => {
    t.match(await get(productpage, 'http://reviews:9080/six', '-6'), { name: 'reviews-v2' });
    await productpage.sidecar?.logLine('/six', 'fd00:96::10');
    t.match(await get(legacy, `http://[${v2.ip6}]:9080/six-in`), { name: 'reviews-v2', from: '::6' });
    t.match(await get(legacy, `http://[${v2.ip6}]:7070/six-unknown`), { name: 'reviews-v2', from: '::6' });
    t.match(await get(productpage, `http://[${legacy.ip6}]:7070/six-out`), { name: 'legacy', from: productpage.ip6 });
    t.match(await get(productpage, `http://[${v1.ip6}]:9080/each-six`, '-H', 'host: reviews-each:9080'), { name: 'reviews-v1', from: '::6' });
  });

  await t.test('certificates rotated under load', async (t) => {
    const hash = async (): Promise<string> => /Hash=([0-9a-f]+)/.exec((await get(productpage, 'http://reviews:9080/')).headers['x-forwarded-client-cert'] ?? '')?.[1] ?? '';
    // Kept connections go on with the certificate that they began with; with this there are new ones all the time.
    await mesh.configure([...base.filter(({ kind }) => kind !== 'DestinationRule'), destinationRule('reviews', ['v1', 'v2'], { trafficPolicy: { connectionPool: { http: { maxRequestsPerConnection: 10 } } } })]);
    const until = join(mesh.folder, 'load');
    writeFileSync(until, '');
    const load = productpage.run(process.execPath, '-e', LOAD, JSON.stringify({ url: 'http://reviews:9080/', until }));
    const seen = new Set([await hash()]);
    for (const round of [1, 2, 3]) {
      await mesh.issue(...meshed.map(({ name }) => name));
      await eventually(async () => seen.size < seen.add(await hash()).size, `certificate ${round} on the wire`, 30_000);
    }
    rmSync(until);
    const { answered, errors } = JSON.parse((await load).stdout) as { answered: number; errors: unknown[] };
    t.same(errors, []);
    t.ok(answered > 50, `${answered} answers`);
    t.notOk(seen.has(''), 'each request came with a certificate');
  });
});
