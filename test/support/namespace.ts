/** Network namespaces as pods: what runs in one sees its own interfaces, addresses and iptables rules. Needs root. */

import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { inTime, type TestScope } from './scope.ts';

let made = 0;

/** For tap's `skip` option: why namespaces cannot be made here, or false. Makes and removes one to find out. */
export function namespacesMissing(): string | false {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const name = `outrider-test-${process.pid}-probe`;
  const added = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (added.error !== undefined) return 'ip (iproute2) is not installed';
  if (added.status !== 0) return `no network namespaces here: ${added.stderr.trim()}`;
  spawnSync('ip', ['netns', 'del', name]);
  return false;
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** One namespace with loopback up, removed at the end of the test with all that runs in it. */
export class Namespace {
  readonly name: string;
  #stop: (() => void)[] = [];

  constructor(t: TestScope) {
    this.name = `outrider-test-${process.pid}-${made++}`;
    must('ip', ['netns', 'add', this.name]);
    t.teardown(() => {
      for (const stop of this.#stop) stop();
      must('ip', ['netns', 'del', this.name]);
    });
    this.must('ip', 'link', 'set', 'lo', 'up');
  }

  /** Runs a program to its end. */
  run(program: string, args: readonly string[], options: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {}): Ran {
    const { status, stdout, stderr, error } = spawnSync('ip', ['netns', 'exec', this.name, program, ...args], {
      input: options.input ?? '',
      env: { ...process.env, ...options.env },
      encoding: 'utf8',
      timeout: 30_000,
    });
    if (error !== undefined) throw error;
    return { code: status, stdout, stderr };
  }

  /** Runs a program that must succeed, and returns what it printed. */
  must(program: string, ...args: string[]): string {
    const { code, stdout, stderr } = this.run(program, args);
    if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** Starts a node program given as text and waits for its first line; it ends with the test. */
  async serve(source: string, argument: unknown): Promise<void> {
    const child = spawn('ip', ['netns', 'exec', this.name, process.execPath, '-e', source, JSON.stringify(argument)], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#stop.push(() => child.kill('SIGKILL'));
    const ready = new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', () => resolve());
      child.once('close', (code) => reject(new Error(`ended with ${code} before it was ready`)));
    });
    await inTime(ready, `a server in ${this.name}`);
  }

  /** Runs a node program given as text to its end; it prints JSON. */
  ask(source: string, argument: unknown): unknown {
    return JSON.parse(this.must(process.execPath, '-e', source, JSON.stringify(argument))) as unknown;
  }
}

/** Joins two namespaces by a pair of interfaces with these addresses (CIDR; IPv6 without a wait for duplicates). */
export function join(a: Namespace, b: Namespace, device: string, addresses: readonly (readonly [ofA: string, ofB: string])[]): void {
  must('ip', ['link', 'add', device, 'netns', a.name, 'type', 'veth', 'peer', 'name', device, 'netns', b.name]);
  for (const [side, index] of [[a, 0], [b, 1]] as const) {
    for (const pair of addresses) side.must('ip', 'addr', 'add', pair[index], 'dev', device, ...(pair[index].includes(':') ? ['nodad'] : []));
    side.must('ip', 'link', 'set', device, 'up');
  }
}

function must(program: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, [...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
}
