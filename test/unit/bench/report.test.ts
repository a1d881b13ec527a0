/** The bench's own arithmetic: a benchmark that miscounts is worse than none. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cpuMicros, residentMb } from '../../../bench/measure/usage.ts';
import { parseOptions } from '../../../bench/options.ts';
import { envoyBootstrap } from '../../../bench/proxies/envoy-config.ts';
import { peers } from '../../../bench/proxies/index.ts';
import { renderScenario } from '../../../bench/report.ts';
import { scenarios } from '../../../bench/scenarios/index.ts';
import { writePolicySnapshot } from '../../../bench/snapshots/policies.ts';
import { summarise } from '../../../bench/statistics.ts';
import { judge, targets, type Target } from '../../../bench/targets.ts';
import { policyNames, type Metric, type Sample } from '../../../bench/types.ts';
import { snapshotOf } from '../../support/findings.ts';

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
