/** `outrider explain` at a gateway: who takes the connection, how TLS ends there, TCP routes (interface.md). */

import { join } from 'node:path';
import t from 'tap';
import { runExplain } from '../../../../proxy/cli/explain.ts';
import type { Explanation } from '../../../../proxy/cli/explain/explanation.ts';
import { istio, renderResources, service, to, virtualService } from '../../../support/resources.ts';
import type { ResourceObject } from '../../../support/resources.ts';

const tls = (name: string, hosts: readonly string[], settings: object, protocol = 'HTTPS') => ({ port: { number: 443, name, protocol }, hosts, tls: settings });
const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'cert', namespace: 'edge' }, stringData: { 'tls.crt': 'x', 'tls.key': 'x' } } as ResourceObject;
const servers = [
  tls('a', ['a.example'], { mode: 'SIMPLE', credentialName: 'cert' }),
  tls('b', ['*.b.example'], { mode: 'MUTUAL', credentialName: 'missing', subjectAltNames: ['me'], minProtocolVersion: 'TLSV1_3' }),
  tls('wide', ['*.example'], { mode: 'SIMPLE', credentialName: 'cert' }),
  tls('pass', ['pass.example'], { mode: 'PASSTHROUGH' }, 'TLS'),
  tls('auto', ['*.local'], { mode: 'AUTO_PASSTHROUGH' }, 'TLS'),
  { port: { number: 5432, name: 'tcp', protocol: 'TCP' }, hosts: ['*'] },
  { port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['a.example'] },
];
const SNAPSHOT: readonly ResourceObject[] = [
  secret,
  istio('Gateway', 'edge', { servers }),
  ...service('web', { workloads: [{ port: 9081, labels: { 'security.istio.io/tlsMode': 'istio' } }, { port: 9082 }] }),
  ...service('db', { port: 5432, portName: 'tcp', workloads: [{ port: 9083 }] }),
  ...service('empty', {}),
  virtualService('web', { hosts: ['a.example', 'x.b.example'], gateways: ['edge'], http: [{ route: [to('web')] }] }),
  virtualService('bytes', { hosts: ['pass.example', 'db.example'], gateways: ['edge'], tls: [{ match: [{ sniHosts: ['pass.example'] }], route: [to('empty')] }], tcp: [{ route: [to('db', undefined, 90), to('empty', undefined, 10)] }] }),
];

t.test('at a gateway', async (t) => {
  const file = join(t.testdir({ 'mesh.yaml': renderResources(SNAPSHOT) }), 'mesh.yaml');
  const run = async (...argv: readonly string[]): Promise<string> => {
    let [stdout, stderr] = ['', ''];
    const code = await runExplain(['--config', file, '--mode', 'gateway', '--namespace', 'edge', '--labels', 'istio=ingress', ...argv], { env: {}, stdout: (text) => void (stdout += text), stderr: (text) => void (stderr += text) });
    if (code !== 0) throw new Error(stderr);
    return stdout;
  };
  const ask = async (url: string, ...more: readonly string[]): Promise<Explanation> => JSON.parse(await run('GET', url, '--json', ...more)) as Explanation;

  const simple = await ask('https://a.example/');
  t.match(simple, {
    connection: { transport: 'tls', serverName: 'a.example', filterChain: { name: '0.0.0.0_443/default/edge/a', source: { resource: 'Gateway default/edge' } }, tls: { mode: 'SIMPLE', clientCertificate: 'none', certificates: [{ from: 'kubernetes://edge/cert', source: { resource: 'Secret edge/cert', file } }] } },
    routeTable: 'https.443.a.edge.default',
    virtualService: 'default/web',
    destinations: [{ host: 'web.default.svc.cluster.local' }],
    response: null,
  });
  t.match((await ask('https://x.b.example/')).connection?.tls, { mode: 'MUTUAL', minVersion: 'TLSv1.3', clientCertificate: 'required', subjectAltNames: ['me'], certificates: [{ from: 'kubernetes://edge/missing', source: null, missing: true }], authorities: { missing: true } });
  t.match(await ask('https://a.example/', '-H', 'Host: x.b.example'), { response: { status: 421, details: 'misdirected_request' } });
  t.match(await ask('https://a.example/', '-H', 'Host: c.test'), { response: { status: 404 } });
  t.match(await ask('https://any.example/', '-H', 'Host: a.example'), { connection: { filterChain: { name: '0.0.0.0_443/default/edge/wide' } }, response: null }, "a wildcard's routes reach other hosts");
  t.match(await ask('https://any.example/', '-H', 'Host: x.b.example'), { response: { status: 421 } }, 'but none that asks for certificates');
  t.match(await ask('https://c.test/'), { connection: { filterChain: null }, response: { status: 0, flag: 'NR', details: 'filter_chain_not_found' } });
  t.match(await ask('https://10.0.0.1/'), { connection: { serverName: null, filterChain: null } });
  t.match(await ask('https://pass.example/'), { connection: { tls: null }, virtualService: 'default/bytes', route: { name: 'default/bytes' }, destinations: [{ cluster: 'outbound|9080||empty.default.svc.cluster.local' }], response: { status: 0, flag: 'UH' } });
  t.match(await ask('https://outbound_.9080_._.web.default.svc.cluster.local/'), { destinations: [{ host: 'web.default.svc.cluster.local', port: 9080, cluster: 'outbound_.9080_._.web.default.svc.cluster.local', endpoints: ['127.0.0.1:9081'] }], response: null });
  t.match(await ask('https://outbound_.1_._.web.default.svc.cluster.local/'), { destinations: [{ failure: { flag: 'NC' } }], response: { flag: 'NC' } });
  t.match(await ask('tcp://anything:5432'), { connection: { transport: 'plain' }, route: { name: 'default/bytes' }, destinations: [{ weight: 90, endpoints: ['127.0.0.1:9083'] }, { weight: 10, failure: { flag: 'UH' } }], response: null });
  t.match(await ask('http://a.example:443/'), { response: { status: 0, details: 'filter_chain_not_found' } });
  t.equal((await ask('http://a.example/')).connection, undefined, 'a plain listener has no chains');
  await t.rejects(ask('tcp://anything'), /needs a port/);

  const text = await run('GET', 'https://x.b.example/');
  t.match(text, /\nserver name +x\.b\.example\nfilter chain +0\.0\.0\.0_443\/default\/edge\/b {2}.*mesh\.yaml:\d+\nTLS +MUTUAL, TLSv1\.3 to TLSv1\.3 {2}.*mesh\.yaml:\d+\ncertificate +kubernetes:\/\/edge\/missing, which is not in the snapshot: handshakes fail\nclient certificate +required, verified with kubernetes:\/\/edge\/missing, which is not in the snapshot: handshakes fail, for me\n/);
  t.match(await run('GET', 'tcp://anything:5432'), /\nfilter chain +0\.0\.0\.0_5432\/default\/bytes\.tcp\[0\].*\ndestination port +5432 \(the listener's own\)\nTCP route +default\/bytes {2}.*mesh\.yaml:\d+\n/);
});

t.test('connections of an application', async (t) => {
  const [db, slices] = [service('db', { port: 5432, portName: 'tcp', workloads: [{ port: 9083 }] }), service('web', { workloads: [{ port: 9081 }] })];
  const withAddress = db.map((resource) => (resource.kind === 'Service' ? { ...resource, spec: { ...(resource.spec as object), clusterIP: '10.1.1.1' } } : resource));
  const outside = [
    istio('ServiceEntry', 'outside', { hosts: ['outside.example'], addresses: ['10.1.1.9'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }, { number: 443, name: 'tls', protocol: 'TLS' }], resolution: 'STATIC', endpoints: [{ address: '127.0.0.2' }] }),
    istio('ServiceEntry', 'named', { hosts: ['named.example'], ports: [{ number: 8443, name: 'tls', protocol: 'TLS' }], resolution: 'DNS' }),
    virtualService('outside', { hosts: ['outside.example'], tls: [{ match: [{ port: 443, sniHosts: ['outside.example'] }], route: [{ destination: { host: 'outside.example', port: { number: 443 } } }] }] }),
  ];
  const file = join(t.testdir({ 'mesh.yaml': renderResources([...withAddress, ...slices, ...outside, virtualService('db', { tcp: [{ match: [{ port: 5432 }], route: [to('db')] }] })]) }), 'mesh.yaml');
  const ask = async (url: string): Promise<Explanation> => {
    let stdout = '';
    const code = await runExplain(['--config', file, '--labels', 'app=client', 'GET', url, '--json'], { env: {}, stdout: (text) => void (stdout += text), stderr: () => {} });
    t.equal(code, 0);
    return JSON.parse(stdout) as Explanation;
  };
  const routed = { listener: { name: '10.1.1.1_5432' }, connection: { filterChain: { name: /^10\.1\.1\.1_5432\// } }, virtualService: 'default/db', destinations: [{ cluster: 'outbound|5432||db.default.svc.cluster.local', endpoints: ['127.0.0.1:9083'] }], response: null };
  for (const url of ['tcp://10.1.1.1:5432', 'tcp://db:5432', 'tcp://db.default:5432', 'tcp://db.default.svc.cluster.local:5432']) t.match(await ask(url), routed, url);
  t.match(await ask('tcp://192.0.2.1:6379'), { listener: { name: 'virtualOutbound' }, destinations: [{ cluster: 'PassthroughCluster', endpoints: ['192.0.2.1:6379'] }] });
  t.match(await ask('tcp://192.0.2.1:15001'), { response: { status: 0, flag: 'UH', details: /own/ } }, 'a loop');

  const overTls = { connection: { transport: 'tls', serverName: 'outside.example', tls: null }, virtualService: 'default/outside', destinations: [{ cluster: 'outbound|443||outside.example' }], response: null };
  t.match(await ask('https://outside.example/x'), overTls, 'https is TLS to port 443, not a request to the only HTTP port');
  t.match(await ask('https://named.example:8443/'), { listener: { name: '0.0.0.0_8443' }, connection: { transport: 'tls' }, destinations: [{ cluster: 'outbound|8443||named.example' }] });
  t.match(await ask('https://web:9080/'), { routeTable: '9080', destinations: [{ cluster: 'outbound|9080||web.default.svc.cluster.local' }] }, 'a port of HTTP is asked about requests');
});
