/** Secrets: what is refused and why, rotation by files and by the snapshot, and the small parts of handshakes. */

import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import type { SecretConfig } from '../../../../config/runtime/secret.ts';
import { offeredProtocols } from '../../../../proxy/identity/client-hello.ts';
import { parseIdentity, parseTrust } from '../../../../proxy/identity/secret.ts';
import { SecretStore } from '../../../../proxy/identity/secret-store.ts';
import { SessionCache } from '../../../../proxy/identity/session-cache.ts';
import { handshakeFailure } from '../../../../proxy/identity/tls-failure.ts';
import { protocolList } from '../../../../proxy/identity/tls-context.ts';
import { replaceFile, TestAuthority, testFolder, validity, writeWorkload } from '../../../support/certs.ts';
import { eventually, type TestScope } from '../../../support/scope.ts';
import { watchFiles } from '../../../support/tls-peers.ts';

const authority = await TestAuthority.create();
const first = await authority.workload('a/b');
const second = await authority.workload('a/b');
const WORKLOAD = { kind: 'workload' } as const;

function storeOf(t: TestScope): { readonly store: SecretStore; readonly sentences: string[] } {
  const sentences: string[] = [];
  const store = new SecretStore({ watch: watchFiles, onEvent: (level, sentence) => sentences.push(`${level} ${sentence}`) });
  t.teardown(() => store.close());
  return { store, sentences };
}

t.test('what cannot be used is refused with the reason', async (t) => {
  const half = first.certificateChain.slice(0, 300);
  const rows: [what: string, chain: string, key: string, problem: RegExp][] = [
    ['empty certificate', '', first.privateKey, /^the certificate is empty$/],
    ['half a certificate', half, first.privateKey, /^there is no PEM certificate$/],
    ['a certificate of other bytes', first.certificateChain.replace(/\n.{10}/, '\nAAAAAAAAAA'), first.privateKey, /^a certificate cannot be read: /],
    ['empty key', first.certificateChain, ' \n', /^the private key is empty$/],
    ['half a key', first.certificateChain, first.privateKey.slice(0, 80), /^the private key cannot be read: /],
    ['key of another', first.certificateChain, second.privateKey, /^the private key is not that of the certificate of spiffe:\/\/cluster\.local\/ns\/a\/sa\/b$/],
  ];
  for (const [what, chain, key, problem] of rows) {
    const parsed = parseIdentity('x', chain, key);
    t.match(parsed, { problem }, what);
    t.notMatch(JSON.stringify(parsed), /PRIVATE KEY/, 'no key in the reason');
  }
  t.match(parseTrust('x', 'nothing'), { problem: /no PEM certificate/ });
  t.match(parseTrust('x', authority.root, 'no list'), { problem: /^OpenSSL does not take it: / });
  t.match(parseTrust('x', authority.root + authority.root), { certificates: { length: 2 } });
});

t.test('a workload folder: waited for, rotated, and kept where the new pair is bad', async (t) => {
  const folder = testFolder(t);
  const { store, sentences } = storeOf(t);
  await store.openWorkload(folder);
  t.equal(store.identity(WORKLOAD), undefined);
  t.match(store.whyMissing(WORKLOAD), /cert-chain\.pem is missing$/);
  writeWorkload(folder, first, authority.root);
  await eventually(() => store.identity(WORKLOAD) !== undefined && store.trust(WORKLOAD) !== undefined, 'the secrets that came later');
  const { generation } = store;
  const serial = store.identity(WORKLOAD)?.certificates[0].serial;

  replaceFile(join(folder, 'key.pem'), second.privateKey);
  await eventually(() => sentences.find((line) => line.includes('the private key is not that')), 'the refusal');
  t.equal(store.identity(WORKLOAD)?.certificates[0].serial, serial, 'the old pair stays');
  t.equal(store.generation, generation);
  const failed = (): number => [...store.identities()].reduce((sum, { rotationsFailed }) => sum + rotationsFailed, 0);
  t.equal(failed(), 1);
  t.equal(sentences.filter((line) => line.includes('the private key is not that')).length, 1, 'told once');

  replaceFile(join(folder, 'cert-chain.pem'), second.certificateChain);
  await eventually(() => store.identity(WORKLOAD)?.certificates[0].serial !== serial, 'the new pair');
  t.ok(store.generation > generation);
  t.match(sentences.at(-1), /^info secret workload: certificate of spiffe:\/\/cluster\.local\/ns\/a\/sa\/b, serial .* takes the place of the one before/);

  rmSync(join(folder, 'cert-chain.pem'));
  await eventually(() => sentences.find((line) => line.includes('is missing; the one before stays')), 'word of the missing file');
  t.ok(store.identity(WORKLOAD), 'a file that goes away takes nothing away');
  t.equal(failed(), 2);
});

t.test('a swapped ..data link, as Kubernetes mounts Secrets', async (t) => {
  const folder = testFolder(t);
  const version = (name: string, pair: typeof first): void => {
    writeWorkload(join(folder, name), pair, authority.root);
    symlinkSync(name, join(folder, '..next'));
    renameSync(join(folder, '..next'), join(folder, '..data'));
  };
  mkdirSync(folder, { recursive: true });
  version('..1', first);
  for (const file of ['cert-chain.pem', 'key.pem', 'root-cert.pem']) symlinkSync(`..data/${file}`, join(folder, file));
  const { store, sentences } = storeOf(t);
  await store.openWorkload(folder);
  const serial = store.identity(WORKLOAD)?.certificates[0].serial;
  t.ok(serial, 'read at once');
  version('..2', second);
  rmSync(join(folder, '..1'), { recursive: true });
  await eventually(() => store.identity(WORKLOAD)?.certificates[0].serial !== serial, 'the pair of the new version');
  t.same(sentences.filter((line) => line.startsWith('warn')), [], 'no half of anything was seen');
});

t.test('secrets of the snapshot and files that resources name', async (t) => {
  const { store, sentences } = storeOf(t);
  const reference = { kind: 'secret', name: 'kubernetes://default/shop' } as const;
  const config: SecretConfig = { name: reference.name, certificateChain: first.certificateChain, privateKey: first.privateKey, authorities: authority.root, origin: { resource: 'Secret default/shop', file: 'a.yaml', line: 1 } };
  t.match(store.whyMissing(reference), 'there is no such secret');
  store.setSecret(config);
  t.ok(store.identity(reference) && store.trust(reference));
  store.setSecret({ ...config, privateKey: second.privateKey });
  t.ok(store.identity(reference), 'a bad one keeps the old');
  t.match(sentences.at(-1), /the one before stays in use$/);
  const { generation } = store;
  store.setSecret({ ...config, certificateChain: second.certificateChain, privateKey: second.privateKey });
  t.equal(store.generation, generation + 1);
  const { name, origin } = config;
  store.setSecret({ name, origin, authorities: authority.root });
  t.equal(store.identity(reference), undefined, 'authorities only');
  store.removeSecret(reference.name);
  t.equal(store.trust(reference), undefined);
  const bad = { kind: 'secret', name: 'kubernetes://default/bad' } as const;
  store.setSecret({ ...config, name: bad.name, certificateChain: 'x' });
  t.match(store.whyMissing(bad), 'there is no PEM certificate');

  const folder = testFolder(t);
  const files = { kind: 'files', certificate: join(folder, 'tls.crt'), key: join(folder, 'tls.key') } as const;
  const trust = { kind: 'files', authorities: join(folder, 'ca.crt') } as const;
  writeFileSync(files.certificate, first.certificateChain);
  writeFileSync(files.key, first.privateKey);
  store.need(files, 'identity');
  store.need(trust, 'trust');
  t.ok(store.identity(files), 'read when it is first needed');
  t.equal(store.trust(trust), undefined);
  writeFileSync(trust.authorities, authority.root);
  await eventually(() => store.trust(trust), 'a file that comes later');
  store.need({ kind: 'system' }, 'trust');
  t.ok((store.trust({ kind: 'system' })?.certificates.length ?? 0) > 10, "the system's authorities, or node's");
});

t.test('expired certificates are taken: peers decide', async (t) => {
  const expired = await authority.workload('a/b', validity(-1));
  t.notMatch(parseIdentity('x', expired.certificateChain, expired.privateKey), { problem: String });
});

t.test('application protocols of a ClientHello', async (t) => {
  const extension = (type: number, body: Buffer): Buffer => Buffer.concat([u16(type), u16(body.length), body]);
  const list = protocolList(['istio-http/1.1', 'h2']) as Buffer;
  const hello = (extensions: Buffer): Buffer => {
    const body = Buffer.concat([u16(0x0303), Buffer.alloc(32), Buffer.from([0]), u16(2), u16(0x1301), Buffer.from([1, 0]), u16(extensions.length), extensions]);
    return Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
  };
  const record = (body: Buffer): Buffer => Buffer.concat([Buffer.from([22, 3, 1]), u16(body.length), body]);
  const whole = hello(Buffer.concat([extension(0, Buffer.alloc(3)), extension(16, Buffer.concat([u16(list.length), list]))]));
  t.same(offeredProtocols(record(whole)), ['istio-http/1.1', 'h2']);
  t.same(offeredProtocols(Buffer.concat([record(whole.subarray(0, 20)), record(whole.subarray(20))])), ['istio-http/1.1', 'h2'], 'over two records');
  t.same(offeredProtocols(record(hello(extension(0, Buffer.alloc(3))))), [], 'none');
  t.equal(offeredProtocols(record(whole).subarray(0, 40)), undefined, 'not whole');
  t.equal(offeredProtocols(Buffer.from('GET / HTTP/1.1\r\n\r\n')), undefined);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(200), (noise, at) => {
    const bytes = Buffer.from(record(whole));
    bytes.set(noise.slice(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length));
    const offered = offeredProtocols(bytes);
    return offered === undefined || offered.length <= bytes.length;
  }), { numRuns: 2000 });
  t.equal(protocolList([]), undefined);
  t.equal(protocolList(['', 'x'.repeat(256)]), undefined, 'what the wire cannot carry');
});

t.test('failures in the words of Envoy and of people', async (t) => {
  const rows: [code: string, kind: string, reason: string, sentence: RegExp][] = [
    ['ERR_SSL_HTTP_REQUEST', 'protocol', 'TLS_error:|268435612:SSL routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end', /the client failed: it speaks plain HTTP$/],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'protocol', 'TLS_error:|268435696:SSL routines:OPENSSL_internal:UNSUPPORTED_PROTOCOL:TLS_error_end', /no TLS version that is allowed/],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'protocol', 'TLS_error:|268436572:SSL routines:OPENSSL_internal:TLSV1_CERTIFICATE_REQUIRED:TLS_error_end', /refused with the alert certificate required$/],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'protocol', 'TLS_error:|268436504:SSL routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA:TLS_error_end', /the alert unknown ca$/],
    ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'protocol', 'TLS_error:|268436496:SSL routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE:TLS_error_end', /the alert handshake failure$/],
    ['ERR_SSL_SOMETHING_NEW', 'protocol', 'TLS_error:|268435456:SSL routines:OPENSSL_internal:SOMETHING_NEW:TLS_error_end', /something new$/],
    ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', 'no-certificate', 'TLS_error:|268435648:SSL routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE:peer did not provide required client certificate:TLS_error_end', /^no client certificate/],
    ['ECONNRESET', 'gone', '', /^client closed the connection/],
    ['EOTHER', 'protocol', 'TLS_error:EOTHER', /oops$/],
  ];
  for (const [code, kind, reason, sentence] of rows) t.match(handshakeFailure(Object.assign(new Error('oops'), { code }), 'client'), { kind, reason, sentence }, code);
});

t.test('sessions: bounded, and those of older secrets forgotten', async (t) => {
  const cache = new SessionCache();
  const session = { ticket: Buffer.alloc(1), peer: undefined };
  for (let i = 0; i < 3000; i++) cache.store(`k${i}`, 1, session);
  t.equal(cache.find('k0', 1), undefined);
  t.equal(cache.find('k2999', 1), session);
  cache.forget('k2999');
  t.equal(cache.find('k2999', 1), undefined);
  t.equal(cache.find('k2998', 2), undefined, 'a new generation');
  cache.store('k2998', 1, session);
  t.equal(cache.find('k2998', 2), undefined, 'a late ticket of the old one');
});

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}
