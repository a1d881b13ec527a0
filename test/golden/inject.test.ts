/**
 * What `outrider inject` makes of manifests: each file in golden/inject holds arguments, input, output and standard error.
 * For Istio's samples, which are no part of the project, golden/inject/samples holds what changed.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { readDocument } from '../../config/load/reader.ts';
import { splitDocuments } from '../../config/load/split.ts';
import { runInject } from '../../proxy/cli/inject.ts';
import { lineDiff } from '../support/line-diff.ts';
import { shared } from '../support/shared.ts';

const beside = fileURLToPath(new URL('../../../test/golden/inject', import.meta.url));
const folder = existsSync(beside) ? beside : 'test/golden/inject';
const BREAK = '\n=====\n';
const update = process.env['UPDATE_GOLDEN'] === '1';

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function inject(args: readonly string[], file: string): Promise<Run> {
  let stdout = '';
  let stderr = '';
  const code = await runInject(['--image', 'outrider:test', ...args, '-f', file], { env: {}, stdout: (text) => void (stdout += text), stderr: (text) => void (stderr += text) });
  return { code, stdout, stderr: stderr.replaceAll(file, basename(file)) };
}

for (const name of readdirSync(folder).filter((file) => file.endsWith('.golden')).sort()) {
  t.test(name, async (t) => {
    const golden = join(folder, name);
    const [argsText = '', input = '', output = '', stderr = ''] = readFileSync(golden, 'utf8').split(BREAK);
    const args = JSON.parse(argsText) as string[];
    const file = join(t.testdir({ 'in.yaml': input }), 'in.yaml');
    const run = await inject(args, file);
    if (update) writeFileSync(golden, [argsText, input, run.stdout, run.stderr].join(BREAK));
    else t.same([run.stdout, run.stderr], [output, stderr]);
    t.equal(run.code, /^in\.yaml:\d+:\d+: (?!.*(?:warning|info): )/m.test(run.stderr) ? 1 : 0);
    if (run.code === 0) await checkAgain(t, run.stdout);
    else t.equal(run.stdout, '', 'nothing is written when something is wrong');
  });
}

t.test('the sidecar of config/examples/kubernetes', async (t) => {
  const manifests = join(folder, '../../../config/examples/kubernetes');
  const run = await inject(['--image', 'outrider:0.1.0'], join(manifests, 'before-injection', 'application.yaml'));
  t.match(run, { code: 0, stderr: '' });
  const text = run.stdout.replace(/^#.*\n/, '# What `outrider inject -f before-injection/application.yaml` prints.\n');
  if (update) writeFileSync(join(manifests, 'sidecar.yaml'), text);
  else t.equal(readFileSync(join(manifests, 'sidecar.yaml'), 'utf8'), text, 'npm run golden:update');
});

const samples = shared('istio-samples', 'samples');

/** What changed is written down for these; they differ in kind, layout or annotations. */
const RECORDED = ['bookinfo/platform/kube/bookinfo.yaml', 'bookinfo/platform/kube/bookinfo-ratings-v2-mysql-vm.yaml', 'curl/curl.yaml', 'extauthz/local-ext-authz.yaml', 'grpc-echo/grpc-echo.yaml', 'helloworld/helloworld.yaml', 'httpbin/sample-client/fortio-deploy.yaml'];

t.test('the pods of Istio\'s samples', { skip: samples.missing }, async (t) => {
  const files = readdirSync(samples.path, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/')).filter((name) => name.endsWith('.yaml')).sort();
  t.same(RECORDED.filter((name) => !files.includes(name)), []);
  let pods = 0;
  for (const name of files) {
    const file = join(samples.path, name);
    const input = readFileSync(file, 'utf8');
    const run = await inject([], file);
    if (input.startsWith('swagger:')) {
      t.match(run, { code: 1, stderr: 'swagger.yaml:1:1: a resource needs apiVersion, as text\n' }, 'no manifest');
      continue;
    }
    t.equal(run.code, 0, `${name}: ${run.stderr}`);
    const skipped = run.stderr.match(/: info: /g)?.length ?? 0;
    const templates = (input.match(/^ +containers:/gm)?.length ?? 0) - skipped;
    t.equal(run.stdout.match(/^ +- name: istio-proxy$/gm)?.length ?? 0, templates, `${name}: a proxy in each pod`);
    pods += templates;
    if (templates === 0) t.equal(run.stdout, input, `${name} has no pod and stays as it is`);
    t.same(commentsOf(run.stdout), commentsOf(input), `${name} keeps its comments`);
    if (RECORDED.includes(name)) record(t, name, `${run.stderr}${lineDiff(input, run.stdout)}`);
    await checkAgain(t, run.stdout);
  }
  t.ok(pods > 30, `${pods} pods`);
});

function record(t: { equal(a: unknown, b: unknown, message: string): unknown }, name: string, diff: string): void {
  const golden = join(folder, 'samples', `${name.replaceAll('/', '.')}.diff`);
  mkdirSync(join(folder, 'samples'), { recursive: true });
  if (update) writeFileSync(golden, diff);
  else t.equal(diff, readFileSync(golden, 'utf8'), name);
}

/** Injecting what was injected changes nothing, and every pod says that it is left alone. */
async function checkAgain(t: { testdir(content: Record<string, string>): string; equal(a: unknown, b: unknown, message: string): unknown; same(a: unknown, b: unknown, message: string): unknown }, text: string): Promise<void> {
  const file = join(t.testdir({ 'again.yaml': text }), 'again.yaml');
  const again = await inject([], file);
  t.equal(again.stdout, text, 'idempotent');
  t.equal(again.code, 0, again.stderr);
  const broken = splitDocuments(text).filter((document) => 'problems' in readDocument(document.text));
  t.same(broken, [], 'every document can be read');
}

function commentsOf(text: string): readonly string[] {
  return text.split('\n').map((line) => /(?:^|\s)#.*$/.exec(line)?.[0]?.trim() ?? '').filter((comment) => comment !== '');
}
