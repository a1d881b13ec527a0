/** Probes that `outrider inject` rewrote, asked of a real proxy as the kubelet asks, and answered by a real application. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer as createHttp, type Server } from 'node:http';
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { createServer as createTcp, type AddressInfo, type Server as TcpServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { JsonMap } from '../../config/inject/json.ts';
import { mapAt } from '../../config/inject/json.ts';
import { outrider } from '../support/command.ts';
import { injectPod, startPod, type InjectedPod } from '../support/injected-pod.ts';
import { program } from '../support/programs.ts';
import type { Proxy } from '../support/proxy.ts';
import type { RawResponse } from '../support/raw-client.ts';
import { pod, renderResources, service } from '../support/resources.ts';
import { eventually, type TestScope } from '../support/scope.ts';

const CONFIG = { 'mesh.yaml': renderResources([pod('client'), ...service('web')]) };

async function listening(t: TestScope, server: Server | TcpServer, address = '127.0.0.1'): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createTcp();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function manifest(containers: readonly unknown[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', labels: { app: 'web' } }, spec: { containers } });
}

/** Sends what the kubelet sends for a rewritten probe. */
async function ask(proxy: Proxy, probe: JsonMap, headers: Readonly<Record<string, string>> = {}): Promise<RawResponse> {
  const { path, port } = mapAt(probe, 'httpGet');
  if (port !== 15_021 || typeof path !== 'string') throw new Error(`not rewritten: ${JSON.stringify(probe)}`);
  const health = proxy.ports.health ?? 0;
  return proxy.request({ path, host: `10.0.0.1:${health}`, headers: { 'User-Agent': 'kube-probe/1.33', ...headers } }, health);
}

t.test('HTTP: the application sees the kubelet\'s request, the kubelet the application\'s answer', async (t) => {
  const seen: string[] = [];
  const app = createHttp((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers['user-agent']} ${String(request.headers['x-probe'])} ${request.headers.connection}`);
    const url = request.url ?? '';
    if (url === '/moved') response.writeHead(302, { location: '/ready' });
    else if (url === '/away') response.writeHead(302, { location: 'http://elsewhere.example/' });
    else if (url === '/round') response.writeHead(307, { location: '/round' });
    else if (url === '/sick') response.writeHead(503);
    else if (url === '/hangs') return;
    response.end(url === '/long' ? 'x'.repeat(100_000) : 'well');
  });
  t.teardown(() => app.closeAllConnections());
  const port = await listening(t, app);
  const get = (path: string, timeoutSeconds = 20): JsonMap => ({ httpGet: { path, port }, timeoutSeconds });
  const container = (name: string, livenessProbe: JsonMap, readinessProbe: JsonMap, startupProbe: JsonMap): JsonMap => ({ name, image: name, livenessProbe, readinessProbe, startupProbe });
  const injected = await injectPod(manifest([
    { ...container('a', get('/live?x=1'), get('/moved'), get('/away')), ports: [{ name: 'web', containerPort: port }], lifecycle: { preStop: { httpGet: { path: 'stop', port: 'web' } } } },
    container('b', get('/sick'), get('/round'), get('/long')),
    container('c', get('/hangs', 1), { httpGet: { path: '/', port: await closedPort() } }, get('/')),
  ]));
  const proxy = await startPod(t, injected, { config: CONFIG, folder: t.testdir({}) });
  const probe = (name: string, field: string): JsonMap => mapAt(injected.container(name), field);

  const live = await ask(proxy, probe('a', 'livenessProbe'), { 'x-probe': 'yes' });
  t.match(live, { status: 200, text: 'well' });
  t.equal(seen.pop(), `GET /live?x=1 10.0.0.1:${port} kube-probe/1.33 yes close`, 'the Host has the application\'s port');
  t.match(await ask(proxy, probe('a', 'readinessProbe')), { status: 200, text: 'well' }, 'a redirect on the same host is followed');
  t.same(seen.splice(0).map((line) => line.split(' ')[1]), ['/moved', '/ready']);
  t.match(await ask(proxy, probe('a', 'startupProbe')), { status: 200, text: '' }, 'one elsewhere is a success and not followed');
  t.match(await ask(proxy, mapAt(mapAt(injected.container('a'), 'lifecycle'), 'preStop')), { status: 200 });
  t.match(seen.pop(), /^GET \/stop /);
  t.equal((await ask(proxy, probe('b', 'livenessProbe'))).status, 503, 'the application\'s own status');
  t.equal((await ask(proxy, probe('b', 'readinessProbe'))).status, 500, 'redirects without end');
  t.equal((await ask(proxy, probe('b', 'startupProbe'))).text.length, 10 * 1024, 'the beginning of a long body');
  t.equal((await ask(proxy, probe('c', 'livenessProbe'))).status, 500, 'the time of the probe is over');
  t.equal((await ask(proxy, probe('c', 'readinessProbe'))).status, 500, 'nobody listens');
  await eventually(() => /warn probes \/app-health\/c\/readyz: GET \/ on port \d+: .*ECONNREFUSED/.test(proxy.stderr), `the reason in the log: ${proxy.stderr}`);

  const health = proxy.ports.health ?? 0;
  for (const path of ['/app-health/d/livez', '/app-health/a/nothing', '/app-lifecycle/a/poststartz']) {
    t.match(await proxy.request({ path }, health), { status: 400, text: `app prober config does not exists for ${path}` });
  }
  t.equal((await proxy.request({ path: '/other' }, health)).status, 404);
  t.equal((await proxy.request({ path: '/healthz/ready' }, health)).status, 200);
});

t.test('TCP and gRPC', async (t) => {
  const tcp = await listening(t, createTcp((socket) => socket.destroy()));
  const services: string[] = [];
  const app = createHttp2();
  app.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const name = Buffer.concat(chunks).subarray(7).toString();
      services.push(`${headers[':path']} ${headers['content-type']} ${headers['user-agent']} ${name}`);
      answerHealth(stream, name);
    });
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  t.teardown(() => app.close());
  const { port } = app.address() as AddressInfo;
  const grpc = (name?: string): JsonMap => ({ grpc: { port, ...(name === undefined ? {} : { service: name }) }, timeoutSeconds: 20 });
  const injected = await injectPod(manifest([
    { name: 'a', image: 'a', livenessProbe: { tcpSocket: { port: tcp } }, readinessProbe: { tcpSocket: { port: await closedPort() } }, startupProbe: grpc() },
    { name: 'b', image: 'b', livenessProbe: grpc('down'), readinessProbe: grpc('unknown'), startupProbe: grpc('garbage') },
    { name: 'c', image: 'c', livenessProbe: { grpc: { port: tcp } }, readinessProbe: grpc('unimplemented'), startupProbe: { grpc: { port: await closedPort() } } },
    { name: 'd', image: 'd', livenessProbe: grpc('up'), readinessProbe: { ...grpc('hangs'), timeoutSeconds: 1 } },
  ]));
  const proxy = await startPod(t, injected, { config: CONFIG, folder: t.testdir({}) });
  const status = async (name: string, field: string): Promise<number> => (await ask(proxy, mapAt(injected.container(name), field))).status;
  t.equal(await status('a', 'livenessProbe'), 200, 'a connection is enough');
  t.equal(await status('a', 'readinessProbe'), 500, 'refused');
  t.equal(await status('a', 'startupProbe'), 200, 'SERVING');
  t.equal(await status('d', 'livenessProbe'), 200, 'SERVING, by name');
  t.same(services.splice(0), ['/grpc.health.v1.Health/Check application/grpc kube-probe/1.33 ', '/grpc.health.v1.Health/Check application/grpc kube-probe/1.33 up']);
  t.equal(await status('b', 'livenessProbe'), 500, 'NOT_SERVING');
  t.equal(await status('b', 'readinessProbe'), 500, 'grpc-status 5');
  t.equal(await status('b', 'startupProbe'), 500, 'no health answer');
  t.equal(await status('c', 'livenessProbe'), 500, 'no HTTP/2');
  t.equal(await status('c', 'readinessProbe'), 500, 'no such service');
  t.equal(await status('c', 'startupProbe'), 500, 'refused');
  t.equal(await status('d', 'readinessProbe'), 500, 'no answer in time');
  await eventually(() => /b\/livez: port \d+ says NOT_SERVING\n[^]*b\/readyz: .* ended with grpc-status 5\n[^]*b\/startupz: .* can be read\n[^]*c\/readyz: port \d+ does not implement/.test(proxy.stderr), `the reasons in the log: ${proxy.stderr}`);
});

function answerHealth(stream: ServerHttp2Stream, name: string): void {
  if (name === 'hangs') return;
  if (name === 'unknown' || name === 'unimplemented') return stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': name === 'unknown' ? '5' : '12' }, { endStream: true });
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(name === 'garbage' ? 'garbage' : Buffer.from([0, 0, 0, 0, 2, 8, name === 'down' ? 2 : 1]));
}

const openssl = program('openssl');

t.test('HTTPS: the certificate is not checked', { skip: openssl.missing }, async (t) => {
  const folder = t.testdir({});
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const made = spawnSync(openssl.path, ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=nobody', '-days', '1', '-keyout', key, '-out', cert]);
  t.equal(made.status, 0, String(made.stderr));
  const port = await listening(t, createHttps({ key: readFileSync(key), cert: readFileSync(cert) }, (_request, response) => response.end('over TLS')));
  const injected = await injectPod(manifest([{ name: 'a', image: 'a', livenessProbe: { httpGet: { port, scheme: 'HTTPS' }, timeoutSeconds: 20 } }]));
  t.equal(mapAt(mapAt(injected.container('a'), 'livenessProbe'), 'httpGet')['scheme'], 'HTTP');
  const proxy = await startPod(t, injected, { config: CONFIG, folder });
  t.match(await ask(proxy, mapAt(injected.container('a'), 'livenessProbe')), { status: 200, text: 'over TLS' });
});

const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []).find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
const noAddress = process.platform === 'linux' && own !== undefined ? false : 'needs Linux and an address besides loopback';

t.test('at the pod\'s own address it comes from 127.0.0.6, which interception leaves alone', { skip: noAddress }, async (t) => {
  const froms: (string | undefined)[] = [];
  const address = own ?? '';
  const port = await listening(t, createHttp((request, response) => {
    froms.push(request.socket.remoteAddress);
    response.end();
  }), address);
  const injected: InjectedPod = await injectPod(manifest([{ name: 'a', image: 'a', livenessProbe: { httpGet: { port }, timeoutSeconds: 20 }, readinessProbe: { tcpSocket: { port } } }]));
  const proxy = await startPod(t, injected, { config: CONFIG, folder: t.testdir({}), ip: address });
  t.equal((await ask(proxy, mapAt(injected.container('a'), 'livenessProbe'))).status, 200, proxy.stderr);
  t.equal((await ask(proxy, mapAt(injected.container('a'), 'readinessProbe'))).status, 200, proxy.stderr);
  t.same(froms, ['127.0.0.6']);
});

t.test('a broken variable is named at the start', async (t) => {
  const { code, stderr } = await outrider(['run', '--config', 'none'], { env: { ISTIO_KUBE_APP_PROBERS: '{"/app-health/a/livez":{}}' } });
  t.equal(code, 2);
  t.match(stderr, /^outrider run: ISTIO_KUBE_APP_PROBERS: \/app-health\/a\/livez: must have one of httpGet, tcpSocket and grpc\n/);
});
