/** The demo mesh as a visitor meets it: the page, the split, an edit, a mistake, the end. */

import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { MAIN } from '../support/command.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { eventually, inTime } from '../support/scope.ts';
import type { TestScope } from '../support/scope.ts';

const EXAMPLE = fileURLToPath(new URL('../../../config/examples/bookinfo', import.meta.url));
const STARTED_MS = 30_000;
/** What the guide promises; a tenth of it is usual. */
const REACTION_MS = 1000;

t.test('a visit', async (t) => {
  const folder = await copyOfExample(t);
  const demo = await Demo.start(t, folder);

  await t.test('the page shows who answered and through whom', async (t) => {
    const page = await request(t, demo.gateway, { path: '/productpage' });
    t.match(page, { status: 200, text: /<h1>The Comedy of Errors<\/h1>/ });
    t.match(page.text, /ingress gateway → productpage-v1’s proxy/);
    t.match(page.text, /productpage-v1’s proxy → reviews-v[13]’s proxy/);
    t.match(page.text, /<dd>William Shakespeare<\/dd>/);
    t.equal(page.header('server'), 'outrider');
    const front = await request(t, demo.gateway, { path: '/' });
    t.match(front, { status: 302 });
    t.match(front.header('location'), /\/productpage$/);
  });

  await t.test('jason sees black stars, by form and by query', async (t) => {
    const signedIn = await request(t, demo.gateway, { method: 'POST', path: '/login', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'username=jason' });
    t.equal(signedIn.status, 303);
    const cookie = signedIn.header('set-cookie')?.split(';')[0] ?? '';
    const page = await request(t, demo.gateway, { path: '/productpage', headers: { cookie } });
    t.match(page.text, /Signed in as <strong>jason<\/strong>/);
    t.match(page.text, /class="stars black"/);
    t.match(page.text, /reviews-v2’s proxy → ratings-v1’s proxy/);
    const byQuery = await request(t, demo.gateway, { path: '/productpage?u=jason' });
    t.match(byQuery.text, /class="stars black"/);
    const spoofed = await request(t, demo.gateway, { path: '/productpage', headers: { 'end-user': 'jason' } });
    t.notMatch(spoofed.text, /class="stars black"/, 'the application decides who a visitor is');
  });

  await t.test('everyone else is split half and half', async (t) => {
    const counts = await demo.versions(t, 200);
    t.equal(counts.get('reviews-v2'), undefined);
    // 200 fair draws stay within 60..140 but for once in ten million runs.
    t.ok((counts.get('reviews-v1') ?? 0) > 60 && (counts.get('reviews-v3') ?? 0) > 60, JSON.stringify([...counts]));
  });

  await t.test('an edit takes effect within a second and loses no request', async (t) => {
    const file = join(folder, 'reviews.yaml');
    const text = await readFile(file, 'utf8');
    const load = new Load(demo.gateway);
    const running = load.run(t);
    await writeFile(file, text.replace('weight: 50', 'weight: 0').replace('weight: 50', 'weight: 100'));
    const edited = performance.now();
    await eventually(() => load.lastOther !== undefined && performance.now() - load.lastOther > 500, 'only reviews-v3 to answer');
    load.stop();
    await running;
    t.ok((load.lastOther ?? 0) - edited < REACTION_MS, `reviews-v1 last answered ${Math.round((load.lastOther ?? 0) - edited)} ms after the edit`);
    t.same(load.failures, []);
    t.ok(load.answers > 20, `${load.answers} requests meanwhile`);
    await eventually(() => demo.stdout.includes('Configuration changed'), 'the demo to tell');
  });

  await t.test('a mistake is told with its place, and the last good configuration serves on', async (t) => {
    const file = join(folder, 'reviews.yaml');
    const text = await readFile(file, 'utf8');
    const broken = text.replace('weight: 100', 'wieght: 100');
    const line = broken.split('\n').findIndex((candidate) => candidate.includes('wieght')) + 1;
    await writeFile(file, broken);
    await eventually(() => demo.stdout.includes(`reviews.yaml:${line}:`), 'the error with its line');
    t.match(demo.stdout, /Configuration refused[^]*VirtualService default\/reviews: .*wieght.*weight/);
    t.same([...(await demo.versions(t, 10)).keys()], ['reviews-v3']);
    await writeFile(file, text);
    await eventually(() => demo.stdout.split('Configuration changed').length > 2, 'the demo to tell of the mended file');
  });

  await t.test('a second demo beside it takes other ports, says so, and takes its proxies along when it is killed', async (t) => {
    const second = await Demo.start(t, folder);
    t.match(second.stdout, /Ports are taken .*\d+ → \d+/);
    t.match(second.stdout, /this run uses a copy with the other ports/);
    t.not(second.gateway, demo.gateway);
    t.match(await request(t, second.gateway, { path: '/productpage' }), { status: 200 });
    t.equal(await second.end('SIGKILL'), 'SIGKILL');
    await eventually(() => refused(second.gateway), 'the gateway of a killed demo to go');
  });

  await t.test('Ctrl-C ends everything', async (t) => {
    t.equal(await demo.end('SIGINT'), 0);
    t.equal(demo.stderr, '');
    for (const port of demo.ports()) t.ok(await refused(port), `port ${port} is free`);
  });
});

t.test('a folder that is no copy of the example', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'outrider-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const demo = Demo.spawn(t, folder);
  t.equal(await demo.ended(), 1);
  t.match(demo.stderr, /is no copy of the bookinfo example: it has no reviews.yaml/);
});

class Demo {
  stdout = '';
  stderr = '';
  readonly #child;
  readonly #ended: Promise<number | string>;

  private constructor(folder: string) {
    this.#child = spawn(process.execPath, ['--enable-source-maps', MAIN, 'demo', '--config', folder], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#ended = new Promise((resolve, reject) => this.#child.once('error', reject).once('close', (code, signal) => resolve(code ?? signal ?? '')));
  }

  static spawn(t: TestScope, folder: string): Demo {
    const demo = new Demo(folder);
    t.teardown(() => demo.#tidyUp());
    return demo;
  }

  static async start(t: TestScope, folder: string): Promise<Demo> {
    const demo = Demo.spawn(t, folder);
    const failed = demo.#ended.then((end) => {
      throw new Error(`outrider demo ended with ${end}:\n${demo.stdout}${demo.stderr}`);
    });
    await Promise.race([eventually(() => demo.stdout.includes('Ctrl-C'), `the demo to be up; it printed ${demo.stdout}`, STARTED_MS), failed]);
    return demo;
  }

  get gateway(): number {
    return Number(/Product page +http:\/\/127\.0\.0\.1:(\d+)/.exec(this.stdout)?.[1]);
  }

  /** Every port that it printed as a URL. */
  ports(): number[] {
    return [...new Set([...this.stdout.matchAll(/http:\/\/127\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port)))];
  }

  /** How often each version of reviews answered. */
  async versions(t: TestScope, requests: number): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    const client = await RawClient.connect(t, this.gateway);
    for (let sent = 0; sent < requests; sent += 1) {
      const { text } = await client.exchange({ path: '/api/v1/products/0/reviews' });
      const { podname } = JSON.parse(text) as { podname: string };
      counts.set(podname, (counts.get(podname) ?? 0) + 1);
    }
    client.socket.destroy();
    return counts;
  }

  /** A demo that was killed cannot remove its logs. */
  async #tidyUp(): Promise<void> {
    await this.end('SIGTERM');
    const logs = /^ +Logs +(\S+)/m.exec(this.stdout)?.[1];
    if (logs !== undefined) await rm(logs, { recursive: true, force: true });
  }

  async ended(): Promise<number | string> {
    return inTime(this.#ended, 'the demo to end', 20_000);
  }

  async end(signal: NodeJS.Signals): Promise<number | string> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
    return this.ended();
  }
}

/** Two visitors who ask for reviews again and again, each on a connection of its own, until told to stop. */
class Load {
  answers = 0;
  readonly failures: string[] = [];
  /** When a version other than v3 last answered. */
  lastOther: number | undefined;
  readonly #port: number;
  #stopped = false;

  constructor(port: number) {
    this.#port = port;
  }

  async run(t: TestScope): Promise<void> {
    await Promise.all([this.#visitor(t), this.#visitor(t)]);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #visitor(t: TestScope): Promise<void> {
    let client = await RawClient.connect(t, this.#port);
    while (!this.#stopped) {
      const response = await client.exchange({ path: '/api/v1/products/0/reviews' });
      this.answers += 1;
      if (response.status !== 200) this.failures.push(`${response.status} ${response.text}`);
      else if (!response.text.includes('reviews-v3')) this.lastOther = performance.now();
      if (response.header('connection') === 'close') client = await RawClient.connect(t, this.#port);
      await sleep(5);
    }
    client.socket.destroy();
  }
}

async function copyOfExample(t: TestScope): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'outrider-bookinfo-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await cp(EXAMPLE, folder, { recursive: true });
  return folder;
}

async function refused(port: number): Promise<boolean> {
  return RawClient.connect({ teardown: () => {} }, port).then(
    (client) => {
      client.socket.destroy();
      return false;
    },
    () => true,
  );
}
