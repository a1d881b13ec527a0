/** x-forwarded-client-cert by header rules and certificates; the forms are those Envoy 1.40 gave for the same certificates. */

import t from 'tap';
import type { HttpListenerConfig } from '../../../../config/runtime/listener.ts';
import { Seen } from '../../../../proxy/codec/http1/field-lines.ts';
import { applyRequestHeaders } from '../../../../proxy/http/request-headers.ts';
import type { ConnectionFacts } from '../../../../proxy/stream/connection-facts.ts';
import type { ConnectionSecurity, PeerCertificate } from '../../../../proxy/stream/connection-security.ts';
import { HeaderList } from '../../../../proxy/stream/header-list.ts';
import { certificate, tls } from '../../../support/security.ts';

const SIDECAR: HttpListenerConfig = { useRemoteAddress: false, numTrustedProxies: 0, pathNormalization: 'BASE' };
const GATEWAY: HttpListenerConfig = { ...SIDECAR, useRemoteAddress: true };
const OURS = 'spiffe://cluster.local/ns/default/sa/reviews';
const THEIRS = 'spiffe://cluster.local/ns/default/sa/productpage';
const FORGED = ['x-forwarded-client-cert', 'By=a;Hash=b,By=c', 'x-forwarded-client-cert', 'By=d'];

function headersOf(listener: HttpListenerConfig, security: ConnectionSecurity | undefined, received: readonly string[] = []): HeaderList {
  const headers = new HeaderList([...received]);
  const request = { method: 'GET', path: '/', originalPath: undefined, authority: 'reviews', scheme: '', headers };
  const facts = { security } as ConnectionFacts;
  applyRequestHeaders(request, received.length === 0 ? 0 : Seen.EdgeControl, { remoteIp: '10.0.0.1', isSecure: security !== undefined, facts }, listener);
  return headers;
}

function xfcc(listener: HttpListenerConfig, security: ConnectionSecurity | undefined, received: readonly string[] = []): readonly string[] {
  return headersOf(listener, security, received).getAll('x-forwarded-client-cert');
}

const over = (peer: Partial<PeerCertificate> | undefined): ConnectionSecurity => tls({ mutual: peer !== undefined, peer: peer && certificate(peer), local: certificate({ uris: [OURS], subject: 'O=x' }) });

t.test('a sidecar appends, a gateway sets', async (t) => {
  const mesh = `By=${OURS};Hash=0dff5fe2;Subject="";URI=${THEIRS}`;
  const pem = 'Cert="-----BEGIN%20CERTIFICATE-----%0AMII%2B%2Fw%3D%3D%0A-----END%20CERTIFICATE-----%0A"';
  const rows: readonly (readonly [what: string, got: readonly string[], expected: readonly string[]])[] = [
    ['mesh', xfcc(SIDECAR, over({ uris: [THEIRS] })), [mesh]],
    ['mesh, behind others', xfcc(SIDECAR, over({ uris: [THEIRS] }), FORGED), [`By=a;Hash=b,By=c,By=d,${mesh}`]],
    ['gateway', xfcc(GATEWAY, over({ uris: [THEIRS] }), FORGED), [`By=${OURS};Hash=0dff5fe2;${pem};Subject="";URI=${THEIRS}`]],
    ['a name that is none of the mesh\'s', xfcc(SIDECAR, over({ subject: 'CN=dns', dns: ['client.example.com', '*.x.com'] })), [`By=${OURS};Hash=0dff5fe2;Subject="CN=dns";URI=;DNS=client.example.com;DNS=*.x.com`]],
    ['plain text', xfcc(SIDECAR, undefined, FORGED), []],
    ['plain text at a gateway', xfcc(GATEWAY, undefined, FORGED), []],
    ['TLS without a client certificate', xfcc(GATEWAY, over(undefined), FORGED), []],
    ['a certificate of ours without URIs', xfcc(SIDECAR, tls({ peer: certificate({ uris: [THEIRS] }), local: certificate() })), [`Hash=0dff5fe2;Subject="";URI=${THEIRS}`]],
  ];
  for (const [what, got, expected] of rows) t.same(got, expected, what);
});

t.test('names cannot say more than a name', async (t) => {
  const of = (peer: Partial<PeerCertificate>): string | undefined => xfcc(SIDECAR, over(peer))[0]?.split(';Subject=').slice(1).join(';Subject=');
  t.equal(of({ subject: 'CN=client\\+x= \\C3\\A9,O=Ex\\, q \\; s\\\\b', uris: [THEIRS] }), `"CN=client\\+x= \\C3\\A9,O=Ex\\, q \\; s\\\\b";URI=${THEIRS}`, 'a subject stands in quotes, escaped as RFC 2253 has it');
  t.equal(of({ uris: [`http://a,By=b;URI=${THEIRS}`] }), `"";URI="http://a,By=b;URI=${THEIRS}"`);
  t.equal(of({ uris: ['http://a/"b\\'] }), '"";URI="http://a/\\"b\\\\"');
  t.equal(of({ uris: ['http://a?x=1'], dns: ['a\r\nx-admin: yes', 'ü.example'] }), '"";URI=http://a?x=1;DNS=a%0D%0Ax-admin:%20yes;DNS=%C3%BC.example');
});

t.test('control headers and metadata of the peer go, https is told', async (t) => {
  const control = ['x-envoy-retry-on', '5xx', 'x-envoy-peer-metadata', 'Cg==', 'x-envoy-peer-metadata-id', 'sidecar~x', 'x-other', '1'];
  for (const listener of [SIDECAR, GATEWAY]) {
    for (const security of [undefined, over({ uris: [THEIRS] })]) {
      const headers = headersOf(listener, security, control);
      t.same(['x-envoy-retry-on', 'x-envoy-peer-metadata', 'x-envoy-peer-metadata-id', 'x-other'].map((name) => headers.get(name)), [undefined, undefined, undefined, '1']);
      t.equal(headers.get('x-forwarded-proto'), security === undefined ? 'http' : 'https');
    }
  }
});
