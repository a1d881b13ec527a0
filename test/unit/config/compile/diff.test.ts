/** Versions and differences: equal content is equal, and a difference applied gives the other configuration. */

import fc from 'fast-check';
import t from 'tap';
import { applyDelta, diff } from '../../../../config/compile/diff.ts';
import { compile } from '../../../../config/compile/index.ts';
import type { RuntimeConfig } from '../../../../config/runtime/runtime-config.ts';
import { istio } from '../../../support/resources.ts';
import type { ResourceObject } from '../../../support/resources.ts';
import { CLIENT, compiled, GATEWAY, kube, mesh, slice, snapshotFrom } from './compiled.ts';

/** Small meshes out of few names, so that two of them differ in some places and agree in others. */
const name = fc.constantFrom('a', 'b', 'c', 'd');
const service = fc.record({ name, port: fc.constantFrom(80, 81) }).map(({ name, port }) => kube(name, { ports: [{ name: 'http', port }] }));
const endpoints = fc.record({ name, ip: fc.integer({ min: 1, max: 3 }) }).map(({ name, ip }) => slice(name, [{ addresses: [`10.0.0.${ip}`] }], [{ name: 'http', port: 80 }], { name: `s-${name}` }));
const rule = fc.record({ name, host: name, timeout: fc.constantFrom('1s', '2s') }).map(({ name, host, timeout }) => istio('VirtualService', name, { hosts: [host, 'shop.example.com'], gateways: ['mesh', 'default/gw'], http: [{ timeout, route: [{ destination: { host } }] }] }));
const subsets = fc.record({ name, subset: fc.constantFrom('v1', 'v2') }).map(({ name, subset }) => istio('DestinationRule', name, { host: name, subsets: [{ name: subset, labels: { version: subset } }] }));
const policy = fc.constantFrom('ALLOW_ANY', 'REGISTRY_ONLY').map((mode) => mesh({ outboundTrafficPolicy: { mode }, ...(mode === 'ALLOW_ANY' && { accessLogFile: '/dev/stdout' }) }));
const gateway = fc.constantFrom('*', '*.example.com').map((host) => istio('Gateway', 'gw', { selector: {}, servers: [{ port: { number: 8080, name: 'http', protocol: 'HTTP' }, hosts: [host] }] }));
const key = ({ kind, metadata }: ResourceObject) => `${kind}/${metadata.name}`;
const resources = fc.uniqueArray(fc.oneof(service, endpoints, rule, subsets, policy, gateway), { selector: key, maxLength: 14 });
const node = fc.constantFrom(CLIENT, { ...CLIENT, labels: { app: 'other' } }, GATEWAY);
const configuration = fc.record({ resources, node }).map(({ resources, node }) => compiled(resources, node));

t.test('a difference applied to the one gives the other', async (t) => {
  fc.assert(
    fc.property(configuration, configuration, (before, after) => {
      const applied = applyDelta(before, diff(before, after));
      // The same parts in the same order, version included: dumps and golden files compare text.
      if (JSON.stringify(applied) !== JSON.stringify(after)) throw new Error(`${JSON.stringify(applied)}\n${JSON.stringify(after)}`);
    }),
    { numRuns: 60 },
  );
  t.pass('for any two');
});

t.test('the configuration before changes nothing but what is shared', async (t) => {
  fc.assert(
    fc.property(resources, configuration, (now, previous) => {
      const snapshot = snapshotFrom(now);
      return JSON.stringify(compile(snapshot, CLIENT).config) === JSON.stringify(compile(snapshot, CLIENT, previous).config);
    }),
    { numRuns: 40 },
  );
  t.pass('for any two');
});

t.test('what one changed document costs', async (t) => {
  const services = ['a', 'b', 'c'].map((each) => kube(each));
  const rules = (timeout: string) => istio('VirtualService', 'b', { hosts: ['b'], http: [{ timeout, route: [{ destination: { host: 'b' } }] }] });
  const before = compiled([...services, rules('1s')]);
  const after = compile(snapshotFrom([...services, rules('2s')]), CLIENT, before).config;
  const delta = diff(before, after);
  t.match(delta, { fromVersion: before.version, version: after.version, clusters: { changed: [], removed: [] }, routeTables: { removed: [] } });
  t.same(delta.routeTables.changed.map(({ name, changed, removed }) => [name, changed.map((host) => host.name), removed]), [['80', ['b.default.svc.cluster.local:80'], []]]);
  t.notOk('node' in delta || 'telemetry' in delta || 'listeners' in delta);
  t.equal(after.clusters['outbound|80||a.default.svc.cluster.local'], before.clusters['outbound|80||a.default.svc.cluster.local'], 'unchanged parts are the same objects');
  t.equal(after.listeners, before.listeners);
  const none = diff(before, compile(snapshotFrom([...services, rules('1s')]), CLIENT).config);
  t.same([none.clusters.changed, none.routeTables.changed, none.fromVersion === none.version], [[], [], true]);
});

t.test('configurations are frozen, plain and versioned by content alone', async (t) => {
  const config = compiled([kube('a'), istio('VirtualService', 'a', { hosts: ['a'], http: [{ route: [{ destination: { host: 'a' } }] }] })]);
  const open: string[] = [];
  const walk = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    if (!Object.isFrozen(value)) open.push(path);
    for (const [key, inner] of Object.entries(value)) walk(inner, `${path}.${key}`);
  };
  walk(config, 'config');
  t.same(open, []);
  t.same(JSON.parse(JSON.stringify(config)) as RuntimeConfig, config, 'nothing is lost in JSON');
  t.same(structuredClone(config), config);
  const reordered = [kube('b'), kube('a'), slice('a', [{ addresses: ['10.0.0.1'] }], [{ name: 'http', port: 1 }])];
  const names = (resources: readonly ResourceObject[]) => Object.keys(compiled(resources).clusters);
  t.same(names(reordered), names([...reordered].reverse()), 'the order of files does not show');
  t.equal(compiled([kube('a')]).version, compiled([kube('a')]).version);
  t.not(compiled([kube('a')]).version, compiled([kube('a'), kube('b')]).version);
  t.not(compiled([kube('a')]).version, compiled([kube('a')], { outboundPort: 1 }).version);
});
