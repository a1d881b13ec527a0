/** Network namespaces as pods: what runs in one sees its own interfaces, addresses and iptables rules. Needs root. */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { createInterface } from 'node:readline';
import { inTime, type TestScope } from './scope.ts';

/** Where `ip netns exec` finds what a namespace has in place of the machine's /etc. */
const OVERLAYS = '/etc/netns';

/** Of this process, not removed yet; what a test leaves behind by being cut short goes with the process. */
const alive: Set<Namespace> = new Set();
process.once('exit', () => {
  for (const namespace of alive) namespace.remove();
});

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
    alive.add(this);
    t.teardown(() => this.remove());
    this.must('ip', 'link', 'set', 'lo', 'up');
  }

  /** Ends what runs in it, and it. */
  remove(): void {
    if (!alive.delete(this)) return;
    for (const stop of this.#stop) stop();
    rmSync(joinPath(OVERLAYS, this.name), { recursive: true, force: true });
    must('ip', ['netns', 'del', this.name]);
    try {
      rmdirSync(OVERLAYS);
    } catch {
      // Others have theirs there, or there is none.
    }
  }

  /** Names that programs started from here on resolve. */
  resolve(hosts: Readonly<Record<string, string | readonly string[]>>): void {
    const folder = joinPath(OVERLAYS, this.name);
    mkdirSync(folder, { recursive: true });
    const lines = Object.entries(hosts).flatMap(([name, addresses]) => [addresses].flat().map((address) => `${address} ${name}\n`));
    writeFileSync(joinPath(folder, 'hosts'), `127.0.0.1 localhost\n::1 localhost\n${lines.join('')}`);
  }

  /** Starts a program, which ends with the test at the latest. */
  spawn(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.#stop.push(() => child.kill('SIGKILL'));
    return child;
  }

  /** Runs a program to its end while the test goes on. */
  complete(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const child = this.spawn(program, args, env);
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const ended = new Promise<Ran>((resolve, reject) => child.once('error', reject).once('close', (code) => resolve({ code, stdout, stderr })));
    return inTime(ended, `${program} ${args.join(' ')} in ${this.name}`, 120_000);
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
  for (const [side, index] of [[a, 0], [b, 1]] as const) assign(side, device, addresses.map((pair) => pair[index]));
}

/** Plugs a namespace into a bridge that is in another one. */
export function plug(namespace: Namespace, into: { readonly namespace: Namespace; readonly bridge: string; readonly port: string }, device: string, addresses: readonly string[]): void {
  must('ip', ['link', 'add', device, 'netns', namespace.name, 'type', 'veth', 'peer', 'name', into.port, 'netns', into.namespace.name]);
  into.namespace.must('ip', 'link', 'set', into.port, 'master', into.bridge, 'up');
  assign(namespace, device, addresses);
}

/** Gives a device its addresses (CIDR; IPv6 without a wait for duplicates) and starts it. */
export function assign(namespace: Namespace, device: string, addresses: readonly string[]): void {
  for (const address of addresses) namespace.must('ip', 'addr', 'add', address, 'dev', device, ...(address.includes(':') ? ['nodad'] : []));
  namespace.must('ip', 'link', 'set', device, 'up');
}

function must(program: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, [...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
}
