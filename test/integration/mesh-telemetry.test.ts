/** What a mesh of pods tells of itself: who called whom by certificate and metadata, in metrics, log and headers; TCP connections while they last. */

import t from 'tap';
import { namespacesMissing } from '../support/namespace.ts';
import { Mesh, podService } from '../support/pods.ts';
import type { Sidecar } from '../support/pods-sidecar.ts';
import { program } from '../support/programs.ts';
import { parsePrometheus, type PrometheusSample } from '../support/prometheus-text.ts';
import type { ResourceObject } from '../support/resources.ts';
import { eventually } from '../support/scope.ts';

const missing = ['iptables-restore', 'curl', 'setpriv'].map((name) => program(name).missing).find((reason) => reason !== false);
const skip = missing ?? namespacesMissing();

/** HTTP on 9080 tells the headers it saw; 7000 answers each line with it, and ends when told `bye`. */
const APPLICATION = `const http = require('node:http');
const net = require('node:net');
const line = net.createServer((socket) => socket.on('data', (bytes) => (String(bytes) === 'bye\\n' ? socket.end() : socket.write(bytes))).on('error', () => {}));
const web = http.createServer((request, response) => response.end(JSON.stringify(request.headers)));
web.listen(9080, '::', () => line.listen(7000, '::', () => console.log('ready')));`;

/** Says hello, waits for the echo, and says goodbye when the file is gone. */
const TCP_CLIENT = `const net = require('node:net');
const fs = require('node:fs');
const [host, until] = process.argv.slice(1);
const socket = net.connect({ host, port: 7000 }, () => socket.write('hello\\n'));
socket.once('data', (bytes) => {
  fs.writeFileSync(until, String(bytes));
  const wait = setInterval(() => { if (!fs.existsSync(until)) { clearInterval(wait); socket.write('bye\\n'); } }, 20);
}).on('end', () => socket.end()).on('close', () => process.exit());`;

const ADDRESS = '10.96.0.10';
const identity = (name: string): string => `spiffe://cluster.local/ns/default/sa/${name}`;

function samples(sidecar: Sidecar | undefined, family: string): readonly PrometheusSample[] {
  return parsePrometheus(sidecar?.admin('/stats/prometheus') ?? '').get(family)?.samples ?? [];
}

t.test('telemetry of a mesh', { skip, timeout: 240_000 }, async (t) => {
  const mesh = new Mesh(t);
  const [productpage, reviews, legacy] = [mesh.pod('productpage', { labels: { version: 'v7' } }), mesh.pod('reviews', { labels: { version: 'v3' } }), mesh.pod('legacy', { sidecar: false })];
  mesh.resolve({ reviews: [ADDRESS] });
  const base = podService('reviews', { pods: [reviews], ports: [{ name: 'http', port: 9080 }, { name: 'tcp-line', port: 7000 }], addresses: [ADDRESS] });
  const strict: ResourceObject = { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name: 'default', namespace: 'default' }, spec: { mtls: { mode: 'STRICT' } } };
  await mesh.issue('productpage', 'reviews');
  await mesh.configure(base);
  await reviews.serve(APPLICATION, null);
  await Promise.all([productpage.inject(), reviews.inject()]);
  const client = { source_principal: identity('productpage'), source_app: 'productpage', source_version: 'v7', source_workload_namespace: 'default', source_canonical_service: 'productpage', source_canonical_revision: 'v7' };
  const server = { destination_principal: identity('reviews'), destination_app: 'reviews', destination_version: 'v3', destination_workload_namespace: 'default', destination_service_name: 'reviews' };

  await t.test('a request over mutual TLS', async (t) => {
    const { body } = await productpage.curl('http://reviews:9080/seen', '--include', '-H', 'x-envoy-peer-metadata: forged', '-H', 'x-forwarded-client-cert: By=forged');
    t.notMatch(body, 'x-envoy-peer-metadata', 'neither the application nor the client sees what the sidecars told each other');
    t.match(body, new RegExp(`"x-forwarded-client-cert":"By=${identity('reviews')};Hash=[0-9a-f]{64};Subject=.*;URI=${identity('productpage')}`));
    t.match(body, '"x-forwarded-proto":"http"', 'set by the client\'s sidecar, to which it came in plain text');
    const [outbound] = samples(productpage.sidecar, 'istio_requests_total');
    t.match(outbound?.labels, { reporter: 'source', ...client, ...server, request_protocol: 'http', response_code: '200', connection_security_policy: 'unknown' });
    const [inbound] = samples(reviews.sidecar, 'istio_requests_total');
    t.match(inbound?.labels, { reporter: 'destination', ...client, ...server, connection_security_policy: 'mutual_tls' });
    t.equal(inbound?.labels['source_workload'], outbound?.labels['source_workload'], 'the server knows the workload by its name');
    t.not(inbound?.labels['source_workload'], 'unknown');
  });

  await t.test('a request in plain text', async (t) => {
    t.match((await legacy.curl(`http://${reviews.ip}:9080/plain`, '-H', 'x-envoy-peer-metadata-id: a', '-H', 'x-envoy-peer-metadata: forged', '-H', 'x-forwarded-client-cert: By=forged')).body, /^(?!.*forged)/s);
    const plain = samples(reviews.sidecar, 'istio_requests_total').find(({ labels }) => labels['connection_security_policy'] === 'none');
    t.match(plain?.labels, { source_principal: 'unknown', source_workload: 'unknown', source_app: 'unknown', destination_principal: 'unknown', destination_app: 'reviews' });
  });

  await t.test('a TCP connection, while it lasts and at its end', async (t) => {
    const until = `${mesh.folder}/connected`;
    const ended = productpage.run(process.execPath, '-e', TCP_CLIENT, 'reviews', until);
    const opened = async (sidecar: Sidecar | undefined): Promise<PrometheusSample> => eventually(() => samples(sidecar, 'istio_tcp_connections_opened_total')[0], 'an open connection is counted', 30_000);
    const labels = { ...server, source_principal: identity('productpage'), request_protocol: 'tcp', response_flags: '-' };
    t.match((await opened(productpage.sidecar)).labels, { ...labels, ...client, reporter: 'source', connection_security_policy: 'unknown' });
    t.match((await opened(reviews.sidecar)).labels, { ...labels, reporter: 'destination', source_workload_namespace: 'default', source_workload: 'unknown', connection_security_policy: 'mutual_tls' });
    for (const { sidecar } of [productpage, reviews]) {
      const bytes = (way: 'sent' | 'received'): number | undefined => samples(sidecar, `istio_tcp_${way}_bytes_total`)[0]?.value;
      await eventually(() => bytes('sent') === 6 && bytes('received') === 6, 'its bytes are counted before its end', 30_000);
      t.equal(samples(sidecar, 'istio_tcp_connections_closed_total')[0]?.value, 0);
      t.notOk(sidecar?.log.some((line) => line.includes(':7000')), 'but not yet in the log');
    }
    await productpage.run('rm', until);
    await ended;
    const tcp = (cluster: string, local: string): RegExp => new RegExp(`^\\[[^\\]]+\\] "- - -" 0 - - - "-" 10 6 \\d+ - "-" "-" "-" "-" "\\S+:7000" ${cluster} \\S+:\\d+ ${local} \\S+:\\d+ \\S+ -$`);
    t.match(await productpage.sidecar?.logLine('outbound|7000||reviews'), tcp('outbound\\|7000\\|\\|reviews\\.default\\.svc\\.cluster\\.local', `${ADDRESS}:7000`));
    t.match(await reviews.sidecar?.logLine('inbound|7000||'), tcp('inbound\\|7000\\|\\|', '\\S+:7000'));
    for (const { sidecar } of [productpage, reviews]) {
      const counted = ['opened', 'closed'].map((what) => samples(sidecar, `istio_tcp_connections_${what}_total`).map(({ value }) => value));
      t.same([...counted, samples(sidecar, 'istio_tcp_received_bytes_total').map(({ value }) => value)], [[1], [1], [10]]);
      t.notOk(samples(sidecar, 'istio_requests_total').some(({ labels }) => labels['request_protocol'] === 'tcp'));
    }
  });

  await t.test('refused before anybody serves it', async (t) => {
    await mesh.configure([...base, strict]);
    const before = samples(reviews.sidecar, 'istio_requests_total').length;
    t.match(await legacy.curl(`http://${reviews.ip}:9080/refused`), { status: 0 });
    t.match(await reviews.sidecar?.logLine('filter_chain_not_found'), new RegExp(`"- - -" 0 NR filter_chain_not_found - "-" 0 0 \\d+ - "-" "-" "-" "-" "-" - - ${reviews.ip}:9080 ${legacy.ip}:\\d+ - -$`));
    t.equal(samples(reviews.sidecar, 'istio_requests_total').length, before);
  });
});
