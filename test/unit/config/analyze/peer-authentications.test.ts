import t from 'tap';
import { analysisFindings } from '../../../support/findings.ts';

const peer = (name: string, spec: string, namespace = 'default'): string => `---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: ${spec}\n`;
const selecting = (app: string, mode: string): string => `{selector: {matchLabels: {app: ${app}}}, mtls: {mode: ${mode}}}`;

t.test('policies that decide nothing', async (t) => {
  const none = 'has no effect: PeerAuthentication default/a is for the same workloads and is older (or comes first by name), and policies are not merged';
  const cases: readonly (readonly [name: string, text: string, findings: readonly string[]])[] = [
    ['STRICT is enforced', peer('a', '{mtls: {mode: STRICT}}'), []],
    ['a selector in the root namespace', peer('a', selecting('x', 'STRICT'), 'istio-system'), ['5:8: PeerAuthentication istio-system/a: spec.selector: warning: a policy with a selector in the root namespace istio-system has no effect, as in Istio']],
    ['two for a namespace', peer('b', '{mtls: {mode: STRICT}}') + peer('a', '{mtls: {mode: DISABLE}}'), [`4:18: PeerAuthentication default/b: metadata.name: warning: ${none}`]],
    ['two for the same labels', peer('a', selecting('x', 'STRICT')) + peer('b', selecting('x', 'DISABLE')), [`9:18: PeerAuthentication default/b: metadata.name: warning: ${none}`]],
    ['other labels, other namespaces', peer('a', selecting('x', 'STRICT')) + peer('b', selecting('y', 'DISABLE')) + peer('b', selecting('x', 'STRICT'), 'other'), []],
  ];
  for (const [name, text, findings] of cases) t.strictSame(analysisFindings(text, ['']).filter((line) => !line.includes('IST0127')), findings, name);
});
