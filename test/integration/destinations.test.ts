/** DestinationRules: which one applies, subsets, inheritance, load balancers, connect timeout (istio-api.md section 3). */

import t from 'tap';
import { hangingPort } from '../conformance/targets/backends.ts';
import type { Answer, MeshRow } from '../support/echo-mesh.ts';
import { EchoMesh } from '../support/echo-mesh.ts';
import type { ResourceObject } from '../support/resources.ts';
import { destinationRule, istio, service, to, virtualService } from '../support/resources.ts';
import { countAnswers, withinFiveSigma } from '../support/splits.ts';
import { Upstream } from '../support/upstream.ts';

type Fields = Readonly<Record<string, unknown>>;

const noCluster = { status: 503, text: '', log: { response_flags: 'NC' } };
const noEndpoint: Answer = { status: 503, text: 'no healthy upstream', log: { response_flags: 'UH', response_code_details: 'no_healthy_upstream' } };

t.test('3.1 which rule applies', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1', 'v2', 'v3'] });
  const services = ['default', 'shop', 'istio-system'].map((namespace) => service('reviews', { namespace, workloads: [mesh.at('v1'), mesh.at('v2'), mesh.at('v3')] }));
  /** A rule whose subset `s` is one version: who answers tells which rule it was. */
  const rule = (name: string, namespace: string, host: string, version: string, more: Fields = {}, time?: string): ResourceObject => {
    const resource = istio('DestinationRule', name, { host, subsets: [{ name: 's', labels: { version } }], ...more }, namespace);
    return time === undefined ? resource : { ...resource, metadata: { ...resource.metadata, creationTimestamp: time } };
  };
  const fqdn = 'reviews.shop.svc.cluster.local';
  const byRule = (host = fqdn): ResourceObject => virtualService('reviews', { hosts: [host], http: [{ route: [to(host, 's')] }] });
  const row = (name: string, rules: readonly ResourceObject[], answer: Answer, labels?: Readonly<Record<string, string>>): MeshRow => ({
    name,
    snapshot: [services, byRule(), rules],
    ...(labels === undefined ? {} : { labels }),
    ask: [[{ host: `${fqdn}:9080` }, answer]],
  });
  const client = (version: string, more: Fields = {}, host = fqdn): ResourceObject => rule('of-client', 'default', host, version, more);
  const owner = (version: string, more: Fields = {}, host = 'reviews'): ResourceObject => rule('of-service', 'shop', host, version, more);
  const root = (version: string, more: Fields = {}, host = fqdn): ResourceObject => rule('of-root', 'istio-system', host, version, more);

  await mesh.play(t, [
    row('the client\'s namespace first', [client('v1'), owner('v2'), root('v3')], 'v1'),
    row('… its private rules too', [client('v1', { exportTo: ['.'] }), owner('v2')], 'v1'),
    row('then the service\'s', [owner('v2'), root('v3')], 'v2'),
    row('… unless it is not exported to the client', [owner('v2', { exportTo: ['.'] }), root('v3')], 'v3'),
    row('… exported by name', [owner('v2', { exportTo: ['default', 'prod'] }), root('v3')], 'v2'),
    row('then the root namespace\'s', [root('v3')], 'v3'),
    row('a third namespace\'s never', [rule('third', 'prod', fqdn, 'v1')], noCluster),
    row('no rule, no subset', [], noCluster),
    row('a wildcard in the client\'s namespace beats the exact host elsewhere', [client('v1', {}, '*.shop.svc.cluster.local'), owner('v2')], 'v1'),
    row('the exact host beats wildcards', [client('v1', {}, '*.local'), rule('exact', 'default', fqdn, 'v2')], 'v2'),
    row('the longest wildcard', [client('v1', {}, '*.local'), rule('longer', 'default', '*.shop.svc.cluster.local', 'v2'), rule('all', 'default', '*', 'v3')], 'v2'),
    row('*', [rule('all', 'default', '*', 'v3')], 'v3'),
    row('a short host is the rule\'s own namespace\'s', [client('v1', {}, 'reviews'), owner('v2')], 'v2'),
    row('namespaces are not merged: the winner\'s missing subset is missing', [istio('DestinationRule', 'empty', { host: fqdn, subsets: [{ name: 'other', labels: {} }] }), owner('v2')], noCluster),
    row('same host, same namespace: subsets are concatenated, the first definition of a name wins', [rule('a', 'default', fqdn, 'v1', {}, '2026-01-01T00:00:00Z'), rule('b', 'default', fqdn, 'v2', {}, '2025-01-01T00:00:00Z')], 'v2'),
    row('… one may have the subset the other lacks', [istio('DestinationRule', 'a', { host: fqdn, trafficPolicy: { loadBalancer: { simple: 'RANDOM' } } }), rule('b', 'default', fqdn, 'v2')], 'v2'),
    row('workloadSelector: the rule for this workload', [client('v1'), rule('z-chosen', 'default', fqdn, 'v3', { workloadSelector: { matchLabels: { app: 'client', tier: 'a' } } })], 'v3', { tier: 'a' }),
    row('… not for others', [client('v1'), rule('a-chosen', 'default', fqdn, 'v3', { workloadSelector: { matchLabels: { app: 'client', tier: 'a' } } })], 'v1', { tier: 'b' }),
    row('… of another namespace it counts for nobody here', [rule('chosen', 'shop', 'reviews', 'v3', { workloadSelector: { matchLabels: { app: 'client' } } })], noCluster),
    row('hosts without case', [client('v1', {}, 'Reviews.Shop.SVC.cluster.local')], 'v1'),
  ]);
});

t.test('3.2 subsets', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1', 'v2', 'v3'] });
  const reviews = service('reviews', { workloads: [mesh.at('v1', { zone: 'a', canary: 'yes' }), mesh.at('v2', { zone: 'a' }), mesh.at('v3', { zone: 'b' })] });
  const row = (name: string, labels: Readonly<Record<string, string>> | undefined, by: readonly string[]): MeshRow => ({
    name,
    snapshot: [reviews, istio('DestinationRule', 'reviews', { host: 'reviews', subsets: [{ name: 's', ...(labels === undefined ? {} : { labels }) }] }), virtualService('reviews', { http: [{ route: [to('reviews', 's')] }] })],
    also: async (t) => {
      const { counts, other } = await countAnswers(mesh, { host: 'reviews:9080' }, 60);
      t.same([...counts.keys()].sort(), by);
      t.equal(other, by.length === 0 ? 60 : 0);
    },
  });
  await mesh.play(t, [
    row('one label', { version: 'v1' }, ['v1']),
    row('endpoints must carry all of several', { zone: 'a', canary: 'yes' }, ['v1']),
    row('several endpoints', { zone: 'a' }, ['v1', 'v2']),
    row('no labels: all', undefined, ['v1', 'v2', 'v3']),
    row('a value nobody has: nobody, no falling back', { version: 'v9' }, []),
    row('a label nobody has', { nobody: 'x' }, []),
    {
      name: 'a subset without endpoints is 503 UH',
      snapshot: [reviews, destinationRule('reviews', ['v9']), virtualService('reviews', { http: [{ route: [to('reviews', 'v9')] }] })],
      ask: [['/', noEndpoint]],
    },
    {
      name: 'a route without subset uses all endpoints, whatever subsets there are',
      snapshot: [reviews, destinationRule('reviews', ['v1'])],
      also: async (t) => t.same([...(await countAnswers(mesh, { host: 'reviews:9080' }, 60)).counts.keys()].sort(), ['v1', 'v2', 'v3']),
    },
    {
      name: 'a service without endpoints is 503 UH',
      snapshot: [service('reviews')],
      ask: [['/', noEndpoint]],
    },
  ]);
});

t.test('3.3 inheritance', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: [] });
  const lb = (simple: string): Fields => ({ loadBalancer: { simple } });
  const pool = (connectTimeout: string): Fields => ({ connectionPool: { tcp: { connectTimeout } } });
  const at = (number: number, fields: Fields): Fields => ({ port: { number }, ...fields });
  const meshConfig = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data: { mesh: 'connectTimeout: 7s\ndefaultTrafficPolicy: {connectionPool: {tcp: {connectTimeout: 6s}}}' } });
  interface Wanted {
    readonly lb?: string;
    readonly connectTimeoutMs?: number;
    readonly tls?: string;
  }
  /** `subset` as its name in the rule is `s`; the service has port 9080. */
  const row = (name: string, trafficPolicy: Fields | undefined, ofSubset: Fields | undefined, whole: Wanted, subset?: Wanted, more: readonly string[] = []): MeshRow => ({
    name,
    snapshot: [service('reviews'), istio('DestinationRule', 'reviews', { host: 'reviews', ...(trafficPolicy === undefined ? {} : { trafficPolicy }), subsets: [{ name: 's', labels: { a: 'b' }, ...(ofSubset === undefined ? {} : { trafficPolicy: ofSubset }) }] }), ...more],
    also: async (t) => {
      for (const [cluster, wanted] of [['', whole], ['s', subset ?? whole]] as const) {
        const dump = JSON.parse(await mesh.proxy.admin(`/config_dump?resource=clusters&name_regex=${encodeURIComponent(`^outbound\\|9080\\|${cluster}\\|reviews`)}`)) as { readonly configs: readonly { readonly loadBalancer: { readonly policy: string }; readonly connectTimeoutMs: number; readonly tls: { readonly mode: string } }[] };
        const found = dump.configs[0];
        const got = { lb: found?.loadBalancer.policy, connectTimeoutMs: found?.connectTimeoutMs, tls: found?.tls.mode };
        t.same(got, { lb: 'LEAST_REQUEST', connectTimeoutMs: 10_000, tls: 'AUTO', ...wanted }, cluster === '' ? 'whole service' : 'subset');
      }
    },
  });
  await mesh.play(t, [
    row('nothing written: the defaults', undefined, undefined, {}),
    row('the rule\'s policy, for its subsets too', { ...lb('ROUND_ROBIN'), ...pool('1s'), tls: { mode: 'DISABLE' } }, undefined, { lb: 'ROUND_ROBIN', connectTimeoutMs: 1000, tls: 'DISABLE' }),
    row('a subset\'s block replaces the whole block', { ...lb('ROUND_ROBIN'), connectionPool: { tcp: { connectTimeout: '1s' } } }, { connectionPool: { http: { idleTimeout: '5s' } } }, { lb: 'ROUND_ROBIN', connectTimeoutMs: 1000 }, { lb: 'ROUND_ROBIN' }),
    row('… and leaves the others', { ...lb('ROUND_ROBIN'), ...pool('1s') }, lb('RANDOM'), { lb: 'ROUND_ROBIN', connectTimeoutMs: 1000 }, { lb: 'RANDOM', connectTimeoutMs: 1000 }),
    row('a port\'s entry replaces all blocks: what it lacks is default', { ...lb('ROUND_ROBIN'), ...pool('1s'), portLevelSettings: [at(9080, lb('RANDOM'))] }, undefined, { lb: 'RANDOM' }),
    row('another port\'s entry is not ours', { ...lb('ROUND_ROBIN'), portLevelSettings: [at(80, lb('RANDOM'))] }, undefined, { lb: 'ROUND_ROBIN' }),
    row('a port\'s entry in the subset replaces the parent even where it is empty', { ...lb('ROUND_ROBIN'), ...pool('1s'), tls: { mode: 'DISABLE' } }, { portLevelSettings: [at(9080, lb('RANDOM'))] }, { lb: 'ROUND_ROBIN', connectTimeoutMs: 1000, tls: 'DISABLE' }, { lb: 'RANDOM' }),
    row('the subset\'s own policy over the rule\'s port entry', { portLevelSettings: [at(9080, { ...lb('RANDOM'), ...pool('1s') })] }, pool('2s'), { lb: 'RANDOM', connectTimeoutMs: 1000 }, { lb: 'RANDOM', connectTimeoutMs: 2000 }),
    row('mesh connectTimeout, and defaultTrafficPolicy where no block is', lb('RANDOM'), pool('2s'), { lb: 'RANDOM', connectTimeoutMs: 6000 }, { lb: 'RANDOM', connectTimeoutMs: 2000 }, [meshConfig]),
    row('… which a block without the field keeps out', { connectionPool: { http: { idleTimeout: '5s' } } }, undefined, { connectTimeoutMs: 7000 }, undefined, [meshConfig]),
    row('LEAST_CONN and UNSPECIFIED', lb('LEAST_CONN'), lb('UNSPECIFIED'), {}, {}),
    row('PASSTHROUGH', lb('PASSTHROUGH'), lb('RANDOM'), { lb: 'PASSTHROUGH' }, { lb: 'RANDOM' }),
    row('tls without a mode is DISABLE', { tls: {} }, undefined, { tls: 'DISABLE' }),
  ]);
});

t.test('3.4 load balancers', async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['v1', 'v2', 'v3'] });
  const reviews = service('reviews', { workloads: [mesh.at('v1'), mesh.at('v2'), mesh.at('v3')] });
  const simple = (policy: string): ResourceObject => istio('DestinationRule', 'reviews', { host: 'reviews', trafficPolicy: { loadBalancer: { simple: policy } } });
  const order = async (requests: number): Promise<readonly string[]> => {
    const client = await mesh.proxy.connect();
    const by: string[] = [];
    for (let i = 0; i < requests; i++) by.push((await client.exchange({ host: 'reviews:9080' })).header('x-by') ?? '');
    client.socket.destroy();
    return by;
  };
  const weighted = (policy: string): MeshRow => ({
    name: `${policy} with weights`,
    snapshot: [
      istio('ServiceEntry', 'api', { hosts: ['reviews'], ports: [{ number: 9080, name: 'http', protocol: 'HTTP' }], resolution: 'STATIC', location: 'MESH_INTERNAL', endpoints: (['v1', 'v2', 'v3'] as const).map((name, index) => ({ address: '127.0.0.1', ports: { http: mesh.port(name) }, weight: [1, 3, 6][index] })) }),
      istio('DestinationRule', 'reviews', { host: 'reviews', trafficPolicy: { loadBalancer: { simple: policy } } }),
    ],
    also: async (t) => {
      const { counts } = await countAnswers(mesh, { host: 'reviews:9080' }, 1000);
      for (const [name, share] of [['v1', 0.1], ['v2', 0.3], ['v3', 0.6]] as const) t.ok(withinFiveSigma(counts.get(name) ?? 0, 1000, share), `${name}: ${share}`, { counts: [...counts] });
    },
  });
  await mesh.play(t, [
    {
      name: 'ROUND_ROBIN: one after the other',
      snapshot: [reviews, simple('ROUND_ROBIN')],
      also: async (t) => {
        const by = await order(30);
        t.equal(new Set(by.slice(0, 3)).size, 3);
        t.same(by.slice(3), by.slice(0, 27), 'the same round again and again');
      },
    },
    {
      name: 'RANDOM: even, in no order',
      snapshot: [reviews, simple('RANDOM')],
      also: async (t) => {
        const by = await order(900);
        for (const name of ['v1', 'v2', 'v3']) t.ok(withinFiveSigma(by.filter((each) => each === name).length, 900, 1 / 3), name);
        t.ok(by.some((each, index) => index > 0 && each === by[index - 1]), 'the same one twice in a row');
      },
    },
    {
      name: 'LEAST_REQUEST is the default: whoever is busy gets less',
      snapshot: [],
      also: async (t) => {
        const busy = await Upstream.start(t, { onRequest: () => {} });
        await mesh.load([service('reviews', { workloads: [mesh.at('v1'), { port: busy.port }] })]);
        // Once it holds one request, of two choices that differ the idle one is taken: only both choices on it give it another.
        const clients = [];
        for (let i = 0; i < 40; i++) {
          const client = await mesh.proxy.connect();
          clients.push(client);
          client.request({ host: 'reviews:9080' });
          await client.quiet(5);
        }
        const answered = clients.filter((client) => client.bytesReceived > 0).length;
        t.ok(busy.requests.length >= 1 && answered + busy.requests.length === 40, 'every request is with one of the two');
        t.ok(busy.requests.length < 20, 'the busy one has fewer than half', { got: busy.requests.length });
        for (const client of clients) client.socket.destroy();
      },
    },
    weighted('ROUND_ROBIN'),
    weighted('RANDOM'),
    weighted('LEAST_REQUEST'),
    {
      name: 'PASSTHROUGH: where the downstream wanted to go, endpoints are of no account',
      snapshot: [service('reviews', { port: mesh.port('v2'), workloads: [mesh.at('v1')] }), simple('PASSTHROUGH')],
      ask: [[{ host: `127.0.0.1:${mesh.port('v2')}` }, 'v2']],
      also: async (t) => {
        const client = await mesh.proxy.connect();
        client.send(`CONNECT 127.0.0.1:${mesh.port('v2')} HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: reviews\r\nUser-Agent: through\r\n\r\n`);
        t.match(await client.until('}'), /x-by: v2/);
        t.match(await mesh.logged('through'), { upstream_cluster: `outbound|${mesh.port('v2')}||reviews.default.svc.cluster.local`, upstream_host: `127.0.0.1:${mesh.port('v2')}` });
      },
    },
    {
      name: 'consistentHash: one user, one host',
      snapshot: [reviews, istio('DestinationRule', 'reviews', { host: 'reviews', trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: 'x-user' } } } })],
      also: async (t) => {
        for (const user of ['ann', 'bob', 'eve']) {
          const { counts, other } = await countAnswers(mesh, { host: 'reviews:9080', headers: { 'x-user': user } }, 20);
          t.same([counts.size, other], [1, 0], user);
        }
      },
    },
  ]);
});

t.test('3.6 connectTimeout, and what refuses', async (t) => {
  const hanging = await hangingPort();
  t.teardown(() => hanging.close());
  const mesh = await EchoMesh.start(t, { upstreams: ['v1'] });
  const closedPort = await freePort(t);
  const timed = istio('DestinationRule', 'reviews', { host: 'reviews', trafficPolicy: { connectionPool: { tcp: { connectTimeout: '0.1s' } } } });
  const text = 'upstream connect error or disconnect/reset before headers. retried and the latest reset reason: ';
  await mesh.play(t, [
    {
      name: 'a connect that hangs ends with the timeout',
      snapshot: [service('reviews', { workloads: [{ port: hanging.port }] }), timed],
      ask: [['/', { status: 503, text: `${text}connection timeout`, log: { response_flags: 'URX,UF', response_code_details: 'upstream_reset_before_response_started{connection_timeout}' } }]],
    },
    {
      name: 'a connect that is refused',
      snapshot: [service('reviews', { workloads: [{ port: closedPort }] })],
      ask: [['/', { status: 503, text: `${text}remote connection failure`, log: { response_flags: 'URX,UF', upstream_host: `127.0.0.1:${closedPort}` } }]],
    },
    {
      name: 'tls SIMPLE to a host that speaks plain text: 503, never sent in plain text, whatever finds the endpoints',
      snapshot: [
        service('reviews', { workloads: [mesh.at('v1')] }),
        istio('ServiceEntry', 'none', { hosts: ['none.example'], ports: [{ number: mesh.port('v1'), name: 'http', protocol: 'HTTP' }], resolution: 'NONE', addresses: ['127.0.0.1'] }),
        ...['reviews', 'none.example'].map((host) => istio('DestinationRule', host.replace('.', '-'), { host, trafficPolicy: { tls: { mode: 'SIMPLE' } } })),
      ],
      ask: [
        ['/', { status: 503, log: { response_flags: 'URX,UF', upstream_host: `127.0.0.1:${mesh.port('v1')}` } }],
        [{ host: `127.0.0.1:${mesh.port('v1')}` }, { status: 503, log: { response_flags: 'URX,UF', upstream_host: `127.0.0.1:${mesh.port('v1')}` } }],
      ],
    },
  ]);
});

async function freePort(t: Parameters<typeof Upstream.start>[0]): Promise<number> {
  const upstream = await Upstream.start(t);
  const { port } = upstream;
  await upstream.stop();
  return port;
}
