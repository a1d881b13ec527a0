import t from 'tap';
import { loadFindings, snapshotOf } from '../../../support/findings.ts';

interface Case {
  readonly name: string;
  /** Below `spec:`, indented by two. */
  readonly spec: string;
  /** Rendered problems; positions count from `apiVersion:` on line 1, `spec:` on line 5. */
  readonly problems: readonly string[];
}

function document(kind: string, spec: string): string {
  return `apiVersion: security.istio.io/v1\nkind: ${kind}\nmetadata:\n  name: p\nspec:\n${spec}`;
}

function table(kind: string, cases: readonly Case[]): void {
  t.test(kind, async (t) => {
    for (const { name, spec, problems } of cases) {
      t.strictSame(loadFindings(document(kind, spec)), problems.map((problem) => problem.replace(/^(\d+:\d+: )/, `$1${kind} default/p: `)), name);
    }
  });
}

table('PeerAuthentication', [
  { name: 'valid', spec: '  selector:\n    matchLabels: {app: a}\n  mtls: {mode: STRICT}\n  portLevelMtls:\n    8080: {mode: DISABLE}\n', problems: [] },
  { name: 'unknown mode', spec: '  mtls:\n    mode: STRCT\n', problems: ['7:11: spec.mtls.mode: "STRCT" is not known; did you mean "STRICT"? [IST0106]'] },
  { name: 'unknown field', spec: '  mtls:\n    Mode: STRICT\n', problems: ['7:5: spec.mtls.Mode: unknown field "Mode"; did you mean "mode"? [IST0106]'] },
  { name: 'ports without selector', spec: '  portLevelMtls:\n    80: {mode: STRICT}\n', problems: ['6:3: spec.portLevelMtls: needs a selector with labels: port modes are for one workload [IST0106]'] },
  {
    name: 'no ports, port out of range',
    spec: '  selector:\n    matchLabels: {app: a}\n  portLevelMtls: {"0": {}, "65536": {}, http: {}}\n',
    problems: [
      '8:19: spec.portLevelMtls.0: "0" is not a workload port from 1 to 65535 [IST0106]',
      '8:28: spec.portLevelMtls.65536: "65536" is not a workload port from 1 to 65535 [IST0106]',
      '8:41: spec.portLevelMtls.http: "http" is not a workload port from 1 to 65535 [IST0106]',
    ],
  },
  { name: 'empty ports', spec: '  selector:\n    matchLabels: {app: a}\n  portLevelMtls: {}\n', problems: ['8:3: spec.portLevelMtls: must not be empty [IST0106]'] },
  { name: 'wildcard label', spec: '  selector:\n    matchLabels:\n      app: a*\n', problems: ['8:12: spec.selector.matchLabels.app: wildcards are not supported in a selector [IST0106]'] },
  { name: 'empty label value', spec: '  selector:\n    matchLabels:\n      app: ""\n', problems: [] },
  {
    name: 'selector without labels',
    spec: '  selector: {}\n',
    problems: ['6:3: spec.selector: warning: a selector without labels selects every workload in scope; leave it out to say so [IST0133]'],
  },
  { name: 'label is a number', spec: '  selector:\n    matchLabels:\n      app: 5\n', problems: ['8:12: spec.selector.matchLabels.app: must be text, got the number 5 (put it in quotes) [IST0106]'] },
]);

const keySet = '{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}';

table('RequestAuthentication', [
  { name: 'valid', spec: `  jwtRules:\n  - issuer: i\n    jwks: '${keySet}'\n    fromHeaders: [{name: x, prefix: "Bearer "}]\n    outputClaimToHeaders: [{header: x-a, claim: a.b}]\n    timeout: 5s\n`, problems: [] },
  { name: 'snake case', spec: '  jwtRules:\n  - jwks_uri: https://a/b\n', problems: [] },
  { name: 'neither issuer nor keys', spec: '  jwtRules:\n  - audiences: [a]\n', problems: ['7:5: spec.jwtRules[0]: needs issuer or jwksUri [IST0106]'] },
  { name: 'empty audience', spec: '  jwtRules:\n  - issuer: i\n    audiences: [""]\n', problems: ['8:17: spec.jwtRules[0].audiences[0]: must not be empty [IST0106]'] },
  { name: 'both key sources', spec: `  jwtRules:\n  - jwksUri: http://a\n    jwks: '${keySet}'\n`, problems: ['8:11: spec.jwtRules[0].jwks: only one of jwksUri, jwks may be set, got jwksUri and jwks [IST0106]'] },
  { name: 'key scheme', spec: '  jwtRules:\n  - jwksUri: ftp://a/b\n', problems: ['7:14: spec.jwtRules[0].jwksUri: must be an http or https URL, got the scheme "ftp" [IST0106]'] },
  { name: 'no URL', spec: '  jwtRules:\n  - jwksUri: a b\n', problems: ['7:14: spec.jwtRules[0].jwksUri: "a b" is not a URL [IST0106]'] },
  { name: 'unparsable keys', spec: '  jwtRules:\n  - issuer: i\n    jwks: "{"\n', problems: ['8:11: spec.jwtRules[0].jwks: is not a JSON Web Key Set: needs {"keys": [{"kty": …}, …]} [IST0106]'] },
  {
    name: 'private key',
    spec: `  jwtRules:\n  - issuer: i\n    jwks: '{"keys":[{"kty":"RSA","d":"c2VjcmV0"}]}'\n`,
    problems: ['8:11: spec.jwtRules[0].jwks: warning: holds a private key ("d"): only public keys belong here [IST0133]'],
  },
  {
    name: 'claim header without claim',
    spec: '  jwtRules:\n  - issuer: i\n    outputClaimToHeaders:\n    - header: x\n',
    problems: ['9:7: spec.jwtRules[0].outputClaimToHeaders[0].claim: is required: text [IST0106]'],
  },
  { name: 'empty header', spec: '  jwtRules:\n  - issuer: i\n    fromHeaders: [{name: ""}]\n', problems: ['8:26: spec.jwtRules[0].fromHeaders[0].name: must not be empty [IST0106]'] },
  { name: 'timeout', spec: '  jwtRules:\n  - issuer: i\n    timeout: 0s\n', problems: ['8:14: spec.jwtRules[0].timeout: must be at least 1ms (leave the field out for none) [IST0106]'] },
  {
    name: 'selector with targetRefs',
    spec: '  selector:\n    matchLabels: {app: a}\n  targetRefs:\n  - {kind: Service, name: s}\n',
    problems: [
      '8:3: spec.targetRefs: only one of selector, targetRef, targetRefs may be set, got selector and targetRefs [IST0106]',
      '8:3: spec.targetRefs: warning: concerns Kubernetes Gateway API gateways and waypoints only: sidecars and classic gateways ignore this resource, as in Istio; use selector',
    ],
  },
  {
    name: 'target of an unknown kind, with a namespace',
    spec: '  targetRef: {kind: Pod, name: s, namespace: other}\n',
    problems: [
      '6:46: spec.targetRef.namespace: must not be set: a policy cannot target another namespace [IST0106]',
      '6:21: spec.targetRef.kind: a policy cannot target core/Pod; possible: core/Service, networking.istio.io/ServiceEntry, gateway.networking.k8s.io/Gateway, gateway.networking.k8s.io/GatewayClass [IST0106]',
      '6:3: spec.targetRef: warning: concerns Kubernetes Gateway API gateways and waypoints only: sidecars and classic gateways ignore this resource, as in Istio; use selector',
    ].sort((a, b) => Number(a.split(':')[1]) - Number(b.split(':')[1])),
  },
]);

const rule = (text: string): string => `  rules:\n  - ${text}\n`;

table('AuthorizationPolicy', [
  { name: 'valid', spec: '  action: DENY\n  rules:\n  - from: [{source: {principals: ["a/*"], ipBlocks: [10.0.0.0/8, "::1"]}}]\n    to: [{operation: {ports: ["80"], paths: ["/a/{*}/{**}/b", "*x", "/y*"]}}]\n    when: [{key: "request.headers[x]", values: [a]}]\n', problems: [] },
  { name: 'allow nothing', spec: '  {}\n', problems: [] },
  { name: 'DENY without rules', spec: '  action: DENY\n', problems: ['6:11: spec.action: DENY without rules never applies; add the empty rule {} to apply it to every request [IST0106]'] },
  {
    name: 'CUSTOM without rules and provider',
    spec: '  action: CUSTOM\n',
    problems: [
      '6:11: spec.action: CUSTOM without rules never applies; add the empty rule {} to apply it to every request [IST0106]',
      "5:1: spec.provider: CUSTOM needs provider.name, one of the mesh configuration's extensionProviders [IST0106]",
    ].sort(),
  },
  { name: 'provider without CUSTOM', spec: '  provider: {name: x}\n', problems: ['6:3: spec.provider: is only for action CUSTOM, this one is ALLOW [IST0106]'] },
  {
    name: 'CUSTOM asks for identity',
    spec: '  action: CUSTOM\n  provider: {name: x}\n  rules:\n  - from: [{source: {namespaces: [a]}}]\n    when: [{key: "request.auth.claims[a]", values: [b]}]\n',
    problems: [
      '9:22: spec.rules[0].from[0].source.namespaces: cannot be used with action CUSTOM [IST0106]',
      '10:18: spec.rules[0].when[0].key: "request.auth.claims[a]" cannot be used with action CUSTOM [IST0106]',
    ],
  },
  { name: 'empty from', spec: rule('from: []'), problems: ['7:5: spec.rules[0].from: must not be empty [IST0106]'] },
  { name: 'empty source', spec: rule('from: [{source: {}}]'), problems: ['7:13: spec.rules[0].from[0].source: must not be empty: it would match everything; leave it out to say so [IST0106]'] },
  { name: 'empty operation', spec: rule('to: [{operation: {}}]'), problems: ['7:11: spec.rules[0].to[0].operation: must not be empty: it would match everything; leave it out to say so [IST0106]'] },
  { name: 'missing source', spec: rule('from: [{}]'), problems: ['7:12: spec.rules[0].from[0].source: is required: a map [IST0106]'] },
  {
    name: 'service accounts with principals',
    spec: rule('from: [{source: {serviceAccounts: [a], principals: [b]}}]'),
    problems: ['7:44: spec.rules[0].from[0].source.principals: cannot be combined with serviceAccounts [IST0106]'],
  },
  { name: 'service account wildcard', spec: rule('from: [{source: {serviceAccounts: [a*]}}]'), problems: ['7:40: spec.rules[0].from[0].source.serviceAccounts[0]: "a*": service accounts have no wildcards [IST0106]'] },
  { name: 'bad IP', spec: rule('from: [{source: {ipBlocks: [10.0.0.300]}}]'), problems: ['7:33: spec.rules[0].from[0].source.ipBlocks[0]: "10.0.0.300" is neither an IP address nor a CIDR block such as "10.1.0.0/16" [IST0106]'] },
  { name: 'bad port', spec: rule('to: [{operation: {ports: ["65536"]}}]'), problems: ['7:31: spec.rules[0].to[0].operation.ports[0]: "65536" is not a port [IST0106]'] },
  { name: 'port as a number', spec: rule('to: [{operation: {ports: [80]}}]'), problems: ['7:31: spec.rules[0].to[0].operation.ports[0]: must be text, got the number 80 (put it in quotes) [IST0106]'] },
  { name: 'empty value', spec: rule('to: [{operation: {methods: [""]}}]'), problems: ['7:33: spec.rules[0].to[0].operation.methods[0]: an empty value is not allowed [IST0106]'] },
  { name: 'template: two open ends', spec: rule('to: [{operation: {paths: ["/{**}/{*}"]}}]'), problems: ['7:31: spec.rules[0].to[0].operation.paths[0]: "/{**}/{*}": nothing but literal segments may follow "{**}" [IST0106]'] },
  { name: 'template: mixed segment', spec: rule('to: [{operation: {paths: ["/a{*}"]}}]'), problems: ['7:31: spec.rules[0].to[0].operation.paths[0]: "/a{*}": a segment with "{*}" or "{**}" may hold nothing else [IST0106]'] },
  { name: 'template: star', spec: rule('to: [{operation: {paths: ["/{*}/*"]}}]'), problems: ['7:31: spec.rules[0].to[0].operation.paths[0]: "/{*}/*": segment "*" has a character that a path template does not allow [IST0106]'] },
  { name: 'no values', spec: rule('when: [{key: source.ip}]'), problems: ['7:12: spec.rules[0].when[0]: needs values or notValues for "source.ip" [IST0106]'] },
  { name: 'unknown key', spec: rule('when: [{key: source.ips, values: [a]}]'), problems: ['7:18: spec.rules[0].when[0].key: "source.ips" is not a condition key; did you mean "source.ip"? [IST0106]'] },
  { name: 'retired key', spec: rule('when: [{key: "destination.labels[a]", values: [b]}]'), problems: ['7:18: spec.rules[0].when[0].key: "destination.labels" is no longer supported: use the policy\'s selector instead [IST0106]'] },
  { name: 'key without brackets', spec: rule('when: [{key: request.headers, values: [b]}]'), problems: ['7:18: spec.rules[0].when[0].key: "request.headers" must have the form request.headers[name] [IST0106]'] },
  { name: 'condition value', spec: rule('when: [{key: destination.port, notValues: [http]}]'), problems: ['7:48: spec.rules[0].when[0].notValues[0]: "http" is not a port [IST0106]'] },
  {
    name: 'DENY with HTTP conditions only',
    spec: '  action: DENY\n  rules:\n  - to: [{operation: {methods: [GET]}}]\n  - to: [{operation: {methods: [GET], ports: ["80"]}}]\n',
    problems: ['8:5: spec.rules[0]: warning: has HTTP conditions only, so it denies all TCP traffic in its scope; add operation.ports [IST0133]'],
  },
  {
    name: 'star in the middle',
    spec: rule('from: [{source: {principals: ["a*b"]}}]'),
    problems: ['7:35: spec.rules[0].from[0].source.principals[0]: warning: "a*b": only one "*", at the start or the end, is a wildcard; this one is compared literally [IST0133]'],
  },
]);

t.test('every served version, nothing of a key in a message', async (t) => {
  for (const version of ['v1', 'v1beta1']) {
    const text = document('PeerAuthentication', '  mtls: {mode: PERMISSIVE}\n').replace('/v1\n', `/${version}\n`);
    t.equal(snapshotOf(text).peerAuthentications.length, 1, version);
  }
  t.match(loadFindings(document('PeerAuthentication', '  {}\n').replace('/v1\n', '/v1alpha1\n')), [/^1:13: PeerAuthentication default\/p: apiVersion: "security\.istio\.io\/v1alpha1" is not an apiVersion/]);
  t.notMatch(loadFindings(document('RequestAuthentication', `  jwtRules:\n  - issuer: i\n    jwks: '{"keys":[{"kty":"RSA","d":"c2VjcmV0"}]}'\n`)).join(), /c2VjcmV0/);
});
