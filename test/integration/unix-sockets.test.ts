/** Unix sockets in place of addresses: endpoints, the application beside a sidecar, servers of a gateway (istio-api.md 4.1, 5.2, 6.2). */

import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import { createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Proxy } from '../support/proxy.ts';
import { istio, pod } from '../support/resources.ts';
import { eventually, inTime, type TestScope } from '../support/scope.ts';

async function temporaryFolder(t: TestScope): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'outrider-unix-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Answers its name. */
async function serveOn(t: TestScope, path: string, name: string): Promise<void> {
  const server = createServer((_request, response) => response.end(name));
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
}

function askOn(socketPath: string, host: string): Promise<string> {
  const answer = new Promise<string>((resolve, reject) => {
    const sent = httpRequest({ socketPath, headers: { host }, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part)).on('end', () => resolve(`${response.statusCode} ${text}`));
    });
    sent.on('error', reject).end();
  });
  return inTime(answer, `an answer on ${socketPath}`);
}

/** A file that nobody listens on: who made it was killed. */
async function leaveSocketBehind(path: string): Promise<void> {
  const script = `require('node:net').createServer().listen(process.argv[1], () => process.send('up'))`;
  const file = `${path}.cjs`;
  await writeFile(file, script.replace('process.argv[1]', 'process.argv[2]'));
  const child = fork(file, [path]);
  await inTime(new Promise((resolve) => child.once('message', resolve)), 'the other process to listen');
  child.kill('SIGKILL');
  await inTime(new Promise((resolve) => child.once('exit', resolve)), 'the other process to end');
}

const http = { number: 80, name: 'http', protocol: 'HTTP' };

t.test('endpoints, and the application beside the proxy', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'api.sock');
  const abstract = `outrider-test-${process.pid}`;
  await serveOn(t, path, 'by file');
  if (process.platform === 'linux') await serveOn(t, `\0${abstract}`, 'by name');
  const entry = (host: string, address: string) => istio('ServiceEntry', host.replace('.', '-'), { hosts: [host], ports: [http], resolution: 'STATIC', endpoints: [{ address }] });
  const snapshot = [
    pod('app', { app: 'app' }),
    entry('file.example', `unix://${path}`),
    entry('name.example', `unix://@${abstract}`),
    entry('missing.example', `unix://${folder}/nobody.sock`),
    istio('ServiceEntry', 'chosen', { hosts: ['chosen.example'], ports: [http], resolution: 'STATIC', location: 'MESH_INTERNAL', workloadSelector: { labels: { app: 'vm' } } }),
    istio('WorkloadEntry', 'vm', { address: `unix://${path}`, labels: { app: 'vm' } }),
    istio('Sidecar', 'default', { ingress: [{ port: { number: 9080, name: 'http', protocol: 'HTTP' }, defaultEndpoint: `unix://${path}` }], egress: [{ hosts: ['*/*'] }] }),
  ];
  const proxy = await Proxy.start(t, { snapshot, workload: 'default/app', args: ['--access-log-format', 'json'] });
  for (const host of ['file.example', 'chosen.example']) t.equal((await proxy.request({ host })).text, 'by file', host);
  if (process.platform === 'linux') t.equal((await proxy.request({ host: 'name.example' })).text, 'by name');
  t.equal((await proxy.request({ host: 'anything:9080' }, proxy.inbound)).text, 'by file', 'inbound');
  t.equal((await proxy.request({ host: 'missing.example' })).status, 503);
  const line = await eventually(() => proxy.log.find((each) => each.includes('missing.example')), 'the log line');
  t.match(JSON.parse(line), { upstream_host: `${folder}/nobody.sock`, response_flags: /UF/, upstream_transport_failure_reason: 'delayed_connect_error:_No_such_file_or_directory' });
});

for (const workers of ['1', '2']) {
  t.test(`servers of a gateway, ${workers} workers: a file left behind is replaced, another server's is not`, async (t) => {
    const folder = await temporaryFolder(t);
    const path = join(folder, 'gateway.sock');
    const backend = join(folder, 'backend.sock');
    await serveOn(t, backend, 'from behind');
    await leaveSocketBehind(path);
    t.ok(existsSync(path));
    const gateway = (bind: string) => istio('Gateway', 'unix', { selector: { app: 'gateway' }, servers: [{ port: { number: 0, name: 'http', protocol: 'HTTP' }, bind, hosts: ['*'] }] });
    const snapshot = (bind: string) => [
      pod('gateway', { app: 'gateway' }),
      gateway(bind),
      istio('ServiceEntry', 'backend', { hosts: ['backend.example'], ports: [http], resolution: 'STATIC', endpoints: [{ address: `unix://${backend}` }] }),
      istio('VirtualService', 'backend', { hosts: ['*'], gateways: ['unix'], http: [{ route: [{ destination: { host: 'backend.example' } }] }] }),
    ];
    const options = { mode: 'gateway', workload: 'default/gateway', args: ['--concurrency', workers] } as const;
    const proxy = await Proxy.start(t, { snapshot: snapshot(`unix://${path}`), ...options });
    for (let i = 0; i < 4; i++) t.equal(await askOn(path, 'shop.example'), '200 from behind');
    t.same(proxy.ports.ports, {}, 'it has no port');
    const taken = join(folder, 'taken.sock');
    const other = createNetServer();
    await new Promise<void>((resolve) => other.listen(taken, resolve));
    t.teardown(() => other.close());
    await t.rejects(Proxy.start(t, { snapshot: snapshot(`unix://${taken}`), ...options }), /EADDRINUSE/);
    t.ok(existsSync(taken));
    proxy.child.kill('SIGTERM');
    t.equal(await inTime(proxy.exited, 'the proxy to end', 30_000), 0);
    t.notOk(existsSync(path), 'it leaves nothing behind');
  });
}
