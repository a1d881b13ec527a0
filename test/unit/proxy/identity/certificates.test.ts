/** What is read from certificates, and whom they let in: names, chains, trust domains, hashes. */

import { createHash, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { subjectAltNamesOf } from '../../../../proxy/identity/certificate-der.ts';
import { childrenOf, readDer } from '../../../../proxy/identity/der.ts';
import { dnsNameMatches, hasOneOf, isFor } from '../../../../proxy/identity/name-match.ts';
import { certificateFacts, certificateName, type CertificateFacts } from '../../../../proxy/identity/peer.ts';
import { parseSpiffe, renderSpiffe, trustDomainOf } from '../../../../proxy/identity/spiffe.ts';
import { refusePeer, type PeerRules } from '../../../../proxy/identity/verify.ts';
import { TestAuthority, validity } from '../../../support/certs.ts';

const authority = await TestAuthority.create();

async function facts(request: Parameters<TestAuthority['issue']>[0]): Promise<CertificateFacts> {
  return certificateFacts(new X509Certificate((await authority.issue(request)).certificateChain));
}

t.test('facts of a certificate', async (t) => {
  const request = { subject: 'C=DE, O=A\\, B, CN=shop', dns: ['shop.example.com', '*.shop.example.com'], uris: ['spiffe://cluster.local/ns/a/sa/b'], ips: ['10.0.0.1', '2001:db8::1'], ...validity(5) };
  const certificate = new X509Certificate((await authority.issue(request)).certificateChain);
  const read = certificateFacts(certificate);
  t.same(read.dns, request.dns);
  t.same(read.uris, request.uris);
  t.same(read.ips, ['10.0.0.1', '2001:db8:0:0:0:0:0:1']);
  t.equal(read.subject, 'CN=shop,O=A\\, B,C=DE', 'RFC 2253: the last attribute first, a comma escaped');
  t.equal(read.issuer, 'CN=test CA,O=tests');
  t.equal(read.serial, certificate.serialNumber.toLowerCase());
  t.equal(read.fingerprint, createHash('sha256').update(certificate.raw).digest('hex'));
  t.equal(read.publicKeyHash, createHash('sha256').update(certificate.publicKey.export({ type: 'spki', format: 'der' })).digest('base64'));
  t.equal(read.validTo, Math.floor(request.notAfter.getTime() / 1000));
  t.equal(certificateFacts(certificate), read, 'kept by its fingerprint');
  t.equal(certificateName(await facts({})).slice(0, 8), 'SHA-256 ', 'neither a name nor a subject');
});

t.test('names that would fool a text are no names', async (t) => {
  const read = await facts({ dns: ['good.example', 'evil.example\0.good.example', 'a, DNS:good.example', 'tab\tname'], uris: ['spiffe://cluster.local/ns/a/sa/b\0evil', 'spiffe://x/ns/a/sa/b\r\nX-Evil: 1'] });
  t.same(read.dns, ['good.example']);
  t.same(read.uris, []);
});

t.test('DER that is none', async (t) => {
  const der = new X509Certificate((await authority.issue({ dns: ['a.example'] })).certificateChain).raw;
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.nat(255), fc.nat(der.length), (at, byte, length) => {
      const broken = Buffer.from(der.subarray(0, length));
      if (at < broken.length) broken[at] = byte;
      const { dns } = subjectAltNamesOf(broken);
      return dns.every((name) => name.length < broken.length);
    }),
    { numRuns: 2000 },
  );
  t.equal(readDer(Buffer.from([0x30, 0x80, 0, 0]), 0), undefined, 'no indefinite lengths');
  t.equal(readDer(Buffer.from([0x30, 0x84, 0, 0, 0, 1, 0]), 0), undefined, 'no lengths of four bytes');
  t.equal(readDer(Buffer.from([0x1f, 1, 0]), 0), undefined, 'no long tags');
  t.equal(readDer(Buffer.from([0x30, 2, 0]), 0), undefined, 'not past the end');
  t.same([...childrenOf(Buffer.from([0x02, 1, 5, 0x02, 9, 9]), { tag: 0x30, start: 0, end: 6 })].length, 1, 'whole elements only');
});

t.test('DNS names', async (t) => {
  const rows: [pattern: string, host: string, matches: boolean][] = [
    ['a.example', 'a.example', true], ['A.Example', 'a.eXample', true], ['a.example', 'a.example.', true], ['a.example', 'b.a.example', false],
    ['*.example.com', 'www.example.com', true], ['*.example.com', 'example.com', false], ['*.example.com', 'a.b.example.com', false], ['*.example.com', '.example.com', false],
    ['*.com', 'example.com', false], ['*', 'localhost', false], ['w*.example.com', 'www.example.com', false], ['*.example.com', '*.example.com', true], ['', '', false],
    ['cluster.local', 'cluster.local.evil', false], ['cluster.local.evil', 'cluster.local', false],
  ];
  for (const [pattern, host, matches] of rows) t.equal(dnsNameMatches(pattern, host), matches, `${pattern} ${host}`);
  const names = { uris: ['spiffe://cluster.local/ns/a/sa/b'], dns: ['*.example.com'], ips: ['2001:db8:0:0:0:0:0:1', '10.0.0.1'] };
  t.ok(isFor(names, '10.0.0.1') && isFor(names, '2001:db8::1') && !isFor(names, '10.0.0.11'));
  t.notOk(isFor({ ...names, dns: ['10.0.0.2'] }, '10.0.0.2'), 'an address is no DNS name');
  for (const near of ['spiffe://cluster.local/ns/a/sa/bc', 'spiffe://cluster.local/ns/a/sa/', 'spiffe://cluster.local/ns/a/sa/B', 'spiffe://cluster.local/ns/a/sa/b/', 'spiffe://cluster.local']) t.notOk(hasOneOf(names, [near]), near);
  t.ok(hasOneOf(names, ['x', 'spiffe://cluster.local/ns/a/sa/b']) && hasOneOf(names, ['www.example.com']));
  t.notOk(hasOneOf(names, []));
});

t.test('SPIFFE identities', async (t) => {
  const identity = { trustDomain: 'cluster.local', namespace: 'a', serviceAccount: 'b' };
  t.same(parseSpiffe('spiffe://cluster.local/ns/a/sa/b'), identity);
  t.equal(renderSpiffe(identity), 'spiffe://cluster.local/ns/a/sa/b');
  for (const wrong of ['spiffe://cluster.local/ns/a/sa', 'spiffe://cluster.local/ns/a/sa/b/c', 'spiffe:///ns/a/sa/b', 'https://cluster.local/ns/a/sa/b', 'spiffe://CLUSTER/ns/a/sa/b', 'spiffe://a@b/ns/a/sa/b', 'spiffe://cluster.local/ns//sa/b', 'SPIFFE://cluster.local/ns/a/sa/b']) t.equal(parseSpiffe(wrong), undefined, wrong);
  t.equal(trustDomainOf('spiffe://td.example'), 'td.example');
});

t.test('each refusal says which check failed', async (t) => {
  const peer = await facts({ uris: ['spiffe://cluster.local/ns/a/sa/b'] });
  const now = peer.validTo - 60;
  const rules: PeerRules = { who: 'client', required: true, chain: true };
  const name = 'client certificate of spiffe://cluster.local/ns/a/sa/b';
  const rows: [what: string, rules: Partial<PeerRules>, chainError: string | undefined, kind: string, sentence: RegExp, at?: number][] = [
    ['expired', {}, 'CERT_HAS_EXPIRED', 'untrusted', /^client certificate of spiffe:\/\/cluster\.local\/ns\/a\/sa\/b expired at 20\d\d-\d\d-\d\dT/, peer.validTo + 1],
    ['expired since its session began', {}, undefined, 'untrusted', / expired at /, peer.validTo],
    ['an intermediate expired', {}, 'CERT_HAS_EXPIRED', 'untrusted', /a certificate between it and its authority \(issuer CN=test CA,O=tests\) has expired$/],
    ['not yet valid', {}, 'CERT_NOT_YET_VALID', 'untrusted', / is valid only from 20/],
    ['unknown authority', {}, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'untrusted', / is from an unknown authority \(issuer CN=test CA,O=tests\)$/],
    ['signed by itself', {}, 'DEPTH_ZERO_SELF_SIGNED_CERT', 'untrusted', / is from an unknown authority /],
    ['revoked', {}, 'CERT_REVOKED', 'untrusted', new RegExp(`, serial ${peer.serial}, is revoked$`)],
    ['no CRL', {}, 'UNABLE_TO_GET_CRL', 'untrusted', /there is no revocation list of its issuer/],
    ['old CRL', {}, 'CRL_HAS_EXPIRED', 'untrusted', /the revocation list of its issuer .* has expired/],
    ['other use', {}, 'INVALID_PURPOSE', 'untrusted', /is not for this use/],
    ['issuer is none', {}, 'INVALID_CA', 'untrusted', /is no authority/],
    ['anything else', {}, 'CERT_SIGNATURE_FAILURE', 'untrusted', /does not verify: cert signature failure$/],
    ['trust domain', { trustDomains: ['other', 'more'] }, undefined, 'untrusted', /^client identity spiffe:\/\/cluster\.local\/ns\/a\/sa\/b is of trust domain cluster\.local, wanted one of other, more$/],
    ['trust domain is no prefix', { trustDomains: ['cluster.loca', 'cluster'] }, undefined, 'untrusted', /is of trust domain cluster\.local/],
    ['names', { subjectAltNames: ['spiffe://cluster.local/ns/a/sa/c', 'x'] }, undefined, 'san', /^wrong subject alternative name in the client certificate: got spiffe:\/\/cluster\.local\/ns\/a\/sa\/b, wanted one of spiffe:\/\/cluster\.local\/ns\/a\/sa\/c, x$/],
    ['host', { host: 'shop.example.com' }, undefined, 'san', /wanted shop\.example\.com$/],
    ['hash', { certificateHashes: ['00'], publicKeyHashes: ['AA=='] }, undefined, 'hash', /has none of the configured hashes: got SHA-256 [0-9a-f]{64}, public key \S+=$/],
  ];
  for (const [what, more, chainError, kind, sentence, at] of rows) {
    const refusal = refusePeer({ ...rules, ...more }, peer, chainError, at ?? now);
    t.match(refusal, { kind, sentence, reason: /^TLS_error:\|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: .+:TLS_error_end$/ }, what);
    if (kind === 'untrusted' && !what.startsWith('trust')) t.ok(refusal?.sentence.startsWith(name), what);
  }
  t.match(refusePeer(rules, undefined, undefined, now), { kind: 'no-certificate', sentence: 'no client certificate: one is required and none was sent', reason: /PEER_DID_NOT_RETURN_A_CERTIFICATE/ });
  t.equal(refusePeer({ ...rules, required: false }, undefined, undefined, now), undefined, 'optional');
  t.equal(refusePeer({ ...rules, chain: false }, peer, 'DEPTH_ZERO_SELF_SIGNED_CERT', now), undefined, 'not verified');
  t.equal(refusePeer({ ...rules, trustDomains: ['cluster.local'], subjectAltNames: peer.uris, publicKeyHashes: [peer.publicKeyHash] }, peer, undefined, now), undefined, 'all of it');
  t.equal(refusePeer({ ...rules, certificateHashes: [peer.fingerprint.toUpperCase().replaceAll(/(..)(?=.)/g, '$1:')] }, peer, undefined, now), undefined, 'a hash as openssl prints it');
  t.match(refusePeer({ ...rules, trustDomains: ['x'] }, await facts({ dns: ['a.example'] }), undefined, now), { kind: 'untrusted', sentence: /has no SPIFFE identity, wanted one of x/ });
  t.match(refusePeer({ ...rules, trustDomains: ['cluster.local'] }, await facts({ uris: ['spiffe://cluster.local/ns/a/sa/b', 'spiffe://evil/ns/a/sa/b'] }), undefined, now), { sentence: /spiffe:\/\/evil/ }, 'each identity must be of ours');
  t.match(refusePeer({ ...rules, trustDomains: ['cluster.local'] }, await facts({ uris: ['spiffe://cluster.local/ns/a/sa/b', 'spiffe://cluster.local/ns/a/sa/admin'] }), undefined, now), { kind: 'untrusted', sentence: /more than one URI: .*sa\/admin; an identity stands alone$/ });
  t.match(refusePeer({ ...rules, subjectAltNames: Array.from({ length: 20 }, (_, i) => `n${i}`) }, peer, undefined, now), { sentence: / n7 and 12 more$/ });
});
