/** Start-up and shutdown order of docs/deployment.md, with the real process. */

import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import t from 'tap';
import { injectPod, startPod } from '../support/injected-pod.ts';
import { outrider } from '../support/command.ts';
import { Proxy } from '../support/proxy.ts';
import { request } from '../support/raw-client.ts';
import { pod, renderResources, service } from '../support/resources.ts';
import { eventually, inTime } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

const WEB = { host: 'web.default.svc.cluster.local:9080', path: '/' };
/** What injection sets, with a minimum that tests can wait for. */
const EXIT_WHEN_IDLE = { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true', MINIMUM_DRAIN_DURATION: '300ms' };

function mesh(upstream: Upstream): string {
  return renderResources([pod('client'), ...service('web', { workloads: [{ port: upstream.port }] })]);
}

const MANIFEST = JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'client', labels: { app: 'client' } }, spec: { containers: [{ name: 'app', image: 'app' }] } });

for (const workers of [1, 2]) {
  t.test(`an application that ends at the same time keeps its proxy until it has gone (${workers} workers)`, { skip: workers > 1 && process.platform !== 'linux' ? 'workers share sockets on Linux' : false }, async (t) => {
    const upstream = await Upstream.start(t, { onRequest: () => {} });
    const injected = await injectPod(MANIFEST);
    const proxy = await startPod(t, injected, { config: { 'mesh.yaml': mesh(upstream) }, folder: t.testdir({}), env: EXIT_WHEN_IDLE, args: ['--concurrency', String(workers)] });
    const { health = 0, outbound = 0 } = proxy.ports;
    const application = await proxy.connect();
    application.request(WEB);
    const inFlight = await upstream.next();
    const idle = await proxy.connect();
    proxy.child.kill('SIGTERM');
    await eventually(async () => (await proxy.request({ path: '/healthz/ready' }, health)).status === 503, 'readiness to fail first');

    // Workers hear of it a little later than the probe.
    await eventually(async () => {
      const late = await proxy.connect();
      late.request(WEB);
      (await upstream.next()).answer({ body: 'still served' });
      const answer = await late.response();
      t.match(answer, { status: 200, text: 'still served' }, 'a new connection after SIGTERM');
      const told = answer.header('connection') === 'close';
      if (told) await late.closed();
      else late.end();
      return told;
    }, 'a new connection that is told to end');
    await idle.closed();
    t.equal(proxy.child.exitCode, null, 'it stays while a request is in flight');
    // Past the minimum: idle connections are closed only then.
    const later = request(t, outbound, WEB);
    (await upstream.next()).answer({ body: 'as before' });
    t.match(await later, { status: 200, text: 'as before' }, 'it accepts as long as the application is there');
    inFlight.answer({ body: 'last' });
    t.match(await application.response(), { status: 200, text: 'last' });
    t.equal(await inTime(proxy.exited, 'the end after the last connection', 20_000), 0);
    t.match(proxy.stderr, /draining for up to 25 s \(SIGTERM\)[^]*leaving: nobody is connected/);
  });
}

t.test('it leaves at the drain time, or at a second signal, whoever is connected', async (t) => {
  for (const [args, again] of [[['--drain-time', '400ms'], false], [[], true]] as const) {
    const upstream = await Upstream.start(t, { onRequest: () => {} });
    const proxy = await Proxy.start(t, { snapshot: mesh(upstream), workload: 'default/client', args, env: { ...EXIT_WHEN_IDLE, MINIMUM_DRAIN_DURATION: again ? '1h' : '100ms' } });
    const client = await proxy.connect();
    client.request(WEB);
    await upstream.next();
    proxy.child.kill('SIGTERM');
    if (again) {
      await eventually(() => proxy.stderr.includes('draining'), 'the drain to begin');
      proxy.child.kill('SIGTERM');
    }
    t.equal(await inTime(proxy.exited, 'the end', 20_000), 0);
    await client.closed();
    t.equal(client.text, '', 'the request is cut');
  }
});

t.test('without connections it leaves after the minimum, and without the variable at once', async (t) => {
  for (const [env, leaving] of [[EXIT_WHEN_IDLE, true], [{ EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'false' }, false]] as const) {
    const proxy = await Proxy.start(t, { snapshot: [pod('client'), ...service('web')], workload: 'default/client', env });
    t.equal(await proxy.stop(), 0);
    t.equal(proxy.stderr.includes('leaving: nobody is connected'), leaving);
  }
  const { code, stderr } = await outrider(['run', '--config', 'none'], { env: { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'maybe' } });
  t.match({ code, stderr }, { code: 2, stderr: /^outrider run: EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'maybe' is neither true nor false\n/ });
});

t.test('the hook of the injected container ends when the proxy serves, and not before', async (t) => {
  let ready = false;
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    response.writeHead(ready ? 200 : 503).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const waiting = outrider(['wait', '--health-port', String(port)]);
  await eventually(() => asked >= 3, 'it to ask again');
  ready = true;
  t.match(await waiting, { code: 0, stderr: '' });
  ready = false;
  t.match(await outrider(['wait', '--health-port', String(port), '--timeout', '10ms']), { code: 1, stderr: `outrider wait: the proxy is not ready after 0.01 s: port ${port} says 503\n` });
  t.match(await outrider(['wait', '--health-port', '0']), { code: 2, stderr: /^outrider wait: --health-port: / });
  t.match(await outrider(['wait', '--timeout', '5']), { code: 2, stderr: /^outrider wait: --timeout: '5' has no unit/ });
  t.match(await outrider(['wait', 'what']), { code: 2, stderr: /^outrider wait: unexpected argument 'what'/ });
  const injected = await injectPod(MANIFEST, ['--hold-application']);
  const command = (injected.proxy['lifecycle'] as { postStart: { exec: { command: string[] } } }).postStart.exec.command;
  t.same(command, ['node', '/outrider/dist/proxy/main.js', 'wait', '--health-port', '15021']);
  t.same((injected.pod['spec'] as { containers: { name: string }[] }).containers.map(({ name }) => name), ['istio-proxy', 'app'], 'Kubernetes starts the application second');
});

t.test('it is ready only when every listener is bound', async (t) => {
  const upstream = await Upstream.start(t, { body: 'hello' });
  const proxy = await Proxy.start(t, { snapshot: mesh(upstream), workload: 'default/client' });
  t.equal((await proxy.request({ path: '/healthz/ready' }, proxy.ports.health)).status, 200);
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.teardown(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const healthPort = proxy.ports.health ?? 0;
  t.equal(await proxy.stop(), 0);
  // The same health port, and a listener that cannot be bound: it never says that it is ready.
  const statuses: string[] = [];
  const failing = outrider(['run', '--config', proxy.folder, '--workload', 'default/client', '--bind', '127.0.0.1', '--outbound-port', String(port), '--inbound-port', '0', '--admin-port', '0', '--metrics-port', '0', '--health-port', String(healthPort)]);
  let ended = false;
  void failing.finally(() => (ended = true));
  while (!ended) {
    statuses.push(await statusLine(healthPort));
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.match(await failing, { code: 1, stdout: '', stderr: /EADDRINUSE/ });
  t.notOk(statuses.some((status) => status.includes(' 200 ')), 'never 200');
});

/** First line of the answer, or the error's code. */
function statusLine(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /healthz/ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'));
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    socket.on('close', () => resolve(text.split('\r\n')[0] ?? ''));
  });
}
