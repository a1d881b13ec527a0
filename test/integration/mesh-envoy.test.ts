/** Pods with the real Envoy in them, set as Istio sets it: its mutual TLS to our sidecar's inbound side, and ours to its. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Mesh, podService, type Pod } from '../support/pods.ts';
import { namespacesMissing } from '../support/namespace.ts';
import { envoy, program } from '../support/programs.ts';
import { destinationRule, type ResourceObject } from '../support/resources.ts';

const missing = ['iptables-restore', 'curl', 'setpriv'].map((name) => program(name).missing).find((reason) => reason !== false);
const skip = missing ?? (envoy().missing || namespacesMissing());

/** Answers every request with its headers; on another port, greets and says in capitals what it is told. */
const APPLICATION = `const http = require('node:http');
const net = require('node:net');
const { name, host, web, echo } = JSON.parse(process.argv[1]);
Promise.all([
  new Promise((resolve) => http.createServer((request, response) => response.end(JSON.stringify({ name, headers: request.headers }))).listen(web, host, resolve)),
  new Promise((resolve) => net.createServer((socket) => {
    socket.setEncoding('utf8').on('error', () => {}).on('data', (text) => socket.end(text.toUpperCase()));
    socket.write('220 ' + name + '\\n');
  }).listen(echo, host, resolve)),
]).then(() => console.log('ready'));`;

const TCP_CLIENT = `const net = require('node:net');
const { host, port } = JSON.parse(process.argv[1]);
let text = '';
const socket = net.connect({ host, port, timeout: 20000 });
const say = (how) => { console.log(JSON.stringify({ how, text })); process.exit(); };
socket.setEncoding('utf8').on('data', (part) => { if (text === '') socket.write('words\\n'); text += part; });
socket.on('error', (error) => say(error.code)).on('end', () => say('end')).on('timeout', () => say('timeout'));`;

const TYPE = 'type.googleapis.com/envoy.extensions';
const HTTP_PROTOCOL = `${TYPE}.upstreams.http.v3.HttpProtocolOptions`;

const typed = (name: string, type: string, config: object = {}): object => ({ name, typed_config: { '@type': `${TYPE}.${type}`, ...config } });
const at = (address: string, port: number): object => ({ socket_address: { address, port_value: port } });
const identityOf = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;

/** What both sides of Istio's mutual TLS have: the workload's own certificate, the mesh's root, the identities let in. */
function tlsContext(certs: string, root: string, identities: readonly string[], alpn: readonly string[], more: object = {}): object {
  return {
    tls_certificates: certs === '' ? [] : [{ certificate_chain: { filename: join(certs, 'cert-chain.pem') }, private_key: { filename: join(certs, 'key.pem') } }],
    validation_context: {
      trusted_ca: { filename: join(root, 'root-cert.pem') },
      match_typed_subject_alt_names: identities.map((exact) => ({ san_type: 'URI', matcher: { exact } })),
    },
    alpn_protocols: alpn,
    ...more,
  };
}

/** A listener of the client's Envoy that leads to `to` by mutual TLS. */
interface Way {
  readonly port: number;
  readonly to: readonly [address: string, port: number];
  readonly kind: 'http' | 'tcp';
  readonly tls: object;
  readonly sni: string;
}

function wayCluster({ port, to, kind, tls, sni }: Way): object {
  return {
    name: `to-${port}`,
    type: 'STATIC',
    connect_timeout: '5s',
    load_assignment: { cluster_name: `to-${port}`, endpoints: [{ lb_endpoints: [{ endpoint: { address: at(...to) } }] }] },
    transport_socket: typed('envoy.transport_sockets.tls', 'transport_sockets.tls.v3.UpstreamTlsContext', { common_tls_context: tls, sni }),
    // Each request a connection of its own, so that sessions are resumed.
    ...(kind === 'http' && { typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': { '@type': HTTP_PROTOCOL, common_http_protocol_options: { max_requests_per_connection: 1 }, explicit_http_config: { http_protocol_options: {} } } } }),
  };
}

function httpFilter(cluster: string, more: object = {}): object {
  return typed('envoy.filters.network.http_connection_manager', 'filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: cluster,
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster } }] }] },
    http_filters: [typed('envoy.filters.http.router', 'filters.http.router.v3.Router')],
    ...more,
  });
}

function tcpFilter(cluster: string): object {
  return typed('envoy.filters.network.tcp_proxy', 'filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: cluster, cluster });
}

function clientEnvoy(ways: readonly Way[]): object {
  return {
    static_resources: {
      listeners: ways.map(({ port, kind }) => ({ name: `at-${port}`, address: at('127.0.0.1', port), filter_chains: [{ filters: [kind === 'http' ? httpFilter(`to-${port}`) : tcpFilter(`to-${port}`)] }] })),
      clusters: ways.map(wayCluster),
    },
  };
}

const ISTIO_HTTP = ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'];
const ISTIO_TCP = ['istio-peer-exchange', 'istio'];

/** Istio's inbound listener: mutual TLS only, HTTP and bytes told apart by ALPN. Each port lets one identity in. */
function serverEnvoy(ports: readonly (readonly [port: number, letsIn: string])[], certs: string): object {
  const local = (name: string, port: number): object => ({ name, type: 'STATIC', load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: at('127.0.0.1', port) } }] }] } });
  const details = { forward_client_cert_details: 'SANITIZE_SET', set_current_client_cert_details: { subject: true, uri: true } };
  const listeners = ports.map(([port, letsIn]) => {
    const secured = (application_protocols: readonly string[], filter: object): object => ({
      filter_chain_match: { transport_protocol: 'tls', application_protocols },
      transport_socket: typed('envoy.transport_sockets.tls', 'transport_sockets.tls.v3.DownstreamTlsContext', {
        common_tls_context: tlsContext(certs, certs, [letsIn], ['istio-peer-exchange', 'h2', 'http/1.1']),
        require_client_certificate: true,
      }),
      filters: [filter],
    });
    return {
      name: `inbound-${port}`,
      address: at('0.0.0.0', port),
      listener_filters: [typed('envoy.filters.listener.tls_inspector', 'filters.listener.tls_inspector.v3.TlsInspector')],
      filter_chains: [secured(ISTIO_HTTP, httpFilter('web', details)), secured(ISTIO_TCP, tcpFilter('echo'))],
    };
  });
  return { static_resources: { listeners, clusters: [local('web', 8080), local('echo', 8081)] } };
}

t.test('pods', { skip, timeout: 240_000 }, async (t) => {
  const mesh = new Mesh(t);
  const [ours, envoyClient, envoyServer] = [mesh.pod('ours'), mesh.pod('envoy-client'), mesh.pod('envoy-server')];
  const addresses = { ours: ['10.96.0.30', 'fd00:96::30'], 'envoy-server': ['10.96.0.31', 'fd00:96::31'] };
  mesh.resolve(addresses);
  const strict: ResourceObject = { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name: 'default', namespace: 'default' }, spec: { mtls: { mode: 'STRICT' } } };
  const base: readonly ResourceObject[] = [
    ...podService('ours', { pods: [ours], ports: [{ name: 'http', port: 9080 }, { name: 'tcp-echo', port: 7100 }], addresses: addresses.ours }),
    ...podService('envoy-server', { pods: [envoyServer], ports: [{ name: 'http', port: 9080 }, { name: 'http-nobody', port: 9081 }, { name: 'tcp-echo', port: 7100 }], addresses: addresses['envoy-server'] }).filter(({ metadata }) => !metadata.name.endsWith('ipv6')),
    strict,
  ];
  await mesh.issue('ours', 'envoy-client', 'envoy-server');
  const foreign = await mesh.foreign('envoy-client');
  await mesh.configure(base);

  const start = async (pod: Pod, config: object): Promise<void> => {
    const file = join(mesh.folder, `${pod.name}.json`);
    writeFileSync(file, JSON.stringify(config));
    await pod.start(envoy().path, ['-c', file, '--concurrency', '1', '--log-level', 'info', '--disable-hot-restart'], 'starting workers');
  };
  const [certs, serverCerts] = [mesh.certs('envoy-client'), mesh.certs('envoy-server')];
  const sni = 'outbound_.9080_._.ours.default.svc.cluster.local';
  const oursOnly = [identityOf('ours')];
  const alpn = ['istio-http/1.1', 'istio', 'http/1.1'];
  const web = { kind: 'http', to: [ours.ip, 9080], sni } as const;
  const ways: readonly Way[] = [
    { ...web, port: 9001, tls: tlsContext(certs, certs, oursOnly, alpn) },
    { ...web, port: 9002, tls: tlsContext(certs, certs, [identityOf('somebody')], alpn) },
    { ...web, port: 9003, tls: tlsContext(foreign, certs, oursOnly, alpn) },
    { ...web, port: 9004, tls: tlsContext('', certs, oursOnly, alpn) },
    { ...web, port: 9005, tls: tlsContext(certs, certs, oursOnly, alpn, { tls_params: { tls_maximum_protocol_version: 'TLSv1_2' } }) },
    { port: 9006, kind: 'tcp', to: [ours.ip, 7100], sni: 'outbound_.7100_._.ours.default.svc.cluster.local', tls: tlsContext(certs, certs, oursOnly, ISTIO_TCP) },
  ];
  await ours.serve(APPLICATION, { name: 'ours', host: '0.0.0.0', web: 9080, echo: 7100 });
  await envoyServer.serve(APPLICATION, { name: 'envoy-server', host: '127.0.0.1', web: 8080, echo: 8081 });
  const [sidecar] = await Promise.all([
    ours.inject(),
    start(envoyClient, clientEnvoy(ways)),
    start(envoyServer, serverEnvoy([[9080, identityOf('ours')], [9081, identityOf('nobody')], [7100, identityOf('ours')]], serverCerts)),
  ]);
  const headersOf = ({ body }: { readonly body: string }): Readonly<Record<string, string>> => (JSON.parse(body) as { headers: Record<string, string> }).headers;
  const ask = async (pod: Pod, host: string, port: number): Promise<unknown> => JSON.parse((await pod.run(process.execPath, '-e', TCP_CLIENT, JSON.stringify({ host, port }))).stdout);

  await t.test('Envoy to us', async (t) => {
    for (const path of ['/first', '/resumed', '/again']) {
      const answer = await envoyClient.curl(`http://127.0.0.1:9001${path}`);
      t.match(answer, { status: 200, body: /"name":"ours"/ }, path);
      const xfcc = headersOf(answer)['x-forwarded-client-cert'];
      t.match(xfcc, `URI=${identityOf('envoy-client')}`);
      t.match(xfcc, `By=${identityOf('ours')}`);
      t.match(xfcc, /Hash=[0-9a-f]{64}/);
      t.match(await sidecar.logLine(`GET ${path}`), sni);
    }
    t.match(await envoyClient.curl('http://127.0.0.1:9005/tls-1.2'), { status: 200, body: /"name":"ours"/ }, 'TLS 1.2');
    t.same(await ask(envoyClient, '127.0.0.1', 9006), { how: 'end', text: '220 ours\nWORDS\n' }, 'bytes');
    t.match(await envoyClient.curl(`http://${ours.ip}:9080/plain`), { status: 0 }, 'plain text is refused');
  });

  await t.test('Envoy to us, refused', async (t) => {
    t.match(await envoyClient.curl('http://127.0.0.1:9002/'), { status: 503 }, 'Envoy wants another identity');
    await sidecar.said(/refused: TLS: .*the client refused with the alert certificate unknown/);
    t.match(await envoyClient.curl('http://127.0.0.1:9003/'), { status: 503 }, 'a certificate of another authority');
    await sidecar.said(/refused: TLS: client certificate of spiffe:\/\/cluster\.local\/ns\/default\/sa\/envoy-client is from an unknown authority/);
    t.match(await envoyClient.curl('http://127.0.0.1:9004/'), { status: 503 }, 'no certificate');
    await sidecar.said(/refused: TLS: .*(?:no|without a) (?:client )?certificate/);
    t.notOk(sidecar.log.some((line) => /"GET \/ /.test(line)), 'no request came through');
  });

  await t.test('we to Envoy', async (t) => {
    for (const path of ['/first', '/kept']) {
      const answer = await ours.curl(`http://envoy-server:9080${path}`);
      t.match(answer, { status: 200, body: /"name":"envoy-server"/ }, path);
      t.match(headersOf(answer)['x-forwarded-client-cert'], new RegExp(`By=${identityOf('envoy-server')};Hash=[0-9a-f]{64};.*URI=${identityOf('ours')}`));
    }
    t.same(await ask(ours, 'envoy-server', 7100), { how: 'end', text: '220 envoy-server\nWORDS\n' }, 'bytes');
  });

  await t.test('we to Envoy, refused', async (t) => {
    t.match(await ours.curl('http://envoy-server:9081/letin'), { status: 503 }, 'Envoy wants another identity');
    t.match(await sidecar.logLine('GET /letin'), / 503 \S*U[FC]/);
    await mesh.configure([...base, destinationRule('envoy-server', [], { trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL', subjectAltNames: [identityOf('somebody')] } } })]);
    t.match(await ours.curl('http://envoy-server:9080/verified'), { status: 503 }, 'we want another identity');
    t.match(await sidecar.logLine('GET /verified'), /503 \S*UF.*CERTIFICATE_VERIFY_FAILED/);
    t.match(sidecar.stderr, `${identityOf('envoy-server')}`);
    await mesh.configure(base);
    t.match(await ours.curl('http://envoy-server:9080/'), { status: 200 }, 'and again the right one');
  });
});
