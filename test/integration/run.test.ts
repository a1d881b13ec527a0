/** `outrider run` from its start to its end: options, ready line and file, ports, signals, logs. */

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { MAIN, outrider } from '../support/command.ts';
import { Proxy, type ProxyOptions } from '../support/proxy.ts';
import { request } from '../support/raw-client.ts';
import { istio, pod, renderResources, service, to, virtualService } from '../support/resources.ts';
import { eventually, inTime } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

/** A client pod and a service `web` on the upstream's port. */
function mesh(upstream: Upstream): string {
  return renderResources([pod('client'), ...service('web', { workloads: [{ port: upstream.port }] })]);
}

async function startProxy(t: Tap, options: Partial<ProxyOptions> = {}): Promise<{ proxy: Proxy; upstream: Upstream }> {
  const upstream = await Upstream.start(t, { body: 'hello' });
  const proxy = await Proxy.start(t, { snapshot: mesh(upstream), workload: 'default/client', ...options });
  return { proxy, upstream };
}

type Tap = Parameters<typeof Upstream.start>[0];

const WEB = { host: 'web.default.svc.cluster.local:9080', path: '/' };

t.test('serves, says so on standard output and in the ready file, and drains on SIGTERM', async (t) => {
  const folder = t.testdir({});
  const readyFile = join(folder, 'ready.json');
  const { proxy } = await startProxy(t, { args: ['--ready-file', readyFile] });
  t.same(JSON.parse(readFileSync(readyFile, 'utf8')), proxy.ports);
  t.same(Object.keys(proxy.ports), ['outbound', 'inbound', 'admin', 'health', 'metrics', 'ports']);
  t.match(await proxy.request(WEB), { status: 200, text: 'hello' });
  t.equal((await proxy.admin('/ready')).trim(), 'LIVE');
  t.equal((await proxy.request({ path: '/healthz/ready' }, proxy.ports.health)).status, 200);
  t.match((await proxy.request({ path: '/stats/prometheus' }, proxy.ports.metrics)).text, /istio_requests_total\{/);
  t.match(await proxy.logLine('"GET / HTTP/1.1" 200'), /outbound\|9080\|\|web\.default\.svc\.cluster\.local/);
  t.match(await proxy.configStatus(), { lastAttempt: 'accepted', accepted: 1, rejected: 0 });
  t.equal(await proxy.stop('SIGTERM'), 0);
  t.match(proxy.stderr, /draining for up to 45 s \(SIGTERM\)/);
});

t.test('ports that are off are not bound and not named', async (t) => {
  const off = ['--inbound-port', 'off', '--health-port', 'off', '--metrics-port', 'off'];
  const { proxy } = await startProxy(t, { args: off });
  t.same(Object.keys(proxy.ports), ['outbound', 'admin', 'ports']);
  t.match(await proxy.request(WEB), { status: 200 });
  t.equal(await proxy.stop('SIGINT'), 0);
});

t.test('with every port off it still runs until it is told to end', async (t) => {
  const off = ['outbound', 'inbound', 'admin', 'health', 'metrics'].flatMap((name) => [`--${name}-port`, 'off']);
  const { proxy } = await startProxy(t, { args: off });
  t.same(proxy.ports, { ports: {} });
  t.equal(await Promise.race([proxy.exited, new Promise((resolve) => setTimeout(resolve, 300, 'running'))]), 'running');
  t.equal(await proxy.stop('SIGTERM'), 0);
});

t.test('what keeps it from starting is one line, or one a problem, on standard error', async (t) => {
  const folder = t.testdir({ empty: {}, other: { 'notes.txt': 'no resource here' }, 'only-deployments.yaml': 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n' });
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.teardown(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const good = join(folder, 'good.yaml');
  writeFileSync(good, renderResources([pod('client'), ...service('web')]));
  const broken = join(folder, 'broken.yaml');
  writeFileSync(broken, `${renderResources(service('web'))}---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: web\nspec:\n  hosts: [web]\n  htp: []\n`);
  const free = ['outbound', 'inbound', 'admin', 'health', 'metrics'].flatMap((name) => [`--${name}-port`, '0']);
  const start = (...args: string[]): ReturnType<typeof outrider> => outrider(['run', '--bind', '127.0.0.1', ...free, ...args]);
  const rows: [name: string, args: string[], code: number, stderr: RegExp][] = [
    ['usage', ['--confg', good], 2, /^outrider run: unknown option --confg, did you mean --config\?\n/],
    ['broken resource', ['--config', broken], 1, /^\S*broken\.yaml:\d+:\d+: VirtualService default\/web: .*\n\S*broken\.yaml:32:3: VirtualService default\/web: spec\.htp: .*did you mean "http"/],
    ['missing file', ['--config', join(folder, 'none.yaml')], 1, /none\.yaml:1:1: cannot be read: no such file or folder\n$/],
    ['empty folder', ['--config', join(folder, 'empty')], 1, /empty:1:1: /],
    ['folder without snapshot files', ['--config', join(folder, 'other')], 1, /other:1:1: /],
    ['nothing for a data plane', ['--config', join(folder, 'only-deployments.yaml')], 1, /only-deployments\.yaml:1:1: the snapshot holds no resource for a data plane\n$/],
    ['unknown workload', ['--config', good, '--workload', 'default/nobody'], 1, /good\.yaml:1:1: no Pod or WorkloadEntry default\/nobody in the snapshot \(it has default\/client\)\n$/],
    ['outbound port taken', ['--config', good, '--outbound-port', `${port}`], 1, new RegExp(`^outrider run: .*EADDRINUSE.*127\\.0\\.0\\.1:${port}\n$`)],
    ['admin port taken', ['--config', good, '--admin-port', `${port}`], 1, new RegExp(`^outrider run: --admin-port: .*127\\.0\\.0\\.1:${port}\n$`)],
    ['log in a missing folder', ['--config', good, '--access-log', join(folder, 'none/a.log')], 1, /^outrider run: --access-log: cannot open .*none\/a\.log/],
    ['ready file in a missing folder', ['--config', good, '--ready-file', join(folder, 'none/ready')], 1, /^outrider run: .*ENOENT.*none/],
    ['unenforced security', ['--config', join(folder, 'closed.yaml')], 1, /closed\.yaml:\d+:\d+: AuthorizationPolicy default\/nothing: spec: /],
  ];
  writeFileSync(join(folder, 'closed.yaml'), renderResources([...service('web'), { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { name: 'nothing', namespace: 'default' }, spec: {} }]));
  const results = await Promise.all(rows.map(([, args]) => start(...args)));
  for (const [index, [name, , code, stderr]] of rows.entries()) {
    t.match(results[index], { code, stderr, stdout: '' }, name);
  }
});

t.test('a drain lets what is in flight end, and nothing new begin', async (t) => {
  const upstream = await Upstream.start(t, { onRequest: () => {} });
  const proxy = await Proxy.start(t, { snapshot: mesh(upstream), workload: 'default/client' });
  const busy = await proxy.connect();
  const idle = await proxy.connect();
  busy.request(WEB);
  const inFlight = await upstream.next();
  const { outbound, health = 0 } = proxy.ports;
  proxy.child.kill('SIGTERM');
  await eventually(async () => (await proxy.request({ path: '/healthz/ready' }, health)).status === 503, 'the health check to fail');
  await idle.closed();
  await t.rejects(request(t, outbound ?? 0, WEB), { code: 'ECONNREFUSED' });
  inFlight.answer({ body: 'late' });
  const response = await busy.response();
  t.match(response, { status: 200, text: 'late' });
  t.equal(response.header('connection'), 'close');
  t.equal(await inTime(proxy.exited, 'the end'), 0);
});

t.test('a drain ends at --drain-time, or at a second signal', async (t) => {
  for (const [name, args, again] of [['--drain-time', ['--drain-time', '200ms'], false], ['second signal', [], true]] as const) {
    const upstream = await Upstream.start(t, { onRequest: () => {} });
    const proxy = await Proxy.start(t, { snapshot: mesh(upstream), workload: 'default/client', args });
    const client = await proxy.connect();
    client.request(WEB);
    await upstream.next();
    const asked = performance.now();
    proxy.child.kill('SIGTERM');
    if (again) {
      await eventually(() => proxy.stderr.includes('draining'), 'the drain to begin');
      proxy.child.kill('SIGTERM');
    }
    t.equal(await inTime(proxy.exited, 'the end'), 0, name);
    const tookMs = performance.now() - asked;
    t.ok(again ? tookMs < 5000 : tookMs >= 200 && tookMs < 5000, `${name}: ${Math.round(tookMs)} ms`);
    await client.closed();
    t.equal(client.text, '', 'the request is cut, not answered');
  }
});

t.test('the admin server drains, fails the health check and ends the proxy', async (t) => {
  const { proxy } = await startProxy(t);
  const { outbound = 0, health = 0 } = proxy.ports;
  await proxy.admin('POST /healthcheck/fail');
  t.equal((await proxy.request({ path: '/healthz/ready' }, health)).status, 503);
  t.match(await proxy.request(WEB), { status: 200 }, 'traffic goes on');
  await proxy.admin('POST /healthcheck/ok');
  t.equal((await proxy.request({ path: '/healthz/ready' }, health)).status, 200);
  await proxy.admin('POST /drain_listeners');
  t.equal((await proxy.request({ path: '/healthz/ready' }, health)).status, 503);
  await t.rejects(request(t, outbound, WEB), { code: 'ECONNREFUSED' });
  await proxy.admin('POST /quitquitquit');
  t.equal(await inTime(proxy.exited, 'the end'), 0);
});

t.test('the access log goes where flags say, and is reopened on SIGUSR2', async (t) => {
  const folder = t.testdir({});
  const path = join(folder, 'access.log');
  const { proxy } = await startProxy(t, { args: ['--access-log', path, '--access-log-format', 'json'] });
  await proxy.request({ ...WEB, path: '/one' });
  await eventually(() => existsSync(path) && readFileSync(path, 'utf8').includes('/one'), 'the line');
  renameSync(path, `${path}.1`);
  proxy.child.kill('SIGUSR2');
  await eventually(() => existsSync(path), 'the new file');
  await proxy.request({ ...WEB, path: '/two' });
  t.equal(await proxy.stop(), 0);
  const line = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  t.match(line, { method: 'GET', path: '/two', response_code: 200 });
  t.equal(readFileSync(`${path}.1`, 'utf8').trim().split('\n').length, 1);
  t.same(proxy.log, [], 'nothing on standard output');
});

t.test('identity from flags, environment and the downward API', async (t) => {
  const folder = t.testdir({ labels: 'app="shop"\nversion="v2"\n' });
  const snapshot = renderResources([...service('web')]);
  const proxy = await Proxy.start(t, {
    snapshot,
    args: ['--ip', '127.0.0.1'],
    env: { POD_NAMESPACE: 'shop-ns', POD_NAME: 'shop-1', SERVICE_ACCOUNT: 'shop-sa', OUTRIDER_LABELS_FILE: join(folder, 'labels') },
  });
  const dump = await proxy.admin('/config_dump');
  for (const part of ['shop-ns', 'shop-1', 'shop-sa', '"v2"']) t.match(dump, part);
  t.equal(await proxy.stop(), 0);
});

t.test('a snapshot from standard input', async (t) => {
  const upstream = await Upstream.start(t, { body: 'from stdin' });
  const free = ['outbound', 'inbound', 'admin', 'health', 'metrics'].flatMap((name) => [`--${name}-port`, '0']);
  const child = spawn(process.execPath, [MAIN, 'run', '--config', '-', '--bind', '127.0.0.1', ...free, '--access-log', 'off']);
  t.teardown(() => child.kill('SIGKILL'));
  const exited = new Promise((resolve) => child.once('exit', resolve));
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stdin.write(mesh(upstream).slice(0, 100));
  await new Promise((resolve) => setTimeout(resolve, 50));
  child.stdin.end(mesh(upstream).slice(100));
  await eventually(() => stdout.startsWith('outrider ready '), 'ready', 20_000);
  const ports = JSON.parse(stdout.slice('outrider ready '.length)) as { outbound: number; admin: number };
  t.match(await request(t, ports.outbound, WEB), { status: 200, text: 'from stdin' });
  const reloaded = await request(t, ports.admin, { method: 'POST', path: '/reload' });
  t.match(JSON.parse(reloaded.text), { lastAttempt: 'accepted', accepted: 2 }, 'a reload keeps what was read');
  t.match(await request(t, ports.outbound, WEB), { status: 200, text: 'from stdin' });
  child.kill('SIGTERM');
  t.equal(await exited, 0);
});

t.test('a signal before it serves ends it at once, with 0', { skip: process.platform === 'linux' ? false : 'needs /proc' }, async (t) => {
  const child = spawn(process.execPath, [MAIN, 'run', '--config', '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
  // Standard input stays open: it waits for the snapshot.
  await eventually(() => listens(child.pid), 'the signal listeners');
  child.kill('SIGTERM');
  t.equal(await inTime(exited, 'the end'), 0);
});

t.test('a gateway binds its servers where --map-port says', async (t) => {
  const upstream = await Upstream.start(t, { body: 'through the gateway' });
  const gateway = istio('Gateway', 'edge', { selector: { app: 'edge' }, servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }] });
  const routes = virtualService('web', { hosts: ['web.example'], gateways: ['edge'], http: [{ route: [to('web')] }] });
  const folder = t.testdir({});
  mkdirSync(join(folder, 'snapshot/more'), { recursive: true });
  writeFileSync(join(folder, 'snapshot/services.yaml'), renderResources(service('web', { workloads: [{ port: upstream.port }] })));
  writeFileSync(join(folder, 'snapshot/more/routes.yaml'), renderResources([gateway, routes]));
  const proxy = await Proxy.start(t, { config: [join(folder, 'snapshot')], mode: 'gateway', args: ['--labels', 'app=edge', '--map-port', '80=0'] });
  t.match(await proxy.request({ host: 'web.example' }, proxy.port(80)), { status: 200, text: 'through the gateway' });
  t.equal(await proxy.stop(), 0);
});

t.test('the command table', async (t) => {
  const rows: [args: string[], code: number, stdout: RegExp, stderr: RegExp][] = [
    [[], 2, /^$/, /^outrider: a service-mesh proxy/],
    [['help'], 0, /^outrider: a service-mesh proxy[\s\S]* {2}iptables {2,}print, apply/, /^$/],
    [['--help'], 0, /Usage: outrider COMMAND/, /^$/],
    [['help', 'run'], 0, /^Usage: outrider run --config PATH/, /^$/],
    [['run', '--help'], 0, /--drain-time DURATION +how long .*\(default 45s\)/, /^$/],
    [['validate', '--help'], 0, /^Usage: outrider validate PATH/, /^$/],
    [['explain', '--help'], 0, /^Usage: outrider explain --config PATH/, /^$/],
    [['demo', '--help'], 0, /^Usage: outrider demo/, /^$/],
    [['version'], 0, /^outrider \d+\.\d+\.\d+ \(node v\d+/, /^$/],
    [['--version'], 0, /^outrider \d+\.\d+\.\d+/, /^$/],
    [['version', '--json'], 0, /^\{"version":"\d+\.\d+\.\d+","node":"v/, /^$/],
    [['version', 'x'], 2, /^$/, /^outrider version: unexpected argument 'x'\n$/],
    [['rum'], 2, /^$/, /^outrider: unknown command 'rum', did you mean run\?\n$/],
    [['help', 'explian'], 2, /^$/, /did you mean explain\?/],
    [['frobnicate'], 2, /^$/, /^outrider: unknown command 'frobnicate', commands: run, validate, /],
    [['constructor'], 2, /^$/, /unknown command 'constructor'/],
    ...['test'].map((name): [string[], number, RegExp, RegExp] => [[name, 'x'], 2, /^$/, new RegExp(`^outrider ${name}: this version does not have this command yet\n$`)]),
  ];
  const results = await Promise.all(rows.map(([args]) => outrider(args)));
  for (const [index, [args, code, stdout, stderr]] of rows.entries()) t.match(results[index], { code, stdout, stderr }, `outrider ${args.join(' ')}`);
});

/**
 * The lowest bit of the caught signals: SIGHUP has a listener. (SIGTERM is no sign: Node itself catches it from the start.)
 * Before it has become the program it still has the listeners of the test runner.
 */
function listens(pid: number | undefined): boolean {
  if (pid === undefined || !readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(MAIN)) return false;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mask = /SigCgt:\s*([0-9a-f]+)/.exec(status)?.[1] ?? '0';
  return Number(BigInt(`0x${mask}`) & 1n) === 1;
}
