/** Host names, gateway references and protocols: istio-api.md 1.2, 1.3 and section 7. */

import fc from 'fast-check';
import t from 'tap';
import { covers, intersectHosts, mostSpecific, overlaps } from '../../../../config/compile/host-match.ts';
import { resolveGateway, resolveHost } from '../../../../config/compile/names.ts';
import { servicePortProtocol, writtenProtocol } from '../../../../config/compile/protocol.ts';
import { oldestFirst } from '../../../../config/compile/order.ts';
import { snapshotFrom, kube } from './compiled.ts';

t.test('short names get the namespace of the resource that holds them', async (t) => {
  const cases: readonly (readonly [host: string, full: string])[] = [
    ['reviews', 'reviews.prod.svc.cluster.local'],
    ['Reviews', 'reviews.prod.svc.cluster.local'],
    ['reviews.prod', 'reviews.prod'],
    ['reviews.prod.svc.cluster.local', 'reviews.prod.svc.cluster.local'],
    ['API.example.com', 'api.example.com'],
    ['*', '*'],
    ['', ''],
    ['*.foo.com', '*.foo.com'],
    ['10.0.0.1', '10.0.0.1'],
    ['fd00::1', 'fd00::1'],
  ];
  for (const [host, full] of cases) t.equal(resolveHost(host, 'prod', 'cluster.local'), full, host);
  t.equal(resolveHost('a', 'b', 'mesh.internal'), 'a.b.svc.mesh.internal');
});

t.test('gateway references', async (t) => {
  const cases: readonly (readonly [reference: string, resolved: string])[] = [
    ['mesh', 'mesh'],
    ['gw', 'prod/gw'],
    ['other/gw', 'other/gw'],
    ['gw.other.svc.cluster.local', 'other/gw'],
    ['gw.other', 'other/gw'],
  ];
  for (const [reference, resolved] of cases) t.equal(resolveGateway(reference, 'prod'), resolved, reference);
});

t.test('wildcards', async (t) => {
  const cases: readonly (readonly [outer: string, inner: string, covered: boolean, either: boolean])[] = [
    ['*.foo.com', 'a.foo.com', true, true],
    ['*.foo.com', 'a.b.foo.com', true, true],
    ['*.foo.com', 'foo.com', false, false],
    ['*.foo.com', '.foo.com', false, false],
    ['*.com', '*.foo.com', true, true],
    ['*.foo.com', '*.com', false, true],
    ['a.foo.com', '*.foo.com', false, true],
    ['*', 'anything', true, true],
    ['a.com', 'a.com', true, true],
    ['a.com', 'b.com', false, false],
    ['*foo.com', 'barfoo.com', true, true],
    ['*foo.com', 'a.foo.com', true, true],
    ['*foo.com', '*.foo.com', true, true],
    ['*foo.com', 'foo.com', false, false],
    ['*-foo.com', 'bar-foo.com', true, true],
  ];
  for (const [outer, inner, covered, either] of cases) {
    t.equal(covers(outer, inner), covered, `${outer} covers ${inner}`);
    t.equal(overlaps(outer, inner), either, `${outer} overlaps ${inner}`);
  }
  t.same(intersectHosts(['*.foo.com', 'bar.com'], ['a.foo.com', 'b.foo.com', '*', 'x.org']), ['a.foo.com', 'b.foo.com', '*.foo.com', 'bar.com']);
  t.same(intersectHosts(['*'], ['*']), ['*']);
});

t.test('the most specific entry is the one a scan over all of them finds', async () => {
  const label = fc.constantFrom('a', 'b', 'c');
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
  const wildcard = fc.oneof({ weight: 4, arbitrary: fc.constant('*.') }, fc.constantFrom('*', '*a'));
  const host = fc.oneof(name, fc.tuple(wildcard, name).map(([start, suffix]) => `${start}${suffix}`), fc.constant('*'));
  const moreSpecific = (a: string, b: string): number => Number(a.startsWith('*')) - Number(b.startsWith('*')) || b.length - a.length;
  fc.assert(
    fc.property(fc.uniqueArray(host, { maxLength: 12 }), host, (hosts, wanted) => {
      const scanned = hosts.filter((candidate) => covers(candidate, wanted)).sort(moreSpecific)[0];
      return mostSpecific(new Map(hosts.map((candidate) => [candidate, candidate])), wanted) === scanned;
    }),
  );
});

t.test('protocol of a Service port', async (t) => {
  type Port = Parameters<typeof servicePortProtocol>[0];
  const cases: readonly (readonly [port: Partial<Port>, protocol: string | undefined])[] = [
    [{ name: 'http' }, 'HTTP'],
    [{ name: 'http-web' }, 'HTTP'],
    [{ name: 'HTTP2-api' }, 'HTTP2'],
    [{ name: 'httpfoo' }, 'AUTO'],
    [{ name: 'grpc' }, 'GRPC'],
    [{ name: 'grpc-web' }, 'GRPC'],
    [{ name: 'grpc-webfoo' }, 'GRPC'],
    [{ name: 'https-x' }, 'TLS'],
    [{ name: 'tls' }, 'TLS'],
    [{ name: 'tcp-db' }, 'TCP'],
    [{ name: 'mongo' }, 'TCP'],
    [{ name: 'mysql-x' }, 'TCP'],
    [{ name: 'redis' }, 'TCP'],
    [{ name: 'udp-dns' }, undefined],
    [{ name: 'http', protocol: 'UDP' }, undefined],
    [{ name: 'http', protocol: 'SCTP' }, undefined],
    [{}, 'AUTO'],
    [{ name: 'web' }, 'AUTO'],
    [{ name: 'constructor' }, 'AUTO'],
    [{ port: 3306 }, 'TCP'],
    [{ port: 25, name: 'smtp' }, 'TCP'],
    [{ port: 53, name: 'http-dns' }, 'HTTP'],
    [{ port: 27017, appProtocol: 'http' }, 'HTTP'],
    [{ name: 'http', appProtocol: 'tcp' }, 'TCP'],
    [{ name: 'http', appProtocol: 'grpc-x' }, 'GRPC'],
    [{ name: 'http', appProtocol: 'kubernetes.io/h2c' }, 'HTTP2'],
    [{ name: 'tcp', appProtocol: 'kubernetes.io/ws' }, 'HTTP'],
    [{ name: 'tcp', appProtocol: 'kubernetes.io/wss' }, 'TLS'],
    [{ name: 'http', appProtocol: 'example.com/custom' }, 'AUTO'],
    [{ appProtocol: '__proto__' }, 'AUTO'],
  ];
  for (const [port, protocol] of cases) t.equal(servicePortProtocol({ port: 8080, ...port }), protocol, JSON.stringify(port));
});

t.test('written protocols', async (t) => {
  const cases: readonly (readonly [protocol: string | undefined, meant: string | undefined])[] = [
    ['HTTP', 'HTTP'], ['http', 'HTTP'], ['GRPC-WEB', 'GRPC'], ['HTTPS', 'TLS'], ['MONGO', 'TCP'], ['', 'AUTO'], [undefined, 'AUTO'], ['UDP', undefined], ['toString', 'AUTO'],
  ];
  for (const [protocol, meant] of cases) t.equal(writtenProtocol(protocol), meant, String(protocol));
});

t.test('oldest first, those without a time last, then by name and namespace', async (t) => {
  const at = (name: string, namespace: string, creationTimestamp?: string) => kube(name, {}, { namespace, ...(creationTimestamp !== undefined && { creationTimestamp }) });
  const snapshot = snapshotFrom([at('b', 'y'), at('a', 'z'), at('a', 'x'), at('z', 'a', '2020-01-02T00:00:00Z'), at('y', 'a', '2020-01-01T00:00:00Z')]);
  t.same(oldestFirst(snapshot.services).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`), ['a/y', 'a/z', 'x/a', 'z/a', 'y/b']);
});
