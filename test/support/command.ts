/** Runs the compiled `outrider` command as a user would, to its end. */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { inTime } from './scope.ts';

/** The compiled entry point beside these compiled tests. */
export const MAIN = fileURLToPath(new URL('../../proxy/main.js', import.meta.url));

export interface CommandResult {
  /** Exit code, or null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** `outrider <args>`; rejects when it has not ended after 30 s. */
export async function outrider(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const child = spawn(process.execPath, ['--enable-source-maps', MAIN, ...args], {
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A command that ends without reading its input closes the pipe under us.
  child.stdin.on('error', () => {});
  child.stdin.end(options.stdin ?? '');
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  try {
    return { code: await inTime(ended, `outrider ${args.join(' ')}`, 30_000), stdout, stderr };
  } finally {
    child.kill('SIGKILL');
  }
}
