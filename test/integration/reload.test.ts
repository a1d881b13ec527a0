/** Hot reload of a whole proxy: what changes takes effect, what is wrong is kept out, and no request is lost. */

import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { Proxy, type ConfigStatus } from '../support/proxy.ts';
import { istio, pod, renderResources, service, to, virtualService, type ResourceObject } from '../support/resources.ts';
import { eventually } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

type Tap = Parameters<typeof Upstream.start>[0];

const WEB = { host: 'web.default.svc.cluster.local:9080', path: '/' };

/** Two versions of `web` and a route to one of them. */
class Mesh {
  readonly one: Upstream;
  readonly two: Upstream;

  private constructor(one: Upstream, two: Upstream) {
    this.one = one;
    this.two = two;
  }

  static async start(t: Tap): Promise<Mesh> {
    return new Mesh(await Upstream.start(t, { body: 'one' }), await Upstream.start(t, { body: 'two' }));
  }

  services(): ResourceObject[] {
    return [pod('client'), ...service('one', { workloads: [{ port: this.one.port }] }), ...service('two', { workloads: [{ port: this.two.port }] }), ...service('web')];
  }

  /** The whole snapshot, `web` routed to `name`. */
  text(name: 'one' | 'two'): string {
    return renderResources([...this.services(), route(name)]);
  }
}

function route(name: string): ResourceObject {
  return virtualService('web', { http: [{ route: [to(name)] }] });
}

async function startProxy(t: Tap, path: string, args: readonly string[] = []): Promise<Proxy> {
  return Proxy.start(t, { config: [path], workload: 'default/client', args });
}

/** Waits for requests to be answered by `name`. */
async function answeredBy(proxy: Proxy, name: string): Promise<void> {
  await eventually(async () => (await proxy.request(WEB)).text === name, `${name} to answer; log:\n${proxy.stderr}`);
}

/** Acts and waits for the reload that follows. */
async function reloadAfter(proxy: Proxy, act: () => void): Promise<ConfigStatus> {
  const before = await proxy.configStatus();
  act();
  return eventually(async () => {
    const now = await proxy.configStatus();
    return now.accepted + now.rejected > before.accepted + before.rejected ? now : undefined;
  }, 'a reload');
}

/** Requests one after the other, on a few kept-alive connections, until stopped; each must be answered 200. */
class Load {
  answered = 0;
  readonly failures: string[] = [];
  readonly #proxy: Proxy;
  readonly #workers: Promise<void>[];
  #stopped = false;

  constructor(proxy: Proxy, connections = 4) {
    this.#proxy = proxy;
    this.#workers = Array.from({ length: connections }, () => this.#run());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
  }

  async #run(): Promise<void> {
    const client = await this.#proxy.connect();
    while (!this.#stopped) {
      const response = await client.exchange(WEB).catch((error: unknown) => error);
      if (response instanceof Error) this.failures.push(response.message);
      else if ((response as { status: number }).status !== 200) this.failures.push(String((response as { status: number }).status));
      if (this.failures.length > 0) return;
      this.answered += 1;
    }
    client.socket.destroy();
  }
}

t.test('a change takes effect however it is written, without a failed request', async (t) => {
  const mesh = await Mesh.start(t);
  const folder = t.testdir({});
  const file = join(folder, 'mesh.yaml');
  writeFileSync(file, mesh.text('one'));
  const proxy = await startProxy(t, file);
  const load = new Load(proxy);
  await answeredBy(proxy, 'one');
  const writings: [name: string, write: (text: string) => void][] = [
    ['in place', (text) => writeFileSync(file, text)],
    [
      'by rename',
      (text) => {
        writeFileSync(`${file}~`, text);
        renameSync(`${file}~`, file);
      },
    ],
    [
      'deleted first',
      (text) => {
        unlinkSync(file);
        writeFileSync(file, text);
      },
    ],
  ];
  let next: 'one' | 'two' = 'two';
  for (const [name, write] of writings) {
    const started = performance.now();
    write(mesh.text(next));
    await answeredBy(proxy, next);
    t.ok(performance.now() - started < 5000, `${name}: ${Math.round(performance.now() - started)} ms`);
    next = next === 'one' ? 'two' : 'one';
  }
  await load.stop();
  t.same(load.failures, []);
  t.ok(load.answered > 20, `${load.answered} answered`);
  t.match(await proxy.configStatus(), { lastAttempt: 'accepted', rejected: 0 });
  t.match(await proxy.admin('/stats'), 'upstream_rq');
});

t.test('a ConfigMap swap takes effect', async (t) => {
  const mesh = await Mesh.start(t);
  const folder = t.testdir({});
  const version = (name: string, text: string): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'mesh.yaml'), text);
  };
  version('..1', mesh.text('one'));
  symlinkSync('..1', join(folder, '..data'));
  symlinkSync('..data/mesh.yaml', join(folder, 'mesh.yaml'));
  const proxy = await startProxy(t, folder);
  await answeredBy(proxy, 'one');
  for (const [old, name, web] of [['..1', '..2', 'two'], ['..2', '..3', 'one']] as const) {
    version(name, mesh.text(web));
    symlinkSync(name, join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    rmSync(join(folder, old), { recursive: true });
    await answeredBy(proxy, web);
  }
  t.match(await proxy.configStatus(), { accepted: 3, rejected: 0 });
});

t.test('a bad snapshot keeps the last good one and says why', async (t) => {
  const mesh = await Mesh.start(t);
  const folder = t.testdir({ config: {} });
  const config = join(folder, 'config');
  const file = join(config, 'mesh.yaml');
  const good = mesh.text('one');
  writeFileSync(file, good);
  const proxy = await startProxy(t, config);
  const load = new Load(proxy, 2);
  const breakings: [name: string, act: () => void, problem: RegExp][] = [
    ['YAML that does not parse', () => writeFileSync(file, 'a: [1\n'), /mesh\.yaml:\d+:\d+: /],
    ['an unknown field', () => writeFileSync(file, good.replace('"http": [', '"htp": [')), /unknown field "htp"/],
    ['half of it', () => writeFileSync(file, good.slice(0, good.length - 60)), /mesh\.yaml:\d+:\d+: /],
    ['nothing', () => writeFileSync(file, ''), /mesh\.yaml:1:1: the file is empty/],
    ['only comments', () => writeFileSync(file, '# later\n'), /no resource for a data plane/],
    ['the file deleted', () => unlinkSync(file), /config:1:1: /],
    ['the folder deleted', () => rmSync(config, { recursive: true }), /no such file or folder/],
    ['security that is not enforced', () => writeFileSync(file, good + renderResources([{ apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { name: 'nothing', namespace: 'default' }, spec: {} }])), /not enforce/],
  ];
  for (const [name, act, problem] of breakings) {
    const version = (await proxy.configStatus()).version;
    const rejected = await reloadAfter(proxy, act);
    t.match(rejected, { lastAttempt: 'rejected', version }, name);
    t.match(rejected.problems.join('\n'), problem, name);
    t.equal((await proxy.request(WEB)).text, 'one');
    mkdirSync(config, { recursive: true });
    writeFileSync(file, good);
    const restored = await eventually(async () => {
      const now = await proxy.configStatus();
      return now.lastAttempt === 'accepted' ? now : undefined;
    }, 'the good one to be accepted again');
    t.match(restored, { version, problems: [] });
  }
  await load.stop();
  t.same(load.failures, []);
  t.match(proxy.stderr, /rejected with \d+ errors?, version \w+ goes on serving/);
  t.match(proxy.stderr, /the snapshot is good again/);
});

t.test('what names something that is not there is served with a warning', async (t) => {
  const mesh = await Mesh.start(t);
  const folder = t.testdir({});
  const file = join(folder, 'mesh.yaml');
  writeFileSync(file, mesh.text('one'));
  const proxy = await startProxy(t, file);
  t.equal(proxy.stderr, '');
  const other = virtualService('other', { hosts: ['other.example.com'], http: [{ match: [{ uri: { exact: '/a' } }], route: [to('wbe')] }, { route: [to('web', 'nope')] }] });
  const status = await reloadAfter(proxy, () => writeFileSync(file, mesh.text('one') + renderResources([other])));
  t.match(status, { lastAttempt: 'accepted', problems: [/route\[0\]\.destination\.host: warning: host "wbe" .*did you mean "web".*\[IST0101\]$/, /subset: warning: subset "nope" .*\[IST0101\]$/] });
  await eventually(() => /warn config .*mesh\.yaml:\d+:\d+: VirtualService default\/other: .*host "wbe"/.test(proxy.stderr), 'the log to say so');
  t.equal((await proxy.request(WEB)).text, 'one');
});

t.test('a file that is written slowly is accepted once it is whole', async (t) => {
  const mesh = await Mesh.start(t);
  const folder = t.testdir({});
  const file = join(folder, 'mesh.yaml');
  writeFileSync(file, mesh.text('one'));
  const proxy = await startProxy(t, file);
  const text = mesh.text('two');
  const half = await reloadAfter(proxy, () => writeFileSync(file, text.slice(0, text.length - 30)));
  t.match(half, { lastAttempt: 'rejected' });
  t.equal((await proxy.request(WEB)).text, 'one');
  appendFileSync(file, text.slice(text.length - 30));
  await answeredBy(proxy, 'two');
  t.match(await proxy.configStatus(), { lastAttempt: 'accepted' });
});

t.test('a flood of writes, good and bad, loses no request and ends on the last one', async (t) => {
  const mesh = await Mesh.start(t);
  const folder = t.testdir({});
  const file = join(folder, 'mesh.yaml');
  writeFileSync(file, mesh.text('one'));
  const proxy = await startProxy(t, file);
  const load = new Load(proxy);
  const until = performance.now() + 2000;
  for (let writes = 0; performance.now() < until; writes++) {
    writeFileSync(file, writes % 7 === 3 ? 'kind: [' : mesh.text(writes % 2 === 0 ? 'one' : 'two'));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  writeFileSync(file, mesh.text('two'));
  await answeredBy(proxy, 'two');
  await load.stop();
  t.same(load.failures, []);
  const status = await eventually(async () => {
    const now = await proxy.configStatus();
    return now.lastAttempt === 'accepted' ? now : undefined;
  }, 'the last one');
  t.ok(status.accepted + status.rejected >= 3, `${status.accepted} accepted, ${status.rejected} rejected while the flood lasted`);
});

t.test('a request keeps the route it began with', async (t) => {
  const mesh = await Mesh.start(t);
  const slow = await Upstream.start(t, { onRequest: () => {} });
  const folder = t.testdir({});
  const file = join(folder, 'mesh.yaml');
  const services = [...mesh.services(), ...service('slow', { workloads: [{ port: slow.port }] })];
  writeFileSync(file, renderResources([...services, route('slow')]));
  const proxy = await startProxy(t, file);
  const client = await proxy.connect();
  client.request(WEB);
  const held = await slow.next();
  await reloadAfter(proxy, () => writeFileSync(file, mesh.text('two')));
  t.equal((await proxy.request(WEB)).text, 'two', 'new requests go the new way; the old cluster is gone');
  held.answer({ body: 'from before' });
  t.match(await client.response(), { status: 200, text: 'from before' });
  t.match(await client.exchange(WEB), { status: 200, text: 'two' }, 'the same connection, the new route');
});

t.test('SIGHUP and POST /reload reload too, also when nothing changed', async (t) => {
  const mesh = await Mesh.start(t);
  const folder = t.testdir({});
  const file = join(folder, 'mesh.yaml');
  writeFileSync(file, mesh.text('one'));
  const proxy = await startProxy(t, file);
  t.match(JSON.parse(await proxy.admin('POST /reload')), { lastAttempt: 'accepted', accepted: 2, rejected: 0 });
  const hup = await reloadAfter(proxy, () => proxy.child.kill('SIGHUP'));
  t.match(hup, { lastAttempt: 'accepted', accepted: 3 });
  await eventually(() => /reload \(SIGHUP\): no change for this workload/.test(proxy.stderr), 'the log line');
});

t.test('a reload binds and frees ports, and the ready file follows', async (t) => {
  const upstream = await Upstream.start(t, { body: 'gate' });
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.teardown(() => taken.close());
  const folder = t.testdir({});
  const file = join(folder, 'mesh.yaml');
  const readyFile = join(folder, 'ready.json');
  const gateways = (...ports: number[]): string =>
    renderResources([
      ...service('web', { workloads: [{ port: upstream.port }] }),
      istio('Gateway', 'edge', { selector: { app: 'edge' }, servers: ports.map((number) => ({ port: { number, name: `http-${number}`, protocol: 'HTTP' }, hosts: ['*'] })) }),
      virtualService('web', { hosts: ['*'], gateways: ['edge'], http: [{ route: [to('web')] }] }),
    ]);
  writeFileSync(file, gateways(80));
  const map = ['--map-port', '80=0', '--map-port', '81=0', '--map-port', `82=${(taken.address() as AddressInfo).port}`];
  const proxy = await Proxy.start(t, { config: [file], mode: 'gateway', args: ['--labels', 'app=edge', '--ready-file', readyFile, ...map] });
  const ports = (): Record<string, number> => (JSON.parse(readFileSync(readyFile, 'utf8')) as { ports: Record<string, number> }).ports;
  const first = proxy.port(80);
  t.same(ports(), { 80: first });
  writeFileSync(file, gateways(80, 81));
  const both = await eventually(() => (ports()[81] === undefined ? undefined : ports()), 'port 81 in the ready file');
  t.equal(both[80], first, 'the listener that did not change keeps its port');
  t.match(await proxy.request({}, both[81] ?? 0), { status: 200, text: 'gate' });
  writeFileSync(file, gateways(81));
  await eventually(() => ports()[80] === undefined, 'port 80 gone from the ready file');
  t.equal(ports()[81], both[81]);
  await t.rejects(proxy.request({}, first), { code: 'ECONNREFUSED' });
  const refused = await reloadAfter(proxy, () => writeFileSync(file, gateways(81, 82)));
  t.match(refused, { lastAttempt: 'rejected' });
  t.match(refused.problems.at(-1), /EADDRINUSE/);
  t.match(await proxy.request({}, both[81] ?? 0), { status: 200, text: 'gate' }, 'the last good one serves');
});
