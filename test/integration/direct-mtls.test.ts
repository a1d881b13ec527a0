/** A mesh without interception: one sidecar reaches the other's inbound port over mutual TLS, and nobody else does under STRICT. */

import { join } from 'node:path';
import { connect, type ConnectionOptions } from 'node:tls';
import t from 'tap';
import { TestAuthority, testFolder, writeWorkload } from '../support/certs.ts';
import { Proxy } from '../support/proxy.ts';
import { istio, pod, service, type ResourceObject } from '../support/resources.ts';
import { eventually, inTime } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

const MESH_HTTP = ['istio-http/1.1', 'istio', 'http/1.1'];

function mode(name: 'STRICT' | 'PERMISSIVE' | 'DISABLE'): ResourceObject {
  return { ...istio('PeerAuthentication', 'default', { mtls: { mode: name } }), apiVersion: 'security.istio.io/v1' };
}

/** The account that the server's certificate is for. */
function runAsWeb(resource: ResourceObject): ResourceObject {
  return resource.kind === 'Pod' ? { ...resource, spec: { ...(resource.spec as object), serviceAccountName: 'web' } } : resource;
}

/** Text of the answer to one GET, or how it was refused. */
async function ask(port: number, host: string, options: ConnectionOptions): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: MESH_HTTP, ...options });
  let text = '';
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
  socket.on('secureConnect', () => socket.write(`GET /tls HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`));
  const ended = new Promise<string>((resolve) => {
    socket.on('error', ({ message }) => resolve(message));
    socket.on('close', () => resolve(text));
  });
  return inTime(ended, 'an end').finally(() => socket.destroy());
}

t.test('the inbound port speaks mutual TLS to the mesh, and plain HTTP where the mode lets it', async (t) => {
  const mesh = await TestAuthority.create();
  const folder = testFolder(t);
  for (const name of ['default/web', 'default/client']) writeWorkload(join(folder, name), await mesh.workload(name), mesh.root);
  const upstream = await Upstream.start(t, { onRequest: (request) => request.answer({ body: `xfcc ${request.header('x-forwarded-client-cert') ?? 'none'}` }) });
  // The port of the service is the application's own.
  const web = { port: upstream.port, workloads: [{ port: upstream.port }] };
  const host = `web:${upstream.port}`;
  const snapshot = (...more: ResourceObject[]): ResourceObject[] => [pod('web'), ...service('web', web), ...more];
  const server = await Proxy.start(t, { snapshot: snapshot(mode('STRICT')), workload: 'default/web', args: ['--certs', join(folder, 'default/web'), '--access-log-format', 'json'] });
  const { inbound = 0 } = server.ports;
  const { certificateChain: cert, privateKey: key } = await mesh.workload('default/client');

  t.match(await ask(inbound, host, { cert, key }), /^HTTP\/1\.1 200 OK[^]*xfcc By=spiffe:\/\/cluster\.local\/ns\/default\/sa\/web;Hash=[0-9a-f]{64};Subject="";URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/client$/);
  t.notMatch(await ask(inbound, host, {}), /200 OK/, 'nobody without a certificate');
  const stranger = await (await TestAuthority.create('another CA')).workload('default/client');
  t.notMatch(await ask(inbound, host, { cert: stranger.certificateChain, key: stranger.privateKey }), /200 OK/, 'nor with another authority\'s');
  t.match(await server.request({ host, path: '/plain' }, inbound), { status: 403, text: 'mutual TLS is required' });

  await server.write(snapshot(mode('PERMISSIVE')));
  await eventually(async () => (await server.request({ host, path: '/plain' }, inbound)).status === 200, 'plain text to be served');
  t.match(await ask(inbound, host, { cert, key }), /200 OK/);
  await server.write(snapshot(mode('DISABLE')));
  await eventually(async () => !(await ask(inbound, host, { cert, key })).includes('200 OK'), 'TLS to end');
  t.match(await server.request({ host, path: '/plain' }, inbound), { status: 200, text: 'xfcc none' });
});

t.test('automatic mutual TLS from one sidecar to the other', async (t) => {
  const mesh = await TestAuthority.create();
  const folder = testFolder(t);
  for (const name of ['default/web', 'default/client']) writeWorkload(join(folder, name), await mesh.workload(name), mesh.root);
  const upstream = await Upstream.start(t, { onRequest: (request) => request.answer({ body: request.header('x-forwarded-client-cert') ?? 'none' }) });
  const server = await Proxy.start(t, {
    snapshot: [pod('web'), ...service('web', { port: upstream.port, workloads: [{ port: upstream.port }] }), mode('STRICT')],
    workload: 'default/web',
    args: ['--certs', join(folder, 'default/web')],
  });
  const meshed = { port: server.ports.inbound ?? 0, labels: { 'security.istio.io/tlsMode': 'istio' } };
  const client = await Proxy.start(t, { snapshot: [pod('client'), ...service('web', { port: upstream.port, workloads: [meshed] }).map(runAsWeb)], workload: 'default/client', args: ['--certs', join(folder, 'default/client')] });
  const answer = await client.request({ host: `web:${upstream.port}`, path: '/' });
  t.equal(answer.status, 200, answer.text);
  t.match(answer.text, /URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/client$/);
  const metrics = await server.request({ path: '/stats/prometheus' }, server.ports.metrics);
  t.match(metrics.text, /istio_requests_total\{reporter="destination",[^\n]*source_principal="spiffe:\/\/cluster\.local\/ns\/default\/sa\/client"[^\n]*connection_security_policy="mutual_tls"/);
});
