/** DestinationRule: which one applies, subsets, inheritance. istio-api.md 3.1–3.4, 3.6, 3.8. */

import t from 'tap';
import type { ClusterConfig } from '../../../../config/runtime/cluster.ts';
import { istio } from '../../../support/resources.ts';
import { addresses, cluster, compiled, entry, kube, mesh, slice } from './compiled.ts';

type Fields = Readonly<Record<string, unknown>>;

const NAME = 'web.prod.svc.cluster.local';
const SERVICE = kube('web', { ports: [{ name: 'http', port: 80 }, { name: 'http-alt', port: 81 }] }, { namespace: 'prod' });
const rule = (name: string, spec: Fields, namespace = 'default') => istio('DestinationRule', name, { host: NAME, ...spec }, namespace);
const simple = (policy: string): Fields => ({ trafficPolicy: { loadBalancer: { simple: policy } } });
const policyOf = (config: ReturnType<typeof compiled>, subset = '', port = 80) => cluster(config, `outbound|${port}|${subset}|${NAME}`).loadBalancer.policy;

t.test('namespaces: the client, the service, the root', async (t) => {
  const rules = {
    client: rule('c', simple('RANDOM'), 'default'),
    service: rule('s', simple('ROUND_ROBIN'), 'prod'),
    root: rule('r', simple('PASSTHROUGH'), 'istio-system'),
  };
  const chosen = (resources: Parameters<typeof compiled>[0], namespace = 'default') => policyOf(compiled([SERVICE, ...resources], { namespace }));
  t.equal(chosen([rules.client, rules.service, rules.root]), 'RANDOM');
  t.equal(chosen([rules.service, rules.root]), 'ROUND_ROBIN');
  t.equal(chosen([rules.root]), 'PASSTHROUGH');
  t.equal(chosen([]), 'LEAST_REQUEST');
  t.equal(chosen([rule('x', simple('RANDOM'), 'other'), rules.root]), 'PASSTHROUGH', 'no other namespace has a say');
  t.equal(chosen([rule('s', { ...simple('RANDOM'), exportTo: ['.'] }, 'prod'), rules.root]), 'PASSTHROUGH', 'not exported');
  t.equal(chosen([rule('s', { ...simple('RANDOM'), exportTo: ['default'] }, 'prod'), rules.root]), 'RANDOM', 'exported by name');
  t.equal(chosen([rule('c', { ...simple('RANDOM'), exportTo: ['.'] })]), 'RANDOM', 'private to the client');
  t.equal(chosen([rules.service, rules.root], 'istio-system'), 'ROUND_ROBIN', 'a client in the root namespace does not put mesh-wide rules first');
  t.equal(chosen([rules.service, rule('r', { ...simple('RANDOM'), exportTo: ['.'] }, 'istio-system')], 'istio-system'), 'RANDOM', 'only its private ones');
  t.equal(chosen([rules.root], 'istio-system'), 'PASSTHROUGH');
});

t.test('hosts: exact, then the longest wildcard, within one namespace', async (t) => {
  const wild = (name: string, host: string, policy: string, namespace = 'default') => istio('DestinationRule', name, { host, ...simple(policy) }, namespace);
  t.equal(policyOf(compiled([SERVICE, wild('a', '*.local', 'RANDOM'), wild('b', '*.prod.svc.cluster.local', 'ROUND_ROBIN')])), 'ROUND_ROBIN');
  t.equal(policyOf(compiled([SERVICE, wild('a', '*.local', 'RANDOM'), rule('x', simple('ROUND_ROBIN'))])), 'ROUND_ROBIN');
  t.equal(policyOf(compiled([SERVICE, wild('a', '*.local', 'RANDOM'), rule('x', simple('ROUND_ROBIN'), 'prod')])), 'RANDOM', 'the namespace is decided first');
  t.equal(policyOf(compiled([SERVICE, istio('DestinationRule', 'a', { host: 'web', ...simple('RANDOM') }, 'prod')])), 'RANDOM', 'short names');
  t.equal(policyOf(compiled([SERVICE, istio('DestinationRule', 'a', { host: 'web', ...simple('RANDOM') })])), 'LEAST_REQUEST', "of the rule's own namespace");
});

t.test('workloadSelector', async (t) => {
  const selecting = (name: string, labels: Fields, policy: string, namespace = 'default') => rule(name, { workloadSelector: { matchLabels: labels }, exportTo: ['.'], ...simple(policy) }, namespace);
  t.equal(policyOf(compiled([SERVICE, rule('a', simple('ROUND_ROBIN')), selecting('b', { app: 'client' }, 'RANDOM')])), 'RANDOM', 'one that matches beats one without');
  t.equal(policyOf(compiled([SERVICE, rule('a', simple('ROUND_ROBIN')), selecting('b', { app: 'x' }, 'RANDOM')])), 'ROUND_ROBIN');
  t.equal(policyOf(compiled([SERVICE, selecting('b', { app: 'x' }, 'RANDOM'), rule('a', simple('ROUND_ROBIN'), 'prod')])), 'LEAST_REQUEST', 'a namespace that knows the host ends the search');
});

t.test('rules of one host in one namespace are merged', async (t) => {
  const subsets = (...names: string[]) => ({ subsets: names.map((name) => ({ name, labels: { version: name } })) });
  const config = compiled([SERVICE, rule('a', subsets('v1')), rule('b', { ...subsets('v2', 'v3'), ...simple('RANDOM') }), rule('c', { subsets: [{ name: 'v1', labels: { version: 'other' } }], ...simple('ROUND_ROBIN') })]);
  t.same(Object.keys(config.clusters).filter((name) => name.startsWith('outbound|80')), ['', 'v1', 'v2', 'v3'].map((subset) => `outbound|80|${subset}|${NAME}`).sort());
  t.equal(policyOf(config), 'RANDOM', 'the first policy that is there');
  t.equal(cluster(config, `outbound|80||${NAME}`).policyOrigin?.resource, 'DestinationRule default/a');
  const apart = compiled([SERVICE, rule('a', { ...subsets('v1'), exportTo: ['default'] }), rule('b', subsets('v2'))]);
  t.ok(apart.clusters[`outbound|80|v1|${NAME}`]);
  t.notOk(apart.clusters[`outbound|80|v2|${NAME}`], 'not with another exportTo');
});

t.test('subsets choose endpoints by labels, all of them', async (t) => {
  const at = (ip: string, labels: Readonly<Record<string, string>>) => slice('web', [{ addresses: [ip] }], [{ name: 'http', port: 80 }], { namespace: 'prod', labels, name: `s${ip}` });
  const config = compiled([SERVICE, at('10.0.0.1', { version: 'v1' }), at('10.0.0.2', { version: 'v2', tier: 'x' }), rule('a', { subsets: [{ name: 'v2', labels: { version: 'v2' } }, { name: 'both', labels: { version: 'v2', tier: 'y' } }, { name: 'any' }] })]);
  t.same(['', 'v2', 'both', 'any'].map((subset) => addresses(config, `outbound|80|${subset}|${NAME}`)), ['10.0.0.1:80 10.0.0.2:80', '10.0.0.2:80', '', '10.0.0.1:80 10.0.0.2:80']);
});

t.test('balancers', async (t) => {
  const cases: readonly (readonly [loadBalancer: Fields | undefined, policy: string, discovery: string])[] = [
    [undefined, 'LEAST_REQUEST', 'STATIC'],
    [{ simple: 'UNSPECIFIED' }, 'LEAST_REQUEST', 'STATIC'],
    [{ simple: 'LEAST_CONN' }, 'LEAST_REQUEST', 'STATIC'],
    [{ simple: 'LEAST_REQUEST' }, 'LEAST_REQUEST', 'STATIC'],
    [{ simple: 'ROUND_ROBIN' }, 'ROUND_ROBIN', 'STATIC'],
    [{ simple: 'RANDOM' }, 'RANDOM', 'STATIC'],
    [{ simple: 'PASSTHROUGH' }, 'PASSTHROUGH', 'ORIGINAL_DST'],
    [{ consistentHash: { httpHeaderName: 'x' } }, 'RING_HASH', 'STATIC'],
  ];
  for (const [loadBalancer, policy, discovery] of cases) {
    const { loadBalancer: found, discovery: how } = cluster(compiled([SERVICE, rule('a', loadBalancer === undefined ? {} : { trafficPolicy: { loadBalancer } })]), `outbound|80||${NAME}`);
    t.same([found.policy, how], [policy, discovery], JSON.stringify(loadBalancer));
    t.equal(found.origin === 'default', loadBalancer === undefined);
  }
  const none = compiled([entry('e', { hosts: ['x.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }] }), istio('DestinationRule', 'e', { host: 'x.com', ...simple('ROUND_ROBIN') })]);
  t.same(cluster(none, 'outbound|80||x.com').loadBalancer, { policy: 'PASSTHROUGH', origin: 'default' }, 'with resolution NONE there is nothing to balance');
});

t.test('inheritance from rule to port to subset', async (t) => {
  const pool = (seconds: number) => ({ tcp: { connectTimeout: `${seconds}s` } });
  const settings = (config: ReturnType<typeof compiled>, subset: string, port: number) => {
    const { loadBalancer, connectTimeoutMs } = cluster(config, `outbound|${port}|${subset}|${NAME}`);
    return `${loadBalancer.policy} ${connectTimeoutMs}`;
  };
  const config = compiled([
    SERVICE,
    rule('a', {
      trafficPolicy: { loadBalancer: { simple: 'RANDOM' }, connectionPool: pool(1), portLevelSettings: [{ port: { number: 81 }, loadBalancer: { simple: 'ROUND_ROBIN' } }] },
      subsets: [
        { name: 'plain' },
        { name: 'own', trafficPolicy: { connectionPool: pool(2) } },
        { name: 'port', trafficPolicy: { loadBalancer: { simple: 'ROUND_ROBIN' }, portLevelSettings: [{ port: { number: 80 }, connectionPool: pool(3) }] } },
      ],
    }),
  ]);
  const cases: readonly (readonly [subset: string, port: number, settings: string, why: string])[] = [
    ['', 80, 'RANDOM 1000', 'the rule'],
    ['', 81, 'ROUND_ROBIN 10000', 'a port entry replaces all blocks, absent ones go back to the default'],
    ['plain', 80, 'RANDOM 1000', 'a subset inherits'],
    ['own', 80, 'RANDOM 2000', "a subset's block replaces the block"],
    ['own', 81, 'ROUND_ROBIN 2000', 'above the port entry of the rule'],
    ['port', 80, 'LEAST_REQUEST 3000', "a subset's port entry replaces all blocks, even by being silent"],
    ['port', 81, 'ROUND_ROBIN 10000', 'and on other ports its own policy counts'],
  ];
  for (const [subset, port, expected, why] of cases) t.equal(settings(config, subset, port), expected, `${why} (${subset}:${port})`);
});

t.test('mesh defaults', async (t) => {
  const timeouts = (...resources: Parameters<typeof compiled>[0]) => {
    const { connectTimeoutMs, connectTimeoutOrigin, idleTimeoutMs } = cluster(compiled([SERVICE, ...resources]), `outbound|80||${NAME}`);
    return [connectTimeoutMs, connectTimeoutOrigin === 'default' ? 'default' : connectTimeoutOrigin.resource, idleTimeoutMs];
  };
  t.same(timeouts(), [10_000, 'default', 3_600_000]);
  t.same(timeouts(mesh({ connectTimeout: '2s' })), [2000, 'ConfigMap istio-system/istio', 3_600_000]);
  const defaults = mesh({ defaultTrafficPolicy: { connectionPool: { tcp: { connectTimeout: '3s', idleTimeout: '4s' } } } });
  t.match(timeouts(defaults), [3000, String, 4000]);
  t.match(timeouts(defaults, rule('a', { trafficPolicy: { connectionPool: { tcp: { idleTimeout: '0s' } } } })), [10_000, 'default', 0], 'a block that is set is not filled up');
  t.match(timeouts(rule('a', { trafficPolicy: { connectionPool: { tcp: { idleTimeout: '9s' }, http: { idleTimeout: '8s' } } } })), [10_000, 'default', 8000], 'http before tcp');
  t.match(timeouts(rule('a', { trafficPolicy: { connectionPool: { tcp: { connectTimeout: '5s' } } } })), [5000, 'DestinationRule default/a', 3_600_000]);
});

t.test('tls mode', async (t) => {
  const mode = (...resources: Parameters<typeof compiled>[0]): ClusterConfig['tls'] => cluster(compiled([SERVICE, ...resources]), `outbound|80||${NAME}`).tls;
  t.same(mode(), { mode: 'AUTO', origin: 'default' });
  t.same(mode(mesh({ enableAutoMtls: false })), { mode: 'DISABLE', origin: 'default' });
  for (const wanted of ['DISABLE', 'SIMPLE', 'ISTIO_MUTUAL']) t.match(mode(rule('a', { trafficPolicy: { tls: { mode: wanted } } })), { mode: wanted, origin: { resource: 'DestinationRule default/a' } });
  const sample = compiled([
    entry('g', { hosts: ['www.googleapis.com'], resolution: 'DNS', ports: [{ number: 80, name: 'http', protocol: 'HTTP' }, { number: 443, name: 'https', protocol: 'HTTPS' }] }),
    istio('DestinationRule', 'g', { host: 'www.googleapis.com', trafficPolicy: { loadBalancer: { simple: 'ROUND_ROBIN' }, portLevelSettings: [{ port: { number: 443 }, tls: { mode: 'SIMPLE' } }] } }),
  ]);
  t.same([80, 443].map((port) => cluster(sample, `outbound|${port}||www.googleapis.com`)).map(({ tls, loadBalancer }) => `${tls.mode} ${loadBalancer.policy}`), ['DISABLE ROUND_ROBIN', 'SIMPLE LEAST_REQUEST']);
});
