/** Secrets that the compiled TLS refers to: key layouts, authorities apart, and material that cannot be used (istio-api.md 3.8, 4.3). */

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TestAuthority, testFolder } from '../../../support/certs.ts';
import { program } from '../../../support/programs.ts';
import type { ResourceObject } from '../../../support/resources.ts';
import { istio } from '../../../support/resources.ts';
import { compilation, CLIENT, GATEWAY, kube } from './compiled.ts';

type Fields = Readonly<Record<string, unknown>>;

const OPENSSL = program('openssl');
const authority = await TestAuthority.create();
const pair = await authority.issue({ dns: ['a.com'] });
const other = await authority.issue({ dns: ['b.com'] });
const root = authority.root;

const secret = (name: string, stringData: Readonly<Record<string, string>>, more: Fields = {}): ResourceObject => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'istio-system' }, stringData, ...more }) as ResourceObject;
const configMap = (name: string, data: Readonly<Record<string, string>>): ResourceObject => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'pki' }, data }) as ResourceObject;
const gateway = (tls: Fields): ResourceObject => istio('Gateway', 'gw', { servers: [{ hosts: ['*'], port: { number: 443, name: 'https', protocol: 'HTTPS' }, tls }] });
const of = (resources: readonly ResourceObject[], node: Partial<typeof GATEWAY> = GATEWAY) => {
  const { config, problems } = compilation(resources, node);
  return { secrets: config.secrets, problems: problems.map(({ resource, path, severity, line, message }) => ({ resource, path, severity, line, message })) };
};
const NAME = 'kubernetes://istio-system/cert';
const generic = { cert: pair.certificateChain, key: pair.privateKey, cacert: root };
const standard = { 'tls.crt': pair.certificateChain, 'tls.key': pair.privateKey, 'ca.crt': root };
const chain = { certificateChain: pair.certificateChain, privateKey: pair.privateKey };

t.test('both key layouts; only what is used is passed on', async (t) => {
  for (const data of [generic, standard]) {
    const simple = of([gateway({ mode: 'SIMPLE', credentialName: 'cert' }), secret('cert', data), secret('unused', data)]);
    t.match(simple, { problems: [], secrets: { [NAME]: { name: NAME, ...chain, origin: { resource: 'Secret istio-system/cert' } } } });
    t.same(Object.keys(simple.secrets), [NAME]);
    t.notOk(simple.secrets[NAME]?.authorities, 'nobody asks for them');
    t.match(of([gateway({ mode: 'MUTUAL', credentialName: 'cert' }), secret('cert', data)]), { problems: [], secrets: { [NAME]: { ...chain, authorities: root } } });
  }
  t.match(of([gateway({ mode: 'SIMPLE', credentialName: 'cert' }), secret('cert', standard, { type: 'kubernetes.io/tls' })]).secrets[NAME], chain);
  const stapled = of([gateway({ mode: 'SIMPLE', credentialName: 'cert' }), secret('cert', { ...standard, 'tls.ocsp-staple': 'der' })]);
  t.equal(stapled.secrets[NAME]?.ocspStaple, Buffer.from('der').toString('base64'));
  t.same(of([gateway({ mode: 'SIMPLE', credentialName: 'cert' }), { ...secret('cert', standard), metadata: { name: 'cert', namespace: 'default' } }]), { secrets: {}, problems: [] }, "only of the gateway's own namespace");
  t.same(of([gateway({ mode: 'SIMPLE', credentialName: 'cert' })]), { secrets: {}, problems: [] }, 'a missing one is for the analysis to tell');
});

t.test('authorities apart', async (t) => {
  const mutual = gateway({ mode: 'MUTUAL', credentialName: 'cert' });
  const bare = { 'tls.crt': pair.certificateChain, 'tls.key': pair.privateKey };
  const second = (await TestAuthority.create('second')).root;
  t.match(of([mutual, secret('cert', bare), secret('cert-cacert', { cacert: second })]), { problems: [], secrets: { [NAME]: { ...chain, authorities: second } } });
  t.match(of([mutual, secret('cert', standard), secret('cert-cacert', { 'ca.crt': second })]).secrets[NAME], { authorities: second }, 'before those in the secret itself');
  const named = of([gateway({ mode: 'MUTUAL', credentialName: 'cert', caCertCredentialName: 'ca' }), secret('cert', standard), secret('ca', { cacert: second })]);
  t.match(named.secrets, { [NAME]: chain, 'kubernetes://istio-system/ca': { authorities: second } });
  t.notOk(named.secrets[NAME]?.authorities);
  t.notOk(named.secrets['kubernetes://istio-system/ca']?.privateKey);
  t.match(of([gateway({ mode: 'MUTUAL', credentialName: 'cert', caCertCredentialName: 'configmap://pki/ca' }), secret('cert', bare), configMap('ca', { 'ca.crt': second, more: 'x' })]), { problems: [], secrets: { 'configmap://pki/ca': { authorities: second, origin: { resource: 'ConfigMap pki/ca' } } } });
});

t.test('revocation lists', { skip: OPENSSL.missing }, async (t) => {
  const folder = testFolder(t);
  writeFileSync(join(folder, 'ca.pem'), root);
  writeFileSync(join(folder, 'ca.key'), authority.pair.privateKey);
  writeFileSync(join(folder, 'index.txt'), '');
  writeFileSync(join(folder, 'ca.cnf'), `[ca]\ndefault_ca=d\n[d]\ndatabase=${folder}/index.txt\ndefault_md=sha256\ndefault_crl_days=1\n`);
  const list = execFileSync(OPENSSL.path, ['ca', '-gencrl', '-config', join(folder, 'ca.cnf'), '-cert', join(folder, 'ca.pem'), '-keyfile', join(folder, 'ca.key')], { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  for (const data of [{ ...standard, 'ca.crl': list }, { ...generic, crl: list }]) t.match(of([gateway({ mode: 'MUTUAL', credentialName: 'cert' }), secret('cert', data)]), { problems: [], secrets: { [NAME]: { revoked: list } } });
  const broken = of([gateway({ mode: 'MUTUAL', credentialName: 'cert' }), secret('cert', { ...standard, 'ca.crl': 'x' })]);
  t.match(broken.problems, [{ path: 'stringData["ca.crl"]', message: /^is not a revocation list in PEM/ }]);
});

t.test('what DestinationRules name', async (t) => {
  const rule = (spec: Fields = {}) => istio('DestinationRule', 'r', { host: 'a', trafficPolicy: { tls: { mode: 'MUTUAL', credentialName: 'cert' } }, ...spec });
  t.match(of([rule(), kube('a'), secret('cert', generic)]).secrets, { [NAME]: { ...chain, authorities: root } });
  const simple = istio('DestinationRule', 'r', { host: 'a', trafficPolicy: { tls: { mode: 'SIMPLE', credentialName: 'cert' } } });
  const trusted = of([simple, kube('a'), secret('cert', generic)]).secrets[NAME];
  t.same([trusted?.authorities, trusted?.privateKey], [root, undefined]);
  const own = { ...secret('cert', generic), metadata: { name: 'cert', namespace: 'default' } };
  t.same(of([rule(), kube('a'), own], CLIENT).secrets, {}, 'a sidecar only by a rule for chosen workloads');
  t.match(of([rule({ workloadSelector: { matchLabels: { app: 'client' } } }), kube('a'), own], CLIENT).secrets, { 'kubernetes://default/cert': chain });
});

t.test('material that cannot be used is told where it is written, and passed on: the proxy keeps what it has', async (t) => {
  const mutual = gateway({ mode: 'MUTUAL', credentialName: 'cert' });
  const cases: readonly (readonly [data: Readonly<Record<string, string>>, path: string, message: RegExp])[] = [
    [{ ...standard, 'tls.key': other.privateKey }, 'stringData["tls.key"]', /^the private key is not that of the certificate: what uses it fails handshakes, or keeps the one it had$/],
    [{ ...standard, 'tls.key': 'secret words' }, 'stringData["tls.key"]', /^is not a private key in PEM:/],
    [{ ...standard, 'tls.crt': 'no' }, 'stringData["tls.crt"]', /^has no certificate in PEM:/],
    [{ ...standard, 'tls.crt': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }, 'stringData["tls.crt"]', /^has a certificate that cannot be read:/],
    [{ ...standard, 'tls.crt': `${pair.certificateChain}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n` }, 'stringData["tls.crt"]', /the 2\. of 2/],
    [{ ...generic, key: other.privateKey }, 'stringData.key', /^the private key is not that/],
    [{ 'tls.key': pair.privateKey, 'ca.crt': root }, 'data', /^has no certificate with its key/],
    [{ ...standard, 'tls.crt': '' }, 'data', /^has no certificate with its key/],
    [{ ...standard, 'ca.crt': 'x' }, 'stringData["ca.crt"]', /^has no certificate in PEM:/],
    [{ 'tls.crt': pair.certificateChain, 'tls.key': pair.privateKey }, 'data', /^has no authorities \(ca\.crt or cacert\)/],
  ];
  for (const [data, path, message] of cases) {
    const { problems, secrets } = of([mutual, secret('cert', data)]);
    t.match(problems, [{ resource: 'Secret istio-system/cert', severity: 'warning', path, message }], path);
    t.ok(secrets[NAME], 'passed on');
    t.notMatch(JSON.stringify(problems), /secret words|BEGIN/, 'nothing of it is repeated');
  }
  const encoded = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'cert', namespace: 'istio-system' }, data: { 'tls.crt': 'eA==', 'tls.key': 'eA==', 'ca.crt': Buffer.from(root).toString('base64') } } as ResourceObject;
  t.match(of([mutual, encoded]).problems, [{ path: 'data["tls.crt"]', message: /^has no certificate in PEM/ }]);
});
