import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { ValidationReport } from '../../proxy/cli/validate.ts';
import { validateSnapshot } from '../../proxy/cli/validate.ts';
import { renderProblem } from '../../config/runtime/problem.ts';
import { outrider } from '../support/command.ts';
import { shared } from '../support/shared.ts';

const service = 'apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {ports: [{port: 80, name: http}]}\n';
const virtualService = 'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: v\nspec:\n  hosts: [b]\n  http:\n  - route: [{destination: {host: b}}]\n';

t.test('the command', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-validate-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const good = file('good.yaml', `${service}---\n${virtualService}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n`);
  const bad = file('bad.yaml', virtualService.replace('host: b', 'host: c').replace('hosts: [b]', 'hosts: [b]\n  timeout: 1s'));

  await t.test('nothing wrong', async (t) => {
    const { code, stdout, stderr } = await outrider(['validate', good]);
    t.equal(code, 0);
    t.equal(stderr, '');
    t.equal(stdout, `${good}:1:1: info: skipped 1 resource of kinds that are not for a data plane: Deployment 1\n0 errors, 0 warnings\n`);
  });

  await t.test('errors: one a line, the count last', async (t) => {
    const { code, stdout } = await outrider(['validate', good, bad]);
    t.equal(code, 1);
    t.strictSame(stdout.split('\n'), [
      `${bad}:7:3: VirtualService default/v: spec.timeout: unknown field "timeout"; known here: hosts, gateways, http, tls, tcp, exportTo [IST0106]`,
      `${good}:1:1: info: skipped 1 resource of kinds that are not for a data plane: Deployment 1`,
      '1 errors, 0 warnings',
      '',
    ]);
  });

  await t.test('analysis errors count', async (t) => {
    const alone = file('alone.yaml', virtualService);
    const { code, stdout } = await outrider(['validate', alone]);
    t.equal(code, 1);
    t.equal(
      stdout,
      `${alone}:8:34: VirtualService default/v: spec.http[0].route[0].destination.host: host "b" (b.default.svc.cluster.local) is not known: this snapshot has no Service and no ServiceEntry; give their files too [IST0101]\n1 errors, 0 warnings\n`,
    );
  });

  await t.test('warnings do not fail', async (t) => {
    const warned = file('warned.yaml', `${service}---\n${virtualService}    match: [{uri: {prefix: /}, statPrefix: a}]\n`);
    const { code, stdout } = await outrider(['validate', warned]);
    t.equal(code, 0);
    t.equal(stdout, `${warned}:14:44: VirtualService default/v: spec.http[0].match[0].statPrefix: warning: is not enforced by this version: no counters of its own are kept\n0 errors, 1 warnings\n`);
  });

  await t.test('--json', async (t) => {
    const { code, stdout } = await outrider(['validate', '--json', '-'], { stdin: virtualService });
    const report = JSON.parse(stdout) as ValidationReport;
    t.equal(code, 1);
    t.match(report, { errors: 1, warnings: 0, skipped: {}, problems: [{ severity: 'error', file: '-', line: 8, column: 34, resource: 'VirtualService default/v', code: 'IST0101' }] });
  });

  await t.test('called wrongly', async (t) => {
    for (const args of [[], ['--jsn', good]]) {
      const { code, stdout, stderr } = await outrider(['validate', ...args]);
      t.strictSame([code, stdout], [2, ''], args.join(' '));
      t.match(stderr, /^outrider validate: .+\nTry "outrider validate --help"\.\n$/);
    }
    const help = await outrider(['validate', '--help']);
    t.equal(help.code, 0);
    t.match(help.stdout, /PATH/);
  });

  await t.test('what is not there', async (t) => {
    const { code, stdout } = await outrider(['validate', join(folder, 'missing.yaml')]);
    t.equal(code, 1);
    t.match(stdout, /missing\.yaml:1:1: .*\n1 errors, 0 warnings\n$/);
  });
});

t.test('certificate files that this machine lacks are warnings', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-validate-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'ca.pem'), 'x');
  mkdirSync(join(folder, 'config'));
  const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: g
spec:
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: ["*"]
    tls:
      mode: MUTUAL
      serverCertificate: ${folder}/cert.pem
      privateKey: ${folder}/key.pem
      caCertificates: ${folder}/ca.pem
`;
  writeFileSync(join(folder, 'config', 'g.yaml'), gateway);
  const { problems, errors } = validateSnapshot([join(folder, 'config')]);
  const missing = problems.filter(({ message }) => message.startsWith('there is no file')).map(({ line, path, severity }) => [line, path, severity]);
  t.strictSame(missing, [[11, 'spec.servers[0].tls.serverCertificate', 'warning'], [12, 'spec.servers[0].tls.privateKey', 'warning']]);
  t.equal(errors, 0);
});

t.test('compiles for every namespace', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-validate-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const gateway = (name: string, protocol: string): string =>
    `apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: ${name}, namespace: other}\nspec:\n  selector: {istio: gw}\n  servers:\n  - port: {number: 80, protocol: ${protocol}, name: a}\n    hosts: [${name}.example.com]\n`;
  writeFileSync(join(folder, 'g.yaml'), [service, gateway('a', 'HTTP'), gateway('b', 'TCP')].join('---\n'));
  const { problems } = validateSnapshot([folder]);
  const lines = problems.map(renderProblem).map((line) => line.slice(folder.length + 1));
  t.ok(lines.includes('g.yaml:21:5: Gateway other/b: spec.servers[0].port: warning: port 80 is already served as HTTP by Gateway other/a; this server is left out'), lines.join('\n'));
});

const samples = shared('istio-samples', 'samples');

/** A sample and what must be applied with it. */
const companions: readonly (readonly [sample: string, with_: readonly string[]])[] = [
  ...['bookinfo-gateway', 'virtual-service-all-v1', 'virtual-service-details-v2', 'virtual-service-ratings-db', 'virtual-service-ratings-mysql', 'virtual-service-ratings-mysql-vm',
    'virtual-service-ratings-test-abort', 'virtual-service-ratings-test-delay', 'virtual-service-reviews-50-v3', 'virtual-service-reviews-80-20', 'virtual-service-reviews-90-10',
    'virtual-service-reviews-jason-v2-v3', 'virtual-service-reviews-test-v2', 'virtual-service-reviews-v2-v3', 'virtual-service-reviews-v3',
  ].map((name) => [`bookinfo/networking/${name}.yaml`, ['bookinfo/platform/kube/bookinfo.yaml', 'bookinfo/networking/destination-rule-all.yaml']] as const),
  ...['destination-rule-all', 'destination-rule-all-mtls', 'destination-rule-reviews', 'fault-injection-details-v1', 'egress-rule-google-apis'].map(
    (name) => [`bookinfo/networking/${name}.yaml`, ['bookinfo/platform/kube/bookinfo.yaml']] as const,
  ),
  ['helloworld/helloworld-gateway.yaml', ['helloworld/helloworld.yaml']],
  ['httpbin/httpbin-gateway.yaml', ['httpbin/httpbin.yaml']],
];

/** Files without references to others, Istio's or not. */
const folders = ['bookinfo/platform/kube', 'bookinfo/gateway-api', 'bookinfo/policy', 'curl', 'extauthz', 'grpc-echo', 'helloworld/gateway-api', 'httpbin/gateway-api', 'httpbin/sample-client', 'sleep'];
const files = ['bookinfo/demo-profile-no-gateways.yaml', 'helloworld/helloworld.yaml', 'helloworld/helloworld-dual-stack.yaml', 'httpbin/httpbin.yaml', 'httpbin/httpbin-nodeport.yaml'];

t.test("Istio's samples", { skip: samples.missing }, async (t) => {
  const errorsOf = (...names: readonly string[]): readonly string[] =>
    validateSnapshot(names.map((name) => join(samples.path, name))).problems.filter(({ severity }) => severity === 'error').map(renderProblem);
  for (const [sample, others] of companions) t.strictSame(errorsOf(sample, ...others), [], sample);
  const alone = folders.flatMap((folder) => readdirSync(join(samples.path, folder)).filter((name) => name.endsWith('.yaml')).map((name) => `${folder}/${name}`));
  for (const file of [...alone, ...files]) t.strictSame(errorsOf(file), [], file);
  const networking = readdirSync(join(samples.path, 'bookinfo/networking')).map((name) => `bookinfo/networking/${name}`);
  const untested = networking.filter((name) => !companions.some(([sample]) => sample === name));
  t.strictSame(untested, ['bookinfo/networking/certmanager-gateway.yaml'], 'every file is in the table but one');
  const resolver = 'host "cert-manager-resolver" (cert-manager-resolver.istio-system.svc.cluster.local) is no known Service or ServiceEntry';
  t.match(errorsOf('bookinfo/networking/certmanager-gateway.yaml', 'bookinfo/platform/kube/bookinfo.yaml'), [new RegExp(`:33:15: .*${resolver.replaceAll(/[.()]/g, '\\$&')} \\[IST0101\\]$`)], 'whose Service is not among the samples');
});
