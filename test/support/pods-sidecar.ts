/** The sidecars of pods (pods.ts): a real `outrider run` as user 1337, asked over its admin port and its logs. */

import { spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { MAIN } from './command.ts';
import type { Namespace } from './namespace.ts';
import { eventually, inTime } from './scope.ts';

/** User and group of the proxy. */
export const PROXY_USER = 1337;

/** Until a process on a busy machine is up, or has taken a new snapshot. */
export const START_LIMIT_MS = 60_000;

/** The pod that it is beside. */
export interface SidecarPod {
  readonly name: string;
  readonly namespace: Namespace;
}

/** A running `outrider run` in a pod. */
export class Sidecar {
  readonly pod: SidecarPod;
  readonly child: ChildProcess;
  /** Lines of the access log. */
  readonly log: string[] = [];
  stderr = '';
  #ready = false;
  #partial = '';

  constructor(pod: SidecarPod, child: ChildProcess) {
    this.pod = pod;
    this.child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#print(text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
  }

  async ready(): Promise<void> {
    await eventually(() => {
      if (this.child.exitCode !== null || this.child.signalCode !== null) throw new Error(`outrider run in ${this.pod.name} ended: ${this.stderr}`);
      return this.#ready;
    }, `the sidecar of ${this.pod.name} to be ready: ${this.stderr}`, START_LIMIT_MS);
  }

  /** Body of an admin path, asked for in the pod as `kubectl exec` would. */
  admin(path: string): string {
    return this.pod.namespace.must('curl', '--silent', '--fail', '--max-time', '20', `http://127.0.0.1:15000${path}`);
  }

  /** A counter or gauge of `/stats`; 0 where it is not listed. */
  stat(name: string): number {
    const line = this.admin('/stats').split('\n').find((candidate) => candidate.startsWith(`${name}: `));
    return line === undefined ? 0 : Number(line.slice(name.length + 2));
  }

  configStatus(): { readonly accepted: number; readonly rejected: number; readonly problems: readonly string[] } {
    return JSON.parse(this.admin('/config_status')) as { accepted: number; rejected: number; problems: string[] };
  }

  /** Waits for a line of the access log with all of `parts`. */
  logLine(...parts: readonly string[]): Promise<string> {
    return eventually(
      () => this.log.find((line) => parts.every((part) => line.includes(part))),
      `a line with ${parts.join(' and ')} in the access log of ${this.pod.name}; the last lines:\n${this.log.slice(-5).join('\n')}`,
    );
  }

  /** Waits for a sentence of the process log. */
  said(pattern: RegExp): Promise<string> {
    return eventually(() => pattern.exec(this.stderr)?.[0], `${pattern} in the process log of ${this.pod.name}:\n${this.stderr.slice(-2000)}`);
  }

  /** Resident memory of the proxy, in bytes. */
  memory(): number {
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.child.pid}/status`, 'utf8'));
    return Number(resident?.[1] ?? 0) * 1024;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.child.once('close', resolve));
    this.child.kill('SIGTERM');
    await inTime(closed, `the sidecar of ${this.pod.name} to end`);
  }

  #print(text: string): void {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('outrider ready ')) this.#ready = true;
      else this.log.push(line);
    }
  }
}

const SETPRIV = ['setpriv', `--reuid=${PROXY_USER}`, `--regid=${PROXY_USER}`, '--clear-groups'];
let becomesProxy: readonly string[] | undefined;

/** `outrider ...args` as the proxy's user, without any privilege. */
export function asProxy(args: readonly string[]): readonly string[] {
  becomesProxy ??= [...SETPRIV, ...readingCapability()];
  return [...becomesProxy, process.execPath, '--enable-source-maps', MAIN, ...args];
}

/** Where the checkout or node is in a folder that only its owner may enter, reading is let and nothing else. */
function readingCapability(): readonly string[] {
  const readable = spawnSync(SETPRIV[0] ?? '', [...SETPRIV.slice(1), process.execPath, MAIN, 'version']).status === 0;
  return readable ? ['--inh-caps=-all'] : ['--inh-caps=-all,+dac_read_search', '--ambient-caps=-all,+dac_read_search'];
}
