/** `outrider certs`, and what a proxy that uses its folders shows of them: /certs, expiry, rotation. */

import { X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runCerts } from '../../proxy/cli/certs.ts';
import { testFolder } from '../support/certs.ts';
import { outrider, type CommandResult } from '../support/command.ts';
import { Proxy } from '../support/proxy.ts';
import { service } from '../support/resources.ts';
import { eventually } from '../support/scope.ts';

const DAY_MS = 86_400_000;

function certificateIn(folder: string): X509Certificate {
  return new X509Certificate(readFileSync(join(folder, 'cert-chain.pem')));
}

t.test('a root, workloads and a gateway', async (t) => {
  const out = join(testFolder(t), 'mesh');
  const { code, stdout, stderr } = await outrider(['certs', '--out', out, 'default/reviews', 'spiffe://other.example/ns/a/sa/b.c', 'dns:shop.example.com,*.shop.example.com,10.0.0.1']);
  t.equal(code, 0, stderr);
  t.match(stdout, new RegExp(`^${out}/default/reviews: spiffe://cluster\\.local/ns/default/sa/reviews, valid to 20.*\\n.*/a/b\\.c: .*\\n.*/shop\\.example\\.com: .*\\n$`));
  const root = new X509Certificate(readFileSync(join(out, 'root-cert.pem')));
  t.ok(root.ca && root.verify(root.publicKey));
  t.equal(statSync(join(out, 'root-key.pem')).mode & 0o777, 0o600);
  const rows: [folder: string, subject: string | undefined, names: string, type: string][] = [
    ['default/reviews', undefined, 'URI:spiffe://cluster.local/ns/default/sa/reviews', 'ec'],
    ['a/b.c', undefined, 'URI:spiffe://other.example/ns/a/sa/b.c', 'ec'],
    ['shop.example.com', 'CN=shop.example.com', 'DNS:shop.example.com, DNS:*.shop.example.com, IP Address:10.0.0.1', 'ec'],
  ];
  for (const [name, subject, names, type] of rows) {
    const folder = join(out, name);
    const leaf = certificateIn(folder);
    t.ok(leaf.verify(root.publicKey) && leaf.checkIssued(root) && !leaf.ca, name);
    t.equal(leaf.subject, subject);
    t.equal(leaf.subjectAltName, names);
    t.equal(leaf.publicKey.asymmetricKeyType, type);
    t.equal(statSync(join(folder, 'key.pem')).mode & 0o777, 0o600, 'the key is ours alone');
    t.equal(readFileSync(join(folder, 'root-cert.pem'), 'utf8'), readFileSync(join(out, 'root-cert.pem'), 'utf8'));
    const days = (Date.parse(leaf.validTo) - Date.now()) / DAY_MS;
    t.ok(days > 364 && days < 366, `${days} days`);
  }
  chmodSync(join(out, 'default/reviews/key.pem'), 0o644);
  const again = await outrider(['certs', '--out', out, '--rsa', '--ttl', '90m', '--trust-domain', 'td', '--json', 'default/reviews']);
  t.equal(again.code, 0, again.stderr);
  t.match(JSON.parse(again.stdout), [{ identity: 'spiffe://td/ns/default/sa/reviews', directory: join(out, 'default/reviews'), notAfter: /^20/ }]);
  const renewed = certificateIn(join(out, 'default/reviews'));
  t.ok(renewed.verify(root.publicKey), 'the root is used again');
  t.equal(renewed.publicKey.asymmetricKeyType, 'rsa');
  t.equal(statSync(join(out, 'default/reviews/key.pem')).mode & 0o777, 0o600);
  t.ok(Date.parse(renewed.validTo) - Date.now() < 91 * 60_000);
  t.notOk(existsSync(join(out, 'default/reviews/key.pem.new')));
});

t.test('mistakes are told', async (t) => {
  const out = testFolder(t);
  const rows: [words: string[], message: RegExp][] = [
    [['a/b'], /say where to: --out DIR/],
    [['--out', out], /name at least one identity/],
    [['--out', out, 'reviews'], /'reviews' is no identity/],
    [['--out', out, 'a/b/c'], /is no identity/],
    [['--out', out, '../x'], /'\.\.' is no Kubernetes namespace/],
    [['--out', out, 'a/..'], /'\.\.' is no Kubernetes service account/],
    [['--out', out, 'a/B'], /'B' is no Kubernetes service account/],
    [['--out', out, 'spiffe://td/ns/a'], /is not of the form spiffe:/],
    [['--out', out, 'dns:../../etc'], /'\.\.\/\.\.\/etc' is neither a DNS name nor an IP address/],
    [['--out', out, 'dns:'], /'' is neither/],
    [['--out', out, '--trust-domain', 'A B', 'a/b'], /'A B' is no trust domain/],
    [['--out', out, '--days', '0', 'a/b'], /--days: 0 is not a number of days/],
    [['--out', out, '--ttl', 'soon', 'a/b'], /--ttl: 'soon' is not a duration/],
    [['--out', out, '--ttl', '1h', '--days', '1', 'a/b'], /say the same/],
    [['--out', out, '--rsaa', 'a/b'], /did you mean --rsa/],
  ];
  for (const [words, message] of rows) {
    const { code, stderr } = await inProcess(words);
    t.equal(code, 2, words.join(' '));
    t.match(stderr, message, words.join(' '));
  }
  t.notOk(existsSync(join(out, 'root-cert.pem')), 'nothing was written');
  const broken: [what: string, act: () => void, message: RegExp][] = [
    ['no key', () => rmSync(join(out, 'root-key.pem')), /root-key\.pem is missing beside .*: nothing can be signed by that root/],
    ['nonsense', () => writeFileSync(join(out, 'root-key.pem'), 'x'), /root-key\.pem cannot be read as PEM/],
    ['key of another', () => writeFileSync(join(out, 'root-key.pem'), readFileSync(join(out, 'a/b/key.pem'))), /is not the key of/],
  ];
  t.equal((await inProcess(['--out', out, 'a/b'])).code, 0);
  for (const [what, act, message] of broken) {
    act();
    const { code, stderr } = await inProcess(['--out', out, 'a/b']);
    t.equal(code, 1, what);
    t.match(stderr, message, what);
  }
  const file = join(out, 'file');
  writeFileSync(file, '');
  const { code, stderr } = await inProcess(['--out', file, 'a/b']);
  t.equal(code, 1);
  if (process.platform === 'linux') t.equal((await inProcess(['--out', '/proc/nowhere/certs', 'a/b'])).code, 1, 'a file system that makes no folders');
  t.match(stderr, /EEXIST|ENOTDIR/);
});

t.test('a proxy with an identity: /certs, expiry, rotation; never a key', async (t) => {
  const out = testFolder(t);
  await outrider(['certs', '--out', out, '--days', '30', 'default/reviews']);
  const folder = join(out, 'default/reviews');
  for (const concurrency of [1, 2]) {
    const proxy = await Proxy.start(t, { snapshot: service('reviews'), args: ['--certs', folder, '--concurrency', `${concurrency}`] });
    const ask = (path: string): Promise<string> => proxy.admin(`GET ${path}`);
    const leaf = certificateIn(folder);
    const details = { path: join(folder, 'cert-chain.pem'), serial_number: leaf.serialNumber.toLowerCase(), subject_alt_names: [{ uri: 'spiffe://cluster.local/ns/default/sa/reviews' }], days_until_expiration: '29', valid_from: /^20.*\dZ$/, expiration_time: /^20.*\dZ$/ };
    t.match(JSON.parse(await ask('/certs')), { certificates: [{ ca_cert: [{ path: join(folder, 'root-cert.pem'), days_until_expiration: /^36\d\d$/ }], cert_chain: [details] }] });
    const expiry = Date.parse(leaf.validTo) / 1000;
    const stats = await ask('/stats');
    t.match(stats, new RegExp(`^ssl\\.certificate\\.workload\\.expiration_unix_time_seconds: ${expiry}$`, 'm'));
    t.match(stats, /^sds\.workload\.key_rotation_failed: 0$/m);
    t.match(await ask('/stats/prometheus'), new RegExp(`^envoy_ssl_certificate_expiration_unix_time_seconds\\{ssl_certificate="workload"\\} ${expiry}$`, 'm'));

    writeFileSync(join(folder, 'key.pem'), 'half a');
    await eventually(async () => /^sds\.workload\.key_rotation_failed: [1-9]/m.test(await ask('/stats')), 'the refusal is counted');
    await eventually(() => /warn identity secret workload: the private key .*; the one before stays in use/.test(proxy.stderr), 'the log says so');
    await outrider(['certs', '--out', out, '--days', '30', 'default/reviews']);
    const next = certificateIn(folder).serialNumber.toLowerCase();
    await eventually(async () => (await ask('/certs')).includes(next), 'the new certificate');
    for (const path of ['/certs', '/config_dump', '/server_info', '/stats']) t.notMatch(await ask(path), /PRIVATE KEY/, path);
    await proxy.stop();
  }
});

async function inProcess(words: readonly string[]): Promise<CommandResult> {
  let stdout = '';
  let stderr = '';
  const code = await runCerts(words, { env: {}, stdout: (text) => (stdout += text), stderr: (text) => (stderr += text) });
  return { code, stdout, stderr };
}
