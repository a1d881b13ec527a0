/** Traffic policies that fit their own fields and not the services they are for. */

import t from 'tap';
import { analysisFindings } from '../../../support/findings.ts';

interface Case {
  readonly name: string;
  readonly text: string;
  readonly problems: readonly string[];
}

function table(title: string, marker: RegExp, cases: readonly Case[]): void {
  t.test(title, async (t) => {
    for (const { name, text, problems } of cases) {
      t.strictSame(analysisFindings(text, ['']).filter((line) => marker.test(line)), problems, name);
    }
  });
}

const rule = (spec: string, host = 'b'): string => `---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r, namespace: default}\nspec:\n  host: ${host}\n  ${spec.replaceAll('\n', '\n  ')}\n`;
const service = (ports = '[{port: 80, name: http, targetPort: 8080}]'): string => `---\napiVersion: v1\nkind: Service\nmetadata: {name: b, namespace: default}\nspec: {selector: {app: b}, ports: ${ports}}\n`;
/** Ready Pods of the service, `v1` so many and `v2` so many. */
const pods = (v1: number, v2 = 0): string =>
  Array.from({ length: v1 + v2 }, (_, i) => `---\napiVersion: v1\nkind: Pod\nmetadata: {name: b-${i}, namespace: default, labels: {app: b, version: ${i < v1 ? 'v1' : 'v2'}}}\nspec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}\nstatus: {podIP: 10.0.0.${i + 1}, phase: Running}\n`).join('');
const entry = (resolution: string, endpoints: string): string => `---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e, namespace: default}\nspec: {hosts: [x.example], resolution: ${resolution}, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: ${endpoints}}\n`;
const mesh = (detection: string): string => `---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    defaultTrafficPolicy: {outlierDetection: ${detection}}\n`;

const unset = 'maxEjectionPercent is unset, which means 10: of fewer than 10 endpoints none is ever ejected; set it (100 allows all)';

table('a share of less than one endpoint ejects nothing', /ever ejected/, [
  { name: 'the default, three endpoints', text: rule('trafficPolicy: {outlierDetection: {}}') + service() + pods(3), problems: ['7:19: DestinationRule default/r: spec.trafficPolicy.outlierDetection: warning: no endpoint of b.default.svc.cluster.local is ever ejected: 10 % (maxEjectionPercent is unset) of 3 endpoints is less than one; set maxEjectionPercent to 34 or more'] },
  { name: 'the default, nine', text: rule('trafficPolicy: {outlierDetection: {maxEjectionPercent: 0}}') + service() + pods(9), problems: ['7:58: DestinationRule default/r: spec.trafficPolicy.outlierDetection.maxEjectionPercent: warning: no endpoint of b.default.svc.cluster.local is ever ejected: 10 % (maxEjectionPercent is unset) of 9 endpoints is less than one; set maxEjectionPercent to 12 or more'] },
  { name: 'the default, ten', text: rule('trafficPolicy: {outlierDetection: {}}') + service() + pods(10), problems: [] },
  { name: 'written and too little', text: rule('trafficPolicy: {outlierDetection: {maxEjectionPercent: 33}}') + service() + pods(3), problems: ['7:58: DestinationRule default/r: spec.trafficPolicy.outlierDetection.maxEjectionPercent: warning: no endpoint of b.default.svc.cluster.local is ever ejected: 33 % of 3 endpoints is less than one; set maxEjectionPercent to 34 or more'] },
  { name: 'written and enough', text: rule('trafficPolicy: {outlierDetection: {maxEjectionPercent: 34}}') + service() + pods(3), problems: [] },
  { name: 'enough for the service, too little for a subset', text: rule('trafficPolicy: {outlierDetection: {maxEjectionPercent: 30}}\nsubsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]') + service() + pods(4, 1), problems: ['7:58: DestinationRule default/r: spec.trafficPolicy.outlierDetection.maxEjectionPercent: warning: no endpoint of subset "v2" is ever ejected: 30 % of 1 endpoint is less than one; set maxEjectionPercent to 100 or more'] },
  { name: 'a subset with a block of its own', text: rule('trafficPolicy: {outlierDetection: {maxEjectionPercent: 30}}\nsubsets: [{name: v2, labels: {version: v2}, trafficPolicy: {outlierDetection: {maxEjectionPercent: 100}}}]') + service() + pods(4, 1), problems: [] },
  { name: 'a port', text: rule('trafficPolicy: {portLevelSettings: [{port: {number: 80}, outlierDetection: {}}]}') + service() + pods(2), problems: ['7:60: DestinationRule default/r: spec.trafficPolicy.portLevelSettings[0].outlierDetection: warning: no endpoint of b.default.svc.cluster.local is ever ejected: 10 % (maxEjectionPercent is unset) of 2 endpoints is less than one; set maxEjectionPercent to 50 or more'] },
  { name: 'no endpoints in the snapshot', text: rule('trafficPolicy: {outlierDetection: {}}') + service(), problems: [`7:19: DestinationRule default/r: spec.trafficPolicy.outlierDetection: warning: ${unset}`] },
  { name: 'no endpoints in the snapshot, a share', text: rule('trafficPolicy: {outlierDetection: {maxEjectionPercent: 20}}') + service(), problems: [] },
  { name: 'a wildcard', text: rule('trafficPolicy: {outlierDetection: {}}', '"*.default.svc.cluster.local"') + service() + pods(10), problems: [`7:19: DestinationRule default/r: spec.trafficPolicy.outlierDetection: warning: ${unset}`] },
  { name: 'names of which DNS says how many', text: rule('trafficPolicy: {outlierDetection: {}}', 'x.example') + entry('DNS', '[{address: y.example}]'), problems: [`7:19: DestinationRule default/r: spec.trafficPolicy.outlierDetection: warning: ${unset}`] },
  { name: 'a ServiceEntry', text: rule('trafficPolicy: {outlierDetection: {maxEjectionPercent: 50}}', 'x.example') + entry('STATIC', '[{address: 10.0.0.1}, {address: 10.0.0.2}]'), problems: [] },
  { name: 'the mesh', text: mesh('{interval: 5s}'), problems: [`7:28: ConfigMap istio-system/istio: defaultTrafficPolicy.outlierDetection: warning: ${unset}`] },
  { name: 'the mesh, written', text: mesh('{maxEjectionPercent: 50}'), problems: [] },
]);

const onPort = (port: number): string => rule(`trafficPolicy: {portLevelSettings: [{port: {number: ${port}}, tls: {mode: DISABLE}}]}`);

table('a policy for a port that the service does not have', /has no port/, [
  { name: 'its own', text: onPort(80) + service(), problems: [] },
  { name: "the workload's", text: onPort(8080) + service(), problems: ['7:55: DestinationRule default/r: spec.trafficPolicy.portLevelSettings[0].port.number: warning: has no effect: b.default.svc.cluster.local has no port 8080, it has 80; 8080 is the targetPort of 80'] },
  { name: "nobody's", text: onPort(81) + service('[{port: 80, name: http}, {port: 443, name: https}]'), problems: ['7:55: DestinationRule default/r: spec.trafficPolicy.portLevelSettings[0].port.number: warning: has no effect: b.default.svc.cluster.local has no port 81, it has 80, 443'] },
  { name: 'an unknown service', text: onPort(81), problems: [] },
]);
