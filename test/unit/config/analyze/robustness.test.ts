import fc from 'fast-check';
import t from 'tap';
import { analyze } from '../../../../config/analyze/index.ts';
import { securityRefusals } from '../../../../config/analyze/unenforced-security.ts';
import { snapshotOf } from '../../../support/findings.ts';

const istio = (group: string, kind: string, spec: unknown): object => ({ apiVersion: `${group}.istio.io/v1`, kind, metadata: { name: 'x' }, spec });

/** One document of every kind, with most of its fields. */
const documents: readonly object[] = [
  istio('networking', 'VirtualService', {
    hosts: ['b', 'c.example.com'],
    gateways: ['mesh', 'g'],
    http: [
      { match: [{ uri: { prefix: '/a' }, headers: { x: { exact: 'y' } }, gateways: ['g'] }, { uri: { regex: '/b' } }], route: [{ destination: { host: 'b', subset: 'v1', port: { number: 80 } }, weight: 1 }], retries: { attempts: 1 }, mirror: { host: 'b' } },
      { delegate: { name: 'd', namespace: 'n' } },
      { redirect: { uri: '/x' } },
    ],
    tls: [{ match: [{ sniHosts: ['c.example.com'] }], route: [{ destination: { host: 'b' } }] }],
  }),
  istio('networking', 'DestinationRule', { host: 'b', trafficPolicy: { tls: { mode: 'SIMPLE' }, portLevelSettings: [{ port: { number: 80 }, outlierDetection: { interval: '1s' } }] }, subsets: [{ name: 'v1', labels: { version: 'v1' } }] }),
  istio('networking', 'Gateway', { selector: { app: 'g' }, servers: [{ port: { number: 443, name: 'a', protocol: 'HTTPS' }, hosts: ['./*'], tls: { mode: 'SIMPLE', credentialName: 's' } }] }),
  istio('networking', 'ServiceEntry', { hosts: ['c.example.com'], ports: [{ number: 80, name: 'tcp', protocol: 'TCP' }], resolution: 'STATIC', endpoints: [{ address: '10.0.0.1', labels: { a: 'b' } }] }),
  istio('networking', 'Sidecar', { workloadSelector: { labels: { app: 'b' } }, egress: [{ hosts: ['./*'] }], ingress: [{ port: { number: 80, name: 'a', protocol: 'HTTP' }, defaultEndpoint: '127.0.0.1:80' }] }),
  istio('security', 'PeerAuthentication', { selector: { matchLabels: { app: 'b' } }, mtls: { mode: 'STRICT' }, portLevelMtls: { '80': { mode: 'DISABLE' } } }),
  istio('security', 'RequestAuthentication', { jwtRules: [{ issuer: 'i', jwks: '{"keys":[{"kty":"RSA"}]}', fromHeaders: [{ name: 'x' }] }] }),
  istio('security', 'AuthorizationPolicy', { action: 'DENY', rules: [{ from: [{ source: { principals: ['a'] } }], to: [{ operation: { paths: ['/{*}'] } }], when: [{ key: 'source.ip', values: ['10.0.0.1'] }] }] }),
  istio('telemetry', 'Telemetry', { metrics: [{ overrides: [{ match: { metric: 'ALL_METRICS' }, tagOverrides: { a: { value: 'b' } } }] }], tracing: [{ customTags: { a: { literal: { value: 'b' } } } }], accessLogging: [{ filter: { expression: 'a > 1' } }] }),
  { apiVersion: 'v1', kind: 'Service', metadata: { name: 'b' }, spec: { selector: { app: 'b' }, ports: [{ port: 80, name: 'http', targetPort: 'web' }] } },
  { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', labels: { app: 'b', version: 'v1' } }, spec: { containers: [{ name: 'c', ports: [{ containerPort: 80 }] }] }, status: { podIPs: [{ ip: '10.0.0.1' }] } },
  { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, type: 'kubernetes.io/tls', data: { 'tls.crt': '', 'tls.key': '' } },
  { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'b' }, subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] },
  { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 'b' }, addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true } }], ports: [{ port: 80 }] },
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data: { mesh: JSON.stringify({ extensionProviders: [{ name: 'a', zipkin: { service: 'z' } }], defaultConfig: { gatewayTopology: { numTrustedProxies: 1 } } }) } },
];

type Container = Record<string | number, unknown>;

/** Every place in a value: the container and the key. */
function places(value: unknown): readonly (readonly [Container, string | number])[] {
  if (typeof value !== 'object' || value === null) return [];
  const container = value as Container;
  return Object.keys(container).flatMap((key) => [[container, key] as const, ...places(container[key])]);
}

t.test('whatever stands where, loading and analyzing answer with problems', async (t) => {
  const all = documents.flatMap((_, document) => places(documents[document]).map((_place, place) => [document, place] as const));
  const replacement = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('', '*', '~', './*', 'a/b/c', 0, -1, 1e9, 'unix:///a', '[', '{*}', '99999s', {}, [], [null], null));
  const check = (text: string): void => {
    const snapshot = snapshotOf(text);
    analyze(snapshot);
    securityRefusals(snapshot, { namespace: 'default', labels: { app: 'b' }, rootNamespace: 'istio-system' });
  };
  check(documents.map((document) => JSON.stringify(document)).join('\n---\n'));
  const mutation = fc.tuple(fc.constantFrom(...all), replacement);
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
      const copies = structuredClone(documents) as object[];
      for (const [[document, place], value] of mutations) {
        const target = places(copies[document])[place];
        if (target !== undefined) target[0][target[1]] = value;
      }
      check(copies.map((copy) => JSON.stringify(copy)).join('\n---\n'));
    }),
    { numRuns: 100 },
  );
  t.pass('nothing was thrown');
});
