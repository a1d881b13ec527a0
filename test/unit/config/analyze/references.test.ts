import t from 'tap';
import { analysisFindings, rendered, snapshotOf } from '../../../support/findings.ts';
import { analyze } from '../../../../config/analyze/index.ts';

const networking = (kind: string, name: string, spec: string, namespace = 'default'): string =>
  `---\napiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\n  namespace: ${namespace}\nspec:\n${spec}`;
const service = (name: string, ports = '[{port: 80, name: http}]', namespace = 'default'): string =>
  `---\napiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\n  namespace: ${namespace}\nspec: {selector: {app: ${name}}, ports: ${ports}}\n`;
const pod = (name: string, labels: string, namespace = 'default'): string =>
  `---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}\n  namespace: ${namespace}\n  labels: ${labels}\nspec: {containers: [{name: c}]}\n`;
/** Its destination message is on line 12 of the VirtualService. */
const routeTo = (destination: string, name = 'v', namespace = 'default'): string =>
  networking('VirtualService', name, `  hosts: [a.example.com]\n  http:\n  - route:\n    - destination: {${destination}}\n`, namespace);

interface Case {
  readonly name: string;
  readonly text: string;
  readonly problems: readonly string[];
}

function table(title: string, codes: readonly string[], cases: readonly Case[]): void {
  t.test(title, async (t) => {
    for (const { name, text, problems } of cases) t.strictSame(analysisFindings(text, codes), problems, name);
  });
}

table('IST0101 and IST0112: destination hosts and ports', ['IST0101', 'IST0112'], [
  { name: 'short name', text: routeTo('host: b') + service('b'), problems: [] },
  { name: 'full name in another namespace', text: routeTo('host: b.other.svc.cluster.local') + service('b', undefined, 'other'), problems: [] },
  {
    name: 'mistyped',
    text: routeTo('host: reviws') + service('reviews'),
    problems: ['11:27: VirtualService default/v: spec.http[0].route[0].destination.host: host "reviws" (reviws.default.svc.cluster.local) is no known Service or ServiceEntry; did you mean "reviews"? [IST0101]'],
  },
  {
    name: 'short name means the own namespace',
    text: routeTo('host: b') + service('b', undefined, 'other'),
    problems: ['11:27: VirtualService default/v: spec.http[0].route[0].destination.host: host "b" (b.default.svc.cluster.local) is no known Service or ServiceEntry [IST0101]'],
  },
  {
    name: 'no services at all',
    text: routeTo('host: b'),
    problems: ['11:27: VirtualService default/v: spec.http[0].route[0].destination.host: host "b" (b.default.svc.cluster.local) is not known: this snapshot has no Service and no ServiceEntry; give their files too [IST0101]'],
  },
  { name: 'wildcard entry', text: routeTo('host: x.example.org') + networking('ServiceEntry', 's', '  hosts: ["*.example.org"]\n  ports: [{number: 80, name: http, protocol: HTTP}]\n'), problems: [] },
  {
    name: 'not exported',
    text: routeTo('host: x.example.org') + networking('ServiceEntry', 's', '  hosts: [x.example.org]\n  exportTo: ["."]\n  ports: [{number: 80, name: http, protocol: HTTP}]\n', 'other'),
    problems: ['11:27: VirtualService default/v: spec.http[0].route[0].destination.host: host "x.example.org" is not exported to namespace default [IST0101]'],
  },
  {
    name: 'which port',
    text: routeTo('host: b') + service('b', '[{port: 80, name: http}, {port: 81, name: http-b}]'),
    problems: ['11:27: VirtualService default/v: spec.http[0].route[0].destination.host: b.default.svc.cluster.local has the ports 80, 81; say which with destination.port.number [IST0112]'],
  },
  {
    name: 'no such port',
    text: routeTo('host: b, port: {number: 81}') + service('b'),
    problems: ['11:45: VirtualService default/v: spec.http[0].route[0].destination.port.number: b.default.svc.cluster.local has no port 81; it has 80 [IST0101]'],
  },
  {
    name: 'mirror, tls and tcp routes',
    text: networking(
      'VirtualService',
      'v',
      '  hosts: [b]\n  http:\n  - mirror: {host: m}\n    route: [{destination: {host: b}}]\n  tls:\n  - match: [{sniHosts: [b]}]\n    route: [{destination: {host: x}}]\n  tcp:\n  - route: [{destination: {host: y}}]\n',
    ) + service('b'),
    problems: [
      '10:20: VirtualService default/v: spec.http[0].mirror.host: host "m" (m.default.svc.cluster.local) is no known Service or ServiceEntry [IST0101]',
      '14:34: VirtualService default/v: spec.tls[0].route[0].destination.host: host "x" (x.default.svc.cluster.local) is no known Service or ServiceEntry [IST0101]',
      '16:34: VirtualService default/v: spec.tcp[0].route[0].destination.host: host "y" (y.default.svc.cluster.local) is no known Service or ServiceEntry [IST0101]',
    ],
  },
]);

const rule = (subsets: string, host = 'b', namespace = 'default'): string => networking('DestinationRule', 'r', `  host: ${host}\n  subsets: [${subsets}]\n`, namespace);

table('IST0101: subsets', ['IST0101'], [
  { name: 'defined', text: routeTo('host: b, subset: v1') + service('b') + rule('{name: v1}'), problems: [] },
  { name: 'by a wildcard rule', text: routeTo('host: b, subset: v1') + service('b') + rule('{name: v1}', '"*.default.svc.cluster.local"'), problems: [] },
  {
    name: 'mistyped',
    text: routeTo('host: b, subset: verson1') + service('b') + rule('{name: version1}'),
    problems: ['11:38: VirtualService default/v: spec.http[0].route[0].destination.subset: subset "verson1" of b.default.svc.cluster.local is not defined by its DestinationRule; did you mean "version1"? [IST0101]'],
  },
  {
    name: 'no rule',
    text: routeTo('host: b, subset: v1') + service('b'),
    problems: ['11:38: VirtualService default/v: spec.http[0].route[0].destination.subset: subset "v1" of b.default.svc.cluster.local is not defined: no DestinationRule has this host [IST0101]'],
  },
]);

const gateway = (name: string, host: string, namespace = 'default'): string =>
  networking('Gateway', name, `  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["${host}"]}]\n`, namespace);
const bound = (gateways: string, match = ''): string =>
  networking('VirtualService', 'v', `  hosts: [a.example.com]\n  gateways: [${gateways}]\n  http:\n  - route: [{destination: {host: b}}]\n${match}`) + service('b');

table('IST0101 and IST0132: gateways', ['IST0101', 'IST0132'], [
  { name: 'own namespace, full name, mesh', text: bound('g, other/h, mesh') + gateway('g', '*') + gateway('h', '*.example.com', 'other'), problems: [] },
  { name: 'unknown', text: bound('gatway') + gateway('gateway', '*'), problems: ['9:14: VirtualService default/v: spec.gateways[0]: there is no Gateway default/gatway; did you mean "default/gateway"? [IST0101]'] },
  { name: 'in a match', text: bound('g', '    match: [{gateways: [h]}]\n') + gateway('g', '*'), problems: ['12:25: VirtualService default/v: spec.http[0].match[0].gateways[0]: there is no Gateway default/h [IST0101]'] },
  {
    name: 'host not served',
    text: bound('g') + gateway('g', '*.example.org'),
    problems: ['9:14: VirtualService default/v: spec.gateways[0]: warning: none of the hosts a.example.com is served by Gateway default/g (*.example.org) [IST0132]'],
  },
  {
    name: 'host for another namespace',
    text: bound('g') + gateway('g', 'other/*.example.com'),
    problems: ['9:14: VirtualService default/v: spec.gateways[0]: warning: none of the hosts a.example.com is served by Gateway default/g (no host for this namespace) [IST0132]'],
  },
  { name: 'own namespace by dot', text: bound('g') + gateway('g', './a.example.com'), problems: [] },
]);

const delegating = networking('VirtualService', 'v', '  hosts: [b]\n  http:\n  - delegate: {name: d, namespace: other}\n') + service('b');
const delegate = (extra: string): string => networking('VirtualService', 'd', `${extra}  http:\n  - route: [{destination: {host: b.default.svc.cluster.local}}]\n`, 'other');

table('IST0101: delegates', ['IST0101'], [
  { name: 'found', text: delegating + delegate(''), problems: [] },
  { name: 'missing', text: delegating, problems: ['10:5: VirtualService default/v: spec.http[0].delegate: there is no VirtualService other/d; this route is dropped [IST0101]'] },
  { name: 'has hosts', text: delegating + delegate('  hosts: [c.example.com]\n'), problems: ['10:5: VirtualService default/v: spec.http[0].delegate: VirtualService other/d has hosts, so it is no delegate; this route is dropped [IST0101]'] },
  { name: 'private', text: delegating + delegate('  exportTo: ["."]\n'), problems: ['10:5: VirtualService default/v: spec.http[0].delegate: VirtualService other/d is not exported to namespace default; this route is dropped [IST0101]'] },
]);

const tlsGateway = networking('Gateway', 'g', '  selector: {istio: gw}\n  servers:\n  - port: {number: 443, name: https, protocol: HTTPS}\n    hosts: ["*"]\n    tls: {mode: SIMPLE, credentialName: cert}\n');
const secret = (namespace: string): string => `---\napiVersion: v1\nkind: Secret\nmetadata: {name: cert, namespace: ${namespace}}\ndata: {}\n`;

table('IST0101: secrets', ['IST0101'], [
  { name: 'somewhere, without pods', text: tlsGateway + secret('ingress'), problems: [] },
  { name: 'nowhere', text: tlsGateway, problems: ['12:41: Gateway default/g: spec.servers[0].tls.credentialName: there is no Secret "cert" in namespace default [IST0101]'] },
  {
    name: 'not where the pods are',
    text: tlsGateway + secret('default') + pod('p', '{istio: gw}', 'ingress'),
    problems: ['12:41: Gateway default/g: spec.servers[0].tls.credentialName: there is no Secret "cert" in namespace ingress [IST0101]'],
  },
  {
    name: 'of a DestinationRule',
    text: networking('DestinationRule', 'r', '  host: b\n  workloadSelector: {matchLabels: {app: a}}\n  trafficPolicy:\n    tls: {mode: MUTUAL, credentialName: cert}\n') + service('b'),
    problems: ['11:41: DestinationRule default/r: spec.trafficPolicy.tls.credentialName: there is no Secret "cert" in namespace default [IST0101]'],
  },
]);

const clientTls = (credentialName: string): string => networking('DestinationRule', 'r', `  host: b\n  trafficPolicy:\n    tls: {mode: SIMPLE, credentialName: "${credentialName}"}\n`) + service('b');
const authorities = '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca, namespace: pki}\ndata: {ca.crt: x}\n';

table('IST0101: authorities apart, and those of gateways', ['IST0101'], [
  { name: 'a rule for gateways: a secret of any namespace', text: clientTls('cert') + secret('ingress'), problems: [] },
  { name: 'in a secret apart', text: clientTls('cert') + secret('ingress').replace('name: cert', 'name: cert-cacert'), problems: [] },
  { name: 'nowhere', text: clientTls('cert') + secret('ingress').replace('name: cert', 'name: other'), problems: ['10:41: DestinationRule default/r: spec.trafficPolicy.tls.credentialName: there is no Secret "cert" in any namespace [IST0101]'] },
  { name: 'a ConfigMap', text: clientTls('configmap://pki/ca') + authorities, problems: [] },
  { name: 'a ConfigMap without authorities', text: clientTls('configmap://pki/ca') + authorities.replace('ca.crt', 'other'), problems: ['10:41: DestinationRule default/r: spec.trafficPolicy.tls.credentialName: there is no ConfigMap "configmap://pki/ca" with authorities (ca.crt) [IST0101]'] },
]);

const meshWith = (providers: string): string => `---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    ${providers}\n`;
const telemetry = (spec: string): string => `---\napiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: t}\nspec:\n${spec}`;

table('IST0101 and IST0157: providers', ['IST0101', 'IST0157'], [
  {
    name: 'without provider',
    text: telemetry('  accessLogging:\n  - disabled: false\n'),
    problems: ['7:5: Telemetry default/t: spec.accessLogging[0]: warning: names no provider and the mesh configuration has no default one (defaultProviders.accessLogging): it is ignored [IST0157]'],
  },
  { name: 'default provider', text: telemetry('  accessLogging:\n  - disabled: false\n') + meshWith('defaultProviders: {accessLogging: [envoy]}'), problems: [] },
  { name: 'built in', text: telemetry('  metrics: [{providers: [{name: prometheus}]}]\n') + meshWith('extensionProviders: []'), problems: [] },
  { name: 'unknown, no mesh configuration', text: telemetry('  tracing: [{providers: [{name: zipkn}]}]\n'), problems: [] },
  {
    name: 'unknown',
    text: telemetry('  tracing: [{providers: [{name: zipkn}]}]\n') + meshWith('extensionProviders: [{name: zipkin, zipkin: {service: z, port: 80}}]'),
    problems: ["6:33: Telemetry default/t: spec.tracing[0].providers[0].name: provider \"zipkn\" is not in the mesh configuration's extensionProviders; did you mean \"zipkin\"? [IST0101]"],
  },
]);

table('IST0174: hosts of DestinationRules', ['IST0174'], [
  { name: 'known', text: rule('{name: v1}') + service('b'), problems: [] },
  { name: 'wildcard over a known one', text: rule('{name: v1}', '"*.local"') + service('b'), problems: [] },
  {
    name: 'unknown',
    text: rule('{name: v1}', 'ratngs') + service('ratings'),
    problems: ['8:9: DestinationRule default/r: spec.host: warning: ratngs.default.svc.cluster.local is no known Service or ServiceEntry, so this rule has no effect; did you mean "ratings"? [IST0174]'],
  },
]);

table('IST0173 and IST0127: labels and workloads', ['IST0173', 'IST0127'], [
  { name: 'selected', text: rule('{name: v1, labels: {version: v1}}') + service('b') + pod('p', '{app: b, version: v1}'), problems: [] },
  { name: 'no workloads known', text: rule('{name: v1, labels: {version: v1}}') + service('b'), problems: [] },
  { name: 'only others known', text: rule('{name: v1, labels: {version: v1}}') + service('b') + pod('p', '{app: other}'), problems: [] },
  {
    name: 'no pod of the subset',
    text: rule('{name: v1, labels: {version: v1}}') + service('b') + pod('p', '{app: b, version: v2}'),
    problems: ['9:24: DestinationRule default/r: spec.subsets[0].labels: subset "v1" selects no workload of b.default.svc.cluster.local: none has the labels version=v1 [IST0173]'],
  },
  {
    name: 'endpoints of a ServiceEntry count',
    text: rule('{name: v1, labels: {version: v1}}', 'x.example.com') + networking('ServiceEntry', 's', '  hosts: [x.example.com]\n  resolution: STATIC\n  ports: [{number: 80, name: http, protocol: HTTP}]\n  endpoints: [{address: 10.0.0.1, labels: {version: v1}}]\n'),
    problems: [],
  },
  {
    name: 'selectors',
    text: networking('Sidecar', 's', '  workloadSelector: {labels: {app: x}}\n  egress: [{hosts: ["./*"]}]\n') + pod('p', '{app: b}'),
    problems: ['8:3: Sidecar default/s: spec.workloadSelector: warning: no workload in namespace default has the labels app=x [IST0127]'],
  },
  { name: 'selector, other namespace', text: networking('Sidecar', 's', '  workloadSelector: {labels: {app: x}}\n  egress: [{hosts: ["./*"]}]\n') + pod('p', '{app: b}', 'other'), problems: [] },
  { name: 'gateways select everywhere', text: tlsGateway + secret('ingress') + pod('p', '{istio: gw}', 'ingress'), problems: [] },
]);

t.test('what refers to a broken resource is not told that it does not exist', async (t) => {
  const broken = bound('g').replace('host: b}', 'host: b, subset: v1}') + networking('Gateway', 'g', '  servers: []\n') + networking('DestinationRule', 'r', '  host: b\n  subsets: [{name: V_1}]\n');
  const snapshot = snapshotOf(broken.replace('name: b\n', 'name: b\n').replace('ports: [{port: 80, name: http}]', 'ports: [{port: 0}]'));
  t.equal(snapshot.problems.filter((problem) => problem.severity === 'error').length, 3);
  t.strictSame(rendered(analyze(snapshot)), []);
});
