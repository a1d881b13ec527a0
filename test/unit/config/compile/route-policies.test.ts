/** Policies of a route: retries, faults, mirrors and what consistent hashing goes by. istio-api.md 2.2, 2.9, 2.10, 3.4. */

import t from 'tap';
import type { RetryConfig } from '../../../../config/runtime/retry.ts';
import { DEFAULT_INBOUND_RETRY } from '../../../../config/runtime/retry.ts';
import type { DestinationConfig, ForwardAction, RouteConfig } from '../../../../config/runtime/route.ts';
import { istio } from '../../../support/resources.ts';
import { compiled, CLIENT, entry, GATEWAY, kube, mesh, routesOf } from './compiled.ts';

type Fields = Readonly<Record<string, unknown>>;
type Resources = Parameters<typeof compiled>[0];

const SERVICES = [kube('web'), kube('b'), kube('c', { ports: [{ name: 'http', port: 80 }, { name: 'http-2', port: 81 }] })];
const to = (host: string, more: Fields = {}) => ({ destination: { host, ...more } });
const web = (rule: Fields) => istio('VirtualService', 'web', { hosts: ['web'], http: [{ route: [to('b')], ...rule }] });
const sticky = (host: string, consistentHash: Fields = { httpHeaderName: 'X-User' }) => istio('DestinationRule', host, { host, trafficPolicy: { loadBalancer: { consistentHash } } });

function route(resources: Resources, host = 'web', table = 80): RouteConfig {
  const [first] = routesOf(compiled([...SERVICES, ...resources]), table, host);
  if (first === undefined) throw new Error(`no route for ${host}`);
  return first;
}

const forward = (resources: Resources, host?: string): ForwardAction => route(resources, host).action as ForwardAction;
const withoutOrigin = (retry: RetryConfig | null | undefined): unknown => {
  if (retry === undefined || retry === null) return retry;
  const { origin: _, ...rest } = retry;
  return rest;
};

const CONDITIONS = ['connect-failure', 'refused-stream', 'unavailable', 'cancelled', 'retriable-status-codes'];
const PLAIN = { attempts: 2, conditions: CONDITIONS, statusCodes: [], backoffBaseMs: 25, ignorePreviousHosts: true, remoteLocalities: false };

t.test('retries, field by field', async (t) => {
  const cases: readonly (readonly [written: Fields, retry: Fields | null])[] = [
    [{ attempts: 1 }, { ...PLAIN, attempts: 1 }],
    [{ attempts: 5 }, { ...PLAIN, attempts: 5 }],
    [{ attempts: 0 }, null],
    [{}, null],
    [{ attempts: 2, perTryTimeout: '1500ms' }, { ...PLAIN, perTryTimeoutMs: 1500 }],
    [{ attempts: 2, backoff: '1s' }, { ...PLAIN, backoffBaseMs: 1000 }],
    [{ attempts: 2, retryIgnorePreviousHosts: false }, { ...PLAIN, ignorePreviousHosts: false }],
    [{ attempts: 2, retryIgnorePreviousHosts: true }, PLAIN],
    [{ attempts: 2, retryRemoteLocalities: true }, { ...PLAIN, remoteLocalities: true }],
    [{ attempts: 2, retryRemoteLocalities: false }, PLAIN],
    [{ attempts: 2, retryOn: '' }, PLAIN],
    [{ attempts: 2, retryOn: '5xx' }, { ...PLAIN, conditions: ['5xx'] }],
    [{ attempts: 2, retryOn: 'reset, gateway-error ,reset' }, { ...PLAIN, conditions: ['reset', 'gateway-error'] }],
    [{ attempts: 2, retryOn: '503' }, { ...PLAIN, conditions: ['retriable-status-codes'], statusCodes: [503] }],
    [{ attempts: 2, retryOn: '503,reset,429,503' }, { ...PLAIN, conditions: ['reset', 'retriable-status-codes'], statusCodes: [503, 429] }],
    [{ attempts: 2, retryOn: 'retriable-status-codes,418' }, { ...PLAIN, conditions: ['retriable-status-codes'], statusCodes: [418] }],
    [{ attempts: 2, retryOn: '599,5xx' }, { ...PLAIN, conditions: ['5xx'] }],
    [{ attempts: 2, retryOn: '599' }, null],
    [
      { attempts: 2, retryOn: 'envoy-ratelimited,retriable-4xx,retriable-headers,http3-post-connect-failure,deadline-exceeded,internal,resource-exhausted,reset-before-request' },
      { ...PLAIN, conditions: ['envoy-ratelimited', 'retriable-4xx', 'retriable-headers', 'http3-post-connect-failure', 'deadline-exceeded', 'internal', 'resource-exhausted', 'reset-before-request'] },
    ],
  ];
  for (const [written, retry] of cases) t.strictSame(withoutOrigin(route([web({ retries: written })]).retry), retry, JSON.stringify(written));
  t.match(route([web({ retries: { attempts: 2 } })]), { retry: { origin: { resource: 'VirtualService default/web', line: Number } }, origins: { retries: { resource: 'VirtualService default/web' } } });
  for (const answer of [{ redirect: { uri: '/' } }, { directResponse: { status: 200 } }]) {
    t.equal(route([istio('VirtualService', 'web', { hosts: ['web'], http: [answer] })]).retry, undefined, 'nothing is sent, nothing is retried');
  }
});

t.test('retries where a route has none', async (t) => {
  const defaults = (policy: Fields) => mesh({ defaultHttpRetryPolicy: policy });
  t.equal('retry' in route([]), false, 'a plain service: the default is not written');
  t.equal('retry' in route([web({})]), false);
  for (const routes of [[], [web({})]]) {
    t.strictSame(withoutOrigin(route([...routes, defaults({ attempts: 7, retryOn: '5xx' })]).retry), { ...PLAIN, attempts: 7, conditions: ['5xx'] });
    t.equal(route([...routes, defaults({ attempts: 0 })]).retry, null);
    t.match(route([...routes, defaults({ attempts: 7 })]).retry, { origin: { resource: 'ConfigMap istio-system/istio' } });
  }
  t.match(route([web({ retries: { attempts: 1 } }), defaults({ attempts: 7, retryOn: '5xx' })]).retry, { attempts: 1, conditions: CONDITIONS }, "the route's own policy is not filled up from the mesh's");
  t.equal(route([web({ retries: { attempts: 0 } }), defaults({ attempts: 7 })]).retry, null);
  t.equal(route([defaults({ attempts: 7 })], '*', 80).retry, null, 'unknown hosts are passed through once, as in Istio');

  const gateway = [istio('Gateway', 'gw', { selector: { istio: 'ingressgateway' }, servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }] }), istio('VirtualService', 'v', { hosts: ['x.com'], gateways: ['default/gw'], http: [{ route: [to('b')] }] })];
  const atGateway = (...more: Resources) => routesOf(compiled([...SERVICES, ...gateway, ...more].map((resource) => resource), GATEWAY), 'http.80', 'x.com')[0];
  t.ok(atGateway());
  t.equal(atGateway()?.retry, undefined);
  t.match(atGateway(defaults({ attempts: 7 }))?.retry, { attempts: 7 });

  const config = compiled([...SERVICES, defaults({ attempts: 7 })]);
  const [one, other] = ['web', 'b'].map((host) => routesOf(config, 80, host)[0]?.retry);
  t.ok(one);
  t.equal(one, other, 'one object for all routes');
});

t.test('consistent hashing keeps retries at their host', async (t) => {
  const ignores = (...resources: Resources) => {
    const { retry } = route(resources);
    return retry === undefined ? 'default' : retry?.ignorePreviousHosts;
  };
  t.equal(ignores(sticky('web')), false, 'a plain service');
  t.equal(ignores(sticky('b'), web({})), false);
  t.equal(ignores(sticky('b'), web({ retries: { attempts: 1 } })), false);
  t.equal(ignores(sticky('b'), web({ retries: { attempts: 1, retryIgnorePreviousHosts: true } })), true, 'but for who asks');
  t.equal(ignores(sticky('web'), web({})), 'default', 'the destination counts, not the host');
  t.equal(ignores(sticky('b'), mesh({ defaultHttpRetryPolicy: { attempts: 3 } }), web({})), false);
  t.equal(ignores(sticky('b'), sticky('c'), web({ route: [{ ...to('b'), weight: 1 }, { ...to('c'), weight: 1 }] })), 'default', 'several destinations: as in Istio');
});

t.test('inbound retries', async (t) => {
  const inbound = (port: Fields, ...more: Resources) => {
    const config = compiled([kube('client', { selector: { app: 'client' }, ports: [{ port: 80, ...port }] }), ...more], CLIENT);
    return [config.routeTables['inbound|80||'], config.routeTables['InboundPassthroughCluster']].map((table) => table?.virtualHosts[0]?.routes[0]?.retry);
  };
  const policy = (fields: Fields) => mesh({ defaultInboundHttpRetryPolicy: fields });
  t.strictSame(inbound({ name: 'http' }), [DEFAULT_INBOUND_RETRY, DEFAULT_INBOUND_RETRY]);
  t.strictSame(inbound({ name: 'tcp-x', appProtocol: 'http2' }), [DEFAULT_INBOUND_RETRY, DEFAULT_INBOUND_RETRY]);
  t.strictSame(inbound({ name: 'grpc' }), [null, DEFAULT_INBOUND_RETRY]);
  t.match(inbound({ name: 'http' }, policy({ attempts: 5, retryOn: '5xx', backoff: '1s', perTryTimeout: '3s', retryRemoteLocalities: true })), [{ attempts: 5, conditions: ['5xx'], backoffBaseMs: 1000, perTryTimeoutMs: undefined, remoteLocalities: false }, { attempts: 5 }], 'only these are honoured');
  t.match(inbound({ name: 'http' }, policy({ attempts: 5 })), [{ attempts: 5, conditions: ['reset-before-request'] }, {}]);
  t.strictSame(inbound({ name: 'http' }, policy({ attempts: 0 })), [null, null]);
  t.strictSame(inbound({ name: 'grpc' }, policy({ attempts: 5 }))[0], null);
  t.strictSame(inbound({ name: 'http' }, mesh({ defaultHttpRetryPolicy: { attempts: 9 } })), [DEFAULT_INBOUND_RETRY, DEFAULT_INBOUND_RETRY], 'the outbound policy has no say');
  const ingress = istio('Sidecar', 's', { ingress: [{ port: { number: 80, protocol: 'GRPC', name: 'g' } }, { port: { number: 81, protocol: 'HTTP', name: 'h' } }] });
  const tables = compiled([ingress]).routeTables;
  t.strictSame(['inbound|80||', 'inbound|81||'].map((name) => tables[name]?.virtualHosts[0]?.routes[0]?.retry), [null, DEFAULT_INBOUND_RETRY]);
});

t.test('faults', async (t) => {
  const share = (value: number) => ({ percentage: { value } });
  const cases: readonly (readonly [fault: Fields, policy: Fields | undefined])[] = [
    [{ delay: { fixedDelay: '7s', ...share(100) } }, { delay: { fixedDelayMs: 7000, percent: 100 } }],
    [{ delay: { fixedDelay: '1500ms', ...share(0.0001) } }, { delay: { fixedDelayMs: 1500, percent: 0.0001 } }],
    [{ delay: { fixedDelay: '1s', ...share(12.34567) } }, { delay: { fixedDelayMs: 1000, percent: 12.3456 } }],
    [{ delay: { fixedDelay: '1s' } }, undefined],
    [{ delay: { fixedDelay: '1s', percentage: {} } }, undefined],
    [{ delay: { fixedDelay: '1s', percent: 30 } }, { delay: { fixedDelayMs: 1000, percent: 30 } }],
    [{ delay: { fixedDelay: '1s', percent: 30, ...share(0) } }, undefined],
    [{ delay: { fixedDelay: '1s', percent: 30, ...share(4) } }, { delay: { fixedDelayMs: 1000, percent: 4 } }],
    [{ abort: { httpStatus: 555, ...share(100) } }, { abort: { httpStatus: 555, percent: 100 } }],
    [{ abort: { httpStatus: 555 } }, undefined],
    [{ abort: { grpcStatus: 'UNAVAILABLE', ...share(50) } }, { abort: { grpcStatus: 14, percent: 50 } }],
    [{ abort: { grpcStatus: 'OK', ...share(50) } }, { abort: { grpcStatus: 0, percent: 50 } }],
    [{ abort: { grpcStatus: 'UNAUTHENTICATED', ...share(50) } }, { abort: { grpcStatus: 16, percent: 50 } }],
    [{ delay: { fixedDelay: '1s', ...share(1) }, abort: { httpStatus: 503, ...share(2) } }, { delay: { fixedDelayMs: 1000, percent: 1 }, abort: { httpStatus: 503, percent: 2 } }],
    [{ delay: { fixedDelay: '1s' }, abort: { httpStatus: 503, ...share(2) } }, { abort: { httpStatus: 503, percent: 2 } }],
  ];
  for (const [fault, policy] of cases) {
    t.strictSame(route([web({ fault })]).filters.map(({ name, policy }) => [name, policy]), policy === undefined ? [] : [['fault', policy]], JSON.stringify(fault));
  }
  const both = route([web({ corsPolicy: { allowOrigins: [{ exact: 'a' }] }, fault: { abort: { httpStatus: 503, ...share(1) } } })]);
  t.strictSame(both.filters.map(({ name }) => name), ['fault', 'cors'], 'in registry order');
  t.match(both, { filters: [{ origin: { resource: 'VirtualService default/web' } }], origins: { fault: { resource: 'VirtualService default/web' } } });
});

t.test('mirrors', async (t) => {
  const cases: readonly (readonly [rule: Fields, mirrors: readonly string[] | undefined])[] = [
    [{}, undefined],
    [{ mirror: { host: 'c', port: { number: 81 } } }, ['outbound|81||c.default.svc.cluster.local 100']],
    [{ mirror: { host: 'web', subset: 'v2' } }, ['outbound|80|v2|web.default.svc.cluster.local 100']],
    [{ mirror: { host: 'c' } }, ['outbound|80||c.default.svc.cluster.local 100']],
    [{ mirror: { host: 'nobody' } }, ['outbound|80||nobody.default.svc.cluster.local 100']],
    [{ mirror: { host: 'web' }, mirrorPercentage: { value: 12.34567 } }, ['outbound|80||web.default.svc.cluster.local 12.3456']],
    [{ mirror: { host: 'web' }, mirrorPercentage: { value: 0 } }, undefined],
    [{ mirror: { host: 'web' }, mirrorPercentage: {} }, undefined],
    [{ mirror: { host: 'web' }, mirrorPercent: 7 }, ['outbound|80||web.default.svc.cluster.local 7']],
    [{ mirror: { host: 'web' }, mirrorPercent: 0 }, undefined],
    [{ mirror: { host: 'web' }, mirrorPercent: 7, mirrorPercentage: { value: 8 } }, ['outbound|80||web.default.svc.cluster.local 8']],
    [{ mirrors: [] }, undefined],
    [{ mirrors: [{ destination: { host: 'web' } }, { destination: { host: 'c' }, percentage: { value: 5 } }, { destination: { host: 'b' }, percentage: { value: 0 } }] }, ['outbound|80||web.default.svc.cluster.local 100', 'outbound|80||c.default.svc.cluster.local 5']],
  ];
  for (const [rule, mirrors] of cases) {
    t.strictSame(forward([web(rule)]).mirrors?.map(({ cluster, percent }) => `${cluster} ${percent}`), mirrors, JSON.stringify(rule));
  }
  t.match(forward([web({ mirrors: [{ destination: { host: 'b' } }] })]).mirrors, [{ host: 'b.default.svc.cluster.local', port: 80, subset: '', origin: { resource: 'VirtualService default/web' } }]);
  const alias = kube('alias', { type: 'ExternalName', externalName: 'b.default.svc.cluster.local', ports: [{ name: 'http', port: 80 }] });
  t.match(forward([alias, web({ mirror: { host: 'alias' } })]).mirrors, [{ cluster: 'outbound|80||b.default.svc.cluster.local' }]);
});

t.test('policies of delegates', async (t) => {
  const delegated = (above: Fields, below: Fields) => route([istio('VirtualService', 'web', { hosts: ['web'], http: [{ delegate: { name: 'leaf', namespace: 'other' }, ...above }] }), istio('VirtualService', 'leaf', { http: [{ route: [to('b.default.svc.cluster.local')], ...below }] }, 'other')]);
  const mirrors = (found: RouteConfig) => (found.action as ForwardAction).mirrors?.map(({ cluster, percent }) => `${cluster} ${percent}`);
  t.strictSame(mirrors(delegated({ mirror: { host: 'c' }, mirrorPercentage: { value: 3 } }, {})), ['outbound|80||c.default.svc.cluster.local 3'], "short names are the delegating resource's");
  t.strictSame(mirrors(delegated({ mirror: { host: 'c' } }, { mirror: { host: 'c' }, mirrorPercentage: { value: 4 } })), ['outbound|80||c.other.svc.cluster.local 4']);
  t.strictSame(mirrors(delegated({ mirrors: [{ destination: { host: 'c' } }] }, { mirror: { host: 'd' } })), ['outbound|80||d.other.svc.cluster.local 100', 'outbound|80||c.default.svc.cluster.local 100'], 'field by field');
  t.match(delegated({ retries: { attempts: 4 } }, {}), { retry: { attempts: 4, origin: { resource: 'VirtualService default/web' } } });
  t.match(delegated({ retries: { attempts: 4 } }, { retries: { attempts: 6 } }), { retry: { attempts: 6, origin: { resource: 'VirtualService other/leaf' } } });
  t.match(delegated({ fault: { abort: { httpStatus: 503, percentage: { value: 1 } } } }, {}).filters, [{ name: 'fault', origin: { resource: 'VirtualService default/web' } }]);
});

t.test('a delegated mirror needs no import of its own', async (t) => {
  const sidecar = istio('Sidecar', 's', { egress: [{ hosts: ['./web.default.svc.cluster.local'] }] });
  const config = compiled([...SERVICES, sidecar, istio('VirtualService', 'web', { hosts: ['web'], http: [{ delegate: { name: 'leaf', namespace: 'other' }, mirror: { host: 'c' } }] }), istio('VirtualService', 'leaf', { http: [{ route: [to('web.default.svc.cluster.local')] }] }, 'other')]);
  t.ok(config.clusters['outbound|80||c.default.svc.cluster.local']);
});

t.test('what is hashed', async (t) => {
  const hash = (consistentHash: Fields) => forward([sticky('web', consistentHash)]).destinations[0]?.hashPolicy;
  const cases: readonly (readonly [written: Fields, policy: Fields | undefined])[] = [
    [{ httpHeaderName: 'X-User' }, { kind: 'header', name: 'x-user' }],
    [{ httpQueryParameterName: 'User' }, { kind: 'query', name: 'User' }],
    [{ useSourceIp: true }, { kind: 'source-ip' }],
    [{ useSourceIp: false }, undefined],
    [{ httpCookie: { name: 'c' } }, { kind: 'cookie', name: 'c', attributes: [] }],
    [{ httpCookie: { name: 'c', ttl: '0s' } }, { kind: 'cookie', name: 'c', ttlMs: 0, attributes: [] }],
    [{ httpCookie: { name: 'c', ttl: '60s', path: '/p', attributes: [{ name: 'SameSite', value: 'Lax' }, { name: 'Secure' }] } }, { kind: 'cookie', name: 'c', path: '/p', ttlMs: 60_000, attributes: [['SameSite', 'Lax'], ['Secure', '']] }],
    [{ maglev: { tableSize: 7 } }, undefined],
    [{ httpHeaderName: 'x', maglev: { tableSize: 7 } }, { kind: 'header', name: 'x' }],
  ];
  for (const [written, policy] of cases) t.strictSame(hash(written), policy, JSON.stringify(written));
});

t.test('which hash a destination uses', async (t) => {
  const by = (name: string): Fields => ({ loadBalancer: { consistentHash: { httpHeaderName: name } } });
  const onPort = (port: number, name: string): Fields => ({ portLevelSettings: [{ port: { number: port }, ...by(name) }] });
  const rule = (trafficPolicy: Fields | undefined, subset?: Fields) => istio('DestinationRule', 'c', { host: 'c', ...(trafficPolicy !== undefined && { trafficPolicy }), subsets: [{ name: 'v1', ...(subset !== undefined && { trafficPolicy: subset }) }] });
  const keyOf = (destination: DestinationConfig | undefined) => (destination?.hashPolicy?.kind === 'header' ? destination.hashPolicy.name : undefined);
  const routed = (resource: Resources[number], destination: Fields) => keyOf(forward([resource, web({ route: [to('c', destination)] })]).destinations[0]);
  const port = { port: { number: 80 } };
  const cases: readonly (readonly [name: string, resource: Resources[number], destination: Fields, key: string | undefined])[] = [
    ['rule', rule(by('rule')), {}, 'rule'],
    ['rule, for a subset', rule(by('rule')), { subset: 'v1' }, 'rule'],
    ['port, named by the route', rule({ ...by('rule'), ...onPort(80, 'port') }), port, 'port'],
    ['port, not named by the route', rule({ ...by('rule'), ...onPort(80, 'port') }), {}, 'rule'],
    ['port alone, not named', rule(onPort(80, 'port')), {}, undefined],
    ['another port', rule({ ...by('rule'), ...onPort(81, 'port') }), port, 'rule'],
    ['subset over rule', rule(by('rule'), by('subset')), { subset: 'v1' }, 'subset'],
    ['subset, not asked for', rule(by('rule'), by('subset')), {}, 'rule'],
    ['subset over the port of the rule', rule({ ...by('rule'), ...onPort(80, 'port') }, by('subset')), { subset: 'v1', ...port }, 'subset'],
    ['port of the subset over all', rule({ ...by('rule'), ...onPort(80, 'port') }, { ...by('subset'), ...onPort(80, 'subset-port') }), { subset: 'v1', ...port }, 'subset-port'],
    ['port of the subset, not named', rule(by('rule'), { ...by('subset'), ...onPort(80, 'subset-port') }), { subset: 'v1' }, 'subset'],
    ['a cluster that does not hash', rule({ ...by('rule'), portLevelSettings: [{ port: { number: 80 }, loadBalancer: { simple: 'RANDOM' } }] }), {}, undefined],
  ];
  for (const [name, resource, destination, key] of cases) t.equal(routed(resource, destination), key, name);

  const plain = (resource: Resources[number]) => keyOf(forward([resource], 'c').destinations[0]);
  t.equal(plain(rule({ ...by('rule'), ...onPort(80, 'port') })), 'port', 'a plain route stands for its port');
  t.equal(plain(rule({ ...by('rule'), ...onPort(81, 'port') })), 'rule');
  t.equal(keyOf(forward([istio('DestinationRule', 'b', { host: 'b', trafficPolicy: by('b') }), kube('alias', { type: 'ExternalName', externalName: 'b.default.svc.cluster.local', ports: [{ name: 'http', port: 80 }] }), web({ route: [to('alias')] })]).destinations[0]), 'b', "an alias uses the concrete service's rule");
  const weighted = forward([rule(by('c')), web({ route: [{ ...to('b'), weight: 1 }, { ...to('c'), weight: 1 }] })]).destinations;
  t.strictSame(weighted.map(keyOf), [undefined, 'c'], 'each destination its own');
  const external = entry('e', { hosts: ['x.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }] });
  t.equal(keyOf(forward([external, istio('DestinationRule', 'e', { host: 'x.com', trafficPolicy: by('x') })], 'x.com').destinations[0]), undefined, 'passed through to the address asked for');
});
