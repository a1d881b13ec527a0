/** A real `outrider run` of the test's own: started from a snapshot, asked over its ports, stopped with the test. */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MAIN } from './command.ts';
import type { RawResponse, RequestOptions } from './raw-client.ts';
import { RawClient, request } from './raw-client.ts';
import { renderResources } from './resources.ts';
import type { ResourceObject } from './resources.ts';
import { eventually, inTime } from './scope.ts';
import type { TestScope } from './scope.ts';

export interface ProxyOptions {
  /** YAML text or resource objects, written to a folder of the test's own; `write` replaces it later. */
  readonly snapshot?: string | readonly ResourceObject[];
  /** Files or folders given to `--config` as they are, before the snapshot. */
  readonly config?: readonly string[];
  /** `namespace/name` of a Pod in the snapshot. */
  readonly workload?: string;
  readonly mode?: 'sidecar' | 'gateway';
  /** More arguments; later ones win over the defaults (ports 0, access log on stdout). */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What the proxy printed after `outrider ready`. */
export interface BoundPorts {
  readonly outbound?: number;
  readonly inbound?: number;
  readonly admin?: number;
  readonly health?: number;
  readonly metrics?: number;
  /** Gateway or Sidecar port → bound port. */
  readonly ports?: Readonly<Record<string, number>>;
}

export interface ConfigStatus {
  readonly version: string;
  readonly lastAttempt: 'accepted' | 'rejected';
  readonly accepted: number;
  readonly rejected: number;
  /** One line each, as `validate` prints them. */
  readonly problems: readonly string[];
}

const READY = 'outrider ready ';

export class Proxy {
  /** Lines of stdout after the ready line: the access log, unless the test sent it elsewhere. */
  readonly log: string[] = [];
  /** Everything on stderr: the process log. */
  stderr = '';
  readonly folder: string;
  readonly child: ChildProcess;
  /** Exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
  #ports: BoundPorts | undefined;
  #partialLine = '';
  readonly #t: TestScope;

  private constructor(t: TestScope, folder: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    this.#t = t;
    this.folder = folder;
    this.child = spawn(process.execPath, ['--enable-source-maps', MAIN, 'run', ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = new Promise((resolve, reject) => this.child.once('error', reject).once('close', (code, signal) => resolve(code ?? signal ?? 'SIGKILL')));
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#print(text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
  }

  /** Resolves once it serves; rejects with what it printed when it does not. */
  static async start(t: TestScope, options: ProxyOptions): Promise<Proxy> {
    const folder = await mkdtemp(join(tmpdir(), 'outrider-'));
    const config = [...(options.config ?? [])];
    if (options.snapshot !== undefined) {
      const file = join(folder, 'snapshot.yaml');
      await writeFile(file, render(options.snapshot));
      config.push(file);
    }
    const proxy = new Proxy(t, folder, commandLine(options, config), options.env ?? {});
    t.teardown(() => proxy.#remove());
    const failed = proxy.exited.then((end) => {
      throw new Error(`outrider run ended with ${end} before it was ready:\n${proxy.stderr}`);
    });
    await Promise.race([eventually(() => proxy.#ports, 'outrider ready', 20_000), failed]);
    return proxy;
  }

  get ports(): BoundPorts {
    return this.#ports ?? {};
  }

  /** Port of the outbound capture listener. */
  get outbound(): number {
    return mustBind(this.ports.outbound, 'outbound');
  }

  get inbound(): number {
    return mustBind(this.ports.inbound, 'inbound');
  }

  /** Bound port of a Gateway's or Sidecar's declared port. */
  port(declared: number): number {
    return mustBind(this.ports.ports?.[declared], `port ${declared}`);
  }

  /** Opens a connection, by default to the outbound listener. */
  async connect(port: number = this.outbound): Promise<RawClient> {
    return RawClient.connect(this.#t, port);
  }

  /** One request to the outbound listener (or `port`) on a connection of its own. */
  async request(options: RequestOptions = {}, port: number = this.outbound): Promise<RawResponse> {
    return request(this.#t, port, options);
  }

  /** Body of an admin path; `POST /reload` for a method other than GET. Rejects on a status of 400 or above. */
  async admin(methodAndPath: string): Promise<string> {
    const [method, path] = methodAndPath.includes(' ') ? methodAndPath.split(' ') : ['GET', methodAndPath];
    const response = await request(this.#t, mustBind(this.ports.admin, 'admin'), { method: method ?? 'GET', path: path ?? '/', host: 'localhost' });
    if (response.status >= 400) throw new Error(`${methodAndPath}: ${response.status} ${response.text}`);
    return response.text;
  }

  /** The value of one counter or gauge of `/stats`; 0 where it is not listed. */
  async stat(name: string): Promise<number> {
    const line = (await this.admin('/stats')).split('\n').find((candidate) => candidate.startsWith(`${name}: `));
    return line === undefined ? 0 : Number(line.slice(name.length + 2));
  }

  async configStatus(): Promise<ConfigStatus> {
    return JSON.parse(await this.admin('/config_status')) as ConfigStatus;
  }

  /** Replaces the snapshot (by rename, as an editor does) and waits until it is accepted or rejected. */
  async write(snapshot: string | readonly ResourceObject[]): Promise<ConfigStatus> {
    const before = await this.configStatus();
    const file = join(this.folder, 'snapshot.yaml');
    await writeFile(`${file}.new`, render(snapshot));
    await rename(`${file}.new`, file);
    return eventually(async () => {
      const now = await this.configStatus();
      return now.accepted + now.rejected > before.accepted + before.rejected ? now : undefined;
    }, 'the new snapshot to be read');
  }

  /** Waits for a line of the access log that contains `part`. */
  async logLine(part: string): Promise<string> {
    return eventually(() => this.log.find((line) => line.includes(part)), `an access log line with ${part}; the last lines:\n${this.log.slice(-5).join('\n')}`);
  }

  /** Sends a signal and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return inTime(this.exited, `the proxy to end after ${signal}`, 20_000);
  }

  async #remove(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
    await rm(this.folder, { recursive: true, force: true });
  }

  #print(text: string): void {
    const lines = (this.#partialLine + text).split('\n');
    this.#partialLine = lines.pop() ?? '';
    for (const line of lines) {
      if (this.#ports === undefined && line.startsWith(READY)) this.#ports = JSON.parse(line.slice(READY.length)) as BoundPorts;
      else this.log.push(line);
    }
  }
}

function commandLine(options: ProxyOptions, config: readonly string[]): string[] {
  const args = config.flatMap((path) => ['--config', path]);
  for (const port of ['outbound', 'inbound', 'admin', 'health', 'metrics']) args.push(`--${port}-port`, '0');
  args.push('--bind', '127.0.0.1', '--log-level', 'info');
  if (options.mode !== undefined) args.push('--mode', options.mode);
  if (options.workload !== undefined) args.push('--workload', options.workload);
  return [...args, ...(options.args ?? [])];
}

function render(snapshot: string | readonly ResourceObject[]): string {
  return typeof snapshot === 'string' ? snapshot : renderResources(snapshot);
}

function mustBind(port: number | undefined, name: string): number {
  if (port === undefined) throw new Error(`the proxy has not bound ${name}`);
  return port;
}
