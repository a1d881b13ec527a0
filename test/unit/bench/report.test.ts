/** The bench's own arithmetic: a benchmark that miscounts is worse than none. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Certificate, Certificates } from '../../../bench/certificates.ts';
import { cpuMicros, residentMb } from '../../../bench/measure/usage.ts';
import { parseOptions } from '../../../bench/options.ts';
import { envoyBootstrap } from '../../../bench/proxies/envoy-config.ts';
import { gatewayBootstrap, inboundHopBootstrap, outboundHopBootstrap } from '../../../bench/proxies/envoy-mesh.ts';
import { peers } from '../../../bench/proxies/index.ts';
import { renderScenario } from '../../../bench/report.ts';
import { scenarios } from '../../../bench/scenarios/index.ts';
import { writeGatewaySnapshot, writeInboundHopSnapshot, writeOutboundHopSnapshot, writeTcpSnapshot } from '../../../bench/snapshots/mesh.ts';
import { writePolicySnapshot } from '../../../bench/snapshots/policies.ts';
import { summarise } from '../../../bench/statistics.ts';
import { judge, targets, type Target } from '../../../bench/targets.ts';
import { policyNames, type Metric, type PeerPlan, type Sample } from '../../../bench/types.ts';
import { compile } from '../../../config/compile/index.ts';
import type { NodeOptions } from '../../../config/compile/node.ts';
import type { RuntimeConfig } from '../../../config/runtime/runtime-config.ts';
import { snapshotOf } from '../../support/findings.ts';
import { CLIENT } from '../config/compile/compiled.ts';

function samples(peer: string, metric: Metric, ...values: readonly number[]): Sample[] {
  return values.map((value) => ({ peer, metric, value }));
}

t.test('summaries', (t) => {
  t.same(summarise(samples('a', 'p50Us', 3, 1, 2), 'a', 'p50Us'), { median: 2, min: 1, max: 3, rounds: 3 });
  t.same(summarise(samples('a', 'p50Us', 10, 9, 1, 2), 'a', 'p50Us'), { median: 5.5, min: 1, max: 10, rounds: 4 }, 'numbers, not texts, are sorted');
  t.equal(summarise(samples('a', 'p50Us', 1), 'b', 'p50Us'), undefined);
  t.end();
});

t.test('verdicts', (t) => {
  const target: Target = { text: 'x', scenario: 's', metric: 'cpuUsPerRequest', peer: 'outrider', against: 'nginx', limit: 1.5 };
  const base = samples('nginx', 'cpuUsPerRequest', 10, 10, 10);
  t.match(judge(target, [...base, ...samples('outrider', 'cpuUsPerRequest', 15)]), { measured: 1.5, met: true });
  t.match(judge(target, [...base, ...samples('outrider', 'cpuUsPerRequest', 16)]), { measured: 1.6, met: false });
  t.equal(judge(target, base).met, undefined, 'not measured is neither');
  const most: Target = { text: 'x', scenario: 's', metric: 'mbPerCpuSecond', peer: 'outrider', against: 'haproxy', limit: 0.7, atLeast: true };
  const rate = samples('haproxy', 'mbPerCpuSecond', 2000);
  t.match(judge(most, [...rate, ...samples('outrider', 'mbPerCpuSecond', 1400)]), { measured: 0.7, met: true }, 'high is good');
  t.match(judge(most, [...rate, ...samples('outrider', 'mbPerCpuSecond', 1399)]), { met: false });
  t.match(judge({ text: 'x', scenario: 's', metric: 'reloadMs', peer: 'outrider', limit: 1000 }, samples('outrider', 'reloadMs', 900)), { measured: 900, met: true });
  t.end();
});

t.test('every target names a scenario that runs', (t) => {
  t.same(targets.map((target) => target.scenario).filter((name) => !scenarios.some((scenario) => scenario.name === name)), []);
  t.end();
});

t.test('every target names peers of its scenario', (t) => {
  const admitted = (scenario: string, name: string | undefined): boolean =>
    name === undefined || peers.some((peer) => peer.name === name && scenarios.some((each) => each.name === scenario && each.admits(peer)));
  t.same(targets.filter((target) => !admitted(target.scenario, target.peer) || !admitted(target.scenario, target.against)), []);
  t.end();
});

t.test('all policies behind a sidecar\'s filters are judged by a target of their own', (t) => {
  const name = 'envoy-sidecar-all-policies';
  t.match(targets.filter(({ against }) => against === name), [{ scenario: 'policies', peer: 'outrider-all-policies', metric: 'cpuUsPerRequest', limit: 0.5 }]);
  const at = peers.findIndex((peer) => peer.name === name);
  t.equal(peers[at - 1]?.name, 'envoy-all-policies', 'measured right after the router-only one');
  const shape = { policy: 'all-policies', filters: 'sidecar' } as const;
  const envoy = envoyBootstrap({ work: 'http', listenPort: 1, upstreamPort: 1001, upstreamPorts: [1001, 1002, 1003], folder: t.testdir() }, shape);
  t.same(['envoy.filters.http.grpc_stats', 'envoy.filters.http.fault', 'envoy.filters.http.cors', 'retry_budget', 'outlier_detection'].filter((word) => !envoy.includes(`"${word}"`)), []);
  t.end();
});

t.test('what the policies scenario configures is what its rows say', (t) => {
  const rows = policyNames.map((policy) => {
    const folder = t.testdir();
    writePolicySnapshot(folder, [1001, 1002, 1003], policy);
    const snapshot = snapshotOf(readFileSync(join(folder, 'bench.yaml'), 'utf8'));
    t.same(snapshot.problems.filter(({ severity }) => severity === 'error'), [], `${policy}: the snapshot loads`);
    const envoy = envoyBootstrap({ work: 'http', listenPort: 1, upstreamPort: 1001, upstreamPorts: [1001, 1002, 1003], folder }, { policy });
    const has = (...words: readonly string[]): boolean => words.every((word) => envoy.includes(`"${word}"`));
    return [policy, has('per_try_timeout'), has('retry_budget'), has('outlier_detection'), has('request_mirror_policies'), has('hash_policy'), has('string_match')];
  });
  t.same(rows, [
    ['plain', false, false, false, false, false, false],
    ['all-policies', true, true, true, false, false, true],
    ['retries-idle', true, false, false, false, false, false],
    ['breakers', false, true, false, false, false, false],
    ['outlier', false, false, true, false, false, false],
    ['mirror', false, false, false, true, false, false],
    ['consistent-hash', false, false, false, false, true, false],
  ]);
  t.end();
});

const certificates: Certificates = { root: '/certs/root-cert.pem', gateway: certificate('gateway'), client: certificate('client'), server: certificate('server') };

function certificate(name: string): Certificate {
  return { folder: `/certs/${name}`, chain: `/certs/${name}/cert-chain.pem`, key: `/certs/${name}/key.pem` };
}

/** What a proxy of ours makes of the files in `folder`. */
function compiledFrom(folder: string, node: Partial<NodeOptions>): RuntimeConfig {
  const snapshot = snapshotOf(readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8')).join('---\n'));
  return compile(snapshot, { ...CLIENT, ip: '127.0.0.1', ...node }).config;
}

t.test('both sides of a mutual TLS hop verify each other, ours and Envoy\'s', (t) => {
  const folder = t.testdir();
  const [out, inside] = [join(folder, 'out'), join(folder, 'in')];
  for (const each of [out, inside]) mkdirSync(each);
  writeOutboundHopSnapshot(out, 4001);
  writeInboundHopSnapshot(inside, 4001, 4002);
  const identity = 'spiffe://cluster.local/ns/default/sa/bench';
  const cluster = compiledFrom(out, { hasIdentity: true }).clusters['outbound|8080||bench.default.svc.cluster.local'];
  t.match(cluster, { tls: { mode: 'AUTO', identity: { kind: 'workload' }, trust: { kind: 'workload' }, subjectAltNames: [identity] } }, 'the server\'s identity');
  t.ok(JSON.stringify(cluster).includes('"tlsMode":"istio"'), 'its host is one that takes mutual TLS');
  const { listeners } = compiledFrom(inside, { name: 'bench-1', serviceAccount: 'bench', labels: { app: 'bench' }, hasIdentity: true });
  const listener = listeners.find(({ bind }) => bind.port === 4001);
  t.match(listener?.chains, [{ tls: { mode: 'ISTIO_MUTUAL', clientCertificate: 'required', trustDomains: ['cluster.local'] }, network: { kind: 'http' } }]);
  t.equal(listener?.chains?.length, 1, 'and nothing in plain text');
  const plan: PeerPlan = { work: 'mtls-hop', listenPort: 1, upstreamPort: 2, upstreamPorts: [2], folder, certificates };
  t.match(outboundHopBootstrap(plan, 3, certificates, {}), `"san_type":"URI","matcher":{"exact":"${identity}"}`);
  t.match(outboundHopBootstrap(plan, 3, certificates, {}), '"istio-http/1.1"');
  const inbound = inboundHopBootstrap(plan, 3, certificates, {});
  t.same(['"require_client_certificate":true', '"prefix":"spiffe://cluster.local/"', '/certs/server/key.pem'].filter((text) => !inbound.includes(text)), []);
  t.end();
});

t.test('gateways of the bench: HTTPS with the certificate that Envoy shows too, and bytes', (t) => {
  const folder = t.testdir();
  const [https, tcp] = [join(folder, 'https'), join(folder, 'tcp')];
  for (const each of [https, tcp]) mkdirSync(each);
  writeGatewaySnapshot(https, 4001, 4002, certificates.gateway);
  writeTcpSnapshot(tcp, 4001, 4002);
  const node: Partial<NodeOptions> = { mode: 'gateway', name: 'gateway', labels: { istio: 'ingressgateway' } };
  const listenersOf = (each: string) => compiledFrom(each, node).listeners.filter(({ bind }) => bind.port === 4001);
  const { chain, key } = certificates.gateway;
  t.match(listenersOf(https), [{ chains: [{ tls: { mode: 'SIMPLE', identities: [{ certificate: chain, key }], clientCertificate: 'none' }, network: { kind: 'http' } }] }]);
  t.match(listenersOf(tcp), [{ defaultChain: { network: { kind: 'tcp' } } }]);
  const envoy = gatewayBootstrap({ work: 'https', listenPort: 1, upstreamPort: 2, upstreamPorts: [2], folder, certificates }, certificates, {});
  t.same([chain, key, '"TLSv1_3"'].filter((text) => !envoy.includes(text)), []);
  t.end();
});

t.test('figures that should be high are compared too', (t) => {
  const scenario = scenarios.find(({ name }) => name === 'tcp-pass');
  if (scenario === undefined) throw new Error('no such scenario');
  const all = [...samples('haproxy', 'mbPerCpuSecond', 2000), ...samples('outrider', 'mbPerCpuSecond', 1500)];
  const text = renderScenario(scenario, { scenario: 'tcp-pass', finished: '2026-01-02T03:04:05.000Z', rounds: 1, measureMs: 1, versions: {}, samples: all });
  t.match(text, /\| peer +\| MB per CPU second \| MB per CPU s ÷ haproxy \|\n.*\n\| haproxy +\| 2,000 +\| 1\.00 +\|\n\| outrider +\| 1,500 +\| 0\.75 +\|/);
  t.end();
});

t.test('a table', (t) => {
  const scenario = scenarios.find(({ name }) => name === 'http1-get');
  if (scenario === undefined) throw new Error('no such scenario');
  const figures = {
    scenario: 'http1-get',
    finished: '2026-01-02T03:04:05.000Z',
    rounds: 2,
    measureMs: 1,
    versions: { nginx: 'nginx/1' },
    samples: [...samples('outrider', 'cpuUsPerRequest', 12, 14), ...samples('nginx', 'cpuUsPerRequest', 10, 10), ...samples('nginx', 'requestsPerSecond', 99_000, 101_000)],
  };
  t.match(renderScenario(scenario, figures), /\| nginx +\| 10\.0 \(10\.0–10\.0\) +\| 100,000 \(99,000–101,000\) +\| 1\.00 +\|\n\| outrider +\| 13\.0 \(12\.0–14\.0\) +\| – +\| 1\.30 +\|/);
  t.match(renderScenario(scenario, figures), /2 rounds, 2026-01-02 03:04 UTC: nginx nginx\/1/);
  t.match(renderScenario(scenario, undefined), /Not measured/);
  t.end();
});

t.test('the command line', (t) => {
  t.match(parseOptions(['--peers', 'nginx,envoy', '--custom', 'node x {listen}']).peers.map(({ name }) => name), ['nginx', 'envoy', 'custom']);
  t.throws(() => parseOptions(['--peers', 'ngnix']), /--peers ngnix: unknown/);
  t.throws(() => parseOptions(['--rounds', '0']), /--rounds 0/);
  t.end();
});

t.test('the kernel is read right', (t) => {
  const before = cpuMicros([process.pid]);
  // A child that has ended counts too: 0.2 s of it.
  execFileSync(process.execPath, ['-e', 'const end = process.cpuUsage().user + 200_000; for (let i = 0; process.cpuUsage().user < end; ) for (let j = 0; j < 1e6; j += 1) i += j;']);
  const spent = cpuMicros([process.pid]) - before;
  t.ok(spent > 150_000 && spent < 2_000_000, `${spent} µs`);
  t.ok(Math.abs(residentMb([process.pid]) - process.memoryUsage.rss() / 1e6) < 20, 'memory as Node itself reports it');
  t.end();
});
