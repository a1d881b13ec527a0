import t from 'tap';
import { securityRefusals, type SecuredWorkload } from '../../../../config/analyze/unenforced-security.ts';
import { analysisFindings, rendered, snapshotOf } from '../../../support/findings.ts';

const security = (kind: string, name: string, spec: string, namespace = 'default', annotations = ''): string =>
  `---\napiVersion: security.istio.io/v1\nkind: ${kind}\nmetadata: {name: ${name}, namespace: ${namespace}${annotations}}\nspec: ${spec}\n`;
const peer = (name: string, spec: string, namespace?: string): string => security('PeerAuthentication', name, spec, namespace);
const policy = (name: string, spec: string, namespace?: string, annotations?: string): string => security('AuthorizationPolicy', name, spec, namespace, annotations);

const workload: SecuredWorkload = { namespace: 'default', labels: { app: 'a' }, mode: 'sidecar', rootNamespace: 'istio-system' };
const rules = 'rules: [{to: [{operation: {ports: ["80"]}}]}]';

interface Case {
  readonly name: string;
  readonly text: string;
  readonly who?: Partial<SecuredWorkload>;
  /** `Kind namespace/name: path` of each refusal. */
  readonly refused: readonly string[];
}

function table(title: string, cases: readonly Case[]): void {
  t.test(title, async (t) => {
    for (const { name, text, who, refused } of cases) {
      const problems = securityRefusals(snapshotOf(text), { ...workload, ...who });
      t.strictSame(problems.map(({ resource, path }) => `${resource}: ${path}`), refused, name);
      t.ok(problems.every(({ severity, unenforcedSecurity }) => severity === 'error' && unenforcedSecurity === true), `${name}: errors, marked`);
    }
  });
}

const strict = '{mtls: {mode: STRICT}}';

table('PeerAuthentication: the effective mode', [
  { name: 'mesh', text: peer('p', strict, 'istio-system'), refused: ['PeerAuthentication istio-system/p: spec.mtls.mode'] },
  { name: 'another root namespace', text: peer('p', strict, 'istio-system'), who: { rootNamespace: 'root' }, refused: [] },
  { name: 'namespace', text: peer('p', strict), refused: ['PeerAuthentication default/p: spec.mtls.mode'] },
  { name: 'other namespace', text: peer('p', strict, 'other'), refused: [] },
  { name: 'namespace over mesh', text: peer('m', strict, 'istio-system') + peer('p', '{mtls: {mode: PERMISSIVE}}'), refused: [] },
  { name: 'UNSET asks the level above', text: peer('m', strict, 'istio-system') + peer('p', '{mtls: {mode: UNSET}}'), refused: ['PeerAuthentication istio-system/m: spec.mtls.mode'] },
  { name: 'no mtls at all asks too', text: peer('m', strict, 'istio-system') + peer('p', '{}'), refused: ['PeerAuthentication istio-system/m: spec.mtls.mode'] },
  { name: 'workload over namespace', text: peer('n', strict) + peer('p', '{selector: {matchLabels: {app: a}}, mtls: {mode: DISABLE}}'), refused: [] },
  { name: 'selector of others', text: peer('n', strict) + peer('p', '{selector: {matchLabels: {app: b}}, mtls: {mode: DISABLE}}'), refused: ['PeerAuthentication default/n: spec.mtls.mode'] },
  { name: 'workload STRICT', text: peer('p', '{selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}}'), refused: ['PeerAuthentication default/p: spec.mtls.mode'] },
  { name: 'one port STRICT', text: peer('p', '{selector: {matchLabels: {app: a}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {80: {mode: STRICT}, 81: {mode: UNSET}}}'), refused: ['PeerAuthentication default/p: spec.portLevelMtls.80.mode'] },
  { name: 'the other ports stay STRICT', text: peer('p', '{selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}}'), refused: ['PeerAuthentication default/p: spec.mtls.mode'] },
  { name: 'the oldest of a level', text: peer('b', strict) + peer('a', '{mtls: {mode: PERMISSIVE}}'), refused: [] },
  { name: 'selector in the root namespace', text: peer('p', '{selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}}', 'istio-system'), refused: [] },
  { name: 'selector in the root namespace, workload there', text: peer('p', '{selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}}', 'istio-system'), who: { namespace: 'istio-system' }, refused: [] },
  { name: 'gateways have servers of their own', text: peer('p', strict), who: { mode: 'gateway' }, refused: [] },
]);

table('AuthorizationPolicy: what restricts', [
  { name: 'ALLOW', text: policy('p', `{${rules}}`), refused: ['AuthorizationPolicy default/p: spec'] },
  { name: 'ALLOW nothing', text: policy('p', '{}'), refused: ['AuthorizationPolicy default/p: spec'] },
  { name: 'DENY', text: policy('p', `{action: DENY, ${rules}}`), refused: ['AuthorizationPolicy default/p: spec'] },
  { name: 'CUSTOM', text: policy('p', `{action: CUSTOM, provider: {name: x}, ${rules}}`), refused: ['AuthorizationPolicy default/p: spec'] },
  { name: 'AUDIT', text: policy('p', `{action: AUDIT, ${rules}}`), refused: [] },
  { name: 'root namespace', text: policy('p', `{${rules}}`, 'istio-system'), refused: ['AuthorizationPolicy istio-system/p: spec'] },
  { name: 'root namespace with selector', text: policy('p', `{selector: {matchLabels: {app: a}}, ${rules}}`, 'istio-system'), refused: ['AuthorizationPolicy istio-system/p: spec'] },
  { name: 'other namespace', text: policy('p', `{${rules}}`, 'other'), refused: [] },
  { name: 'other workload', text: policy('p', `{selector: {matchLabels: {app: b}}, ${rules}}`), refused: [] },
  { name: 'gateways too', text: policy('p', `{${rules}}`), who: { mode: 'gateway' }, refused: ['AuthorizationPolicy default/p: spec'] },
  { name: 'targetRefs', text: policy('p', `{targetRefs: [{kind: Service, name: s}], ${rules}}`), refused: [] },
  { name: 'dry run', text: policy('p', `{${rules}}`, undefined, ', annotations: {istio.io/dry-run: "true"}'), refused: [] },
  { name: 'dry run switched off', text: policy('p', `{${rules}}`, undefined, ', annotations: {istio.io/dry-run: "false"}'), refused: ['AuthorizationPolicy default/p: spec'] },
  { name: 'allow everything', text: policy('p', '{rules: [{}]}'), refused: [] },
  { name: 'allow everything beside another ALLOW', text: policy('p', '{rules: [{}]}') + policy('q', `{${rules}}`), refused: [] },
  { name: 'allow everything for others', text: policy('p', '{selector: {matchLabels: {app: b}}, rules: [{}]}') + policy('q', `{${rules}}`), refused: ['AuthorizationPolicy default/q: spec'] },
  { name: 'allow everything as a trial', text: policy('p', '{rules: [{}]}', undefined, ', annotations: {istio.io/dry-run: "true"}') + policy('q', `{${rules}}`), refused: ['AuthorizationPolicy default/q: spec'] },
  { name: 'allow everything beside DENY', text: policy('p', '{rules: [{}]}') + policy('q', `{action: DENY, ${rules}}`), refused: ['AuthorizationPolicy default/q: spec'] },
]);

table('RequestAuthentication: what restricts', [
  { name: 'rules', text: security('RequestAuthentication', 'r', '{jwtRules: [{issuer: i}]}'), refused: ['RequestAuthentication default/r: spec.jwtRules'] },
  { name: 'no rules', text: security('RequestAuthentication', 'r', '{}'), refused: [] },
  { name: 'other workload', text: security('RequestAuthentication', 'r', '{selector: {matchLabels: {app: b}}, jwtRules: [{issuer: i}]}'), refused: [] },
]);

t.test('validate warns of each, once', async (t) => {
  const text =
    peer('p', '{selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}, portLevelMtls: {80: {mode: STRICT}}}') +
    policy('q', `{action: AUDIT, ${rules}}`) +
    policy('d', `{${rules}}`, undefined, ', annotations: {istio.io/dry-run: "true"}') +
    policy('o', '{rules: [{}]}') +
    peer('r', '{selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}}', 'istio-system');
  t.strictSame(analysisFindings(text, ['']), [
    '5:56: PeerAuthentication default/p: spec.mtls.mode: warning: requires mutual TLS (STRICT), which this version does not enforce: "outrider run" refuses to serve the workloads it selects',
    '10:16: AuthorizationPolicy default/q: spec.action: warning: AUDIT is not enforced by this version: requests are not marked for auditing',
    '14:73: AuthorizationPolicy default/d: metadata.annotations["istio.io/dry-run"]: warning: dry-run is not enforced by this version: the policy is not evaluated and nothing is logged',
    '25:8: PeerAuthentication istio-system/r: spec.selector: warning: a policy with a selector in the root namespace istio-system has no effect, as in Istio',
  ]);
});

t.test('refusals say where', async (t) => {
  t.strictSame(rendered(securityRefusals(snapshotOf(peer('p', strict)), workload)), [
    '5:21: PeerAuthentication default/p: spec.mtls.mode: requires mutual TLS (STRICT), which this version does not enforce; refusing to serve a workload it selects as if it were not there',
  ]);
});
