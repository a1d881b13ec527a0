import t from 'tap';
import { securityRefusals, type SecuredWorkload } from '../../../../config/analyze/unenforced-security.ts';
import { analysisFindings, rendered, snapshotOf } from '../../../support/findings.ts';

const security = (kind: string, name: string, spec: string, namespace = 'default', annotations = ''): string =>
  `---\napiVersion: security.istio.io/v1\nkind: ${kind}\nmetadata: {name: ${name}, namespace: ${namespace}${annotations}}\nspec: ${spec}\n`;
const policy = (name: string, spec: string, namespace?: string, annotations?: string): string => security('AuthorizationPolicy', name, spec, namespace, annotations);

const workload: SecuredWorkload = { namespace: 'default', labels: { app: 'a' }, rootNamespace: 'istio-system' };
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

t.test('PeerAuthentication is enforced, so it is no reason to refuse', async (t) => {
  t.strictSame(securityRefusals(snapshotOf(security('PeerAuthentication', 'p', '{mtls: {mode: STRICT}}')), workload), []);
});

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
    policy('q', `{action: AUDIT, ${rules}}`) +
    policy('d', `{${rules}}`, undefined, ', annotations: {istio.io/dry-run: "true"}') +
    policy('o', '{rules: [{}]}') +
    policy('r', `{${rules}}`);
  t.strictSame(analysisFindings(text, ['']), [
    '5:16: AuthorizationPolicy default/q: spec.action: warning: AUDIT is not enforced by this version: requests are not marked for auditing',
    '9:73: AuthorizationPolicy default/d: metadata.annotations["istio.io/dry-run"]: warning: dry-run is not enforced by this version: the policy is not evaluated and nothing is logged',
    '20:1: AuthorizationPolicy default/r: spec: warning: restricts access (action ALLOW), which this version does not enforce: "outrider run" refuses to serve the workloads it selects',
  ]);
});

t.test('refusals say where', async (t) => {
  t.strictSame(rendered(securityRefusals(snapshotOf(policy('p', `{${rules}}`)), workload)), [
    '5:1: AuthorizationPolicy default/p: spec: restricts access (action ALLOW), which this version does not enforce; refusing to serve a workload it selects as if it were not there',
  ]);
});
