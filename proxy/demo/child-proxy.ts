/** One `outrider run` of the demo as a child process. */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../base/clock.ts';

export interface ChildProxyOptions {
  /** Words after `run`. */
  readonly args: readonly string[];
  /** Called with each line of its process log. */
  readonly onLog: (line: string) => void;
}

/** The JSON object after `outrider ready`. */
export interface ReadyPorts {
  readonly outbound?: number;
  readonly admin?: number;
  readonly ports?: Readonly<Record<string, number>>;
}

const READY = 'outrider ready ';
/** After this a proxy that was asked to stop is stopped for good. */
const STOP_LIMIT_MS = 5000;

export class ChildProxy {
  readonly #child: ChildProcess;
  /** Resolves with how it ended. */
  readonly exited: Promise<string>;

  constructor(options: ChildProxyOptions) {
    const main = fileURLToPath(new URL('../main.js', import.meta.url));
    const follow = new URL('./follow-parent.js', import.meta.url).href;
    // Detached: a Ctrl-C in the terminal reaches the demo alone, which then stops its proxies in order.
    this.#child = spawn(process.execPath, ['--enable-source-maps', '--import', follow, main, 'run', ...options.args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(error.message));
      this.#child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : signal));
    });
    eachLine(this.#child.stderr, options.onLog);
  }

  /** Its ports once it serves; undefined when it ended before. */
  async ready(): Promise<ReadyPorts | undefined> {
    const printed = new Promise<ReadyPorts>((resolve) => {
      eachLine(this.#child.stdout, (line) => {
        if (line.startsWith(READY)) resolve(JSON.parse(line.slice(READY.length)) as ReadyPorts);
      });
    });
    return Promise.race([printed, this.exited.then(() => undefined)]);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const limit = systemClock.setTimer(STOP_LIMIT_MS, () => this.#child.kill('SIGKILL'));
    await this.exited;
    limit.cancel();
  }
}

function eachLine(stream: NodeJS.ReadableStream | null, take: (line: string) => void): void {
  let partial = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (text: string) => {
    const lines = (partial + text).split('\n');
    partial = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
}
