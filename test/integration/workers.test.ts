/** `--concurrency`: several processes that serve, reload, count, recover and drain as one proxy. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { outrider } from '../support/command.ts';
import { Proxy } from '../support/proxy.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { destinationRule, istio, pod, renderResources, service, to, virtualService } from '../support/resources.ts';
import { eventually, inTime } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

const linux = process.platform === 'linux' ? {} : { skip: 'needs /proc to find the workers' };

const WEB = { host: 'web.default.svc.cluster.local:9080', path: '/' };

/** Process ids of the workers. */
function workersOf(proxy: Proxy): number[] {
  const { pid } = proxy.child;
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

function mesh(one: Upstream, two: Upstream, route: 'one' | 'two'): string {
  return renderResources([
    pod('client'),
    ...service('one', { workloads: [{ port: one.port }] }),
    ...service('two', { workloads: [{ port: two.port }] }),
    ...service('web'),
    virtualService('web', { http: [{ route: [to(route)] }] }),
  ]);
}

/** True when nobody listens on the port. */
function isRefused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(port, '127.0.0.1', () => {
      probe.destroy();
      resolve(false);
    });
    probe.on('error', () => resolve(true));
  });
}

async function requestMany(proxy: Proxy, count: number): Promise<Map<string, number>> {
  const answers = new Map<string, number>();
  for (let sent = 0; sent < count; sent++) {
    const { status, text } = await proxy.request(WEB);
    const answer = `${status} ${text}`;
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
  }
  return answers;
}

t.test('two workers are one proxy', linux, async (t) => {
  const one = await Upstream.start(t, { body: 'one' });
  const two = await Upstream.start(t, { body: 'two' });
  const readyFile = join(t.testdir({}), 'ready.json');
  const proxy = await Proxy.start(t, { snapshot: mesh(one, two, 'one'), workload: 'default/client', args: ['--concurrency', '2', '--ready-file', readyFile] });
  t.same(JSON.parse(readFileSync(readyFile, 'utf8')), proxy.ports);
  t.equal(workersOf(proxy).length, 2);

  t.test('counts as one', async (t) => {
    t.same([...(await requestMany(proxy, 40))], [['200 one', 40]]);
    await eventually(async () => (await proxy.stat('cluster.outbound|9080||one.default.svc.cluster.local.upstream_rq_total')) === 40, 'all requests counted');
    const { text } = await proxy.request({ path: '/stats/prometheus' }, proxy.ports.metrics);
    const total = [...text.matchAll(/^istio_requests_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
    t.equal(total, 40);
    t.match(await proxy.admin('/clusters'), new RegExp(`127\\.0\\.0\\.1:${one.port}::rq_total::40`));
    t.match(await proxy.admin('/listeners'), String(proxy.outbound));
    await proxy.admin('POST /reset_counters');
    await eventually(async () => (await proxy.stat('cluster.outbound|9080||one.default.svc.cluster.local.upstream_rq_total')) === 0, 'counters at zero');
    await eventually(() => proxy.log.length === 40, 'every request in the access log');
  });

  t.test('reloads as one', async (t) => {
    t.match(await proxy.write(mesh(one, two, 'two')), { lastAttempt: 'accepted' });
    t.same([...(await requestMany(proxy, 20))], [['200 two', 20]], 'every worker has the new route when the reload is reported');
    t.match(await proxy.write('kind: ['), { lastAttempt: 'rejected' });
    t.same([...(await requestMany(proxy, 5))], [['200 two', 5]]);
  });

  t.test('replaces a worker that dies', async (t) => {
    const [victim = 0] = workersOf(proxy);
    process.kill(victim, 'SIGKILL');
    await eventually(() => workersOf(proxy).length === 2 && !workersOf(proxy).includes(victim) && proxy.stderr.includes('a worker was replaced'), 'two workers again');
    t.match(proxy.stderr, /a worker ended by itself \(SIGKILL\)/);
    t.same([...(await requestMany(proxy, 20))], [['200 two', 20]], 'the new one has what serves now');
    t.equal((await proxy.admin('/ready')).trim(), 'LIVE');
  });

  t.test('sets the log level of all, and drains as one', async (t) => {
    t.match(await proxy.admin('POST /logging?level=warning'), /warn/);
    const workers = workersOf(proxy);
    const idle = await proxy.connect();
    t.equal(await proxy.stop('SIGTERM'), 0);
    await idle.closed();
    t.same(workers.filter((pid) => existsSync(`/proc/${pid}`)), [], 'no worker is left');
  });
});

t.test('a drain lets what is in flight in every worker end', linux, async (t) => {
  const upstream = await Upstream.start(t, { onRequest: () => {} });
  const snapshot = renderResources([pod('client'), ...service('web', { workloads: [{ port: upstream.port }] })]);
  const proxy = await Proxy.start(t, { snapshot, workload: 'default/client', args: ['--concurrency', '2'] });
  const clients = await Promise.all(Array.from({ length: 6 }, () => proxy.connect()));
  for (const client of clients) client.request(WEB);
  await eventually(() => upstream.requests.length === 6, 'six requests in flight');
  proxy.child.kill('SIGTERM');
  await eventually(() => isRefused(proxy.outbound), 'the listeners to close');
  for (const held of upstream.requests) held.answer({ body: 'late' });
  for (const client of clients) t.match(await client.response(), { status: 200, text: 'late' });
  t.equal(await inTime(proxy.exited, 'the end'), 0);
});

t.test('TCP connections that a drain cuts are in the log of every worker', linux, async (t) => {
  const upstream = await Upstream.start(t, { onConnection: (connection) => connection.send('hello') });
  const snapshot = renderResources([
    ...service('bytes', { port: 7000, portName: 'tcp', workloads: [{ port: upstream.port }] }),
    istio('Gateway', 'tcp', { selector: { app: 'gateway' }, servers: [{ port: { number: 7000, name: 'tcp', protocol: 'TCP' }, hosts: ['*'] }] }),
    istio('VirtualService', 'bytes', { hosts: ['*'], gateways: ['tcp'], tcp: [{ route: [to('bytes')] }] }),
  ]);
  const proxy = await Proxy.start(t, { snapshot, mode: 'gateway', args: ['--labels', 'app=gateway', '--map-port', '7000=0', '--concurrency', '2', '--drain-time', '100ms'] });
  const clients = await Promise.all(Array.from({ length: 6 }, async () => new RawSocket((await proxy.connect(proxy.port(7000))).socket)));
  for (const client of clients) await client.until('hello');
  t.equal(await proxy.stop('SIGTERM'), 0);
  t.equal(proxy.log.filter((line) => line.includes('outbound|7000||bytes.default.svc.cluster.local')).length, 6, proxy.log.join('\n'));
});

t.test('limits are divided: two workers that may have two connections have one each', linux, async (t) => {
  const upstream = await Upstream.start(t, { onRequest: () => {} });
  const limited = (maxConnections: number): string =>
    renderResources([
      pod('client'),
      ...service('web', { workloads: [{ port: upstream.port }] }),
      destinationRule('web', [], { trafficPolicy: { connectionPool: { tcp: { maxConnections } } } }),
    ]);
  const proxy = await Proxy.start(t, { snapshot: limited(2), workload: 'default/client', args: ['--concurrency', '2'] });
  const waiting = (): Promise<number> => proxy.stat('cluster.outbound|9080||web.default.svc.cluster.local.upstream_rq_pending_active');
  // Connections are handed to the workers in turn.
  const clients = await Promise.all(Array.from({ length: 12 }, () => proxy.connect()));
  for (const client of clients) client.request(WEB);
  await eventually(async () => (await waiting()) === 10, 'two requests under way and ten waiting');
  t.equal(upstream.connections.length, 2);
  await proxy.write(limited(4));
  await eventually(async () => (await waiting()) === 8, 'a reload to be divided, too');
  t.equal(upstream.connections.length, 4);
  await proxy.stop('SIGKILL');
});

t.test('workers share ports that a reload binds, and end with their supervisor', linux, async (t) => {
  const upstream = await Upstream.start(t, { body: 'gate' });
  const gateway = (...ports: number[]): string =>
    renderResources([
      ...service('web', { workloads: [{ port: upstream.port }] }),
      istio('Gateway', 'edge', { selector: { app: 'edge' }, servers: ports.map((number) => ({ port: { number, name: `http-${number}`, protocol: 'HTTP' }, hosts: ['*'] })) }),
      virtualService('web', { hosts: ['*'], gateways: ['edge'], http: [{ route: [to('web')] }] }),
    ]);
  const file = join(t.testdir({}), 'mesh.yaml');
  const readyFile = `${file}.ready`;
  writeFileSync(file, gateway(80));
  const map = ['--map-port', '80=0', '--map-port', '81=0'];
  const proxy = await Proxy.start(t, { config: [file], mode: 'gateway', args: ['--labels', 'app=edge', '--ready-file', readyFile, '--concurrency', '3', ...map] });
  writeFileSync(file, gateway(80, 81));
  const port = await eventually(() => (JSON.parse(readFileSync(readyFile, 'utf8')) as { ports: Record<string, number> }).ports[81], 'port 81 in the ready file');
  for (let sent = 0; sent < 12; sent++) t.match(await proxy.request({}, port), { status: 200, text: 'gate' });
  t.match(await proxy.request({}, proxy.port(80)), { status: 200 });
  const workers = workersOf(proxy);
  t.equal(workers.length, 3);
  proxy.child.kill('SIGKILL');
  await eventually(() => workers.every((pid) => !existsSync(`/proc/${pid}`)), 'the workers to end');
});

t.test('a port that is taken is told once, and nothing is left running', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.teardown(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const file = join(t.testdir({ 'mesh.yaml': renderResources(service('web')) }), 'mesh.yaml');
  const off = ['inbound', 'admin', 'health', 'metrics'].flatMap((name) => [`--${name}-port`, 'off']);
  const result = await outrider(['run', '--config', file, '--bind', '127.0.0.1', '--outbound-port', `${port}`, ...off, '--concurrency', '2']);
  t.match(result, { code: 1, stdout: '' });
  t.match(result.stderr, new RegExp(`^outrider run: .*EADDRINUSE.*127\\.0\\.0\\.1:${port}\n$`));
});
