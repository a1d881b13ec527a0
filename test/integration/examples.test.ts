/** The snapshots of config/examples are what they say: valid without a warning, and they route. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { outrider } from '../support/command.ts';
import { Proxy } from '../support/proxy.ts';
import { destinationRule, pod, service, to, virtualService } from '../support/resources.ts';
import { Upstream } from '../support/upstream.ts';

const EXAMPLES = fileURLToPath(new URL('../../../config/examples', import.meta.url));

for (const name of ['first-steps.yaml', 'bookinfo']) {
  t.test(`${name} is valid without a warning`, async (t) => {
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
