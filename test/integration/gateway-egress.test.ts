/**
 * Gateways between workloads: an egress gateway that a sidecar reaches by mutual TLS and that speaks TLS to the world,
 * AUTO_PASSTHROUGH by server name, the PROXY protocol in and out.
 */

import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect as tlsConnect, createServer as createTlsServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import { TestAuthority, testFolder, writeWorkload } from '../support/certs.ts';
import { startEcho } from '../support/echo-mesh.ts';
import { Proxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawSocket } from '../support/raw-socket.ts';
import type { ResourceObject } from '../support/resources.ts';
import { istio, pod, service, to } from '../support/resources.ts';
import { eventually, inTime } from '../support/scope.ts';
import type { TestScope } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

type Fields = Readonly<Record<string, unknown>>;

const mesh = await TestAuthority.create('mesh');
const world = await TestAuthority.create('world');
const partner = await TestAuthority.create('partner');
const logLine = (text: string): Fields => JSON.parse(text) as Fields;

/** A server outside the mesh, which wants a certificate of its partners; answers who asked. */
async function partnerServer(t: TestScope): Promise<number> {
  const { certificateChain, privateKey } = await world.issue({ dns: ['api.example'] });
  const server = createServer({ cert: certificateChain, key: privateKey, ca: partner.root, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    const socket = request.socket as TLSSocket;
    // Each request meets the certificates of its own time.
    response.writeHead(200, { connection: 'close' });
    response.end(JSON.stringify({ client: socket.getPeerCertificate().subject.CN, sni: (socket as { servername?: unknown }).servername, host: request.headers.host, xfcc: request.headers['x-forwarded-client-cert'] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** As istio.io's task "Egress gateways with TLS origination" has it: two routes, two rules. */
function egress(apiPort: number, gatewayPort: number | undefined): readonly ResourceObject[] {
  const gatewayPod = pod('egress', { app: 'egress', istio: 'egressgateway', 'security.istio.io/tlsMode': 'istio' }, 'edge');
  const slice = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 'egress', namespace: 'edge', labels: { 'kubernetes.io/service-name': 'egress' } }, addressType: 'IPv4', ports: [{ name: 'https', port: gatewayPort ?? 1, protocol: 'TCP' }], endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true }, targetRef: { kind: 'Pod', name: 'egress', namespace: 'edge' } }] };
  return [
    gatewayPod,
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'egress', namespace: 'edge' }, spec: { selector: { app: 'egress' }, ports: [{ name: 'https', port: 443 }] } },
    slice as ResourceObject,
    istio('ServiceEntry', 'api', { hosts: ['api.example'], location: 'MESH_EXTERNAL', resolution: 'STATIC', ports: [{ number: 80, name: 'http', protocol: 'HTTP' }, { number: 443, name: 'https', protocol: 'HTTP', targetPort: apiPort }], endpoints: [{ address: '127.0.0.1' }] }),
    istio('Gateway', 'egress', { selector: { istio: 'egressgateway' }, servers: [{ port: { number: 443, name: 'https', protocol: 'HTTPS' }, hosts: ['api.example'], tls: { mode: 'ISTIO_MUTUAL' } }] }),
    istio('DestinationRule', 'to-egress', { host: 'egress.edge.svc.cluster.local', subsets: [{ name: 'api', trafficPolicy: { portLevelSettings: [{ port: { number: 443 }, tls: { mode: 'ISTIO_MUTUAL', sni: 'api.example' } }] } }] }),
    istio('VirtualService', 'api', {
      hosts: ['api.example'],
      gateways: ['egress', 'mesh'],
      http: [
        { match: [{ gateways: ['mesh'], port: 80 }], route: [{ destination: { host: 'egress.edge.svc.cluster.local', subset: 'api', port: { number: 443 } } }] },
        { match: [{ gateways: ['egress'], port: 443 }], route: [{ destination: { host: 'api.example', port: { number: 443 } } }] },
      ],
    }),
    istio('DestinationRule', 'originate', { host: 'api.example', trafficPolicy: { portLevelSettings: [{ port: { number: 443 }, tls: { mode: 'MUTUAL', credentialName: 'partner', sni: 'api.example', subjectAltNames: ['api.example'] } }] } }),
  ];
}

t.test('egress gateway: mutual TLS inside the mesh, TLS origination with a certificate from a Secret', async (t) => {
  const folder = testFolder(t);
  for (const name of ['edge/egress', 'default/client', 'edge/impostor']) writeWorkload(join(folder, name), await mesh.workload(name), mesh.root);
  const api = await partnerServer(t);
  const pair = await partner.issue({ subject: 'CN=our company' });
  const credential = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'partner', namespace: 'edge' }, stringData: { 'tls.crt': pair.certificateChain, 'tls.key': pair.privateKey, 'ca.crt': world.root } } as ResourceObject;
  const common = ['--access-log-format', 'json'];
  const gateway = await Proxy.start(t, { snapshot: [...egress(api, undefined), credential], mode: 'gateway', workload: 'edge/egress', args: [...common, '--certs', join(folder, 'edge/egress'), '--map-port', '443=0'] });
  const sidecar = await Proxy.start(t, { snapshot: [pod('client'), ...egress(api, gateway.port(443))], workload: 'default/client', args: [...common, '--certs', join(folder, 'default/client')] });
  const answer = await sidecar.request({ host: 'api.example', path: '/x' });
  t.equal(answer.status, 200, answer.text);
  t.match(JSON.parse(answer.text), { client: 'our company', sni: 'api.example', host: 'api.example', xfcc: /URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/client$/ });
  t.match(logLine(await sidecar.logLine('"path":"/x"')), { upstream_cluster: 'outbound|443|api|egress.edge.svc.cluster.local' });
  t.match(logLine(await gateway.logLine('"path":"/x"')), { upstream_cluster: 'outbound|443||api.example', requested_server_name: 'api.example', response_code: 200 });

  await gateway.write([...egress(api, undefined)]);
  const missing = await sidecar.request({ host: 'api.example', path: '/missing' });
  t.equal(missing.status, 503);
  t.match(logLine(await gateway.logLine('"path":"/missing"')), { response_flags: /UF/, upstream_transport_failure_reason: /Secret is not supplied|secret/i }, 'without the secret nothing is sent');
  await gateway.write([...egress(api, undefined), { ...credential, stringData: { 'tls.crt': pair.certificateChain, 'tls.key': pair.privateKey, 'ca.crt': partner.root } } as ResourceObject]);
  t.equal((await sidecar.request({ host: 'api.example', path: '/untrusted' })).status, 503, 'a server from an authority nobody trusts');
  t.match(logLine(await gateway.logLine('"path":"/untrusted"')), { upstream_transport_failure_reason: /CERTIFICATE_VERIFY_FAILED/ });
});

t.test('AUTO_PASSTHROUGH, PROXY protocol', async (t) => {
  const identity = await mesh.workload('default/web');
  const inner = createTlsServer({ cert: identity.certificateChain, key: identity.privateKey, ca: mesh.root, requestCert: true, ALPNProtocols: ['istio'] }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => socket.end(`inner ${socket.authorized} ${bytes.toString('latin1')}`));
  });
  inner.listen(0, '127.0.0.1');
  await once(inner, 'listening');
  t.teardown(() => inner.close());
  const echo = await startEcho(t, 'web');
  const bytes = await Upstream.start(t, { onConnection: (connection) => connection.socket.on('end', () => connection.end()) });
  const port = (inner.address() as AddressInfo).port;
  const auto = { port: { number: 15443, name: 'tls', protocol: 'TLS' }, hosts: ['*.local'], tls: { mode: 'AUTO_PASSTHROUGH' } };
  const servers = [auto, { port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }, { port: { number: 7000, name: 'tcp', protocol: 'TCP' }, hosts: ['*'] }];
  const resources: readonly ResourceObject[] = [
    pod('gate', { app: 'gate' }, 'edge'),
    istio('Gateway', 'gate', { selector: { app: 'gate' }, servers }, 'edge'),
    ...service('web', { workloads: [{ port, labels: { 'security.istio.io/tlsMode': 'istio' } }, { port: 1 }] }),
    ...service('plain', { workloads: [{ port: echo }] }),
    ...service('bytes', { port: 7000, portName: 'tcp', workloads: [{ port: bytes.port }] }),
    istio('DestinationRule', 'bytes', { host: 'bytes', trafficPolicy: { proxyProtocol: { version: 'V2' } } }),
    istio('DestinationRule', 'plain', { host: 'plain', trafficPolicy: { proxyProtocol: { version: 'V1' }, tls: { mode: 'DISABLE' } }, exportTo: ['.'] }, 'elsewhere'),
    istio('VirtualService', 'any', { hosts: ['*'], gateways: ['edge/gate'], http: [{ route: [to('plain')] }], tcp: [{ route: [to('bytes')] }] }),
  ];
  const proxy = await Proxy.start(t, { snapshot: resources, mode: 'gateway', workload: 'edge/gate', args: ['--access-log-format', 'json', '--map-port', '15443=0', '--map-port', '80=0', '--map-port', '7000=0'] });
  const client = await mesh.workload('default/client');
  const ask = (servername: string, alpn: readonly string[]): Promise<string> =>
    new Promise((resolve) => {
      let text = '';
      const socket = tlsConnect({ host: '127.0.0.1', port: proxy.port(15443), servername, ALPNProtocols: [...alpn], cert: client.certificateChain, key: client.privateKey, ca: mesh.root, checkServerIdentity: () => undefined }, () => socket.write('hi'));
      t.teardown(() => socket.destroy());
      socket.on('data', (data: Buffer) => (text += data.toString('latin1')));
      socket.on('error', () => {}).on('close', () => resolve(text));
    });
  const name = 'outbound_.9080_._.web.default.svc.cluster.local';

  await t.test('the server name says where to, for sidecars\' protocols', async (t) => {
    for (let i = 0; i < 4; i++) t.equal(await inTime(ask(name, ['istio']), 'the answer'), 'inner true hi', 'only the endpoint with mutual TLS');
    t.match(logLine(await proxy.logLine(`"requested_server_name":"${name}"`)), { upstream_cluster: name, response_flags: '-' });
    const refused: readonly (readonly [sni: string, alpn: readonly string[], flags: string])[] = [
      [name, ['http/1.1'], 'NR'],
      [name, [], 'NR'],
      ['outbound_.9080_._.plain.default.svc.cluster.local', ['istio'], 'UH'],
      ['outbound_.9080_._.unknown.default.svc.cluster.local', ['istio'], 'NC'],
      ['web.default.svc.cluster.local', ['istio'], 'NC'],
    ];
    for (const [sni, alpn, flags] of refused) {
      t.equal(await inTime(ask(sni, alpn), 'the end'), '', `${sni} ${alpn.join()}`);
      const line = await eventually(() => proxy.log.map(logLine).find((entry) => entry['requested_server_name'] === sni && String(entry['response_flags']).includes(flags)), `a line with ${flags} for ${sni}`);
      t.ok(line, flags);
    }
  });

  await t.test('PROXY header out', async (t) => {
    const socket = new RawSocket((await RawClient.connect(t, proxy.port(7000))).socket);
    const from = socket.socket.localPort ?? 0;
    socket.send('payload');
    const received = await eventually(() => (bytes.text.endsWith('payload') ? Buffer.from(bytes.text, 'latin1') : undefined), 'the bytes at the upstream');
    t.equal(received.subarray(0, 12).toString('hex'), '0d0a0d0a000d0a515549540a', "version 2's signature");
    t.equal(received.readUInt16BE(24), from, 'the client\'s port');
    t.equal(received.length, 28 + 'payload'.length);
    socket.end();
    await socket.closed();
  });

  await t.test('PROXY header in', async (t) => {
    const topology = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data: { mesh: 'defaultConfig: {gatewayTopology: {proxyProtocol: {}}}' } } as ResourceObject;
    t.equal((await proxy.write([...resources, topology])).lastAttempt, 'accepted');
    const named = await RawClient.connect(t, proxy.port(80));
    named.send('PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\nGET /in HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n');
    const answer = await named.response();
    t.equal(answer.status, 200);
    t.match(JSON.parse(answer.text), { headers: { 'x-forwarded-for': '192.0.2.7' } });
    t.match(logLine(await proxy.logLine('"path":"/in"')), { downstream_remote_address: '192.0.2.7:4711', downstream_local_address: '198.51.100.1:80' });
    const bare = await RawClient.connect(t, proxy.port(80));
    bare.send('GET / HTTP/1.1\r\nHost: any\r\n\r\n');
    await bare.closed();
    await eventually(() => /refused: PROXY protocol: /.exec(proxy.stderr), 'the line about a missing header');
  });
});
