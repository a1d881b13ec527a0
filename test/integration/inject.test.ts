/** `outrider inject` as a command: files in, files out, exit codes; and its init container's words as `outrider iptables` reads them. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { outrider } from '../support/command.ts';
import { injectPod } from '../support/injected-pod.ts';

const POD = 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - name: a\n    image: a\n';
const SERVICE = 'apiVersion: v1\nkind: Service\nmetadata: {name: s}   # as it is';

t.test('standard input, files and folders', async (t) => {
  const folder = t.testdir({ 'a.yaml': POD, 'b.yaml': SERVICE, more: { 'c.json': '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}\n' } });
  const fromStdin = await outrider(['inject', '-f', '-'], { stdin: POD });
  t.match(fromStdin, { code: 0, stderr: '', stdout: /- name: istio-proxy\n/ });
  const all = await outrider(['inject', '--filename', folder]);
  t.match(all, { code: 0, stderr: '' });
  t.equal(all.stdout, `${fromStdin.stdout}---\n${SERVICE}\n---\n{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}\n`, 'one stream of documents');
  t.equal((await outrider(['inject', '-f', join(folder, 'b.yaml'), '-f', join(folder, 'a.yaml')])).stdout, `${SERVICE}\n---\n${fromStdin.stdout}`);
  const output = join(folder, 'out.yaml');
  t.match(await outrider(['inject', '-f', '-', '-o', output], { stdin: POD }), { code: 0, stdout: '' });
  t.equal(readFileSync(output, 'utf8'), fromStdin.stdout);
  t.equal((await outrider(['inject', '-f', '-'], { stdin: POD.replaceAll('\n', '\r\n') })).stdout, fromStdin.stdout, 'line ends of Windows');
  t.equal((await outrider(['inject', '-f', '-'], { stdin: '' })).stdout, '');
});

t.test('what is wrong: exit 1 with its place for input, 2 for words', async (t) => {
  const folder = t.testdir({ 'bad.yaml': `${SERVICE}\n---\n${POD.replace('containers:', 'containers: []\n  initContainers: 7 #')}` });
  const rows: readonly [args: readonly string[], code: number, stderr: RegExp][] = [
    [['-f', join(folder, 'bad.yaml'), '-o', join(folder, 'never.yaml')], 1, /bad\.yaml:\d+:\d+: /],
    [['-f', join(folder, 'none.yaml')], 1, /^\S*none\.yaml:1:1: cannot be read: no such file or folder\n$/],
    [['-f', '-', '-o', join(folder, 'no', 'folder.yaml')], 1, /^outrider inject: --output: ENOENT/],
    [[], 2, /^outrider inject: -f FILE is required/],
    [['pod.yaml'], 2, /^outrider inject: unexpected argument 'pod\.yaml', did you mean -f pod\.yaml\?/],
    [['-f'], 2, /^outrider inject: --filename needs a value/],
    [['-f', '-', '--imag', 'x'], 2, /unknown option --imag, did you mean --image\?/],
    [['-f', '-', '--image-pull-policy', 'always'], 2, /--image-pull-policy: 'always' is not one of Always, IfNotPresent, Never/],
    [['-f', '-', '--config-map', 'a b'], 2, /--config-map: 'a b' is not a name/],
    [['-f', '-', '--certs-secret', '{account}'], 2, /--certs-secret: '\{account\}' is not a name/],
    [['-f', '-', '--trust-domain', '/'], 2, /--trust-domain: /],
  ];
  for (const [args, code, stderr] of rows) {
    const result = await outrider(['inject', ...args], { stdin: POD });
    t.match(result, { code, stdout: '', stderr }, args.join(' '));
  }
  t.notOk(existsSync(join(folder, 'never.yaml')));
  t.match(await outrider(['inject', '--help']), { code: 0, stdout: /--native-sidecar/ });
});

t.test('the words of the init container are those of outrider iptables', async (t) => {
  const annotations = {
    'traffic.sidecar.istio.io/includeInboundPorts': '',
    'traffic.sidecar.istio.io/includeOutboundIPRanges': '10.0.0.0/8',
    'traffic.sidecar.istio.io/excludeOutboundPorts': '25',
    'traffic.sidecar.istio.io/excludeInterfaces': 'eth1',
  };
  const rows: readonly [annotations: Readonly<Record<string, string>>, expected: RegExp, absent: RegExp | undefined][] = [
    [{}, /-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN\n[^]*-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT\n/, undefined],
    [annotations, /-A ISTIO_OUTPUT .*--dport 25 -j RETURN\n[^]*-A ISTIO_OUTPUT -d 10\.0\.0\.0\/8 -j ISTIO_REDIRECT\n/, /-A PREROUTING .*ISTIO_INBOUND/],
  ];
  for (const [given, expected, absent] of rows) {
    const injected = await injectPod(JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', annotations: given }, spec: { containers: [{ name: 'a', image: 'a' }] } }));
    const [command = '', apply = '', ...words] = injected.container('istio-init')['args'] as string[];
    t.same([command, apply], ['iptables', '--apply']);
    const { code, stdout, stderr } = await outrider([command, '--print', ...words]);
    t.equal(code, 0, stderr);
    t.match(stdout, expected);
    if (absent !== undefined) t.notMatch(stdout, absent);
  }
});
