import t from 'tap';
import { loadFindings, snapshotOf } from '../../../support/findings.ts';

type Case = readonly [name: string, text: string, problems: readonly string[]];

async function check(t: { strictSame(found: unknown, wanted: unknown, name: string): unknown }, label: string, cases: readonly Case[]): Promise<void> {
  for (const [name, text, problems] of cases) {
    t.strictSame(loadFindings(text), problems.map((problem) => problem.replace(/^(\d+:\d+: )/, `$1${label}: `)), name);
  }
}

const service = (spec: string, name = 's'): string => `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\nspec:\n${spec}`;

t.test('Service', async (t) => {
  await check(t, 'Service default/s', [
    ['valid', service('  ports: [{port: 80, targetPort: web, name: http}]\n  selector: {app: a}\n  sessionAffinity: None\n  ipFamilies: [IPv4]\n'), []],
    ['headless without ports', service('  clusterIP: None\n'), []],
    ['ExternalName', service('  type: ExternalName\n  externalName: a.example.com.\n'), []],
    ['no ports', service('  selector: {app: a}\n'), ['5:1: spec.ports: must not be empty (only headless and ExternalName services may do without) [IST0106]']],
    ['ExternalName without a name', service('  type: ExternalName\n'), ['5:1: spec.externalName: is required for type ExternalName [IST0106]']],
    ['port out of range', service('  ports:\n  - port: 65536\n'), ['7:11: spec.ports[0].port: must be a whole number from 1 to 65535, got 65536 [IST0106]']],
    ['port as text', service('  ports:\n  - port: "80"\n'), ['7:11: spec.ports[0].port: must be a whole number from 1 to 65535, got the text "80" (write it without quotes) [IST0106]']],
    ['port missing', service('  ports:\n  - name: http\n'), ['7:5: spec.ports[0].port: is required: a whole number from 1 to 65535 [IST0106]']],
    ['misspelt port field', service('  ports:\n  - port: 80\n    targetport: 8080\n'), ['8:5: spec.ports[0].targetport: unknown field "targetport"; did you mean "targetPort"? [IST0106]']],
    [
      'targetPort',
      service('  ports:\n  - {port: 80, name: a, targetPort: 70000}\n  - {port: 81, name: b, targetPort: Not_A_Name}\n'),
      [
        '7:37: spec.ports[0].targetPort: must be a port from 1 to 65535 or a port name, got 70000 [IST0106]',
        '8:37: spec.ports[1].targetPort: "Not_A_Name" is not a port name (lower-case letters, digits and "-", at most 15, at least one letter) [IST0106]',
      ],
    ],
    ['several ports without names', service('  ports:\n  - port: 80\n  - port: 81\n'), ['7:5: spec.ports[0]: needs a name: the service has several ports [IST0106]', '8:5: spec.ports[1]: needs a name: the service has several ports [IST0106]']],
    ['names twice', service('  ports:\n  - {port: 80, name: a}\n  - {port: 81, name: a}\n'), ['8:22: spec.ports[1].name: the port name "a" is used twice [IST0106]']],
    ['numbers twice', service('  ports:\n  - {port: 80, name: a}\n  - {port: 80, name: b}\n  - {port: 80, name: c, protocol: UDP}\n'), ['8:12: spec.ports[1].port: port 80/TCP is declared twice [IST0106]']],
    ['protocol', service('  ports:\n  - {port: 80, protocol: HTTP}\n'), ['7:26: spec.ports[0].protocol: "HTTP" is not known; known here: TCP, UDP, SCTP [IST0106]']],
    ['selector value', service('  ports: [{port: 80}]\n  selector:\n    app: 5\n'), ['8:10: spec.selector.app: must be text, got the number 5 (put it in quotes) [IST0106]']],
    ['selector is a list', service('  ports: [{port: 80}]\n  selector: [app]\n'), ['7:3: spec.selector: must be a map, got a list [IST0106]']],
    ['cluster IP', service('  ports: [{port: 80}]\n  clusterIP: 10.0.0\n'), ['7:14: spec.clusterIP: "10.0.0" is not an IP address [IST0106]']],
    ['other fields are left alone', service('  ports: [{port: 80}]\n  healthCheckNodePort: x\n'), []],
  ]);
});

const slice = (body: string, label = '    kubernetes.io/service-name: s\n'): string => `apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: s\n  labels:\n${label}${body}`;

t.test('EndpointSlice', async (t) => {
  await check(t, 'EndpointSlice default/s', [
    ['valid, as kubectl prints it', slice('addressType: IPv4\nendpoints:\n- addresses: [10.0.0.1]\n  conditions: {ready: true, serving: true, terminating: false}\n  hints: {forZones: [{name: a}]}\n  zone: a\n  targetRef: {kind: Pod, name: p, namespace: default, uid: x}\nports:\n- {name: http, port: 80, protocol: TCP}\n'), []],
    ['empty', slice('addressType: IPv6\nendpoints: null\nports: null\n'), []],
    ['no address type', slice('endpoints: []\n'), ['1:1: addressType: is required: one of IPv4, IPv6, FQDN [IST0106]']],
    ['wrong family', slice('addressType: IPv4\nendpoints:\n- addresses:\n  - "::1"\n'), ['10:5: endpoints[0].addresses[0]: "::1" is not an IPv4 address, which addressType says [IST0106]']],
    ['no addresses', slice('addressType: IPv4\nendpoints:\n- addresses: []\n'), ['9:3: endpoints[0].addresses: must not be empty [IST0106]']],
    ['condition', slice('addressType: IPv4\nendpoints:\n- addresses: [10.0.0.1]\n  conditions: {ready: "true"}\n'), ['10:23: endpoints[0].conditions.ready: must be true or false, got the text "true" (write it without quotes, in lower case) [IST0106]']],
    ['misspelt condition', slice('addressType: IPv4\nendpoints:\n- addresses: [10.0.0.1]\n  conditions: {redy: true}\n'), ['10:16: endpoints[0].conditions.redy: unknown field "redy"; did you mean "ready"? [IST0106]']],
    ['ports without names', slice('addressType: IPv4\nports:\n- port: 80\n- port: 81\n'), ['10:3: ports[1]: needs a name: there are several ports [IST0106]']],
    ['port name as targetPort would be', slice('addressType: IPv4\nports:\n- port: http\n'), ['9:9: ports[0].port: must be a whole number from 1 to 65535, got the text "http" [IST0106]']],
    ['no service', slice('addressType: IPv4\n', '    a: b\n'), ['3:1: metadata: warning: has no label kubernetes.io/service-name, so it belongs to no Service and is not used [IST0133]']],
  ]);
});

const endpoints = (body: string): string => `apiVersion: v1\nkind: Endpoints\nmetadata:\n  name: e\n${body}`;
const pod = (body: string): string => `apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n${body}`;
const secret = (body: string): string => `apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\n${body}`;

t.test('Endpoints', async (t) => {
  await check(t, 'Endpoints default/e', [
    ['valid', endpoints('subsets:\n- addresses: [{ip: 10.0.0.1, nodeName: n}]\n  ports: [{port: 80}]\n'), []],
    ['none', endpoints(''), []],
    ['no IP', endpoints('subsets:\n- addresses: [{ip: a}]\n'), ['6:20: subsets[0].addresses[0].ip: "a" is not an IP address [IST0106]']],
    ['port', endpoints('subsets:\n- ports: [{port: 0}]\n'), ['6:18: subsets[0].ports[0].port: must be a whole number from 1 to 65535, got 0 [IST0106]']],
  ]);
});

t.test('Pod and Namespace', async (t) => {
  await check(t, 'Pod default/p', [
    ['valid', pod('spec:\n  serviceAccountName: a\n  tolerations: [{x: y}]\n  containers:\n  - name: c\n    image: i\n    ports: [{containerPort: 80, name: http}]\nstatus:\n  podIP: 10.0.0.1\n  podIPs: [{ip: 10.0.0.1}]\n  conditions: [{type: Ready, status: "True", lastProbeTime: null}]\n'), []],
    ['manifest', pod('spec:\n  containers: [{name: c}]\n'), []],
    ['container port', pod('spec:\n  containers:\n  - name: c\n    ports:\n    - containerPort: "80"\n'), ['9:22: spec.containers[0].ports[0].containerPort: must be a whole number from 1 to 65535, got the text "80" (write it without quotes) [IST0106]']],
    ['address', pod('spec:\n  containers: [{name: c}]\nstatus:\n  podIP: 10.0.0.x\n'), ['8:10: status.podIP: "10.0.0.x" is not an IP address [IST0106]']],
    ['written by hand for its labels and address', pod('status: {podIP: 10.0.0.1}\n'), []],
    ['container without a name', pod('spec:\n  containers: [{image: i}]\n'), []],
    ['spec', pod('spec: []\n'), ['5:1: spec: must be a map, got a list [IST0106]']],
  ]);
  const snapshot = snapshotOf('apiVersion: v1\nkind: Namespace\nmetadata:\n  name: n\n  labels: {a: b}\nspec: {finalizers: [kubernetes]}\nstatus: {phase: Active}\n');
  t.strictSame([snapshot.problems, snapshot.namespaces[0]?.source.resource, { ...snapshot.namespaces[0]?.metadata.labels }], [[], 'Namespace n', { a: 'b' }]);
});

t.test('Secret', async (t) => {
  await check(t, 'Secret default/x', [
    ['valid', secret('type: kubernetes.io/tls\ndata:\n  tls.crt: Y3J0\nstringData:\n  tls.key: key\n'), []],
    ['not base64', secret('data:\n  a: "%hidden"\n'), ['6:6: data.a: is not base64; plain text goes under stringData [IST0106]']],
    ['number', secret('data:\n  a: 12345\n'), ['6:6: data.a: must be text (put numbers and booleans in quotes) [IST0106]']],
    ['TLS without key', secret('type: kubernetes.io/tls\ndata:\n  tls.crt: Y3J0\n'), ['6:1: data: a secret of type kubernetes.io/tls needs the key tls.key [IST0106]']],
  ]);
  const { data } = snapshotOf(secret('data:\n  a: YQ==\n  b: Yg==\nstringData:\n  b: ü\n')).secrets[0]!.spec;
  t.strictSame({ ...data }, { a: 'YQ==', b: 'w7w=' }, 'stringData wins, encoded');
  t.notMatch(loadFindings(secret('data:\n  a: "%hidden"\n')).join(), /hidden/, 'values are never repeated');
});
