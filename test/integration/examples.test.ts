/** The snapshots of config/examples are what they say: valid without a warning, and they route. */

import { readFileSync } from 'node:fs';
import { connect as tlsConnect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { outrider } from '../support/command.ts';
import { Proxy } from '../support/proxy.ts';
import { destinationRule, pod, service, to, virtualService } from '../support/resources.ts';
import { eventually } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

const EXAMPLES = fileURLToPath(new URL('../../../config/examples', import.meta.url));

for (const name of ['first-steps.yaml', 'resilience.yaml', 'gateway-https.yaml', 'gateway-egress.yaml', 'gateway-passthrough.yaml', 'bookinfo', 'kubernetes', '']) {
  t.test(`${name === '' ? 'the whole folder' : name} is valid without a warning`, async (t) => {
    const { code, stdout, stderr } = await outrider(['validate', `${EXAMPLES}/${name}`]);
    t.equal(code, 0, stderr);
    t.equal(stdout.trimEnd().split('\n').at(-1), '0 errors, 0 warnings', stdout + stderr);
  });
}

t.test('first-steps routes as its comment says', async (t) => {
  const stable = await Upstream.start(t, { body: 'stable' });
  const canary = await Upstream.start(t, { body: 'canary' });
  const text = readFileSync(`${EXAMPLES}/first-steps.yaml`, 'utf8').replace('port: 3000', `port: ${stable.port}`).replace('port: 3001', `port: ${canary.port}`);
  const proxy = await Proxy.start(t, { snapshot: text, workload: 'default/client' });
  t.equal((await proxy.request({ host: 'web' })).text, 'stable');
  t.equal((await proxy.request({ host: '', path: 'http://web/', headers: { Host: 'web' } })).text, 'stable', 'as to an HTTP proxy');
  t.equal((await proxy.request({ host: 'web', headers: { 'x-canary': 'yes' } })).text, 'canary');
});

t.test('resilience survives as its comment says', async (t) => {
  const good = await Upstream.start(t, { body: 'good' });
  const failing = await Upstream.start(t, { onRequest: (request) => void request.complete.then(() => request.answer({ status: 503 })) });
  const audit = await Upstream.start(t);
  const text = changed(readFileSync(`${EXAMPLES}/resilience.yaml`, 'utf8'), [
    ['port: 3000', `port: ${good.port}`],
    ['port: 3001', `port: ${failing.port}`],
    ['port: 3002', `port: ${audit.port}`],
    ['mirrorPercentage: {value: 10}', 'mirrorPercentage: {value: 100}'],
    // However slow this machine is.
    ['timeout: 3s', 'timeout: 60s'],
    ['perTryTimeout: 1s', 'perTryTimeout: 30s'],
    ['baseEjectionTime: 10s', 'baseEjectionTime: 600s'],
    ['fixedDelay: 2s', 'fixedDelay: 20ms'],
  ]);
  const proxy = await Proxy.start(t, { snapshot: text, workload: 'default/visitor' });
  const clusters = async (): Promise<string> => proxy.admin('/clusters');

  const aborted = await proxy.request({ host: 'shop', headers: { 'x-fault': 'abort' } });
  t.same([aborted.status, aborted.text], [503, 'fault filter abort']);
  let ejected = '';
  for (let i = 0; i < 500 && ejected === ''; i++) {
    t.equal((await proxy.request({ host: 'shop' })).text, 'good', 'a try that fails is made again elsewhere');
    ejected = (await clusters()).split('\n').find((line) => line.includes(`127.0.0.1:${failing.port}::outlier::ejected`)) ?? '';
  }
  t.match(ejected, /3 consecutive 5xx/);
  t.equal((await audit.next()).header('host'), 'shop', 'the copy keeps the Host');
  t.equal((await proxy.request({ host: 'shop', headers: { 'x-fault': 'delay' } })).text, 'good');

  const first = await proxy.request({ host: 'shop', path: '/cart' });
  const cookie = /^session="?[^";]+"?/.exec(first.header('set-cookie') ?? '')?.[0] ?? '';
  t.match(cookie, /^session=/, 'a visitor without the cookie gets one');
  t.equal((await proxy.request({ host: 'shop', path: '/cart', headers: { cookie } })).header('set-cookie'), undefined, 'and keeps it');
});

t.test('gateway-https ends TLS as its comment says', async (t) => {
  const shop = await Upstream.start(t, { body: 'shop' });
  const database = await Upstream.start(t, { onConnection: (connection) => connection.send('ready for query') });
  const text = changed(readFileSync(`${EXAMPLES}/gateway-https.yaml`, 'utf8'), [
    ['targetPort: 3000', `targetPort: ${shop.port}`],
    ['targetPort: 3306', `targetPort: ${database.port}`],
  ]);
  const proxy = await Proxy.start(t, { snapshot: text, mode: 'gateway', workload: 'gateway-https/gateway', args: ['80', '443', '5432'].flatMap((port) => ['--map-port', `${port}=0`]) });
  const redirect = await proxy.request({ host: 'shop.example.com', path: '/x' }, proxy.port(80));
  t.same([redirect.status, redirect.header('location')], [301, 'https://shop.example.com/x']);
  const say = async (port: number, servername: string, words: string): Promise<string> => {
    const socket = tlsConnect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false });
    t.teardown(() => socket.destroy());
    let heard = '';
    socket.on('data', (bytes: Buffer) => (heard += bytes.toString('latin1')));
    socket.write(words);
    return eventually(() => (/shop$|query$/.test(heard) ? heard : undefined), `an answer of ${servername}`);
  };
  t.match(await say(proxy.port(443), 'shop.example.com', 'GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n'), /^HTTP\/1\.1 200 [\s\S]*shop$/);
  t.equal(await say(proxy.port(5432), 'db.example.com', 'hello'), 'ready for query');
});

function changed(text: string, changes: readonly (readonly [from: string, to: string])[]): string {
  return changes.reduce((result, [from, to]) => {
    if (!result.includes(from)) throw new Error(`the example does not say ${from}`);
    return result.replace(from, to);
  }, text);
}

t.test('the header decides', async (t) => {
  const v1 = await Upstream.start(t, { body: 'one' });
  const v2 = await Upstream.start(t, { body: 'two' });
  const proxy = await Proxy.start(t, {
    workload: 'default/client',
    snapshot: [
      pod('client'),
      ...service('reviews', { workloads: [{ port: v1.port, version: 'v1' }, { port: v2.port, version: 'v2' }] }),
      destinationRule('reviews', ['v1', 'v2']),
      virtualService('reviews', { http: [{ match: [{ headers: { 'end-user': { exact: 'jason' } } }], route: [to('reviews', 'v2')] }, { route: [to('reviews', 'v1')] }] }),
    ],
  });
  t.equal((await proxy.request({ host: 'reviews:9080', headers: { 'end-user': 'jason' } })).text, 'two');
  t.equal((await proxy.request({ host: 'reviews:9080' })).text, 'one');
});
