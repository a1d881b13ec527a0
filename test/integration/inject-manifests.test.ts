/** config/examples/kubernetes is what docs/deployment.md says: it fits together, its snapshot is valid, and its proxies serve it. */

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { JsonMap } from '../../config/inject/json.ts';
import { isMap, mapAt, mapsAt, textAt } from '../../config/inject/json.ts';
import { readDocument } from '../../config/load/reader.ts';
import { splitDocuments } from '../../config/load/split.ts';
import { outrider } from '../support/command.ts';
import { injectedPod, startPod } from '../support/injected-pod.ts';
import { Upstream } from '../support/upstream.ts';

const FOLDER = fileURLToPath(new URL('../../../config/examples/kubernetes', import.meta.url));
const IMAGE = 'outrider:0.1.0';

function resourcesIn(text: string): readonly JsonMap[] {
  return splitDocuments(text).map((document) => {
    const read = readDocument(document.text);
    if (!('value' in read) || !isMap(read.value)) throw new Error(`not a resource: ${document.text}`);
    return read.value;
  });
}

const files = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml')).sort();
const resources = files.flatMap((name) => resourcesIn(readFileSync(join(FOLDER, name), 'utf8')));

function named(kind: string, name: string): JsonMap {
  const found = resources.find((resource) => resource['kind'] === kind && mapAt(resource, 'metadata')['name'] === name);
  if (found === undefined) throw new Error(`no ${kind} ${name}`);
  return found;
}

/** The snapshot's files, with text replaced. */
function snapshot(changes: readonly (readonly [from: string, to: string])[] = []): Record<string, string> {
  return Object.fromEntries(
    Object.entries(mapAt(named('ConfigMap', 'outrider'), 'data')).map(([file, text]) => [file, changes.reduce((all, [from, to]) => all.replaceAll(from, to), typeof text === 'string' ? text : '')]),
  );
}

const template = (deployment: string): JsonMap => mapAt(mapAt(named('Deployment', deployment), 'spec'), 'template');

t.test('the snapshot is valid', async (t) => {
  const folder = t.testdir(snapshot());
  const { code, stdout } = await outrider(['validate', folder]);
  t.equal(code, 0, stdout);
  // The machine that validates has no certificate of the gateway; a server is verified by the system's authorities.
  const expected = /there is no file "\/etc\/gateway-certs\/tls\.(?:crt|key)" on this machine|\[IST0129\]|is not enforced by this version/;
  t.same(stdout.split('\n').filter((line) => line.includes(': warning: ') && !expected.test(line)), []);
  t.match(stdout, /^0 errors, /m);
});

t.test('the manifests fit together', async (t) => {
  const deployments = resources.filter(({ kind }) => kind === 'Deployment');
  t.same(deployments.map((resource) => mapAt(resource, 'metadata')['name']), ['egressgateway', 'ingressgateway', 'web-v1']);
  for (const deployment of deployments) {
    const spec = mapAt(deployment, 'spec');
    const pod = mapAt(spec, 'template');
    const labels = mapAt(mapAt(pod, 'metadata'), 'labels');
    const podSpec = mapAt(pod, 'spec');
    const name = textAt(mapAt(deployment, 'metadata'), 'name') ?? '';
    t.match(labels, mapAt(mapAt(spec, 'selector'), 'matchLabels'), `${name}: its selector finds its pods`);
    t.ok(named('ServiceAccount', textAt(podSpec, 'serviceAccountName') ?? ''), 'its account is there');
    const containers = [...mapsAt(podSpec, 'containers'), ...mapsAt(podSpec, 'initContainers')];
    const volumes = new Set(mapsAt(podSpec, 'volumes').map((volume) => volume['name']));
    t.same(containers.flatMap((container) => mapsAt(container, 'volumeMounts')).filter((mount) => !volumes.has(mount['name'])), [], 'every mount has a volume');
    const ports = containers.flatMap((container) => mapsAt(container, 'ports').map(({ containerPort }) => containerPort));
    const services = resources.filter((resource) => resource['kind'] === 'Service' && Object.entries(mapAt(mapAt(resource, 'spec'), 'selector')).every(([key, value]) => labels[key] === value));
    t.ok(services.length > 0, 'a Service selects it');
    const targets = services.flatMap((service) => mapsAt(mapAt(service, 'spec'), 'ports')).map(({ targetPort, port }) => targetPort ?? port);
    t.same(targets.filter((port) => !ports.includes(port)), [], 'the pod has the ports of its Services');
    const proxy = containers.find((container) => container['name'] === 'istio-proxy') ?? {};
    t.match(proxy, { image: IMAGE, securityContext: { runAsUser: 1337, runAsNonRoot: true, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } }, readinessProbe: { httpGet: { path: '/healthz/ready', port: 15_021 } } });
  }
  t.same([...new Set(resources.map((resource) => mapAt(resource, 'metadata')['namespace']))], ['shop', undefined], 'all in one namespace, itself apart');
});

const withoutCerts = ['--certs'];

t.test('the ingress gateway serves the snapshot', async (t) => {
  const web = await Upstream.start(t, { body: 'from web' });
  const config = snapshot([['web-pods.shop.svc.cluster.local', '127.0.0.1'], ['targetPort: 8080}', `targetPort: ${web.port}}`]]);
  // TLS of the gateway has tests of its own; here its certificate is missing.
  config['ingress.yaml'] = (config['ingress.yaml'] ?? '').replace(/ {2}- port: \{number: 443[^]*?(?=---)/, '');
  const proxy = await startPod(t, injectedPod(template('ingressgateway')), { config, folder: t.testdir({}), without: withoutCerts, args: ['--map-port', '80=0'] });
  t.match(await proxy.request({ host: 'shop.example.com' }, proxy.port(80)), { status: 200, text: 'from web' });
  t.equal((await proxy.request({ host: 'other.example.com' }, proxy.port(80))).status, 404);
});

t.test('a sidecar sends what is meant for outside to the egress gateway', async (t) => {
  const gateway = await Upstream.start(t, { body: 'from the egress gateway' });
  const web = await Upstream.start(t, { body: 'from web' });
  const config = snapshot([
    ['address: egressgateway.shop.svc.cluster.local', 'address: 127.0.0.1'],
    ['web-pods.shop.svc.cluster.local', '127.0.0.1'],
    ['defaultEndpoint: 127.0.0.1:8080', `defaultEndpoint: 127.0.0.1:${web.port}`],
  ]);
  config['services.yaml'] = (config['services.yaml'] ?? '').replace('targetPort: 8080}', `targetPort: ${web.port}}`).replace('targetPort: 8080}', `targetPort: ${gateway.port}}`);
  const proxy = await startPod(t, injectedPod(template('web-v1')), { config, folder: t.testdir({}), without: withoutCerts });
  t.match(await proxy.request({ host: 'api.example.com' }), { status: 200, text: 'from the egress gateway' });
  t.match(await proxy.request({ host: 'web' }), { status: 200, text: 'from web' });
});

t.test('the egress gateway takes it', async (t) => {
  const config = snapshot([['host: api.example.com, port: {number: 443}', 'host: api.example.com, port: {number: 80}']]);
  const api = await Upstream.start(t, { body: 'from the world' });
  config['services.yaml'] = (config['services.yaml'] ?? '').replace('resolution: DNS\n  ports:\n  - {number: 80, name: http, protocol: HTTP}', `resolution: STATIC\n  endpoints: [{address: 127.0.0.1, ports: {http: ${api.port}, https: ${api.port}}}]\n  ports:\n  - {number: 80, name: http, protocol: HTTP}`);
  const proxy = await startPod(t, injectedPod(template('egressgateway')), { config, folder: t.testdir({}), without: withoutCerts, args: ['--map-port', '80=0'] });
  t.match(await proxy.request({ host: 'api.example.com' }, proxy.port(80)), { status: 200, text: 'from the world' });
});
