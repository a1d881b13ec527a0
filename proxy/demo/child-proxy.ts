/** One `outrider run` of the demo as a child process. */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../base/clock.ts';

export interface ChildProxyOptions {
  /** Words after `run`. */
  readonly args: readonly string[];
  /** File of its process log. */
  readonly log: string;
}

/** The JSON object after `outrider ready`. */
export interface ReadyPorts {
  readonly outbound?: number;
  readonly admin?: number;
  readonly ports?: Readonly<Record<string, number>>;
}

/** After this a proxy that was asked to stop is stopped for good. */
const STOP_LIMIT_MS = 5000;
/** How much of the log explains an end that nobody asked for. */
const LAST_LINES = 10;

export class ChildProxy {
  readonly #child: ChildProcess;
  /** Resolves with how it ended and the last it said. */
  readonly exited: Promise<string>;

  constructor(options: ChildProxyOptions) {
    const main = fileURLToPath(new URL('../main.js', import.meta.url));
    const follow = new URL('./follow-parent.js', import.meta.url).href;
    const log = openSync(options.log, 'a');
    // Detached: a Ctrl-C in the terminal reaches the demo alone, which then stops its proxies in order.
    this.#child = spawn(process.execPath, ['--enable-source-maps', '--import', follow, main, 'run', ...options.args], {
      stdio: ['ignore', 'pipe', log, 'ipc'],
      detached: true,
    });
    closeSync(log);
    this.exited = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(error.message));
      this.#child.once('exit', (code, signal) => resolve(`${signal ?? `exit code ${code}`}\n${lastLines(options.log)}`));
    });
  }

  /** Its ports once it serves; undefined when it ended before. */
  async ready(): Promise<ReadyPorts | undefined> {
    return Promise.race([this.#printed(), this.exited.then(() => undefined)]);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const limit = systemClock.setTimer(STOP_LIMIT_MS, () => this.#child.kill('SIGKILL'));
    await this.exited;
    limit.cancel();
  }

  #printed(): Promise<ReadyPorts> {
    let output = '';
    return new Promise((resolve) => {
      this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        const ready = /^outrider ready (.*)\n/m.exec(output)?.[1];
        if (ready !== undefined) resolve(JSON.parse(ready) as ReadyPorts);
      });
    });
  }
}

function lastLines(file: string): string {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LAST_LINES);
  return lines.map((line) => `  ${line}`).join('\n');
}
