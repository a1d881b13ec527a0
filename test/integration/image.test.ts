/**
 * The Dockerfile without Docker: its steps are taken in empty folders. Only the second stage's RUN is not, for it would change
 * this machine; what it installs is compared with what the programs need.
 */

import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ignored, listFiles, parseDockerfile, shell, walkStage, type ImageConfig } from '../support/dockerfile.ts';
import { request } from '../support/raw-client.ts';
import { pod, renderResources, service } from '../support/resources.ts';
import { eventually, inTime } from '../support/scope.ts';
import { Upstream } from '../support/upstream.ts';

const beside = fileURLToPath(new URL('../../../', import.meta.url));
const context = existsSync(join(beside, 'Dockerfile')) ? beside : process.cwd();
const PROXY_USER = 1337;
const BUILD_LIMIT_MS = 240_000;

t.setTimeout(BUILD_LIMIT_MS);

t.test('.dockerignore', async (t) => {
  const patterns = '# no\n.git\n*.log\n/dist/\n**/*.tmp\n!keep.log\ndocs/*.md\n';
  const rows: readonly [path: string, out: boolean][] = [
    ['.git', true], ['.git/config', true], ['.gitignore', false], ['a.log', true], ['a/a.log', false], ['keep.log', false],
    ['dist', true], ['dist/main.js', true], ['a/dist', false], ['x.tmp', true], ['a/b/x.tmp', true], ['docs/a.md', true], ['docs/a/b.md', false], ['no', false],
  ];
  for (const [path, out] of rows) t.equal(ignored(patterns, path), out, path);
});

t.test('the image is built and runs', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-image-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  // The proxy's user must reach it.
  chmodSync(folder, 0o755);
  const stages = parseDockerfile(readFileSync(join(context, 'Dockerfile'), 'utf8'));
  t.same(stages.map(({ name, image }) => [name, image]), [['build', 'node:24-bookworm-slim'], ['1', 'node:24-bookworm-slim']]);
  const [build, runtime] = stages;
  if (build === undefined || runtime === undefined) return;
  const ignore = readFileSync(join(context, '.dockerignore'), 'utf8');
  const roots = new Map<string, string>([['build', join(folder, 'build-root')]]);

  walkStage(build, roots.get('build') ?? '', { context, ignore, roots, run: (command, cwd) => runBuildStep(t, command, cwd) });
  const built = join(roots.get('build') ?? '', 'build');
  t.notOk(existsSync(join(built, 'node_modules', 'typescript')), 'development dependencies are gone');
  t.same(['bench', 'test', 'docs', '.git'].filter((name) => existsSync(join(built, name))), [], 'what the product does not need stays out');

  const installed: string[] = [];
  const root = join(folder, 'root');
  const config = walkStage(runtime, root, { context, ignore, roots, run: (command) => void installed.push(command) });
  t.match(installed.join(), /apt-get install -y --no-install-recommends iptables iproute2 /, 'iptables-restore and ip, which `outrider iptables` runs');
  t.same(listFiles(root).filter((path) => !/^outrider\/(?:node_modules|dist)\//.test(path)), ['outrider', 'outrider/dist', 'outrider/node_modules', 'outrider/package.json']);
  t.same(listFiles(join(root, 'outrider/dist')).filter((path) => /\.(?:map|tsbuildinfo|ts)$|\.test\./.test(path)), []);
  t.match(config, { user: '1337:1337', workdir: '/outrider', entrypoint: ['node', '/outrider/dist/proxy/main.js'], cmd: ['run', '--config', '/etc/outrider'], exposed: ['15001', '15006', '15021', '15090'] });

  const image: Image = { root, config };
  await t.test('one image for both containers', async (t) => {
    const { version } = JSON.parse(readFileSync(join(context, 'package.json'), 'utf8')) as { version: string };
    t.match(start(image, ['version']), { status: 0, stdout: new RegExp(`^outrider ${version.replaceAll('.', '\\.')} `) });
    t.match(start(image, ['iptables', '--print', '-b', '*', '-i', '*', '-u', '1337', '-g', '1337']), { status: 0, stdout: /:ISTIO_REDIRECT/ });
    t.match(start(image, ['run', '--config', join(folder, 'nothing')]), { status: 1, stderr: /no such file or folder/ });
  });
  await t.test('the entry point answers as the proxy\'s user', { skip: cannotBecomeProxyUser() }, async (t) => {
    const upstream = await Upstream.start(t, { body: 'hello' });
    const snapshot = join(root, 'etc/outrider');
    mkdirSync(snapshot, { recursive: true });
    writeFileSync(join(snapshot, 'mesh.yaml'), renderResources([pod('client'), ...service('web', { workloads: [{ port: upstream.port }] })]));
    const before = listFiles(root);
    const free = ['outbound', 'inbound', 'admin', 'health', 'metrics'].flatMap((name) => [`--${name}-port`, '0']);
    const [program, words] = commandLine(image, [...config.cmd.map((word) => (word.startsWith('/') ? join(root, word) : word)), ...free, '--bind', '127.0.0.1']);
    const child = spawn(program, words, { uid: PROXY_USER, gid: PROXY_USER, cwd: join(root, config.workdir), env: { ...environment(config), POD_NAME: 'client', POD_NAMESPACE: 'default' } });
    t.teardown(() => child.kill('SIGKILL'));
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const exited = new Promise((resolve) => child.once('close', resolve));
    void exited.then(() => (stderr += '(ended)'));
    await eventually(() => stdout.includes('outrider ready') || stderr.includes('(ended)'), 'the ready line', 30_000);
    t.match(stdout, /outrider ready \{/, stderr);
    t.equal(identityOf(child.pid), `${PROXY_USER} ${PROXY_USER}`);
    const ports = JSON.parse(/outrider ready (.*)/.exec(stdout)?.[1] ?? '{}') as { health: number; outbound: number; metrics: number };
    t.equal((await request(t, ports.health, { path: '/healthz/ready' })).status, 200);
    t.match(await request(t, ports.outbound, { host: 'web:9080' }), { status: 200, text: 'hello' });
    t.match((await request(t, ports.metrics, { path: '/stats/prometheus' })).text, /istio_requests_total\{/);
    child.kill('SIGTERM');
    t.equal(await inTime(exited, 'the end', 20_000), 0);
    t.same(listFiles(root), before, 'it wrote nothing: the file system may be read-only');
  });
});

type Tap = { comment(text: string): void };

/** npm without a network takes what the checkout has: that the lock file can be installed is then not shown, all else is. */
function runBuildStep(t: Tap, command: string, cwd: string): void {
  const env = { ...process.env, npm_config_prefer_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false', npm_config_update_notifier: 'false', NODE_ENV: undefined };
  try {
    shell(command, cwd, env);
  } catch (error) {
    const offline = /\b(?:ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|ENOTCACHED)\b/.test(String(error));
    if (command !== 'npm ci' || !offline) throw error;
    t.comment('the registry cannot be reached: node_modules comes from the checkout');
    cpSync(join(context, 'node_modules'), join(cwd, 'node_modules'), { recursive: true, verbatimSymlinks: true });
  }
}

interface Image {
  /** Folder that stands for the root of the file system. */
  readonly root: string;
  readonly config: ImageConfig;
}

/** ENTRYPOINT with arguments; `node` is this one. */
function commandLine({ root, config }: Image, args: readonly string[]): readonly [string, readonly string[]] {
  const [program = '', ...words] = config.entrypoint.map((word) => (word.startsWith('/') ? join(root, word) : word));
  if (program !== 'node') throw new Error(`the entry point is ${program}`);
  return [process.execPath, [...words, ...args]];
}

function start(image: Image, args: readonly string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const [program, words] = commandLine(image, args);
  return spawnSync(program, words, { cwd: join(image.root, image.config.workdir), env: environment(image.config), encoding: 'utf8', timeout: 30_000 });
}

function environment(config: ImageConfig): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '', ...config.env };
}

function cannotBecomeProxyUser(): string | false {
  if (process.getuid?.() !== 0) return `needs root to become user ${PROXY_USER}`;
  const beyond = [process.execPath, tmpdir()].find((path) => spawnSync('/bin/sh', ['-c', `test -x "${path}"`], { uid: PROXY_USER, gid: PROXY_USER }).status !== 0);
  return beyond === undefined ? false : `user ${PROXY_USER} cannot reach ${beyond}`;
}

/** Real user and group of a process, where the system tells. */
function identityOf(pid: number | undefined): string {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return `${PROXY_USER} ${PROXY_USER}`;
  const text = readFileSync(file, 'utf8');
  return `${/^Uid:\t(\d+)/m.exec(text)?.[1]} ${/^Gid:\t(\d+)/m.exec(text)?.[1]}`;
}
