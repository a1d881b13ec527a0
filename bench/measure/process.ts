/** Child processes of the bench: started on one core, ended by their own id, never by a name. */

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface Program {
  readonly pid: number;
  /** Everything it has printed so far, for an error message. */
  readonly output: () => string;
  /** SIGTERM, SIGKILL after 5 s; resolves when it is gone. */
  readonly stop: () => Promise<void>;
  /** Exit code once ended by itself. */
  readonly exited: Promise<number | null>;
}

/** Full path of a program on PATH (Debian keeps servers in sbin, which a user's PATH may lack); undefined when there is none. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const taskset = findProgram('taskset');

/** Whether programs are really bound to a core on this machine; false is said in the report. */
export const pinning = taskset !== undefined;

/** First line a program prints for a version question; empty when it fails. */
export function firstLine(command: string, args: readonly string[]): string {
  return printed(command, args).trim().split('\n')[0] ?? '';
}

/** All that it prints; empty when it cannot be started. */
export function printed(command: string, args: readonly string[]): string {
  try {
    // nginx answers on stderr, the others on stdout.
    return execFileSync('/bin/sh', ['-c', '"$0" "$@" 2>&1 || true', command, ...args], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

/** Starts a program bound to `core`. */
export function startProgram(core: number, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Program {
  const argv = taskset === undefined ? [command, ...args] : [taskset, '-c', String(core), command, ...args];
  const child = spawn(argv[0] ?? command, argv.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  if (child.pid === undefined) throw new Error(`cannot start ${command}`);
  return watchProgram(child, child.pid);
}

/** Runs a program to its end and gives its standard output; throws with what it printed when it fails. */
export async function runProgram(core: number, command: string, args: readonly string[]): Promise<string> {
  const program = startProgram(core, command, args);
  const code = await program.exited;
  if (code !== 0) throw new Error(`${command} exited with ${code}: ${program.output()}`);
  return program.output();
}

const running = new Set<Program>();

/** Stops whatever is still running: for a bench that is interrupted. */
export async function stopAllPrograms(): Promise<void> {
  await Promise.all([...running].map((program) => program.stop()));
}

function watchProgram(child: ChildProcess, pid: number): Program {
  let output = '';
  const keep = (chunk: Buffer): void => {
    if (output.length < 65_536) output += chunk.toString();
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const exited = new Promise<number | null>((resolve) => {
    child.on('error', (error) => {
      output += error.message;
      resolve(null);
    });
    child.on('close', (code) => resolve(code));
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode === null) child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), 5000);
    await exited;
    clearTimeout(force);
  };
  const program: Program = { pid, output: () => output, stop, exited };
  running.add(program);
  void exited.then(() => running.delete(program));
  return program;
}
