/** Injection as a function: who gets a sidecar, with what, and what is said about the rest. Whole manifests are in golden/inject. */

import t from 'tap';
import { injectResource } from '../../../../config/inject/inject.ts';
import type { JsonMap } from '../../../../config/inject/json.ts';
import { mapAt, mapsAt } from '../../../../config/inject/json.ts';
import type { InjectOptions } from '../../../../config/inject/options.ts';

const OPTIONS: InjectOptions = { image: 'outrider:test', configMap: 'outrider', certsSecret: 'istio.{serviceAccount}', nativeSidecar: false, holdApplication: false };

interface PodParts {
  readonly annotations?: JsonMap;
  readonly labels?: JsonMap;
  readonly spec?: JsonMap;
  readonly namespace?: string;
}

function pod({ annotations = {}, labels = {}, spec = {}, namespace }: PodParts): JsonMap {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', annotations, labels, ...(namespace === undefined ? {} : { namespace }) }, spec: { containers: [{ name: 'a', image: 'a' }], ...spec } };
}

function proxyOf(resource: JsonMap): JsonMap {
  const spec = mapAt(resource, 'spec');
  return [...mapsAt(spec, 'containers'), ...mapsAt(spec, 'initContainers')].find(({ name }) => name === 'istio-proxy') ?? {};
}

t.test('who gets one', async (t) => {
  const inject = 'sidecar.istio.io/inject';
  const rows: readonly (readonly [name: string, parts: PodParts, injected: boolean])[] = [
    ['anyone', {}, true],
    ...['true', 'True', 'yes', 'on', 'y', ''].map((word) => [`annotation ${word}`, { annotations: { [inject]: word } }, true] as const),
    ...['false', 'no', 'off', 'maybe', '0'].map((word) => [`annotation ${word}`, { annotations: { [inject]: word } }, false] as const),
    ['label false', { labels: { [inject]: 'false' } }, false],
    ['the label wins', { labels: { [inject]: 'true' }, annotations: { [inject]: 'false' } }, true],
    ['hostNetwork', { spec: { hostNetwork: true } }, false],
    ['hostNetwork false', { spec: { hostNetwork: false } }, true],
    ['hostNetwork, although it asks', { labels: { [inject]: 'true' }, spec: { hostNetwork: true } }, false],
    ['kube-system', { namespace: 'kube-system' }, false],
    ['injected', { annotations: { 'sidecar.istio.io/status': '{}' } }, false],
    ['a native sidecar', { spec: { initContainers: [{ name: 'istio-proxy', image: 'x' }] } }, false],
  ];
  for (const [name, parts, injected] of rows) {
    const before = pod(parts);
    const { resource, findings } = injectResource(before, OPTIONS);
    t.equal(resource !== before, injected, name);
    t.equal(findings.filter(({ severity }) => severity === 'info').length, injected ? 0 : 1, `${name}: ${JSON.stringify(findings)}`);
  }
});

t.test('what came in is not changed', async (t) => {
  const before = pod({ spec: { volumes: [{ name: 'v' }] } });
  const text = JSON.stringify(before);
  const once = injectResource(before, OPTIONS).resource;
  t.equal(JSON.stringify(before), text);
  t.same(injectResource(before, OPTIONS).resource, once, 'the same again');
  t.equal(injectResource(once, OPTIONS).resource, once, 'injected once');
});

t.test('resources: one annotation replaces all defaults, as in Istio', async (t) => {
  const rows: readonly [annotations: JsonMap, expected: JsonMap][] = [
    [{}, { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '2', memory: '1Gi' } }],
    [{ 'sidecar.istio.io/proxyCPU': '1' }, { requests: { cpu: '1' } }],
    [{ 'sidecar.istio.io/proxyMemoryLimit': '1.5Gi' }, { limits: { memory: '1.5Gi' } }],
    [
      { 'sidecar.istio.io/proxyCPU': '10m', 'sidecar.istio.io/proxyMemory': '64M', 'sidecar.istio.io/proxyCPULimit': '500m', 'sidecar.istio.io/proxyMemoryLimit': '1e9' },
      { requests: { cpu: '10m', memory: '64M' }, limits: { cpu: '500m', memory: '1e9' } },
    ],
  ];
  for (const [annotations, expected] of rows) {
    const { resource } = injectResource(pod({ annotations }), OPTIONS);
    t.same(proxyOf(resource)['resources'], expected);
    t.same(mapsAt(mapAt(resource, 'spec'), 'initContainers')[0]?.['resources'], expected, 'the init container has the same');
  }
});

t.test('the drain ends within the grace period', async (t) => {
  const drainTime = (spec: JsonMap, annotations: JsonMap = {}): unknown => {
    const { args } = proxyOf(injectResource(pod({ spec, annotations }), OPTIONS).resource) as { args: string[] };
    return args[args.indexOf('--drain-time') + 1];
  };
  t.equal(drainTime({}), '25s');
  t.equal(drainTime({ terminationGracePeriodSeconds: 120 }), '115s');
  t.equal(drainTime({ terminationGracePeriodSeconds: 3 }), '1s');
  t.equal(drainTime({ terminationGracePeriodSeconds: 120 }, { 'proxy.istio.io/config': 'terminationDrainDuration: 7s' }), '7s');
});

t.test('canonical name and revision', async (t) => {
  const rows: readonly [labels: JsonMap, name: string, revision: string][] = [
    [{}, 'p', 'latest'],
    [{ app: 'shop', version: 'v1' }, 'shop', 'v1'],
    [{ app: 'shop', 'app.kubernetes.io/name': 'k', version: 'v1', 'app.kubernetes.io/version': '2' }, 'k', '2'],
    [{ 'service.istio.io/canonical-name': 'c', 'service.istio.io/canonical-revision': 'r', app: 'shop', version: 'v1' }, 'c', 'r'],
  ];
  for (const [labels, name, revision] of rows) {
    const after = mapAt(mapAt(injectResource(pod({ labels }), OPTIONS).resource, 'metadata'), 'labels');
    t.match(after, { ...labels, 'security.istio.io/tlsMode': 'istio', 'service.istio.io/canonical-name': name, 'service.istio.io/canonical-revision': revision });
  }
});

t.test('an identity of its own', async (t) => {
  const secret = (spec: JsonMap, options: Partial<InjectOptions> = {}): unknown =>
    mapAt(mapsAt(mapAt(injectResource(pod({ spec }), { ...OPTIONS, ...options }).resource, 'spec'), 'volumes').find(({ name }) => name === 'outrider-certs'), 'secret')['secretName'];
  t.equal(secret({}), 'istio.default');
  t.equal(secret({ serviceAccountName: 'shop' }), 'istio.shop');
  t.equal(secret({ serviceAccount: 'old-field' }), 'istio.old-field');
  t.equal(secret({ serviceAccountName: 'shop' }, { certsSecret: 'mesh' }), 'mesh');
  t.equal(secret({}, { certsSecret: 'off' }), undefined);
});

t.test('a container named istio-proxy with the image "auto" says what the author wants of ours', async (t) => {
  const wish: JsonMap = {
    name: 'istio-proxy',
    image: 'auto',
    resources: { requests: { cpu: '1' } },
    env: [{ name: 'EXIT_ON_ZERO_ACTIVE_CONNECTIONS', value: 'false' }, { name: 'MORE', value: 'x' }],
    volumeMounts: [{ name: 'extra', mountPath: '/extra' }],
    terminationMessagePolicy: 'FallbackToLogsOnError',
  };
  for (const nativeSidecar of [false, true]) {
    const { resource, findings } = injectResource(pod({ spec: { containers: [{ name: 'a', image: 'a' }, wish] } }), { ...OPTIONS, nativeSidecar });
    t.same(findings, []);
    const proxy = proxyOf(resource);
    t.match(proxy, { image: 'outrider:test', terminationMessagePolicy: 'FallbackToLogsOnError', resources: { requests: { cpu: '1', memory: '128Mi' }, limits: { cpu: '2' } } });
    const env = mapsAt(proxy, 'env');
    t.same(env.filter(({ name }) => name === 'EXIT_ON_ZERO_ACTIVE_CONNECTIONS'), [{ name: 'EXIT_ON_ZERO_ACTIVE_CONNECTIONS', value: 'false' }]);
    t.same(env.at(-1), { name: 'MORE', value: 'x' });
    t.same(mapsAt(proxy, 'volumeMounts').map(({ name }) => name), ['outrider-config', 'outrider-certs', 'istio-podinfo', 'extra']);
    const names = ['initContainers', 'containers'].map((list) => mapsAt(mapAt(resource, 'spec'), list).map(({ name }) => name));
    t.same(names, nativeSidecar ? [['istio-init', 'istio-proxy'], ['a']] : [['istio-init'], ['a', 'istio-proxy']], 'one proxy');
  }
});

t.test('privileges: the init container has two, the proxy none', async (t) => {
  for (const nativeSidecar of [false, true]) {
    const { resource } = injectResource(pod({}), { ...OPTIONS, nativeSidecar });
    const init = mapsAt(mapAt(resource, 'spec'), 'initContainers').find(({ name }) => name === 'istio-init');
    t.match(init, { securityContext: { runAsUser: 0, allowPrivilegeEscalation: false, privileged: false, capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] } } });
    const context = mapAt(proxyOf(resource), 'securityContext');
    t.same(context['capabilities'], { drop: ['ALL'] });
    t.match(context, { runAsUser: 1337, runAsGroup: 1337, runAsNonRoot: true, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
    t.equal(proxyOf(resource)['restartPolicy'], nativeSidecar ? 'Always' : undefined);
  }
});
