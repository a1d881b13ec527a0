import t from 'tap';
import { analysisFindings } from '../../../support/findings.ts';

const networking = (kind: string, name: string, spec: string, namespace = 'default'): string =>
  `---\napiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\n  namespace: ${namespace}\nspec:\n${spec}`;
const service = (name: string, ports: string, extra = ''): string =>
  `---\napiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\nspec:\n  selector: {app: ${name}}\n${extra}  ports: ${ports}\n`;
const pod = (name: string, labels: string): string => `---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}\n  labels: ${labels}\nspec: {containers: [{name: c}]}\n`;
const telemetry = (name: string, selector: string): string =>
  `---\napiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata:\n  name: ${name}\nspec:\n${selector}  metrics: [{providers: [{name: prometheus}]}]\n`;

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

const virtualService = (name: string, head: string, namespace = 'default'): string => networking('VirtualService', name, `${head}  http: [{directResponse: {status: 200}}]\n`, namespace);

table('IST0109: mesh hosts', ['IST0109'], [
  {
    name: 'short and full name',
    text: virtualService('a', '  hosts: [x, r]\n') + virtualService('b', '  hosts: [r.default.svc.cluster.local]\n'),
    problems: [
      '8:14: VirtualService default/a: spec.hosts[1]: the host r.default.svc.cluster.local is also claimed by VirtualService default/b, and a sidecar uses only the oldest; put the routes into one resource [IST0109]',
      '17:11: VirtualService default/b: spec.hosts[0]: the host r.default.svc.cluster.local is also claimed by VirtualService default/a, and a sidecar uses only the oldest; put the routes into one resource [IST0109]',
    ],
  },
  { name: 'one at a gateway only', text: virtualService('a', '  hosts: [r.example.com]\n  gateways: [g]\n') + virtualService('b', '  hosts: [r.example.com]\n'), problems: [] },
  { name: 'short names of two namespaces', text: virtualService('a', '  hosts: [r]\n') + virtualService('b', '  hosts: [r]\n', 'other'), problems: [] },
  { name: 'private ones', text: virtualService('a', '  hosts: [r.example.com]\n  exportTo: ["."]\n') + virtualService('b', '  hosts: [r.example.com]\n  exportTo: ["."]\n', 'other'), problems: [] },
]);

const sidecar = (name: string, selector: string): string => networking('Sidecar', name, `${selector}  egress: [{hosts: ["./*"]}]\n`);

table('IST0110, IST0111: Sidecars', ['IST0110', 'IST0111'], [
  { name: 'one general, one selecting', text: sidecar('a', '') + sidecar('b', '  workloadSelector: {labels: {app: x}}\n') + pod('p', '{app: x}'), problems: [] },
  {
    name: 'two without selector',
    text: sidecar('a', '') + sidecar('b', ''),
    problems: [
      '5:9: Sidecar default/a: metadata.name: Sidecar default/b in namespace default has no selector either, and only the oldest is used [IST0111]',
      '13:9: Sidecar default/b: metadata.name: Sidecar default/a in namespace default has no selector either, and only the oldest is used [IST0111]',
    ],
  },
  {
    name: 'two select a pod',
    text: sidecar('a', '  workloadSelector: {labels: {app: x}}\n') + sidecar('b', '  workloadSelector: {labels: {v: "1"}}\n') + pod('p', '{app: x, v: "1"}'),
    problems: [
      '5:9: Sidecar default/a: metadata.name: Sidecar default/b selects Pod default/p too, and only the oldest is used [IST0110]',
      '14:9: Sidecar default/b: metadata.name: Sidecar default/a selects Pod default/p too, and only the oldest is used [IST0110]',
    ],
  },
]);

table('IST0159, IST0160: Telemetries', ['IST0159', 'IST0160'], [
  { name: 'targetRefs are no matter', text: telemetry('a', '') + telemetry('b', '  targetRefs: [{kind: Service, name: s}]\n'), problems: [] },
  {
    name: 'two without selector',
    text: telemetry('a', '') + telemetry('b', ''),
    problems: [
      '5:9: Telemetry default/a: metadata.name: Telemetry default/b in namespace default has no selector either, and only the oldest is used [IST0160]',
      '12:9: Telemetry default/b: metadata.name: Telemetry default/a in namespace default has no selector either, and only the oldest is used [IST0160]',
    ],
  },
  {
    name: 'two select a pod',
    text: telemetry('a', '  selector: {matchLabels: {app: x}}\n') + telemetry('b', '  selector: {matchLabels: {app: x}}\n') + pod('p', '{app: x}'),
    problems: [
      '5:9: Telemetry default/a: metadata.name: Telemetry default/b selects Pod default/p too, and only the oldest is used [IST0159]',
      '13:9: Telemetry default/b: metadata.name: Telemetry default/a selects Pod default/p too, and only the oldest is used [IST0159]',
    ],
  },
]);

table('IST0118: port names', ['IST0118'], [
  { name: 'conventional', text: service('s', '[{port: 80, name: http-web}, {port: 81, name: x, appProtocol: grpc}, {port: 3306, name: x2}, {port: 53, name: dns, protocol: UDP}]'), problems: [] },
  {
    name: 'not',
    text: service('s', '\n  - {port: 80, name: web}\n  - {port: 81, name: tcpish}'),
    problems: [
      '9:5: Service default/s: spec.ports[0]: info: port 80 is named "web", which tells no protocol: its bytes are inspected; name it like "http" or "http-web", or set appProtocol [IST0118]',
      '10:5: Service default/s: spec.ports[1]: info: port 81 is named "tcpish", which tells no protocol: its bytes are inspected; name it like "http" or "http-web", or set appProtocol [IST0118]',
    ],
  },
  { name: 'no name', text: service('s', '[{port: 80}]'), problems: ['8:11: Service default/s: spec.ports[0]: info: port 80 has no name, which tells no protocol: its bytes are inspected; name it like "http" or "http-web", or set appProtocol [IST0118]'] },
]);

const tls = (place: string): string => networking('DestinationRule', 'r', `  host: s\n  trafficPolicy:\n${place}`) + service('s', '[{port: 80, name: http}]');

table('IST0128, IST0129: TLS without authority', ['IST0128', 'IST0129'], [
  { name: 'mesh TLS', text: tls('    tls: {mode: ISTIO_MUTUAL}\n'), problems: [] },
  { name: 'given', text: tls('    tls: {mode: SIMPLE, caCertificates: system}\n'), problems: [] },
  { name: 'skipped', text: tls('    tls: {mode: SIMPLE, insecureSkipVerify: true}\n'), problems: [] },
  { name: 'rule level', text: tls('    tls: {mode: SIMPLE}\n'), problems: ['10:5: DestinationRule default/r: spec.trafficPolicy.tls: warning: TLS mode SIMPLE for s without caCertificates: the server is verified against the authorities of the operating system only [IST0128]'] },
  {
    name: 'port level',
    text: tls('    portLevelSettings:\n    - port: {number: 80}\n      tls: {mode: SIMPLE}\n'),
    problems: ['12:7: DestinationRule default/r: spec.trafficPolicy.portLevelSettings[0].tls: warning: TLS mode SIMPLE for s:80 without caCertificates: the server is verified against the authorities of the operating system only [IST0129]'],
  },
]);

const rules = (...matches: readonly string[]): string =>
  networking('VirtualService', 'v', `  hosts: [s]\n  http:\n${matches.map((match) => `  - {match: ${match}, directResponse: {status: 200}}\n`).join('')}`);

table('IST0130, IST0131: covered matches', ['IST0130', 'IST0131'], [
  { name: 'narrow before wide', text: rules('[{uri: {prefix: /api/v1}}]', '[{uri: {prefix: /api}}]'), problems: [] },
  { name: 'wide before narrow', text: rules('[{uri: {prefix: /api}}]', '[{uri: {prefix: /api/v1}}]'), problems: ['11:5: VirtualService default/v: spec.http[1]: warning: is never reached: http[0] takes all that it matches; move it up [IST0130]'] },
  { name: 'exact under prefix, one of two', text: rules('[{uri: {prefix: /api}}]', '[{uri: {exact: /api/v1}}, {uri: {exact: /b}}]'), problems: ['11:14: VirtualService default/v: spec.http[1].match[0]: info: has no effect: http[0] takes all that it matches [IST0131]'] },
  { name: 'more conditions', text: rules('[{uri: {prefix: /api}, headers: {x: {exact: a}}}]', '[{uri: {prefix: /api/v1}}]'), problems: [] },
  { name: 'fewer conditions', text: rules('[{uri: {prefix: /api}}]', '[{uri: {prefix: /api}, headers: {x: {exact: a}}}]'), problems: ['11:5: VirtualService default/v: spec.http[1]: warning: is never reached: http[0] takes all that it matches; move it up [IST0130]'] },
  { name: 'letter case', text: rules('[{uri: {prefix: /api}}]', '[{uri: {prefix: /api/v1}, ignoreUriCase: true}]'), problems: [] },
  { name: 'letter case, the other way', text: rules('[{uri: {prefix: /API}, ignoreUriCase: true}]', '[{uri: {prefix: /api/v1}}]'), problems: ['11:5: VirtualService default/v: spec.http[1]: warning: is never reached: http[0] takes all that it matches; move it up [IST0130]'] },
  { name: 'static conditions', text: rules('[{port: 80, uri: {prefix: /api}}]', '[{uri: {prefix: /api/v1}}]'), problems: [] },
  { name: 'regexes are not compared', text: rules('[{uri: {regex: "/a.*"}}]', '[{uri: {prefix: /ab}}]'), problems: [] },
]);

const entry = (name: string, spec: string, namespace = 'default'): string => networking('ServiceEntry', name, `  hosts: [x.example.com]\n${spec}`, namespace);

table('IST0134: TCP without addresses', ['IST0134'], [
  { name: 'HTTP', text: entry('a', '  ports: [{number: 80, name: http, protocol: HTTP}]\n'), problems: [] },
  { name: 'addresses', text: entry('a', '  addresses: [10.1.1.1]\n  ports: [{number: 80, name: tcp, protocol: TCP}]\n'), problems: [] },
  {
    name: 'TCP and nothing said',
    text: entry('a', '  ports:\n  - {number: 80, name: tcp, protocol: TCP}\n  - {number: 81, name: x}\n'),
    problems: [
      '10:5: ServiceEntry default/a: spec.ports[0]: warning: port 80 carries TCP and the entry has no addresses: it takes every connection to that port [IST0134]',
      '11:5: ServiceEntry default/a: spec.ports[1]: warning: port 81 carries a protocol that is not said and the entry has no addresses: it takes every connection to that port [IST0134]',
    ],
  },
]);

table('IST0177: protocols of ServiceEntries', ['IST0177'], [
  { name: 'agree', text: entry('a', '  ports: [{number: 80, name: http, protocol: HTTP}]\n') + entry('b', '  ports: [{number: 80, name: http, protocol: http}]\n'), problems: [] },
  {
    name: 'disagree',
    text: entry('a', '  ports: [{number: 80, name: http, protocol: HTTP}]\n') + entry('b', '  ports: [{number: 80, name: grpc, protocol: GRPC}]\n'),
    problems: [
      '9:11: ServiceEntry default/a: spec.ports[0]: warning: port 80 of x.example.com has the protocols GRPC and HTTP; ServiceEntry default/b says otherwise [IST0177]',
      '18:11: ServiceEntry default/b: spec.ports[0]: warning: port 80 of x.example.com has the protocols GRPC and HTTP; ServiceEntry default/a says otherwise [IST0177]',
    ],
  },
  {
    name: 'not seen together',
    text: entry('a', '  exportTo: ["."]\n  ports: [{number: 80, name: http, protocol: HTTP}]\n') + entry('b', '  exportTo: ["."]\n  ports: [{number: 80, name: grpc, protocol: GRPC}]\n', 'other'),
    problems: [],
  },
]);

const gateway = (name: string, servers: string, selector = '{istio: gw}', namespace = 'default'): string => networking('Gateway', name, `  selector: ${selector}\n  servers:\n${servers}`, namespace);
const http = (port: number, host: string): string => `  - {port: {number: ${port}, name: http, protocol: HTTP}, hosts: ["${host}"]}\n`;

table('IST0145: conflicting gateways', ['IST0145'], [
  { name: 'different hosts', text: gateway('a', http(80, 'a.example.com')) + gateway('b', http(80, 'b.example.com')), problems: [] },
  { name: 'different ports', text: gateway('a', http(80, '*')) + gateway('b', http(8080, '*')), problems: [] },
  { name: 'different selectors', text: gateway('a', http(80, '*')) + gateway('b', http(80, '*'), '{istio: other}'), problems: [] },
  { name: 'hosts for different namespaces', text: gateway('a', http(80, 'x/*')) + gateway('b', http(80, 'y/*')), problems: [] },
  {
    name: 'overlap',
    text: gateway('a', http(80, '*.example.com')) + gateway('b', http(80, 'a.example.com'), undefined, 'other'),
    problems: [
      '10:5: Gateway default/a: spec.servers[0]: Gateway other/b has the same selector (istio=gw) and port 80 for an overlapping host (*.example.com) [IST0145]',
      '20:5: Gateway other/b: spec.servers[0]: Gateway default/a has the same selector (istio=gw) and port 80 for an overlapping host (a.example.com) [IST0145]',
    ],
  },
]);

table('IST0162: gateway ports', ['IST0162'], [
  { name: 'no pods known', text: gateway('a', http(80, '*')), problems: [] },
  { name: 'port and target port', text: gateway('a', http(80, 'a') + http(8080, 'b').replace('name: http', 'name: b')).replaceAll('"a"', '"a.x"').replaceAll('"b"', '"b.x"') + service('gw', '[{port: 80, name: http, targetPort: 8080}]') + pod('p', '{istio: gw, app: gw}'), problems: [] },
  {
    name: 'not on the Service',
    text: gateway('a', http(81, '*')) + service('gw', '[{port: 80, name: http}]') + pod('p', '{istio: gw, app: gw}'),
    problems: ['10:21: Gateway default/a: spec.servers[0].port.number: warning: no Service of the pods with labels istio=gw has port 81; the port cannot be reached through a Service [IST0162]'],
  },
]);

t.test('dry-run annotation', async (t) => {
  const annotated = (kind: string, group: string, spec: string, value: string): string =>
    `apiVersion: ${group}/v1\nkind: ${kind}\nmetadata:\n  name: x\n  annotations:\n    istio.io/dry-run: "${value}"\nspec: ${spec}\n`;
  const policy = (action: string, value: string): string => annotated('AuthorizationPolicy', 'security.istio.io', `{action: ${action}, rules: [{}]}`, value);
  const at = (kind: string, message: string): readonly string[] => [`6:23: ${kind} default/x: metadata.annotations["istio.io/dry-run"]: ${message} [IST0106]`];
  t.strictSame(analysisFindings(policy('ALLOW', 'true'), ['IST0106']), []);
  t.strictSame(analysisFindings(policy('DENY', 'yes'), ['IST0106']), at('AuthorizationPolicy', 'must be "true" or "false", got "yes"'));
  t.strictSame(analysisFindings(policy('AUDIT', 'true'), ['IST0106']), at('AuthorizationPolicy', 'only policies with action ALLOW or DENY can be tried out, this one is AUDIT'));
  t.strictSame(
    analysisFindings(annotated('Sidecar', 'networking.istio.io', '{egress: [{hosts: ["./*"]}]}', 'true'), ['IST0106']),
    at('Sidecar', 'Sidecar cannot be tried out with this annotation, only AuthorizationPolicy can'),
  );
});
